package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/topology"
	"crosscheck/gate/record"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// mendFlags are the command line of mend.
type mendFlags struct {
	endpoints
	replicas   replicaFlags
	plan       string
	state      string
	findings   []string
	keep       []string
	choices    string
	by, output string
	showValues bool
}

func newMendCommand(g *globals) *cobra.Command {
	var o mendFlags
	c := &cobra.Command{
		Use:   "mend --state DIR",
		Short: "Write guarded SQL that mends what a watch found; nothing is executed",
		Long: `Write SQL that gives the rows of a watch's collisions one version on every node of both clusters.

Without a choice it says of each finding what happened, what both sides hold now, and which choices there are. --keep, or
the file --choices, says which version stays; then a file for each node is written into the folder --output, numbered in
the order in which they are to be run. What a choice drops is named, and kept in the file dropped.sql. A file changes all of
its rows, or none where one is not as it was seen any more. An applier that is stopped at a collision is led past exactly
that transaction, and only if all that it changes is mended. The account needs what a watch needs.

Exit codes: 0 all is mended by the files, or there is nothing to mend, 2 something is left, 3 could not run, 64 usage error.`,
		Example: `  crosscheck mend --old @old --new @new --state DIR
  crosscheck mend --old @old --new @new --state DIR --keep newer --by 'J. Doe' --output mend
  crosscheck mend --plan migration.toml --state DIR --choices choices.toml --by 'J. Doe' --output mend`,
		RunE: func(c *cobra.Command, _ []string) error { return runMend(c.Context(), g, &o) },
	}
	f := c.Flags()
	o.endpoints.register(f)
	o.replicas.register(f)
	f.StringVar(&o.plan, "plan", "", "take the servers from this plan of a migration")
	f.StringVar(&o.state, "state", "", "state folder of the watch")
	f.StringArrayVar(&o.findings, "finding", nil, "only this finding, by its id; may be repeated")
	f.StringArrayVar(&o.keep, "keep", nil, "which version stays: old, new, newer or both; KIND=… or ID=… for some only; may be repeated")
	f.StringVar(&o.choices, "choices", "", "file of choices (TOML): written if it is not there, else read")
	f.StringVar(&o.by, "by", "", "who mends")
	f.StringVar(&o.output, "output", "", "folder for the files of the nodes")
	f.BoolVar(&o.showValues, "show-values", false, "show the values of rows; they are masked otherwise")
	return c
}

func (o *mendFlags) validate() error {
	switch {
	case o.state == "":
		return usageError("--state DIR is needed: the folder of the watch")
	case o.output != "" && o.by == "":
		return usageError("--by NAME is needed: who mends is recorded")
	case o.plan != "" && (o.old != "" || o.new != ""):
		return usageError("--plan names the servers: give it, or --old and --new")
	}
	return nil
}

// runMend executes mend.
func runMend(ctx context.Context, g *globals, o *mendFlags) error {
	if err := o.validate(); err != nil {
		return err
	}
	keeps, err := parseKeeps(o.keep)
	if err != nil {
		return err
	}
	book, err := ledger.OpenShared(ctx, o.state, ledger.Options{Log: g.logger(g.std.err), MustExist: true})
	if err != nil {
		return err
	}
	defer book.Close()
	account, err := book.ReadWatch(ctx, 0)
	if errors.Is(err, ledger.ErrNoWatch) {
		return usageError("--state %s holds no watch: differences that a check found are mended by crosscheck repair", o.state)
	}
	if err != nil {
		return err
	}
	m, closeAll, err := o.gather(ctx, g, book, account)
	if err != nil {
		return err
	}
	defer closeAll()
	if err = o.choose(m.in.Findings, keeps); err != nil {
		return err
	}
	for i := range m.in.Findings { // the others are looked at all the same: a transaction that is passed may be about them too
		f := &m.in.Findings[i]
		if f.Aside = len(o.findings) > 0 && !slices.Contains(o.findings, f.ID); f.Aside {
			f.Keep = ""
		}
	}
	plan := report.PlanMend(m.in)
	if err = plan.Tell(g.std.out, o.showValues); err != nil {
		return err
	}
	if m.doubt > 0 {
		fmt.Fprintf(g.std.err, "%d more rows are in doubt whose keys are not kept as they are: crosscheck check of their tables, then crosscheck repair\n", m.doubt)
	}
	return o.finish(ctx, g, book, account, m, plan)
}

