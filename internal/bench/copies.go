package main

import (
	"context"
	"errors"
	"fmt"

	"crosscheck/fixtures"
)

// Names of the measures of a check of new and its replicas, beside one of old and new alone on the same servers. All but
// the memory is processor time or bytes: what else the machine does changes these less than wall time.
const (
	plainOldCPU   = "plain_old_cpu_seconds"
	plainNewCPU   = "plain_new_cpu_seconds"
	plainSent     = "plain_old_sent_mib"
	plainOwnCPU   = "plain_own_cpu_seconds"
	copiesOldCPU  = "copies_old_cpu_seconds"
	copiesSent    = "copies_old_sent_mib"
	copiesOwnCPU  = "copies_own_cpu_seconds"
	copiesFurther = "copies_own_cpu_seconds_per_further_copy"
	copiesRSS     = "copies_peak_rss_mib"
)

// furtherCopies are new's replicas.
const furtherCopies = 2

// copiesMaxRSS is the goal in MiB: that of a pair, and a share for each further copy.
const copiesMaxRSS = 64 + 16*furtherCopies

// copiesNodeCPU names the processor time of a copy's server.
func copiesNodeCPU(node fixtures.Side) string { return fmt.Sprintf("copies_%s_cpu_seconds", node) }

// comparedCopies are the places of all copies.
func comparedCopies() []fixtures.Side {
	out := []fixtures.Side{fixtures.New}
	for n := range furtherCopies {
		out = append(out, fixtures.Replica(fixtures.New, n+1))
	}
	return out
}

// benchCopies measures a check of new and its replicas against one of old and new alone.
func benchCopies(ctx context.Context, o options, family fixtures.Family, work string, say func(string)) (out []series, version string, err error) {
	spec := fixtures.Spec{Topology: fixtures.Clusters, NewReplicas: make([]fixtures.ReplicaSpec, furtherCopies)}
	p, err := startServers(ctx, o, family, work, say, spec)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.set.WaitCaughtUp(ctx); err != nil { // the replicas have found their restarted sources again
		return nil, "", err
	}
	var further []string
	for _, node := range comparedCopies()[1:] {
		further = append(further, "--new-replica", "@"+string(node))
	}
	plain := &contender{name: "check of a pair", run: func(ctx context.Context) (usage, error) {
		return p.check(ctx, p.table, o.rows)
	}}
	copies := &contender{name: "check of all copies", run: func(ctx context.Context) (usage, error) {
		return p.check(ctx, p.table, o.rows, further...)
	}}
	if err := takeTurns(ctx, []*contender{plain, copies}, o.reps, say); err != nil {
		return nil, "", err
	}
	return copiesMeasures(plain.took, copies.took), p.set.Old.Version(), nil
}

// copiesMeasures turns what was seen into series.
func copiesMeasures(plain, copies []usage) []series {
	mib := func(u usage) float64 { return float64(u.maxRSS) / (1 << 20) }
	sent := func(u usage) float64 { return float64(u.oldSent) / (1 << 20) }
	own := func(u usage) float64 { return u.clientCPU.Seconds() }
	node := func(side fixtures.Side) func(usage) float64 {
		return func(u usage) float64 { return u.nodeCPU[side].Seconds() }
	}
	out := []series{
		newSeries(plainOldCPU, plain, node(fixtures.Old)),
		newSeries(copiesOldCPU, copies, node(fixtures.Old)),
		newSeries(plainSent, plain, sent),
		newSeries(copiesSent, copies, sent),
		newSeries(plainNewCPU, plain, node(fixtures.New)),
	}
	for _, side := range comparedCopies() {
		out = append(out, newSeries(copiesNodeCPU(side), copies, node(side)))
	}
	turn := 0
	perCopy := func(u usage) float64 { // against the pair's run of the same turn
		turn++
		return (own(u) - own(plain[turn-1])) / furtherCopies
	}
	return append(out,
		newSeries(plainOwnCPU, plain, own),
		newSeries(copiesOwnCPU, copies, own),
		newSeries(copiesFurther, copies, perCopy),
		newSeries(copiesRSS, copies, mib),
	)
}
