package checksum

import (
	"slices"

	"crosscheck/checksum/plan"
	"crosscheck/chunker"
)

// laneGroup are copies of one table that share the reading of the reference, each with the ranges that it still needs.
type laneGroup struct {
	tables []*tableRun
	gaps   [][]chunker.Range
}

// laneGroups puts those together for which the reference is asked the same.
type laneGroups struct {
	list []*laneGroup
	by   map[string]*laneGroup
}

func newLaneGroups() *laneGroups { return &laneGroups{by: map[string]*laneGroup{}} }

func (g *laneGroups) add(t *tableRun, gaps []chunker.Range) {
	group := g.by[t.plan.Reading()]
	if group == nil || t.plan.Method != plan.KeyChunks {
		group = &laneGroup{}
		g.list = append(g.list, group)
		if t.plan.Method == plan.KeyChunks {
			g.by[t.plan.Reading()] = group
		}
	}
	group.tables, group.gaps = append(group.tables, t), append(group.gaps, gaps)
}

// lanes cuts a group's ranges into lanes, each for those copies that need the whole of it.
func (p *pass) lanes(g *laneGroup) []*lane {
	bounds, alike := g.bounds()
	if alike {
		var lanes []*lane
		for _, r := range g.gaps[0] {
			lanes = append(lanes, newLane(g.tables, r))
		}
		return lanes
	}
	s := p.session()
	defer s.Close()
	sorted, err := s.SortBounds(p.ctx, g.tables[0].plan, bounds)
	if err != nil {
		p.failed(g.tables, err)
		return nil
	}
	return g.sweep(sorted)
}

// bounds are all bounds of the group's ranges; alike tells that all copies need the same ranges.
func (g *laneGroup) bounds() (bounds []chunker.Bound, alike bool) {
	alike = true
	seen := map[string]bool{}
	for _, gaps := range g.gaps {
		alike = alike && slices.EqualFunc(gaps, g.gaps[0], func(a, b chunker.Range) bool {
			return string(a.Lo.Encode()) == string(b.Lo.Encode()) && string(a.Hi.Encode()) == string(b.Hi.Encode())
		})
		for _, r := range gaps {
			for _, b := range []chunker.Bound{r.Lo, r.Hi} {
				if b != nil && !seen[string(b.Encode())] {
					seen[string(b.Encode())] = true
					bounds = append(bounds, b)
				}
			}
		}
	}
	return bounds, alike
}

// sweep goes over the sorted bounds and makes a lane wherever the set of copies that need a range changes.
func (g *laneGroup) sweep(sorted []chunker.Bound) []*lane {
	place := map[string]int{}
	for i, b := range sorted {
		place[string(b.Encode())] = i + 1
	}
	// Interval i lies between bounds i-1 and i of sorted; the first begins and the last ends nowhere.
	needs := make([][]bool, len(sorted)+1)
	for i := range needs {
		needs[i] = make([]bool, len(g.tables))
	}
	for k, gaps := range g.gaps {
		for _, r := range gaps {
			from, to := 0, len(sorted)
			if r.Lo != nil {
				from = place[string(r.Lo.Encode())]
			}
			if r.Hi != nil {
				to = place[string(r.Hi.Encode())] - 1
			}
			for i := from; i <= to; i++ {
				needs[i][k] = true
			}
		}
	}
	var lanes []*lane
	for i := 0; i < len(needs); {
		end := i + 1
		for end < len(needs) && slices.Equal(needs[end], needs[i]) {
			end++
		}
		var r chunker.Range
		if i > 0 {
			r.Lo = sorted[i-1]
		}
		if end < len(needs) {
			r.Hi = sorted[end-1]
		}
		var who []*tableRun
		for k, need := range needs[i] {
			if need {
				who = append(who, g.tables[k])
			}
		}
		if len(who) > 0 {
			lanes = append(lanes, newLane(who, r))
		}
		i = end
	}
	return lanes
}
