package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/cluster/topology"
	"crosscheck/gate/plan"
	"crosscheck/internal/fault"
	"crosscheck/internal/file"
	"crosscheck/report"
)

// replaceFlags are the flags of plan replace-node.
type replaceFlags struct {
	gateFlags
	with   string
	gone   bool
	reason string
}

func newPlanReplaceCommand(g *globals) *cobra.Command {
	var o replaceFlags
	c := &cobra.Command{
		Use:   "replace-node NODE --plan FILE --with NODE|DSN",
		Short: "Write into a plan that another server has taken a node's place",
		Long: `Write into a plan that another server has taken a node's place: a replica was promoted, or a node was built
anew. NODE is old, new, or a replica as the plan numbers it, such as new-2.

The server has to prove where it comes from. One that stands for a side holds every transaction that was recorded
of the former server, and all that the former one has, where it answers; transactions that it lacks are named. A
replica replicates from its side, and has no transactions of its own. Without that proof the plan stays as it is,
unless --even-so says why to go on. The plan keeps a record of each replaced node.

What was proven of the former server counts no more: the gates that have to be proven anew are listed in their
order, with the first command of each.

Exit codes: 0 replaced, 1 transactions are lost, 2 not proven, 3 could not run, 64 usage or plan error.`,
		Example: `  crosscheck plan replace-node new --plan migration.toml --with new-1 --gone
  crosscheck plan replace-node new-2 --plan migration.toml --with @new-9`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runPlanReplace(c.Context(), g, &o, args[0]) },
	}
	f := c.Flags()
	o.register(f)
	f.StringVar(&o.with, "with", "", "the server that takes the place: a node of the plan, or an address (default: the same address, where the node was built anew)")
	f.BoolVar(&o.gone, "gone", false, "the former server leaves the plan when a replica is promoted (default: the two change places)")
	f.StringVar(&o.reason, "even-so", "", "reason to go on without the proof, or with lost transactions; it is kept in the plan")
	return c
}

// lineage is what is known of where a server comes from.
type lineage struct{ proof, lost, unknown string }

func (l *lineage) state() error {
	switch {
	case l.lost != "":
		return &exitError{code: exitDifferent}
	case l.unknown != "":
		return &exitError{code: exitUndecided}
	}
	return nil
}

func runPlanReplace(ctx context.Context, g *globals, o *replaceFlags, node string) error {
	p, _, err := readPlan(o.file)
	if err != nil {
		return err
	}
	former, ok := p.Address(node)
	if !ok {
		return usageError("the plan has no node %s: old, new, or a replica by its number, such as new-1", node)
	}
	r := plan.Replacement{Replaced: plan.Replaced{Node: node, At: time.Now().UTC().Truncate(time.Second)}, DSN: o.with, Gone: o.gone}
	if dsn, named := p.Address(o.with); named {
		r.DSN = dsn
	} else if o.with == "" {
		r.DSN = former
	}
	side, _, isReplica := strings.Cut(node, "-")
	if err = meantReplacement(p, side, isReplica, former, r.DSN); err != nil {
		return err
	}
	x := replacing{g: g, o: o, plan: p, side: side, node: node}
	defer x.close()
	if err = x.connect(ctx, r.DSN); err != nil {
		return err
	}
	r.By = x.server.Facts().ServerUUID
	var l lineage
	if isReplica {
		l, err = x.replicaLineage(ctx)
	} else {
		l, err = x.writerLineage(ctx, former, r.DSN, &r.Replaced)
	}
	if err != nil {
		return err
	}
	r.Proof, r.Lost = l.proof, l.lost
	if l.state() != nil {
		fmt.Fprintf(g.std.out, "%s\n", l.text(node, x.server.Config().Addr))
		if o.reason == "" {
			fmt.Fprintf(g.std.out, "The plan stays as it is. To go on all the same: --even-so REASON, which the plan keeps.\n")
			return l.state()
		}
		r.Reason = o.reason
	}
	text, err := file.Read(o.file)
	if err != nil {
		return usageError("--plan: %w", err)
	}
	out, err := plan.Replace(text, r)
	if err != nil {
		return usageError("%s: %w", o.file, err)
	}
	if err = report.WriteOpenFile(o.file, func(w io.Writer) error { _, e := w.Write(out); return e }); err != nil {
		return err
	}
	if l.state() == nil {
		fmt.Fprintf(g.std.out, "%s is %s now: %s\n", node, x.server.Config().Addr, l.proof)
	} else {
		fmt.Fprintf(g.std.out, "%s is %s now, all the same: %s\n", node, x.server.Config().Addr, o.reason)
	}
	return x.anew(ctx)
}

