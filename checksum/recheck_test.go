package checksum

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/fixtures"
)

func keyOf(columns string, values ...string) RowKey {
	k := RowKey{Columns: strings.Split(columns, ",")}
	for _, v := range values {
		k.Values = append(k.Values, binlog.Value{Text: []byte(v)})
	}
	return k
}

func openRechecker(t testing.TB, old, new *fixtures.Server, opt RecheckOptions) *Rechecker {
	t.Helper()
	o, n := openSide(t, old, "old"), openSide(t, new, "new")
	survey, err := Look(t.Context(), o, n)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRechecker(o, n, survey, opt)
	t.Cleanup(r.Close)
	return r
}

// expect rechecks rows and compares the verdicts, written as a letter each: = equal, x differs, ? unknown.
func expect(t *testing.T, r *Rechecker, table, want string, rows ...RowKey) (reason string) {
	t.Helper()
	began := time.Now()
	verdicts, reason, err := r.Recheck(t.Context(), table, rows)
	got := ""
	for _, v := range verdicts {
		got += [...]string{"?", "=", "x"}[v]
	}
	if got != want || err != nil {
		t.Errorf("%s: got %q, want %q; reason %q, error %v", table, got, want, reason, err)
	}
	if strings.Contains(want, "?") == (reason == "") {
		t.Errorf("%s: verdicts %q with reason %q", table, want, reason)
	}
	t.Logf("%s: %s in %s %s", table, got, time.Since(began).Round(time.Millisecond), reason)
	return reason
}

