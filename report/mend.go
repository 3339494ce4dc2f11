package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
)

// Keep is which version of the rows of a finding is to stay.
type Keep string

// The choices. Both leaves each of two rows that were given one key, one of them under a new key.
const (
	KeepOld   Keep = "old"
	KeepNew   Keep = "new"
	KeepNewer Keep = "newer"
	KeepBoth  Keep = "both"
)

// Keeps lists all choices.
func Keeps() []Keep { return []Keep{KeepOld, KeepNew, KeepNewer, KeepBoth} }

// Why a choice, or any, cannot be had for a kind.
const (
	mendOtherValue = "keep both is not to be had: which other value one of the rows gets is the application's to say; set it by hand on one side, and mend again"
	mendOneRow     = "keep both is not to be had: it is one row"
	mendNoTime     = "keep newer is not to be had: no two changes are known of which one is newer"
)

// mendChoices are the choices that a kind of finding has, and why it has no others. Kind 0 stands for a row that is under doubt
// without a finding. A kind without choices says what there is to do.
func mendChoices(k conflict.Kind) (keeps []Keep, why string) {
	switch k {
	case conflict.InsertInsertPK:
		return []Keep{KeepOld, KeepNew, KeepNewer, KeepBoth}, ""
	case conflict.InsertInsertUnique, conflict.UpdateUnique, conflict.MultipleUnique, conflict.UpdatePK:
		return []Keep{KeepOld, KeepNew, KeepNewer}, mendOtherValue
	case conflict.UpdateUpdate, conflict.UpdateDelete, conflict.DeleteUpdate, conflict.InsertDelete, conflict.ForeignKeyOrphan,
		conflict.UpdateUpdateSame, conflict.DeleteDelete:
		return []Keep{KeepOld, KeepNew, KeepNewer}, mendOneRow
	case conflict.EchoMismatch, conflict.MissingEcho, conflict.Unjudged, 0:
		return []Keep{KeepOld, KeepNew}, mendNoTime
	case conflict.WrongStepKey:
		return nil, "nothing to mend: the row is on both sides; end the session whose step is wrong, or the next such key may collide"
	case conflict.StaleSession:
		return nil, "nothing to mend: it is about a session, and no row; end the session"
	case conflict.DDLRace:
		return nil, "only by hand: which rows a schema change met is not known; crosscheck check --table of the table, then crosscheck repair"
	}
	return nil, "only by hand: nothing is known of this kind"
}

// MendRow is a row of a finding, or one that a waiting transaction changes.
type MendRow struct {
	conflict.Row
	// Beside is what each node holds of it, beside the writer of old and of new: that is the image Old of the difference, the
	// node's the image New.
	Beside [2][]checksum.Beside
	// Acted says of which side a finding tells a change of it.
	Acted [2]bool
	// Fresh are free keys of each side's step, as SQL; "" where there is none, for the reason NoFresh.
	Fresh   [2]string
	NoFresh string
	// Fits is the side whose step the key is of; nil where it fits none or both.
	Fits *conflict.Side
	// References are the foreign keys that point to it, in words.
	References []string
}

// MendFinding is a finding, or a row under doubt.
type MendFinding struct {
	conflict.Finding
	Found time.Time
	Rows  []int // places in MendInput.Rows
	Keep  Keep  // "": nobody chose
	Aside bool  // it was not asked for
}

// MendStop is what waits for the applier of a node, read in its source's log. The applier may be stopped at it.
type MendStop struct {
	Node    int           // place in MendInput.Nodes
	Side    conflict.Side // of the source
	Source  string        // its label
	Channel string
	Errno   int // 0: the applier is not stopped by an error
	// GTID is the transaction at which it is stopped, and Place where that begins in the source's log.
	GTID, Place string
	// MariaDB's gtid_slave_pos as it is, and as it is when exactly that transaction is passed.
	SlavePos, Passed string
	Rows             []int  // that the transaction changes
	Later            []int  // that what is behind it changes
	Why              string // why it cannot be passed, or what waits is not known; "" if all is known
}