// text is why the plan is not changed.
func (l lineage) text(node, addr string) string {
	if l.lost != "" {
		return fmt.Sprintf("%s lacks transactions of %s: %s", addr, node, l.lost)
	}
	return fmt.Sprintf("It is not proven that %s can stand for %s: %s", addr, node, l.unknown)
}

// meantReplacement refuses what cannot be meant.
func meantReplacement(p plan.Plan, side string, isReplica bool, former, dsn string) error {
	for _, r := range p.Replicas() {
		if r.DSN == dsn && dsn != former && (isReplica || r.Side != side) {
			return usageError("--with %s is the plan's %s already", dsn, r.Name)
		}
	}
	for name, n := range map[string]plan.Node{"old": p.Old, "new": p.New} {
		if n.DSN == dsn && (isReplica || name != side) {
			return usageError("--with %s is the plan's %s already", dsn, name)
		}
	}
	return nil
}

// replacing has the connections of one replacement.
type replacing struct {
	g          *globals
	o          *replaceFlags
	plan       plan.Plan
	side, node string
	server     *cluster.Server // that takes the place
	open       []*cluster.Server
}

func (x *replacing) close() {
	for _, s := range x.open {
		_ = s.Close()
	}
}

func (x *replacing) connect(ctx context.Context, dsn string) error {
	config, err := x.g.config(x.side, dsn)
	if err != nil {
		return err
	}
	if x.server, err = connect(ctx, config, x.g.logger(x.g.std.err), connectFor); err != nil {
		return err
	}
	x.open = append(x.open, x.server)
	other := x.plan.New
	if x.side == "new" {
		other = x.plan.Old
	}
	if other.ServerUUID == x.server.Facts().ServerUUID {
		return usageError("%s is the server of the other side", x.server.Config().Addr)
	}
	return nil
}

// writerLineage holds the server that is to stand for a side against what is known of the former one.
func (x *replacing) writerLineage(ctx context.Context, former, dsn string, r *plan.Replaced) (lineage, error) {
	m, err := openMigration(ctx, x.g, gateFlags{file: x.o.file, state: x.o.state, offline: true})
	if err != nil {
		return lineage{}, err
	}
	defer m.close()
	s := m.judge()
	r.ServerUUID = s.Old
	if x.side == "new" {
		r.ServerUUID = s.New
	}
	at, err := readHolding(ctx, x.server)
	if err != nil {
		return lineage{}, err
	}
	var l lineage
	recorded := 0
	for e := range m.evidence.Backward() {
		uuid := e.Old
		if x.side == "new" {
			uuid = e.New
		}
		if text := e.Positions[x.side]; text != "" && uuid == r.ServerUUID && l.holds(at, text, "what was recorded of it at "+e.Taken.UTC().Format(time.DateTime)) {
			recorded++
		}
	}
	if recorded > 0 {
		l.unknown = "" // of records that cannot be compared, as those by places in its log
	}
	if former != dsn {
		answers, err := x.formerLineage(ctx, former, r.ServerUUID, at, &l)
		if err != nil || answers {
			return l, err
		}
	}
	if l == (lineage{}) && recorded == 0 {
		l.unknown = "the former server does not answer, and nothing is recorded of it that can be compared (" + x.o.file + ", " + m.dir + ")"
	} else if l == (lineage{}) {
		l.proof = "it holds every transaction that was recorded of the former server, through " + at.String()
	}
	return l, nil
}

// formerLineage compares with the former server, if that answers and is the one that the plan means.
func (x *replacing) formerLineage(ctx context.Context, dsn, uuid string, at holding, l *lineage) (answers bool, err error) {
	config, err := x.g.config(x.side, dsn)
	if err != nil {
		return false, err
	}
	s, err := cluster.Open(ctx, x.server.Lend(config), x.g.logger(x.g.std.err))
	if err != nil {
		return false, ctx.Err()
	}
	x.open = append(x.open, s)
	if uuid != "" && s.Facts().ServerUUID != uuid {
		return false, nil
	}
	its, err := s.Position(ctx)
	if err != nil {
		l.unknown = "the former server does not tell how far it is: " + fault.Line(err.Error())
		return true, ctx.Err()
	}
	if l.holds(at, its.String(), "the former server") && l.lost == "" {
		l.proof, l.unknown = "it holds every transaction of the former server, through "+at.String(), ""
	}
	return true, nil
}

// holding is what a server has: on MariaDB the newest transaction of each domain and server in its log, since a GTID
// position has only the last server of each domain, which may have written what others do not have.
type holding struct {
	gtid.Position

	logged gtid.MariaState
}

