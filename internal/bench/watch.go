package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crosscheck/fixtures"
)

// Names of the watch's measures.
const (
	watchCPU  = "watch_cpu_seconds_per_million_row_changes"
	watchRate = "watch_row_changes_per_cpu_second"
	watchWall = "watch_row_changes_per_wall_second"
	watchRSS  = "watch_peak_rss_mib_window_of_a_million"
	watchLag  = "watch_lag_seconds_under_load"
)

// maxCPUPerMillion is the goal of 150,000 row changes per second and core.
const maxCPUPerMillion = 1e6 / 150_000

// watchPair is a dual set whose binary logs are watched.
type watchPair struct {
	set  *fixtures.Set
	o    options
	work string
	runs int
}

// watchSummary is the part of a watch's last line that is looked at here.
type watchSummary struct {
	Schema  string `json:"schema"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Waiting int    `json:"waiting"`
	Old     struct {
		Changes       uint64  `json:"changes"`
		EchoedChanges uint64  `json:"echoed_changes"`
		LagSeconds    float64 `json:"lag_seconds"`
	} `json:"old"`
	New struct {
		Changes       uint64  `json:"changes"`
		EchoedChanges uint64  `json:"echoed_changes"`
		LagSeconds    float64 `json:"lag_seconds"`
	} `json:"new"`
}

func (s watchSummary) read() float64 {
	return float64(s.Old.Changes + s.Old.EchoedChanges + s.New.Changes + s.New.EchoedChanges)
}

// benchWatch measures how fast a watch reads logs that were written before it began, how far it is behind a load, and
// what a window of a million row changes costs that do not arrive.
func benchWatch(ctx context.Context, o options, family fixtures.Family, work string, say func(string)) (out []series, err error) {
	// The rows that are made here bring their keys along, so there is no step that they could fit.
	server := fixtures.ServerOptions{BufferPoolMB: poolMB, Variables: map[string]string{"auto_increment_increment": "1", "auto_increment_offset": "1"}}
	set, err := fixtures.Up(ctx, fixtures.Spec{
		Topology: fixtures.Dual, Old: family, New: family, OldOptions: server, NewOptions: server, Provision: fixtures.Options{Progress: say},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	p := &watchPair{set: set, o: o, work: work}
	fast, err := p.catchUp(ctx, say)
	if err != nil {
		return nil, err
	}
	lag, err := p.underLoad(ctx, say)
	if err != nil {
		return nil, err
	}
	memory, err := p.window(ctx, say)
	return append(append(fast, lag), memory), err
}

// run runs a watch and returns its summary.
func (p *watchPair) run(ctx context.Context, state string, args ...string) (launched, watchSummary, error) {
	var sum watchSummary
	done, err := launch(ctx, p.o.binary, append([]string{
		"watch", "--quiet", "--defaults-file", p.set.DefaultsFile(), "--old", "@old", "--new", "@new", "--table", database + ".*",
		"--state", state, "--format", "json",
	}, args...))
	if err != nil {
		return done, sum, err
	}
	lines := strings.Split(strings.TrimSpace(done.Stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); err != nil {
		return done, sum, fmt.Errorf("crosscheck watch, exit code %d: %w: %s", done.Exit, err, done.Stderr)
	}
	for _, line := range lines {
		if strings.Contains(line, `"schema":"crosscheck/watch/v1"`) {
			return done, sum, fmt.Errorf("crosscheck watch found something where there is nothing: %s", line)
		}
	}
	return done, sum, nil
}

func (p *watchPair) state() string {
	p.runs++
	return filepath.Join(p.work, fmt.Sprintf("watch-%s-%d", p.set.Old.Family(), p.runs))
}

// catchUp writes rows on old while nobody watches, and then lets a watch read all of it that builds on a check from
// before: what it takes is reading, decoding, matching and verifying, not waiting.
func (p *watchPair) catchUp(ctx context.Context, say func(string)) ([]series, error) {
	state := p.state()
	spec := fixtures.TableSpec{Kind: fixtures.Orders, Database: database, Table: "orders"}
	if err := fixtures.Generate(ctx, p.set.Old.DB(), spec, 1000, 1); err != nil {
		return nil, err
	}
	if err := p.set.WaitCaughtUp(ctx); err != nil {
		return nil, err
	}
	base, err := launch(ctx, p.o.binary, []string{
		"check", "--quiet", "--defaults-file", p.set.DefaultsFile(), "--old", "@old", "--new", "@new", "--state", state, "--format", "json",
	})
	if err != nil || base.Exit != 0 {
		return nil, fmt.Errorf("the check to build on: exit code %d: %w: %s", base.Exit, err, base.Stderr)
	}
	rows := p.o.rows / 4
	say(fmt.Sprintf("  watch: writing %d row changes on old, which new repeats", 2*rows))
	big := spec
	big.Table = "big"
	if err = fixtures.Generate(ctx, p.set.Old.DB(), big, rows, 3); err != nil {
		return nil, err
	}
	changed, err := p.update(ctx, big, rows, 100)
	if err != nil {
		return nil, err
	}
	if err = p.set.WaitCaughtUp(ctx); err != nil {
		return nil, err
	}
	done, sum, err := p.run(ctx, state, "--for", "10ms", "--settle-for", "10m")
	if err != nil {
		return nil, err
	}
	if want := 2 * (rows + changed); sum.Verdict != "clean" || sum.read() < float64(want) {
		return nil, fmt.Errorf("crosscheck watch read %.0f of %d row changes: %s, %s", sum.read(), want, sum.Verdict, sum.Reason)
	}
	n := sum.read()
	say(fmt.Sprintf("  watch: %.0f row changes in %s, CPU %s", n, done.Wall.Round(time.Millisecond), done.CPU.Round(time.Millisecond)))
	return []series{
		single(watchCPU, done.CPU.Seconds()/n*1e6), single(watchRate, n/done.CPU.Seconds()), single(watchWall, n/done.Wall.Seconds()),
	}, nil
}

// update changes all rows, some of them per transaction, and returns how many.
func (p *watchPair) update(ctx context.Context, spec fixtures.TableSpec, rows, per int64) (changed int64, err error) {
	for from := int64(0); from < 2*rows; from += per { // the keys have gaps
		res, err := p.set.Old.DB().ExecContext(ctx, "UPDATE "+spec.Quoted()+" SET quantity = quantity + 1 WHERE id > ? AND id <= ?", from, from+per)
		if err != nil {
			return changed, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}

// underLoad writes on old as fast as it goes while a watch follows.
func (p *watchPair) underLoad(ctx context.Context, say func(string)) (series, error) {
	db, err := p.set.Old.Open(fixtures.App, database)
	if err != nil {
		return series{}, err
	}
	defer db.Close()
	load, err := fixtures.Load{Tables: []fixtures.TableSpec{{Kind: fixtures.Orders, Database: database, Table: "orders"}}, Seed: 7}.Start(ctx, db)
	if err != nil {
		return series{}, err
	}
	_, sum, err := p.run(ctx, p.state(), "--for", "15s", "--settle-for", "2ms")
	stats := load.Stop()
	if err != nil {
		return series{}, err
	}
	lag := max(sum.Old.LagSeconds, sum.New.LagSeconds)
	say(fmt.Sprintf("  watch: %.2f s behind a load of %.0f statements a second", lag, float64(stats.Statements)/stats.Elapsed.Seconds()))
	return single(watchLag, lag), nil
}

// window stops new's applier, writes a million row changes on old, and lets a watch hold them all.
func (p *watchPair) window(ctx context.Context, say func(string)) (series, error) {
	if err := p.set.WaitCaughtUp(ctx); err != nil {
		return series{}, err
	}
	state := p.state()
	if _, _, err := p.run(ctx, state, "--for", "3s"); err != nil { // begins the account here
		return series{}, err
	}
	if err := p.set.StopReplication(ctx, fixtures.New); err != nil {
		return series{}, err
	}
	big := fixtures.TableSpec{Kind: fixtures.Orders, Database: database, Table: "big"}
	rows := p.o.rows / 4
	changed := int64(0)
	for changed < 1_000_000 {
		n, err := p.update(ctx, big, rows, 20)
		if err != nil {
			return series{}, err
		}
		changed += n
	}
	done, sum, err := p.run(ctx, state, "--for", "1s", "--settle-for", "45s")
	if err != nil {
		return series{}, err
	}
	say(fmt.Sprintf("  watch: %d row changes wait, peak memory %d MiB", sum.Waiting, done.MaxRSS>>20))
	if int64(sum.Waiting) < 1_000_000 {
		return series{}, fmt.Errorf("the window holds %d row changes instead of a million: %s", sum.Waiting, sum.Reason)
	}
	_ = os.RemoveAll(state)
	return single(watchRSS, float64(done.MaxRSS)/(1<<20)), p.set.StartReplication(ctx, fixtures.New)
}

func single(name string, v float64) series {
	return series{Name: name, Min: v, Median: v, Max: v, Values: []float64{v}}
}
