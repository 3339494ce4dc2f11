package report

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"crosscheck/checksum"
)

// mark is a verdict's sign. It always stands beside the word: colour and shape alone say nothing to some readers.
func mark(v checksum.Verdict) string {
	switch v {
	case checksum.Same:
		return "✓"
	case checksum.Different:
		return "✗"
	default:
		return "?"
	}
}

// Summary is the verdict in one sentence, such as "DIFFERENT: 7 rows in 3 tables (2 missing, 5 changed)". Names and
// positions in it are not yet fit for a terminal.
func (d *CheckDocument) Summary() string {
	if !d.single() {
		return d.nodesSummary()
	}
	s := d.pairSummary()
	for i, n := range d.unread() { // a yes must not be read as more than it is
		s += []string{"; not compared: ", ", "}[min(i, 1)] + n.Label
	}
	return s
}

func (d *CheckDocument) pairSummary() string {
	t := d.Totals
	switch d.Verdict {
	case checksum.Same:
		s := fmt.Sprintf("SAME: %s, %s, %s compared in %s", plural(int64(t.Tables), "table"), plural(t.RowsOld, "row"),
			bytesOf(t.BytesOld), duration(d.ElapsedSeconds))
		return s + d.throughPart() + d.lossyPart()
	case checksum.Different:
		s := "DIFFERENT: " + differentPart(d)
		if t.TablesUndecided > 0 {
			s += "; " + plural(int64(t.TablesUndecided), "table") + " undecided"
		}
		if d.Interrupted {
			s += "; stopped before the end"
		}
		return s
	default:
		return "UNDECIDED: " + undecidedPart(d)
	}
}

// throughPart is the position that a yes is proven through; without replication a position of old says nothing.
func (d *CheckDocument) throughPart() string {
	ref := d.reference()
	if ref.Position == "" || d.relation() == "independent" {
		return ""
	}
	return ", proven through " + ref.Label + " at " + shorten(whereabouts(ref.Position), 48)
}

// lossyPart keeps a yes from being read as more than it is.
func (d *CheckDocument) lossyPart() string {
	var lossy int64
	for i := range d.Tables {
		lossy += int64(len(d.Tables[i].Lossy))
	}
	if lossy == 0 {
		return ""
	}
	return "; " + plural(lossy, "column") + " compared through a conversion that loses information"
}

// relation is how the servers of a pair replicate.
func (d *CheckDocument) relation() string {
	for _, n := range d.compared() {
		return n.Relation
	}
	return ""
}

// nodesSummary is the sentence of a check of several nodes: who differs, who is undecided, who is the same, who was not
// compared.
func (d *CheckDocument) nodesSummary() string {
	var different, undecided, same, unread []string
	for i := range d.Nodes {
		switch n := &d.Nodes[i]; {
		case n.Verdict == IsReference:
		case n.Verdict == NotCompared:
			unread = append(unread, n.Label)
		case n.Verdict.verdict() == checksum.Different:
			different = append(different, n.Label+" ("+d.sumOf(n.Label)+")")
		case n.Verdict.verdict() == checksum.Same:
			same = append(same, n.Label)
		default:
			undecided = append(undecided, n.Label)
		}
	}
	t, ref := d.Totals, d.reference()
	var parts []string
	list := func(words string, labels []string) {
		if len(labels) > 0 {
			parts = append(parts, words+strings.Join(labels, ", "))
		}
	}
	list("", different)
	if d.Verdict != checksum.Undecided || len(undecided) < len(d.compared()) {
		list("undecided: ", undecided)
	}
	list("same as "+ref.Label+": ", same)
	head := strings.ToUpper(d.Verdict.String()) + ": "
	if d.Verdict == checksum.Undecided && d.Reason != "" {
		parts = append(parts, d.Reason)
	}
	if d.Interrupted {
		parts = append(parts, "stopped before the end")
	}
	if d.Verdict == checksum.Same {
		parts = append(parts, fmt.Sprintf("%s, %s, %s compared in %s", plural(int64(t.Tables), "table"),
			plural(t.RowsOld, "row"), bytesOf(t.BytesOld), duration(d.ElapsedSeconds))+d.throughPart()+d.lossyPart())
	}
	list("not compared: ", unread)
	if len(parts) == 0 {
		return head + "nothing was proven"
	}
	return head + strings.Join(parts, "; ")
}

