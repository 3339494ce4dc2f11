package conflict

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// Pairs that some server calls equal must share a bucket and must be asked about.
func TestPrefilterNeverMisses(t *testing.T) {
	for _, p := range [][2]string{
		{"bob", "BOB"},
		{"bob", "bob  "},
		{"bob", "b\x01ob"},
		{"Müller", "Muller"},
		{"Müller", "mueller"},
		{"straße", "strasse"},
		{"straße", "strase"},
		{"łódź", "lodz"},
		{"đorđe", "dorde"},
		{"Ångström", "Aangstrom"},
		{"ﬁn", "fin"},
		{"１２", "12"},
		{"ｶ", "カ"},
		{"か", "カ"},
		{"Ёлка", "елка"},
		{"Σίσυφος", "σισυφοσ"},
		{"vinter", "winter"},
		{"ijs", "yjs"},
		{"þór", "thor"},
		{"naïve", "NAIVE"},
		{"😀", "😁"},
		{"", " "},
		{"a\u200bb", "ab"},
		{"Å", "Å"},
	} {
		a, b := binlog.AppendFold(nil, []byte(p[0]), binlog.KeepPlain), binlog.AppendFold(nil, []byte(p[1]), binlog.KeepPlain)
		if !bytes.Equal(a, b) {
			t.Errorf("%q and %q fall into different buckets %q and %q", p[0], p[1], a, b)
		}
		if surelyDifferent(foldLoose, []byte(p[0]), []byte(p[1])) {
			t.Errorf("%q and %q are taken for different", p[0], p[1])
		}
	}
	for _, p := range [][2]string{{"bob1", "bob2"}, {"a-b", "a_b"}, {"bob", "bab"}} {
		if !surelyDifferent(foldLoose, []byte(p[0]), []byte(p[1])) {
			t.Errorf("a server is asked about %q and %q", p[0], p[1])
		}
	}
	if foldOf([2]textType{{"utf8mb4", "utf8mb4_bin"}, {"utf8mb4", "utf8mb4_persian_ci"}}) != foldLoose {
		t.Error("the looser of two collations must decide")
	}
}

func TestSteps(t *testing.T) {
	for _, c := range []struct {
		step Step
		key  uint64
		fits bool
	}{{Step{2, 1}, 5, true}, {Step{2, 2}, 5, false}, {Step{2, 2}, 6, true}, {Step{1, 1}, 6, true}, {Step{2, 3}, 6, true}, {Step{10, 10}, 20, true}} {
		if c.step.Fits(c.key) != c.fits {
			t.Errorf("%s and key %d: fits is %v", c.step, c.key, !c.fits)
		}
	}
	for _, c := range []struct {
		now  uint64
		step Step
		next uint64
	}{{0, Step{2, 1}, 1}, {1, Step{2, 1}, 3}, {1, Step{2, 2}, 2}, {7, Step{10, 5}, 15}, {4, Step{1, 1}, 5}, {3, Step{2, 9}, 4}} {
		if got := NextKey(c.now, c.step); got != c.next {
			t.Errorf("after %d with %s comes %d, not %d", c.now, c.step, got, c.next)
		}
	}
	if !Overlap(Step{2, 1}, Step{3, 1}) || Overlap(Step{2, 1}, Step{2, 2}) || !Overlap(Step{1, 1}, Step{2, 2}) || Overlap(Step{4, 1}, Step{2, 2}) {
		t.Error("overlap of residues")
	}
	f := ForecastOf(Step{2, 1}, []StaleWriter{{Session{Step: Step{1, 1}}, 10}, {Session{Step: Step{2, 2}}, 1}, {Session{Step: Step{2, 1}}, 50}})
	if f.WrongPerSecond != 6 || f.First != time.Second/6 {
		t.Errorf("forecast %+v", f)
	}
	h := HeadroomOf(math.MaxInt32-1000, MaxKey("int", false), Step{2, 1}, 5, 2)
	if h.Keys != 500 || h.Lasts != 100*time.Second {
		t.Errorf("headroom %+v", h)
	}
	if MaxKey("bigint", true) != math.MaxUint64 || MaxKey("tinyint", false) != 127 || MaxKey("varchar", false) != 0 {
		t.Error("key spaces")
	}
}

// The index must agree with a map of lists under any insertions and removals.
func TestKeyIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var x keyIndex
	model := map[uint32][]uint32{}
	for step := range 200000 {
		h := uint32(rng.IntN(3000)) * 0x10001
		if list := model[h]; rng.IntN(2) == 0 && len(list) > 0 {
			at := rng.IntN(len(list))
			x.remove(list[at])
			model[h] = append(list[:at:at], list[at+1:]...)
		} else {
			model[h] = append(model[h], x.insert(h, uint32(step), 0))
		}
		n := x.first(h)
		for _, want := range model[h] {
			if n != want {
				t.Fatalf("step %d: list of %x differs", step, h)
			}
			n = x.at(n).next
		}
		if n != 0 {
			t.Fatalf("step %d: list of %x is longer", step, h)
		}
	}
}

