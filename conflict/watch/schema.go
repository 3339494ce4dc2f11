package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// definitions gives the detector each side's tables before their rows, and again after a statement that may have
// changed them.
type definitions struct {
	server *cluster.Server
	given  map[string]cluster.TableName // by Table.FullName
	stale  map[string]bool              // may have changed since they were given
	last   map[string]*cluster.Table    // what the detector was given
	// touched counts, by Table.FullName, the statements that may have changed a definition.
	touched map[string]int
	seen    map[*binlog.Table]bool // decoders' tables whose definition was looked at
	// sequences are MariaDB's, by Table.FullName: what they give next is not judged.
	sequences map[string]bool
	// patience is how long a server may be gone while a definition is needed.
	patience time.Duration
	version  int // grows with what is given
}

// loadDefinitions reads all tables of a side that the filter chooses.
func loadDefinitions(ctx context.Context, server *cluster.Server, f cluster.Filter, patience time.Duration) (*definitions, []conflict.Definition, []cluster.Table, error) {
	tables, err := cluster.LoadTables(ctx, server, f)
	if err != nil {
		return nil, nil, nil, err
	}
	keys, err := cluster.ForeignKeys(ctx, server, f)
	if err != nil {
		return nil, nil, nil, err
	}
	d := &definitions{
		server: server, given: map[string]cluster.TableName{}, stale: map[string]bool{}, touched: map[string]int{}, seen: map[*binlog.Table]bool{},
		last: map[string]*cluster.Table{}, sequences: map[string]bool{}, patience: patience,
	}
	var out []conflict.Definition
	for i := range tables {
		t := &tables[i]
		if t.Kind == cluster.TableSequence {
			d.sequences[t.FullName()] = true
		}
		if t.Kind != cluster.TableBase && t.Kind != cluster.TableVersioned {
			continue
		}
		d.give(t)
		out = append(out, conflict.Definition{Table: t, ForeignKeys: foreignKeys(keys[t.FullName()])})
	}
	return d, out, tables, nil
}

// give notes that the detector gets a definition.
func (d *definitions) give(t *cluster.Table) {
	full := t.FullName()
	d.version++
	d.given[full], d.last[full] = cluster.TableName{Schema: t.Schema, Name: t.Name}, t
}

// resume takes over what a restored detector has, and returns what the decoder may use of it: not what had changed
// already where reading goes on.
func (d *definitions) resume(list []conflict.Definition, stale []string) []cluster.Table {
	clear(d.given)
	clear(d.last)
	for _, full := range stale {
		d.stale[full] = true
	}
	var known []cluster.Table
	for _, x := range list {
		d.give(x.Table)
		if !d.stale[x.Table.FullName()] {
			known = append(known, *x.Table)
		}
	}
	return known
}

// doubtAll has all tables' definitions read again before their next rows.
func (d *definitions) doubtAll() {
	clear(d.seen)
	for full := range d.given {
		d.stale[full] = true
	}
}

// outdated lists the tables of which the detector's definition, as it stands in a snapshot, may not be the one of the
// place from where reading goes on: it was to be read again before the next rows, or it was and is still held.
func (d *definitions) outdated(held []conflict.Definition) []string {
	var out []string
	have := make(map[string]*cluster.Table, len(held))
	for _, x := range held {
		have[x.Table.FullName()] = x.Table
	}
	for full := range d.given {
		if d.stale[full] || have[full] != d.last[full] {
			out = append(out, full)
		}
	}
	slices.Sort(out)
	return out
}

func foreignKeys(list []cluster.ForeignKey) []conflict.ForeignKey {
	out := make([]conflict.ForeignKey, 0, len(list))
	for _, k := range list {
		out = append(out, conflict.ForeignKey{
			Name: k.Name, Columns: k.Columns, RefSchema: k.RefSchema, RefTable: k.RefTable, RefColumns: k.RefColumns,
		})
	}
	return out
}

// changed notes which definitions a transaction's statements may have changed.
func (d *definitions) changed(list []binlog.DDL) {
	for i := range list {
		effect := list[i].Effect()
		if effect.Nothing() {
			continue
		}
		clear(d.seen)
		for full, name := range d.given {
			if effect.Touches(name.Schema, name.Name)&binlog.Defines != 0 {
				d.stale[full] = true
				d.touched[full]++
			}
		}
	}
}

// need returns the definitions that a transaction's rows want before them. A server that does not answer for a moment
// is waited for: rows without a definition could not be judged.
func (d *definitions) need(ctx context.Context, tx *binlog.Transaction) ([]conflict.Definition, error) {
	var out []conflict.Definition
	for i := range tx.Changes {
		c := &tx.Changes[i]
		if i > 0 && c.Def == tx.Changes[i-1].Def || d.seen[c.Def] {
			continue
		}
		if len(d.seen) > 4096 {
			clear(d.seen)
		}
		d.seen[c.Def] = true
		full := (&cluster.Table{Schema: c.Schema, Name: c.Table}).FullName()
		if _, ok := d.given[full]; ok && !d.stale[full] {
			continue
		}
		def, err := d.load(ctx, c.Schema, c.Table)
		if err != nil {
			return out, err
		}
		delete(d.stale, full)
		if def.Table == nil {
			delete(d.given, full) // dropped since: its rows cannot be judged
			continue
		}
		d.give(def.Table)
		d.sequences[full] = def.Table.Kind == cluster.TableSequence
		out = append(out, def)
	}
	return out, nil
}

func (d *definitions) load(ctx context.Context, schema, table string) (out conflict.Definition, err error) {
	err = patiently(ctx, d.patience, func() error {
		t, lerr := cluster.LoadTable(ctx, d.server, schema, table)
		var keys []cluster.ForeignKey
		if lerr == nil && t != nil {
			keys, lerr = cluster.ForeignKeysOf(ctx, d.server, schema, table)
		}
		out = conflict.Definition{Table: t, ForeignKeys: foreignKeys(keys)}
		return lerr
	})
	if err != nil {
		return conflict.Definition{}, fmt.Errorf("read the definition of %s.%s: %w", schema, table, err)
	}
	return out, nil
}

// patiently asks a server again while it does not answer, no longer than it may be gone.
func patiently(ctx context.Context, patience time.Duration, ask func() error) error {
	begin := time.Now()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := ask()
		if err == nil || ctx.Err() != nil || !cluster.IsTransient(err) || time.Since(begin) > patience {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// endOf asks where a side's log ends now.
func (e *engine) endOf(ctx context.Context, s conflict.Side) (pos gtid.Position, err error) {
	err = patiently(ctx, e.opt.RetryFor, func() (err error) {
		pos, err = e.servers[s].Position(ctx)
		return err
	})
	return pos, err
}
