package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// spec is one gate: the evidence that it needs, of all of these kinds.
type spec struct {
	name   string
	proofs []proof
	// kept says what keeps the gate open once it was: its proof cannot be measured any more then, since the migration went
	// on, and need not be. Without any it must be proven anew for good.
	kept []keep
}

// keep says that a gate stays open while another one, later on the path, is; or, where by is the gate itself, for good.
type keep struct {
	by string
	// while is what must hold besides, given when both had passed; nil: nothing.
	while func(j *judge, passed time.Time) bool
}

func by(names ...string) []keep {
	var out []keep
	for _, n := range names {
		out = append(out, keep{by: n})
	}
	return out
}

// inWindow are keeps of gates that a read-only window stands on, up to the switch within it and from then on.
func inWindow(closing string) []keep {
	return []keep{{by: closing, while: sameWindow}, {by: plan.GateSwitched, while: sameSwitch}}
}

// proof is one sort of evidence and how it is judged.
type proof struct {
	kind  Kind
	age   func(plan.Ages) time.Duration // how old it may be; nil: it does not age, or its judge sees to it
	judge func(*judge, Evidence) []Reason
	fresh func(*judge, Evidence) bool // something else keeps it fresh
	// undone says that an action of crosscheck makes it worthless.
	undone bool
}

func ageCheck(a plan.Ages) time.Duration     { return a.Check }
func ageWatch(a plan.Ages) time.Duration     { return a.Watch }
func agePreflight(a plan.Ages) time.Duration { return a.Preflight }
func ageState(a plan.Ages) time.Duration     { return a.State }
func ageHealth(a plan.Ages) time.Duration    { return a.Health }
func ageCopy(a plan.Ages) time.Duration      { return a.RestoredCopy }

// gates are the gates of a path in their order.
func gates(p plan.Path) []spec {
	switch p {
	case plan.DualWrite:
		return dualWrite()
	case plan.GTIDRestart:
		return gtidRestart()
	case plan.GTIDConverter:
		return gtidConverter()
	case plan.RollingUpgrade:
		return rollingUpgrade()
	}
	return nil
}

// proofPreflight is the first of each path. It stays: later steps change what it judged.
func proofPreflight() proof {
	return proof{kind: KindPreflight, age: agePreflight, judge: judgePreflight}
}

func proofCheck() proof {
	return proof{kind: KindCheck, age: ageCheck, judge: judgeCheck, fresh: watched}
}

// proofSync is that of replication which has brought all that was changed since a check of the kind base.
func proofSync(base Kind, links ...[2]string) proof {
	return proof{kind: KindSync, age: ageState, judge: func(j *judge, e Evidence) []Reason { return judgeSync(j, e, base, links) }}
}

func dualWrite() []spec {
	return []spec{
		{name: plan.GatePreflight, kept: by(plan.GateStepsSet), proofs: []proof{proofPreflight()}},
		{name: plan.GateReplicaInSync, kept: []keep{{by: plan.GateOldDrained, while: notBack}, {by: plan.GateSignedOff}}, proofs: []proof{proofCheck(), proofSync(KindCheck, [2]string{"old", "new"})}},
		{name: plan.GateReadsSwitched, kept: []keep{{by: plan.GateOldDrained, while: notBack}, {by: plan.GateSignedOff}}, proofs: []proof{{kind: KindReadsSwitch, age: ageState, judge: judgeReads}}},
		{name: plan.GateStepsSet, kept: []keep{{by: plan.GateOldDrained, while: notBack}, {by: plan.GateSignedOff}}, proofs: []proof{{kind: KindSteps, age: ageState, judge: judgeSteps, undone: true}}},
		{name: plan.GateWritesSwitched, kept: []keep{{by: plan.GateOldDrained, while: notBack}, {by: plan.GateSignedOff}}, proofs: []proof{
			{kind: KindWatch, age: ageWatch, judge: judgeWatch},
			{kind: KindWritesSwitch, age: ageState, judge: judgeWrites},
			{
				kind: KindSync, age: ageState,
				judge: func(j *judge, e Evidence) []Reason {
					return judgeLinks(j, e, [][2]string{{"old", "new"}, {"new", "old"}})
				},
			},
		}},
		{name: plan.GateOldDrained, kept: []keep{{by: plan.GateSignedOff}, {by: plan.GateStepRestored, while: stillDrained}}, proofs: []proof{
			{kind: KindDrained, age: ageState, judge: judgeDrained},
			{kind: KindWatch, age: ageWatch, judge: judgeWatch},
		}},
		{name: plan.GateStepRestored, kept: by(plan.GateSignedOff), proofs: []proof{{kind: KindStepRestored, age: ageState, judge: judgeRestored, undone: true}}},
		{name: plan.GateSignedOff, kept: by(plan.GateSignedOff), proofs: []proof{proofSignOff(KindStepRestored)}},
	}
}

