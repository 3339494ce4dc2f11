package conflict

import (
	"crosscheck/cluster/binlog"
)

// A generated key is higher than all keys that its server held when it was generated, and it was generated after its
// statement began. So a key that is not above one that was committed before that was given by the application, and no
// step tells anything of it. Only what was committed on the same server counts, by its own clock.

// TopKey says that a side's table held a key at a time, in Unix seconds of its server: the highest one, as just read.
// It is not bound to a place in the log.
type TopKey struct {
	Table string // "schema.table"
	Key   uint64
	At    int64
	Again bool // read while the log was: what was written before that was seen
}

// Restarted says that the side's server was started at a time, in Unix seconds, and forgot then how far it had come with
// generated keys.
type Restarted struct{ At int64 }

func (TopKey) event()    {}
func (Restarted) event() {}

// topAt is the highest key that was held at the end of a second.
type topAt struct {
	At  int64
	Key uint64
}

// maxTops bounds the steps that are remembered per table; a forgotten one makes fewer keys count as given, never more.
const maxTops = 64

// rising are highest keys over time, rising in both.
type rising []topAt

func (r *rising) add(x topAt) {
	n := len(*r)
	switch {
	case n > 0 && x.Key <= (*r)[n-1].Key:
	case n > 0 && x.At <= (*r)[n-1].At:
		(*r)[n-1].Key = x.Key // a clock that went back: the later time counts
	case n == maxTops:
		copy((*r)[1:], (*r)[2:])
		(*r)[n-1] = x
	default:
		*r = append(*r, x)
	}
}

// before is the highest key that was held before a second began; 0 if none is known.
func (r rising) before(second int64) uint64 {
	key := uint64(0)
	for _, x := range r {
		if x.At >= second {
			break
		}
		key = x.Key
	}
	return key
}

// tops are the highest keys of a table's life, as its log told, and as they were read in the table: where the reading of the
// log is behind, that may have been in a later life.
type tops struct {
	Log, Read rising
	Start     topAt // read where the account begins; zero if none was
}

// topsOf are those of a table.
func (st *stream) topsOf(table string) *tops {
	if st.tops == nil {
		st.tops = map[string]*tops{}
	}
	t := st.tops[table]
	if t == nil {
		t = &tops{}
		st.tops[table] = t
	}
	return t
}

// read adds a reading. Of two that come out of their order the earlier may be of a life that is over.
func (t *tops) read(x topAt, again bool) {
	if !again && t.Start.At == 0 {
		t.Start = x
	}
	if n := len(t.Read); n == 0 || x.At >= t.Read[n-1].At {
		t.Read.add(x)
	}
}

// ends cuts off the life that a statement ends: all that the log told, and what was read up to its second. What was read in
// the table bears the second after that of the reading, or a later one; of which life it is when both are of one second,
// nothing tells.
func (t *tops) ends(second int64) (ended tops) {
	ended.Log = t.Log
	if t.Start.At-2 <= second {
		ended.Start, t.Start = t.Start, topAt{}
	}
	var later rising
	for _, x := range t.Read {
		switch {
		case x.At <= second:
			ended.Read = append(ended.Read, x)
		case x.At-2 > second:
			later = append(later, x)
		}
	}
	t.Log, t.Read = nil, later
	return ended
}

// renew begins new lives of the tables that statements empty, drop or move, or whose next key they set. Highest keys
// belong to one life.
func (st *stream) renew(tx *binlog.Transaction) {
	// A statement may have waited for what stands before it, and bear the time when it was begun.
	second := max(st.clock, tx.CommitTime.Unix())
	for i := range tx.DDL {
		effect := tx.DDL[i].Effect()
		ended := map[string]tops{}
		for name, t := range st.tops {
			if schema, table, ok := splitName(name); ok && effect.Touches(schema, table)&binlog.Renews != 0 {
				ended[name] = t.ends(second)
			}
		}
		moved := map[string]tops{}
		for _, m := range effect.Moves() {
			from, to := fullName(m.From.Schema, m.From.Table), fullName(m.To.Schema, m.To.Table)
			t, again := moved[from]
			if !again {
				t = ended[from]
			}
			if delete(moved, from); !m.Both {
				moved[to] = t
			}
		}
		for name, t := range moved {
			to := st.topsOf(name)
			later := to.Read
			to.Log, to.Read = t.Log, t.Read
			if to.Start.At == 0 {
				to.Start = t.Start
			}
			for _, x := range later {
				to.Read.add(x)
			}
		}
	}
}

// restarted begins new lives of all tables.
func (st *stream) restarted(second int64) {
	for _, t := range st.tops {
		t.ends(second)
	}
}

// given tells whether a key of a change is surely no generated one.
func (st *stream) given(table string, began, committed int64, key uint64) bool {
	t := st.tops[table]
	return t != nil && began > 0 && began <= committed && key <= max(t.Log.before(began), t.Read.before(began))
}

// maybeGiven tells whether a key that is not known to be given may be: its statement began before the keys that its table
// held were first read, and it is none that came after them.
func (st *stream) maybeGiven(table string, began int64, key uint64) bool {
	t := st.tops[table]
	return t != nil && began > 0 && began <= t.Start.At && key <= t.Start.Key
}