// sumOf says how a copy differs: "7 rows in 3 tables: 2 missing, 5 changed".
func (d *CheckDocument) sumOf(label string) string {
	var sum checksum.Counts
	var byRows, otherwise int64
	for i := range d.Tables {
		c := d.Tables[i].copyOf(label)
		switch {
		case c == nil || c.Verdict != checksum.Different:
		case c.counts().Differences() > 0:
			byRows++
			sum.Add(c.counts())
		default:
			otherwise++
		}
	}
	var parts []string
	if byRows > 0 {
		parts = append(parts, fmt.Sprintf("%s in %s: %s", plural(sum.Differences(), "row"), plural(byRows, "table"), kinds(sum)))
	}
	if otherwise > 0 {
		parts = append(parts, plural(otherwise, "table")+" for other reasons than rows")
	}
	return orElse(strings.Join(parts, ", and "), "no table says why")
}

func (t *Table) copyOf(label string) *CopyEntry {
	for i := range t.Copies {
		if t.Copies[i].Node == label {
			return &t.Copies[i]
		}
	}
	return nil
}

func differentPart(d *CheckDocument) string {
	var byRows, otherwise int64
	var whole string
	for i := range d.Tables {
		switch t := &d.Tables[i]; {
		case t.Verdict != checksum.Different:
		case t.Counts.Differences() > 0:
			byRows++
		default:
			otherwise++
			whole = t.Table + ": " + orElse(t.Reason, "differs")
		}
	}
	var parts []string
	if byRows > 0 {
		parts = append(parts, fmt.Sprintf("%s in %s (%s)", plural(d.Totals.Differences(), "row"),
			plural(byRows, "table"), kinds(d.Totals.Counts)))
	}
	switch {
	case otherwise == 1:
		parts = append(parts, whole)
	case otherwise > 1:
		parts = append(parts, plural(otherwise, "table")+" for other reasons than rows")
	case len(parts) == 0:
		return orElse(d.Reason, "no table says why")
	}
	return strings.Join(parts, ", and ")
}

// kinds lists the counts that are not zero: "2 missing, 5 changed".
func kinds(c checksum.Counts) string {
	var parts []string
	for _, k := range []struct {
		n    int64
		word string
	}{{c.Missing, "missing"}, {c.Extra, "extra"}, {c.Changed, "changed"}, {c.Undecided, "undecided"}} {
		if k.n > 0 {
			parts = append(parts, number(k.n)+" "+k.word)
		}
	}
	return strings.Join(parts, ", ")
}

func undecidedPart(d *CheckDocument) string {
	t := d.Totals
	reason := d.Reason
	for i := 0; reason == "" && i < len(d.Tables); i++ {
		if d.Tables[i].Verdict == checksum.Undecided {
			reason = d.Tables[i].Reason
		}
	}
	of := fmt.Sprintf("%s of %s", number(int64(t.TablesUndecided)), plural(int64(t.Tables), "table"))
	var parts []string
	if d.Interrupted {
		parts = append(parts, "stopped before the end")
	}
	switch {
	case t.Undecided > 0:
		parts = append(parts, fmt.Sprintf("%s in %s not proven either way", plural(t.Undecided, "row"), of))
	case t.TablesUndecided > 0:
		parts = append(parts, of+" not proven")
	}
	if reason != "" {
		parts = append(parts, reason)
	}
	if len(parts) == 0 {
		return "nothing was proven"
	}
	return strings.Join(parts, "; ")
}

// total is the line below the list of tables.
func (d *CheckDocument) total() *Table {
	return &Table{
		Table: "total", Verdict: d.Verdict, Counts: d.Totals.Counts, Method: "all", RowsPerSecond: d.Totals.RowsPerSecond,
	}
}

// read tells a table whose rows nobody read from an empty one.
func (t *Table) read(rows int64) string {
	if rows == 0 && (t.Method == "" || t.Method == "definition") {
		return "–"
	}
	return number(rows)
}

