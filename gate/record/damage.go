package record

import (
	"fmt"
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate/certificate"
)

// FateUnknown is the outcome of a row that nobody looked at again: too many were under doubt, or its finding is of an earlier
// version.
const FateUnknown watch.Outcome = "unknown"

// Fate is what a watch knows of a row that came under doubt.
type Fate struct {
	Table, Key string // the key is a JSON object
	Plain      bool   // the key is of integers
	Outcome    watch.Outcome
	Doubted    time.Time // when it came under doubt last; zero: only a finding names it
	Differed   time.Time // when it was proven different last; zero if it never was
	// At is when the outcome became known, through the positions Old and New. Reason says why there is no decision.
	At               time.Time
	Old, New, Reason string
}

// Found is a finding with what became of its rows.
type Found struct {
	ID         string
	Kind       conflict.Kind
	Table, Key string
	At         time.Time
	Told       bool // Rows are all that it is about
	Rows       []Fate
	Mends      []Mend // that were written for it, oldest first
}

// Listing says whether a check names a row among its differences.
type Listing uint8

// The listings.
const (
	NotKnown Listing = iota // not all of them are kept, or the two name rows differently
	Listed
	NotListed
)

// Damage follows what a watch found to what became of it, by its own checks of rows and by the checks that came later.
type Damage struct {
	// Runs are the checks of the two servers, newest first. None may be left out that is newer than what is followed.
	Runs []Run
	// Whole tells whether a run compared all that is to be followed.
	Whole func(Run) bool
	// Lists tells whether a run names a row among the differences of its table.
	Lists func(run int64, table, key string) (Listing, error)

	verdicts []map[string]checksum.Verdict // of the tables of each run
}

// end is what became of a finding or a row. The worst of several counts.
type end uint8

const (
	endHarmless   end = iota // its kind leaves both sides equal
	endEqual                 // found equal
	endSuperseded            // a later change of the row arrived unchanged
	endRepaired              // proven different, and equal later
	endMended                // equal after a mend was written for it
	endUnknown               // nobody looked
	endOpen                  // no decision
	endDiffers               // proven different
)

func (e end) settled() bool { return e < endUnknown }

var endNames = [...]string{"harmless", "equal", "superseded", "repaired", "mended", "not_known", "open", "differs"}

func (e end) String() string { return endNames[e] }

// fate is an end with who says so.
type fate struct {
	end
	by  certificate.SettledBy // of a settled one: who showed it, when and through which positions
	why string                // of one that is not settled
}

// worse is the one of two that counts.
func (f fate) worse(g fate) fate {
	if g.end > f.end {
		return g
	}
	return f
}

// found is what became of a finding.
func (d *Damage) found(f Found) (fate, error) {
	if f.Kind == conflict.StaleSession || f.Kind == conflict.WrongStepKey {
		return fate{end: endHarmless}, nil
	}
	worst := fate{end: endHarmless}
	rows := f.Rows
	if !f.Told || len(rows) == 0 { // then only a check of the whole table says what became of it
		rows = append(slices.Clone(rows), Fate{Table: f.Table, Outcome: FateUnknown, Reason: "not all of its rows were kept"})
	}
	for _, r := range rows {
		x, err := d.row(r, f.At)
		if err != nil {
			return x, err
		}
		if f.Kind.Benign() && x.end < endDiffers { // both sides ended with the same row, and nothing says otherwise
			continue
		}
		worst = worst.worse(x)
	}
	return worst, nil
}

// row is what became of a row that was under doubt at a moment: what was known before says nothing of it. Of the watch and the
// newest check that looked at the row since, the later one counts.
func (d *Damage) row(r Fate, since time.Time) (fate, error) {
	own := r.own(since)
	run, equal, listing, err := d.checked(r, since)
	if err != nil || run == nil {
		return own, err
	}
	later := own.settled() && run.Ended() && r.At.After(run.Finished)
	differed := own.end == endDiffers && !r.At.Before(run.Began)
	by := certificate.SettledBy{By: fmt.Sprintf("check %d", run.ID), At: run.Finished, Old: run.Old.Position, New: run.New.Position}
	if !run.Ended() {
		by.At = run.Attempt
	}
	switch {
	case later && !equal && listing == Listed:
		own.end, own.by.By = endRepaired, fmt.Sprintf("%s, after check %d found it different", own.by.By, run.ID)
		return own, nil
	case later, differed:
		return own, nil
	case !equal && listing == Listed:
		return fate{end: endDiffers, why: fmt.Sprintf("check %d found it different", run.ID)}, nil
	case !equal:
		return own.worse(fate{end: endOpen, why: fmt.Sprintf("check %d found %s different, and does not tell whether in this row", run.ID, r.Table)}), nil
	}
	before, err := d.differedBefore(r, since, *run)
	if err != nil || before == "" {
		return fate{end: endEqual, by: by}, err
	}
	by.By += ", after " + before + " found it different"
	return fate{end: endRepaired, by: by}, nil
}