// TestRecheckKeyTypes: every type of key finds its row. Per table three values: of an equal row, of one that new holds
// with another payload, and of one that new lacks. A key that finds nothing on either side would be called equal.
func TestRecheckKeyTypes(t *testing.T) {
	type keyCase struct{ ddl, ddlNew, a, b, c string }
	everywhere := []keyCase{
		{"TINYINT", "", "-128", "0", "127"},
		{"SMALLINT UNSIGNED", "", "0", "1", "65535"},
		{"MEDIUMINT", "BIGINT", "-8388608", "7", "8388607"},
		{"INT ZEROFILL", "", "0", "42", "4294967295"},
		{"BIGINT", "", "-9223372036854775808", "-1", "9223372036854775807"},
		{"BIGINT UNSIGNED", "", "0", "9223372036854775808", "18446744073709551615"},
		{"INT UNSIGNED", "BIGINT", "0", "2147483648", "4294967295"},
		{"BIGINT UNSIGNED", "BIGINT", "1", "2", "9223372036854775807"},
		{"INT", "DECIMAL(12,2)", "-5", "5", "2000000000"},
		{"DECIMAL(20,4)", "", "-0.5000", "7.0000", "1234567890123456.7891"},
		{"DECIMAL(10,2)", "DECIMAL(14,4)", "-0.50", "7.00", "12345678.90"},
		{"DECIMAL(10,2) ZEROFILL", "", "0.50", "7.00", "12345678.90"},
		{"FLOAT", "", "0.5", "-2.5", "1e+10"},
		{"DOUBLE", "", "0.1", "-2.5", "1e+300"},
		{"BIT(10)", "", "\x00\x01", "\x02\x00", "\x03\xff"},
		{"YEAR", "", "0000", "1999", "2155"},
		{"DATE", "", "1000-01-01", "2024-02-29", "9999-12-31"},
		{"DATETIME", "", "2024-02-29 00:00:00", "2024-02-29 23:59:59", "1000-01-01 00:00:01"},
		{"DATETIME(6)", "", "2024-02-29 00:00:00.000000", "2024-02-29 23:59:59.000001", "1000-01-01 00:00:01.500000"},
		{"DATE", "DATETIME", "1000-01-01", "2024-02-29", "9999-12-31"},
		{"TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP(3)", "", "1970-01-01 00:00:01.000", "2024-02-29 23:59:59.001", "2038-01-19 03:14:07.999"},
		{"TIME(2)", "", "-838:59:59.00", "00:00:00.00", "25:01:02.50"},
		{"CHAR(5)", "", "a", "ä b", "日本"},
		{"VARCHAR(20)", "", "", "it's \\ 'x'", "ÿ日"},
		{"VARCHAR(20) CHARACTER SET latin1", "", "a", "\u00e4\u20ac", "z "},
		{"VARCHAR(20) CHARACTER SET latin1", "VARCHAR(20) CHARACTER SET utf8mb4", "a", "\u00e4\u20ac", "zz"},
		{"VARCHAR(20) CHARACTER SET ucs2", "", "a", "ü", "日"},
		{"BINARY(4)", "", "\x00\x00\x00\x00", "a\x00\x00\x00", "\xff\xfe\x00\x01"},
		{"VARBINARY(20)", "", "", "\x00", "\xff'\\"},
		{"ENUM('red','green','blue')", "", "red", "green", "blue"},
		{"ENUM('red','green','blue')", "ENUM('blue','green','red')", "red", "green", "blue"},
		{"SET('a','b','c')", "", "a", "a,c", "a,b,c"},
	}
	forPairs(t, 4, func(t *testing.T, p pair) {
		database := "recheck types " + p.name
		old, new := dataSession(t, p.old, database), dataSession(t, p.new, database)
		cases := everywhere
		if p.old.Family().IsMariaDB() && p.new.Family().IsMariaDB() {
			cases = append(slices.Clone(cases), []keyCase{
				{"UUID", "", "00000000-0000-0000-0000-000000000001", "123e4567-e89b-12d3-a456-426655440000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
				{"INET6", "", "::1", "2001:db8::ff00:42:8329", "::ffff:192.0.2.1"},
			}...)
		}
		var asks errgroup.Group // each takes its rounds' delays
		asks.SetLimit(12)
		defer func() { _ = asks.Wait() }()
		idle := make(chan *Rechecker, 12)
		for range cap(idle) {
			idle <- openRechecker(t, p.old, p.new, RecheckOptions{})
		}
		for i, c := range cases {
			for _, composite := range []bool{false, true} {
				name := fmt.Sprintf("t%d_%v", i, composite)
				ddlNew := c.ddlNew
				if ddlNew == "" {
					ddlNew = c.ddl
				}
				literal := func(v string) string {
					if strings.HasPrefix(c.ddl, "BIT") || strings.Contains(c.ddl, "BINARY") {
						return fmt.Sprintf("X'%X'", v)
					}
					return "'" + strings.NewReplacer("\\", "\\\\", "'", "''").Replace(v) + "'"
				}
				run := func(exec func(string) error, ddl string, rows ...string) {
					key, pk, more := "k "+ddl+" NOT NULL", "k", ""
					if strings.Contains(ddl, " DEFAULT") {
						key = "k TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01 00:00:00'"
					}
					if composite {
						pk, more = "n, k", "n INT NOT NULL,"
					}
					create := fmt.Sprintf("CREATE TABLE %s (payload VARCHAR(20), %s %s, PRIMARY KEY (%s))", name, more, key, pk)
					if err := exec(create); err != nil {
						t.Fatalf("%s: %v", create, err)
					}
					for _, row := range rows {
						row = strings.ReplaceAll(row, "(", map[bool]string{true: "(7,", false: "("}[composite])
						into := map[bool]string{true: "n,k", false: "k"}[composite]
						insert := fmt.Sprintf("INSERT INTO %s (%s,payload) VALUES %s", name, into, row)
						if err := exec(insert); err != nil {
							t.Fatalf("%s: %s: %v", c.ddl, insert, err)
						}
					}
				}
				row := func(v, payload string) string { return "(" + literal(v) + ",'" + payload + "')" }
				run(old, c.ddl, row(c.a, "same"), row(c.b, "one"), row(c.c, "gone"))
				run(new, ddlNew, row(c.a, "same"), row(c.b, "two"))
				columns, lead := "k", []string(nil)
				if composite {
					columns, lead = "n,k", []string{"7"}
				}
				var keys []RowKey
				for _, v := range []string{c.a, c.b, c.c, c.b} {
					keys = append(keys, keyOf(columns, append(slices.Clone(lead), v)...))
				}
				table := cluster.Table{Schema: database, Name: name}
				asks.Go(func() error {
					r := <-idle
					defer func() { idle <- r }()
					verdicts, reason, err := r.Recheck(t.Context(), table.FullName(), keys)
					if !slices.Equal(verdicts, []RowVerdict{RowEqual, RowDiffers, RowDiffers, RowDiffers}) || err != nil {
						t.Errorf("%s, %s, composite %v: %v %q %v", c.ddl, c.ddlNew, composite, verdicts, reason, err)
					}
					return nil
				})
			}
		}
	})
}

// dualFamilies have two-way replication among themselves.
var dualFamilies = []fixtures.Family{fixtures.MariaDB, fixtures.MySQL, fixtures.MySQL56}

func TestRecheckDual(t *testing.T) {
	for _, f := range dualFamilies {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			set := fixtures.ForTest(t, fixtures.Spec{Topology: fixtures.Dual, Old: f, New: f})
			r := openRechecker(t, set.Old, set.New, RecheckOptions{RetryFor: time.Second})
			d := &dualSteps{t: t, set: set, r: r}
			d.exec(
				set.Old, "CREATE DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
				"CREATE TABLE d.t (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, v VARCHAR(50))",
				"CREATE TABLE d.s (name VARCHAR(50) NOT NULL PRIMARY KEY, v VARCHAR(50))",
				"CREATE TABLE d.nokey (id INT, v VARCHAR(50))",
				"INSERT INTO d.t VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(18446744073709551615,'max')",
				"INSERT INTO d.s VALUES ('anna','1'),('Berta','2'),('cäsar','3'),('Dora','4')",
			)
			d.settle()
			d.quiet()
			d.strings()
			d.stopped()
			d.toggling()
			d.changing()
			d.restarted()
		})
	}
}

