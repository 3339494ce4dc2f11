package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/topology"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate/record"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// mender gathers what a mend is planned from.
type mender struct {
	in    *report.MendInput
	nodes []*topology.Node // the writers of old and new first
	index map[string]int   // of rows, by conflict.Row.ID
	keys  map[string][]string
	// before is, of a row that only a waiting transaction changes, what that found: it must be there still.
	before map[int][2]*binlog.Change
	log    *slog.Logger
	// stopped says that an applier is stopped by an error, be it at a change that left both sides equal.
	stopped bool
	fresh   map[string]uint64 // the last key that was given out, by side and table
	doubt   int               // rows under doubt whose key is not kept as it is
}

// add adds a row once.
func (m *mender) add(r conflict.Row) int {
	if i, ok := m.index[r.ID()]; ok {
		return i
	}
	i := len(m.in.Rows)
	m.in.Rows = append(m.in.Rows, report.MendRow{Row: r})
	m.index[r.ID()] = i
	if m.keys[r.Table] == nil {
		m.keys[r.Table] = r.Columns
	}
	return i
}

// findings takes what is not settled: findings, and rows under doubt that none of them names. ids chooses findings.
func (m *mender) findings(ctx context.Context, w *ledger.Watch, ids map[string]bool) error {
	open := map[string]bool{}
	err := w.EachFound(ctx, func(f record.Found) error {
		settled := f.Kind.Benign() || len(f.Rows) > 0
		for _, r := range f.Rows {
			settled = settled && r.Outcome.Settled()
		}
		open[f.ID] = !settled
		return nil
	})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	err = w.EachFinding(ctx, func(at time.Time, f conflict.Finding) error {
		seen[f.ID] = true
		if !ids[f.ID] && !open[f.ID] && (!f.Kind.Benign() || !m.stopped) {
			return nil
		}
		x := report.MendFinding{Finding: f, Found: at}
		if f.Kind != conflict.StaleSession && f.Kind != conflict.WrongStepKey && f.Kind != conflict.DDLRace {
			for _, r := range f.Rows() {
				x.Rows = append(x.Rows, m.add(r))
			}
		}
		m.in.Findings = append(m.in.Findings, x)
		return nil
	})
	if err != nil {
		return err
	}
	for id := range ids {
		if !seen[id] {
			return usageError("--finding %s: the watch has no such finding", id)
		}
	}
	return w.EachFate(ctx, func(f record.Fate) error {
		if f.Outcome != watch.OutcomeDiffers && f.Outcome != watch.OutcomeOpen {
			return nil
		}
		row, ok := rowOfFate(f)
		if !ok {
			m.doubt++
			return nil
		}
		if _, named := m.index[row.ID()]; !named {
			m.in.Findings = append(m.in.Findings, report.MendFinding{Found: f.Doubted, Rows: []int{m.add(row)}})
		}
		return nil
	})
}

// rowOfFate reads the key of a row under doubt; only that of integers has one form.
func rowOfFate(f record.Fate) (row conflict.Row, ok bool) {
	row = conflict.Row{Table: f.Table, Plain: f.Plain}
	d := json.NewDecoder(strings.NewReader(f.Key))
	if t, err := d.Token(); err != nil || t != json.Delim('{') || !f.Plain {
		return row, false
	}
	for d.More() {
		name, err := d.Token()
		column, isText := name.(string)
		value, verr := d.Token()
		text, isValue := value.(string)
		if err != nil || verr != nil || !isText || !isValue {
			return row, false
		}
		row.Columns, row.Key = append(row.Columns, column), append(row.Key, binlog.Value{Text: []byte(text)})
	}
	return row, len(row.Key) > 0
}

// read reads the rows on all nodes beside the writers of both sides.
func (m *mender) read(ctx context.Context) error {
	byTable := map[string][]int{}
	var tables []string
	for i := range m.in.Rows {
		r := &m.in.Rows[i]
		for s := range r.Beside {
			r.Beside[s] = make([]checksum.Beside, len(m.nodes))
		}
		if byTable[r.Table] == nil {
			tables = append(tables, r.Table)
		}
		byTable[r.Table] = append(byTable[r.Table], i)
	}
	alone := checksum.Survey{Relation: cluster.Relation{Mode: cluster.Independent}}
	for side := range 2 {
		for n, node := range m.nodes {
			reader := checksum.NewRechecker(m.nodes[side].Server, node.Server, alone, checksum.RecheckOptions{Log: m.log})
			for _, t := range tables {
				var keys []checksum.RowKey
				for _, i := range byTable[t] {
					keys = append(keys, checksum.RowKey{Columns: m.in.Rows[i].Columns, Values: m.in.Rows[i].Key})
				}
				var changes [][2]*binlog.Change
				if side == 0 && n == 1 {
					for _, i := range byTable[t] {
						changes = append(changes, m.logged(i))
					}
				}
				got, err := reader.Beside(ctx, t, keys, changes)
				if err != nil {
					reader.Close()
					return err
				}
				for k, i := range byTable[t] {
					m.in.Rows[i].Beside[side][n] = got[k]
				}
			}
			reader.Close()
		}
	}
	return nil
}

