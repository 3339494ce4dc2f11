package checksum

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/cluster/rowstream"
)

// tail follows the binary log of the side that changes come from, while there are suspects: it tells whether a row was
// changed between two reads, which the reads alone cannot exclude, and which values a row that never rests went
// through. It opens with the first suspect; once it fails it is not tried again, and rounds alone prove.
type tail struct {
	source *cluster.Server
	newIs  bool // the source is the new side
	plans  []binlog.WindowTable
	log    *slog.Logger

	window *binlog.Window
	err    error
}

// windowTables lists the tables whose keys may be watched in the log of one side, each with the columns of the key that
// its rows are matched by: that need not be the key that the side stores its rows in.
func windowTables(pairs []tablePair, newSide bool, opt planOptions) []binlog.WindowTable {
	var out []binlog.WindowTable
	for _, pair := range pairs {
		if pair.verdict != nil {
			continue
		}
		plan := tablePlan{}
		key := findKey(pair.old, pair.new, plan.pair(pair.old, pair.new, opt))
		if key == nil {
			continue
		}
		w := binlog.WindowTable{Table: *pair.old}
		if newSide {
			w.Table = *pair.new
		}
		for _, c := range key.columns {
			name := c.old.Name
			if newSide {
				name = c.new.Name
			}
			w.Key = append(w.Key, name)
		}
		out = append(out, w)
	}
	return out
}

// watch begins to observe those of the suspects that a first round did not settle (most are settled by then), and
// resets their rounds, which count only under observation. It reports for each suspect whether it is observed.
func (t *tail) watch(ctx context.Context, p *tablePlan, suspects []*suspect) []bool {
	observed := make([]bool, len(suspects))
	var from gtid.Position
	table := p.side(t.newIs).table
	for i, sp := range suspects {
		if sp.watched != nil || sp.state.rounds == 0 {
			observed[i] = sp.watched != nil && t.err == nil
			continue
		}
		if from.IsZero() {
			if from = t.position(ctx); t.err != nil || !t.open(ctx, from) {
				return make([]bool, len(suspects))
			}
		}
		key, ok := p.watchKey(sp.key, t.newIs)
		if !ok {
			continue
		}
		err := t.window.Watch(table.Schema, table.Name, key)
		if errors.Is(err, binlog.ErrNotWatched) { // this table's rows go without the log, not all others' too
			continue
		}
		if err != nil {
			t.fail(err)
			return make([]bool, len(suspects))
		}
		sp.watched, sp.from = key, &from
		sp.state.disturbed()
		observed[i] = true
	}
	return observed
}

// position returns where the source is now; a failure ends the tail.
func (t *tail) position(ctx context.Context) gtid.Position {
	p, err := t.source.Position(ctx)
	if err != nil && ctx.Err() == nil {
		t.fail(err)
	}
	return p
}

func (t *tail) open(ctx context.Context, from gtid.Position) bool {
	if t.window == nil && t.err == nil {
		w, err := binlog.OpenWindow(ctx, t.source, from, t.plans, binlog.Options{Log: t.log})
		if err != nil && ctx.Err() == nil {
			t.fail(err)
		}
		if err != nil {
			return false
		}
		t.window = w
	}
	return t.err == nil
}

func (t *tail) fail(err error) {
	t.err = err
	t.log.Warn("the binary log cannot be followed; differences are proven by more rounds instead", "side", t.source.Label(), "err", err)
}

// unwatch ends the observation of a suspect.
func (t *tail) unwatch(p *tablePlan, sp *suspect) {
	if sp.watched != nil {
		table := p.side(t.newIs).table
		t.window.Unwatch(table.Schema, table.Name, sp.watched)
		sp.watched = nil
	}
}

func (t *tail) close() {
	if t.window != nil {
		t.window.Close()
	}
}

// changes tells what happened to an observed row from the start of its observation up to now. ok is false if that is
// not known.
func (t *tail) changes(ctx context.Context, p *tablePlan, sp *suspect, now gtid.Position) (a binlog.Answer, ok bool) {
	if sp.watched == nil || t.err != nil {
		return a, false
	}
	table := p.side(t.newIs).table
	a, err := t.window.Changed(ctx, table.Schema, table.Name, sp.watched, *sp.from, now)
	if err != nil && ctx.Err() == nil {
		t.fail(err)
	}
	return a, err == nil
}

