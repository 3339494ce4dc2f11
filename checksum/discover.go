package checksum

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster"
)

// tablePair is a name in scope: a table on both sides, or a case that is judged without comparing rows.
type tablePair struct {
	old, new *cluster.Table
	name     string                                         // FullName, as both sides understand it
	shared   string                                         // see plan.NamePair
	verdict  func(ctx context.Context) (TableResult, error) // set where rows are not compared
	begun    bool                                           // its turn has come
}

// pairTables lists what is in scope: all user tables of either side that the filter selects. Large tables come first, so
// that the last ones to finish are small.
func (c *checker) pairTables(ctx context.Context) ([]tablePair, error) {
	f := c.folds
	load := c.opt.Filter
	if f.Mixed() { // namesakes in other letter case are looked at, whether they are named or not
		load = load.Wide()
	}
	olds, err := c.pass.catalog.tables(ctx, c.old, load, f.Mixed())
	if err != nil {
		return nil, err
	}
	news, err := loadByName(ctx, c.new, load)
	if err != nil {
		return nil, err
	}
	names := plan.PairNames(namesOf(olds), namesOf(news), f)
	names = slices.DeleteFunc(names, func(p plan.NamePair) bool { return !c.inScope(p) })
	seen, err := c.checkScope(ctx, names)
	if err != nil {
		return nil, err
	}
	c.seesAll = seen[0].scope.Complete() && seen[1].scope.Complete()
	pairs := make([]tablePair, 0, len(names))
	for _, n := range names {
		p := c.pair(n, olds[n.Old], news[n.New])
		for i, t := range []*cluster.Table{p.old, p.new} {
			if p.old == nil || p.new == nil {
				continue
			}
			if err := seen[i].refuse(ctx, &p, t); err != nil {
				return nil, err
			}
		}
		pairs = append(pairs, p)
	}
	slices.SortStableFunc(pairs, func(a, b tablePair) int { return int(min(1, max(-1, b.size()-a.size()))) })
	return pairs, nil
}

func loadByName(ctx context.Context, s *cluster.Server, f cluster.Filter) (map[cluster.TableName]*cluster.Table, error) {
	list, err := cluster.LoadTables(ctx, s, f)
	if err != nil {
		return nil, err
	}
	out := make(map[cluster.TableName]*cluster.Table, len(list))
	for i := range list {
		out[plan.NameOf(&list[i])] = &list[i]
	}
	return out, nil
}

func namesOf(tables map[cluster.TableName]*cluster.Table) []cluster.TableName {
	return slices.SortedFunc(maps.Keys(tables), compareNames)
}

func (p tablePair) size() int64 {
	if p.old == nil || p.verdict != nil {
		return 0
	}
	return max(p.old.DataBytes, p.old.EstRows)
}

// pair decides how a name is judged.
func (c *checker) pair(n plan.NamePair, o, t *cluster.Table) tablePair {
	p := tablePair{old: o, new: t, name: plan.FullName(n.Named(c.folds)), shared: n.Shared}
	switch {
	case n.Clash != "":
		p.verdict = fixed(p.name, Undecided, n.Clash)
	case t == nil:
		p.verdict = func(ctx context.Context) (TableResult, error) { return c.oneSided(ctx, o, c.new, false) }
	case o == nil:
		p.verdict = func(ctx context.Context) (TableResult, error) { return c.oneSided(ctx, t, c.old, true) }
	case plan.KindOf(o) != plan.KindOf(t):
		p.verdict = fixed(p.name, Different, fmt.Sprintf("a %s on %s, a %s on %s", plan.KindOf(o), c.names()[0], plan.KindOf(t), c.names()[1]))
	case o.Kind == cluster.TableView:
		p.verdict = fixed(p.name, Same, "view on both sides; it holds no rows of its own")
		if d := plan.ViewColumns(o, t, c.names()); d != "" {
			p.verdict = fixed(p.name, Different, d)
		}
	case plan.Unreadable(o.Engine) || plan.Unreadable(t.Engine):
		p.verdict = fixed(p.name, Undecided, fmt.Sprintf("engine %s on %s, %s on %s: its rows are not the server's own", o.Engine, c.names()[0], t.Engine, c.names()[1]))
	}
	return p
}

func fixed(name string, v Verdict, reason string) func(context.Context) (TableResult, error) {
	return func(context.Context) (TableResult, error) {
		return TableResult{Table: name, Verdict: v, Method: string(plan.Definition), Reason: reason}, nil
	}
}

// oneSided judges a table that one side does not show. A table that the account may not see there is not missing.
func (c *checker) oneSided(ctx context.Context, t *cluster.Table, other *cluster.Server, onNew bool) (TableResult, error) {
	r := TableResult{Table: t.FullName(), Verdict: Different, Method: string(plan.Definition)}
	lacks := c.names()[1]
	if onNew {
		lacks = c.names()[0]
	}
	there, here := c.session(!onNew), c.session(onNew)
	defer there.Close()
	defer here.Close()
	late, err := c.arrival.Wait(ctx, there, c.fence)
	if err != nil {
		return r, err
	}
	var access cluster.Access
	err = there.Do(ctx, "look for "+t.FullName(), func() (err error) {
		access, err = other.TableAccess(ctx, t.Schema, t.Name)
		return err
	})
	if err != nil {
		return r, err
	}
	if access == cluster.AccessDenied {
		r.Verdict = Undecided
		r.Reason = fmt.Sprintf("the account on %s may not see it: %s", lacks, other.GrantSelect(t))
		return r, nil
	}
	if access != cluster.AccessMissing {
		r.Verdict = Undecided
		r.Reason = fmt.Sprintf("it appeared on %s after the check had begun: run again", lacks)
		return r, nil
	}
	r.Reason = fmt.Sprintf("%s is missing on %s", plan.KindOf(t), lacks)
	if late != "" {
		r.Verdict, r.Reason = Undecided, r.Reason+", but "+late
		return r, nil
	}
	if t.Kind == cluster.TableView || plan.Unreadable(t.Engine) {
		return r, nil
	}
	rows, err := here.CountRows(ctx, t)
	if err != nil && ctx.Err() == nil && !read.EndsRun(err) { // it is not even on the side that had it
		r.Verdict, r.Reason = Undecided, err.Error()
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if onNew {
		r.Counts.RowsNew, r.Counts.Extra = rows, rows
	} else {
		r.Counts.RowsOld, r.Counts.Missing = rows, rows
	}
	return r, nil
}

func compareNames(a, b cluster.TableName) int {
	return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Name, b.Name))
}

// catalog keeps the reference's definitions, which are read once for all copies.
type catalog struct {
	mu   sync.Mutex
	read map[bool]map[cluster.TableName]*cluster.Table // by whether the patterns were widened
}

// tables returns the reference's tables that a filter names.
func (l *catalog) tables(ctx context.Context, s *cluster.Server, f cluster.Filter, wide bool) (map[cluster.TableName]*cluster.Table, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.read[wide]; have != nil {
		return have, nil
	}
	have, err := loadByName(ctx, s, f)
	if err == nil {
		if l.read == nil {
			l.read = map[bool]map[cluster.TableName]*cluster.Table{}
		}
		l.read[wide] = have
	}
	return have, err
}
