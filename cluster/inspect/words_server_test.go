package inspect

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serverReader(t *testing.T, family fixtures.Family) *reader {
	t.Helper()
	srv := fixtures.ServerForTest(t, family, fixtures.ServerOptions{})
	s, err := cluster.Open(t.Context(), cluster.Config{
		Label: "old", Net: "tcp", Addr: srv.Addr(), User: string(fixtures.Crosscheck), Password: cluster.Secret(srv.Password(fixtures.Crosscheck)),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &reader{Server: s, side: &Side{Label: "old"}, log: slog.New(slog.DiscardHandler)}
}

// TestEverReserved asks the newest servers for all their words: one that they
// reserve, and another does not, must be among those that are asked about.
func TestEverReserved(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	readers := map[fixtures.Family]*reader{}
	for _, f := range fixtures.AllFamilies() {
		readers[f] = serverReader(t, f)
	}
	var words []string
	for _, q := range []struct {
		family fixtures.Family
		query  string
	}{
		{fixtures.MySQL, "SELECT WORD FROM information_schema.KEYWORDS"},
		{fixtures.MariaDB, "SELECT WORD FROM information_schema.KEYWORDS"},
		{fixtures.MariaDB118, "SELECT WORD FROM information_schema.KEYWORDS"},
	} {
		list, err := readers[q.family].strings(t.Context(), q.query)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range list {
			if strings.Trim(strings.ToLower(w), "abcdefghijklmnopqrstuvwxyz_0123456789") == "" {
				words = append(words, strings.ToLower(w))
			}
		}
	}
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) < 500 {
		t.Fatalf("only %d words", len(words))
	}
	reserved := map[fixtures.Family]map[string]bool{}
	for f, r := range readers {
		if err := r.probe(t.Context(), questions{words: words, functions: []string{"columns", "in", "md5", "no_such_function", "password"}, constructs: []Construct{GroupByDirection, NullAsN, QueryCacheHint}}); err != nil {
			t.Fatal(err)
		}
		reserved[f] = r.side.Reserved
		newest := f == fixtures.MySQL
		if len(r.side.Unknown) > 0 || r.side.Lacks["md5"] != newest || r.side.Lacks["password"] != newest || !r.side.Lacks["no_such_function"] {
			t.Errorf("%s: functions that it lacks: %v %v", f, r.side.Lacks, r.side.Unknown)
		}
		if !r.side.Grammar["in"] || r.side.Grammar["md5"] || f == fixtures.MySQL56 && !r.side.Grammar["columns"] && !r.side.Lacks["columns"] {
			t.Errorf("%s: words of the language: %v", f, r.side.Grammar)
		}
		if n := len(r.side.Refuses); (newest && n != 3) || (!newest && n != 0) {
			t.Errorf("%s refuses %v", f, r.side.Refuses)
		}
	}
	for _, w := range words {
		var by []fixtures.Family
		for f, m := range reserved {
			if m[w] {
				by = append(by, f)
			}
		}
		if len(by) > 0 && len(by) < len(reserved) && !slices.Contains(everReserved(), w) {
			t.Errorf("%s is reserved by %v only, and is not asked about", w, by)
		}
	}
}