// watchKey writes a sliced key in the form of package binlog. ok is false where the key is selected through a
// conversion that cannot be undone here.
func (p *tablePlan) watchKey(key []byte, newSide bool) ([]binlog.Value, bool) {
	out := make([]binlog.Value, 0, p.nKey)
	for i, wire := range p.keyTypes() {
		size := wire.Size(key)
		text, ok := p.logText(i, newSide, wire, key[:size])
		if !ok {
			return nil, false
		}
		out = append(out, binlog.Value{Text: text})
		key = key[size:]
	}
	return out, true
}

// logText writes an encoded value of a column as package binlog writes it.
func (p *tablePlan) logText(i int, newSide bool, wire rowstream.Column, raw []byte) ([]byte, bool) {
	c, expr := p.columns[i].old, p.columns[i].proj.old
	if newSide {
		c, expr = p.columns[i].new, p.columns[i].proj.new
	}
	bare := expr == cluster.Quote(c.Name)
	text, _ := decode(wire, raw)
	switch k := classOf(c); {
	case (k == classEnum || k == classSet) && p.columns[i].proj.number:
		return []byte(labels(c.Labels, k == classSet, text)), true
	case (k == classEnum || k == classSet) && bare:
		if !labelsTold(c) {
			return nil, false
		}
		return binlog.LogText(charset(c), lengthPrefixed(raw))
	case k == classBit && p.columns[i].proj.number:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, false
		}
		full := binary.BigEndian.AppendUint64(nil, n)
		return full[8-(c.Precision+7)/8:], true
	case wire.Type == mysql.MYSQL_TYPE_FLOAT:
		return []byte(binlog.FormatFloat32(math.Float32frombits(binary.LittleEndian.Uint32(raw)))), true
	case wire.Type == mysql.MYSQL_TYPE_DOUBLE && bare:
		return []byte(binlog.FormatFloat64(math.Float64frombits(binary.LittleEndian.Uint64(raw)))), true
	case k == classBytes || k == classFixedBytes || k == classGeometry || k == classBit:
		return lengthPrefixed(raw), bare
	case k == classText:
		if cs := charset(c); bare && !utf8Bytes(cs) { // stands in the column's own charset
			return binlog.LogText(cs, lengthPrefixed(raw))
		}
		return lengthPrefixed(raw), true
	case !bare && k != classInt:
		return nil, false
	}
	normal, err := binlog.NormalizeText(c, []byte(text))
	return normal, err == nil
}

// matches reports whether a row image equals what a change left behind; nil stands for no row. known is false where
// a value of either cannot be compared.
func (p *tablePlan) matches(newSide bool, columns []rowstream.Column, values []cellValue, ch binlog.Change) (same, known bool) {
	if values == nil || ch.After == nil {
		return values == nil && ch.After == nil, true
	}
	if ch.Partial || ch.Uncertain {
		return false, false
	}
	for i, v := range values {
		name := p.columns[i].old.Name
		if newSide {
			name = p.columns[i].new.Name
		}
		at := ch.Def.Index(name)
		if at < 0 || at >= len(ch.After) {
			return false, false
		}
		logged := ch.After[at]
		if v.null || logged.IsNull() {
			if v.null != logged.IsNull() {
				return false, true
			}
			continue
		}
		text, ok := p.logText(i, newSide, columns[i], v.raw)
		if !ok || !logged.Known() {
			return false, false
		}
		if string(text) != string(logged.Text) {
			return false, true
		}
	}
	return true, true
}

// reasonHot says why a row that never rests stayed undecided.
func reasonHot(t *tail) string {
	if t != nil && t.err != nil {
		return fmt.Sprintf("rows change faster than they can be compared, and the binary log of %s cannot be followed: %v", t.source.Label(), t.err)
	}
	return "rows change faster than they can be compared"
}
