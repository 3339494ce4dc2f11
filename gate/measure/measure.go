// Package measure takes evidence from real servers, one function per kind of
// evidence, and makes the three changes that crosscheck may make. It only
// reads, but for Change.Apply.
//
// What cannot be known is left out, or said not to be known in the fields that
// the evidence has for that; it is never guessed.
package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/cluster/topology"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// Servers are the nodes of a migration.
type Servers struct {
	Old, New  *cluster.Server
	Converter *cluster.Server // nil outside of the converter path
	// Replicas are those that the plan names.
	Replicas []Replica
}

// Replica is a node that the plan names besides old and new.
type Replica struct {
	plan.Replica
	Addr   string          // where it was looked for
	Server *cluster.Server // nil: it was not reached
	Err    error           // why
}

// Named are all of them, as a discovery of further nodes begins with them.
func (s Servers) Named() []topology.Named {
	out := []topology.Named{{Side: topology.Old, Label: nodeOld, Server: s.Old}, {Side: topology.New, Label: nodeNew, Server: s.New}}
	if s.Converter != nil {
		out = append(out, topology.Named{Side: topology.Old, Label: nodeConverter, Server: s.Converter})
	}
	for _, r := range s.Replicas {
		out = append(out, topology.Named{Side: topology.Side(r.Side), Label: r.Name, Addr: r.Addr, Server: r.Server, Err: r.Err})
	}
	return out
}

// Request says for what evidence is taken.
type Request struct {
	Plan plan.Plan
	Gate string
	// By is who says that the application was switched; empty: nobody says so now.
	By string
	// Said is when By said so: before all that is measured with it. Zero: now.
	Said time.Time
	Now  func() time.Time // nil: the machine's clock
	// Earlier is recorded evidence, of which that of the same servers is used: since when something holds can only be
	// told by what was seen before.
	Earlier []gate.Evidence
}

// ErrUnsupported says that a kind of evidence does not come from servers.
var ErrUnsupported = errors.New("this kind of evidence is not measured from servers")

// Take measures one kind of evidence. Errors: ErrUnsupported, a
// *cluster.ServerChangedError if another server answers at an address than the
// one that was opened, before the measurement or after it, a
// *cluster.PrivilegeError where nothing at all can be measured without a
// privilege, other *cluster.ServerErrors, and the context's.
func Take(ctx context.Context, s Servers, kind gate.Kind, r Request) (gate.Evidence, error) {
	take := taker(kind)
	if take == nil {
		return gate.Evidence{}, fmt.Errorf("take evidence of %s: %w", kind, ErrUnsupported)
	}
	m, err := begin(ctx, s, r)
	if err != nil {
		return gate.Evidence{}, err
	}
	content, err := take(m, ctx)
	if err != nil {
		return gate.Evidence{}, fmt.Errorf("take evidence of %s: %w", kind, err)
	}
	positions, err := m.positions(ctx)
	if err != nil {
		return gate.Evidence{}, err
	}
	if err := m.same(ctx); err != nil {
		return gate.Evidence{}, err
	}
	e := gate.Evidence{
		Taken: m.now(), Old: m.old.Facts().ServerUUID, New: m.new.Facts().ServerUUID, Plan: r.Plan.Hash(),
		Positions: positions, Reset: m.reset(positions), Content: content,
	}
	if m.copied != nil { // it tells of an earlier measurement, and is as old as that one
		e.Taken, e.From, e.Positions = m.copied.Taken, m.copied.From, m.copied.Positions
	}
	return e, nil
}

// taker is the function that measures a kind; nil for kinds that do not come from servers.
func taker(kind gate.Kind) func(*measurement, context.Context) (gate.Content, error) {
	switch kind {
	case gate.KindSync:
		return (*measurement).sync
	case gate.KindSteps:
		return (*measurement).steps
	case gate.KindStepRestored:
		return (*measurement).stepRestored
	case gate.KindReadsSwitch:
		return (*measurement).readsSwitch
	case gate.KindWritesSwitch:
		return (*measurement).writesSwitch
	case gate.KindDrained:
		return (*measurement).drained
	case gate.KindReadOnly:
		return (*measurement).readOnly
	case gate.KindGTID:
		return (*measurement).gtidModes
	case gate.KindConverter:
		return (*measurement).converter
	case gate.KindSchema:
		return (*measurement).schema
	case gate.KindConfig:
		return (*measurement).config
	case gate.KindRestoredCopy:
		return (*measurement).restoredCopy
	case gate.KindHealth:
		return (*measurement).health
	case gate.KindNodes:
		return (*measurement).clusterNodes
	case gate.KindWayBack:
		return (*measurement).wayBack
	case gate.KindPreflight, gate.KindCheck, gate.KindWatch, gate.KindRehearsal, gate.KindSignOff, gate.KindOverride,
		gate.KindHook, gate.KindAction, gate.KindDecision, gate.KindCopy, gate.KindUnmeasured:
	}
	return nil
}

