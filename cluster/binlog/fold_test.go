package binlog

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// TestFoldNeverMisses: whatever a server gives one weight must have one fold, for all characters of the basic plane
// and all pairs of ASCII letters.
func TestFoldNeverMisses(t *testing.T) {
	wanted := []string{
		"general_ci", "unicode_ci", "unicode_520_ci", "0900_ai_ci", "danish_ci", "german2_ci", "swedish_ci", "turkish_ci",
		"croatian_ci", "spanish2_ci", "czech_ci", "hungarian_ci", "polish_ci", "icelandic_ci", "vietnamese_ci", "persian_ci",
		"sinhala_ci", "myanmar_ci", "thai_520_w2", "ja_0900_as_cs", "zh_0900_as_cs", "uca1400_ai_ci", "uca1400_german2_ai_ci", "uca1400_danish_ai_ci",
	}
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		conn, err := s.DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		exec := func(q string, args ...any) {
			t.Helper()
			if _, err := conn.ExecContext(t.Context(), q, args...); err != nil {
				t.Fatalf("%.200s: %v", q, err)
			}
		}
		exec("SET NAMES utf8mb4")
		exec("CREATE DATABASE IF NOT EXISTS folds")
		exec("CREATE TEMPORARY TABLE folds.texts (x VARCHAR(4) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)")
		var values []string
		flush := func() {
			exec("INSERT INTO folds.texts VALUES " + strings.Join(values, ","))
			values = values[:0]
		}
		add := func(text string) {
			if values = append(values, fmt.Sprintf("(_utf8mb4 x'%x')", text)); len(values) == 2000 {
				flush()
			}
		}
		for r := rune(0x20); r < 0x10000; r++ {
			if r < 0xd800 || r > 0xdfff {
				add(string(r))
			}
		}
		for r := rune(0x1f300); r < 0x1fb00; r++ {
			add(string(r))
		}
		const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
		for _, a := range letters {
			for _, b := range letters {
				add(string([]rune{a, b}))
			}
		}
		for _, script := range plainLetters { // an order may have a weight of its own for two letters
			for a := script[0]; a <= min(script[1], script[0]+24); a++ {
				for b := script[0]; b <= min(script[1], script[0]+24); b++ {
					add(string([]rune{a, b}))
				}
			}
		}
		flush()
		for _, name := range wanted {
			foldsHold(t, conn, "utf8mb4_"+name)
		}
	})
}

// foldsHold compares the folds of texts to which a collation gives one weight. A server that does not know the
// collation has nothing to say.
func foldsHold(t *testing.T, conn *sql.Conn, collation string) {
	rows, err := conn.QueryContext(t.Context(), "SELECT x, HEX(WEIGHT_STRING(CONVERT(x USING utf8mb4) COLLATE "+collation+")) FROM folds.texts")
	if n := cluster.ErrorNumber(err); n == 1273 { // unknown collation
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	defer rows.Close()
	first, missed := map[string]string{}, 0
	for rows.Next() {
		var text, weight string
		if err := rows.Scan(&text, &weight); err != nil {
			t.Fatal(err)
		}
		have, ok := first[weight]
		if !ok {
			first[weight] = text
			continue
		}
		a, b := AppendFold(nil, []byte(have), KeepFor(collation)), AppendFold(nil, []byte(text), KeepFor(collation))
		if string(a) == string(b) && !SurelyDifferent([]byte(have), []byte(text)) {
			continue
		}
		if missed++; missed <= 40 {
			t.Errorf("%s: %q (%U) and %q (%U) are equal, folded %q and %q", collation, have, []rune(have), text, []rune(text), a, b)
		}
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	t.Logf("%s: %d weights, %d missed", collation, len(first), missed)
}
