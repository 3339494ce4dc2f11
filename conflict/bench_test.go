package conflict

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// benchTable is a table of ten columns with a primary key and a unique key, in rows
// of about 145 bytes.
func benchTable() *cluster.Table {
	t := &cluster.Table{Schema: "shop", Name: "orders"}
	for _, c := range []string{"id bigint", "customer int", "email varchar", "amount decimal", "qty smallint", "status enum", "note varchar", "created datetime", "updated timestamp", "weight double"} {
		name, typ, _ := strings.Cut(c, " ")
		col := cluster.Column{Name: name, DataType: typ}
		if typ == "varchar" {
			col.Charset, col.Collation = "utf8mb4", "utf8mb4_0900_ai_ci"
		}
		t.Columns = append(t.Columns, col)
	}
	t.Keys = []cluster.Key{
		{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "id"}}},
		{Name: "email", Unique: true, Parts: []cluster.KeyPart{{Column: "email"}}},
	}
	return t
}

func benchRow(id int, note string) binlog.Row {
	text := []string{
		strconv.Itoa(id), strconv.Itoa(id % 1000), "somebody" + strconv.Itoa(id) + "@example.com", "12345.67", "3", "paid", note,
		"2024-01-02 03:04:05.678901", "2024-01-02 03:04:05", "1.25",
	}
	row := make(binlog.Row, len(text))
	for i := range text {
		row[i].Text = []byte(text[i])
	}
	return row
}

// benchTxs makes transactions of old: inserts and updates in turn.
func benchTxs(count, rows int, def *binlog.Table) []*binlog.Transaction {
	out := make([]*binlog.Transaction, count)
	id := 0
	for i := range out {
		tx := &binlog.Transaction{Last: true, ThreadID: 7, CommitTime: time.Unix(1700000000, 0), GTID: "x"}
		tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: simUUID(Old)}, Number: uint64(i) + 1}
		tx.Mark.File = gtid.FilePos{File: "binlog.000001", Pos: uint64(i+1) * 500}
		tx.Position.File = tx.Mark.File
		for range rows {
			id++
			c := binlog.Change{Schema: "shop", Table: "orders", Def: def, Kind: binlog.Insert, After: benchRow(id, "a note of some length for this row")}
			if id%2 == 0 {
				c.Kind, c.Before = binlog.Update, benchRow(id, "another note")
			}
			tx.Changes = append(tx.Changes, c)
		}
		out[i] = tx
	}
	return out
}

// BenchmarkDetector reads originals and their echoes, keys taken out and echoes
// compared, with a lag of a thousand transactions. It prints originals' row changes
// per second; each is read twice, once per side.
func BenchmarkDetector(b *testing.B) {
	for _, rows := range []int{1, 4, 100} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			t := benchTable()
			txs := benchTxs(20000/rows, rows, binlog.TableOf(t))
			lag := 1000 / rows
			total := 0
			begin := time.Now()
			for b.Loop() {
				d := NewDetector(Config{InOrder: [2]bool{true, true}})
				d.Feed(Old, Definition{Table: t})
				d.Feed(New, Definition{Table: t})
				for i, tx := range txs {
					d.Feed(Old, Transaction{FromOld, tx})
					if i >= lag {
						d.Feed(New, Transaction{FromOld, txs[i-lag]})
					}
				}
				if n := len(d.Take()); n > 0 {
					b.Fatal(n, "findings")
				}
				total += len(txs) * rows
			}
			b.ReportMetric(float64(total)/time.Since(begin).Seconds(), "changes/s")
		})
	}
}

// BenchmarkWindow keeps a million changes that no echo has come for, and prints the
// memory per change and the process's resident size.
func BenchmarkWindow(b *testing.B) {
	for _, rows := range []int{1, 4} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			t := benchTable()
			def := binlog.TableOf(t)
			for b.Loop() {
				d := NewDetector(Config{})
				d.Feed(Old, Definition{Table: t})
				const total = 1_000_000
				for from := 0; from < total; from += 2000 {
					for i, tx := range benchTxs(2000/rows, rows, def) {
						n := from/rows + i + 1
						tx.Mark.MySQL.Number = uint64(n)
						for j := range tx.Changes {
							id := []byte(strconv.Itoa(from + i*rows + j))
							tx.Changes[j].After[0].Text = id
							tx.Changes[j].After[2].Text = append([]byte("somebody@"), id...)
							if tx.Changes[j].Before != nil {
								tx.Changes[j].Before[0].Text = id
								tx.Changes[j].Before[2].Text = tx.Changes[j].After[2].Text
							}
						}
						d.Feed(Old, Transaction{FromOld, tx})
					}
				}
				if n := d.Summary().Waiting[Old]; n != total {
					b.Logf("only %d changes have their keys, %d bytes", n, d.memory())
				}
				b.ReportMetric(float64(d.memory())/total, "keyB/change")
				b.ReportMetric(float64(d.imageMemory())/total, "imageB/change")
				b.ReportMetric(float64(residentBytes())/(1<<20), "MiB-RSS")
				runtime.KeepAlive(d)
			}
		})
	}
}

func residentBytes() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}
