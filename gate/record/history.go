package record

import (
	"fmt"

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
			c.Settled = settled(*r, same, c)
		}
		if r.Whole() && r.Verdict == checksum.Same && len(r.Differs) == 0 && same == nil {
			same = r
		}
		out = append(out, c)
	}
	return out
}

// settled says what became of a run's differences by the newest later run that found all the same.
func settled(r Run, same *Run, c certificate.Checked) string {
	if same == nil {
		return "no later check found them the same"
	}
	compared := make(map[string]bool, len(same.Tables))
	for _, t := range same.Tables {
		compared[t.Table] = true
	}
	for _, d := range r.Differs {
		if !compared[d.Table] {
			return fmt.Sprintf("check %d found its tables the same, and did not compare %s", same.ID, d.Table)
		}
	}
	text := fmt.Sprintf("check %d found them the same: they were repaired or replicated", same.ID)
	if n := c.Extra + c.Changed; n > 0 {
		text += fmt.Sprintf("; what %d rows of one side held was thrown away, or came to the other", n)
	}
	return text
}

// Watched is the history of a watch for a certificate.
func Watched(a Account) certificate.Watched {
	s := a.Status
	out := certificate.Watched{
		Since: s.Since, Until: s.At, Verdict: s.Verdict.String(), Findings: []certificate.Found{}, Blind: s.Blind,
		Rows: certificate.Rows{Equal: s.Rows.Equal, Differ: s.Rows.Differ, Undecided: s.Rows.Open + s.Rows.Unknown},
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
	}
	for _, k := range conflict.Kinds() {
		if n := max(a.Counts[k], s.Findings[k]); n > 0 {
			out.Findings = append(out.Findings, certificate.Found{Kind: k.String(), Count: n, Settled: outcome(k, out.Rows)})
		}
	}
	return out
}

// outcome says how findings of a kind were settled. Which of the rows under doubt are whose is not told apart.
func outcome(k conflict.Kind, rows certificate.Rows) string {
	switch {
	case k.Benign():
		return "both sides ended with the same row"
	case k == conflict.Unjudged:
		return "never judged"
	case k == conflict.StaleSession || k == conflict.WrongStepKey:
		return "no rows were under doubt because of it"
	case rows.Differ > 0:
		return fmt.Sprintf("%d rows under doubt are proven different", rows.Differ)
	case rows.Undecided > 0:
		return fmt.Sprintf("%d rows under doubt are without a decision", rows.Undecided)
	}
	return "all rows under doubt were found equal; one side's change of them may be lost on both"
}
