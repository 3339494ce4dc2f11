package record

import (
	"fmt"
	"time"
)

// Mend is that SQL was written which mends a finding. That it was run shows only in the rows.
type Mend struct {
	At   time.Time
	By   string
	Keep string // "old", "new", "both"; "same" where both sides held the same
	Hash string // SHA-256 over the files
}

// mended is a settled finding's end where a mend was written between the finding and what showed its rows to be equal. A finding
// whose rows a later change made equal, or that was equal all the time, was not mended.
func (f fate) mended(found Found) fate {
	if f.end != endEqual && f.end != endRepaired {
		return f
	}
	for i := len(found.Mends) - 1; i >= 0; i-- {
		m := found.Mends[i]
		if m.Keep == "same" || !m.At.Before(f.by.At) || m.At.Before(found.At) {
			continue
		}
		f.end = endMended
		f.by.By = fmt.Sprintf("%s, after %s wrote mend %s at %s (keep %s)", f.by.By, m.By, m.Hash[:min(12, len(m.Hash))], m.At.UTC().Format(time.RFC3339), m.Keep)
		return f
	}
	return f
}
