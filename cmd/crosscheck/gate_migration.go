package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/gate/measure"
	"crosscheck/gate/plan"
	"crosscheck/gate/record"
	"crosscheck/internal/fault"
	"crosscheck/internal/file"
	"crosscheck/internal/ledger"
)

// gateFlags are the flags of all commands about gates.
type gateFlags struct {
	file    string // the plan
	state   string
	offline bool
}

// migration is a plan with the evidence that there is, and the servers to take more of it from.
type migration struct {
	g       *globals
	flags   gateFlags
	log     *slog.Logger
	plan    plan.Plan
	hash    string
	filter  cluster.Filter
	dir     string
	book    *ledger.Ledger
	servers measure.Servers // none if offline

	evidence gate.Book
	pending  []gate.Evidence // of evidence, what is not stored yet
	notes    []string        // what could not be measured by the last measure: it keeps the state from passing
	remarks  []string        // to be said besides
	hookRuns map[string]time.Time
}

// readPlan parses a plan's file. Its mistakes are usage errors.
func readPlan(path string) (plan.Plan, cluster.Filter, error) {
	if path == "" {
		return plan.Plan{}, cluster.Filter{}, usageError("--plan FILE is needed: crosscheck plan init writes one")
	}
	text, err := file.Read(path)
	if err != nil {
		return plan.Plan{}, cluster.Filter{}, usageError("--plan: %w", err)
	}
	p, err := plan.Parse(text)
	if err != nil {
		return p, cluster.Filter{}, usageError("%s: %w", path, err)
	}
	filter, err := cluster.NewFilter(p.Include, p.Exclude)
	if err != nil {
		return p, filter, usageError("%s: tables: %w", path, err)
	}
	return p, filter, nil
}

// openMigration reads the plan, connects to its servers unless it is to stay offline, and loads what is recorded.
func openMigration(ctx context.Context, g *globals, o gateFlags) (*migration, error) {
	p, filter, err := readPlan(o.file)
	if err != nil {
		return nil, err
	}
	m := &migration{
		g: g, flags: o, log: g.logger(g.std.err), plan: p, hash: p.Hash(), filter: filter,
		hookRuns: make(map[string]time.Time),
	}
	if err = m.open(ctx); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *migration) open(ctx context.Context) error {
	if !m.flags.offline {
		if err := m.connect(ctx); err != nil {
			return err
		}
	}
	var err error
	if m.dir, err = m.stateDir(); err != nil {
		return err
	}
	if m.book, err = ledger.OpenShared(ctx, m.dir, ledger.Options{Log: m.log}); err != nil {
		return err
	}
	if err = m.load(ctx); err != nil {
		return err
	}
	return m.derive(ctx)
}

// connect opens the plan's servers. A converter that does not answer is evidence itself, but only once it was seen.
func (m *migration) connect(ctx context.Context) error {
	nodes := []struct {
		label string
		node  *plan.Node
		into  **cluster.Server
	}{
		{"old", &m.plan.Old, &m.servers.Old},
		{"new", &m.plan.New, &m.servers.New},
		{"converter", m.plan.Converter, &m.servers.Converter},
	}
	for _, n := range nodes {
		if n.node == nil {
			continue
		}
		config, err := m.g.config(n.label, n.node.DSN)
		if err != nil {
			return err
		}
		if *n.into, err = connect(ctx, config, m.log, connectFor); err != nil {
			return err
		}
	}
	for _, r := range m.plan.Replicas() {
		m.servers.Replicas = append(m.servers.Replicas, measure.Replica{Replica: r})
	}
	return m.reach(ctx)
}

// reach connects to those of the plan's replicas that were not reached yet. One that does not answer is evidence itself.
func (m *migration) reach(ctx context.Context) error {
	for i := range m.servers.Replicas {
		r := &m.servers.Replicas[i]
		if r.Rolling && r.Server != nil && !r.Server.Unchanged(ctx) { // it was upgraded: what is known of it is of before
			_ = r.Server.Close()
			r.Server = nil
		}
		if r.Server != nil {
			continue
		}
		side := m.servers.Old
		if r.Side == "new" {
			side = m.servers.New
		}
		config, err := m.g.replicaConfig(r.Name, r.DSN, side)
		if err != nil {
			return err
		}
		r.Addr = config.Addr
		if r.Server, r.Err = cluster.Open(ctx, config, m.log); ctx.Err() != nil {
			return ctx.Err()
		}
		if r.Rolling && r.Server != nil { // it is a node of the cluster whose version it runs
			if r.Side = "old"; gate.AtLeast(r.Server.Facts().Version, m.servers.New.Facts().Version) {
				r.Side = "new"
			}
		}
	}
	return nil
}

