package binlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/gtid"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) }

// tableMapEvent notes the layout of the rows that follow. Servers repeat it
// before each statement's rows, so the same bytes as before are the rule.
func (a *assembler) tableMapEvent(e event) error {
	id := (&reader{b: e.body}).uint(a.fmt.idSize)
	if m := a.tables[id]; m != nil && bytes.Equal(m.body, e.body) {
		return nil
	}
	tm, err := parseTableMap(e.body, a.fmt.idSize, a.mariaDB)
	if err != nil {
		return err
	}
	tm.layout = layoutOf(tm)
	if len(a.tables) > 10000 { // ids are never reused while a server runs
		clear(a.tables)
	}
	a.tables[id] = &mapped{body: bytes.Clone(e.body), tm: tm, watched: a.watch == nil || a.watch(tm.schema, tm.table)}
	return nil
}

func (a *assembler) rowsEvent(e event) error {
	id, _ := rowsTableID(e.body, a.fmt.idSize)
	a.begin(e)
	a.opened = true
	m := a.tables[id]
	if m == nil {
		return fmt.Errorf("rows of table id %d, of which no table map came", id)
	}
	if !m.watched {
		return nil
	}
	a.bytes += e.size
	if err := a.decodeRows(e, m); err != nil {
		a.incident(Incident{Kind: Undecodable, Schema: m.tm.schema, Table: m.tm.table, Detail: "its rows cannot be decoded: " + oneLine(err)})
	}
	if a.bytes >= partBytes && len(a.cur.Changes) > 0 {
		a.split()
	}
	return nil
}

func (a *assembler) decodeRows(e event, m *mapped) error {
	ev, err := parseRows(e.typ, e.body, a.fmt.idSize)
	if err != nil {
		return err
	}
	if ev.columns != len(m.tm.types) {
		return fmt.Errorf("%d columns where the table map has %d", ev.columns, len(m.tm.types))
	}
	if a.raw {
		return a.rawRows(e, m, &ev)
	}
	if m.plan == nil || m.epoch != a.schema.epoch {
		m.plan, m.epoch = a.schema.plan(m.tm), a.schema.epoch
	}
	uncertain := !m.plan.certain(a.schema.valid(m.tm.schema, m.tm.table, a.pos, a.at(e)))
	seed := uint64(0)
	if a.sums {
		seed = ev.seed()
	}
	for len(ev.images) > 0 {
		images := ev.images
		c := Change{Schema: m.tm.schema, Table: m.tm.table, Def: m.plan.def, Kind: ev.kind, Began: int64(e.timestamp), Uncertain: uncertain}
		if ev.kind != Insert {
			if c.Before, err = a.image(&ev, m.plan, ev.first, false, &c); err != nil {
				return err
			}
		}
		if ev.kind != Delete {
			present := ev.first
			if ev.kind == Update {
				present = ev.second
			}
			if c.After, err = a.image(&ev, m.plan, present, true, &c); err != nil {
				return err
			}
		}
		if a.sums {
			c.Sum = xxh3.HashSeed(images[:len(images)-len(ev.images)], seed)
		}
		a.change(c, len(ev.images)/max(len(images)-len(ev.images), 1))
	}
	return nil
}

// change adds a change to the current transaction, unless it was delivered before a reconnect. About so many are still to come.
func (a *assembler) change(c Change, more int) {
	if a.rows++; a.rows > a.skip {
		if len(a.cur.Changes) == cap(a.cur.Changes) {
			a.cur.Changes = slices.Grow(a.cur.Changes, min(more, maxGrow)+1)
		}
		a.cur.Changes = append(a.cur.Changes, c)
	}
}

// at is the place of an event, for validity of definitions.
func (a *assembler) at(e event) gtid.FilePos {
	return gtid.FilePos{File: a.file, Pos: uint64(e.logPos)}
}

// image decodes one row image off the front of ev.images.
func (a *assembler) image(ev *rowsEvent, p *plan, present []byte, after bool, c *Change) (Row, error) {
	n := len(p.columns)
	if len(a.values) < n {
		a.values = make([]Value, max(valueChunk, n))
	}
	row := Row(a.values[:n:n])
	a.values = a.values[n:]
	used, partial, err := p.decodeRow(ev.images, present, after && ev.kind == Update, ev.partial, row, &a.text)
	if err != nil {
		return nil, err
	}
	if used == 0 {
		return nil, errShort // a row without columns would never end
	}
	ev.images = ev.images[used:]
	c.Partial = c.Partial || partial
	return row, nil
}
