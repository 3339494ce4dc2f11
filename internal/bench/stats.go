package main

import (
	"fmt"
	"slices"

	"crosscheck/fixtures"
)

// series is one quantity as measured in each repetition, in order.
type series struct {
	Name   string    `json:"name"`
	Min    float64   `json:"min"`
	Median float64   `json:"median"`
	Max    float64   `json:"max"`
	Values []float64 `json:"values"`
}

func newSeries(name string, of []usage, get func(usage) float64) series {
	s := series{Name: name}
	for _, u := range of {
		s.Values = append(s.Values, get(u))
	}
	if len(s.Values) == 0 {
		return s
	}
	s.Min, s.Median, s.Max = slices.Min(s.Values), median(s.Values), slices.Max(s.Values)
	return s
}

// median is the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// goal is a figure with its limit: a ratio of two medians, or a value where no comparison is meant.
type goal struct {
	Name  string  `json:"name"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // "" for a ratio
	Limit float64 `json:"limit"`
	Met   bool    `json:"met"`
}

// goals judges a family's measures. A figure without a limit on this family has the limit 0 and is not judged.
func goals(family fixtures.Family, r familyReport) []goal {
	// MariaDB's CHECKSUM TABLE does not even write its sums down a wire and is quicker than its own SELECT; what counts
	// there is pt-table-checksum.
	wall, cpu := 1.5, 1.3
	if family != fixtures.MySQL {
		wall, cpu = 3, 0
	}
	var out []goal
	ratio := func(name, what, of, to string, limit float64) {
		a, b := r.measure(of), r.measure(to)
		if len(a.Values) > 0 && len(b.Values) > 0 && b.Median > 0 {
			out = append(out, judge(goal{Name: name, What: what, Value: a.Median / b.Median, Limit: limit}))
		}
	}
	// The worst run counts where a promise is about every run.
	worst := func(name, what, of, unit string, limit float64) {
		if s := r.measure(of); len(s.Values) > 0 {
			out = append(out, judge(goal{Name: name, What: what, Value: s.Max, Unit: unit, Limit: limit}))
		}
	}
	ratio("wall_vs_checksum_table", "wall: check / both CHECKSUM TABLE at once", checkWall, checksumWall, wall)
	ratio("wall_vs_pt", "wall: check / pt-table-checksum", checkWall, ptWall, 0.5)
	ratio("cpu_vs_checksum_table", "servers' CPU: check / CHECKSUM TABLE", checkCPU, checksumCPU, cpu)
	ratio("cpu_vs_pt", "servers' CPU: check / pt-table-checksum", checkCPU, ptCPU, 0)
	worst("peak_rss", "peak memory of crosscheck", checkRSS, "MiB", 64)
	worst("peak_rss_second", "peak memory, second table", secondRSS, "MiB", 64)
	ratio("rss_growth", "peak memory: table / second table", checkRSS, secondRSS, 0)
	worst("first_chunk", "time to the first compared chunk", firstChunk, "s", 1)
	ratio("copies_old_cpu", "copies: old's CPU, three copies / a pair", copiesOldCPU, plainOldCPU, 1.1)
	ratio("copies_old_sent", "copies: bytes old sends, three / a pair", copiesSent, plainSent, 1.1)
	for _, node := range comparedCopies() {
		ratio("copies_cpu_"+string(node), fmt.Sprintf("copies: CPU of %s / new's in a pair", node), copiesNodeCPU(node), plainNewCPU, 1.1)
	}
	ratio("copies_own_cpu", "copies: own CPU, further copy / a pair", copiesFurther, plainOwnCPU, 0.45)
	worst("copies_rss", "copies: peak memory of crosscheck", copiesRSS, "MiB", copiesMaxRSS)
	worst("watch_cpu", "watch: own CPU per million row changes", watchCPU, "s", maxCPUPerMillion)
	worst("watch_lag", "watch: behind a load at full speed", watchLag, "s", 1)
	worst("watch_rss", "watch: peak memory, a million changes wait", watchRSS, "MiB", 256)
	return out
}

func judge(g goal) goal {
	g.Met = g.Limit == 0 || g.Value <= g.Limit
	return g
}