// A window that is too small says so, and says where it was blind.
func TestFullWindowIsTold(t *testing.T) {
	table := benchTable()
	def := binlog.TableOf(table)
	d := NewDetector(Config{WindowBytes: 4 << 20})
	d.Feed(Old, Definition{Table: table})
	d.Feed(New, Definition{Table: table})
	txs := benchTxs(20000, 1, def)
	for _, tx := range txs {
		d.Feed(Old, Transaction{FromOld, tx})
	}
	list := d.Take()
	if len(list) != 1 || list[0].Kind != Unjudged || list[0].Reason != ReasonWindowFull {
		t.Fatalf("findings %+v", list)
	}
	if m := d.Summary(); m.Memory > 5<<20 || len(m.Blind) != 1 || !m.Blind[0].To.IsZero() {
		t.Fatalf("memory %d, blind %+v", m.Memory, m.Blind)
	}
	// New writes a row that is among those whose keys were dropped, and one that is not.
	tx := &binlog.Transaction{Last: true, GTID: "y", Mark: binlog.Mark{MySQL: gtid.GTID{Source: gtid.Source{UUID: simUUID(New)}, Number: 1}}}
	last := txs[len(txs)-1].Changes[0]
	tx.Changes = []binlog.Change{last, txs[0].Changes[0]}
	d.Feed(New, Transaction{FromNew, tx})
	if m := d.Summary(); m.Sides[New].Unjudged == 0 {
		t.Error("changes that met a blind window are not counted as unjudged")
	}
	if list = d.Take(); len(list) != 1 || list[0].Kind != UpdateUpdateSame {
		t.Errorf("the row that is still there gives %+v", list)
	}
	for _, tx := range txs {
		d.Feed(New, Transaction{FromOld, tx})
	}
	if m := d.Summary(); len(m.Blind) != 1 || m.Blind[0].To.IsZero() || m.Waiting[Old] != 0 {
		t.Errorf("after all echoes: %+v", m)
	}
}

func TestSnapshotVersion(t *testing.T) {
	if _, err := Restore(bytes.NewReader([]byte("nonsense")), Config{}); err == nil {
		t.Error("nonsense was restored")
	}
	for _, k := range Kinds() {
		text, _ := k.MarshalText()
		var back Kind
		if err := back.UnmarshalText(text); err != nil || back != k {
			t.Error(fmt.Sprint(k, back, err))
		}
	}
}

// However long an outage lasts, memory stays bounded: in the end transactions are
// dropped whole, and only a fence ends the blindness.
func TestWindowStaysBounded(t *testing.T) {
	table := benchTable()
	def := binlog.TableOf(table)
	d := NewDetector(Config{WindowBytes: 1 << 20})
	d.Feed(Old, Definition{Table: table})
	txs := benchTxs(40000, 1, def)
	var set gtid.Set
	for _, tx := range txs {
		set.Add(tx.Mark.MySQL)
		d.Feed(Old, Transaction{FromOld, tx})
	}
	last := *txs[len(txs)-1]
	last.Position = gtid.Position{Kind: gtid.MySQLGTID, MySQL: set, File: last.Mark.File}
	d.Feed(Old, Transaction{FromOther, &binlog.Transaction{Last: true, Position: last.Position}})
	if m := d.Summary(); m.Memory > 2<<20 || m.Findings[Unjudged] != 1 {
		t.Fatalf("memory %d, findings %v", m.Memory, m.Findings)
	}
	for _, tx := range txs {
		d.Feed(New, Transaction{FromOld, tx})
	}
	if d.Held(New) != 0 {
		t.Fatal("an echo waits for an original that was dropped")
	}
	if m := d.Summary(); !m.Blind[0].To.IsZero() {
		t.Fatalf("the blind interval ended without proof: %+v", m.Blind)
	}
	d.Feed(Old, FenceTaken{1})
	d.Feed(New, FenceReached{1})
	if m := d.Summary(); len(m.Blind) != 1 || m.Blind[0].To.IsZero() {
		t.Fatalf("the fence did not end the blind interval: %+v", m.Blind)
	}
}

// Rows of different tables are told apart by their hash, short keys as well as long ones.
func TestRowHashesDiffer(t *testing.T) {
	seen := map[uint64]string{}
	for ns := range uint32(64) {
		for id := range 1100 {
			for _, text := range []string{fmt.Sprint(id), fmt.Sprint(1000000 + id)} {
				name := fmt.Sprintf("row %s of namespace %d", text, ns)
				h := rowHash(ns, tupleOf([]binlog.Value{{Text: []byte(text)}}))
				if o, ok := seen[h]; ok {
					t.Fatalf("%s and %s have one hash", o, name)
				}
				seen[h] = name
			}
		}
	}
}