// MendInput is what a mend is planned from.
type MendInput struct {
	Written  time.Time
	By       string
	State    string // how the folder is named on a command line
	Nodes    []Node // the writers of old and new first
	Unread   []string
	Rows     []MendRow
	Findings []MendFinding
	Stops    []MendStop
	// SplitTable is as in RepairOptions.
	SplitTable func(table string) (schema, name string, ok bool)
	// Recheck is the command line that checks tables afterwards.
	Recheck func(tables []string) string
}

// MendGroup are findings that share rows: one version of all of them stays.
type MendGroup struct {
	Findings []int
	Rows     []int
	Keep     Keep // what was chosen; "": nobody chose, or they do not agree
	Winner   conflict.Side
	Both     bool
	Equal    bool   // the writers hold the same
	Left     string // why nothing is written for it; "" if it is mended
}

// MendPlan says which row gets which version on which node.
type MendPlan struct {
	In     *MendInput
	Groups []MendGroup
	Files  []MendFile
	pass   []bool            // of In.Stops: it is passed
	extra  map[int]*MendStop // rows of passed transactions that no finding is about, with who waits for them
}

// MendFile is what is to be run on one node.
type MendFile struct {
	Node int
	Name string
	list []mendRow
	stop *MendStop
}

type mendRow struct {
	table string
	d     checksum.Difference
}

// Statements is how many rows the file changes.
func (f *MendFile) Statements() int { return len(f.list) }

// PlanMend decides what is written for each node.
func PlanMend(in *MendInput) *MendPlan {
	if in.SplitTable == nil {
		in.SplitTable = splitAtOnlyDot
	}
	p := &MendPlan{In: in, pass: make([]bool, len(in.Stops)), extra: map[int]*MendStop{}}
	p.group()
	for i := range p.Groups {
		p.choose(&p.Groups[i])
	}
	for p.settle() { // what is left out of one may leave another out
	}
	p.files()
	return p
}

// group joins findings that share a row.
func (p *MendPlan) group() {
	of := map[int]int{} // group of a row
	for i, f := range p.In.Findings {
		g := len(p.Groups)
		p.Groups = append(p.Groups, MendGroup{Findings: []int{i}, Rows: slices.Clone(f.Rows)})
		for _, r := range f.Rows {
			if h, ok := of[r]; ok && h != g {
				p.Groups[g].Findings = append(p.Groups[h].Findings, p.Groups[g].Findings...)
				p.Groups[g].Rows = append(p.Groups[g].Rows, p.Groups[h].Rows...)
				p.Groups[h] = MendGroup{}
			}
			for _, x := range p.Groups[g].Rows {
				of[x] = g
			}
		}
	}
	p.Groups = slices.DeleteFunc(p.Groups, func(g MendGroup) bool { return len(g.Findings) == 0 })
	for i := range p.Groups {
		g := &p.Groups[i]
		slices.Sort(g.Rows)
		g.Rows = slices.Compact(g.Rows)
		slices.Sort(g.Findings)
		g.Findings = slices.Compact(g.Findings)
	}
}

// choose resolves what was chosen for a group.
func (p *MendPlan) choose(g *MendGroup) {
	kinds := map[conflict.Kind]bool{}
	var keeps []Keep
	for _, i := range g.Findings {
		f := &p.In.Findings[i]
		kinds[f.Kind] = true
		if f.Keep != "" && !slices.Contains(keeps, f.Keep) {
			keeps = append(keeps, f.Keep)
		}
	}
	first := &p.In.Findings[g.Findings[0]]
	if _, why := mendChoices(first.Kind); len(g.Rows) == 0 {
		if g.Left = why; first.Kind != conflict.WrongStepKey && first.Kind != conflict.StaleSession && first.Kind != conflict.DDLRace {
			g.Left = "only by hand: it names no row; " + first.Advice
		}
		return
	}
	if !slices.ContainsFunc(g.Findings, func(f int) bool { return !p.In.Findings[f].Aside }) {
		g.Left = "it was not asked for"
		return
	}
	if why := p.unknown(g); why != "" {
		g.Left = why
		return
	}
	if g.Equal = p.writersEqual(g) && !p.awaited(g); g.Equal {
		g.Keep = KeepOld // they are the same
		return
	}
	switch {
	case len(keeps) == 0:
		g.Left = "nobody chose which version stays: --keep, or --choices"
		return
	case len(keeps) > 1:
		g.Left = fmt.Sprintf("its findings share rows, and what was chosen for them differs (%s): choose one", joinKeeps(keeps))
		return
	}
	g.Keep = keeps[0]
	for k := range kinds {
		if list, why := mendChoices(k); !slices.Contains(list, g.Keep) {
			g.Left = why
			return
		}
	}
	if p.win(g); g.Left != "" {
		return
	}
	for _, r := range g.Rows {
		if _, ok := p.source(g, r, g.Winner); !ok {
			g.Left = fmt.Sprintf("only by hand: what %s committed of %s is on neither writer as it was committed; see the finding's place in its log",
				sideName(g.Winner), rowName(p.In.Rows[r].Row))
			return
		}
	}
}

