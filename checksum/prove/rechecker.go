package prove

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/onerow"
)

// RecheckerOptions are what a Rechecker needs besides the two servers and the fence between them.
type RecheckerOptions struct {
	Virtual  bool          // compare virtual generated columns too
	Strict   bool          // rows compared through a conversion that loses information are never equal
	RetryFor time.Duration // how long a lost server is tried again within one call; 0: 15 s
	Log      *slog.Logger  // nil: none
}

// Rechecker compares single rows of both sides by the fence rule, again and again over as long as one likes. It keeps one
// connection to each side, which it opens again after a restart of the server. Its methods may be called concurrently;
// calls wait for each other.
type Rechecker struct {
	strict, virtual bool
	old, new        *cluster.Server

	mu      sync.Mutex
	settler *Settler
	plans   map[string]*plan.Table
}

// NewRechecker returns a Rechecker for two servers. It connects when it is first used.
func NewRechecker(old, new *cluster.Server, f Fence, opt RecheckerOptions) *Rechecker {
	if opt.RetryFor <= 0 {
		opt.RetryFor = 15 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := NewSettler(
		read.NewSession(old, false, read.NewPace(0, 0), opt.RetryFor, opt.Log),
		read.NewSession(new, true, read.NewPace(0, 0), opt.RetryFor, opt.Log), f, nil,
	)
	s.single = true
	return &Rechecker{
		strict: opt.Strict, virtual: opt.Virtual, old: old, new: new,
		settler: s,
		plans:   make(map[string]*plan.Table),
	}
}

// Close closes the connections. The Rechecker can still be used: it opens them again.
func (r *Rechecker) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settler.old.Close()
	r.settler.new.Close()
}

// Recheck compares rows of a table, named as "db.name" (cluster.Table.FullName), and returns one verdict per row, with
// the reason where one is unknown: replication stopped, the table cannot be compared row by row, a server is away,
// the row is written all the time. An error is ctx's end, another server at a side's address, or what no later call
// will make good, such as an account that may not connect; the verdicts are unknown then.
func (r *Rechecker) Recheck(ctx context.Context, table string, rows []onerow.Key) (verdicts []onerow.Verdict, reason string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unknown := make([]onerow.Verdict, len(rows))
	for range maxPlans {
		p, why, err := r.plan(ctx, table)
		if why != "" || err != nil {
			return r.outcome(ctx, unknown, why, err)
		}
		verdicts, why, err = r.settle(ctx, p, rows)
		if err != nil && read.EndsRun(err) {
			return r.outcome(ctx, verdicts, why, err)
		}
		if err == nil && !anyDiffers(verdicts) {
			return verdicts, why, nil
		}
		// Rows read under a definition that is gone may look different without being so.
		again, gone, perr := r.plan(ctx, table)
		switch {
		case gone != "" || perr != nil:
			return r.outcome(ctx, unknown, gone, perr)
		case again == p:
			return r.outcome(ctx, verdicts, why, err)
		}
	}
	return unknown, "the definition of " + table + " keeps changing", nil
}

// maxPlans is how many definitions of a table one call follows.
const maxPlans = 3

func anyDiffers(verdicts []onerow.Verdict) bool {
	for _, v := range verdicts {
		if v == onerow.Differs {
			return true
		}
	}
	return false
}

// outcome turns errors that may pass into reasons.
func (r *Rechecker) outcome(ctx context.Context, verdicts []onerow.Verdict, reason string, err error) ([]onerow.Verdict, string, error) {
	switch {
	case ctx.Err() != nil:
		return make([]onerow.Verdict, len(verdicts)), "interrupted", ctx.Err()
	case err == nil:
		return verdicts, reason, nil
	case cluster.IsTransient(err), !read.EndsRun(err):
		return verdicts, err.Error(), nil
	}
	return make([]onerow.Verdict, len(verdicts)), err.Error(), err
}

// plan reads a table's definition on both sides and returns how its rows are compared: the plan of the last call as long
// as the definition is the same. reason says why there is none.
func (r *Rechecker) plan(ctx context.Context, table string) (p *plan.Table, reason string, err error) {
	schema, name, ok := cluster.SplitFullName(table)
	if !ok {
		return nil, fmt.Sprintf("%q is no name of a table", table), nil
	}
	names, reason, err := r.names(ctx, cluster.TableName{Schema: schema, Name: name})
	if reason != "" || err != nil {
		return nil, reason, err
	}
	var tables [2]*cluster.Table
	for i, s := range []*read.Session{r.settler.old, r.settler.new} {
		err := s.Do(ctx, "read the definition of "+table, func() error {
			var err error
			tables[i], err = cluster.LoadTable(ctx, s.Server, names[i].Schema, names[i].Name)
			return err
		})
		if err != nil {
			return nil, "", err
		}
		if tables[i] == nil {
			return nil, fmt.Sprintf("%s is not there on %s, or the account may not see it", table, s.Server.Label()), nil
		}
	}
	o, n := tables[0], tables[1]
	if o.Kind == cluster.TableView || plan.KindOf(o) != plan.KindOf(n) || plan.Unreadable(o.Engine) || plan.Unreadable(n.Engine) {
		return nil, table + " has no rows of its own on both sides", nil
	}
	p = plan.New(o, n, plan.Options{Virtual: r.virtual})
	switch {
	case p.Schema != "":
		return nil, table + ": " + p.Schema, nil
	case p.Untold != "":
		return nil, table + ": " + p.Untold, nil
	case p.None != "":
		return nil, table + ": " + p.None, nil
	case p.Method == plan.RowMultiset:
		return nil, table + " has no key by which a row is found on both sides", nil
	}
	if have := r.plans[table]; have != nil && have.Fingerprint() == p.Fingerprint() {
		return have, "", nil
	}
	if len(r.plans) >= maxKeptPlans {
		clear(r.plans)
	}
	r.plans[table] = p
	return p, "", nil
}

