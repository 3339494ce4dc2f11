package watch

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crosscheck/conflict"
)

// words makes distinct words of a script, of its letters from first on.
func words(first rune, letters, count int) []string {
	out := make([]string, count)
	for i := range out {
		word := []rune{first, first + 1, first + 3}
		for n := i; n > 0 || len(word) < 6; n /= letters {
			word = append(word, first+rune(n%letters))
		}
		out[i] = string(word)
	}
	return out
}

func insertWords(list []string, from int) string {
	rows := make([]string, len(list))
	for i, w := range list {
		rows[i] = fmt.Sprintf("(%d, '%s')", from+i, w)
	}
	return "INSERT INTO u VALUES " + strings.Join(rows, ",")
}

// insertParts makes rows whose keys are a number of three, shifted, and a word.
func insertParts(list []string, from, shift int) string {
	rows := make([]string, len(list))
	for i, w := range list {
		rows[i] = fmt.Sprintf("(%d, %d, '%s')", from+i, (i+shift)%3, w)
	}
	return "INSERT INTO k VALUES " + strings.Join(rows, ",")
}

// Many texts of a script that the prefilter does not tell apart meet while the appliers stand: the one collision among
// them is found, nothing else, in time and memory that do not grow with the pairs. A foreign key's children that came and
// went do not hide the one that stays.
func TestCrowds(t *testing.T) {
	for _, k := range some("mysql", "mysql56", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, new, name := database(t, set)
			collation := "utf8mb4_0900_ai_ci"
			if k.name != "mysql" {
				collation = "utf8mb4_unicode_ci"
			}
			mustExec(t, old, "CREATE TABLE u (id INT PRIMARY KEY, w VARCHAR(40), UNIQUE (w)) DEFAULT CHARACTER SET utf8mb4 COLLATE "+collation,
				"CREATE TABLE k (id INT PRIMARY KEY, a INT, w VARCHAR(40), UNIQUE (a, w)) DEFAULT CHARACTER SET utf8mb4 COLLATE "+collation,
				"CREATE TABLE b (b BINARY(4) PRIMARY KEY, v VARBINARY(4), UNIQUE (v))",
				"CREATE TABLE p (id INT PRIMARY KEY)", "INSERT INTO p VALUES (1)",
				"CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id))")
			caughtUp(t, set)
			w := watchSet(t, set, name, &memoryStore{}, nil)
			w.until("both sides are seen", func(s Status) bool { return s.Verdict == Clean })
			stopAppliers(t, set)
			list := words('ⴰ', 40, 1400) // Tifinagh, of which the prefilter keeps nothing
			mustExec(t, old, insertWords(list[:700], 0), insertWords(words('ب', 16, 3000), 30000))
			mustExec(t, new, insertWords(list[700:], 10000), "INSERT INTO u VALUES (20000, '"+list[699]+"')")
			// Scripts of their own, and a key of which the text is a part; b is compared by its bytes, padded or not.
			thai, hangul := words('ก', 24, 300), words('가', 40, 300)
			mustExec(t, old, insertWords(thai, 40000), insertWords(hangul, 50000), insertParts(thai, 0, 0), "INSERT INTO b VALUES (x'0100', x'0100'), (x'02', x'02')")
			mustExec(t, new, "INSERT INTO u VALUES (60000, '"+thai[7]+"'), (60001, '"+hangul[9]+"')", insertParts(thai, 1000, 1),
				"INSERT INTO k VALUES (2000, 0, '"+thai[3]+"')", "INSERT INTO b VALUES (x'01', x'01'), (x'0200FF', x'0200')")
			children := make([]string, 5000)
			for i := range children {
				children[i] = "(" + strconv.Itoa(i) + ", 1)"
			}
			mustExec(t, old, "INSERT INTO c VALUES "+strings.Join(children, ","), "DELETE FROM c", "DELETE FROM p")
			mustExec(t, new, "INSERT INTO c VALUES (9999, 1)")
			begin := time.Now()
			w.until("the servers were asked", func(s Status) bool {
				return s.Account.Questions == 0 && s.Findings[conflict.InsertInsertUnique] == 4 && s.Findings[conflict.ForeignKeyOrphan] == 1
			})
			t.Logf("after %s, %d MiB", time.Since(begin).Round(time.Millisecond), residentMiB(t))
			startAppliers(t, set)
			caughtUp(t, set)
			w.quiet()
			w.end()
			want := []string{
				"foreign_key_orphan p 1", "insert_insert_pk b " + "\x01\x00\x00\x00", "insert_insert_unique k 0," + thai[3],
				"insert_insert_unique u " + list[699], "insert_insert_unique u " + thai[7], "insert_insert_unique u " + hangul[9],
			}
			slices.Sort(want)
			if got := w.store.lines(); !slices.Equal(got, want) {
				t.Errorf("found %.500q, want %q", got, want)
			}
		})
	}
}

func residentMiB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}