// outcome is a table's verdict with its counts: "different: 2 missing, 1 extra".
func (t *Table) outcome() string { return outcomeOf(t.Verdict, t.Counts) }

func outcomeOf(v checksum.Verdict, c checksum.Counts) string {
	if v == checksum.Undecided && c.Undecided > 0 {
		return "undecided: " + plural(c.Undecided, "row")
	}
	if k := kinds(c); k != "" {
		return v.String() + ": " + k
	}
	return v.String()
}

// silent tells whether a table has nothing to say beyond its line in the list.
func (t *Table) silent() bool {
	return len(t.Differences) == 0 && t.DifferencesOmitted == 0 && len(t.Lossy) == 0 && len(t.Notes) == 0 &&
		t.Reason == "" && t.ResumedChunks == 0
}

// proofs says by which rules the listed differences were proven.
func (t *Table) proofs() []string {
	used := map[checksum.Proof]bool{}
	for i := range t.Copies {
		for k := range t.Copies[i].Differences {
			used[t.Copies[i].Differences[k].Proof] = true
		}
	}
	for i := range t.Differences { // of a document that was read back, or made by hand
		used[t.Differences[i].Proof] = true
	}
	return proofTexts(used)
}

// usualProof is the one that most tables with listed differences have, "" for none.
func (d *CheckDocument) usualProof() string {
	tables := map[string]int{}
	usual := ""
	for _, t := range d.Tables {
		if own := t.proofs(); len(own) == 1 {
			if tables[own[0]]++; tables[own[0]] > tables[usual] {
				usual = own[0]
			}
		}
	}
	return usual
}

func proofTexts(used map[checksum.Proof]bool) []string {
	var out []string
	for _, p := range []struct {
		proof checksum.Proof
		text  string
	}{
		{checksum.ProofBinlog, "stable across fences, and old's binlog shows no change of the row meanwhile"},
		{checksum.ProofRounds, "stable across five fences with growing delays, without a binlog"},
		{checksum.ProofGrace, "stable on both sides across the grace time (the servers do not replicate)"},
	} {
		if used[p.proof] {
			out = append(out, p.text)
		}
	}
	return out
}

// runNotes are the remarks on the run as a whole, with what its fields imply.
func (d *CheckDocument) runNotes() []string {
	var out []string
	if d.Reason != "" && d.Verdict != checksum.Undecided && d.single() { // else the summary, or the nodes, say it
		out = append(out, d.Reason)
	}
	for _, n := range d.compared() {
		of := ""
		if !d.single() {
			of = n.Label + ": "
		}
		if n.ResumedFrom != "" {
			note := of + "continues run " + n.ResumedFrom
			if d.single() {
				note += ": " + number(d.Totals.ResumedChunks) + " of " + plural(d.Totals.Chunks, "chunk") + " proven there"
			}
			out = append(out, note)
		}
		if n.RepairCapped {
			some := "some differing rows"
			if n.WithoutValues > 0 {
				some = plural(n.WithoutValues, "differing row")
			}
			out = append(out, of+"the state directory lacks the values of "+some+", so repair leaves them out: "+
				"more rows differ than it keeps, or rows are too large; repair the others, then check again")
		}
	}
	if d.single() {
		for _, n := range d.unread() {
			note := n.Label + " (" + orElse(n.Addr, "address unknown") + ") was seen and not compared"
			if n.Reason != "" {
				note += ": " + n.Reason
			}
			out = append(out, note)
		}
	}
	return append(out, d.Notes...)
}

func (s Server) product() string {
	name := s.Flavor
	switch strings.ToLower(name) {
	case "mysql":
		name = "MySQL"
	case "mariadb":
		name = "MariaDB"
	}
	return strings.TrimSpace(name + " " + s.Version)
}

func (s Server) encryption() string {
	if s.TLS == "" {
		return "not encrypted"
	}
	return s.TLS
}

func bytesOf(n int64) string { return humanize.IBytes(uint64(max(n, 0))) } //nolint:gosec // never negative after max

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
