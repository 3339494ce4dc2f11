package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"crosscheck/checksum"
	"crosscheck/conflict"
)

// words say what happened, what both sides hold, and what is done about it.
func (g *MendGroup) words(p *MendPlan, show bool) []string {
	var out []string
	for _, i := range g.Findings {
		out = append(out, p.In.Findings[i].words()...)
	}
	for _, r := range g.Rows {
		out = append(out, p.In.Rows[r].words(show)...)
	}
	return append(out, g.choice(p)...)
}

func (f *MendFinding) words() []string {
	if f.Kind == 0 {
		return []string{"A row in doubt, which no finding names: a change of it did not arrive as it was made, or was not seen to."}
	}
	out := []string{fmt.Sprintf("Finding %s, %s of %s, found %s: %s", f.ID, f.Kind, quoted(f.Table), stamp(f.Found), f.Detail)}
	for _, x := range []struct {
		side string
		act  *conflict.Act
	}{{SideOld, f.Old}, {SideNew, f.New}} {
		a := x.act
		if a == nil {
			continue
		}
		line := "  " + x.side + ": " + a.Op.String()
		if !a.CommitTime.IsZero() {
			line += ", committed " + stamp(a.CommitTime)
		}
		if !a.Place.IsZero() {
			line += ", in " + a.Place.String()
		}
		if a.Session != nil {
			line += fmt.Sprintf(", by session %d of %s", a.Session.Thread, quoted(a.Session.User+"@"+a.Session.Host))
		}
		out = append(out, line)
	}
	return out
}

// words show both writers' versions of a row, column by column where they differ.
func (m *MendRow) words(show bool) []string {
	out := []string{"  row " + rowName(m.Row) + ":"}
	d := m.Beside[conflict.Old][1]
	switch {
	case d.Why != "":
		return append(out, "    it cannot be told: "+d.Why)
	case d.Kind == "":
		return append(out, "    old and new hold the same")
	case d.Kind == checksum.Missing:
		out = append(out, "    new has no such row; old has:")
	case d.Kind == checksum.Extra:
		out = append(out, "    old has no such row; new has:")
	}
	for _, c := range d.Columns {
		if show {
			v := showDiff(c)
			out = append(out, fmt.Sprintf("    %s: old %s, new %s", quoted(c.Column), shown(v.Old), shown(v.New)))
			continue
		}
		v := maskDiff(c)
		out = append(out, fmt.Sprintf("    %s: old %s, new %s", quoted(c.Column), v.Old, v.New))
	}
	return out
}

func shown(s *string) string {
	if s == nil {
		return "NULL"
	}
	return quoted(*s)
}

func (g *MendGroup) choice(p *MendPlan) []string {
	if g.Left != "" {
		return append([]string{"  left out: " + g.Left}, g.choices(p)...)
	}
	if g.Equal {
		return []string{"  both writers hold the same: nothing is dropped"}
	}
	loser := g.Winner.Other()
	if !g.Both {
		how := ""
		if g.Keep == KeepNewer {
			how = ", which was committed last"
		}
		out := []string{fmt.Sprintf("  %s's version stays%s; %s's is dropped where it is another one", sideName(g.Winner), how, sideName(loser))}
		for _, r := range g.Rows {
			if from, _ := p.source(g, r, g.Winner); from != int(g.Winner) {
				out = append(out, fmt.Sprintf("  %s: each writer applied what the other had committed, so %s's version is on %s now", rowName(p.In.Rows[r].Row), sideName(g.Winner), sideName(loser)))
			}
		}
		return out
	}
	row := &p.In.Rows[g.Rows[0]]
	out := []string{fmt.Sprintf("  both stay: %s's row keeps the key, %s's gets the key %s, which is of %s's step", sideName(g.Winner), sideName(loser), row.Fresh[loser], sideName(loser))}
	if len(row.References) == 0 {
		return append(out, "  no foreign key refers to the table; columns that refer to it without one are the application's to say")
	}
	out = append(out, fmt.Sprintf("  References do not follow by themselves. Rows that mean %s's row have to be set to the new key by hand:", sideName(loser)))
	for _, ref := range row.References {
		out = append(out, "    "+ref)
	}
	return out
}

func (g *MendGroup) choices(p *MendPlan) []string {
	var out []string
	for i, f := range g.Findings {
		keeps, why := mendChoices(p.In.Findings[f].Kind)
		if i > 0 || len(keeps) == 0 || len(g.Rows) == 0 {
			continue
		}
		out = append(out, "  choices: --keep "+strings.ReplaceAll(joinKeeps(keeps), ", ", ", --keep "))
		if why != "" {
			out = append(out, "  "+why)
		}
	}
	return out
}

// Left counts the groups for which nothing is written although there is something to mend.
func (p *MendPlan) Left() int {
	n := 0
	for i := range p.Groups {
		k := p.In.Findings[p.Groups[i].Findings[0]].Kind
		aside := !slices.ContainsFunc(p.Groups[i].Findings, func(f int) bool { return !p.In.Findings[f].Aside })
		if !aside && p.Groups[i].Left != "" && k != conflict.StaleSession && k != conflict.WrongStepKey {
			n++
		}
	}
	return n
}

// Mended lists the findings that the files mend, with what stays: an ID, and "old", "new" or "both".
func (p *MendPlan) Mended() map[string]Keep {
	out := map[string]Keep{}
	for i := range p.Groups {
		g := &p.Groups[i]
		for _, f := range g.Findings {
			if x := &p.In.Findings[f]; g.Left == "" && x.ID != "" {
				switch {
				case g.Both:
					out[x.ID] = KeepBoth
				case g.Equal:
					out[x.ID] = "same"
				default:
					out[x.ID] = Keep(sideName(g.Winner))
				}
			}
		}
	}
	return out
}

// Tell writes the plan for people.
func (p *MendPlan) Tell(w io.Writer, show bool) error {
	var b strings.Builder
	for i := range p.Groups {
		if !slices.ContainsFunc(p.Groups[i].Findings, func(f int) bool { return !p.In.Findings[f].Aside }) {
			continue
		}
		b.WriteString(strings.Join(p.Groups[i].words(p, show), "\n") + "\n\n")
	}
	for i := range p.In.Stops {
		s := &p.In.Stops[i]
		if s.Errno == 0 {
			continue
		}
		fmt.Fprintf(&b, "The applier of %s is stopped with error %d at transaction %s of %s, which changes %s; %s", p.In.Nodes[s.Node].Label,
			s.Errno, s.name(), s.Source, plural(int64(len(s.Rows)), "row"), "")
		if p.pass[i] {
			b.WriteString("its file passes exactly that one.\n")
		} else {
			fmt.Fprintf(&b, "it is not passed%s.\n", after(": ", s.Why))
		}
	}
	if len(p.Files) > 0 {
		b.WriteString("\nRun in this order, each on its own node:\n")
		tables := []string{}
		seen := map[string]bool{}
		for i := range p.Files {
			fmt.Fprintf(&b, "  %s on %s: %s\n", p.Files[i].Name, p.In.Nodes[p.Files[i].Node].Label, plural(int64(len(p.Files[i].list)), "row"))
			for _, r := range p.Files[i].list {
				if !seen[r.table] {
					seen[r.table] = true
					tables = append(tables, r.table)
				}
			}
		}
		if p.In.Recheck != nil && len(tables) > 0 {
			fmt.Fprintf(&b, "Then let replication arrive and check: %s\nA watch that runs, or goes on, looks at these rows again by itself.\n", p.In.Recheck(tables))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func after(sep, text string) string {
	if text == "" {
		return ""
	}
	return sep + text
}
