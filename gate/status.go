package gate

import (
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// Result is the state of one gate.
type Result struct {
	Gate    string       `json:"gate"`
	State   State        `json:"state"`
	Reasons []Reason     `json:"reasons,omitempty"` // worst first; also those that an override set aside
	Rested  []EvidenceID `json:"rested,omitempty"`  // the evidence that it was judged by
	// Taken is when the oldest of that evidence was taken; zero without evidence. Evidence that does not age is left out.
	Taken time.Time `json:"taken,omitzero"`
	// Stays is when the gate was open last by its own proof, for one that a later gate keeps open; zero for a gate that is
	// judged as of now.
	Stays time.Time `json:"stays,omitzero"`
	// Override is the one in force.
	Override *OverrideNote `json:"override,omitempty"`
	// Nodes are the nodes that a rolling upgrade goes through, each with its own state, in their order.
	Nodes []NodeLine `json:"nodes,omitempty"`
}

// WantsHook tells that nothing but the gate's hook is missing.
func (r Result) WantsHook() bool {
	return len(r.Reasons) == 1 && (r.Reasons[0].ID == ReasonHookNotRun || r.Reasons[0].ID == ReasonHookTimedOut)
}

// ReasonIDs lists the ids of the reasons once each, with commas between them; that of an earlier gate being shut only
// where there is no other.
func (r Result) ReasonIDs() string {
	var out []string
	for _, x := range r.Reasons {
		if !slices.Contains(out, x.ID) && x.ID != ReasonEarlierGate {
			out = append(out, x.ID)
		}
	}
	if len(out) == 0 && len(r.Reasons) > 0 {
		return ReasonEarlierGate
	}
	return strings.Join(out, ", ")
}

// OverrideNote is an override as it stays visible.
type OverrideNote struct {
	Gate     string     `json:"gate"`
	By       string     `json:"by"`
	Why      string     `json:"why"`
	When     time.Time  `json:"when"`
	Evidence EvidenceID `json:"evidence"`
	// InForce is false for an override of another plan, of other servers, or of a time to come.
	InForce bool `json:"in_force"`
}

// Status is how a migration stands.
type Status struct {
	Path     plan.Path `json:"path"`
	PlanHash string    `json:"plan_hash"`
	Old      string    `json:"old"` // server_uuid that evidence must be of; "" if not known
	New      string    `json:"new"`
	At       time.Time `json:"at"`
	// State is Pass if every gate passes, Overridden if every gate is open, else the worst state.
	State State    `json:"state"`
	Gates []Result `json:"gates"`
	// Overrides are all that were ever made, in force or not.
	Overrides []OverrideNote `json:"overrides,omitempty"`
	// WayBack tells whether the application could go back to old; nil where nobody looked.
	WayBack *WayBack `json:"way_back,omitempty"`
}

// Next is the first gate that is not open; ok is false if all are.
func (s Status) Next() (Result, bool) {
	for _, r := range s.Gates {
		if !r.State.Open() {
			return r, true
		}
	}
	return Result{}, false
}

// Gate returns the result of one gate.
func (s Status) Gate(name string) (Result, bool) {
	i := slices.IndexFunc(s.Gates, func(r Result) bool { return r.Gate == name })
	if i < 0 {
		return Result{}, false
	}
	return s.Gates[i], true
}

func overall(gates []Result) State {
	state := Pass
	for _, r := range gates {
		state = worseState(state, r.State)
	}
	if len(gates) == 0 {
		return Unknown
	}
	return state
}

// worseState is the worse of two states, fail being the worst.
func worseState(a, b State) State {
	order := []State{Pass, Overridden, Unknown, Fail}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}