// awaited tells whether an applier is stopped at a change of one of the rows.
func (p *MendPlan) awaited(g *MendGroup) bool {
	return slices.ContainsFunc(p.In.Stops, func(s MendStop) bool {
		return s.Errno != 0 && slices.ContainsFunc(s.Rows, func(r int) bool { return slices.Contains(g.Rows, r) })
	})
}

// source is the writer that holds a side's version of a row: its own, where nothing of the other side's came to it, or the
// other one, where each applied what the other had done. ok is false if none is known to hold it.
func (p *MendPlan) source(g *MendGroup, r int, s conflict.Side) (writer int, ok bool) {
	own, other := int(s), int(s.Other())
	for i := range p.In.Stops {
		if x := &p.In.Stops[i]; x.Node == own && x.Side != s && (slices.Contains(x.Rows, r) || slices.Contains(x.Later, r)) {
			return own, true
		}
	}
	row := &p.In.Rows[r]
	holds := row.Beside[conflict.Old][1].Holds
	switch {
	case !slices.ContainsFunc(g.Findings, func(f int) bool { return collides(p.In.Findings[f].Kind) }):
		return own, true // what it holds now
	case !row.Acted[s]:
		return own, !holds[other][own]
	case holds[s][own]:
		return own, true
	case holds[s][other]:
		return other, true
	}
	return own, false
}

// collides tells kinds apart in which each side made a version of a row.
func collides(k conflict.Kind) bool {
	return k >= conflict.InsertInsertPK && k <= conflict.ForeignKeyOrphan
}