// maxKeptPlans bounds the plans that are remembered.
const maxKeptPlans = 1000

// names are a table's names on both sides. They are the same, but where one side ignores letter case; reason says why they
// are not known.
func (r *Rechecker) names(ctx context.Context, table cluster.TableName) (names [2]cluster.TableName, reason string, err error) {
	f := plan.FoldingOf(r.old, r.new)
	if !f.Mixed() {
		return [2]cluster.TableName{table, table}, "", nil
	}
	var lists [2][]cluster.TableName
	for i, s := range []*read.Session{r.settler.old, r.settler.new} {
		err = s.Do(ctx, "list the tables", func() (err error) {
			lists[i], err = cluster.ListTables(ctx, s.Server)
			return err
		})
		if err != nil {
			return names, "", err
		}
	}
	for _, p := range plan.PairNames(lists[0], lists[1], f) {
		if p.Old != table && p.New != table {
			continue
		}
		if why := cmp.Or(p.Clash, p.Shared); why != "" {
			return names, why, nil
		}
		if p.Old != (cluster.TableName{}) && p.New != (cluster.TableName{}) {
			return [2]cluster.TableName{p.Old, p.New}, "", nil
		}
	}
	return [2]cluster.TableName{table, table}, "", nil
}

// recheckRow is a row on its way through the rounds; it may stand for several of the caller's.
type recheckRow struct {
	verdict onerow.Verdict
	reason  string
}

func (r *recheckRow) Same(context.Context)                       { r.verdict = onerow.Equal }
func (r *recheckRow) Different(context.Context, diff.Difference) { r.verdict = onerow.Differs }
func (r *recheckRow) Undecided(_ context.Context, reason string) {
	r.verdict, r.reason = onerow.Unknown, reason
}

// settle leads rows through the fence rule.
func (r *Rechecker) settle(ctx context.Context, p *plan.Table, rows []onerow.Key) (verdicts []onerow.Verdict, reason string, err error) {
	verdicts = make([]onerow.Verdict, len(rows))
	s := r.settler
	if err = s.old.LearnTypes(ctx, p); err != nil {
		return verdicts, "", err
	}
	b := &batch{plan: p}
	if p.Folded {
		b.rng = new(chunker.Range)
	}
	owners := make([]*recheckRow, len(rows))
	byKey := make(map[string]*recheckRow, len(rows))
	for i, row := range rows {
		key, kerr := p.EncodeKey(row)
		if kerr != nil {
			owners[i] = &recheckRow{reason: fmt.Sprintf("%s: %v", p.Name, kerr)}
			continue
		}
		if owners[i] = byKey[string(key)]; owners[i] == nil {
			owners[i] = new(recheckRow)
			byKey[string(key)] = owners[i]
			b.suspects = append(b.suspects, &suspect{key: key, owner: owners[i]})
		}
	}
	strays := s.old.Strays + s.new.Strays
	if len(b.suspects) > 0 {
		s.push(b)
		s.Finish()
		err = s.drain(ctx)
		s.reopen()
	}
	// Without text in the key, a row that the server finds by a key has its bytes. If not, this key's bytes are not what
	// the server would send, and finding no row means nothing.
	misread := !p.TextKey && s.old.Strays+s.new.Strays != strays
	for i, o := range owners {
		if misread && o.verdict == onerow.Equal {
			o.verdict, o.reason = onerow.Unknown, p.Name+": a key's values are not written as the server sends them"
		}
		if verdicts[i] = o.verdict; reason == "" && o.verdict == onerow.Unknown {
			reason = o.reason
		}
	}
	if err == nil && r.strict && len(p.Lossy) > 0 {
		reason = "compared through a conversion that loses information (strict)"
		for i, v := range verdicts {
			if v == onerow.Equal {
				verdicts[i] = onerow.Unknown
			}
		}
	}
	return verdicts, reason, err
}

// reopen makes a settler that was finished take rows again.
func (s *Settler) reopen() {
	s.mu.Lock()
	s.closed = false
	s.mu.Unlock()
}
