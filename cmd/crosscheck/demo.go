package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/fixtures"
	"crosscheck/internal/fault"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// demo is one run of the demonstration.
type demo struct {
	g     *globals
	set   *fixtures.Set
	table fixtures.TableSpec
	rows  int64
	rate  float64
	state string
	step  int
}

// demoFaults are the kinds of difference that the demonstration plants.
func demoFaults() []fixtures.FaultKind {
	return []fixtures.FaultKind{
		fixtures.MissingRow, fixtures.ExtraGap, fixtures.ChangedColumn, fixtures.SwappedValues, fixtures.EvenChange,
	}
}

func newDemoCommand(g *globals) *cobra.Command {
	d := &demo{g: g, table: fixtures.TableSpec{Kind: fixtures.Orders, Database: "shop", Table: "orders"}}
	server := string(fixtures.MariaDB)
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: two real servers, a running writer, planted differences, found and repaired",
		Long: `Start two real servers on this machine, one replicating from the other, fill them with a million
rows, let a writer run, tamper with the copy in five ways, and let check find exactly what was tampered
with. Then repair it and check again. Exit code 0 if all was found and nothing else.`,
		RunE: func(c *cobra.Command, _ []string) error {
			family, err := fixtures.ParseFamily(server)
			if err != nil {
				return usageError("%w", err)
			}
			if d.rows < 1000 {
				return usageError("--rows %d: at least 1000 are needed", d.rows)
			}
			return d.run(c.Context(), family)
		},
	}
	c.Flags().Int64Var(&d.rows, "rows", 1_000_000, "rows of the table")
	c.Flags().Float64Var(&d.rate, "rate", 300, "statements a second of the writer")
	c.Flags().StringVar(&server, "server", server, "family of both servers: "+familyNames())
	return c
}

// say prints a numbered heading.
func (d *demo) say(format string, args ...any) {
	d.step++
	bold, off := "", ""
	if d.g.color(d.g.std.out) {
		bold, off = "\x1b[1m", "\x1b[0m"
	}
	fmt.Fprintf(d.g.std.out, "\n%s%d. %s%s\n", bold, d.step, fmt.Sprintf(format, args...), off)
}

func (d *demo) print(format string, args ...any) {
	fmt.Fprintf(d.g.std.out, "   "+format+"\n", args...)
}

func (d *demo) run(ctx context.Context, family fixtures.Family) error {
	state, remove, err := tempState()
	if err != nil {
		return err
	}
	defer remove()
	d.state = state

	d.say("Starting two real servers, new replicating from old")
	d.set, err = fixtures.Up(ctx, fixtures.Spec{Topology: fixtures.Pair, Old: family, New: family, Provision: d.g.provision()})
	if err != nil {
		return err
	}
	defer func() { _ = d.set.Close() }()
	d.print("old %s, new %s", d.set.Old.Addr(), d.set.New.Addr())

	if err = d.fill(ctx); err != nil {
		return err
	}
	d.say("Starting a writer on old: %.0f statements a second, which replicate to new", d.rate)
	load, err := fixtures.Load{Rate: d.rate, Tables: []fixtures.TableSpec{d.table}}.Start(ctx, d.set.Old.DB())
	if err != nil {
		return err
	}
	defer load.Stop()

	faults, err := d.tamper(ctx)
	if err != nil {
		return err
	}
	d.say("crosscheck check, with a read-only account, while the writer runs")
	found, err := d.check(ctx)
	if err != nil {
		return err
	}
	complaints := compareFaults(faults, found)
	if err = d.crc(ctx, faults); err != nil {
		return err
	}
	if err = d.repair(ctx); err != nil {
		return err
	}
	d.say("crosscheck check again; the writer still runs")
	after, err := d.check(ctx)
	if err != nil {
		return err
	}
	if after.Verdict != checksum.Same {
		complaints = append(complaints, "after the repair the verdict is "+after.Verdict.String())
	}
	stats := load.Stop()
	if err := stats.Err(); err != nil {
		return err
	}
	return d.conclude(faults, complaints, stats)
}