func gtidRestart() []spec {
	return []spec{
		{name: plan.GatePreflight, kept: inWindow(plan.GatePositionsEqual), proofs: []proof{proofPreflight()}},
		{name: plan.GateCaughtUp, kept: inWindow(plan.GatePositionsEqual), proofs: []proof{proofCheck(), proofSync(KindCheck, [2]string{"old", "new"})}},
		{name: plan.GateReadOnly, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}}, proofs: []proof{{kind: KindReadOnly, age: ageState, judge: judgeReadOnly}}},
		{name: plan.GatePositionsEqual, kept: inWindow(plan.GatePositionsEqual), proofs: []proof{{kind: KindReadOnly, age: ageState, judge: judgePositions}}},
		{name: plan.GateGTIDOn, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}}, proofs: []proof{{kind: KindGTID, age: ageState, judge: judgeGTID}}},
		{name: plan.GateSwitched, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}}, proofs: []proof{{kind: KindWritesSwitch, age: ageState, judge: judgeSwitchedInWindow}}},
	}
}

func gtidConverter() []spec {
	return []spec{
		{name: plan.GatePreflight, kept: inWindow(plan.GateDrained), proofs: []proof{proofPreflight()}},
		{name: plan.GateChainInSync, kept: inWindow(plan.GateDrained), proofs: []proof{
			proofCheck(), proofSync(KindCheck, [2]string{"old", "converter"}, [2]string{"converter", "new"}),
		}},
		{name: plan.GateSingleConverter, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}}, proofs: []proof{{kind: KindConverter, age: ageState, judge: judgeConverter}}},
		{name: plan.GateReadOnly, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}}, proofs: []proof{{kind: KindReadOnly, age: ageState, judge: judgeReadOnly}}},
		{name: plan.GateDrained, kept: inWindow(plan.GateDrained), proofs: []proof{
			{kind: KindReadOnly, age: ageState, judge: judgePositions},
			{kind: KindDrained, age: ageState, judge: judgeDrainedReadOnly},
			{kind: KindGTID, age: ageState, judge: judgeGTID},
		}},
		{name: plan.GateSwitched, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}}, proofs: []proof{{kind: KindWritesSwitch, age: ageState, judge: judgeSwitchedInWindow}}},
	}
}

func rollingUpgrade() []spec {
	return []spec{
		{name: plan.GatePreflight, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}, {by: plan.GateSignedOff}}, proofs: []proof{proofPreflight()}},
		{name: plan.GateSchemaParity, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}, {by: plan.GateSignedOff}}, proofs: []proof{{kind: KindSchema, age: agePreflight, judge: judgeSchema}}},
		{name: plan.GateConfigParity, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}, {by: plan.GateSignedOff}}, proofs: []proof{{kind: KindConfig, age: agePreflight, judge: judgeConfig}}},
		{name: plan.GateRestoredCopy, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}, {by: plan.GateSignedOff}}, proofs: []proof{{kind: KindRestoredCopy, age: ageCopy, judge: judgeCopy}}},
		{name: plan.GateRehearsal, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}, {by: plan.GateSignedOff}}, proofs: []proof{{kind: KindRehearsal, judge: judgeRehearsal}}},
		{name: plan.GateHealth, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}, {by: plan.GateSignedOff}}, proofs: []proof{
			{kind: KindHealth, age: ageHealth, judge: judgeHealth},
			proofSync(KindRestoredCopy, [2]string{"old", "new"}),
		}},
		{name: plan.GateSwitched, kept: by(plan.GateSignedOff), proofs: []proof{
			{kind: KindWritesSwitch, age: ageState, judge: judgeSwitched},
			{kind: KindDrained, age: ageState, judge: judgeDrainedReadOnly},
		}},
		{name: plan.GateWatchPeriod, kept: by(plan.GateSignedOff), proofs: []proof{{kind: KindHealth, age: ageHealth, judge: judgeWatchPeriod}}},
		{name: plan.GateSignedOff, kept: by(plan.GateSignedOff), proofs: []proof{proofSignOff(KindHealth)}},
	}
}

