package checksum

import (
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// TestTableErrors: whatever keeps one table from being read (a lock, types that the server converts not into each other, no
// column to select, a view that is broken) makes this table undecided, with the server's words, and no other.
func TestTableErrors(t *testing.T) {
	const database = "spoilt"
	type side struct{ old, new []string }
	for _, c := range []struct {
		pair       [2]fixtures.Family
		statements side
		reasons    map[string]string
	}{
		{[2]fixtures.Family{fixtures.MariaDB, fixtures.MariaDB}, side{
			[]string{"CREATE TABLE text_geometry (id INT PRIMARY KEY, g TEXT)", "CREATE TABLE no_column (g INT AS (1) VIRTUAL)"},
			[]string{"CREATE TABLE text_geometry (id INT PRIMARY KEY, g GEOMETRY)", "CREATE TABLE no_column (g INT AS (1) VIRTUAL)"},
		}, map[string]string{"text_geometry": "geometry", "no_column": "no column in common"}},
		{[2]fixtures.Family{fixtures.MySQL, fixtures.MySQL}, side{
			[]string{"CREATE TABLE int_vector (id INT PRIMARY KEY, g INT)"},
			[]string{"CREATE TABLE int_vector (id INT PRIMARY KEY, g VECTOR(3))"},
		}, map[string]string{"int_vector": "cast_as_char"}},
		{[2]fixtures.Family{fixtures.MySQL56, fixtures.MariaDB}, side{}, nil},
	} {
		t.Run(string(c.pair[0])+"→"+string(c.pair[1]), func(t *testing.T) {
			t.Parallel()
			p := pair{old: pool.get(t, c.pair[0], "old"), new: pool.get(t, c.pair[1], "new")}
			database := database + string(c.pair[0])
			old, new := dataSession(t, p.old, database), dataSession(t, p.new, database)
			plain := []string{
				"CREATE TABLE a_same (id INT PRIMARY KEY)", "INSERT INTO a_same VALUES (1),(2)",
				"CREATE TABLE m_locked (id INT PRIMARY KEY)", "INSERT INTO m_locked VALUES (1),(2)",
				"CREATE TABLE m_locked_no_key (id INT)", "INSERT INTO m_locked_no_key VALUES (1),(2)",
				"CREATE TABLE z_differs (id INT PRIMARY KEY, v INT)", "INSERT INTO z_differs VALUES (1,1),(2,2)",
			}
			for _, do := range []struct {
				exec func(string) error
				list []string
			}{{old, append(plain, c.statements.old...)}, {new, append(plain, c.statements.new...)}} {
				for _, q := range do.list {
					if err := do.exec(q); err != nil {
						t.Fatal(q, err)
					}
				}
			}
			for _, q := range []string{"UPDATE z_differs SET v=3 WHERE id=2", "LOCK TABLES m_locked WRITE, m_locked_no_key WRITE"} {
				if err := new(q); err != nil {
					t.Fatal(q, err)
				}
			}
			defer func() { _ = new("UNLOCK TABLES") }()
			// A single row is unknown for the same reason, and no error.
			var single sync.WaitGroup
			single.Go(func() {
				rk := openRechecker(t, p.old, p.new, RecheckOptions{RetryFor: time.Second})
				verdicts, reason, err := rk.Recheck(t.Context(), database+".m_locked", []RowKey{keyOf("id", "1")})
				if err != nil || verdicts[0] != RowUnknown || !strings.Contains(reason, "error 1205") {
					t.Errorf("the locked row is %v (%s): %v", verdicts, reason, err)
				}
			})
			results, _ := check(t, p, Options{RetryFor: time.Second, Workers: 2}, database+".*")
			single.Wait()
			reasons := map[string]string{"m_locked": "error 1205", "m_locked_no_key": "error 1205"}
			for table, reason := range c.reasons {
				reasons[table] = reason
			}
			for table, reason := range reasons {
				r := results[database+"."+table]
				if r.Verdict != Undecided || !strings.Contains(r.Reason, reason) {
					t.Errorf("%s is %s (%s)", table, r.Verdict, r.Reason)
				}
			}
			if r := results[database+".a_same"]; r.Verdict != Same || r.Counts.RowsOld != 2 {
				t.Errorf("a_same is %s (%s)", r.Verdict, r.Reason)
			}
			if r := results[database+".z_differs"]; r.Verdict != Different || r.Counts.Changed != 1 {
				t.Errorf("z_differs is %s (%s), %+v", r.Verdict, r.Reason, r.Counts)
			}
		})
	}
}

// TestHostileSettings: what servers are told to return for every statement changes nothing of what is found.
func TestHostileSettings(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL, fixtures.MySQL56} {
		t.Run(string(f), func(t *testing.T) {
			p := pair{old: pool.get(t, f, "old"), new: pool.get(t, f, "new")}
			sides := []func(string) error{dataSession(t, p.old, "hostile"), dataSession(t, p.new, "hostile")}
			both := func(must bool, statements ...string) {
				for _, q := range statements {
					for _, exec := range sides {
						if err := exec(q); err != nil && must {
							t.Fatal(q, err)
						}
					}
				}
			}
			both(true, "CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, v CHAR(40), s SET('a','b') NOT NULL)",
				"INSERT INTO t SELECT CONCAT('key ', LPAD(n,8,'0')), REPEAT('x',30), 'a,b' FROM seq WHERE n < 3000",
				"CREATE TABLE u (a INT, b TEXT)", "INSERT INTO u SELECT n, REPEAT('y',20) FROM seq WHERE n < 1000")
			for _, q := range []string{"UPDATE t SET v='other' WHERE k='key 00002500'", "DELETE FROM t WHERE k='key 00002700'", "DELETE FROM u WHERE a=900"} {
				if err := sides[1](q); err != nil {
					t.Fatal(err)
				}
			}
			exact := func(t *testing.T) {
				results, _ := check(t, p, Options{}, "hostile.?")
				if r := results["hostile.t"]; r.Verdict != Different || r.Counts.RowsOld != 3000 || r.Counts.RowsNew != 2999 || r.Counts.Changed != 1 || r.Counts.Missing != 1 || r.Counts.Extra != 0 {
					t.Errorf("t is %s (%s): %+v", r.Verdict, r.Reason, r.Counts)
				}
				if r := results["hostile.u"]; r.Verdict != Different || r.Counts.RowsOld != 1000 || r.Counts.Missing != 1 || r.Counts.Extra != 0 {
					t.Errorf("u is %s (%s): %+v", r.Verdict, r.Reason, r.Counts)
				}
			}
			settings := []string{
				"sql_select_limit=50", "max_join_size=10", "sql_big_selects=0", "sql_mode='ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'",
				"max_sort_length=8", "max_statement_time=0.0001", "max_execution_time=1", "system_versioning_asof='2010-01-01'",
				"transaction_isolation='READ-UNCOMMITTED'", "tx_isolation='READ-UNCOMMITTED'", "autocommit=0", "time_zone='+09:00'",
				"max_session_mem_used=8192", "tmp_disk_table_size=1024", "in_predicate_conversion_threshold=2", "sql_buffer_result=1",
			}
			t.Run("global", func(t *testing.T) {
				for _, q := range settings {
					both(false, "SET GLOBAL "+q)
				}
				defer func() {
					for _, q := range settings {
						name, _, _ := strings.Cut(q, "=")
						both(false, "SET GLOBAL "+name+"=DEFAULT")
					}
					both(true, "SET GLOBAL sql_big_selects=1, GLOBAL time_zone='SYSTEM'")
				}()
				exact(t)
			})
			t.Run("init_connect", func(t *testing.T) {
				both(true, `SET GLOBAL init_connect="SET sql_select_limit=50, max_join_size=10; SET sql_big_selects=0, timestamp=1000000000;`+
					` SET sql_mode='ANSI_QUOTES'; START TRANSACTION WITH CONSISTENT SNAPSHOT"`)
				defer both(true, "SET GLOBAL init_connect=''")
				exact(t)
			})
		})
	}
}
