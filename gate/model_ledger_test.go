package gate_test

import (
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/gate/record"
)

// What stored checks and watches find of a world. What they prove, package record says.

func (w *world) begin(copied, uuid string, include []string) *record.Run {
	r := &record.Run{
		ID: int64(len(w.runs)+len(w.copies[replica])) + 1, Began: w.now, Attempt: w.now,
		Old: checksum.EndpointInfo{ServerUUID: gate.UUIDOld, Position: w.nodes["old"].log.String()},
		New: checksum.EndpointInfo{ServerUUID: uuid, Position: w.nodes[copied].log.String()}, Scope: &record.Scope{Include: include},
	}
	for _, x := range w.ways {
		if x.to != replica {
			r.Links = append(r.Links, w.link(x))
		}
	}
	return r
}

// copied are new and its replica, each with its newest run.
func (w *world) copied() map[string]*record.Run {
	out := map[string]*record.Run{"new": w.runs[len(w.runs)-1]}
	if list := w.copies[replica]; len(list) > 0 && w.nodes[replica] != nil {
		out[replica] = list[len(list)-1]
	}
	return out
}

// check compares all copies, as far as a number of tables; then it ends as it is told.
func (w *world) check(include []string, some int, end string) {
	w.runs = append(w.runs, w.begin("new", gate.UUIDNew, include))
	if w.nodes[replica] != nil {
		w.copies[replica] = append(w.copies[replica], w.begin(replica, gate.UUIDRep, include))
	}
	w.goOn(some, end)
}

// goOn compares what the newest check did not come to yet, and what differed.
func (w *world) goOn(some int, end string) {
	for _, t := range tables {
		for _, copied := range []string{"new", replica} {
			r := w.copied()[copied]
			if r == nil || !chosen(r.Scope.Include, t) || some == 0 {
				continue
			}
			w.pass(300 * time.Millisecond)
			w.compare(copied, r, t)
		}
		some--
	}
	for _, r := range w.copied() {
		finish(r, end, w.now)
	}
}

func chosen(include []string, table string) bool {
	return len(include) == 0 || slices.Contains(include, table) || include[0] == "shop.*" && table != tables[2]
}

func (w *world) compare(copied string, r *record.Run, t string) {
	i := slices.IndexFunc(r.Tables, func(x checksum.TableResult) bool { return x.Table == t })
	if i >= 0 && r.Tables[i].Verdict == checksum.Same {
		return // it was proven before
	}
	if i < 0 {
		i, r.Tables = len(r.Tables), append(r.Tables, checksum.TableResult{Table: t})
	}
	r.Differs = slices.DeleteFunc(r.Differs, func(d record.Differing) bool { return d.Table == t })
	if r.Tables[i].Verdict = checksum.Same; w.differ(copied, t) {
		r.Tables[i].Verdict, r.Tables[i].Counts.Missing = checksum.Different, 1
		r.Differs = append(r.Differs, record.Differing{Table: t, At: w.now})
		w.found[copied].add(t, "found")
	}
}

func finish(r *record.Run, end string, now time.Time) {
	r.Verdict = checksum.Same
	if len(r.Differs) > 0 {
		r.Verdict = checksum.Different
	}
	switch end {
	case "whole":
		r.Finished, r.Interrupted = now, false
	case "interrupted":
		r.Finished, r.Interrupted = now, true
	}
}

// resume goes on with the newest check, if it did not come to its end.
func (w *world) resume(some int, end string) {
	if len(w.runs) == 0 || w.copied()["new"].Whole() {
		return
	}
	for _, r := range w.copied() {
		r.Attempt, r.Finished, r.Interrupted = w.now, time.Time{}, false
	}
	w.goOn(some, end)
}

// stored are the runs that a command reads: newest first, up to one that is enough.
func stored(list []*record.Run, enough func(record.Run) bool) (out []record.Run) {
	for _, r := range slices.Backward(list) {
		if out = append(out, *r); enough(*r) {
			break
		}
	}
	return out
}

// derive adds what stored checks and the watch prove.
func (w *world) derive() {
	seen, _, _ := newest[gate.Preflight](w)
	aim := record.Aim{Plan: w.p, Chooses: w.plans, Seen: seen}
	runs := stored(w.runs, aim.Enough)
	for _, e := range aim.Checks(runs) {
		w.add(e)
	}
	if nodes, _, ok := newest[gate.Nodes](w); ok && nodes.Nodes[0].UUID != "" {
		for _, e := range aim.Copies(nodes.Nodes[0], stored(w.copies[replica], aim.Enough), gate.UUIDNew) {
			w.add(e)
		}
	}
	d := &w.dual
	if d.watch.IsZero() {
		return
	}
	c := gate.Watch{Running: d.running, Since: d.watch}
	if d.base != nil {
		c.BaseRun = d.base.Name()
		if !slices.ContainsFunc(runs, func(r record.Run) bool { return r.ID == d.base.ID }) {
			w.add(record.Check(*d.base))
		}
	}
	if d.blind {
		c.Blind = []string{"a piece of a log"}
	}
	if d.running && (d.collidedSince(d.sees) || w.rows["new"].has("lost") && d.lost.After(d.sees)) {
		d.failed, c.Differ = w.now, 1
	}
	if c.LastFailure = d.failed; !d.running {
		w.add(w.made(d.died, c))
		return
	}
	w.add(w.made(w.now, c))
}

// dual is what is true besides where both sides take writes.
type dual struct {
	steps, restored bool
	collided        time.Time // when both sides changed one row in two ways, and it differs since
	lost            time.Time // when the newest transaction was lost
	wrote           time.Time // old was last written
	through         time.Time

	watch, sees, died, failed time.Time // it began, it knows of all since, it ended, the newest of its findings that fail
	base                      *record.Run
	running, blind            bool
}

func (d *dual) collidedIn(table string) bool { return table == tables[0] && !d.collided.IsZero() }

func (d *dual) collidedSince(t time.Time) bool { return !d.collided.IsZero() && !d.collided.Before(t) }

func (d *dual) step(p plan.Plan, k gate.Kind, now time.Time) gate.Content {
	if k == gate.KindSteps {
		c, _ := gate.Good(p, k, now).(gate.Steps)
		if !d.steps {
			c.New.Global, c.New.Persisted = gate.Step{Increment: 2, Offset: 1}, &gate.Step{Increment: 2, Offset: 1}
		}
		return c
	}
	c, _ := gate.Good(p, k, now).(gate.StepRestored)
	if !d.restored {
		c.New.Global = gate.Step{Increment: 2, Offset: 2}
	}
	return c
}

// beginWatch begins an account, on the check that a watch may build on if the logs reach back to it.
func (w *world) beginWatch(logs bool) {
	d := &w.dual
	d.watch, d.sees, d.base, d.running, d.blind, d.failed = w.now, w.now, nil, true, false, time.Time{}
	list := make([]record.Run, 0, len(w.runs))
	for _, r := range slices.Backward(w.runs) {
		list = append(list, *r)
	}
	if base, ok := record.Base(list); ok && logs && chosen(base.Scope.Include, tables[0]) && chosen(base.Scope.Include, tables[1]) {
		d.base, d.sees = &base, base.Began
	}
}
