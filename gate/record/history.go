package record

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/gate/certificate"
)

// Checked is the history of checks for a certificate, of runs newest first. It leaves none out.
func Checked(runs []Run) []certificate.Checked {
	out := make([]certificate.Checked, 0, len(runs))
	var same *Run // the newest so far that found all of its tables the same
	for i := range runs {
		r := &runs[i]
		c := certificate.Checked{Run: r.ID, Began: r.Began, Ended: r.Finished, Verdict: r.Verdict.String(), Tables: len(r.Tables)}
		for _, t := range r.Tables {
			c.Missing, c.Extra, c.Changed = c.Missing+t.Counts.Missing, c.Extra+t.Counts.Extra, c.Changed+t.Counts.Changed
			c.Undecided += t.Counts.Undecided
		}
		if len(r.Differs) > 0 {
			if c.Verdict == checksum.Same.String() {
				c.Verdict = checksum.Undecided.String()
			}
			c.Settled, c.Open = settled(*r, same, c)
		}
		if r.Whole() && r.Verdict == checksum.Same && len(r.Differs) == 0 && same == nil {
			same = r
		}
		out = append(out, c)
	}
	return out
}

// settled says what became of a run's differences by the newest later run that found all the same, and whether they are open.
func settled(r Run, same *Run, c certificate.Checked) (text string, open bool) {
	if same == nil {
		return "no later check found them the same", true
	}
	compared := make(map[string]bool, len(same.Tables))
	for _, t := range same.Tables {
		compared[t.Table] = true
	}
	for _, d := range r.Differs {
		if !compared[d.Table] {
			return fmt.Sprintf("check %d found its tables the same, and did not compare %s", same.ID, d.Table), true
		}
	}
	text = fmt.Sprintf("check %d found them the same: they were repaired or replicated", same.ID)
	if n := c.Extra + c.Changed; n > 0 {
		text += fmt.Sprintf("; what %d rows of one side held was thrown away, or came to the other", n)
	}
	return text, false
}

// Tally makes the history of a watch for a certificate of what became of each finding and each row.
type Tally struct {
	Account
	*Damage
	kinds map[conflict.Kind]*certificate.Found
	rows  certificate.Rows
	told  bool // rows are told apart: it is no account of an earlier version
}

// Found adds a finding.
func (t *Tally) Found(f Found) error {
	x, err := t.found(f)
	if err != nil {
		return err
	}
	x = x.mended(f)
	c := t.of(f.Kind)
	c.Count++
	t.count(&c.Outcomes, x.end)
	if x.settled() {
		c.SettledBy = x.credit(c.SettledBy)
		return nil
	}
	c.Unsettled++
	if len(c.Open) < certificate.MaxNamed {
		c.Open = append(c.Open, certificate.Open{ID: f.ID, Table: f.Table, Key: short(f.Key), Found: f.At, Outcome: x.String(), Why: x.why})
	}
	return nil
}

// Row adds a row that was under doubt, whatever finding it is of.
func (t *Tally) Row(r Fate) error {
	t.told = true
	if r.Doubted.IsZero() { // only findings name it
		return nil
	}
	x, err := t.row(r, r.Doubted.Add(-time.Microsecond)) // its outcome is of the last time
	if err != nil {
		return err
	}
	t.count(&t.rows.Outcomes, x.end)
	if !x.settled() && len(t.rows.Named) < certificate.MaxNamed {
		t.rows.Named = append(t.rows.Named, certificate.Open{Table: r.Table, Key: short(r.Key), Found: r.Doubted, Outcome: x.String(), Why: x.why})
	}
	return nil
}

// short keeps a long key readable.
func short(key string) string {
	const most = 200
	if text := []rune(key); len(text) > most {
		return string(text[:most]) + "…"
	}
	return key
}

func (t *Tally) of(k conflict.Kind) *certificate.Found {
	if t.kinds == nil {
		t.kinds = make(map[conflict.Kind]*certificate.Found)
	}
	if t.kinds[k] == nil {
		t.kinds[k] = &certificate.Found{Kind: k.String()}
	}
	return t.kinds[k]
}

func (*Tally) count(o *certificate.Outcomes, e end) {
	*[...]*uint64{&o.Harmless, &o.Equal, &o.Superseded, &o.Repaired, &o.Mended, &o.NotKnown, &o.Open, &o.Differs}[e]++
}