// measurement is one Take at work.
type measurement struct {
	old, new *cluster.Server
	conv     *cluster.Server // nil where there is none, or none answers
	// given is the converter as it was opened; it differs from conv where it does not answer.
	given    *cluster.Server
	replicas []Replica
	r        Request
	now      func() time.Time
	earlier  []gate.Evidence // of these servers, oldest first
	copied   *gate.Evidence  // what the evidence repeats
}

func begin(ctx context.Context, s Servers, r Request) (*measurement, error) {
	if s.Old == nil || s.New == nil {
		return nil, errors.New("take evidence: old and new must both be connected")
	}
	m := &measurement{old: s.Old, new: s.New, conv: s.Converter, given: s.Converter, replicas: s.Replicas, r: r}
	clock := r.Now
	if clock == nil {
		clock = time.Now
	}
	// Evidence is compared with what was stored, which has neither a zone nor a monotonic part.
	m.now = func() time.Time { return clock().UTC().Round(0) }
	for _, x := range []*cluster.Server{s.Old, s.New, s.Converter} {
		if x != nil {
			x.Renew() // who waits for a gate may grant what it lacks
		}
	}
	if err := m.same(ctx); err != nil {
		return nil, err
	}
	start := m.now()
	for _, e := range r.Earlier {
		if e.Problem() == "" && e.Old == s.Old.Facts().ServerUUID && e.New == s.New.Facts().ServerUUID && !e.Taken.After(start) {
			m.earlier = append(m.earlier, e)
		}
	}
	slices.SortStableFunc(m.earlier, func(a, b gate.Evidence) int { return a.Taken.Compare(b.Taken) })
	return m, nil
}

// same asks all nodes whether they are still the servers that were opened. A converter that does not answer is evidence
// itself; another one in its place is none.
func (m *measurement) same(ctx context.Context) error {
	for _, s := range []*cluster.Server{m.old, m.new} {
		if err := s.SameServer(ctx); err != nil {
			return err
		}
	}
	if m.conv == nil {
		return nil
	}
	err := m.conv.SameServer(ctx)
	switch {
	case err == nil:
		return nil
	case cluster.IsServerChanged(err) || ctx.Err() != nil:
		return err
	}
	m.conv = nil
	return nil
}

// reset lists the nodes whose log began anew since they were last looked at. What was recorded was read before the positions were.
func (m *measurement) reset(positions map[string]string) []string {
	var out []string
	for _, n := range m.nodes() {
		is, err := gtid.ParsePosition(cmp.Or(positions[n.name], "none"))
		if err != nil {
			continue
		}
		for _, e := range slices.Backward(m.earlier) {
			if was := at(e, n.name); !was.IsZero() {
				if is.Shrank(was) {
					out = append(out, n.name)
				}
				break
			}
		}
	}
	return out
}

// positions are where the servers stand, as far as they tell.
func (m *measurement) positions(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, n := range m.nodes() {
		p, ok, err := position(ctx, n.server)
		if err != nil {
			return nil, err
		}
		if ok {
			out[n.name] = p.String()
		}
	}
	return out, nil
}

// position is a server's position; ok is false where it does not tell, for want of a privilege or of a binary log.
func position(ctx context.Context, s *cluster.Server) (p gtid.Position, ok bool, err error) {
	p, err = s.Position(ctx)
	var server *cluster.ServerError
	switch {
	case err == nil:
		return p, !p.IsZero(), nil
	case ctx.Err() != nil, cluster.IsTransient(err), errors.As(err, &server) && !cluster.IsPermission(err):
		return p, false, err
	}
	return gtid.Position{}, false, nil
}

// Names of the nodes, as evidence has them.
const (
	nodeOld       = "old"
	nodeNew       = "new"
	nodeConverter = "converter"
)

// node is a server with its name.
type node struct {
	name   string
	server *cluster.Server
}

// nodes are those that answer.
func (m *measurement) nodes() []node {
	out := []node{{nodeOld, m.old}}
	if m.conv != nil {
		out = append(out, node{nodeConverter, m.conv})
	}
	return append(out, node{nodeNew, m.new})
}

// past lists earlier evidence of a kind, oldest first.
func (m *measurement) past(kind gate.Kind) []gate.Evidence {
	var out []gate.Evidence
	for _, e := range m.earlier {
		if e.Kind() == kind {
			out = append(out, e)
		}
	}
	return out
}

// newest is the latest earlier content of a type, with its evidence.
func newest[T gate.Content](m *measurement) (T, gate.Evidence, bool) {
	for _, e := range slices.Backward(m.earlier) {
		if c, ok := e.Content.(T); ok {
			return c, e, true
		}
	}
	var none T
	return none, gate.Evidence{}, false
}

// at is where a node stood by an earlier piece of evidence; zero where it does not say.
func at(e gate.Evidence, name string) gtid.Position {
	p, err := gtid.ParsePosition(cmp.Or(e.Positions[name], "none"))
	if err != nil {
		return gtid.Position{}
	}
	return p
}
