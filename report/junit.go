package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"crosscheck/checksum"
)

type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Time     string     `xml:"time,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Output     string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// renderJUnit writes one test case per table and copy: a failure if it differs, an error if it is undecided. A run that is not
// the same for a reason of its own gets a case of its own, so that no pipeline turns green on it.
func renderJUnit(w io.Writer, d *CheckDocument) error {
	s := junitSuite{
		Name:       "crosscheck check",
		Time:       fmt.Sprintf("%.3f", d.ElapsedSeconds),
		Timestamp:  d.Started.Format("2006-01-02T15:04:05"),
		Properties: junitProperties(d),
		Cases:      make([]junitCase, 0, len(d.Tables)*len(d.Nodes)+1),
	}
	for i := range d.Tables {
		t := &d.Tables[i]
		for k := range t.Copies {
			s.add(junitCopy(d, t, &t.Copies[k]))
		}
	}
	if d.Verdict != checksum.Same && (d.Reason != "" || s.Failures+s.Errors == 0) {
		c := junitCase{Class: "crosscheck", Name: "whole run", Time: s.Time}
		if d.Reason != "" && s.Failures > 0 { // the difference is the tables'
			c.blame(checksum.Undecided, visible(d.Reason), "")
		} else {
			c.blame(d.Verdict, visible(d.Summary()), "")
		}
		s.add(c)
	}
	s.Output = junitNotes(d.runNotes(), nil)
	out := junitSuites{Name: s.Name, Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Time: s.Time, Suite: s}
	text, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func (c *junitCase) blame(v checksum.Verdict, message, text string) {
	p := &junitProblem{Type: v.String(), Message: message, Text: text}
	switch v {
	case checksum.Same:
	case checksum.Different:
		c.Failure = p
	default:
		c.Error = p
	}
}

func junitProperties(d *CheckDocument) []junitProperty {
	out := []junitProperty{{"summary", visible(d.Summary())}}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		label := visible(n.Label)
		out = append(out, junitProperty{label, visible(n.Addr + " " + n.product())},
			junitProperty{label + ".position", visible(n.Position)})
		if n.Relation != "" {
			out = append(out, junitProperty{label + ".relation", visible(n.Relation)})
		}
		if !d.single() {
			out = append(out, junitProperty{label + ".verdict", string(n.Verdict)})
		}
	}
	return out
}

func junitCopy(d *CheckDocument, t *Table, copied *CopyEntry) junitCase {
	schema, name, ok := strings.Cut(t.Table, ".")
	if !ok {
		schema, name = "", t.Table
	}
	if !d.single() {
		name += " on " + copied.Node
	}
	c := junitCase{Class: visible(schema), Name: visible(name), Time: fmt.Sprintf("%.3f", t.ElapsedSeconds)}
	var text strings.Builder
	for i := range copied.Differences {
		junitDifference(&text, &copied.Differences[i])
	}
	if copied.DifferencesOmitted > 0 {
		fmt.Fprintf(&text, "… and %s not listed\n", plural(copied.DifferencesOmitted, "row"))
	}
	message := copied.outcome()
	if copied.Reason != "" {
		message += ": " + copied.Reason
	}
	c.blame(copied.Verdict, visible(message), text.String())
	c.Output = junitNotes(t.Notes, t.Lossy)
	return c
}

func junitNotes(notes, lossy []string) string {
	lines := make([]string, 0, len(notes)+len(lossy))
	for _, l := range lossy {
		lines = append(lines, "lossy: "+visible(l))
	}
	for _, n := range notes {
		lines = append(lines, "note: "+visible(n))
	}
	return strings.Join(lines, "\n")
}

func junitDifference(b *strings.Builder, d *Difference) {
	fmt.Fprintf(b, "%s %s", d.Kind, shorten(keyText(d.Key), 200))
	if d.Count > 1 {
		fmt.Fprintf(b, " × %s", number(d.Count))
	}
	for _, v := range d.Values {
		old, new_ := shortenPair(d.oldText(v), d.newText(v), 200)
		if old != "" && new_ != "" {
			old += " → "
		}
		fmt.Fprintf(b, "\n    %s: %s%s", visible(v.Column), old, new_)
	}
	for _, m := range d.Masked {
		fmt.Fprintf(b, "\n    %s: %s → %s", visible(m.Column), m.Old, m.New)
	}
	b.WriteString("\n")
}
