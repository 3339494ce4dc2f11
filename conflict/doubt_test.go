package conflict

import (
	"fmt"
	"strconv"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// TestFindingsNameTheirRows: a finding names each row that it puts under doubt, by all keys that it had. Rows that come under doubt
// while too many others are count as such, and are no row that somebody looks at again.
func TestFindingsNameTheirRows(t *testing.T) {
	table := &cluster.Table{
		Schema: "s", Name: "t", Columns: []cluster.Column{{Name: "ID", DataType: "bigint"}, {Name: "n", DataType: "int"}},
		Keys: []cluster.Key{{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "ID"}}}},
	}
	def := binlog.TableOf(table)
	d := NewDetector(Config{})
	for _, s := range []Side{Old, New} {
		d.Feed(s, Definition{Table: table})
	}
	numbers := [2]uint64{}
	row := func(id, n int) binlog.Row {
		return binlog.Row{{Text: []byte(strconv.Itoa(id))}, {Text: []byte(strconv.Itoa(n))}}
	}
	change := func(s Side, from, to, n int) {
		numbers[s]++
		tx := &binlog.Transaction{Last: true, Changes: []binlog.Change{{
			Schema: "s", Table: "t", Def: def, Kind: binlog.Update, Before: row(from, 0), After: row(to, n),
		}}}
		tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: gtid.UUID{15: byte(s) + 1}}, Number: numbers[s]}
		d.Feed(s, Transaction{Origin: Origin(s), Tx: tx})
	}
	ids := func(rows []Row) (out []string) {
		for _, r := range rows {
			out = append(out, fmt.Sprintf("%s %v %s %v", r.Table, r.Columns, r.Key[0].Text, r.Plain))
		}
		return out
	}
	change(Old, 1, 1, 7)
	change(New, 1, 2, 8)
	list := d.Take()
	if len(list) != 1 || !list[0].Tells() || fmt.Sprint(ids(list[0].Rows())) != "[s.t [id] 1 true s.t [id] 2 true]" {
		t.Fatalf("%+v", list)
	}
	doubts := d.TakeDoubts()
	if len(doubts) != 2 || doubts[0].Row().ID() != list[0].Rows()[0].ID() || d.Summary().Untracked != 0 {
		t.Errorf("%+v", doubts)
	}
	// One that is under doubt already is told of again when it collides again.
	change(Old, 1, 1, 9)
	change(New, 1, 1, 10)
	if again := d.TakeDoubts(); len(again) == 0 {
		t.Errorf("%+v", again)
	}
	d.Take()
	for i := uint64(0); len(d.suspects) < maxSuspects; i++ {
		d.suspects[i] = &suspect{}
	}
	change(Old, 5, 5, 7)
	change(New, 5, 5, 8)
	if list = d.Take(); len(list) != 1 || len(d.TakeDoubts()) != 0 || d.Summary().Untracked == 0 {
		t.Errorf("%d findings, %d untracked", len(list), d.Summary().Untracked)
	}
}

// TestOnlyAWholeRowEndsADoubt: a change whose log holds a part of the row arrives. That says nothing of what collided before it; one
// that shows the whole row does.
func TestOnlyAWholeRowEndsADoubt(t *testing.T) {
	table := &cluster.Table{
		Schema: "s", Name: "t", Columns: []cluster.Column{{Name: "id", DataType: "int"}, {Name: "n", DataType: "int"}, {Name: "m", DataType: "int"}},
		Keys: []cluster.Key{{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "id"}}}},
	}
	def := binlog.TableOf(table)
	d := NewDetector(Config{})
	for _, s := range []Side{Old, New} {
		d.Feed(s, Definition{Table: table})
	}
	image := func(texts ...string) binlog.Row {
		out := make(binlog.Row, len(texts))
		for i, x := range texts {
			if out[i] = (binlog.Value{Text: []byte(x)}); x == "" {
				out[i] = binlog.Value{State: binlog.Missing}
			}
		}
		return out
	}
	change := func(on, by Side, number uint64, before, after binlog.Row) {
		tx := &binlog.Transaction{Last: true, Changes: []binlog.Change{{Schema: "s", Table: "t", Def: def, Kind: binlog.Update, Before: before, After: after}}}
		tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: gtid.UUID{15: byte(by) + 1}}, Number: number}
		d.Feed(on, Transaction{Origin: Origin(by), Tx: tx})
	}
	change(Old, Old, 1, image("1", "0", "0"), image("1", "7", "0"))
	change(New, New, 1, image("1", "0", "0"), image("1", "8", "0"))
	change(New, Old, 1, image("1", "8", "0"), image("1", "7", "0"))
	change(Old, New, 1, image("1", "7", "0"), image("1", "8", "0"))
	for number, c := range []struct {
		before, after binlog.Row
		doubts        int
	}{
		{image("1", "", ""), image("", "", "5"), 1},
		{image("1", "", "5"), image("1", "", "6"), 1},
		{image("1", "8", "6"), image("1", "9", "6"), 0},
	} {
		change(Old, Old, uint64(number)+2, c.before, c.after)
		change(New, Old, uint64(number)+2, c.before, c.after)
		if cleared := d.TakeCleared(); len(d.Doubts()) != c.doubts || len(cleared) != 1-c.doubts {
			t.Errorf("change %d: %d rows are under doubt, %d are not any more", number, len(d.Doubts()), len(cleared))
		}
	}
}
