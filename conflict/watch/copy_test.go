package watch

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// pairOfLogs is a writer with one copy, fed with made transactions.
type pairOfLogs struct {
	k      *kin
	c      *followed
	digest digester
	at     [2]uint64 // ends of the logs
}

func newPairOfLogs() *pairOfLogs {
	def := &cluster.Table{
		Schema: "d", Name: "t", Columns: []cluster.Column{{Name: "id", DataType: "int"}, {Name: "v", DataType: "int"}},
		Keys: []cluster.Key{{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "id"}}}},
	}
	all := func(string, string) bool { return true }
	k := &kin{digest: digester{within: all}, tables: map[string]*cluster.Table{def.FullName(): def}}
	c := &followed{kin: k, mem: copyMemory{Begun: true}, waiting: map[txKey]*logged{}, early: map[txKey]*logged{}}
	k.copies = []*followed{c}
	return &pairOfLogs{k: k, c: c, digest: digester{within: all}}
}

// tx is an update of a row to a value; without a number it has no GTID.
func (p *pairOfLogs) tx(log int, number uint64, id, v int) *binlog.Transaction {
	p.at[log] += 100
	row := func(v int) binlog.Row {
		return binlog.Row{{Text: fmt.Append(nil, id)}, {Text: fmt.Append(nil, v)}}
	}
	tx := &binlog.Transaction{Last: true, ServerID: 1, Changes: []binlog.Change{{
		Schema: "d", Table: "t", Kind: binlog.Update, Before: row(0), After: row(v), Sum: uint64(1000*id + v),
		Def: &binlog.Table{Schema: "d", Name: "t", Columns: []binlog.Column{{Name: "id"}, {Name: "v"}}},
	}}}
	tx.Mark.File = gtid.FilePos{File: "log.000001", Pos: p.at[log]}
	if number > 0 {
		tx.Mark.MariaDB = gtid.MariaGTID{Domain: 1, Server: 1, Seq: number}
		tx.GTID = tx.Mark.MariaDB.String()
	}
	tx.Position = gtid.Position{Kind: gtid.File, File: tx.Mark.File}
	return tx
}

func (p *pairOfLogs) writer(number uint64, id, v int) { p.k.fromWriter(p.tx(0, number, id, v), 10) }

func (p *pairOfLogs) copy(number uint64, id, v int) {
	tx := p.tx(1, number, id, v)
	p.k.fromCopy(p.c, p.digest.add(tx, 10), tx.Position)
}

func (p *pairOfLogs) fence() {
	seq := p.k.allKnown(p.c, p.k.place(p.c))
	p.k.allArrived(p.c, seq, time.Now())
}

func (p *pairOfLogs) doubts() []string {
	var out []string
	for _, d := range p.c.mem.Doubts {
		out = append(out, fmt.Sprint(d.Key, " ", d.What))
	}
	slices.Sort(out)
	return out
}

// restart lets another process go on.
func (p *pairOfLogs) restart(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(p.k.remember(p.c))
	if err != nil {
		t.Fatal(err)
	}
	var m copyMemory
	if err = json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	k := &kin{digest: digester{within: p.k.digest.within}, tables: p.k.tables, read: p.k.at}
	p.c = &followed{kin: k, waiting: map[txKey]*logged{}, early: map[txKey]*logged{}}
	p.c.restore(m)
	k.copies = []*followed{p.c}
	p.k = k
}

// TestTwoLogs: what stands in both logs is verified in whatever order it is read, and everything else is told, with and without
// GTIDs, and across a restart.
func TestTwoLogs(t *testing.T) {
	for _, named := range []bool{true, false} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint("named ", named, " restart ", restart), func(t *testing.T) {
				p := newPairOfLogs()
				number := func(n uint64) uint64 {
					if named {
						return n
					}
					return 0
				}
				p.writer(number(1), 1, 1)
				p.copy(number(1), 1, 1)
				p.copy(number(2), 2, 1) // read before its writer's
				p.writer(number(3), 3, 1)
				if restart {
					p.restart(t)
				}
				p.writer(number(2), 2, 1)
				p.copy(number(3), 3, 1)
				for range 3 { // the same three times
					p.writer(number(4+p.at[0]), 4, 1)
				}
				at := p.at[0]
				for i := range uint64(3) {
					p.copy(number(4+at-300+100*i), 4, 1)
				}
				p.fence()
				if got := p.doubts(); len(got) > 0 || p.c.mem.Verified != 6 || len(p.c.waiting)+len(p.c.early) > 0 || p.k.kept != 0 {
					t.Fatalf("%v, %d verified, %d and %d wait, %d kept", got, p.c.mem.Verified, len(p.c.waiting), len(p.c.early), p.k.kept)
				}
				p.writer(number(5000), 5, 1)
				p.copy(number(5001), 6, 1)
				if got := p.doubts(); len(got) > 0 {
					t.Errorf("before both logs were read so far: %v", got)
				}
				p.fence()
				want := []string{"[5] missing", "[6] extra"}
				if named {
					p.writer(5002, 7, 1)
					p.copy(5002, 7, 2)
					want = append(want, "[7] differs")
				}
				if got := p.doubts(); !slices.Equal(got, want) || p.c.mem.Verified != 6 {
					t.Errorf("doubts %v, want %v; %d verified", got, want, p.c.mem.Verified)
				}
				p.writer(number(5003), 5, 3)
				p.copy(number(5003), 5, 3)
				if got := p.doubts(); !slices.Equal(got, want[1:]) {
					t.Errorf("doubts %v after the row arrived, want %v", got, want[1:])
				}
			})
		}
	}
}

