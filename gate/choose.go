package gate

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// prove adds to a gate's result what one sort of evidence makes of it.
func (j *judge) prove(r *Result, p proof) {
	chosen, why := j.choose(r.Gate, p)
	if why != nil {
		r.Reasons = append(r.Reasons, *why)
	}
	if len(chosen) == 0 {
		return
	}
	var worst []Reason
	state, disagree := State(""), false
	for i, e := range chosen {
		reasons := p.judge(j, e.Evidence)
		s := Pass
		for k := range reasons {
			reasons[k].Evidence = e.id
			s = worseState(s, reasons[k].State)
		}
		disagree = disagree || i > 0 && s != state
		if i == 0 || worseState(state, s) != state {
			worst, state = reasons, s
		}
		if i == 0 || s != Pass {
			r.Rested = append(r.Rested, e.id)
		}
		if p.age != nil && (r.Taken.IsZero() || e.from().Before(r.Taken)) {
			r.Taken = e.from()
		}
	}
	known := len(r.Reasons)
	ofNodes := p.kind == KindCopy || p.kind == KindNodes // what is the matter with one node says nothing of another
	for _, x := range worst {                            // two sorts of evidence may tell one thing
		if !slices.ContainsFunc(r.Reasons[:known], func(y Reason) bool {
			return x.ID == y.ID && x.State == y.State && y.judged && (!ofNodes || x.Text == y.Text)
		}) {
			x.judged = true
			r.Reasons = append(r.Reasons, x)
		}
	}
	if disagree {
		r.Reasons = append(r.Reasons, *j.unknown(ReasonContradicting,
			fmt.Sprintf("%d measurements of %s of one time disagree; the worse counts", len(chosen), p.kind), j.measure(r.Gate, p.kind)))
	}
}

// choose returns the newest piece that counts, and first, with those that were measured at the same time. A reason tells
// that there is none, or that it may not be trusted.
func (j *judge) choose(gate string, p proof) ([]piece, *Reason) {
	var out []piece
	rejected := map[string]piece{}
	for _, e := range j.pieces[p.kind] {
		if id := j.rejects(e); id != "" {
			if _, ok := rejected[id]; !ok {
				rejected[id] = e
			}
			continue
		}
		if len(out) == 0 || !e.Taken.Before(out[0].from()) {
			out = append(out, e)
		}
	}
	next := j.measure(gate, p.kind)
	if e, ok := rejected[ReasonEvidenceFuture]; ok {
		return out, j.ahead(e)
	}
	for _, id := range []string{ReasonEvidenceMalformed, ReasonForeignServer} {
		if e, ok := rejected[id]; ok && (len(out) == 0 || e.Taken.After(out[0].Taken)) {
			return out, j.reject(id, e, next)
		}
	}
	if len(out) == 0 {
		if e, ok := rejected[ReasonForeignPlan]; ok {
			return nil, j.reject(ReasonForeignPlan, e, next)
		}
		return nil, j.unknown(ReasonEvidenceMissing, "there is no evidence of "+describe(p.kind), next)
	}
	return out, j.staleness(gate, p, out[0])
}

// staleness says why a piece that counts is too old.
func (j *judge) staleness(gate string, p proof, e piece) *Reason {
	if p.undone {
		for _, a := range j.pieces[KindAction] {
			if act, ok := a.Content.(Action); ok && act.Applied && !a.Taken.Before(e.Taken) && a.problem == "" && a.Old == j.old && a.New == j.new {
				return j.reject(ReasonInvalidated, e, j.measure(gate, p.kind))
			}
		}
	}
	if p.age == nil {
		return nil
	}
	limit := p.age(j.plan.Ages)
	age := j.now.Sub(e.from()) // of the oldest that it rests on
	if miss, ok := j.missed(e.Evidence, p.kind); ok {
		r := j.reject(ReasonEvidenceStale, e, cmp.Or(miss.Do, j.measure(gate, p.kind)))
		r.Text = fmt.Sprintf("the evidence of %s is %s old, and was not to be had since: %s", describe(p.kind), age.Round(time.Second), miss.Why)
		return r
	}
	if age <= limit || p.fresh != nil && p.fresh(j, e.Evidence) {
		return nil
	}
	r := j.reject(ReasonEvidenceStale, e, j.measure(gate, p.kind))
	r.Text = fmt.Sprintf("the evidence of %s is %s old; the plan allows %s", describe(p.kind), age.Round(time.Second), limit)
	return r
}

// missed tells that evidence of the same kind was to be taken since, and could not be: a look that fails may be one that would have
// told otherwise, and what is proven beside it now would be kept. A preflight and a check of the copy are not of a moment.
func (j *judge) missed(e Evidence, kind Kind) (Unmeasured, bool) {
	if kind == KindPreflight || kind == KindRestoredCopy {
		return Unmeasured{}, false
	}
	for _, p := range j.takenAfter(KindUnmeasured, e.Taken) {
		if c, ok := p.Content.(Unmeasured); ok && c.Of == kind {
			return c, true
		}
	}
	return Unmeasured{}, false
}

// ahead is the reason for a piece of a time to come.
func (j *judge) ahead(e piece) *Reason {
	return j.reject(ReasonEvidenceFuture, e, "correct the clock; evidence counts again from "+e.Taken.UTC().Format(time.RFC3339)+" on")
}

// reject makes the reason for a piece that does not count.
func (j *judge) reject(id string, e piece, next string) *Reason {
	what := "the evidence of " + describe(e.Kind()) + " "
	switch id {
	case ReasonEvidenceMalformed:
		what += "cannot be used: " + e.problem
	case ReasonForeignServer:
		what += fmt.Sprintf("is of the servers %s and %s, not of %s and %s", e.Old, e.New, j.old, j.new)
	case ReasonForeignPlan:
		what += "was made for another plan"
	case ReasonEvidenceFuture:
		what += fmt.Sprintf("says it was taken at %s, and it is %s", e.Taken.UTC().Format(time.RFC3339), j.now.UTC().Format(time.RFC3339))
	case ReasonInvalidated:
		what += "was taken before crosscheck changed a server"
	}
	r := j.unknown(id, what, next)
	r.Evidence = e.id
	return r
}
