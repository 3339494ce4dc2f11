package gate

// State is the state of a gate. Its zero value is no state; Judge always gives one.
type State string

// The states.
const (
	Pass       State = "pass"
	Fail       State = "fail"       // something is proven to be wrong
	Unknown    State = "unknown"    // nothing is proven to be wrong, but proof is missing
	Overridden State = "overridden" // somebody opened it without its proof
)

// Open tells whether the next step may be taken.
func (s State) Open() bool { return s == Pass || s == Overridden }

// Reason says why a gate does not pass.
type Reason struct {
	ID    string `json:"id"`    // one of Reasons
	State State  `json:"state"` // Fail or Unknown: what it makes of the gate
	Text  string `json:"text"`
	Next  string `json:"next"` // the exact statement or command to go on with
	// Evidence is what it was read from; "" if nothing was there.
	Evidence EvidenceID `json:"evidence,omitempty"`

	judged bool // it is what evidence says, not that there is none
}

// Then parts what a reason says to do next: each part is one statement or command, or words to a person.
const Then = "; "

// ReasonInfo is an entry of the registry of reasons.
type ReasonInfo struct {
	ID      string
	State   State
	Meaning string // one line
}

// The ids of reasons.
const (
	ReasonEvidenceMissing      = "evidence_missing"
	ReasonEvidenceStale        = "evidence_stale"
	ReasonEvidenceFuture       = "evidence_from_future"
	ReasonEvidenceMalformed    = "evidence_malformed"
	ReasonContradicting        = "contradicting_evidence"
	ReasonForeignServer        = "foreign_server"
	ReasonForeignPlan          = "foreign_plan"
	ReasonServersUnknown       = "servers_unknown"
	ReasonSameServer           = "same_server"
	ReasonEarlierGate          = "earlier_gate_open"
	ReasonKeeper               = "no_longer_kept"
	ReasonInvalidated          = "invalidated_by_action"
	ReasonHookNotRun           = "hook_not_run"
	ReasonHookTimedOut         = "hook_timed_out"
	ReasonHookVetoed           = "hook_vetoed"
	ReasonPreflightFinding     = "preflight_finding"
	ReasonPreflightUnseen      = "preflight_unseen"
	ReasonPreflightOther       = "preflight_other_plan"
	ReasonCheckDifferent       = "check_different"
	ReasonCheckUndecided       = "check_undecided"
	ReasonCheckIncomplete      = "check_incomplete"
	ReasonCheckScope           = "check_scope_differs"
	ReasonCheckLossy           = "check_lossy"
	ReasonReplicationMissing   = "replication_missing"
	ReasonReplicationStopped   = "replication_stopped"
	ReasonReplicationLag       = "replication_lag"
	ReasonReplicationLagUnseen = "replication_lag_unseen"
	ReasonReplicationSkips     = "replication_skips"
	ReasonReplicationBroken    = "replication_interrupted"
	ReasonReplicationTrouble   = "replication_trouble"
	ReasonNotDeclared          = "switch_not_declared"
	ReasonAccountsUnknown      = "accounts_unknown"
	ReasonSessionsUnseen       = "sessions_unseen"
	ReasonWritesUnseen         = "writes_unseen"
	ReasonNoAppOnNew           = "no_application_on_new"
	ReasonNoWritesOnNew        = "no_writes_on_new"
	ReasonAppOnOld             = "application_on_old"
	ReasonOldWritten           = "old_still_written"
	ReasonStepWrong            = "step_wrong"
	ReasonStepOverlap          = "step_overlap"
	ReasonStepIgnored          = "step_offset_ignored"
	ReasonStepOverridden       = "step_overridden"
	ReasonStepNotPersisted     = "step_not_persisted"
	ReasonStepNotRestored      = "step_not_restored"
	ReasonStaleSessions        = "stale_sessions"
	ReasonStaleSessionsUnseen  = "stale_sessions_unseen"
	ReasonWatchNotRunning      = "watch_not_running"
	ReasonWatchBlind           = "watch_blind"
	ReasonWatchShort           = "watch_too_short"
	ReasonWatchLate            = "watch_began_late"
	ReasonCollision            = "collision_recent"
	ReasonRowsDiffer           = "rows_differ"
	ReasonRowsUndecided        = "rows_undecided"
	ReasonDrainedShort         = "drained_too_short"
	ReasonEchoes               = "echoes_incomplete"
	ReasonNotReadOnly          = "old_not_read_only"
	ReasonWindowUnmeasured     = "read_only_window_unmeasured"
	ReasonWindowExceeded       = "read_only_window_exceeded"
	ReasonPositionMoved        = "position_moved"
	ReasonPositionsUnknown     = "positions_unknown"
	ReasonPositionsDiffer      = "positions_differ"
	ReasonExtraTransactions    = "extra_transactions"
	ReasonNodeMissing          = "node_missing"
	ReasonNodeUnplanned        = "node_not_planned"
	ReasonNodeErrant           = "node_errant"
	ReasonNodesUnseen          = "nodes_unseen"
	ReasonNodeNotUpgraded      = "node_not_upgraded"
	ReasonNodeEarly            = "node_upgraded_early"
	ReasonNodeBack             = "node_went_back"
	ReasonNodeEarlier          = "node_compared_before"
	ReasonNodeUnjudged         = "node_not_judged"
	ReasonNodeReads            = "node_reads_short"
	ReasonReplicationFiltered  = "replication_filtered"
	ReasonGTIDOff              = "gtid_mode_not_on"
	ReasonAnonymous            = "anonymous_transactions"
	ReasonAnonymousUnseen      = "anonymous_unseen"
	ReasonConverterMissing     = "converter_missing"
	ReasonConverterSecond      = "second_converter"
	ReasonConverterWrong       = "converter_wrong_node"
	ReasonConverterAlarm       = "converter_alarm"
	ReasonConverterUnseen      = "converter_data_unseen"
	ReasonSchemaDifference     = "schema_difference"
	ReasonSchemaUnseen         = "schema_unseen"
	ReasonConfigDifference     = "config_difference"
	ReasonConfigUnseen         = "config_unseen"
	ReasonRehearsalUnverified  = "rehearsal_unverified"
	ReasonRehearsalKey         = "rehearsal_key_untrusted"
	ReasonRehearsalOther       = "rehearsal_other_path"
	ReasonRehearsalNotPassed   = "rehearsal_not_passed"
	ReasonHealthRegressed      = "health_regressed"
	ReasonHealthUnseen         = "health_unseen"
	ReasonHealthShort          = "health_period_short"
	ReasonSignOffEarly         = "sign_off_too_early"
)