// fill puts the same rows into both servers, past the binary log.
func (d *demo) fill(ctx context.Context) error {
	start := time.Now()
	d.say("Filling %s with %s rows on both", d.table.Name(), humanize.Comma(d.rows))
	spec := d.table
	spec.Unlogged = true
	var g errgroup.Group
	for _, s := range []*fixtures.Server{d.set.Old, d.set.New} {
		g.Go(func() error {
			defer fault.Guard()
			return fixtures.Generate(ctx, s.DB(), spec, d.rows, 1)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	d.print("done in %.1f s", time.Since(start).Seconds())
	return nil
}

// tamper plants the differences on new.
func (d *demo) tamper(ctx context.Context) ([]fixtures.Fault, error) {
	d.say("Tampering with new behind replication's back, in five ways")
	faults, err := fixtures.Plant(ctx, d.set.New.DB(), d.table, 1, demoFaults()...)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		d.print("%-15s id %v", strings.ReplaceAll(string(f.Kind), "_", " "), f.Keys)
	}
	return faults, nil
}

// check runs crosscheck as its users do, with the account that may only read.
func (d *demo) check(ctx context.Context) (checksum.Result, error) {
	started := time.Now()
	var servers [2]*cluster.Server
	log := slog.New(slog.DiscardHandler)
	for i, s := range []*fixtures.Server{d.set.Old, d.set.New} {
		config, err := cluster.ParseDSN(s.DSN(fixtures.Crosscheck), cluster.DSNOptions{Label: []string{"old", "new"}[i], AllowPassword: true})
		if err != nil {
			return checksum.Result{}, err
		}
		if servers[i], err = cluster.Open(ctx, config, log); err != nil {
			return checksum.Result{}, err
		}
		defer servers[i].Close()
	}
	filter, err := cluster.NewFilter([]string{d.table.Name()}, nil)
	if err != nil {
		return checksum.Result{}, err
	}
	view := newProgressView(d.g)
	defer view.Close()
	o := checkFlags{workers: 2, state: d.state, passing: true, output: output{format: "table", maxDifferences: 20, showValues: true}}
	result, _, err := checkServers(ctx, d.g, started, servers[0], servers[1], filter, &o, view, log)
	view.Close()
	if err != nil {
		return result, err
	}
	fmt.Fprintln(d.g.std.out)
	return result, o.output.write(d.g, report.Pair(result))
}

// compareFaults lists what was planted and not found, or found and not planted.
func compareFaults(faults []fixtures.Fault, r checksum.Result) []string {
	planted := make(map[string]bool)
	for _, f := range faults {
		for _, k := range f.Keys {
			planted[fmt.Sprintf("%s %d", f.Effect, k)] = true
		}
	}
	var complaints []string
	for _, t := range r.Tables {
		for _, diff := range t.Differences {
			what := fmt.Sprintf("%s %s", diff.Kind, diff.Key[0].Value.Text)
			if !planted[what] {
				complaints = append(complaints, "reported but not planted: "+what)
			}
			delete(planted, what)
		}
		if t.Counts.Undecided > 0 {
			complaints = append(complaints, fmt.Sprintf("%d rows undecided: %s", t.Counts.Undecided, t.Reason))
		}
	}
	for what := range planted {
		complaints = append(complaints, "planted but not found: "+what)
	}
	slices.Sort(complaints)
	return complaints
}

// crc shows what a digest of CRC32 and BIT_XOR, which is what most tools compute, makes of the same rows. All other
// rows of a chunk are the same on both sides and cancel, so that the rows tampered with decide.
func (d *demo) crc(ctx context.Context, faults []fixtures.Fault) error {
	d.say("What a digest by BIT_XOR(CRC32(CONCAT_WS('#', all columns))) says of these rows, asked on both servers")
	columns, err := d.columns(ctx)
	if err != nil {
		return err
	}
	for _, f := range faults {
		var digests [2]string
		for i, s := range []*fixtures.Server{d.set.Old, d.set.New} {
			if digests[i], err = d.crcOf(ctx, s.DB(), columns, f.Keys); err != nil {
				return err
			}
		}
		verdict := "sees it"
		if digests[0] == digests[1] {
			verdict = "MISSES it: the same digest and the same count on both sides"
		}
		d.print("%-15s %s", strings.ReplaceAll(string(f.Kind), "_", " "), verdict)
	}
	return nil
}

func (d *demo) columns(ctx context.Context) (string, error) {
	rows, err := d.set.Old.DB().QueryContext(ctx, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=? AND TABLE_NAME=? ORDER BY ORDINAL_POSITION", d.table.Database, d.table.Table)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var names, nulls []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		names = append(names, cluster.Quote(name))
		nulls = append(nulls, "ISNULL("+cluster.Quote(name)+")")
	}
	return strings.Join(names, ",") + ",CONCAT(" + strings.Join(nulls, ",") + ")", rows.Err()
}

func (d *demo) crcOf(ctx context.Context, db *sql.DB, columns string, keys []int64) (string, error) {
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(keys), " ", ","), "[]")
	var digest string
	err := db.QueryRowContext(ctx, "SELECT CONCAT(COUNT(*), ' ', COALESCE(BIT_XOR(CRC32(CONCAT_WS('#',"+columns+"))),0)) FROM "+
		d.table.Quoted()+" WHERE id IN ("+list+")").Scan(&digest)
	return digest, err
}

// repair writes the repair from the ledger and, being the demo, runs it.
func (d *demo) repair(ctx context.Context) error {
	d.say("crosscheck repair writes guarded SQL; here it is run on new")
	book, err := ledger.Open(ctx, d.state, ledger.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer book.Close()
	sum, err := book.LastRun(ctx)
	if err != nil {
		return err
	}
	var script bytes.Buffer
	if _, err = writeRepair(ctx, &script, book, sum, nil, cluster.Filter{}); err != nil {
		return err
	}
	d.excerpt(&script)
	config := d.set.New.Config(fixtures.Admin)
	config.MultiStatements = true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.ExecContext(ctx, script.String()); err != nil {
		return fmt.Errorf("run the repair on new: %w", err)
	}
	return nil
}

// excerpt prints the first words of each statement that changes rows.
func (d *demo) excerpt(script *bytes.Buffer) {
	for line := range strings.Lines(script.String()) {
		for _, verb := range []string{"DELETE", "UPDATE", "INSERT"} {
			if strings.HasPrefix(line, verb) {
				line = strings.TrimSpace(line)
				if r := []rune(line); len(r) > 100 {
					line = string(r[:99]) + "…"
				}
				d.print("%s", line)
			}
		}
	}
}

func (d *demo) conclude(faults []fixtures.Fault, complaints []string, stats fixtures.LoadStats) error {
	if len(complaints) > 0 {
		for _, c := range complaints {
			d.print("✗ %s", c)
		}
		return &exitError{code: exitDifferent, err: fmt.Errorf("the demo did not find exactly what was planted")}
	}
	rows := 0
	for _, f := range faults {
		rows += len(f.Keys)
	}
	fmt.Fprintf(d.g.std.out, "\n✓ All %d tampered rows were found and nothing else, while %s statements changed old; after the repair both sides are the same.\n",
		rows, humanize.Comma(stats.Statements))
	return nil
}