// TestDoubtsThatStay: a change that arrives proves the rows of its own keys, and takes no other row from under doubt.
func TestDoubtsThatStay(t *testing.T) {
	null := binlog.Value{State: binlog.Null}
	value := func(s string) binlog.Value { return binlog.Value{Text: []byte(s)} }
	long := strings.Repeat("x", 60)
	type change struct{ before, after binlog.Row }
	row := func(values ...binlog.Value) binlog.Row { return values }
	for name, c := range map[string]struct {
		key                  string   // of t(id, v); "" none
		writer, copy, arrive []change // one transaction of the writer, of the copy, and one that arrives afterwards
		want                 []string
	}{
		"the row itself": {key: "PRIMARY", writer: []change{{nil, row(value("5"), value("a"))}}, arrive: []change{{nil, row(value("5"), value("b"))}}},
		"a second row without a key": {
			writer: []change{{nil, row(value("5"), value("a"))}}, arrive: []change{{nil, row(value("5"), value("a"))}}, want: []string{"[5 a] missing"},
		},
		"long values without a key": {
			writer: []change{{nil, row(value("5"), value(long+"a"))}}, arrive: []change{{row(value("5"), value(long+"b")), nil}}, want: []string{"[5 " + long + "] missing"},
		},
		"NULL in a unique key": {
			key: "u", writer: []change{{nil, row(null, value("a"))}}, arrive: []change{{nil, row(null, value("b"))}}, want: []string{"[<null>] missing"},
		},
		"a key that changed": {
			key: "PRIMARY", writer: []change{{row(value("5"), value("a")), row(value("6"), value("a"))}},
			arrive: []change{{nil, row(value("5"), value("b"))}}, want: []string{"[6] missing"},
		},
		"both of its keys": {
			key: "PRIMARY", writer: []change{{row(value("5"), value("a")), row(value("6"), value("a"))}},
			arrive: []change{{row(value("6"), value("b")), row(value("5"), value("b"))}},
		},
		"another new key": {
			key: "PRIMARY", writer: []change{{row(value("5"), value("a")), row(value("6"), value("a"))}},
			copy: []change{{row(value("5"), value("a")), row(value("7"), value("a"))}}, arrive: []change{{row(value("6"), value("a")), nil}},
			want: []string{"[5] differs", "[7] differs"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPairOfLogs()
			def := p.k.tables["d.t"]
			def.Keys[0].Name, def.Keys[0].Primary = c.key, c.key == "PRIMARY"
			if c.key == "" {
				def.Keys = nil
			}
			tx := func(log int, number uint64, changes []change) *binlog.Transaction {
				tx := p.tx(log, number, 0, 0)
				like := tx.Changes[0]
				tx.Changes = nil
				for _, x := range changes {
					like.Kind, like.Before, like.After = binlog.Update, x.before, x.after
					switch {
					case x.before == nil:
						like.Kind = binlog.Insert
					case x.after == nil:
						like.Kind = binlog.Delete
					}
					h := fnv.New64a()
					fmt.Fprint(h, x.before, x.after)
					like.Sum = h.Sum64()
					tx.Changes = append(tx.Changes, like)
				}
				return tx
			}
			give := func(number uint64, writer, copied []change) {
				if writer != nil {
					p.k.fromWriter(tx(0, number, writer), 10)
				}
				if copied != nil {
					copied := tx(1, number, copied)
					p.k.fromCopy(p.c, p.digest.add(copied, 10), copied.Position)
				}
				p.fence()
			}
			give(1, c.writer, c.copy)
			if len(p.doubts()) == 0 {
				t.Fatal("no doubt to begin with")
			}
			give(2, c.arrive, c.arrive)
			if got := p.doubts(); !slices.Equal(got, c.want) {
				t.Errorf("doubts %v, want %v", got, c.want)
			}
		})
	}
}

// TestOwnTransactionNumberedBelow: a late replica of MariaDB may number a transaction of its own below what its writer had when
// the account began.
func TestOwnTransactionNumberedBelow(t *testing.T) {
	p := newPairOfLogs()
	p.c.mem.Server = 22
	p.c.mem.Writer = gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: gtid.MariaPos{}.With(gtid.MariaGTID{Domain: 1, Server: 1, Seq: 50})}
	p.copy(49, 1, 1) // on its way when the account began
	tx := p.tx(1, 41, 2, 1)
	tx.Mark.MariaDB.Server = 22
	p.k.fromCopy(p.c, p.digest.add(tx, 10), tx.Position)
	p.fence()
	if got := p.doubts(); !slices.Equal(got, []string{"[2] extra"}) {
		t.Errorf("doubts %v", got)
	}
}

// TestCopyFarBehind: what waits for a copy is bounded; beyond that it is lost, and says so.
func TestCopyFarBehind(t *testing.T) {
	p := newPairOfLogs()
	for i := range maxWaiting {
		put(p.c.waiting, &logged{Key: txKey{1, uint64(i)}, GTID: "x", holders: 1})
	}
	p.writer(1, 0, 1)
	if p.c.mem.Lost == "" || len(p.c.waiting) > 0 || p.k.kept != 0 {
		t.Errorf("lost %q, %d wait, %d kept", p.c.mem.Lost, len(p.c.waiting), p.k.kept)
	}
	p.copy(1, 0, 1)
	p.fence()
	if p.c.mem.Verified != 0 || len(p.doubts()) > 0 {
		t.Errorf("%d verified, doubts %v", p.c.mem.Verified, p.doubts())
	}
}
