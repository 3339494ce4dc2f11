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

// colliding is an engine, and what has both sides change a row without knowing of the other.
func colliding(t testing.TB, r Rechecker) (e *engine, collide func(id string)) {
	e = &engine{det: conflict.NewDetector(conflict.Config{}), async: make(chan func())}
	e.opt.Rechecker, e.opt.Store, e.opt.Observer, e.counts = r, &memoryStore{}, &recorder{t: t}, map[conflict.Kind]uint64{}
	for _, s := range []conflict.Side{conflict.Old, conflict.New} {
		e.feed(s, conflict.Definition{Table: tableWithKey("id")})
	}
	def, number := binlog.TableOf(tableWithKey("id")), uint64(0)
	return e, func(id string) {
		number++
		row := func(n string) binlog.Row { return binlog.Row{{Text: []byte(id)}, {Text: []byte(n)}} }
		for s, after := range []string{"1", "2"} {
			tx := &binlog.Transaction{Last: true, Changes: []binlog.Change{{
				Schema: "s", Table: "t", Def: def, Kind: binlog.Update, Before: row("0"), After: row(after),
			}}}
			tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: gtid.UUID{15: byte(s) + 1}}, Number: number}
			e.feed(conflict.Side(s), conflict.Transaction{Origin: conflict.Origin(s), Tx: tx})
		}
	}
}

func tableWithKey(column string) *cluster.Table {
	return &cluster.Table{
		Schema: "s", Name: "t", Columns: []cluster.Column{{Name: "id", DataType: "int"}, {Name: "n", DataType: "int"}},
		Keys: []cluster.Key{{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: column}}}},
	}
}

// TestDoubtedAgainWhileChecked: a row that is being checked is seen to be equal, and comes under doubt again. What the
// check says is older than that. The race detector sees that the check does not look at what the engine changes.
func TestDoubtedAgainWhileChecked(t *testing.T) {
	slow := &slowRechecker{release: make(chan struct{})}
	e, collide := colliding(t, slow)
	now := time.Now()
	collide("1")
	e.recheck(t.Context(), now)
	e.recheck(t.Context(), now.Add(2*recheckAfter))
	if !e.rows.busy {
		t.Fatal("nothing is checked: the test shows nothing")
	}
	for _, x := range e.det.Doubts() {
		e.det.Settled(x)
	}
	collide("1")
	e.recheck(t.Context(), now.Add(2*recheckAfter))
	close(slow.release)
	(<-e.async)()
	e.workers.Wait()
	if n := e.rows.count(Rechecks{}, 0); slow.table != "s.t" || n.Open != 1 || len(e.det.Doubts()) != 1 {
		t.Errorf("asked for %q; %+v, %d doubts", slow.table, n, len(e.det.Doubts()))
	}
}

// saidRechecker says of each row what it is told to.
type saidRechecker map[string]RowVerdict

func (r saidRechecker) Recheck(_ context.Context, _ string, rows []RowKey) ([]RowVerdict, string, error) {
	out := make([]RowVerdict, len(rows))
	for i, row := range rows {
		out[i] = r[string(row.Values[0].Text)]
	}
	return out, "", nil
}

// TestFatesAreKept: of two rows that collided each has what became of it, also when a later schema change takes their key away:
// a row that nobody looked at is not settled by that.
func TestFatesAreKept(t *testing.T) {
	said := saidRechecker{"1": RowEqual, "2": RowDiffers}
	e, collide := colliding(t, said)
	store, _ := e.opt.Store.(*memoryStore)
	now := time.Now()
	row := func(id string) string {
		return conflict.Row{Table: "s.t", Key: []binlog.Value{{Text: []byte(id)}}}.ID()
	}
	step := func(what string, want map[string]Outcome) {
		t.Helper()
		now = now.Add(2 * recheckAgain)
		e.recheck(t.Context(), now)
		if e.rows.busy {
			(<-e.async)()
			e.workers.Wait()
		}
		if err := e.saveFates(t.Context()); err != nil {
			t.Fatal(err)
		}
		for id, o := range want {
			if got := store.fates[row(id)]; got != o {
				t.Errorf("%s: row %s is %q, want %q", what, id, got, o)
			}
		}
	}
	collide("1")
	collide("2")
	collide("3")
	if err := e.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.list) != 3 || len(store.early) > 0 {
		t.Errorf("%d findings; those whose rows were not kept before them: %q", len(store.list), store.early)
	}
	step("checked", map[string]Outcome{"1": OutcomeEqual, "2": OutcomeDiffers, "3": OutcomeOpen})
	for _, s := range []conflict.Side{conflict.Old, conflict.New} {
		e.feed(s, conflict.Definition{Table: tableWithKey("n")})
	}
	step("another key", map[string]Outcome{"1": OutcomeEqual, "2": OutcomeDiffers, "3": OutcomeOpen})
	if n := e.rows.count(e.mem.Rows, 7); n.Equal != 1 || n.Differ != 1 || n.Unknown != 1+7 {
		t.Errorf("%+v", n)
	}
	said["2"], said["3"] = RowEqual, RowEqual
	step("mended", map[string]Outcome{"1": OutcomeEqual, "2": OutcomeEqual, "3": OutcomeEqual})
	if len(e.rows.list) != 0 || len(e.det.Doubts()) != 0 {
		t.Errorf("%d rows wait, %d are under doubt", len(e.rows.list), len(e.det.Doubts()))
	}
}
