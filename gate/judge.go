package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// Judge judges all gates of the plan's path. It is a pure function of its arguments; the order of the evidence does not
// count.
func Judge(p plan.Plan, evidence []Evidence, now time.Time) Status {
	list := make([]piece, 0, len(evidence))
	for _, e := range evidence {
		list = append(list, newPiece(e))
	}
	return judgeAll(p, list, now)
}

// judgeAll sorts the list.
func judgeAll(p plan.Plan, list []piece, now time.Time) Status {
	slices.SortStableFunc(list, func(a, b piece) int {
		return cmp.Or(b.Taken.Compare(a.Taken), strings.Compare(string(a.id), string(b.id)))
	})
	h := &history{plan: p, hash: p.Hash(), known: make(map[int64]*Status), all: list}
	s, j := h.judge(now, h.all, now)
	h.explain(j, &s)
	s.WayBack = j.wayBack()
	return s
}

// JudgeGate judges one gate, with all earlier ones. The error tells that the path has no such gate.
func JudgeGate(p plan.Plan, evidence []Evidence, now time.Time, name string) (Result, error) {
	r, ok := Judge(p, evidence, now).Gate(name)
	if !ok {
		return Result{}, fmt.Errorf("the path %s has no gate %q: it has %s", p.Path, name, strings.Join(p.Gates(), ", "))
	}
	return r, nil
}

// piece is evidence with what is asked of it again and again.
type piece struct {
	Evidence
	id      EvidenceID
	problem string
}

func newPiece(e Evidence) piece {
	id := e.ID()
	return piece{Evidence: e, id: id, problem: e.problem(id)}
}

// history judges the present, and for that the past.
type history struct {
	plan  plan.Plan
	hash  string
	all   []piece           // newest first
	known map[int64]*Status // by time in nanoseconds
}

// at judges as of a moment, by what had been taken then and the decisions before it.
func (h *history) at(t time.Time) *Status {
	if s, ok := h.known[t.UnixNano()]; ok {
		return s
	}
	first, _ := slices.BinarySearchFunc(h.all, t, func(p piece, t time.Time) int { return t.Compare(p.Taken) })
	s, _ := h.judge(t, h.all[first:], t)
	h.known[t.UnixNano()] = &s
	return &s
}

// judge judges by evidence as of now, with decisions before a time.
func (h *history) judge(now time.Time, evidence []piece, before time.Time) (Status, *judge) {
	j := &judge{plan: h.plan, hash: h.hash, now: now, pieces: make(map[Kind][]piece)}
	for _, p := range evidence {
		j.pieces[p.Kind()] = append(j.pieces[p.Kind()], p)
	}
	j.bind()
	s := Status{Path: h.plan.Path, PlanHash: h.hash, Old: j.old, New: j.new, At: now, Overrides: j.overrides()}
	specs := specsOf(h.plan)
	own, held := make([]Result, len(specs)), make([]*Result, len(specs))
	open := make(map[string]bool)
	for i, spec := range slices.Backward(specs) { // what keeps a gate stands behind it, or is itself
		own[i] = j.own(spec, s.Overrides)
		if own[i].State != Pass {
			held[i] = h.held(j, spec, open, before)
		}
		open[spec.name] = own[i].State.Open() || held[i] != nil
	}
	for i := range specs {
		r := j.after(own[i], s.Gates)
		if r.State != Pass && own[i].State == Pass { // it is shut by a gate before it only
			held[i] = h.held(j, specs[i], open, before)
		}
		if r.State != Pass && held[i] != nil {
			r = *held[i]
		}
		s.Gates = append(s.Gates, r)
	}
	s.State = overall(s.Gates)
	return s, j
}

// held returns the gate's result of a moment at which it was open together with the gate that keeps it: judged by the
// evidence of that moment, whatever the decision says. nil: nothing keeps it.
func (h *history) held(j *judge, s spec, open map[string]bool, before time.Time) *Result {
	if j.why != nil {
		return nil
	}
	for _, k := range s.kept {
		if _, missed := j.unmeasured(k); missed || k.by != s.name && !open[k.by] {
			continue
		}
		if r := h.heldBy(j, s.name, k, before); r != nil {
			return r
		}
	}
	return nil
}

// heldBy is the same of one that keeps it, whether that is open or not.
func (h *history) heldBy(j *judge, name string, k keep, before time.Time) *Result {
	for _, p := range j.moments(k, before) {
		then := h.at(p.Taken)
		keeper, _ := then.Gate(k.by)
		r, _ := then.Gate(name)
		if then.Old != j.old || then.New != j.new || !keeper.State.Open() || !r.State.Open() {
			continue
		}
		if r.Stays.IsZero() {
			r.Stays = p.Taken
		}
		return &r
	}
	return nil
}

