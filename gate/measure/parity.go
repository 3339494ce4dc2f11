package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/gate/preflight"
)

// schemaParts and configParts are sections of the preflight's catalog, by their first ids.
func schemaParts() []string { return []string{"schema_missing", "trigger_present"} }
func configParts() []string { return []string{"config_sql_mode"} }

// judged is a preflight of the pair without some parts: servers have many accounts, grants and time zones, and a gate is looked at
// again and again.
func (m *measurement) judged(ctx context.Context, without ...string) (inspect.Pair, preflight.Result, error) {
	filter, err := cluster.NewFilter(m.r.Plan.Include, m.r.Plan.Exclude)
	if err != nil {
		return inspect.Pair{}, preflight.Result{}, err
	}
	pair, err := inspect.Collect(ctx, m.old, m.new, inspect.Options{Filter: filter, Without: without})
	if err != nil {
		return inspect.Pair{}, preflight.Result{}, err
	}
	return pair, preflight.Judge(pair, preflight.Options{
		Path: preflight.Path(m.r.Plan.Path), Duration: m.r.Plan.Limits.Duration, Accept: m.r.Plan.AcceptNames(), Accounts: m.r.Plan.Accounts,
	}), nil
}

// Findings are a preflight's findings as evidence has them.
func Findings(list []preflight.Finding) []gate.Finding {
	out := make([]gate.Finding, 0, len(list))
	for i := range list {
		f := &list[i]
		g := gate.Finding{
			ID: f.ID, Object: f.Object, Side: f.Side, Severity: string(f.Severity), Found: f.Found, Unseen: f.Unseen, Accepted: f.Accepted,
		}
		elsewhere := slices.ContainsFunc(f.Fixes, func(x preflight.Fix) bool { return x.On != f.Side })
		if elsewhere {
			g.Side = "" // each statement says where it belongs
		}
		var fixes []string
		for _, fix := range f.Fixes {
			if elsewhere {
				fixes = append(fixes, "on "+fix.On+": "+fix.SQL)
			} else {
				fixes = append(fixes, fix.SQL)
			}
		}
		g.Fix = strings.Join(fixes, "; ")
		out = append(out, g)
	}
	return out
}

// sections are the ids of the catalog's sections that begin with one of the ids.
func sections(first []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range preflight.Sections() {
		if len(s.Entries) > 0 && slices.Contains(first, s.Entries[0].ID) {
			for _, e := range s.Entries {
				out[e.ID] = true
			}
		}
	}
	return out
}

// of chooses the findings of some ids, and that something could not be found out, which may concern them: what is not known of
// accounts does not.
func of(list []preflight.Finding, ids map[string]bool) []preflight.Finding {
	var out []preflight.Finding
	for i := range list {
		if f := list[i]; ids[f.ID] || f.Unseen && f.Severity != preflight.Info && !f.OfAccounts() {
			out = append(out, f)
		}
	}
	return out
}

// unseen adds what is hidden from the account, such as triggers. A preflight only tells of it; that both sides have the same
// of it is not known.
func unseen(list, all []preflight.Finding) []preflight.Finding {
	for i := range all {
		if f := all[i]; f.ID == preflight.NotVisible {
			f.Severity, f.Unseen = preflight.Warning, true
			list = append(list, f)
		}
	}
	return list
}

func (m *measurement) schema(ctx context.Context) (gate.Content, error) {
	pair, res, err := m.judged(ctx, inspect.Grants, inspect.TimeZones)
	if err != nil {
		return nil, err
	}
	out := gate.Schema{Differences: Findings(unseen(of(res.Findings, sections(schemaParts())), res.Findings))}
	out.Tables = min(res.Old.Tables, res.New.Tables)
	out.Complete = complete(pair.Old) && complete(pair.New)
	return out, nil
}

// complete tells whether nothing of a side's tables was hidden or could not be read.
func complete(s inspect.Side) bool {
	return s.Scope.Complete() && !slices.ContainsFunc(s.Unknown, func(g inspect.Gap) bool { return g.What != inspect.Accounts && g.What != inspect.TimeZones })
}

func (m *measurement) config(ctx context.Context) (gate.Content, error) {
	pair, res, err := m.judged(ctx, inspect.Accounts)
	if err != nil {
		return nil, err
	}
	out := gate.Config{Differences: Findings(of(res.Findings, sections(configParts())))}
	for name := range pair.Old.Variables {
		if _, ok := pair.New.Variables[name]; ok {
			out.Variables++
		}
	}
	// Variables show to every account.
	out.Complete = len(pair.Old.Variables) > 0 && len(pair.New.Variables) > 0
	return out, nil
}

// restoredCopy takes the newest full check of the pair for new as the copy that was restored in the new version. It is as
// old as that check.
func (m *measurement) restoredCopy(context.Context) (gate.Content, error) {
	if m.r.Plan.Path != plan.RollingUpgrade {
		return nil, fmt.Errorf("the path %s has no restored copy", m.r.Plan.Path)
	}
	c, e, ok := newest[gate.Check](m)
	if !ok {
		return nil, errors.New("new, which counts as the restored copy, was not checked yet")
	}
	m.copied = &e
	f := m.new.Facts()
	return gate.RestoredCopy{Copy: f.ServerUUID, Version: f.Version, Verdict: c.Verdict, Reason: c.Reason, Coverage: c.Coverage}, nil
}