// finish writes the files.
func (o *mendFlags) finish(ctx context.Context, g *globals, book *ledger.Ledger, account *ledger.Watch, m *mender, plan *report.MendPlan) error {
	left := plan.Left()
	switch {
	case len(plan.Files) == 0:
		fmt.Fprintln(g.std.err, "no node needs statements")
	case o.output == "":
		fmt.Fprintln(g.std.err, "give --output DIR and --by NAME to have the files written")
		left++
	default:
		hash, err := o.writeFiles(plan)
		if err != nil {
			return err
		}
		kept := map[string]string{}
		for id, k := range plan.Mended() {
			kept[id] = string(k)
		}
		if err = book.AddMend(ctx, account.ID(), record.Mend{At: m.in.Written, By: o.by, Hash: hash}, kept); err != nil {
			return err
		}
		fmt.Fprintf(g.std.err, "%d files in %s, mend %s; %d committed versions are dropped, and kept in %s\n", len(plan.Files), o.output, hash[:12], plan.Dropped(), report.DroppedFile)
	}
	if left > 0 || m.doubt > 0 || len(m.in.Unread) > 0 {
		return &exitError{code: exitUndecided}
	}
	return nil
}

// writeFiles writes a file for each node, and what is dropped, and returns the hash over all of them.
func (o *mendFlags) writeFiles(plan *report.MendPlan) (hash string, err error) {
	var names []report.RepairFile
	for i := range plan.Files {
		names = append(names, report.RepairFile{Name: plan.Files[i].Name})
	}
	if plan.Dropped() > 0 {
		names = append(names, report.RepairFile{Name: report.DroppedFile})
	}
	texts := make([]bytes.Buffer, len(names)) // all of them are made before one is written
	for i := range names {
		if i < len(plan.Files) {
			err = plan.Write(&texts[i], &plan.Files[i])
		} else {
			err = plan.WriteDropped(&texts[i])
		}
		if err != nil {
			return "", err
		}
	}
	if err = repairFolder(o.output, names); err != nil {
		return "", err
	}
	sum := sha256.New()
	for i := range names {
		sum.Write(texts[i].Bytes())
		err = report.WriteFile(filepath.Join(o.output, names[i].Name), func(w io.Writer) error {
			if own := ownFile(w); own != nil {
				return own
			}
			_, wrote := w.Write(texts[i].Bytes())
			return wrote
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// gather connects to all nodes, and reads the findings, the rows, and what waits.
func (o *mendFlags) gather(ctx context.Context, g *globals, book *ledger.Ledger, account *ledger.Watch) (m *mender, closeAll func(), err error) {
	log := g.logger(g.std.err)
	if o.plan != "" {
		p, _, perr := readPlan(o.plan)
		if perr != nil {
			return nil, nil, perr
		}
		o.old, o.new = p.Old.DSN, p.New.DSN
		if len(o.replicas.old)+len(o.replicas.new) == 0 {
			o.replicas = plannedReplicas(p)
		}
	}
	old, new, err := o.endpoints.open(ctx, g, log, connectFor)
	if err != nil {
		return nil, nil, err
	}
	closeAll = func() {
		_ = old.Close()
		_ = new.Close()
	}
	if err = watchedServers(ctx, book, account, old, new); err == nil {
		// A row that stays as it is on a node that nobody named may stop its applier later.
		o.replicas.old, o.replicas.new = append(o.replicas.old, autoReplicas), append(o.replicas.new, autoReplicas)
		var found *nodes
		if found, err = o.replicas.open(ctx, g, log, old, new, connectFor); err == nil {
			sides := closeAll
			closeAll = func() {
				found.close()
				sides()
			}
			m, err = o.look(ctx, g, account, found)
		}
	}
	if err != nil {
		closeAll()
	}
	return m, closeAll, err
}

// watchedServers makes sure that the servers are those of the watch.
func watchedServers(ctx context.Context, book *ledger.Ledger, account *ledger.Watch, old, new *cluster.Server) error {
	list, err := book.Watches(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(s ledger.WatchSummary) bool { return s.ID == account.ID() })
	for _, side := range []struct {
		server *cluster.Server
		was    checksum.EndpointInfo
	}{{old, list[i].Old}, {new, list[i].New}} {
		if f := side.server.Facts(); side.was.ServerUUID != "" && f.ServerUUID != side.was.ServerUUID {
			return usageError("%s is the server %s, the watch is of %s at %s", side.server.Label(), f.ServerUUID, side.was.ServerUUID, side.was.Addr)
		}
	}
	return nil
}

func (o *mendFlags) look(ctx context.Context, g *globals, account *ledger.Watch, found *nodes) (*mender, error) {
	m := &mender{
		in: &report.MendInput{
			Written: time.Now(), By: o.by, State: o.state, Unread: found.Gaps(), SplitTable: cluster.SplitFullName, Recheck: o.recheck,
		},
		index: map[string]int{}, keys: map[string][]string{}, before: map[int][2]*binlog.Change{}, fresh: map[string]uint64{}, log: g.logger(g.std.err),
	}
	ids := map[string]bool{}
	for _, id := range o.findings {
		ids[id] = true
	}
	for _, side := range []topology.Side{topology.Old, topology.New} {
		m.nodes = append(m.nodes, found.Side(side).Nodes[0])
	}
	for _, side := range []topology.Side{topology.Old, topology.New} {
		for _, n := range found.Side(side).Others(true) {
			if n.Reached() {
				m.nodes = append(m.nodes, n)
			}
		}
	}
	for _, n := range m.nodes {
		m.in.Nodes = append(m.in.Nodes, mendNode(n))
		channels, err := n.Server.Channels(ctx)
		if err != nil {
			return nil, err
		}
		m.stopped = m.stopped || slices.ContainsFunc(channels, func(c cluster.ReplicaChannel) bool { return !c.SQLRunning && c.SQLErrno != 0 })
	}
	if err := m.findings(ctx, account, ids); err != nil {
		return nil, err
	}
	for n := range m.nodes {
		if err := m.waits(ctx, n); err != nil {
			return nil, err
		}
	}
	if err := m.read(ctx); err != nil {
		return nil, err
	}
	return m, m.bothKeys(ctx)
}

func mendNode(n *topology.Node) report.Node {
	f := n.Server.Facts()
	role := report.RoleReplica
	if n.Role == topology.Writer {
		role = report.RoleWriter
	}
	return report.Node{
		Label: n.Label, Side: string(n.Side), Role: role,
		Server: checksum.EndpointInfo{Addr: n.Server.Config().Addr, Version: f.Version, Flavor: string(f.Flavor), ServerUUID: f.ServerUUID},
	}
}

// recheck is the command line that checks tables afterwards.
func (o *mendFlags) recheck(tables []string) string {
	words := []string{"crosscheck", "check", "--old", shellWord(o.old), "--new", shellWord(o.new)}
	for _, t := range tables {
		words = append(words, "--table", shellWord(t))
	}
	for side, list := range map[string][]string{"old": o.replicas.old, "new": o.replicas.new} {
		for _, r := range slices.Compact(list) {
			words = append(words, "--"+side+"-replica", shellWord(r))
		}
	}
	return strings.Join(append(words, "--state", shellWord(o.state)), " ")
}

// readOrWrite reads the file of choices, or writes it where it is not there.
func (o *mendFlags) readOrWrite(list []report.MendFinding) (map[string]report.Keep, error) {
	text, err := os.ReadFile(o.choices)
	if errors.Is(err, os.ErrNotExist) {
		return nil, report.WriteFile(o.choices, func(w io.Writer) error { return report.WriteChoices(w, list) })
	}
	if err != nil {
		return nil, usageError("--choices: %w", err)
	}
	keeps, err := report.ParseChoices(text)
	if err != nil {
		return nil, usageError("--choices %s: %w", o.choices, err)
	}
	return keeps, nil
}