type dualSteps struct {
	t   *testing.T
	set *fixtures.Set
	r   *Rechecker
}

// exec runs statements of one session.
func (d *dualSteps) exec(s *fixtures.Server, statements ...string) {
	d.t.Helper()
	conn, err := s.DB().Conn(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range append([]string{"SET sql_log_bin=1"}, statements...) {
		if _, err := conn.ExecContext(d.t.Context(), q); err != nil {
			d.t.Fatalf("%s: %v", q, err)
		}
	}
	if _, err := conn.ExecContext(d.t.Context(), "SET sql_log_bin=1"); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dualSteps) settle() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 3*time.Minute)
	defer cancel()
	if err := d.set.WaitCaughtUp(ctx); err != nil {
		d.t.Fatal(err)
	}
}

func ids(list ...string) (keys []RowKey) {
	for _, id := range list {
		keys = append(keys, keyOf("id", id))
	}
	return keys
}

// quiet: equal rows, diverged ones, rows deleted on both sides or on one, and what cannot be compared.
func (d *dualSteps) quiet() {
	expect(d.t, d.r, "d.t", "===", ids("1", "18446744073709551615", "99")...)
	d.exec(d.set.New, "SET sql_log_bin=0", "UPDATE d.t SET v='B' WHERE id=2", "DELETE FROM d.t WHERE id=3", "INSERT INTO d.t VALUES (5,'extra')")
	expect(d.t, d.r, "d.t", "=xxx=", ids("1", "2", "3", "5", "4")...)
	d.exec(d.set.New, "SET sql_log_bin=0", "UPDATE d.t SET v='b' WHERE id=2", "INSERT INTO d.t VALUES (3,'c')", "DELETE FROM d.t WHERE id=5")
	d.exec(d.set.Old, "DELETE FROM d.t WHERE id=4")
	expect(d.t, d.r, "d.t", "=====", ids("1", "2", "3", "5", "4")...)
	expect(d.t, d.r, "d.nokey", "?", ids("1")...)
	expect(d.t, d.r, "d.none", "?", ids("1")...)
	expect(d.t, d.r, "d.t", "?=", keyOf("v", "a"), keyOf("ID", "1"))
	expect(d.t, d.r, "d.t", "?=", RowKey{Columns: []string{"id"}, Values: []binlog.Value{{State: binlog.Null}}}, keyOf("ID", "1"))
	expect(d.t, d.r, "d.t", "??", keyOf("id", "x"), keyOf("id", "18446744073709551616"))
}

// strings: keys that a collation calls equal.
func (d *dualSteps) strings() {
	names := func(list ...string) (keys []RowKey) {
		for _, n := range list {
			keys = append(keys, keyOf("name", n))
		}
		return keys
	}
	expect(d.t, d.r, "d.s", "====", names("anna", "ANNA", "cäsar", "nobody")...)
	d.exec(d.set.New, "SET sql_log_bin=0", "UPDATE d.s SET name='BERTA' WHERE name='Berta'", "UPDATE d.s SET v='X' WHERE name='Dora'")
	expect(d.t, d.r, "d.s", "xx=", names("Berta", "BERTA", "anna")...)
	expect(d.t, d.r, "d.s", "x=x", names("Dora", "cäsar", "dora")...)
	d.exec(d.set.New, "SET sql_log_bin=0", "UPDATE d.s SET name='Berta' WHERE name='Berta'", "UPDATE d.s SET v='4' WHERE name='Dora'")
	expect(d.t, d.r, "d.s", "====", names("Berta", "BERTA", "anna", "Dora")...)
}

