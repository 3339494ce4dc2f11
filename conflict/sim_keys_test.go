package conflict

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// keyLife is a life of a table with generated keys, as its server has it.
type keyLife struct {
	last uint64 // the highest key that was generated or given
	rows map[uint64]bool
	open int     // transactions that hold it
	told []topAt // what was committed in it
}

// keySim is a server whose sessions insert into two tables: with its own step, with another one, and with keys of their own.
type keySim struct {
	rng    *rand.Rand
	now    int64
	tables map[string]*keyLife
	open   []keyInsert
	log    []Event
	reads  []keyRead
	number uint64
	must   map[uint64]bool // transactions whose key must be told, or must not
	text   strings.Builder
}

type keyInsert struct {
	table     string
	life      *keyLife
	began     int64
	key       uint64
	generated bool
	mustNot   bool
}

type keyRead struct {
	TopKey
	after int // events of the log that were written by then
}

var keyDefs = map[string]*binlog.Table{}

func keyTable(name string) Definition {
	def := simTable("c")
	def.Name, def.Columns[0].AutoIncrement = name, true
	return Definition{Table: def}
}

func (k *keySim) write(at int64, tx *binlog.Transaction) {
	k.number++
	tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: simUUID(New)}, Number: k.number}
	tx.GTID, tx.Last, tx.CommitTime = tx.Mark.MySQL.String(), true, time.Unix(at, 0)
	tx.ThreadID = k.number
	var set gtid.Set
	set.Add(tx.Mark.MySQL)
	tx.Position = gtid.Position{Kind: gtid.MySQLGTID, MySQL: set}
	k.log = append(k.log, Transaction{FromNew, tx})
}

func (k *keySim) note(format string, args ...any) {
	fmt.Fprintf(&k.text, "%4d: ", k.now)
	fmt.Fprintf(&k.text, format+"\n", args...)
}

func (k *keySim) begin() {
	name := []string{"a", "b"}[k.rng.IntN(2)]
	life := k.tables[name]
	x := keyInsert{table: name, life: life, began: k.now - int64(k.rng.IntN(3))}
	switch k.rng.IntN(5) {
	case 0, 1:
		x.key = NextKey(life.last, Step{2, 2})
	case 2, 3:
		x.key, x.generated = NextKey(life.last, Step{2, 1}), true
	default:
		if x.key = 1 + k.rng.Uint64N(life.last+8); life.rows[x.key] || slices.ContainsFunc(k.open, func(o keyInsert) bool { return o.life == life && o.key == x.key }) {
			return
		}
		for _, t := range life.told {
			x.mustNot = x.mustNot || t.At < x.began && t.Key >= x.key
		}
	}
	life.last = max(life.last, x.key)
	life.open++
	k.open = append(k.open, x)
	if k.rng.IntN(3) > 0 {
		k.commit(len(k.open) - 1)
	}
}

func (k *keySim) commit(at int) {
	x := k.open[at]
	k.open = slices.Delete(k.open, at, at+1)
	def := keyDefs[x.table]
	k.write(k.now, &binlog.Transaction{Changes: []binlog.Change{{
		Schema: "s", Table: x.table, Def: def, Kind: binlog.Insert, Began: x.began,
		After: binlog.Row{simValue(strconv.FormatUint(x.key, 10)), simValue(""), simValue(""), simValue("")},
	}}})
	x.life.open--
	x.life.rows[x.key] = true
	x.life.told = append(x.life.told, topAt{At: k.now, Key: x.key})
	k.note("%d: insert %s %d, begun at %d, generated with the wrong step %v", k.number, x.table, x.key, x.began, x.generated)
	switch {
	case x.generated:
		k.must[k.number] = true
	case x.key%2 == 0 || x.mustNot:
		k.must[k.number] = false
	}
}

func (l *keyLife) highest() (top uint64) {
	for key := range l.rows {
		top = max(top, key)
	}
	return top
}