// stateDir is the folder of the two servers' evidence. The plan's servers decide where it names them, so that another
// server that answers at an address is held against what is known of the right one.
func (m *migration) stateDir() (string, error) {
	old, new := m.plan.Old.ServerUUID, m.plan.New.ServerUUID
	if m.servers.Old != nil && old == "" {
		old = m.servers.Old.Facts().ServerUUID
	}
	if m.servers.New != nil && new == "" {
		new = m.servers.New.Facts().ServerUUID
	}
	if m.flags.state == "" && (old == "" || new == "") {
		return "", usageError("the plan does not name its servers: write server_uuid of [old] and [new] into it, or give --state DIR")
	}
	return stateDir(m.flags.state, checksum.Survey{
		Old: checksum.EndpointInfo{ServerUUID: old}, New: checksum.EndpointInfo{ServerUUID: new},
	})
}

func (m *migration) close() {
	open := []*cluster.Server{m.servers.Old, m.servers.New, m.servers.Converter}
	for _, r := range m.servers.Replicas {
		open = append(open, r.Server)
	}
	for _, s := range open {
		if s != nil {
			_ = s.Close()
		}
	}
	if m.book != nil {
		_ = m.book.Close()
	}
}

// load takes the recorded evidence of the plan, and that of its servers.
func (m *migration) load(ctx context.Context) error {
	stored, err := m.book.ListEvidence(ctx, ledger.EvidenceFilter{})
	if err != nil {
		return err
	}
	for _, e := range stored {
		if e.Plan == m.hash {
			m.keep(e.Evidence, true)
		}
	}
	s := m.judge()
	for _, e := range stored {
		if e.Plan != m.hash && e.Old == s.Old && e.New == s.New {
			m.keep(e.Evidence, true)
		}
	}
	return nil
}

// keep adds evidence, once.
func (m *migration) keep(e gate.Evidence, stored bool) {
	if !m.evidence.Add(e) {
		return
	}
	if !stored {
		m.pending = append(m.pending, e)
	}
}