// stopped: rows in flight are unknown while replication stands, whichever direction, and equal when it goes on.
func (d *dualSteps) stopped() {
	for _, side := range []fixtures.Side{fixtures.New, fixtures.Old} {
		from := d.set.Old
		if side == fixtures.Old {
			from = d.set.New
		}
		if err := d.set.StopReplication(d.t.Context(), side); err != nil {
			d.t.Fatal(err)
		}
		d.exec(from, "UPDATE d.t SET v=CONCAT(v,'+') WHERE id=1", "INSERT INTO d.t VALUES (7,'new')", "DELETE FROM d.t WHERE id=2")
		expect(d.t, d.r, "d.t", "???", ids("1", "2", "7")...)
		// From now on nobody waits for it to come back. The machine may stand still during a call, but not during all of them.
		fastest := time.Hour
		for try := 0; try < 5 && fastest > 2*time.Second; try++ {
			began := time.Now()
			expect(d.t, d.r, "d.t", "???", ids("1", "2", "7")...)
			fastest = min(fastest, time.Since(began))
		}
		if fastest > 2*time.Second {
			d.t.Errorf("replication that is known to stand held each call for %s or longer", fastest)
		}
		if err := d.set.StartReplication(d.t.Context(), side); err != nil {
			d.t.Fatal(err)
		}
		expect(d.t, d.r, "d.t", "===", ids("1", "2", "7")...)
		d.exec(from, "DELETE FROM d.t WHERE id=7", "INSERT INTO d.t VALUES (2,'b')")
		d.settle()
	}
}

// toggling: a row that is written all the time is never called different.
func (d *dualSteps) toggling() {
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = d.set.Old.DB().ExecContext(ctx, fmt.Sprintf("UPDATE d.t SET v='%d' WHERE id=1", i%2))
			time.Sleep(time.Millisecond) // so that the replica keeps up, however busy the machine is
		}
	}()
	for range 3 {
		verdicts, reason, err := d.r.Recheck(d.t.Context(), "d.t", ids("1", "2", "3"))
		d.t.Log("toggling: ", verdicts, reason)
		if err != nil || verdicts[0] == RowDiffers || verdicts[1] != RowEqual || verdicts[2] != RowEqual {
			d.t.Errorf("toggling: %v %q %v", verdicts, reason, err)
		}
	}
	cancel()
	<-done
	expect(d.t, d.r, "d.t", "===", ids("1", "2", "3")...)
}

// changing: a definition that changes is followed.
func (d *dualSteps) changing() {
	d.exec(d.set.Old, "ALTER TABLE d.t ADD COLUMN w INT NOT NULL DEFAULT 5")
	d.settle()
	expect(d.t, d.r, "d.t", "==", ids("1", "2")...)
	d.exec(d.set.New, "SET sql_log_bin=0", "UPDATE d.t SET w=6 WHERE id=2")
	expect(d.t, d.r, "d.t", "=x", ids("1", "2")...)
	d.exec(d.set.New, "SET sql_log_bin=0", "UPDATE d.t SET w=5 WHERE id=2", "ALTER TABLE d.t MODIFY w BIGINT NOT NULL")
	expect(d.t, d.r, "d.t", "==", ids("1", "2")...)
	d.exec(d.set.New, "SET sql_log_bin=0", "ALTER TABLE d.t MODIFY w INT NOT NULL")
	expect(d.t, d.r, "d.t", "==", ids("1", "2")...)
}

// restarted: connections are opened again after a server was away.
func (d *dualSteps) restarted() {
	if err := d.set.New.Stop(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	expect(d.t, d.r, "d.t", "??", ids("1", "2")...)
	if err := d.set.New.Restart(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
		_ = d.set.StopReplication(d.t.Context(), side) // the one waits to connect again
		if err := d.set.StartReplication(d.t.Context(), side); err != nil {
			d.t.Fatal(err)
		}
	}
	d.settle()
	expect(d.t, d.r, "d.t", "==", ids("1", "2")...)
	ctx, cancel := context.WithCancel(d.t.Context())
	cancel()
	if verdicts, _, err := d.r.Recheck(ctx, "d.t", ids("1")); err == nil || verdicts[0] != RowUnknown {
		d.t.Errorf("after the context's end: %v, %v", verdicts, err)
	}
}
