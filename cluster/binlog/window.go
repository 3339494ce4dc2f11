package binlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
)

// WindowTable is a table of which keys may be watched.
type WindowTable struct {
	Table cluster.Table
	Key   []string // columns, in the order of the keys given to Watch
}

// Seen is a change of a watched key.
type Seen struct {
	Change   Change // with rows of its own
	GTID     string
	ServerID uint32
	ThreadID uint64
	Time     time.Time // of the commit

	mark Mark
}

// Answer says what happened to a key between two positions.
type Answer struct {
	// Changes are those of the key, or of keys that some collation could call
	// equal to it, oldest first; at most maxSeen, the newest.
	Changes []Seen
	Count   int // all of them
	// Unjudged lists what may have changed the key unseen. If it is empty and
	// Count is 0, the key was not changed.
	Unjudged []Incident
}

// Quiet tells whether the key surely did not change.
func (a Answer) Quiet() bool { return a.Count == 0 && len(a.Unjudged) == 0 }

const (
	// maxSeen is how many changes of one key are kept with their rows.
	maxSeen = 16
	// maxTrouble is how many incidents are kept one by one; beyond it the oldest
	// two become one that covers all tables.
	maxTrouble = 1024
	// maxPrepared is how many changes of one prepared XA transaction are kept.
	maxPrepared = 10000
)

// ErrNotWatched says that a key was asked for that Watch was not called with.
var ErrNotWatched = errors.New("the key is not watched")

// Window follows one server's log and remembers the changes of watched keys.
// Memory grows with the keys that are watched, not with the log. Its methods
// may be called concurrently.
type Window struct {
	tail *Tailer
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	tables   map[tableName]*windowTable
	trouble  []trouble
	prepared map[string][]Change
	position gtid.Position // all up to here has been looked at
	moved    chan struct{} // closed and replaced when position or err change
	err      error
}

type windowTable struct {
	key     []string
	how     []comparison
	buckets map[string][]*watched
	index   map[*Table][]int // where definitions have the key's columns; nil: not all are there
	altered *trouble         // a DDL: how keys compare may be different since
}

type watched struct {
	key  []Value
	refs int
	seen []Seen
	// Of changes beyond maxSeen: the newest one's mark (or none) and how many.
	forgotten []Mark
	dropped   int
}

type trouble struct {
	what     Incident
	mark     Mark
	sweeping bool // it stands for others before it, too
}

// OpenWindow starts to follow srv's log after from (gtid.None: from now on).
// Options' Watch and Tables are set by the window. ctx bounds the start only.
// Errors are those of Tail.
func OpenWindow(ctx context.Context, srv *cluster.Server, from gtid.Position, tables []WindowTable, opt Options) (*Window, error) {
	w := &Window{
		tables: map[tableName]*windowTable{}, prepared: map[string][]Change{},
		moved: make(chan struct{}), done: make(chan struct{}),
	}
	opt.Tables = nil
	for _, t := range tables {
		w.tables[tableName{t.Table.Schema, t.Table.Name}] = &windowTable{
			key: t.Key, how: howOf(TableOf(&t.Table), t.Key), buckets: map[string][]*watched{}, index: map[*Table][]int{},
		}
		opt.Tables = append(opt.Tables, t.Table)
	}
	opt.Watch = func(schema, table string) bool { return w.tables[tableName{schema, table}] != nil }
	opt.AnyFormat = true // statements are told one by one
	tl, err := Tail(ctx, srv, from, opt)
	if err != nil {
		return nil, err
	}
	w.tail, w.position = tl, tl.Position()
	run, stop := context.WithCancel(tl.life)
	w.stop = stop
	go w.follow(run)
	return w, nil
}

// Close ends the window.
func (w *Window) Close() {
	w.stop()
	w.tail.Close()
	<-w.done
}

// Watch begins to remember changes of a key. It must be called before the row
// is read for the first time; changes that the window had passed already are
// not found later. The window keeps key. Each call needs an Unwatch.
func (w *Window) Watch(schema, table string, key []Value) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, fold, err := w.locate(schema, table, key)
	if err != nil {
		return err
	}
	if k := t.find(fold, key); k != nil {
		k.refs++
		return nil
	}
	t.buckets[fold] = append(t.buckets[fold], &watched{key: key, refs: 1})
	return nil
}

// Unwatch ends a Watch and frees what was kept for it.
func (w *Window) Unwatch(schema, table string, key []Value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, fold, err := w.locate(schema, table, key)
	if err != nil {
		return
	}
	k := t.find(fold, key)
	if k == nil {
		return
	}
	if k.refs--; k.refs > 0 {
		return
	}
	rest := slices.DeleteFunc(t.buckets[fold], func(x *watched) bool { return x == k })
	if len(rest) == 0 {
		delete(t.buckets, fold)
		return
	}
	t.buckets[fold] = rest
}

func (w *Window) locate(schema, table string, key []Value) (*windowTable, string, error) {
	t := w.tables[tableName{schema, table}]
	if t == nil {
		return nil, "", fmt.Errorf("%s.%s: %w: the table is not in the window", schema, table, ErrNotWatched)
	}
	if len(key) != len(t.key) {
		return nil, "", fmt.Errorf("%s.%s: a key of %d values where the table's has %d", schema, table, len(key), len(t.key))
	}
	return t, foldKey(key, t.how), nil
}

// find is the watched key with exactly these values.
func (t *windowTable) find(fold string, key []Value) *watched {
	for _, k := range t.buckets[fold] {
		if slices.EqualFunc(k.key, key, Value.Equal) {
			return k
		}
	}
	return nil
}