// own is what the watch itself says of a row since a moment.
func (r Fate) own(since time.Time) fate {
	by := certificate.SettledBy{By: "watch", At: r.At, Old: r.Old, New: r.New}
	switch {
	case r.Outcome == watch.OutcomeDiffers:
		return fate{end: endDiffers, why: "the watch proved it different at " + r.At.UTC().Format(time.RFC3339)}
	case r.Outcome == watch.OutcomeOpen && r.Reason != "":
		return fate{end: endOpen, why: r.Reason}
	case r.Outcome == watch.OutcomeOpen:
		return fate{end: endOpen, why: "it was not checked again"}
	case !r.Outcome.Settled() || !r.At.After(since):
		why := r.Reason
		if why == "" {
			why = "no row of it was checked again"
		}
		return fate{end: endUnknown, why: why}
	case r.Outcome == watch.OutcomeSuperseded:
		return fate{end: endSuperseded, by: by}
	case !r.Differed.Before(since) && r.Differed.Before(r.At):
		by.By = "watch, which found it different before"
		return fate{end: endRepaired, by: by}
	}
	return fate{end: endEqual, by: by}
}

// checked is the newest check that began since a moment and came to a decision on a row; nil if there is none.
func (d *Damage) checked(r Fate, since time.Time) (run *Run, equal bool, listing Listing, err error) {
	for i := range d.Runs {
		run = &d.Runs[i]
		if run.Began.Before(since) {
			continue
		}
		if r.Table == "" { // all of it, or nothing
			if run.Whole() && run.Verdict == checksum.Same && len(run.Differs) == 0 && d.Whole(*run) {
				return run, true, NotListed, nil
			}
			continue
		}
		switch d.verdict(i, r.Table) {
		case checksum.Same:
			return run, true, NotListed, nil
		case checksum.Different:
			if listing, err = d.listing(*run, r); err != nil {
				return nil, false, NotKnown, err
			}
			return run, listing == NotListed, listing, nil
		case checksum.Undecided:
		}
	}
	return nil, false, NotKnown, nil
}

// listing tells whether a run lists a row. Where it did not decide on all rows of the table, what it does not list is not known.
func (d *Damage) listing(run Run, r Fate) (Listing, error) {
	if !r.Plain || d.Lists == nil {
		return NotKnown, nil
	}
	listing, err := d.Lists(run.ID, r.Table, r.Key)
	if listing == NotListed && !run.decidedRows(r.Table) {
		listing = NotKnown
	}
	return listing, err
}

// differedBefore names who proved a row different between a moment and a check; "" if nobody did.
func (d *Damage) differedBefore(r Fate, since time.Time, run Run) (string, error) {
	for i := range d.Runs {
		earlier := &d.Runs[i]
		if earlier.ID >= run.ID || earlier.Began.Before(since) || d.verdict(i, r.Table) != checksum.Different {
			continue
		}
		listing, err := d.listing(*earlier, r)
		if err != nil || listing == Listed {
			return fmt.Sprintf("check %d", earlier.ID), err
		}
	}
	if !r.Differed.IsZero() && !r.Differed.Before(since) && r.Differed.Before(run.Began) {
		return "the watch", nil
	}
	return "", nil
}

// verdict is what the run at a place says of a table; Undecided if it did not compare it to its end.
func (d *Damage) verdict(i int, table string) checksum.Verdict {
	if d.verdicts == nil {
		d.verdicts = make([]map[string]checksum.Verdict, len(d.Runs))
	}
	if d.verdicts[i] == nil {
		d.verdicts[i] = d.Runs[i].tableVerdicts()
	}
	return d.verdicts[i][table]
}

// tableVerdicts are what a run says of the tables that it decided on.
func (r Run) tableVerdicts() map[string]checksum.Verdict {
	out := make(map[string]checksum.Verdict, len(r.Tables))
	for _, t := range r.Tables {
		if t.Verdict == checksum.Different || t.Verdict == checksum.Same && t.Counts.Undecided == 0 {
			out[t.Table] = t.Verdict
		}
	}
	for _, x := range r.Differs { // of an attempt before the last, too
		out[x.Table] = checksum.Different
	}
	return out
}

// decidedRows tells whether a run came to a decision on each row of a table.
func (r Run) decidedRows(table string) bool {
	return r.Whole() && slices.ContainsFunc(r.Tables, func(t checksum.TableResult) bool {
		return t.Table == table && t.Counts.Differences() > 0 && t.Counts.Undecided == 0 && t.Reason == "" // the rows differ, and nothing else
	})
}
