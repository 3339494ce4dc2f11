package checksum

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crosscheck/checksum/plan"
	"crosscheck/cluster"
)

// inScope tells whether the patterns choose a pair.
func (c *checker) inScope(p plan.NamePair) bool { return p.InScope(c.opt.Filter, c.folds) }

// filter is the filter with a side's letter case.
func (c *checker) filter(newSide bool) cluster.Filter {
	return c.opt.Filter.FoldCase(c.folds.Side(newSide))
}

// visible is what the account of a side may read.
type visible struct {
	server *cluster.Server
	scope  cluster.Scope
	whole  map[string]bool // schemas that it reads as a whole, as far as was asked
}

// reads tells whether the account may read all tables of a schema.
func (v *visible) reads(ctx context.Context, schema string) (bool, error) {
	if v.scope.Complete() {
		return true, nil
	}
	whole, asked := v.whole[schema]
	if asked {
		return whole, nil
	}
	whole, err := v.server.ReadsSchema(ctx, schema)
	v.whole[schema] = whole
	return whole, err
}

// refuse makes a pair undecided that the account of one side may not read, or only some columns of: a server lists a table
// for any privilege on it, and hides the columns that the account has none on, as if they were not there.
func (v *visible) refuse(ctx context.Context, p *tablePair, t *cluster.Table) error {
	whole, err := v.reads(ctx, t.Schema)
	if whole || err != nil {
		return err
	}
	access, err := v.server.TableAccess(ctx, t.Schema, t.Name)
	if err == nil && access == cluster.AccessDenied {
		p.verdict = fixed(p.name, Undecided, fmt.Sprintf("the account on %s may not read all of it: %s", v.server.Label(), v.server.GrantSelect(t)))
	}
	return err
}

// checkScope refuses accounts that can read nothing and patterns that match nothing, and tells what the accounts cannot
// see: a server leaves tables out of its lists that the account has no privilege on.
func (c *checker) checkScope(ctx context.Context, names []plan.NamePair) ([2]visible, error) {
	var seen [2]visible
	unmatched := map[string]int{}
	for i, s := range []*cluster.Server{c.old, c.new} {
		scope, err := s.VisibleScope(ctx)
		if err != nil {
			return seen, err
		}
		var listed []cluster.TableName
		for _, n := range names {
			if t := []cluster.TableName{n.Old, n.New}[i]; t != (cluster.TableName{}) {
				listed = append(listed, t)
			}
		}
		if len(listed) == 0 {
			if err := s.CheckPrivileges(ctx, cluster.PrivSelect); err != nil {
				return seen, err
			}
		}
		for _, pattern := range c.filter(i == 1).Unmatched(listed) {
			unmatched[pattern]++
		}
		if !scope.Complete() {
			c.result.Notes = append(c.result.Notes, fmt.Sprintf("the account on %s can read %s: tables it cannot see are not compared", s.Label(), scope))
		}
		if err := c.hidden(ctx, s, c.filter(i == 1), scope); err != nil {
			return seen, err
		}
		seen[i] = visible{server: s, scope: scope, whole: map[string]bool{}}
	}
	for _, pattern := range c.opt.Filter.Unmatched(nil) { // all, in their order
		if unmatched[pattern] < 2 {
			continue
		}
		candidates, err := c.listAll(ctx)
		if err != nil {
			return seen, err
		}
		return seen, c.opt.Filter.FoldCase(c.folds.Any()).NoMatch(pattern, slices.Concat(candidates[0], candidates[1]))
	}
	if len(names) == 0 {
		return seen, fmt.Errorf("%w: neither side shows its account a user table that the filters select; it needs SELECT on the tables", ErrNoTables)
	}
	return seen, nil
}

// hidden notes the patterns that may name tables which an account cannot see: what they name was not all compared.
func (c *checker) hidden(ctx context.Context, s *cluster.Server, f cluster.Filter, scope cluster.Scope) error {
	patterns, grant, err := s.Hidden(ctx, f, scope)
	if err != nil || len(patterns) == 0 {
		return err
	}
	quoted := make([]string, 0, len(patterns))
	for _, p := range patterns {
		quoted = append(quoted, fmt.Sprintf("%q", p))
	}
	c.uncompared = append(c.uncompared, fmt.Sprintf("not all tables that %s may name could be seen on %s: %s, or name the tables one by one",
		strings.Join(quoted, ", "), s.Label(), grant))
	return nil
}

// listAll lists the names of all tables of both sides.
func (c *checker) listAll(ctx context.Context) (names [2][]cluster.TableName, err error) {
	for i, newSide := range []bool{false, true} {
		s := c.session(newSide)
		err = s.Do(ctx, "list the tables", func() (err error) {
			names[i], err = cluster.ListTables(ctx, s.Server)
			return err
		})
		s.Close()
		if err != nil {
			return names, err
		}
	}
	return names, nil
}

// addLate takes in the tables that appeared in scope after the tables were listed: nobody compared them.
func (c *checker) addLate(ctx context.Context) error {
	now, err := c.listAll(ctx)
	if err != nil {
		return err
	}
	known := map[cluster.TableName][2]bool{}
	for _, p := range c.tables {
		for i, t := range []*cluster.Table{p.old, p.new} {
			if t != nil {
				k := known[plan.NameOf(t)]
				k[i] = true
				known[plan.NameOf(t)] = k
			}
		}
	}
	for _, p := range plan.PairNames(now[0], now[1], c.folds) {
		isOld, isNew := known[p.Old][0], known[p.New][1]
		if isOld || isNew || !c.inScope(p) {
			continue
		}
		name := plan.FullName(p.Named(c.folds))
		r, err := fixed(name, Undecided, "it was not among the tables when the check began, or cannot be opened: run again")(ctx)
		if err != nil {
			return err
		}
		c.tables = append(c.tables, tablePair{name: name, begun: true})
		c.opt.Observer.TableStarted(name, 0, 0)
		c.tableDone(ctx, r)
	}
	return nil
}
