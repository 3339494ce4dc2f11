package certificate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Summary says in lines of text what a document certifies.
func (d Document) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "migration   %s, plan %s\n", d.Path, d.PlanHash)
	fmt.Fprintf(&b, "verdict     %s\n", d.Verdict)
	if d.Schema == Schema { // an earlier one does not say
		fmt.Fprintf(&b, "complete    %v\n", d.Complete)
	}
	for _, why := range d.Incomplete {
		fmt.Fprintf(&b, "              %s\n", why)
	}
	fmt.Fprintf(&b, "issued      %s by crosscheck %s\n", d.Issued.UTC().Format(time.RFC3339), d.Crosscheck)
	fmt.Fprintf(&b, "signed by   %s\n", d.Key)
	serverLine(&b, "old", d.Old)
	serverLine(&b, "new", d.New)
	for _, n := range d.Nodes {
		serverLine(&b, n.Name, n.Server)
		fmt.Fprintf(&b, "              %s\n", n.Check)
	}
	for _, r := range d.Replaced {
		fmt.Fprintf(&b, "replaced    %s at %s: %s took the place of %s", r.Node, r.At.UTC().Format(time.RFC3339), r.By, cmp.Or(r.ServerUUID, "a server that the plan did not name"))
		for _, x := range [][2]string{{"proof", r.Proof}, {"lost", r.Lost}, {"reason", r.Reason}} {
			if x[1] != "" {
				fmt.Fprintf(&b, "; %s: %s", x[0], x[1])
			}
		}
		b.WriteString("; what was found with the former one is not told here\n")
	}
	for _, g := range d.Gates {
		fmt.Fprintf(&b, "gate        %-22s %s", g.Gate, g.State)
		if !g.Stays.IsZero() {
			fmt.Fprintf(&b, ", since %s", g.Stays.UTC().Format(time.RFC3339))
		} else if !g.Taken.IsZero() {
			fmt.Fprintf(&b, ", evidence %s old", time.Duration(g.AgeSeconds)*time.Second)
		}
		b.WriteString("\n")
		for _, r := range g.Reasons {
			fmt.Fprintf(&b, "              %s: %s\n", r.ID, r.Text)
		}
	}
	if c := d.Coverage; c != nil {
		fmt.Fprintf(&b, "coverage    %d tables, %d rows, complete: %v\n", c.Tables, c.Rows, c.Complete)
	} else {
		b.WriteString("coverage    no check\n")
	}
	for _, c := range d.Checks {
		if c.Settled != "" || c.Undecided > 0 {
			fmt.Fprintf(&b, "check %-5d %s: %d missing, %d extra, %d changed, %d undecided rows; %s\n", c.Run, c.Verdict, c.Missing, c.Extra, c.Changed, c.Undecided, c.Settled)
		}
	}
	for _, w := range d.Watches {
		w.summary(&b)
	}
	for _, o := range d.Overrides {
		fmt.Fprintf(&b, "override    %s by %s at %s: %s\n", o.Gate, o.By, o.When.UTC().Format(time.RFC3339), o.Why)
	}
	if a := d.NotLookedAt; a != nil && a.Total > 0 {
		fmt.Fprintf(&b, "not looked at  %d tables and views that the plan does not choose: %s%s\n", a.Total, strings.Join(a.Tables, ", "), more(uint64(a.Total), len(a.Tables)))
	}
	for _, c := range d.CannotSee {
		fmt.Fprintf(&b, "cannot see  %s\n", c)
	}
	return printable(b.String())
}

func (w Watched) summary(b *strings.Builder) {
	fmt.Fprintf(b, "watch       %s to %s, %s: %d of %d changes not verified, %d of them because of collisions, %d not judged, %d on their way; rows under doubt: %d found equal, %d superseded, %d repaired, %d different, %d open, %d not known\n",
		w.Since.UTC().Format(time.RFC3339), w.Until.UTC().Format(time.RFC3339), w.Verdict, w.Unverified, w.Changes, w.Explained, w.Unjudged, w.Waiting, w.Rows.Equal, w.Rows.Superseded, w.Rows.Repaired, w.Rows.Differs+w.Rows.Differ, w.Rows.Open+w.Rows.Undecided, w.Rows.NotKnown)
	if w.Unverified > 0 && w.LaterCheck != "" {
		fmt.Fprintf(b, "              %s, which began later, found all the same\n", w.LaterCheck)
	}
	for _, f := range w.Findings {
		fmt.Fprintf(b, "              %d %s: %s\n", f.Count, f.Kind, f.Settled)
		for _, x := range f.SettledBy {
			fmt.Fprintf(b, "                %d settled by %s, at the latest %s through old at %s, new at %s\n", x.Count, x.By, x.At.UTC().Format(time.RFC3339), x.Old, x.New)
		}
		named(b, f.Open, f.Unsettled)
	}
	if n := w.Rows.Unsettled(); n > 0 {
		fmt.Fprintf(b, "              %d rows under doubt are not settled\n", n)
		named(b, w.Rows.Named, n)
	}
	for _, r := range slices.Concat(w.Reasons, w.Blind) {
		fmt.Fprintf(b, "              %s\n", r)
	}
}

// named lists what is not settled.
func named(b *strings.Builder, list []Open, total uint64) {
	for _, x := range list {
		fmt.Fprintf(b, "                open: %s %s %s %s: %s\n", x.ID, x.Table, x.Key, x.Outcome, x.Why)
	}
	if more := more(total, len(list)); len(list) > 0 && more != "" {
		fmt.Fprintf(b, "               %s\n", more)
	}
}

// more says how many are not named.
func more(total uint64, named int) string {
	if n := total - min(uint64(max(named, 0)), total); n > 0 {
		return fmt.Sprintf(" and %d more", n)
	}
	return ""
}

// printable takes out what a terminal would obey: a certificate may be anybody's.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c)) {
			return '�'
		}
		return c
	}, s)
}

func serverLine(b *strings.Builder, label string, s Server) {
	fmt.Fprintf(b, "%-11s %s", label, s.ServerUUID)
	if s.Version != "" {
		fmt.Fprintf(b, ", %s", s.Version)
	}
	if s.Position != "" {
		fmt.Fprintf(b, ", at %s", s.Position)
	}
	b.WriteString("\n")
}