// derive adds what stored checks and watches of the plan's servers prove.
func (m *migration) derive(ctx context.Context) error {
	s := m.judge()
	aim := m.aim(s)
	runs, err := m.book.Stored(ctx, checksum.EndpointInfo{ServerUUID: s.Old}, checksum.EndpointInfo{ServerUUID: s.New}, aim.Enough)
	if err != nil {
		return err
	}
	for _, e := range aim.Checks(runs) {
		m.keep(e, false)
	}
	if err = m.deriveCopies(ctx, s, aim); err != nil {
		return err
	}
	watches, err := m.book.Watches(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(watches, func(w ledger.WatchSummary) bool { return w.Old.ServerUUID == s.Old && w.New.ServerUUID == s.New })
	if i < 0 {
		return nil
	}
	a, ok, err := m.account(ctx, watches[i])
	if err != nil || !ok {
		return err
	}
	m.keep(record.Watch(a, m.plan, time.Now()), false) // a watch goes on: by a clock read earlier its word would be of a time to come
	b := a.Status.Base
	if b == nil || slices.ContainsFunc(runs, func(r record.Run) bool { return r.ID == b.Run }) {
		return nil
	}
	// The check that the watch builds on is not the newest: the watch keeps proven what that one proved.
	run, err := m.book.StoredRun(ctx, b.Run)
	if errors.Is(err, ledger.ErrNoRun) {
		return nil // forgotten, as very old ones are
	}
	if err == nil && run.Whole() {
		m.keep(record.Check(run), false)
	}
	return err
}

// deriveCopies adds what stored checks of the replicas prove. Which servers they are, the newest look at them says.
func (m *migration) deriveCopies(ctx context.Context, s gate.Status, aim record.Aim) error {
	var seen gate.Nodes
	for e := range m.evidence.Backward() {
		if c, ok := e.Content.(gate.Nodes); ok && e.Plan == m.hash {
			seen = c
			break
		}
	}
	for _, n := range seen.Nodes {
		if !n.Planned || n.UUID == "" {
			continue
		}
		runs, err := m.book.Stored(ctx, checksum.EndpointInfo{ServerUUID: s.Old}, checksum.EndpointInfo{ServerUUID: n.UUID},
			aim.Enough)
		if err != nil {
			return err
		}
		for _, e := range aim.Copies(n, runs, s.New) {
			m.keep(e, false)
		}
	}
	return nil
}

// seen is the newest preflight of the plan and its servers.
func (m *migration) seen(s gate.Status) gate.Preflight {
	for e := range m.evidence.Backward() {
		if c, ok := e.Content.(gate.Preflight); ok && e.Old == s.Old && e.New == s.New && (e.Plan == "" || e.Plan == m.hash) {
			return c
		}
	}
	return gate.Preflight{}
}

// aim is what stored checks are to prove.
func (m *migration) aim(s gate.Status) record.Aim {
	return record.Aim{Plan: m.plan, Chooses: m.chooses, Seen: m.seen(s)}
}

// chooses tells whether the plan names a table.
func (m *migration) chooses(table string) bool {
	schema, name, ok := cluster.SplitFullName(table)
	return !ok || m.filter.Match(schema, name)
}

// accounts are the watches of the plan's servers that have told how things stand, or found something, newest first.
func (m *migration) accounts(ctx context.Context, s gate.Status) ([]record.Account, error) {
	watches, err := m.book.Watches(ctx)
	if err != nil {
		return nil, err
	}
	var out []record.Account
	for _, w := range watches {
		if w.Old.ServerUUID != s.Old || w.New.ServerUUID != s.New {
			continue
		}
		a, ok, err := m.account(ctx, w)
		if err != nil {
			return nil, err
		}
		if ok || len(a.Counts) > 0 { // one that was killed at once may have found something
			out = append(out, a)
		}
	}
	return out, nil
}

// account is what is stored of a watch; ok is false if it has not told yet how things stand.
func (m *migration) account(ctx context.Context, s ledger.WatchSummary) (a record.Account, ok bool, err error) {
	a = record.Account{ID: s.ID, Old: s.Old, New: s.New, Scope: s.Scope, Finished: s.Finished}
	w, err := m.book.ReadWatch(ctx, s.ID)
	if err != nil {
		return a, false, err
	}
	if a.Status, ok, err = w.LastStatus(ctx); err != nil {
		return a, false, err
	}
	if !ok {
		a.Status.Since, a.Status.At, a.Status.Reason = s.Since, s.Since, "it never told how things stand"
	}
	if a.Counts, err = w.FindingCounts(ctx); err != nil {
		return a, false, err
	}
	a.LastFailure, err = w.LastFound(ctx, record.Failing()...)
	return a, ok && err == nil, err
}

// measure takes evidence for gates: of the named one if it is not "", of all before it, and of those that keep them. by is who declares a switch, for
// the named gate only. What could not be measured is in notes; the error is the context's, or one of storing.
func (m *migration) measure(ctx context.Context, name, by string) error {
	m.notes = nil
	if err := m.reach(ctx); err != nil {
		return err
	}
	said := time.Now()
	for _, want := range m.wanted(name) { // none if offline
		request := measure.Request{Plan: m.plan, Gate: want.gate, Earlier: m.evidence.All()}
		if want.gate == name {
			request.By, request.Said = by, said
		}
		e, err := m.take(ctx, want.kind, request)
		switch {
		case errors.Is(err, measure.ErrUnsupported):
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			m.notes = append(m.notes, fmt.Sprintf("%s was not measured: %s", want.kind, fault.Line(err.Error())))
			m.miss(want.kind, err)
		default:
			m.keep(e, false)
		}
	}
	return m.derive(ctx) // last: measuring takes its time, and a watch goes on
}

// miss records that a kind of evidence could not be taken.
func (m *migration) miss(kind gate.Kind, why error) {
	s := m.judge()
	if s.Old == "" || s.New == "" {
		return
	}
	c := gate.Unmeasured{Of: kind, Why: fault.Line(why.Error())}
	var lacks *cluster.PrivilegeError
	if errors.As(why, &lacks) {
		c.Do = "on " + lacks.Label + ": " + lacks.Grant
	}
	m.keep(m.stamp(s.Old, s.New, c), false)
}

func (m *migration) take(ctx context.Context, kind gate.Kind, r measure.Request) (gate.Evidence, error) {
	if kind == gate.KindPreflight {
		m.servers.Old.Renew()
		m.servers.New.Renew()
		return takePreflight(ctx, m.servers, m.plan, m.filter, m.log)
	}
	return measure.Take(ctx, m.servers, kind, r)
}

// want is a kind of evidence to be taken for a gate.
type want struct {
	gate string
	kind gate.Kind
}

// wanted lists what to measure, in the order of the gates; each kind once, for the named gate if that needs it. A preflight
// takes its time, and is measured anew only for its own gate or where what is recorded does not open it.
func (m *migration) wanted(name string) []want {
	var out []want
	if m.flags.offline {
		return nil
	}
	status := m.judge()
	for _, g := range gate.Looks(m.plan, name, m.wasOpen) {
		for _, kind := range slices.Concat(gate.Needs(m.plan, g), gate.Told(m.plan, g)) {
			if r, _ := status.Gate(g); kind == gate.KindPreflight && r.State.Open() && g != name {
				continue
			}
			i := slices.IndexFunc(out, func(w want) bool { return w.kind == kind })
			switch {
			case i < 0:
				out = append(out, want{g, kind})
			case g == name:
				out[i].gate = g
			}
		}
	}
	return out
}

// wasOpen tells whether a gate was ever decided to be open, so that it may keep others.
func (m *migration) wasOpen(name string) bool {
	for e := range m.evidence.Backward() {
		if d, ok := e.Content.(gate.Decision); ok && d.Gate == name && d.State.Open() && e.Plan == m.hash {
			return true
		}
	}
	return false
}

// judge judges by all evidence as of now.
func (m *migration) judge() gate.Status { return m.evidence.Judge(m.plan, time.Now()) }

// record stores what was taken since, for a gate.
func (m *migration) record(ctx context.Context, name string) error {
	if err := m.book.AddEvidence(context.WithoutCancel(ctx), name, m.pending...); err != nil {
		return err
	}
	m.pending = nil
	return nil
}

// make is evidence of this plan's servers that does not come from them.
func (m *migration) make(s gate.Status, c gate.Content) (gate.Evidence, error) {
	if s.Old == "" || s.New == "" {
		return gate.Evidence{}, usageError("it is not known yet which two servers the plan is about: crosscheck preflight --plan %s", shellWord(m.flags.file))
	}
	return m.stamp(s.Old, s.New, c), nil
}

func (m *migration) stamp(old, new string, c gate.Content) gate.Evidence {
	return gate.Evidence{Taken: time.Now(), Old: old, New: new, Plan: m.hash, Content: c}
}

// decisionKept is how long a decision stands for later ones that are alike: what was looked at every second is recorded
// when it changes, and once a minute.
const decisionKept = time.Minute

// decide records the states of gates, all if name is "", with the evidence that they rest on.
func (m *migration) decide(ctx context.Context, s gate.Status, name string) error {
	if s.Old == "" || s.New == "" {
		return m.record(ctx, name)
	}
	for _, r := range s.Gates {
		if name != r.Gate && (name != "" && !r.State.Open() || !m.news(r, s.At)) {
			continue
		}
		d := gate.Decision{Gate: r.Gate, State: r.State, Rested: append([]gate.EvidenceID{}, r.Rested...)}
		m.keep(gate.Evidence{Taken: s.At, Old: s.Old, New: s.New, Plan: m.hash, Content: d}, false)
	}
	return m.record(ctx, name)
}

// news tells whether a gate's last decision was another one, or is old.
func (m *migration) news(r gate.Result, now time.Time) bool {
	for e := range m.evidence.Backward() {
		if d, ok := e.Content.(gate.Decision); ok && d.Gate == r.Gate && e.Plan == m.hash {
			return d.State != r.State || now.Sub(e.Taken) > decisionKept || e.Taken.After(now)
		}
	}
	return true
}

// absPlan is the plan's file as a hook in another folder finds it.
func (m *migration) absPlan() string {
	if abs, err := filepath.Abs(m.flags.file); err == nil {
		return abs
	}
	return m.flags.file
}
