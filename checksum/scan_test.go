package checksum

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// countingLog counts messages that begin with a text.
type countingLog struct {
	slog.Handler
	prefix string
	n      *atomic.Int32
}

func (l countingLog) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, l.prefix) {
		l.n.Add(1)
	}
	return nil
}

// TestScanLosesConnection: a table without a key is read anew after its connection was lost half way, and nothing of
// the first attempt counts. A table that new lacks is counted in spite of a lost connection, too.
func TestScanLosesConnection(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(f), func(t *testing.T) {
			p := pair{name: string(f), old: pool.get(t, f, "old"), new: pool.get(t, f, "new")}
			database := "scan lost " + string(f)
			for i, s := range []*fixtures.Server{p.old, p.new} {
				exec := dataSession(t, s, database)
				statements := []string{
					"CREATE TABLE nokey (n INT, pad CHAR(100))",
					"INSERT INTO nokey SELECT s.n, 'x' FROM seq s, zz_digits d WHERE d.d < 6",
				}
				if i == 0 {
					statements = append(statements, "CREATE TABLE onlyold LIKE nokey", "INSERT INTO onlyold SELECT * FROM nokey")
				} else {
					statements = append(statements, "DELETE FROM nokey WHERE n = 77 LIMIT 2")
				}
				for _, q := range statements {
					if err := exec(q); err != nil {
						t.Fatal(err)
					}
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			killed := make(chan int)
			go func() { killed <- killScans(ctx, p.old, 3) }()
			var lost atomic.Int32
			results, _ := check(t, p, Options{
				Workers: 1, Log: slog.New(countingLog{slog.NewTextHandler(io.Discard, nil), "lost the server", &lost}),
			}, cluster.Quote(database)+".nokey", cluster.Quote(database)+".onlyold")
			cancel()
			if n := <-killed; n == 0 {
				t.Fatal("no statement was caught: the test proves nothing")
			} else {
				t.Logf("%d connections killed, %d lost", n, lost.Load())
			}
			a, b := results[(&cluster.Table{Schema: database, Name: "nokey"}).FullName()], results[(&cluster.Table{Schema: database, Name: "onlyold"}).FullName()]
			if a.Verdict != Different || a.Counts.Missing != 2 || a.Counts.Extra+a.Counts.Undecided != 0 || a.Counts.RowsOld != 60000 || a.Counts.RowsNew != 59998 {
				t.Errorf("nokey: %s %+v %s", a.Verdict, a.Counts, a.Reason)
			}
			if b.Verdict != Different || b.Counts.Missing != 60000 {
				t.Errorf("onlyold: %s %+v %s", b.Verdict, b.Counts, b.Reason)
			}
		})
	}
}

// killScans kills up to n connections that are reading whole tables, and returns how many it caught.
func killScans(ctx context.Context, s *fixtures.Server, n int) (killed int) {
	for killed < n && ctx.Err() == nil {
		id := scanning(ctx, s)
		if id == "" {
			continue
		}
		time.Sleep(2 * time.Millisecond)
		if _, err := s.DB().ExecContext(ctx, "KILL "+id); err == nil {
			killed++
			time.Sleep(30 * time.Millisecond)
		}
	}
	return killed
}

// scanning returns the connection that reads a whole table, "" for none.
func scanning(ctx context.Context, s *fixtures.Server) string {
	rows, err := s.DB().QueryContext(ctx, "SHOW FULL PROCESSLIST")
	if err != nil {
		return ""
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return ""
	}
	values := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if rows.Scan(into...) != nil {
			return ""
		}
		info := values[7].String
		if values[1].String == "crosscheck" && strings.HasPrefix(info, "SELECT") &&
			(strings.Contains(info, "`nokey`") || strings.Contains(info, "COUNT(*)")) {
			return values[0].String
		}
	}
	_ = rows.Err()
	return ""
}
