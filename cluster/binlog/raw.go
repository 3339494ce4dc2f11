package binlog

import (
	"errors"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/zeebo/xxh3"
)

// rawRows is what the changes of one event need to be decoded later.
type rawRows struct {
	tm     *tableMap
	ev     rowsEvent
	layout uint64
}

// layoutOf is a hash of the columns' types: images of one layout are read alike.
func layoutOf(tm *tableMap) uint64 {
	b := append(make([]byte, 0, 3*len(tm.types)), tm.types...)
	for _, m := range tm.meta {
		b = append(b, byte(m), byte(m>>8))
	}
	return xxh3.Hash(b)
}

// seed is a hash of what an event says of all its rows.
func (ev *rowsEvent) seed() uint64 {
	b := append(make([]byte, 0, 64), byte(ev.kind), boolByte(ev.partial))
	return xxh3.Hash(append(append(b, ev.first...), ev.second...))
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// rawRows cuts an event's rows apart, and leaves them as they are.
func (a *assembler) rawRows(e event, m *mapped, ev *rowsEvent) error {
	seed := ev.seed()
	src := &rawRows{tm: m.tm, ev: *ev, layout: m.tm.layout}
	partial := ev.partial || !ev.full()
	for rest := ev.images; len(rest) > 0; {
		n, err := m.tm.rowLen(rest, ev)
		if err != nil {
			return err
		}
		if n == 0 {
			return errShort // a row without columns would never end
		}
		a.change(Change{
			Schema: m.tm.schema, Table: m.tm.table, Kind: ev.kind, Began: int64(e.timestamp), Partial: partial,
			Sum: xxh3.HashSeed(rest[:n], seed), raw: src, at: uint32(len(ev.images) - len(rest)),
		}, (len(rest)-n)/n)
		rest = rest[n:]
	}
	return nil
}

// full tells whether the images carry all columns.
func (ev *rowsEvent) full() bool {
	for i := range ev.columns {
		if !bit(ev.first, i) || ev.kind == Update && !bit(ev.second, i) {
			return false
		}
	}
	return true
}

// rowLen is how many bytes the first row of an event's images takes.
func (tm *tableMap) rowLen(b []byte, ev *rowsEvent) (int, error) {
	n := 0
	if ev.kind != Insert {
		var err error
		if n, err = tm.imageLen(b, ev.first, false); err != nil {
			return 0, err
		}
	}
	if ev.kind == Delete {
		return n, nil
	}
	present := ev.first
	if ev.kind == Update {
		present = ev.second
	}
	m, err := tm.imageLen(b[n:], present, ev.partial)
	return n + m, err
}

// imageLen is how many bytes one row image takes, as plan.decodeRow reads it.
func (tm *tableMap) imageLen(b, present []byte, partial bool) (int, error) {
	r := &reader{b: b}
	if partial && r.lenenc()&1 != 0 {
		json := 0
		for _, t := range tm.types {
			if t == mysql.MYSQL_TYPE_JSON {
				json++
			}
		}
		r.bytes((json + 7) / 8)
	}
	count := 0
	for i := range tm.types {
		if bit(present, i) {
			count++
		}
	}
	nulls := r.bytes((count + 7) / 8)
	if r.err != nil {
		return 0, r.err
	}
	pos, seen := len(b)-len(r.b), 0
	for i, t := range tm.types {
		if !bit(present, i) {
			continue
		}
		null := bit(nulls, seen)
		if seen++; null {
			continue
		}
		n, err := valueLen(t, tm.meta[i], b[pos:])
		if err != nil {
			return 0, fmt.Errorf("column %d: %w", i+1, err)
		}
		pos += n
	}
	return pos, nil
}

// valueLen is how many bytes a value that is not NULL takes, as column.decode reads it.
func valueLen(typ byte, meta uint16, b []byte) (int, error) {
	var n int
	switch typ {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG:
		n = integerLen(typ)
	case mysql.MYSQL_TYPE_FLOAT:
		n = 4
	case mysql.MYSQL_TYPE_DOUBLE:
		n = 8
	case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING, typeVarcharCompressed:
		if meta > 255 {
			return skipBlob(b, 2)
		}
		return skipBlob(b, 1)
	case mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_VECTOR, mysql.MYSQL_TYPE_JSON, typeBlobCompressed:
		return skipBlob(b, int(meta))
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		precision, scale := int(meta>>8), int(meta&0xff)
		if scale > precision || precision == 0 {
			return 0, fmt.Errorf("DECIMAL(%d,%d) is none", precision, scale)
		}
		whole := precision - scale
		n = whole/9*4 + decGroups[whole%9] + scale/9*4 + decGroups[scale%9]
	case mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
		n = int(meta & 0xff)
	case mysql.MYSQL_TYPE_BIT:
		n = (int(meta>>8)*8 + int(meta&0xff) + 7) / 8
	default:
		if n = temporalSize(typ, int(meta)); n == 0 {
			return 0, errType{typ}
		}
	}
	if n == 0 || len(b) < n {
		return 0, errShort
	}
	return n, nil
}

// errNotRaw reports a change that carries no bytes to decode.
var errNotRaw = errors.New("the change holds no logged bytes")

// Decode fills in Def, Before and After of a change that was left raw. def is the table's definition, nil if it is not known.
// names, signs, character sets and labels are taken from it where the log does not have them.
func (c *Change) Decode(def *Table) error {
	switch {
	case c.Before != nil || c.After != nil:
		return nil
	case c.raw == nil:
		return errNotRaw
	}
	p := newPlan(c.raw.tm, def, nil)
	var text arena
	rest := c.raw.ev.images[c.at:]
	image := func(present []byte, after bool) (Row, error) {
		row := make(Row, len(p.columns))
		n, partial, err := p.decodeRow(rest, present, after, c.raw.ev.partial, row, &text)
		rest = rest[min(n, len(rest)):]
		c.Partial = c.Partial || partial
		return row, err
	}
	var err error
	if c.Kind != Insert {
		c.Before, err = image(c.raw.ev.first, false)
	}
	if err == nil && c.Kind != Delete {
		present := c.raw.ev.first
		if c.Kind == Update {
			present = c.raw.ev.second
		}
		c.After, err = image(present, c.Kind == Update)
	}
	c.Def, c.Uncertain = p.def, !p.certain(def != nil)
	if err != nil {
		c.Before, c.After = nil, nil
	}
	return err
}