func readHolding(ctx context.Context, s *cluster.Server) (h holding, err error) {
	if h.Position, err = s.Position(ctx); err != nil {
		return h, err
	}
	h.File = gtid.FilePos{}
	if h.Kind == gtid.MariaDBGTID {
		h.logged, err = s.LogState(ctx)
	}
	return h, err
}

// lacks names the transactions of another position that the server does not hold.
func (h holding) lacks(want gtid.Position) string {
	if want.Kind == gtid.MySQLGTID {
		return want.MySQL.Subtract(h.MySQL).String()
	}
	var out []string
	for _, domain := range want.MariaDB.Domains() {
		last, _ := want.MariaDB.Last(domain)
		var have uint64
		for _, g := range h.logged {
			if g.Domain == domain && g.Server == last.Server {
				have = max(have, g.Seq)
			}
		}
		switch {
		case have >= last.Seq:
		case have == 0:
			out = append(out, last.String()+" (it has none of that server)")
		default:
			out = append(out, fmt.Sprintf("%s (it has %d-%d-%d)", last, domain, last.Server, have))
		}
	}
	return strings.Join(out, ", ")
}

// holds notes what a server lacks of a position. It tells whether the two can be compared.
func (l *lineage) holds(at holding, text, whose string) bool {
	want, err := gtid.ParsePosition(text)
	switch {
	case err == nil && want.Kind == at.Kind && at.Kind != gtid.File && at.Kind != gtid.None:
		if l.lost == "" {
			l.lost = at.lacks(want)
		}
		return true
	case err != nil || want.Kind == gtid.File || at.Kind == gtid.File: // places in two servers' logs
		l.unknown = "without GTIDs nobody can compare it with " + whose
	default:
		l.unknown = fmt.Sprintf("it cannot be compared with %s: one has %s, the other %s", whose, at.Kind, want.Kind)
	}
	return false
}

// replicaLineage finds the server among the nodes of its side.
func (x *replacing) replicaLineage(ctx context.Context) (lineage, error) {
	log := x.g.logger(x.g.std.err)
	e := endpoints{old: x.plan.Old.DSN, new: x.plan.New.DSN}
	old, new, err := e.open(ctx, x.g, log, connectFor)
	if err != nil {
		return lineage{}, err
	}
	x.open = append(x.open, old, new)
	named := []topology.Named{
		{Side: topology.Old, Label: "old", Server: old},
		{Side: topology.New, Label: "new", Server: new},
		{Side: topology.Side(x.side), Label: x.node, Server: x.server},
	}
	t, err := topology.Discover(ctx, named, topology.Options{Log: log})
	if errors.Is(err, cluster.ErrSameServer) {
		return lineage{}, usageError("%w", err)
	}
	if err != nil {
		return lineage{}, err
	}
	defer t.Close()
	n := t.ByUUID(x.server.Facts().ServerUUID)
	top := t.ByUUID(old.Facts().ServerUUID)
	if x.side == "new" {
		top = t.ByUUID(new.Facts().ServerUUID)
	}
	switch errant := n.State.Errant; {
	case !n.Below(top):
		return lineage{unknown: fmt.Sprintf("it does not replicate from %s, directly or through another node", x.side)}, nil
	case errant.Set != "":
		return lineage{unknown: "it has transactions that no node above it has: " + errant.Set}, nil
	case !errant.Known:
		return lineage{proof: "it replicates from " + x.side + "; whether it was written to is not known: " + errant.Why}, nil
	}
	return lineage{proof: "it replicates from " + x.side + ", and has no transactions of its own"}, nil
}

// anew lists the gates that have to be proven anew.
func (x *replacing) anew(ctx context.Context) error {
	m, err := openMigration(ctx, x.g, gateFlags{file: x.o.file, state: x.o.state, offline: true})
	if err != nil {
		return err
	}
	defer m.close()
	fmt.Fprintln(x.g.std.out, "To be proven anew, in this order:")
	told := map[string]bool{}
	for _, r := range m.judge().Gates {
		if r.State.Open() || len(r.Reasons) == 0 {
			continue
		}
		gate := r.Gate
		for _, reason := range r.Reasons {
			if next := m.command(reason.Next); !told[next] {
				told[next] = true
				fmt.Fprintf(x.g.std.out, "  %-17s %s\n", gate, next)
				gate = ""
			}
		}
	}
	if x.o.state == "" && m.plan.Old.ServerUUID != "" && m.plan.New.ServerUUID != "" && x.node == x.side {
		fmt.Fprintf(x.g.std.out, "The evidence of these servers is kept in %s; that of the former pair stays where it is.\n", m.dir)
	}
	return nil
}
