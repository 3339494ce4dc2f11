package watch

import (
	"context"
	"slices"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// slowRechecker answers when it is let to.
type slowRechecker struct {
	release chan struct{}
	table   string
}

func (r *slowRechecker) Recheck(_ context.Context, table string, rows []RowKey) ([]RowVerdict, string, error) {
	<-r.release
	r.table = table
	return slices.Repeat([]RowVerdict{RowEqual}, len(rows)), "", nil
}

// TestDoubtedAgainWhileChecked: a row that is being checked is seen to be equal, and comes under doubt again. What the
// check says is older than that. The race detector sees that the check does not look at what the engine changes.
func TestDoubtedAgainWhileChecked(t *testing.T) {
	table := &cluster.Table{
		Schema: "s", Name: "t", Columns: []cluster.Column{{Name: "id", DataType: "int"}, {Name: "n", DataType: "int"}},
		Keys: []cluster.Key{{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "id"}}}},
	}
	def := binlog.TableOf(table)
	e := &engine{det: conflict.NewDetector(conflict.Config{}), async: make(chan func())}
	slow := &slowRechecker{release: make(chan struct{})}
	e.opt.Rechecker = slow
	for _, s := range []conflict.Side{conflict.Old, conflict.New} {
		e.feed(s, conflict.Definition{Table: table})
	}
	// collide has both sides change the row without knowing of the other.
	number := uint64(0)
	collide := func() {
		number++
		row := func(n string) binlog.Row { return binlog.Row{{Text: []byte("1")}, {Text: []byte(n)}} }
		for s, after := range []string{"1", "2"} {
			tx := &binlog.Transaction{Last: true, Changes: []binlog.Change{{
				Schema: "s", Table: "t", Def: def, Kind: binlog.Update, Before: row("0"), After: row(after),
			}}}
			tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: gtid.UUID{15: byte(s) + 1}}, Number: number}
			e.feed(conflict.Side(s), conflict.Transaction{Origin: conflict.Origin(s), Tx: tx})
		}
	}
	now := time.Now()
	collide()
	e.recheck(t.Context(), now)
	e.recheck(t.Context(), now.Add(2*recheckAfter))
	if !e.rows.busy {
		t.Fatal("nothing is checked: the test shows nothing")
	}
	for _, x := range e.det.Doubts() {
		e.det.Settled(x)
	}
	collide()
	e.recheck(t.Context(), now.Add(2*recheckAfter))
	close(slow.release)
	(<-e.async)()
	e.workers.Wait()
	if n := e.rows.count(Rechecks{}); slow.table != "s.t" || n.Open != 1 || len(e.det.Doubts()) != 1 {
		t.Errorf("asked for %q; %+v, %d doubts", slow.table, n, len(e.det.Doubts()))
	}
}
