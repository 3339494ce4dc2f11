package gate

import (
	"fmt"
	"slices"
)

// explain says of gates that are shut what a look at them alone does not tell: that they were open, and what keeps them no
// longer; and what is the matter with the one that a later gate waits for. It changes no state.
func (h *history) explain(j *judge, s *Status) {
	specs := specsOf(h.plan)
	for i := range s.Gates {
		if r := &s.Gates[i]; !r.State.Open() {
			if why := h.lost(j, specs[i], s); why != nil {
				r.Reasons = append(r.Reasons, *why)
				r.settle()
			}
		}
	}
	first, ok := s.Next()
	if !ok {
		return
	}
	text, next := fmt.Sprintf("the gate %s before it is %s: %s", first.Gate, first.State, first.ReasonIDs()), ""
	if i := slices.IndexFunc(first.Reasons, func(r Reason) bool { return r.ID == ReasonKeeper }); i >= 0 {
		text, next = fmt.Sprintf("the gate %s before it is %s: %s", first.Gate, first.State, first.Reasons[i].Text), first.Reasons[i].Next
	}
	for _, r := range s.Gates {
		for k := range r.Reasons {
			if x := &r.Reasons[k]; x.ID == ReasonEarlierGate {
				x.Text = text
				if next != "" {
					x.Next = next
				}
			}
		}
	}
}

// lost says that a gate that is shut would still be open if the gate that kept it were; nil if it would not.
func (h *history) lost(j *judge, spec spec, s *Status) *Reason {
	for _, k := range spec.kept {
		keeper, _ := s.Gate(k.by)
		why, missed := j.unmeasured(k)
		if !missed && (k.by == spec.name || keeper.State.Open()) {
			continue
		}
		next := fmt.Sprintf("crosscheck gate check %s --plan PLAN", k.by)
		is := fmt.Sprintf("that is %s: %s", keeper.State, keeper.ReasonIDs())
		if missed {
			if why.Do != "" {
				next = why.Do + Then + next
			}
			is = colon(describe(why.Of)+" could not be measured for that", why.Why)
		}
		if r := h.heldBy(j, spec.name, k, s.At); r != nil {
			return j.unknown(ReasonKeeper, fmt.Sprintf("it was open at %s, and would still be while the gate %s is: %s",
				moment(r.Stays), k.by, is), next)
		}
	}
	return nil
}