// maxCredited bounds who is named for what was settled.
const maxCredited = 20

// credit counts a settled finding to those who showed it.
func (f fate) credit(list []certificate.SettledBy) []certificate.SettledBy {
	if f.by.By == "" {
		return list
	}
	i := slices.IndexFunc(list, func(x certificate.SettledBy) bool { return x.By == f.by.By })
	if i < 0 && len(list) == maxCredited {
		i = maxCredited - 1
		list[i].By = "others"
	}
	if i < 0 {
		i, list = len(list), append(list, certificate.SettledBy{By: f.by.By})
	}
	list[i].Count++
	if x := &list[i]; f.by.At.After(x.At) {
		x.At, x.Old, x.New = f.by.At, f.by.Old, f.by.New
	}
	return list
}

// Watched is the history when all findings and rows were added.
func (t *Tally) Watched() certificate.Watched {
	s := t.Status
	out := certificate.Watched{
		Since: s.Since, Until: s.At, Verdict: s.Verdict.String(), Findings: []certificate.Found{}, Blind: s.Blind, Rows: t.rows,
	}
	if !t.told { // then only their numbers are known
		out.Rows.Equal, out.Rows.Differs = uint64(max(s.Rows.Equal, 0)), uint64(max(s.Rows.Differ, 0))
		out.Rows.NotKnown = uint64(max(s.Rows.Open+s.Rows.Unknown, 0))
	} else {
		out.Rows.NotKnown += s.Account.Untracked
	}
	for _, r := range s.Reasons {
		out.Reasons = append(out.Reasons, r.ID+": "+r.Text)
	}
	if len(out.Reasons) == 0 && s.Reason != "" {
		out.Reasons = []string{s.Reason}
	}
	for _, n := range s.Account.Sides {
		out.Changes, out.Explained = out.Changes+n.Changes, out.Explained+n.Explained
		out.Unverified += n.Changes - min(n.Verified, n.Changes)
		out.Unjudged += n.Unjudged
	}
	for _, n := range s.Account.Waiting {
		out.Waiting += uint64(max(n, 0))
	}
	if t.Damage != nil {
		if run, _, _, err := t.checked(Fate{}, s.At); err == nil && run != nil { // one of no table reads nothing that may fail
			out.LaterCheck = fmt.Sprintf("check %d", run.ID)
		}
	}
	for _, k := range conflict.Kinds() {
		n := max(t.Counts[k], s.Findings[k])
		if n == 0 && t.kinds[k] == nil {
			continue
		}
		c := t.of(k)
		if n > c.Count { // told of and not stored: nothing more is known of them
			c.Unsettled += n - c.Count
			c.Outcomes.NotKnown += n - c.Count
			c.Count = n
		}
		c.Settled = outcome(k, *c)
		out.Findings = append(out.Findings, *c)
	}
	return out
}

// outcome says in words how findings of a kind were settled.
func outcome(k conflict.Kind, c certificate.Found) string {
	o := c.Outcomes
	switch {
	case c.Unsettled == 0 && k.Benign():
		return "both sides ended with the same row"
	case c.Unsettled == 0 && (k == conflict.StaleSession || k == conflict.WrongStepKey):
		return "no rows were under doubt because of it"
	}
	parts := func(list ...any) string {
		var out []string
		for i := 0; i < len(list); i += 2 {
			if n, _ := list[i].(uint64); n > 0 {
				out = append(out, fmt.Sprintf("%d %s", n, list[i+1]))
			}
		}
		return strings.Join(out, ", ")
	}
	text := fmt.Sprintf("%d settled", c.Count-c.Unsettled)
	if how := parts(o.Equal, "found equal again", o.Superseded, "superseded by a later change that arrived", o.Repaired, "repaired", o.Mended, "mended by a plan that names what it drops", o.Harmless, "harmless"); how != "" {
		text += " (" + how + ")"
	}
	text += fmt.Sprintf(", %d open", c.Unsettled)
	if how := parts(o.Differs, "different still", o.Open, "without a decision", o.NotKnown, "not known"); how != "" {
		text += " (" + how + ")"
	}
	if o.Equal+o.Repaired > 0 && k != conflict.Unjudged {
		text += "; of what is equal now one side's change may be lost on both"
	}
	return text
}
