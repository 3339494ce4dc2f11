package conflict

import (
	"maps"
	"slices"

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
	At   int64
	Key  uint64
	Read bool // in the table, not in the log
}

// maxTops bounds the steps that are remembered per table; a forgotten one makes fewer keys count as given, never more.
const maxTops = 64

// tops are the highest keys of a table over time, rising in both.
type tops []topAt

func (t *tops) add(at int64, key uint64, read bool) {
	n := len(*t)
	switch {
	case n > 0 && key <= (*t)[n-1].Key:
	case n > 0 && at <= (*t)[n-1].At:
		(*t)[n-1].Key = key // a clock that went back: the later time counts
	case n == maxTops:
		copy((*t)[1:], (*t)[2:])
		(*t)[n-1] = topAt{at, key, read}
	default:
		*t = append(*t, topAt{at, key, read})
	}
}

// before is the highest key that was held before a second began; 0 if none is known.
func (t tops) before(second int64) uint64 {
	key := uint64(0)
	for _, x := range t {
		if x.At >= second {
			break
		}
		key = x.Key
	}
	return key
}

// topKey remembers a key of a side's table.
func (st *stream) topKey(table string, at int64, key uint64, read bool) {
	if st.tops == nil {
		st.tops = map[string]*tops{}
	}
	t := st.tops[table]
	if t == nil {
		t = &tops{}
		st.tops[table] = t
	}
	t.add(at, key, read)
}

// forget drops what was held up to a second: a new life of the table began, whose keys may be lower. What was read in the
// table bears the second after that of the reading, or a later one.
func (t *tops) forget(second int64) {
	*t = slices.DeleteFunc(*t, func(x topAt) bool { return x.At <= second || x.Read && x.At-2 <= second })
}

// renew begins new lives of the tables that statements empty, drop or move, or whose next key they set. Highest keys
// belong to one life.
func (st *stream) renew(tx *binlog.Transaction) {
	at := tx.CommitTime.Unix()
	for i := range tx.DDL {
		effect := tx.DDL[i].Effect()
		moved := map[string]*tops{}
		for _, m := range effect.Moves() {
			if t := st.tops[fullName(m.From.Schema, m.From.Table)]; t != nil && !m.Both {
				moved[fullName(m.To.Schema, m.To.Table)] = t
			}
		}
		for name, t := range st.tops {
			if schema, table, ok := splitName(name); ok && effect.Touches(schema, table)&binlog.Renews != 0 {
				fresh := slices.Clone(*t)
				fresh.forget(at)
				if st.tops[name] = &fresh; len(fresh) == 0 {
					delete(st.tops, name)
				}
			}
		}
		maps.Copy(st.tops, moved)
	}
}

// restarted begins new lives of all tables.
func (st *stream) restarted(second int64) {
	for name, t := range st.tops {
		if t.forget(second); len(*t) == 0 {
			delete(st.tops, name)
		}
	}
}

// given tells whether a key of a change is surely no generated one.
func (st *stream) given(table string, began, committed int64, key uint64) bool {
	t := st.tops[table]
	return t != nil && began > 0 && began <= committed && key <= t.before(began)
}

// maybeGiven tells whether a key that is not known to be given may be: its statement began before the keys that its table
// held were first read, and it is none that came after them.
func (st *stream) maybeGiven(table string, began int64, key uint64) bool {
	t := st.tops[table]
	return t != nil && (*t)[0].Read && began > 0 && began <= (*t)[0].At && key <= (*t)[0].Key
}