// logged are the last changes that both sides made to a row of which findings tell.
func (m *mender) logged(row int) (out [2]*binlog.Change) {
	if b, ok := m.before[row]; ok {
		return b
	}
	id := m.in.Rows[row].ID()
	var last [2]time.Time
	for i := range m.in.Findings {
		f := &m.in.Findings[i]
		for s, a := range [2]*conflict.Act{f.Old, f.New} {
			if a == nil || a.Dropped || a.Op == 0 || a.Op != binlog.Delete && a.After == nil || a.CommitTime.Before(last[s]) {
				continue
			}
			ch := &binlog.Change{Def: &binlog.Table{}, Kind: a.Op}
			for _, c := range a.Columns {
				ch.Def.Columns = append(ch.Def.Columns, binlog.Column{Name: c})
			}
			here := (conflict.Row{Table: a.Table, Key: a.Key}).ID() == id
			for _, k := range a.OtherKeys {
				here = here || (conflict.Row{Table: a.Table, Key: k}).ID() == id
			}
			if !here {
				continue
			}
			if (conflict.Row{Table: a.Table, Key: a.Key}).ID() == id && a.Op != binlog.Delete { // else it left none behind
				ch.After = a.After
			}
			out[s], last[s] = ch, a.CommitTime
		}
	}
	m.in.Rows[row].Acted = [2]bool{out[0] != nil, out[1] != nil}
	return out
}

// freshRoom is how many keys of its step are left to the application between the newest key and one that a mend gives.
const freshRoom = 100

// bothKeys looks for keys under which one of two rows could stay as well, for the findings that have that choice.
func (m *mender) bothKeys(ctx context.Context) error {
	var foreign map[string][]cluster.ForeignKey
	for _, f := range m.in.Findings {
		if f.Kind != conflict.InsertInsertPK || len(f.Rows) != 1 {
			continue
		}
		if foreign == nil {
			var err error
			if foreign, err = cluster.ForeignKeys(ctx, m.nodes[0].Server, cluster.Filter{}); err != nil {
				return err
			}
		}
		row := &m.in.Rows[f.Rows[0]]
		if err := m.freshKeys(ctx, row); err != nil {
			return err
		}
		for child, list := range foreign {
			for _, k := range list {
				if (&cluster.Table{Schema: k.RefSchema, Name: k.RefTable}).FullName() == row.Table {
					row.References = append(row.References, fmt.Sprintf("%q (%s), foreign key %q", child, strings.Join(k.Columns, ", "), k.Name))
				}
			}
		}
	}
	return nil
}

func (m *mender) freshKeys(ctx context.Context, row *report.MendRow) error {
	schema, name, ok := cluster.SplitFullName(row.Table)
	if !ok || len(row.Columns) != 1 {
		row.NoFresh = "the key is not of one column"
		return nil
	}
	var steps [2]cluster.StepPair
	var last uint64
	for s := range 2 {
		t, err := cluster.LoadTable(ctx, m.nodes[s].Server, schema, name)
		if err != nil {
			return err
		}
		if t == nil || t.Column(row.Columns[0]) == nil || !t.Column(row.Columns[0]).AutoIncrement {
			row.NoFresh = "the key is no AUTO_INCREMENT column: which other key a row gets is the application's to say"
			return nil
		}
		set, err := m.nodes[s].Server.Steps(ctx)
		if err != nil {
			return err
		}
		steps[s] = set.Global
		var most uint64
		query := "SELECT COALESCE(MAX(" + cluster.Quote(row.Columns[0]) + "), 0) FROM " + t.QuotedName()
		if err = m.nodes[s].Server.DB().QueryRowContext(ctx, query).Scan(&most); err != nil {
			return m.nodes[s].Server.Explain("read the newest key of "+row.Table, err)
		}
		last = max(last, most)
	}
	inc := steps[0].Increment
	if inc < 2 || steps[1].Increment != inc || steps[0].Offset%inc == steps[1].Offset%inc {
		row.NoFresh = "the sides have no steps of their own (auto_increment_increment, auto_increment_offset)"
		return nil
	}
	key, err := strconv.ParseUint(string(row.Key[0].Text), 10, 64)
	for s, step := range steps {
		if side := conflict.Side(s); err == nil && key%inc == step.Offset%inc {
			row.Fits = &side
		}
		at := max(last+freshRoom*inc, m.fresh[row.Table])
		at += (step.Offset%inc + inc - (at+1)%inc) % inc
		at++
		m.fresh[row.Table] = at
		row.Fresh[s] = strconv.FormatUint(at, 10)
	}
	return nil
}
