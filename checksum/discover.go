package checksum

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// tablePair is a name in scope: a table on both sides, or a case that is judged without comparing rows.
type tablePair struct {
	old, new *cluster.Table
	verdict  func(ctx context.Context) (TableResult, error) // set where rows are not compared
}

// pairTables lists what is in scope: all user tables of old that the filter selects, and tables that only new has in
// databases that old has too. Large tables come first, so that the last ones to finish are small.
func (c *checker) pairTables(ctx context.Context) ([]tablePair, error) {
	fold := c.old.Facts().LowerCaseTableNames != 0 || c.new.Facts().LowerCaseTableNames != 0
	filter := c.opt.Filter.FoldCase(fold)
	olds, err := cluster.LoadTables(ctx, c.old, filter)
	if err != nil {
		return nil, err
	}
	news, err := cluster.LoadTables(ctx, c.new, filter)
	if err != nil {
		return nil, err
	}
	seen, err := c.checkScope(ctx, filter, olds, news)
	if err != nil {
		return nil, err
	}
	id := func(t *cluster.Table) string {
		if fold {
			return strings.ToLower(t.QuotedName())
		}
		return t.QuotedName()
	}
	byID := make(map[string]*cluster.Table, len(news))
	for i := range news {
		byID[id(&news[i])] = &news[i]
	}
	schemas := make(map[string]bool)
	var pairs []tablePair
	for i := range olds {
		o := &olds[i]
		schemas[o.Schema] = true
		n := byID[id(o)]
		delete(byID, id(o))
		p := c.pair(o, n)
		if err := seen.refuse(ctx, &p); err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	for i := range news {
		if n := &news[i]; byID[id(n)] != nil && schemas[n.Schema] {
			pairs = append(pairs, c.pair(nil, n))
		}
	}
	slices.SortStableFunc(pairs, func(a, b tablePair) int { return int(min(1, max(-1, b.size()-a.size()))) })
	return pairs, nil
}

// visible is what the account of each side may read.
type visible []struct {
	server *cluster.Server
	scope  cluster.Scope
}

// refuse makes a pair undecided that one of the accounts may not read, or only some columns of: a server lists a table
// for any privilege on it, and hides the columns that the account has none on, as if they were not there.
func (v visible) refuse(ctx context.Context, p *tablePair) error {
	if p.old == nil || p.new == nil {
		return nil
	}
	for i, t := range []*cluster.Table{p.old, p.new} {
		if v[i].scope.Covers(t.Schema, t.Name) {
			continue
		}
		access, err := v[i].server.TableAccess(ctx, t.Schema, t.Name)
		if err != nil {
			return err
		}
		if access == cluster.AccessDenied {
			p.verdict = fixed(p.old, Undecided, fmt.Sprintf("the account on %s may not read all of it: %s", v[i].server.Label(),
				v[i].server.GrantSelect(t)))
		}
	}
	return nil
}

// checkScope refuses accounts that can read nothing and patterns that match nothing, and tells what the accounts cannot
// see: a server leaves tables out of its lists that the account has no privilege on.
func (c *checker) checkScope(ctx context.Context, filter cluster.Filter, olds, news []cluster.Table) (visible, error) {
	var seen visible
	for i, s := range []*cluster.Server{c.old, c.new} {
		scope, err := s.VisibleScope(ctx)
		if err != nil {
			return nil, err
		}
		if listed := [][]cluster.Table{olds, news}[i]; len(listed) == 0 {
			if err := s.CheckPrivileges(ctx, cluster.PrivSelect); err != nil {
				return nil, err
			}
		}
		if !scope.Complete() {
			c.result.Notes = append(c.result.Notes, fmt.Sprintf("the account on %s can read %s: tables it cannot see are not compared", s.Label(), scope))
		}
		seen = append(seen, struct {
			server *cluster.Server
			scope  cluster.Scope
		}{s, scope})
	}
	var names []cluster.TableName
	for _, t := range slices.Concat(olds, news) {
		names = append(names, cluster.TableName{Schema: t.Schema, Name: t.Name})
	}
	if len(filter.Unmatched(names)) > 0 {
		candidates, err := cluster.ListTables(ctx, c.old)
		if err != nil {
			return nil, err
		}
		return nil, filter.CheckMatched(names, candidates)
	}
	if len(olds)+len(news) == 0 {
		return nil, fmt.Errorf("%w: old shows this account no user table that the filters select; it needs SELECT on the tables", ErrNoTables)
	}
	return seen, nil
}

func (p tablePair) name() string {
	if p.old == nil {
		return p.new.FullName()
	}
	return p.old.FullName()
}

func (p tablePair) size() int64 {
	if p.old == nil || p.verdict != nil {
		return 0
	}
	return max(p.old.DataBytes, p.old.EstRows)
}

// pair decides how a name is judged.
func (c *checker) pair(o, n *cluster.Table) tablePair {
	p := tablePair{old: o, new: n}
	switch {
	case n == nil:
		p.verdict = func(ctx context.Context) (TableResult, error) { return c.oneSided(ctx, o, c.new, false) }
	case o == nil:
		p.verdict = func(ctx context.Context) (TableResult, error) { return c.oneSided(ctx, n, c.old, true) }
	case kindOf(o) != kindOf(n):
		p.verdict = fixed(o, Different, fmt.Sprintf("a %s on old, a %s on new", kindOf(o), kindOf(n)))
	case o.Kind == cluster.TableView:
		p.verdict = fixed(o, Same, "view on both sides; it holds no rows of its own")
		if d := viewColumns(o, n); d != "" {
			p.verdict = fixed(o, Different, d)
		}
	case unreadable(o.Engine) || unreadable(n.Engine):
		p.verdict = fixed(o, Undecided, fmt.Sprintf("engine %s on old, %s on new: its rows are not the server's own", o.Engine, n.Engine))
	}
	return p
}

// kindOf names what a table is; MariaDB's versioned tables count as tables: their current rows are compared.
func kindOf(t *cluster.Table) string {
	switch t.Kind {
	case cluster.TableView:
		return "view"
	case cluster.TableSequence:
		return "sequence"
	default:
		return "table"
	}
}

// unreadable reports whether an engine's rows are somewhere else, or nowhere.
func unreadable(engine string) bool {
	switch strings.ToUpper(engine) {
	case "BLACKHOLE", "FEDERATED", "CONNECT", "SPIDER", "MRG_MYISAM":
		return true
	}
	return false
}

func fixed(t *cluster.Table, v Verdict, reason string) func(context.Context) (TableResult, error) {
	return func(context.Context) (TableResult, error) {
		return TableResult{Table: t.FullName(), Verdict: v, Method: string(methodNone), Reason: reason}, nil
	}
}

// viewColumns compares the columns of a view by name.
func viewColumns(o, n *cluster.Table) string {
	names := func(t *cluster.Table) []string {
		var out []string
		for _, c := range t.Columns {
			out = append(out, strings.ToLower(c.Name))
		}
		return out
	}
	if a, b := names(o), names(n); !slices.Equal(a, b) {
		return fmt.Sprintf("the view's columns differ: %s on old, %s on new", strings.Join(a, ", "), strings.Join(b, ", "))
	}
	return ""
}

// oneSided judges a table that one side does not show. A table that the account may not see there is not missing.
func (c *checker) oneSided(ctx context.Context, t *cluster.Table, other *cluster.Server, onNew bool) (TableResult, error) {
	r := TableResult{Table: t.FullName(), Verdict: Different, Method: string(methodNone)}
	lacks := "new"
	if onNew {
		lacks = "old"
	}
	there, here := c.session(!onNew), c.session(onNew)
	defer there.close()
	defer here.close()
	late, err := c.arrival.wait(ctx, there, c.settler.fence)
	if err != nil {
		return r, err
	}
	var access cluster.Access
	err = there.do(ctx, "look for "+t.FullName(), func() (err error) {
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
	if access == cluster.AccessReadable {
		r.Verdict = Undecided
		r.Reason = fmt.Sprintf("it appeared on %s after the check had begun: run again", lacks)
		return r, nil
	}
	r.Reason = fmt.Sprintf("%s is missing on %s", kindOf(t), lacks)
	if late != "" {
		r.Verdict, r.Reason = Undecided, r.Reason+", but "+late
		return r, nil
	}
	if t.Kind == cluster.TableView || unreadable(t.Engine) {
		return r, nil
	}
	rows, err := here.countRows(ctx, t)
	if err != nil && ctx.Err() == nil && !endsRun(err) { // it is not even on the side that had it
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

// countRows counts a table's rows, however long that takes.
func (s *session) countRows(ctx context.Context, t *cluster.Table) (int64, error) {
	var n int64
	err := s.do(ctx, "count the rows of "+t.FullName(), func() error {
		if err := s.liftTimeLimit(); err != nil {
			return err
		}
		st, err := s.stmt(t.FullName(), "SELECT CAST(COUNT(*) AS UNSIGNED) FROM "+t.QuotedName())
		if err != nil {
			return err
		}
		rows, err := st.Query()
		if err != nil {
			return err
		}
		return eachUint(rows, func(v uint64) { n = int64(v) })
	})
	return n, err
}
