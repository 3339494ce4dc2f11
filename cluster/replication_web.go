package cluster

import (
	"context"
	"fmt"
	"slices"
)

// Way is how changes get from one server to another, link by link.
type Way []*Link

// Web is who of several servers replicates from whom.
type Web struct {
	nodes []reader
	ids   []identity
	links [][]*Link // links[a][b] leads from a to b, nil where b has no channel from a
	open  []bool    // it has a channel from none of the servers: what comes by it enters there
}

// NewWeb asks all servers. A server that is named twice counts once.
func NewWeb(ctx context.Context, servers []*Server) (*Web, error) {
	w := &Web{}
	for _, s := range servers {
		if w.index(s) >= 0 {
			continue
		}
		id, err := reader{s}.identity(ctx)
		if err != nil {
			return nil, err
		}
		w.nodes, w.ids = append(w.nodes, reader{s}), append(w.ids, id)
	}
	w.links, w.open = make([][]*Link, len(w.nodes)), make([]bool, len(w.nodes))
	for a := range w.nodes {
		w.links[a] = make([]*Link, len(w.nodes))
	}
	for b := range w.nodes {
		known := map[string]bool{}
		for a := range w.nodes {
			if a == b {
				continue
			}
			if l, _ := direct(ctx, w.nodes[a], w.nodes[b], w.ids[a], w.ids[b]); l != nil {
				w.links[a][b] = l
				known[l.channel] = true
			} else if l, _ := inGroup(w.nodes[a], w.nodes[b], w.ids[a], w.ids[b]); l != nil {
				w.links[a][b] = l
			} else if l, _ := inGalera(w.nodes[a], w.nodes[b], w.ids[a], w.ids[b], entered(w.ids[a].galeraUUID, w.ids...)); l != nil {
				w.links[a][b] = l
			}
		}
		// By a group changes enter where a member that takes writes is none of the servers.
		known[groupApplier] = !slices.ContainsFunc(w.ids[b].view.otherPrimaries(), func(uuid string) bool {
			return !slices.ContainsFunc(w.ids, func(id identity) bool { return id.uuid == uuid })
		})
		w.open[b] = slices.ContainsFunc(w.ids[b].channels, func(c ReplicaChannel) bool { return !known[c.Name] })
	}
	return w, nil
}

func (w *Web) index(s *Server) int {
	return slices.IndexFunc(w.nodes, func(r reader) bool { return r.Server == s })
}

// Relate is the function Relate for two of the servers, which may have others between or above them. Where the servers'
// channels do not tell all of it, it is Relate itself.
func (w *Web) Relate(ctx context.Context, oldSide, newSide *Server) (Relation, error) {
	o, n := w.index(oldSide), w.index(newSide)
	if w.ids[o].unique == w.ids[n].unique {
		return Relation{}, fmt.Errorf("%w (%s): %s and %s", ErrSameServer, w.ids[o].unique, oldSide.Label(), newSide.Label())
	}
	rel := Relation{}
	writers := w.writersOf(o, n)
	for _, x := range writers {
		toOld, toNew := w.way(x, o, -1), w.way(x, n, -1)
		if x != o && toOld == nil || x != n && toNew == nil {
			return Relate(ctx, oldSide, newSide)
		}
		if x != o {
			rel.ToOld = append(rel.ToOld, toOld)
		}
		if x != n {
			rel.ToNew = append(rel.ToNew, toNew)
		}
	}
	switch {
	case w.stands(o, n, writers):
		rel.Mode, rel.ToOld, rel.ToNew = OneWay, nil, []Way{w.way(o, n, -1)}
	case w.stands(n, o, writers):
		rel.Mode, rel.ToOld, rel.ToNew = Reverse, []Way{w.way(n, o, -1)}, nil
	case len(writers) == 1:
		rel.Mode = Siblings
	default:
		rel.Mode = TwoWay
	}
	rel.OldToNew, rel.NewToOld = w.links[o][n], w.links[n][o]
	rel.Notes = append(notes(oldSide.Label(), w.ids[o]), notes(newSide.Label(), w.ids[n])...)
	for _, way := range slices.Concat(rel.ToNew, rel.ToOld) {
		for _, l := range way {
			rel.Reason += fmt.Sprintf("%s replicates from %s, proof by %s; ", l.To(), l.From(), l.proof)
			for _, note := range l.notes {
				if !slices.Contains(rel.Notes, note) {
					rel.Notes = append(rel.Notes, note)
				}
			}
		}
	}
	return rel, nil
}

// writersOf are the servers at which changes enter that get to o or n: those without a source among the servers, those
// with a channel from elsewhere, and those of a circle.
func (w *Web) writersOf(o, n int) []int {
	var out []int
	for x := range w.nodes {
		root := !slices.ContainsFunc(w.links, func(from []*Link) bool { return from[x] != nil })
		if !root && !w.open[x] && w.way(x, x, -1) == nil {
			continue
		}
		if x == o || x == n || w.way(x, o, -1) != nil || w.way(x, n, -1) != nil {
			out = append(out, x)
		}
	}
	return out
}

// stands tells whether all changes get to b through a.
func (w *Web) stands(a, b int, writers []int) bool {
	for _, x := range writers {
		if x == b || x != a && w.way(x, b, a) != nil {
			return false
		}
	}
	return w.way(a, b, -1) != nil
}

// way is the shortest way from a to b that does not lead through without, nil if there is none.
func (w *Web) way(a, b, without int) Way {
	came := map[int]Way{}
	for queue := []int{a}; len(queue) > 0; queue = queue[1:] {
		x := queue[0]
		for y, l := range w.links[x] {
			if l == nil || came[y] != nil || y == without {
				continue
			}
			came[y] = append(slices.Clone(came[x]), l)
			if y == b {
				return came[y]
			}
			queue = append(queue, y)
		}
	}
	return nil
}
