package conflict

import (
	"fmt"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// localTx is a transaction of a side, or with origin the other side its echo.
func localTx(side, origin Side, number uint64, changes ...binlog.Change) Transaction {
	tx := &binlog.Transaction{Last: true, Changes: changes}
	tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: simUUID(origin)}, Number: number}
	tx.GTID = tx.Mark.MySQL.String()
	var set gtid.Set
	set.Add(tx.Mark.MySQL)
	tx.Mark.File = gtid.FilePos{File: side.String() + ".000001", Pos: number * 100}
	tx.Position = gtid.Position{Kind: gtid.MySQLGTID, MySQL: set, File: tx.Mark.File}
	return Transaction{Origin(origin), tx}
}

func insertOf(def *binlog.Table, id int) binlog.Change {
	return binlog.Change{Schema: "s", Table: def.Name, Def: def, Kind: binlog.Insert, After: simImage("t", &simRow{id: id})}
}

// A change that cannot be rolled back is logged when it is done, also by appliers that keep the order of commits: its
// echo does not prove that those before it were passed.
func TestOvertakingEchoes(t *testing.T) {
	for engine, want := range map[string]int{"InnoDB": 2, "MyISAM": 0, "Aria": 0} {
		d := NewDetector(Config{InOrder: [2]bool{true, true}})
		plain, other := simTable("t"), simTable("t")
		other.Name, other.Engine = "u", engine
		for _, s := range []Side{Old, New} {
			d.Feed(s, Definition{Table: plain})
			d.Feed(s, Definition{Table: other})
		}
		pd, od := binlog.TableOf(plain), binlog.TableOf(other)
		d.Feed(Old, localTx(Old, Old, 1, insertOf(pd, 1)))
		d.Feed(Old, localTx(Old, Old, 2, insertOf(pd, 2)))
		d.Feed(Old, localTx(Old, Old, 3, insertOf(od, 3)))
		d.Feed(New, localTx(New, Old, 3, insertOf(od, 3)))
		d.Feed(New, localTx(New, Old, 1, insertOf(pd, 1)))
		d.Feed(New, localTx(New, Old, 2, insertOf(pd, 2)))
		found := d.Take()
		if len(found) != want {
			t.Errorf("%s: %d findings, want %d: %v", engine, len(found), want, found)
		}
		if m := d.Summary(); want == 0 && m.Sides[Old].Verified != 3 {
			t.Errorf("%s: %d changes verified, want 3", engine, m.Sides[Old].Verified)
		}
	}
}

// Rows whose columns have no names are told, on each side once, and whatever they are compared with is not judged:
// neither the same nor different.
func TestRowsWithoutNames(t *testing.T) {
	known := simTable("t")
	def := binlog.TableOf(known)
	hidden := &binlog.Table{Schema: "s", Name: "t", Columns: make([]binlog.Column, len(def.Columns))}
	for i := range hidden.Columns {
		hidden.Columns[i].Name = fmt.Sprintf("@%d", i+1)
	}
	for name, c := range map[string]struct {
		old, new *binlog.Table
		told     int
	}{"both sides": {hidden, hidden, 1}, "the original": {hidden, def, 1}, "the echo": {def, hidden, 0}} {
		for _, anonymous := range []bool{false, true} {
			d := NewDetector(Config{InOrder: [2]bool{true, true}})
			for _, s := range []Side{Old, New} {
				d.Feed(s, Definition{Table: known})
			}
			for n := range uint64(2) {
				for _, x := range []struct {
					side Side
					def  *binlog.Table
				}{{Old, c.old}, {New, c.new}} {
					change := insertOf(x.def, int(n)+1)
					change.Uncertain = x.def == hidden
					ev := localTx(x.side, Old, n+1, change)
					if anonymous && name == "both sides" {
						ev.Tx.Mark.MySQL, ev.Tx.GTID = gtid.GTID{}, ""
					}
					d.Feed(x.side, ev)
				}
			}
			d.Feed(Old, FenceTaken{1})
			d.Feed(New, FenceReached{1})
			found := d.Take()
			if len(found) != c.told {
				t.Errorf("%s, anonymous %v: %d findings, want %d: %v", name, anonymous, len(found), c.told, found)
			}
			for _, f := range found {
				if f.Kind != Unjudged || f.Reason != ReasonMisfit {
					t.Errorf("%s: %s %s (%s)", name, f.Kind, f.Reason, f.Detail)
				}
			}
			if m := d.Summary().Sides[Old]; m.Verified != 0 || m.Unjudged == 0 {
				t.Errorf("%s: %d verified, %d not judged", name, m.Verified, m.Unjudged)
			}
		}
	}
}