func joinKeeps(list []Keep) string {
	var out []string
	for _, k := range list {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// unknown says which row of a group cannot be told.
func (p *MendPlan) unknown(g *MendGroup) string {
	for _, r := range g.Rows {
		row := &p.In.Rows[r]
		if _, _, ok := p.In.SplitTable(row.Table); !ok {
			return "the table's name can be read in two ways"
		}
		for s := range row.Beside {
			for n, b := range row.Beside[s] {
				if b.Why != "" {
					return fmt.Sprintf("%s on %s: %s", rowName(row.Row), p.In.Nodes[n].Label, b.Why)
				}
			}
		}
	}
	return ""
}

// writersEqual tells whether the two writers hold the same in all rows of a group.
func (p *MendPlan) writersEqual(g *MendGroup) bool {
	return !slices.ContainsFunc(g.Rows, func(r int) bool { return p.In.Rows[r].Beside[conflict.Old][1].Kind != "" })
}

// win says whose version stays.
func (p *MendPlan) win(g *MendGroup) {
	switch g.Keep {
	case KeepOld:
		g.Winner = conflict.Old
	case KeepNew:
		g.Winner = conflict.New
	case KeepNewer:
		g.Winner, g.Left = p.newer(g)
	case KeepBoth:
		p.bothWin(g)
	}
}

// newer is the side of the newest change of a group's findings.
func (p *MendPlan) newer(g *MendGroup) (s conflict.Side, why string) {
	var last [2]time.Time
	for _, i := range g.Findings {
		f := &p.In.Findings[i]
		for side, a := range map[conflict.Side]*conflict.Act{conflict.Old: f.Old, conflict.New: f.New} {
			if a != nil && a.CommitTime.After(last[side]) {
				last[side] = a.CommitTime
			}
		}
	}
	switch {
	case last[0].IsZero(), last[1].IsZero():
		return 0, mendNoTime
	case last[0].Equal(last[1]):
		return 0, "both sides committed at " + stamp(last[0]) + ": which is newer is not known; choose old or new"
	case last[1].After(last[0]):
		return conflict.New, ""
	}
	return conflict.Old, ""
}

// bothWin gives the row a new key whose own key is not of its side's step; old's stays where the step does not tell.
func (p *MendPlan) bothWin(g *MendGroup) {
	if len(g.Rows) != 1 {
		g.Left = "keep both is not to be had: other rows have a part in it; choose old or new"
		return
	}
	row := &p.In.Rows[g.Rows[0]]
	if row.Beside[conflict.Old][1].Kind != checksum.Changed {
		g.Left = "keep both is not to be had: one side has no such row now; choose old or new"
		return
	}
	for _, s := range []conflict.Side{conflict.Old, conflict.New} {
		if from, ok := p.source(g, g.Rows[0], s); !ok || from != int(s) {
			g.Left = "keep both is not to be had: the writers do not hold what each of them inserted any more; choose old or new"
			return
		}
	}
	if row.Fits != nil {
		g.Winner = *row.Fits
	}
	g.Both = true
	if row.Fresh[g.Winner.Other()] == "" {
		g.Left = "keep both is not to be had: " + row.NoFresh
	}
}

// settle leaves out what cannot be mended without something else, and says whether that was anything.
func (p *MendPlan) settle() (again bool) {
	p.extra = map[int]*MendStop{}
	mended := map[int]*MendGroup{}
	in := map[int]bool{}
	for i := range p.Groups {
		for _, r := range p.Groups[i].Rows {
			in[r] = true
			if p.Groups[i].Left == "" {
				mended[r] = &p.Groups[i]
			}
		}
	}
	leave := func(g *MendGroup, why string) {
		if g != nil && g.Left == "" {
			g.Left, again = why, true
		}
	}
	for i := range p.In.Stops {
		s := &p.In.Stops[i]
		node := p.In.Nodes[s.Node].Label
		p.pass[i] = s.Errno != 0 && s.Why == "" && slices.ContainsFunc(s.Rows, func(r int) bool { return mended[r] != nil })
		for _, r := range s.Rows {
			if in[r] && mended[r] == nil {
				p.pass[i] = false
			}
			if !in[r] && !p.follows(s, r) {
				p.pass[i] = false
			}
		}
		for _, r := range s.Rows {
			switch {
			case s.Errno == 0:
			case p.pass[i] && !in[r]:
				p.extra[r] = s
			case !p.pass[i]:
				leave(mended[r], fmt.Sprintf("%s is stopped at transaction %s of %s, which must not be passed: %s", node, s.name(), s.Source, p.cannotPass(s, mended, in)))
			}
		}
		for r, g := range mended {
			switch {
			case s.Why != "":
				leave(g, fmt.Sprintf("what waits for the applier of %s is not known: %s", node, s.Why))
			case slices.Contains(s.Later, r) && !g.Equal && g.Winner != s.Side:
				leave(g, fmt.Sprintf("changes of %s by %s wait for the applier of %s: they would overwrite what stays there. Keep %s, or let them arrive and mend again",
					rowName(p.In.Rows[r].Row), s.Source, node, s.Side))
			case slices.Contains(s.Later, r) && g.Equal:
				leave(g, fmt.Sprintf("changes of %s by %s wait for the applier of %s: let them arrive and mend again", rowName(p.In.Rows[r].Row), s.Source, node))
			}
		}
	}
	return again
}

// follows tells whether a node may get a row that no finding is about from the transaction's side: it is told, and a writer
// holds what the transaction found where it was made. Else it has a version of its own, which nobody chose to drop.
func (p *MendPlan) follows(s *MendStop, r int) bool {
	row := &p.In.Rows[r]
	if slices.ContainsFunc(row.Beside[s.Side], func(x checksum.Beside) bool { return x.Why != "" }) {
		return false
	}
	return p.In.Nodes[s.Node].Side == sideName(s.Side) || row.Beside[conflict.Old][1].Holds[s.Side.Other()][s.Side.Other()]
}

func (p *MendPlan) cannotPass(s *MendStop, mended map[int]*MendGroup, in map[int]bool) string {
	if s.Why != "" {
		return s.Why
	}
	for _, r := range s.Rows {
		if in[r] && mended[r] == nil {
			return rowName(p.In.Rows[r].Row) + ", which it changes too, is left out"
		}
	}
	for _, r := range s.Rows {
		if !in[r] && !p.follows(s, r) {
			return fmt.Sprintf("it changes %s too, which no finding is about, and which is not there as that transaction found it", rowName(p.In.Rows[r].Row))
		}
	}
	return "it changes rows that cannot be told"
}

func (s *MendStop) name() string {
	if s.GTID != "" {
		return s.GTID
	}
	return s.Place
}

// files makes the list of each node: of its replicas first, so that nothing that a writer does to a row reaches them before.
func (p *MendPlan) files() {
	byNode := make([]MendFile, len(p.In.Nodes))
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Left != "" {
			continue
		}
		for _, r := range g.Rows {
			from, _ := p.source(g, r, g.Winner)
			for n := range p.In.Nodes {
				p.add(byNode, n, r, from)
			}
			if g.Both {
				p.freshRow(byNode, r, g.Winner.Other())
			}
		}
	}
	for r := range p.In.Rows {
		stop := p.extra[r]
		for n, node := range p.In.Nodes {
			// The rows of a transaction that a writer passes do not come to its replicas either.
			if stop != nil && (n == stop.Node || stop.Node < 2 && node.Side == p.In.Nodes[stop.Node].Side) {
				p.add(byNode, n, r, int(stop.Side))
			}
		}
	}
	for i := range p.In.Stops {
		if s := &p.In.Stops[i]; p.pass[i] && (len(s.Rows) > 0 || s.Errno != 0) {
			byNode[s.Node].stop = s
		}
	}
	order := []int{}
	for n := range byNode {
		byNode[n].Node = n
		order = append(order, n)
	}
	slices.SortStableFunc(order, func(a, b int) int { return min(b, 2) - min(a, 2) })
	for _, n := range order {
		if f := byNode[n]; len(f.list) > 0 || f.stop != nil {
			f.Name = fmt.Sprintf("%d-%s.sql", len(p.Files)+1, fileLabel(p.In.Nodes[n].Label))
			p.Files = append(p.Files, f)
		}
	}
}

func sideName(s conflict.Side) string {
	if s == conflict.New {
		return SideNew
	}
	return SideOld
}

// add makes a row on a node what it is on a writer.
func (p *MendPlan) add(byNode []MendFile, n, r, from int) {
	row := &p.In.Rows[r]
	if d := row.Beside[from][n].Difference; d.Kind != "" {
		byNode[n].list = append(byNode[n].list, mendRow{row.Table, d})
	}
}

// freshRow adds the loser's row under a new key on all nodes.
func (p *MendPlan) freshRow(byNode []MendFile, r int, loser conflict.Side) {
	row := &p.In.Rows[r]
	for n := range p.In.Nodes {
		d := row.Beside[loser][n].Difference
		d.Kind, d.NewRow, d.Columns = checksum.Missing, nil, nil
		d.OldRow = slices.Clone(d.OldRow)
		for i := range d.OldRow {
			if c := &d.OldRow[i]; c.Key {
				c.Literal = row.Fresh[loser]
				c.Guard = quoteName(c.Column) + " = " + c.Literal
			}
		}
		byNode[n].list = append(byNode[n].list, mendRow{row.Table, d})
	}
}

// rowName names a row by its key.
func rowName(r conflict.Row) string {
	var parts []string
	for i, v := range r.Key {
		name := fmt.Sprintf("#%d", i+1)
		if i < len(r.Columns) {
			name = r.Columns[i]
		}
		text := "NULL"
		if !v.IsNull() {
			text = printable(v.String())
		}
		parts = append(parts, quoted(name)+" = "+quoted(text))
	}
	return quoted(r.Table) + " (" + strings.Join(parts, ", ") + ")"
}