// ended tells whether what is kept is so by the end of the migration: nothing reopens one that is over.
func (j *judge) ended(k keep) bool {
	gates := j.plan.Path.Gates()
	return k.by == gates[len(gates)-1] && k.while == nil
}

// unmeasured tells of evidence of what keeps a gate that could not be taken when it was to be taken last: an older look, however
// young, keeps nothing then.
func (j *judge) unmeasured(k keep) (Unmeasured, bool) {
	if j.ended(k) || len(j.pieces[KindUnmeasured]) == 0 {
		return Unmeasured{}, false
	}
	kinds := Needs(j.plan, k.by)
	if k.while != nil {
		kinds = append(kinds, KindSync) // each of these asks for replication as well
	}
	for _, kind := range kinds {
		e, _ := j.newest(kind)
		if c, missed := j.missed(e, kind); missed {
			return c, true
		}
	}
	return Unmeasured{}, false
}

// momentsTried bounds how many moments are judged anew for one gate. A decision of an honest ledger holds at the first try.
const momentsTried = 8

// moments are decisions that opened the gate that keeps another, the oldest first: then both were open by their own proofs,
// not by those of a moment before. Where there are too many, some of the oldest and of the newest are taken; to leave
// one out shuts a gate, and never opens one.
func (j *judge) moments(k keep, before time.Time) []piece {
	var out []piece
	for _, p := range slices.Backward(j.pieces[KindDecision]) {
		d, ok := p.Content.(Decision)
		if !ok || d.Gate != k.by || !d.State.Open() || j.rejects(p) != "" || !p.Taken.Before(before) {
			continue
		}
		if j.ended(k) || !j.refuted(p.Taken) && len(j.reset(p.Taken)) == 0 && (k.while == nil || k.while(j, p.Taken)) {
			out = append(out, p)
		}
	}
	if len(out) > momentsTried {
		out = slices.Concat(out[:momentsTried/2], out[len(out)-momentsTried/2:])
	}
	return out
}

// judge judges as of one moment.
type judge struct {
	plan     plan.Plan
	hash     string
	now      time.Time
	old, new string
	pieces   map[Kind][]piece // newest first
	why      *Reason          // why the servers are not known
}

// bind finds out which servers the evidence must be of: those that the plan names, else those of the newest preflight.
func (j *judge) bind() {
	j.old, j.new = j.plan.Old.ServerUUID, j.plan.New.ServerUUID
	for _, p := range j.pieces[KindPreflight] {
		if j.old != "" && j.new != "" {
			break
		}
		if p.problem == "" && !p.Taken.After(j.now) && (p.Plan == "" || p.Plan == j.hash) {
			j.old, j.new = cmp.Or(j.old, p.Old), cmp.Or(j.new, p.New)
		}
	}
	switch {
	case j.old == "" || j.new == "":
		j.why = j.unknown(ReasonServersUnknown, "it is not known which two servers the plan is about", "crosscheck preflight --plan PLAN")
	case j.old == j.new:
		j.why = j.fail(ReasonSameServer, "old and new are both the server "+j.old, "correct the dsn of old or new in the plan")
	}
}

// bound are kinds whose content is about a plan: without its hash they mean nothing.
func bound(k Kind) bool {
	switch k {
	case KindSignOff, KindOverride, KindHook, KindDecision, KindReadsSwitch, KindWritesSwitch:
		return true
	default:
		return false
	}
}

// rejects says why a piece does not count, as a reason's id; "" if it counts. Age is not looked at.
func (j *judge) rejects(p piece) string {
	switch {
	case p.problem != "":
		return ReasonEvidenceMalformed
	case p.Old != j.old || p.New != j.new:
		return ReasonForeignServer
	case p.Plan != j.hash && (p.Plan != "" || bound(p.Kind())):
		return ReasonForeignPlan
	case p.Taken.After(j.now):
		return ReasonEvidenceFuture
	}
	return ""
}

// newest is the newest piece of a kind that counts, whatever its age.
func (j *judge) newest(k Kind) (Evidence, bool) {
	for _, p := range j.pieces[k] {
		if j.rejects(p) == "" {
			return p.Evidence, true
		}
	}
	return Evidence{}, false
}

