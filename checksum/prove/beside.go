package prove

import (
	"context"
	"fmt"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/onerow"
)

// Beside is what two servers hold of a row at a moment. Nothing is proven by it: replication may be on its way.
type Beside struct {
	diff.Difference        // see diff.Whole
	Why             string // why the row cannot be told; "" if it is
	// Holds tells of each change that was given (first) whether old and new (second) hold what it left behind.
	Holds [2][2]bool
}

// Beside reads rows of a table as they are now on both servers, without waiting for replication, which may be stopped. Each
// side is read twice: a row that changes meanwhile says so. logged are two changes of each row, or nil, to be looked for.
func (r *Rechecker) Beside(ctx context.Context, table string, rows []onerow.Key, logged [][2]*binlog.Change) ([]Beside, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Beside, len(rows))
	p, why, err := r.plan(ctx, table)
	if err != nil {
		return out, err
	}
	if why == "" && p.Folded {
		why = "its keys can be selected only through a conversion that makes different ones alike"
	}
	if why != "" {
		for i := range out {
			out[i].Why = why
		}
		return out, nil
	}
	if err = r.settler.old.LearnTypes(ctx, p); err != nil {
		return out, err
	}
	b, index := besideBatch(p, rows, out)
	if len(b.suspects) == 0 {
		return out, nil
	}
	first, err := r.both(ctx, b)
	if err != nil {
		return out, err
	}
	again, err := r.both(ctx, b)
	if err != nil {
		return out, err
	}
	if now, gone, perr := r.plan(ctx, table); perr != nil || gone != "" || now != p {
		return out, fmt.Errorf("the definition of %s changed while its rows were read", table)
	}
	to := diff.NewTarget(ctx, r.settler.new.Server, p)
	for k, i := range index {
		o, n := again[0][k], again[1][k]
		switch {
		case o.image != first[0][k].image, n.image != first[1][k].image, o.Moved, n.Moved:
			out[i].Why = "it changed while it was read"
		case o.image.sight == unseen, n.image.sight == unseen:
			out[i].Why = "its key need not find the row that it is of"
		case o.image.sight == present && o.Packet == nil, n.image.sight == present && n.Packet == nil:
			out[i].Why = "it is too large to be kept"
		default:
			if out[i].Difference, err = diff.Whole(p, to, o.Row, n.Row, b.suspects[k].key); err != nil {
				out[i].Why = err.Error()
			}
			if logged != nil {
				out[i].Holds, err = held(p, logged[i], [2]diff.Row{o.Row, n.Row})
			}
			if err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// held tells whether the rows are what the changes left behind.
func held(p *plan.Table, logged [2]*binlog.Change, rows [2]diff.Row) (out [2][2]bool, err error) {
	for side, row := range rows {
		values, err := row.Values()
		if err != nil {
			return out, err
		}
		for c, ch := range logged {
			if ch != nil {
				same, known := p.Matches(side == 1, row.Columns, values, *ch)
				out[c][side] = same && known
			}
		}
	}
	return out, nil
}

// besideBatch encodes the keys; index is where each of the batch stands in rows.
func besideBatch(p *plan.Table, rows []onerow.Key, out []Beside) (b *batch, index []int) {
	b = &batch{plan: p}
	for i, row := range rows {
		key, err := p.EncodeKey(row)
		if err != nil {
			out[i].Why = err.Error()
			continue
		}
		b.suspects = append(b.suspects, &suspect{key: key, owner: new(recheckRow)})
		index = append(index, i)
	}
	return b, index
}

// both reads the rows in full on both sides.
func (r *Rechecker) both(ctx context.Context, b *batch) (out [2][]rowImage, err error) {
	for i, s := range []*read.Session{r.settler.old, r.settler.new} {
		strays := s.Strays
		if out[i], err = r.settler.packets(ctx, s, b); err != nil {
			return out, err
		}
		if err = r.settler.readBare(ctx, s, b, out[i]); err != nil {
			return out, err
		}
		if !b.plan.TextKey && s.Strays != strays { // see Rechecker.settle
			for k := range out[i] {
				if out[i][k].image.sight == absent {
					out[i][k].image.sight = unseen
				}
			}
		}
	}
	return out, nil
}