// Without GTIDs, and with two positions that are not of one moment, the first transactions may have arrived before the
// other side's stream begins: no echo of theirs is missing, but their rows have to be looked at.
func TestStartsApart(t *testing.T) {
	for _, apart := range []bool{false, true} {
		d := NewDetector(Config{InOrder: [2]bool{true, true}, Apart: apart})
		known := simTable("t")
		def := binlog.TableOf(known)
		for _, s := range []Side{Old, New} {
			d.Feed(s, Definition{Table: known})
		}
		feed := func(side Side, n uint64) {
			ev := localTx(side, Old, n, insertOf(def, int(n)))
			ev.Tx.Mark.MySQL, ev.Tx.GTID = gtid.GTID{}, ""
			d.Feed(side, ev)
		}
		for n := range uint64(4) {
			feed(Old, n+1)
		}
		feed(New, 2) // 1 may have arrived before
		feed(New, 4) // 3 came after, so its echo is missing in any case
		d.Feed(Old, FenceTaken{1})
		d.Feed(New, FenceReached{1})
		want := map[bool]int{false: 2, true: 1}[apart]
		if found := d.Take(); len(found) != want || found[0].Kind != MissingEcho {
			t.Errorf("apart %v: %d findings, want %d: %v", apart, len(found), want, found)
		}
		if m := d.Summary(); m.Doubts != 2 || m.Sides[Old].Verified != 2 {
			t.Errorf("apart %v: %d rows under doubt, want 2; %d verified, want 2", apart, m.Doubts, m.Sides[Old].Verified)
		}
	}
}

// Without GTIDs, the echo of rows of a table that was made anew with another key may be read before the original and
// its definition. It waits for them; where none can come it is passed over, and so are the next ones.
func TestEchoBeforeItsDefinition(t *testing.T) {
	anonymous := func(side Side, n uint64, ddl string, changes ...binlog.Change) Transaction {
		ev := localTx(side, Old, n, changes...)
		ev.Tx.Mark.MySQL, ev.Tx.GTID = gtid.GTID{}, ""
		if ddl != "" {
			ev.Tx.DDL = []binlog.DDL{{Schema: "s", Statement: ddl}}
		}
		return ev
	}
	was, is := simTable("t"), simTable("t")
	is.Columns = is.Columns[1:]
	is.Keys = []cluster.Key{{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "email"}}}}
	def := binlog.TableOf(is)
	row := func(n int) binlog.Change {
		return binlog.Change{
			Schema: "s", Table: "t", Def: def, Kind: binlog.Insert,
			After: simImage("t", &simRow{email: simText{text: fmt.Sprint("row", n)}, code: fmt.Sprint(n)})[1:],
		}
	}
	for _, parts := range []int{1, 2} {
		d := NewDetector(Config{InOrder: [2]bool{true, true}})
		for _, s := range []Side{Old, New} {
			d.Feed(s, Definition{Table: was})
		}
		write := func(side Side) {
			for part := range parts {
				ev := anonymous(side, 2, "", row(2*part), row(2*part+1))
				ev.Tx.Part, ev.Tx.Last = part, part == parts-1
				d.Feed(side, ev)
			}
		}
		d.Feed(New, anonymous(New, 1, "made anew"))
		d.Feed(New, Definition{Table: is})
		write(New)
		d.Feed(New, anonymous(New, 3, "", row(5)))
		d.Feed(Old, anonymous(Old, 1, "made anew")) // which frees what new has held so far
		d.Feed(Old, Definition{Table: is})
		write(Old)
		d.Feed(Old, anonymous(Old, 3, "", row(5)))
		if found := d.Take(); len(found) > 0 || d.Held(New) > 0 {
			t.Errorf("%d parts: found %v, %d events are held", parts, found, d.Held(New))
		}
		if m := d.Summary(); m.Sides[Old].Verified != uint64(2*parts+1) || m.Sides[New].Echoed != uint64(2*parts+1) {
			t.Errorf("%d parts: %+v", parts, m.Sides)
		}
	}
	// New's table lacks the key for good.
	d := NewDetector(Config{InOrder: [2]bool{true, true}})
	d.Feed(Old, Definition{Table: was})
	d.Feed(New, Definition{Table: is})
	for n := range 3 {
		d.Feed(New, anonymous(New, uint64(n+1), "", row(n)))
	}
	head, isEcho, ok := d.Blocked(New)
	if !ok || !isEcho || d.Held(New) != 3 {
		t.Fatalf("%d events are held, an echo %v", d.Held(New), isEcho)
	}
	if d.Feed(New, NoOriginal{Head: head}); d.Held(New) != 0 {
		t.Errorf("%d events are held", d.Held(New))
	}
}

