package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crosscheck/fixtures"
)

// contender is one of the things that are run in turns.
type contender struct {
	name string
	run  func(context.Context) (usage, error)
	took []usage
}

// benchFamily starts servers of a family, measures, and takes them down.
func benchFamily(ctx context.Context, o options, family fixtures.Family, work string, say func(string)) (r familyReport, err error) {
	r = familyReport{Family: string(family), Rows: o.rows, SecondRows: o.secondRows}
	if o.measures(onlyCheck) {
		if r, err = benchCheck(ctx, o, family, work, say); err != nil {
			return r, err
		}
	}
	if o.measures(onlyCopies) {
		copies, version, err := benchCopies(ctx, o, family, work, say)
		if err != nil {
			return r, fmt.Errorf("copies: %w", err)
		}
		r.Version, r.Measures = version, append(r.Measures, copies...)
	}
	if o.measures(onlyWatch) {
		watch, err := benchWatch(ctx, o, family, work, say)
		if err != nil {
			return r, fmt.Errorf("watch: %w", err)
		}
		r.Measures = append(r.Measures, watch...)
	}
	r.Goals = goals(family, r)
	return r, nil
}

// benchCheck measures check against its peers.
func benchCheck(ctx context.Context, o options, family fixtures.Family, work string, say func(string)) (r familyReport, err error) {
	p, err := startPair(ctx, o, family, work, say)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	var missing *fixtures.UnavailableError
	if err := p.preparePT(ctx); errors.As(err, &missing) {
		say(err.Error())
	} else if err != nil {
		return r, err
	}

	check := &contender{name: "check", run: func(ctx context.Context) (usage, error) { return p.check(ctx, p.table, o.rows) }}
	tables := &contender{name: "CHECKSUM TABLE", run: p.checksumTables}
	second := &contender{name: "check of the second table", run: func(ctx context.Context) (usage, error) { return p.check(ctx, p.small, o.secondRows) }}
	turns := []*contender{check, tables}
	pt := &contender{name: "pt-table-checksum", run: p.ptChecksum}
	if p.pt != nil {
		turns = append(turns, pt)
	}
	turns = append(turns, second)
	if err := takeTurns(ctx, turns, o.reps, say); err != nil {
		return r, err
	}

	r = familyReport{
		Family: string(family), Version: p.set.Old.Version(), Rows: o.rows, SecondRows: o.secondRows,
		Measures: measures(check.took, tables.took, pt.took, second.took),
	}
	return r, nil
}

// takeTurns runs each contender once to warm caches up, and then all of them in turns, so that whatever else the
// machine does meets all of them alike.
func takeTurns(ctx context.Context, turns []*contender, reps int, say func(string)) error {
	for rep := range reps + 1 {
		for _, c := range turns {
			u, err := c.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if rep == 0 {
				continue
			}
			say(fmt.Sprintf("  %d/%d %s: %s", rep, reps, c.name, u.wall.Round(time.Millisecond)))
			c.took = append(c.took, u)
		}
	}
	return nil
}

// Names of the measures, which are stable: they are fields of the JSON.
const (
	checkWall      = "check_wall_seconds"
	checksumWall   = "checksum_table_wall_seconds"
	ptWall         = "pt_wall_seconds"
	checkCPU       = "check_servers_cpu_seconds"
	checksumCPU    = "checksum_table_servers_cpu_seconds"
	ptCPU          = "pt_servers_cpu_seconds"
	checkClientCPU = "check_own_cpu_seconds"
	checkRSS       = "check_peak_rss_mib"
	secondRSS      = "second_check_peak_rss_mib"
	firstChunk     = "first_chunk_seconds"
)

// measures turns what was seen into series.
func measures(check, tables, pt, second []usage) []series {
	seconds := func(name string, of []usage, get func(usage) time.Duration) series {
		return newSeries(name, of, func(u usage) float64 { return get(u).Seconds() })
	}
	mib := func(u usage) float64 { return float64(u.maxRSS) / (1 << 20) }
	wall := func(u usage) time.Duration { return u.wall }
	servers := func(u usage) time.Duration { return u.serverCPU }
	all := []series{
		seconds(checkWall, check, wall),
		seconds(checksumWall, tables, wall),
		seconds(ptWall, pt, wall),
		seconds(checkCPU, check, servers),
		seconds(checksumCPU, tables, servers),
		seconds(ptCPU, pt, servers),
		seconds(checkClientCPU, check, func(u usage) time.Duration { return u.clientCPU }),
		newSeries(checkRSS, check, mib),
		newSeries(secondRSS, second, mib),
		seconds(firstChunk, check, func(u usage) time.Duration { return u.firstChunk }),
	}
	var out []series
	for _, s := range all {
		if len(s.Values) > 0 {
			out = append(out, s)
		}
	}
	return out
}