// ends runs a statement that begins another life.
func (k *keySim) ends() {
	name := []string{"a", "b"}[k.rng.IntN(2)]
	life := k.tables[name]
	if life.open > 0 {
		return
	}
	run := func(text string) {
		k.write(k.now, &binlog.Transaction{DDL: []binlog.DDL{{Schema: "s", Statement: text, Known: true, Charset: "utf8mb4"}}})
		k.note("%d: %s", k.number, text)
	}
	switch k.rng.IntN(5) {
	case 0:
		run("TRUNCATE TABLE " + name)
		k.tables[name] = &keyLife{rows: map[uint64]bool{}}
	case 1:
		run("DROP TABLE " + name)
		run("CREATE TABLE " + name + " (id INT AUTO_INCREMENT PRIMARY KEY)")
		k.tables[name] = &keyLife{rows: map[uint64]bool{}}
	case 2:
		to := 1 + k.rng.Uint64N(life.last+4)
		run(fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", name, to))
		k.tables[name] = &keyLife{rows: life.rows, last: max(life.highest(), to-1)}
	case 3:
		if k.tables["a"].open+k.tables["b"].open > 0 {
			return
		}
		run("RENAME TABLE a TO x, b TO a, x TO b")
		k.tables["a"], k.tables["b"] = k.tables["b"], k.tables["a"]
	default:
		if len(k.open) > 0 {
			return
		}
		k.now += 2 // it takes its time
		k.log = append(k.log, Restarted{k.now})
		k.note("restarted")
		for name, l := range k.tables {
			k.tables[name] = &keyLife{rows: l.rows, last: l.highest()}
		}
	}
}

func (k *keySim) run(steps int) {
	for range steps {
		k.now += int64(k.rng.IntN(3))
		switch p := k.rng.IntN(20); {
		case p < 11:
			k.begin()
		case p < 14 && len(k.open) > 0:
			k.commit(k.rng.IntN(len(k.open)))
		case p < 16:
			k.ends()
		case p < 18:
			name := []string{"a", "b"}[k.rng.IntN(2)]
			k.reads = append(k.reads, keyRead{TopKey{Table: "s." + name, Key: k.tables[name].highest(), At: k.now + 1}, len(k.log)})
			k.note("read %s: %d", name, k.tables[name].highest())
		default:
			life := k.tables[[]string{"a", "b"}[k.rng.IntN(2)]]
			delete(life.rows, life.highest())
		}
	}
}

// A key that a session with a wrong step generated is always told, whatever ended the lives of its table before, whenever
// the highest keys were read, and however far the log's reading is behind. One that fits, or that is not above what was
// committed in the same life before its statement began, is not.
func TestKeysOfManyLives(t *testing.T) {
	for _, name := range []string{"a", "b"} {
		keyDefs[name] = binlog.TableOf(keyTable(name).Table)
	}
	told, silent := 0, 0
	for seed := range uint64(*simHistories / 5) {
		rng := rand.New(rand.NewPCG(seed+*simFirst, 5))
		k := &keySim{rng: rng, now: 1000, tables: map[string]*keyLife{"a": {rows: map[uint64]bool{}}, "b": {rows: map[uint64]bool{}}}, must: map[uint64]bool{}}
		k.run(20 + rng.IntN(80))
		d := NewDetector(Config{})
		d.Feed(New, keyTable("a"))
		d.Feed(New, keyTable("b"))
		d.Feed(New, StepInForce{Step{2, 2}})
		at := map[int][]TopKey{} // readings come as soon as they are made, where the log's reading is behind, or later
		for _, r := range k.reads {
			n := r.after
			if rng.IntN(2) == 0 {
				n = rng.IntN(n + 1)
			}
			at[n] = append(at[n], r.TopKey)
		}
		for i, ev := range k.log {
			for _, r := range at[i] {
				d.Feed(New, r)
			}
			d.Feed(New, ev)
		}
		got := map[uint64]bool{}
		for _, f := range d.Take() {
			if f.Kind == WrongStepKey {
				got[f.New.Thread] = true
			}
		}
		for _, n := range slices.Sorted(maps.Keys(k.must)) {
			if got[n] != k.must[n] {
				t.Fatalf("seed %d: transaction %d: told %v\n%s", seed+*simFirst, n, got[n], k.text.String())
			}
			told, silent = told+b2i(got[n]), silent+b2i(!got[n])
		}
	}
	t.Logf("%d keys told, %d not", told, silent)
}