// Where collisions of a table cannot be seen, a row that differs later is put under doubt; it is not said to have diverged
// before. A key that is there and cannot be read has a reason of its own.
func TestObscuredRows(t *testing.T) {
	d := NewDetector(Config{})
	def := simTable("t")
	def.Keys = append(def.Keys, cluster.Key{Name: "half", Unique: true, Parts: []cluster.KeyPart{{Expression: "n / 2"}}})
	d.Feed(Old, Definition{Table: def})
	d.Feed(New, Definition{Table: def})
	plain := binlog.TableOf(def)
	row := func(n int) binlog.Row { return simImage("t", &simRow{id: 1, n: n}) }
	update := func(from, to int) binlog.Change {
		return binlog.Change{Schema: "s", Table: "t", Def: plain, Kind: binlog.Update, Before: row(from), After: row(to)}
	}
	d.Feed(Old, localTx(Old, Old, 1, insertOf(plain, 1)))
	d.Feed(New, localTx(New, Old, 1, insertOf(plain, 1)))
	d.Feed(Old, localTx(Old, Old, 2, update(0, 1)))
	d.Feed(New, localTx(New, Old, 2, update(7, 1)))
	if found := d.Take(); len(found) != 1 || found[0].Reason != ReasonExpression || d.Summary().Doubts != 1 {
		t.Errorf("found %v, %d doubts, want the expression and one doubt", found, d.Summary().Doubts)
	}
	d = NewDetector(Config{})
	d.Feed(Old, Definition{Table: simTable("t")})
	c := insertOf(binlog.TableOf(simTable("t")), 1)
	c.After[1] = binlog.Value{State: binlog.Opaque, Text: []byte{0x83, 0x5c}}
	d.Feed(Old, localTx(Old, Old, 1, c))
	if found := d.Take(); len(found) != 1 || found[0].Reason != ReasonCharset {
		t.Errorf("found %v, want the character set", found)
	}
}

// Whatever bound is hit, it is said.
func TestBoundsAreSaid(t *testing.T) {
	d := NewDetector(Config{ImageBytes: 1 << 20})
	def := simTable("t")
	d.Feed(Old, Definition{Table: def})
	d.Feed(New, Definition{Table: def})
	plain := binlog.TableOf(def)
	const n = 1<<16 + 10
	for i := range n { // of one bucket, and for certain different
		c := insertOf(plain, i+1)
		c.After[1] = binlog.Value{Text: fmt.Appendf(nil, "%c%cb", vowels[i%5], vowels[i/5%5])}
		d.Feed(Old, localTx(Old, Old, uint64(i+1), c))
	}
	c := insertOf(plain, n+1)
	c.After[1] = binlog.Value{Text: []byte("bo")}
	d.Feed(New, localTx(New, New, 1, c))
	said := 0
	for _, f := range d.Take() {
		if f.Kind == Unjudged && f.Reason == ReasonCrowded {
			said++
		}
	}
	if said != 1 {
		t.Errorf("%d findings say that the bound was hit, want 1", said)
	}
}

const vowels = "aeiou"
