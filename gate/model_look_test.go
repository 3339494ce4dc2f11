package gate_test

import (
	"cmp"
	"slices"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// What a look at servers finds of a world, by what was recorded before: the rules of package measure, which needs real servers.

// newest is the newest recorded content of a type.
func newest[T gate.Content](w *world) (T, gate.Evidence, bool) {
	for _, e := range slices.Backward(w.list) {
		if c, ok := e.Content.(T); ok {
			return c, e, true
		}
	}
	var none T
	return none, gate.Evidence{}, false
}

// look measures what a command measures for one gate, or for all if it is "", and judges.
func (w *world) look(name, by string) gate.Status {
	said := w.now
	w.derive()
	_, seen, _ := newest[gate.Preflight](w)
	var kinds []gate.Kind
	for _, g := range gate.Looks(w.p, cmp.Or(name, last(w.p)), w.wasOpen) {
		for _, k := range w.needs(g) {
			young := w.now.Sub(seen.Taken) < w.p.Ages.Preflight
			if k == gate.KindPreflight && young && g != name || slices.Contains(kinds, k) {
				continue
			}
			kinds = append(kinds, k)
		}
	}
	for i, k := range kinds {
		if w.stage.do != nil && i == w.stage.at%len(kinds) {
			w.stage.do()
			w.stage.do = nil
		}
		w.pass(100 * time.Millisecond)
		if k == w.fails {
			w.add(w.made(w.now, gate.Unmeasured{Of: k, Why: "it was cut off"}))
			continue
		}
		word := ""
		if slices.Contains(w.needs(name), k) || k == gate.KindReadOnly {
			word = by
		}
		if c := w.take(k, word, said); c != nil {
			e := w.made(w.now, c)
			if e.Positions, e.Reset = w.positions(), w.reset(); k == gate.KindRestoredCopy {
				_, check, _ := newest[gate.Check](w)
				e.Taken, e.From, e.Positions, e.Reset = check.Taken, check.From, check.Positions, nil
			}
			w.add(e)
		}
	}
	w.fails = ""
	w.derive()
	w.now = w.now.Add(time.Millisecond)
	s := w.book.Judge(w.p, w.now)
	if by != "" && name == plan.GateSignedOff && openBefore(s, name) {
		w.add(w.made(w.now, gate.SignOff{By: by}))
		s = w.book.Judge(w.p, w.now)
	}
	for _, r := range s.Gates {
		if name != r.Gate && (name != "" && !r.State.Open() || !w.news(r)) {
			continue
		}
		w.add(w.made(w.now, gate.Decision{Gate: r.Gate, State: r.State, Rested: r.Rested}))
	}
	return s
}

func last(p plan.Plan) string {
	list := p.Path.Gates()
	return list[len(list)-1]
}

func openBefore(s gate.Status, name string) bool {
	for _, r := range s.Gates {
		if r.Gate == name {
			break
		}
		if !r.State.Open() {
			return false
		}
	}
	return true
}

func (w *world) wasOpen(name string) bool {
	return slices.ContainsFunc(w.list, func(e gate.Evidence) bool {
		d, ok := e.Content.(gate.Decision)
		return ok && d.Gate == name && d.State.Open()
	})
}

// news tells whether a decision is recorded again.
func (w *world) news(r gate.Result) bool {
	for _, e := range slices.Backward(w.list) {
		if d, ok := e.Content.(gate.Decision); ok && d.Gate == r.Gate {
			return d.State != r.State || w.now.Sub(e.Taken) > time.Minute
		}
	}
	return true
}

func (w *world) positions() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"old", "new", "converter"} {
		if n := w.nodes[name]; n != nil {
			out[name] = n.log.String()
		}
	}
	return out
}

func (w *world) reset() (out []string) {
	for _, name := range []string{"old", "converter", "new"} {
		for _, e := range slices.Backward(w.list) {
			if was, ok := parsePlace(e.Positions[name]); ok {
				if n := w.nodes[name]; n != nil && n.log.shrank(was) {
					out = append(out, name)
				}
				break
			}
		}
	}
	return out
}

func (w *world) take(k gate.Kind, by string, said time.Time) gate.Content {
	switch k {
	case gate.KindSync:
		var s gate.Sync
		for _, x := range w.ways {
			if x.to != replica {
				l := w.link(x)
				l.Quiet = w.quiet(x, l)
				s.Links = append(s.Links, l)
			}
		}
		return s
	case gate.KindReadOnly:
		c := w.readOnly()
		w.whose(by != "" || w.saidInWindow())
		return c
	case gate.KindReadsSwitch, gate.KindWritesSwitch:
		return w.switched(k, by, said)
	case gate.KindDrained:
		return w.drained()
	case gate.KindNodes:
		return w.replicaNodes()
	case gate.KindSteps, gate.KindStepRestored:
		return w.dual.step(w.p, k, w.now)
	case gate.KindSchema:
		c := gate.Schema{Tables: 2, Complete: true}
		if w.toggles.worse {
			c.Differences = []gate.Finding{{ID: "column_extra", Severity: "fatal", Side: "new", Fix: "ALTER TABLE shop.a DROP COLUMN x"}}
		}
		return c
	case gate.KindConfig:
		c := gate.Config{Variables: 50, Complete: true}
		if w.toggles.config {
			c.Differences = []gate.Finding{{ID: "config_sql_mode", Severity: "warning", Side: "new", Fix: "SET PERSIST sql_mode = ''"}}
		}
		return c
	case gate.KindHealth:
		w.toggles.healthy = cmpTime(w.toggles.healthy, w.now)
		return gate.Health{Since: w.toggles.healthy, Metrics: []gate.Metric{{Name: "errors", Measured: true, Bad: w.toggles.sick}}}
	case gate.KindGTID:
		c, _ := gate.Good(w.p, k, w.now).(gate.GTID)
		for i := range c.Nodes {
			if w.toggles.gtidOff && c.Nodes[i].Name == "new" {
				c.Nodes[i].Mode, c.Nodes[i].Ladder = "ON_PERMISSIVE", gate.LadderPersist
			}
		}
		return c
	case gate.KindConverter:
		c, _ := gate.Good(w.p, k, w.now).(gate.Converter)
		c.Nodes[1].Assigns = w.toggles.second
		return c
	case gate.KindRestoredCopy:
		c, _, ok := newest[gate.Check](w)
		if !ok {
			return nil
		}
		return gate.RestoredCopy{Copy: gate.UUIDNew, Version: "9", Verdict: c.Verdict, Reason: c.Reason, Coverage: c.Coverage}
	case gate.KindPreflight:
		c, _ := gate.Good(w.p, k, w.now).(gate.Preflight)
		c.Tables = tables[:2]
		return c
	default: // they do not come from servers
		return nil
	}
}

func cmpTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// link is one way of replication as it is seen: since its threads began, and before that as far as earlier evidence of the same
// threads goes.
func (w *world) link(x *way) gate.Link {
	l := gate.Link{From: x.from, To: x.to, Running: x.running, LagKnown: x.running, Logs: true, Words: gate.WordsReplica}
	if !x.running {
		l.Error = "1062"
		return l
	}
	l.Threads = &gate.Threads{Receiver: x.receiver, Applier: x.applier, Started: w.nodes[x.to].started}
	floor := x.began.Add(time.Second) // ages are whole seconds
	if floor.After(w.now) || x.applier != x.receiver+1 && !w.client {
		floor = w.now
	}
	since := floor
	for _, s := range w.sights() {
		i := slices.IndexFunc(s.links, func(l gate.Link) bool { return l.From == x.from && l.To == x.to })
		if i < 0 {
			continue
		}
		seen := s.links[i]
		same := sameThreads(seen.Threads, l.Threads)
		switch {
		case !same && s.at.Before(floor):
		case !seen.Running || seen.Error != "":
			floor, since = s.at, s.at
		case !seen.Since.IsZero() && seen.Since.Before(since):
			since = seen.Since
		}
	}
	l.Since = since
	return l
}

// quiet is from when on a way brought nothing but by one unbroken run, where its threads are not those of the look before.
func (w *world) quiet(x *way, now gate.Link) time.Time {
	c, e, ok := newest[gate.Sync](w)
	i := slices.IndexFunc(c.Links, func(l gate.Link) bool { return l.From == x.from && l.To == x.to })
	if !ok || i < 0 {
		return time.Time{}
	}
	was := c.Links[i]
	if now.Running && was.Running && sameThreads(was.Threads, now.Threads) {
		return was.Quiet
	}
	from, _ := parsePlace(e.Positions[x.to])
	came, known := w.nodes[x.to].cameSince(from)
	switch {
	case !known:
		return time.Time{}
	case came:
		return w.now
	case !was.Quiet.IsZero():
		return was.Quiet
	case !was.Since.IsZero():
		return was.Since
	}
	return e.Taken
}

func sameThreads(a, b *gate.Threads) bool {
	return a != nil && b != nil && a.Receiver == b.Receiver && a.Applier == b.Applier && a.Started.Sub(b.Started).Abs() <= 5*time.Second
}

type sight struct {
	at    time.Time
	links []gate.Link
}

func (w *world) sights() (out []sight) {
	for _, e := range w.list {
		switch c := e.Content.(type) {
		case gate.Sync:
			out = append(out, sight{e.Taken, c.Links})
		case gate.Check:
			out = append(out, sight{e.From, c.Links})
		case gate.Nodes:
			for _, n := range c.Nodes {
				if n.Link != nil {
					out = append(out, sight{e.Taken, []gate.Link{*n.Link}})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b sight) int { return a.at.Compare(b.at) })
	return out
}

func (w *world) replicaNodes() gate.Content {
	n := gate.ClusterNode{Name: replica, Side: "new", UUID: gate.UUIDRep, Planned: true, Reachable: true}
	l := w.link(w.way(replica))
	if w.replicas.late {
		l.Lag = time.Hour
	}
	if n.Link = &l; w.replicas.filtered {
		n.Filters = []string{"Replicate_Ignore_Table=shop.a"}
	}
	if w.replicas.errant {
		n.Errant = gate.UUIDRep + ":1"
	}
	if w.replicas.gone {
		n = gate.ClusterNode{Name: replica, Side: "new", UUID: gate.UUIDRep, Planned: true, Trouble: "it does not answer"}
	}
	if w.p.Rolling != nil {
		n.Name, n.Version, n.ReadersSeen = "old-1", releaseOf(w.rolling.upgraded), true
		if w.rolling.readers {
			n.Readers = 2
		}
	}
	out := gate.Nodes{Nodes: []gate.ClusterNode{n}}
	if w.p.Rolling != nil {
		out.OldVersion, out.NewVersion = releaseOf(w.rolling.oldUpgraded), releaseOf(true)
	}
	if w.replicas.unplanned {
		out.Nodes = append(out.Nodes, gate.ClusterNode{Name: "10.0.0.9:3306", Side: "new", Reachable: true})
	}
	return out
}