// Reasons is the registry: every reason that a gate can give, in the order of docs/what-if-gates.md.
func Reasons() []ReasonInfo {
	u, f := Unknown, Fail
	return []ReasonInfo{
		{ReasonEvidenceMissing, u, "nothing was measured yet"},
		{ReasonEvidenceStale, u, "what was measured is too old"},
		{ReasonEvidenceFuture, u, "evidence says it was taken later than now: a clock was wrong, or went backwards"},
		{ReasonEvidenceMalformed, u, "evidence contradicts itself"},
		{ReasonContradicting, u, "two measurements of one time disagree; the worse counts"},
		{ReasonForeignServer, u, "the newest evidence is of another server: another one answers at the address"},
		{ReasonForeignPlan, u, "the evidence was made for another plan, or for an earlier state of this one"},
		{ReasonServersUnknown, u, "neither the plan nor a preflight says which two servers they are"},
		{ReasonSameServer, f, "old and new are one server"},
		{ReasonEarlierGate, u, "an earlier gate of the path is not open"},
		{ReasonKeeper, u, "it was open, and the later gate that keeps it so is shut, or was not measured"},
		{ReasonInvalidated, u, "crosscheck changed a server after this was measured"},
		{ReasonHookNotRun, u, "the gate's hook has a veto and was not run, or its result is too old"},
		{ReasonHookTimedOut, u, "the gate's hook did not end in time"},
		{ReasonHookVetoed, f, "the gate's hook forbids it"},
		{ReasonPreflightFinding, f, "preflight found something that is neither mended nor accepted"},
		{ReasonPreflightUnseen, u, "preflight could not find something out"},
		{ReasonPreflightOther, u, "preflight was made for another path or a shorter migration"},
		{ReasonCheckDifferent, f, "the two sides hold different rows"},
		{ReasonCheckUndecided, u, "the check could not decide about all rows"},
		{ReasonCheckIncomplete, u, "the check did not compare all tables to their ends"},
		{ReasonCheckScope, u, "the check compared other tables than the plan names"},
		{ReasonCheckLossy, u, "columns were compared through a conversion that loses information"},
		{ReasonReplicationMissing, u, "a link of replication that the gate needs was not seen"},
		{ReasonReplicationStopped, f, "replication does not run"},
		{ReasonReplicationLag, f, "the replica is too far behind"},
		{ReasonReplicationLagUnseen, u, "how far the replica is behind is not known"},
		{ReasonReplicationSkips, f, "the replica skips errors or transactions"},
		{ReasonReplicationBroken, u, "replication was not without a break since the check began"},
		{ReasonReplicationTrouble, f, "the watch sees trouble with replication or steps"},
		{ReasonNotDeclared, u, "nobody said that the application was switched"},
		{ReasonAccountsUnknown, u, "the plan does not name the application's accounts"},
		{ReasonSessionsUnseen, u, "the account cannot see other accounts' sessions"},
		{ReasonWritesUnseen, u, "the writes on the servers were not counted"},
		{ReasonNoAppOnNew, f, "the application has no session on new"},
		{ReasonNoWritesOnNew, u, "no write on new was seen"},
		{ReasonAppOnOld, f, "the application has sessions on old"},
		{ReasonOldWritten, f, "old still takes writes of its own"},
		{ReasonStepWrong, f, "a global step is not set"},
		{ReasonStepOverlap, f, "both sides can generate one key"},
		{ReasonStepIgnored, f, "an offset is above its increment: the server ignores it"},
		{ReasonStepOverridden, f, "something else sets the step"},
		{ReasonStepNotPersisted, f, "the step would be lost when the server restarts"},
		{ReasonStepNotRestored, f, "new still generates keys in steps"},
		{ReasonStaleSessions, f, "live sessions have another step than their server"},
		{ReasonStaleSessionsUnseen, u, "the steps of the live sessions are not known"},
		{ReasonWatchNotRunning, u, "no watch is running"},
		{ReasonWatchBlind, u, "the watch could not judge a piece of the logs"},
		{ReasonWatchShort, u, "the watch has not run for long enough"},
		{ReasonWatchLate, u, "writes were switched before the watch began"},
		{ReasonCollision, f, "a collision happened a short time ago"},
		{ReasonRowsDiffer, f, "rows are proven different"},
		{ReasonRowsUndecided, u, "rows are under doubt and not checked again yet"},
		{ReasonDrainedShort, u, "old has not been without writes for long enough"},
		{ReasonEchoes, u, "not all of old's transactions are known to have arrived on new"},
		{ReasonNotReadOnly, f, "old takes writes"},
		{ReasonWindowUnmeasured, u, "the beginning of the read-only window was not measured"},
		{ReasonWindowExceeded, f, "old was read only for longer than the plan allows"},
		{ReasonPositionMoved, f, "old's position moved within the read-only window"},
		{ReasonPositionsUnknown, u, "a position is not known"},
		{ReasonPositionsDiffer, f, "new has not applied exactly what old has"},
		{ReasonExtraTransactions, f, "new has transactions that old does not have"},
		{ReasonNodeMissing, u, "a node was not reached"},
		{ReasonNodeUnplanned, u, "a node was found that the plan does not name"},
		{ReasonNodeErrant, f, "a node has transactions that its source does not have"},
		{ReasonNodesUnseen, u, "a server does not tell which nodes replicate from it"},
		{ReasonReplicationFiltered, f, "a node leaves out changes"},
		{ReasonNodeNotUpgraded, u, "a node does not run the new version yet"},
		{ReasonNodeEarly, f, "a node was upgraded before its turn"},
		{ReasonNodeBack, f, "a node that was upgraded runs the old version again"},
		{ReasonNodeEarlier, u, "a node was compared before it got its version"},
		{ReasonNodeUnjudged, u, "no preflight has judged a node since it got its version"},
		{ReasonNodeReads, u, "the application has not read from a node for long enough"},
		{ReasonGTIDOff, f, "GTIDs are not on"},
		{ReasonAnonymous, f, "anonymous transactions are under way"},
		{ReasonAnonymousUnseen, u, "whether anonymous transactions are under way is not known"},
		{ReasonConverterMissing, f, "no node assigns GTIDs"},
		{ReasonConverterSecond, f, "more than one node assigns GTIDs"},
		{ReasonConverterWrong, f, "another node than the plan's assigns GTIDs"},
		{ReasonConverterAlarm, f, "one transaction has two GTIDs, or one GTID names two"},
		{ReasonConverterUnseen, u, "no transactions were compared by their fingerprints"},
		{ReasonSchemaDifference, f, "the schemas differ in a way that is neither mended nor accepted"},
		{ReasonSchemaUnseen, u, "not all of the schemas was compared"},
		{ReasonConfigDifference, f, "the configurations differ in a way that is neither mended nor accepted"},
		{ReasonConfigUnseen, u, "not all of the configurations was compared"},
		{ReasonRehearsalUnverified, f, "the rehearsal's certificate is not genuine"},
		{ReasonRehearsalKey, u, "the plan does not trust the key of the rehearsal's certificate"},
		{ReasonRehearsalOther, u, "the rehearsal was of another path"},
		{ReasonRehearsalNotPassed, f, "the rehearsal did not pass all of its gates"},
		{ReasonHealthRegressed, f, "new is less healthy than old was"},
		{ReasonHealthUnseen, u, "a part of new's health was not measured"},
		{ReasonHealthShort, u, "new's health was not measured for long enough"},
		{ReasonSignOffEarly, u, "it was signed before the last proof was taken"},
	}
}