// latest is the newest piece of a kind that counts, where no piece is of a time to come: of those, nobody knows which is the
// last word.
func (j *judge) latest(k Kind) (Evidence, bool) {
	if slices.ContainsFunc(j.pieces[k], func(p piece) bool { return j.rejects(p) == ReasonEvidenceFuture }) {
		return Evidence{}, false
	}
	return j.newest(k)
}

func (j *judge) overrides() []OverrideNote {
	var out []OverrideNote
	for _, p := range slices.Backward(j.pieces[KindOverride]) {
		if o, ok := p.Content.(Override); ok {
			out = append(out, OverrideNote{
				Gate: o.Gate, By: o.By, Why: o.Why, When: p.Taken, Evidence: p.id, InForce: j.why == nil && j.rejects(p) == "",
			})
		}
	}
	return out
}

// own judges one gate by its own evidence alone.
func (j *judge) own(s spec, overrides []OverrideNote) Result {
	r := Result{Gate: s.name}
	if j.why != nil {
		r.Reasons = append(r.Reasons, *j.why)
	} else {
		for _, p := range s.proofs {
			j.prove(&r, p)
		}
		j.hook(&r)
	}
	r.Nodes = j.lines(s.name)
	for _, o := range overrides {
		if o.Gate == s.name && o.InForce {
			r.Override = &o
		}
	}
	r.settle()
	return r
}

// after adds that all earlier gates must be open.
func (j *judge) after(r Result, earlier []Result) Result {
	for _, e := range earlier {
		if !e.State.Open() {
			r.Reasons = append(slices.Clone(r.Reasons), *j.unknown(ReasonEarlierGate, fmt.Sprintf("the gate %s before it is %s", e.Gate, e.State),
				fmt.Sprintf("crosscheck gate check %s --plan PLAN", e.Gate)))
			break
		}
	}
	r.settle()
	return r
}

// settle sets the state that follows from the reasons and the override.
func (r *Result) settle() {
	r.State = Pass
	for _, reason := range r.Reasons {
		r.State = worseState(r.State, reason.State)
	}
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int {
		rank := []State{Fail, Unknown}
		return slices.Index(rank, a.State) - slices.Index(rank, b.State)
	})
	if r.State != Pass && r.Override != nil {
		r.State = Overridden
	}
}

// hook adds what the gate's hook says.
func (j *judge) hook(r *Result) {
	h, ok := j.plan.Hooks[r.Gate]
	if !ok || !h.Veto {
		return
	}
	next := "let it pass: crosscheck gate check " + r.Gate + " --plan PLAN"
	var last piece
	var worst *Reason
	for _, p := range j.pieces[KindHook] {
		c, isHook := p.Content.(Hook)
		if isHook && c.Gate == r.Gate && j.rejects(p) == ReasonEvidenceFuture { // it may be a veto
			r.Reasons = append(r.Reasons, *j.ahead(p))
			return
		}
		if !isHook || c.Gate != r.Gate || j.rejects(p) != "" || j.now.Sub(p.Taken) > j.plan.Ages.State {
			continue
		}
		if last.id != "" && p.Taken.Before(last.Taken) {
			break // of the results of one moment the worst counts
		}
		if why := j.hookResult(c, h, next); last.id == "" || why != nil && (worst == nil || why.State == Fail) {
			last, worst = p, why
		}
	}
	if last.id != "" {
		r.Rested = append(r.Rested, last.id)
		if worst != nil {
			worst.Evidence = last.id
			r.Reasons = append(r.Reasons, *worst)
		}
		return
	}
	r.Reasons = append(r.Reasons, *j.unknown(ReasonHookNotRun, "the hook "+h.Command[0]+" was not run", next))
}

// hookResult is what one run of a hook says; nil if it allows.
func (j *judge) hookResult(c Hook, h plan.Hook, next string) *Reason {
	switch {
	case c.TimedOut:
		return j.unknown(ReasonHookTimedOut, fmt.Sprintf("the hook %s did not end within %s", h.Command[0], h.Timeout), next)
	case c.Exit < 0:
		return j.fail(ReasonHookVetoed, colon(fmt.Sprintf("the hook %s did not run to its end", h.Command[0]), c.Output), next)
	case c.Exit != 0:
		return j.fail(ReasonHookVetoed, colon(fmt.Sprintf("the hook %s ended with %d", h.Command[0], c.Exit), c.Output), next)
	}
	return nil
}

func (j *judge) unknown(id, text, next string) *Reason {
	return &Reason{ID: id, State: Unknown, Text: text, Next: next}
}

func (j *judge) fail(id, text, next string) *Reason {
	return &Reason{ID: id, State: Fail, Text: text, Next: next}
}
