package binlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"crosscheck/cluster/gtid"
	"crosscheck/fixtures"
)

// BenchmarkTail reads a log of single-row and multi-row changes of a table of
// ten columns and prints row changes per second, decoding and key extraction
// included.
func BenchmarkTail(b *testing.B) {
	for _, f := range []fixtures.Family{fixtures.MySQL, fixtures.MariaDB} {
		s := sharedServer(b, f)
		db, name := database(b, s)
		exec(b, db, `CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, email VARCHAR(80) NOT NULL,
			amount DECIMAL(12,2) NOT NULL, qty SMALLINT NOT NULL, status ENUM('new','paid','sent') NOT NULL, note VARCHAR(100),
			created DATETIME(6) NOT NULL, updated TIMESTAMP NULL, weight DOUBLE, KEY(customer))`, "CREATE TABLE fin (id INT)")
		srv := open(b, s)
		start := tail(b, srv, name, Options{})
		from := start.Position()
		start.Close()
		seed := `INSERT INTO t (customer,email,amount,qty,status,note,created,updated,weight) VALUES
			(1,'somebody@example.com',12345.67,3,'paid','a note of some length for this row','2024-01-02 03:04:05.678901','2024-01-02 03:04:05',1.25)`
		exec(b, db, seed)
		for range 17 {
			exec(b, db, `INSERT INTO t (customer,email,amount,qty,status,note,created,updated,weight)
				SELECT id,email,amount+id,qty,status,note,created,updated,weight*1.01 FROM t`)
		}
		exec(b, db, "UPDATE t SET amount=amount+1, status='sent'", "INSERT INTO fin VALUES (1)")
		b.Run(fmt.Sprintf("%s/rows", f), func(b *testing.B) {
			for range b.N {
				read(b, s, name, from)
			}
		})
	}
}

func read(b *testing.B, s *fixtures.Server, name string, from gtid.Position) {
	b.Helper()
	srv := open(b, s)
	begin := time.Now()
	tl := tailFrom(b, srv, name, from, Options{})
	defer tl.Close()
	rows := 0
	var keys [][]byte
	for {
		tx, err := tl.Next(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		keys = keys[:0]
		for _, c := range tx.Changes {
			if c.Table == "fin" {
				b.ReportMetric(float64(rows)/time.Since(begin).Seconds(), "rows/s")
				return
			}
			row := c.After
			if row == nil {
				row = c.Before
			}
			keys = append(keys, row[0].Text)
		}
		rows += len(tx.Changes)
	}
}