// KeptBy lists the gates that keep a gate of a path open once it was; none: it must be proven anew for good.
func KeptBy(p plan.Path, name string) []string {
	var out []string
	for _, s := range gates(p) {
		for _, k := range s.kept {
			if s.name == name {
				out = append(out, k.by)
			}
		}
	}
	return out
}

// Looks lists the gates whose evidence a look at one gate measures, in the path's order: the gate, those before it, and those
// that may keep one of these open, once they were decided to be open. A gate that is kept by what nobody measured again would
// stay open on an old look, whatever happened since. "" is all gates.
func Looks(p plan.Plan, name string, decided func(gate string) bool) []string {
	specs, out := specsOf(p), []string(nil)
	looked := make(map[string]bool)
	var look func(s spec)
	look = func(s spec) {
		looked[s.name] = true
		for _, k := range s.kept {
			i := slices.IndexFunc(specs, func(s spec) bool { return s.name == k.by })
			if !looked[k.by] && decided(k.by) {
				look(specs[i])
			}
		}
	}
	for _, s := range specs {
		look(s)
		if s.name == name {
			break
		}
	}
	for _, s := range specs {
		if looked[s.name] {
			out = append(out, s.name)
		}
	}
	return out
}

// Needs lists the kinds of evidence that a gate of a plan needs, so that a caller knows what to measure.
func Needs(p plan.Plan, name string) []Kind {
	for _, s := range specsOf(p) {
		if s.name != name {
			continue
		}
		var out []Kind
		for _, pr := range s.proofs {
			out = append(out, pr.kind)
		}
		return out
	}
	return nil
}

// Told lists the kinds of evidence that a look at a gate takes besides, to tell of it: no gate stands on them.
func Told(p plan.Plan, name string) []Kind {
	if p.Path == plan.RollingUpgrade && slices.Contains(wayBackAt(), name) {
		return []Kind{KindWayBack}
	}
	return nil
}

// describe names a kind in a sentence.
func describe(k Kind) string {
	return map[Kind]string{
		KindPreflight: "a preflight", KindCheck: "a full check", KindSync: "the state of replication", KindSteps: "the steps",
		KindWatch: "a watch", KindReadsSwitch: "the switch of the reads", KindWritesSwitch: "the switch of the writes",
		KindDrained: "old being drained", KindStepRestored: "new's step", KindReadOnly: "the read-only window",
		KindGTID: "the GTID modes", KindConverter: "the converter", KindSchema: "the schemas", KindConfig: "the configurations",
		KindRestoredCopy: "a restored copy", KindRehearsal: "a rehearsal", KindHealth: "new's health", KindSignOff: "a signature",
		KindOverride: "an override", KindHook: "a hook", KindAction: "an action", KindDecision: "a decision",
		KindNodes: "the nodes of both clusters", KindCopy: "a check of new's replicas",
		KindUnmeasured: "a failed measurement", KindWayBack: "the way back",
	}[k]
}

// measure is the command that takes evidence of a kind anew. PLAN stands for the plan's file.
func (j *judge) measure(gate string, k Kind) string {
	switch k {
	case KindPreflight:
		return "crosscheck preflight --plan PLAN"
	case KindCheck, KindRestoredCopy, KindCopy: // new is the restored copy
		return "crosscheck check " + j.pair() + j.copies()
	case KindRehearsal:
		return fmt.Sprintf("crosscheck gate check %s --certificate FILE --plan PLAN", gate)
	case KindWatch:
		return "crosscheck watch " + j.pair()
	case KindReadsSwitch, KindWritesSwitch, KindSignOff:
		return fmt.Sprintf("crosscheck gate check %s --by NAME --plan PLAN", gate)
	default:
		return fmt.Sprintf("crosscheck gate check %s --plan PLAN", gate)
	}
}

// copies are the flags that name the replicas of new, so that they are compared in the same pass.
func (j *judge) copies() string {
	var b strings.Builder
	for _, r := range j.plan.New.Replicas {
		fmt.Fprintf(&b, " --new-replica '%s'", r)
	}
	return b.String()
}

// pair are the flags that name both sides and the plan's tables.
func (j *judge) pair() string {
	return fmt.Sprintf("--old '%s' --new '%s'", j.plan.Old.DSN, j.plan.New.DSN) + j.tables()
}

// tables are the flags that name the plan's tables.
func (j *judge) tables() string {
	var b strings.Builder
	for _, t := range j.plan.Include {
		fmt.Fprintf(&b, " --table '%s'", t)
	}
	for _, t := range j.plan.Exclude {
		fmt.Fprintf(&b, " --exclude '%s'", t)
	}
	return b.String()
}
