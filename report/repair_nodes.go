package report

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"crosscheck/checksum"
)

// A repair of several nodes. A row event that finds no row on a replica, or one in its place, stops the replica's applier
// (1032, 1062). So a row is mended on the writer and replicates only if it differs on the writer and on every other compared
// node of new alike, byte by byte. All other rows are mended on each node by itself, past its binary log. Replicas come
// first: until the writer's row is mended too, nothing that the writer does to it can reach them in another order.

// RepairCopy is a node whose differences are written.
type RepairCopy struct {
	Node Node
	Run  string // id in the ledger
	// Each walks the differences with their row images, table by table; it is called several times.
	Each func(fn func(table string, d checksum.Difference) error) error
}

// CopiesRepair is what the repair of a check with several nodes is written from.
type CopiesRepair struct {
	RepairOptions // of all; Old is the reference, New is not used
	Reference     Node
	Copies        []RepairCopy
}

// RepairFile is the repair of one node.
type RepairFile struct {
	Node Node
	Name string // "2-new-1.sql": its number is its place in the order

	copy   *RepairCopy
	counts [waysOfRepair]int64
}

// RepairPlan says which row is mended where. Its files are in the order in which they are to be run.
type RepairPlan struct {
	Files []RepairFile

	in      *CopiesRepair
	seed    maphash.Seed
	writer  *RepairCopy // of new; nil if it was not compared, or there is no one writer
	group   bool        // new is no tree of one writer and its replicas
	doubted map[uint64]bool
	states  map[*RepairCopy]map[uint64]uint64 // of each node of new: what its rows hold
	alone   map[string]bool                   // tables whose rows may want each other's unique values and do not all differ alike
}

// way is how a row of a node is mended.
type way int

const (
	byItself  way = iota // past the node's binary log
	logged               // on the writer, through its binary log
	elsewhere            // arrives from the writer
	doubtful             // not at all: old's own writer holds the row in another way
	inGroup              // not at all: the members of a group hold it in different ways
	waysOfRepair
)

const (
	errDoubtful = refusal("old's own writer differs from the node that was compared with: check again with the writer as the reference")
	errInGroup  = refusal("the nodes of new hold this row in different ways, and a node of a group cannot be mended by itself: rebuild those that differ")
)

// PlanRepair reads all differences and decides which row is mended where. A few hashes for each row are in memory.
func PlanRepair(in *CopiesRepair) (*RepairPlan, error) {
	if in.SplitTable == nil {
		in.SplitTable = splitAtOnlyDot
	}
	p := &RepairPlan{
		in: in, seed: maphash.MakeSeed(), doubted: map[uint64]bool{}, states: map[*RepairCopy]map[uint64]uint64{}, alone: map[string]bool{},
	}
	p.findWriter()
	for i := range in.Copies {
		if err := p.read(&in.Copies[i]); err != nil {
			return nil, fmt.Errorf("write the repair: %w", err)
		}
	}
	if err := p.coupled(); err != nil {
		return nil, fmt.Errorf("write the repair: %w", err)
	}
	for i := range in.Copies {
		if err := p.file(&in.Copies[i]); err != nil {
			return nil, fmt.Errorf("write the repair: %w", err)
		}
	}
	slices.SortStableFunc(p.Files, func(a, b RepairFile) int { return p.rank(&a.Node) - p.rank(&b.Node) })
	for i := range p.Files {
		p.Files[i].Name = fmt.Sprintf("%d-%s.sql", i+1, fileLabel(p.Files[i].Node.Label))
	}
	return p, nil
}

func (p *RepairPlan) rank(n *Node) int {
	switch {
	case n.Side == SideOld:
		return 0
	case p.writer == nil || n.Label != p.writer.Node.Label:
		return 1
	default:
		return 2
	}
}

// fileLabel is a label that is safe in a file's name.
func fileLabel(label string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, label)
}

// findWriter finds the node of new from which the others replicate.
func (p *RepairPlan) findWriter() {
	writers := 0
	for i := range p.in.Copies {
		switch c := &p.in.Copies[i]; {
		case c.Node.Side != SideNew:
		case c.Node.Role == RoleWriter:
			writers++
			p.writer = c
		case c.Node.Role != RoleReplica && c.Node.Role != "":
			p.group = true
		}
	}
	p.group = p.group || writers > 1
}

// oldWriter tells the node that is right about old's rows, whoever was read as the reference.
func oldWriter(n Node) bool { return n.Side == SideOld && n.Role != RoleReplica }

// read remembers what each of a node's rows holds.
func (p *RepairPlan) read(c *RepairCopy) error {
	states := map[uint64]uint64{}
	if c.Node.Side == SideNew {
		p.states[c] = states
	}
	return c.Each(func(table string, d checksum.Difference) error {
		id := p.identity(table, d)
		switch {
		case oldWriter(c.Node):
			p.doubted[id] = true
		case c.Node.Side == SideNew:
			state := p.state(d)
			if _, twice := states[id]; twice || !p.writable(table, d) {
				state = 0 // of no use for any other
			}
			states[id] = state
		}
		return nil
	})
}

func (p *RepairPlan) writable(table string, d checksum.Difference) bool {
	if _, _, ok := p.in.SplitTable(table); !ok {
		return false
	}
	_, _, err := repairStatements("t", d)
	return err == nil
}

// identity names a row across the nodes: by its key, or by all it holds where there is none.
func (p *RepairPlan) identity(table string, d checksum.Difference) uint64 {
	parts := []string{table}
	for _, f := range d.Key {
		parts = append(parts, f.Column, f.Value.Text, fmt.Sprint(f.Value.Null))
	}
	if len(d.Key) == 0 {
		parts = append(parts, string(d.Kind))
		parts = append(parts, cellTexts(d.OldRow)...)
		parts = append(parts, cellTexts(d.NewRow)...)
	}
	return p.hash(parts)
}

// state is what is known of how the row differs.
func (p *RepairPlan) state(d checksum.Difference) uint64 {
	parts := []string{string(d.Kind), fmt.Sprint(d.Count)}
	for _, c := range d.Columns {
		parts = append(parts, c.Column)
	}
	parts = append(append(parts, ""), cellTexts(d.OldRow)...)
	return max(p.hash(append(append(parts, ""), cellTexts(d.NewRow)...)), 1)
}

func cellTexts(row []checksum.Cell) []string {
	out := make([]string, 0, 3*len(row))
	for _, c := range row {
		out = append(out, c.Column, c.Literal, c.Guard)
	}
	return out
}

func (p *RepairPlan) hash(parts []string) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	for _, s := range parts {
		fmt.Fprintf(&h, "%d:", len(s))
		_, _ = h.WriteString(s)
	}
	return h.Sum64()
}

// alike tells whether a row may go through the writer's binary log: it can be mended there, and all other nodes of new
// hold the same. A server of old that replicates from new holds another row, by definition.
func (p *RepairPlan) alike(id uint64) bool {
	if p.writer == nil || p.in.TwoWay {
		return false
	}
	want := p.states[p.writer][id]
	for _, states := range p.states {
		if states[id] != want {
			return false
		}
	}
	return want != 0
}

// coupled finds the tables with further unique keys of which not all rows differ alike. There a row that goes through the
// log may want a value that a replica's row still holds, so that none of the table's rows goes that way.
func (p *RepairPlan) coupled() error {
	for c := range p.states {
		err := c.Each(func(table string, d checksum.Difference) error {
			if hasUnique(d) && !p.alike(p.identity(table, d)) {
				p.alone[table] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func hasUnique(d checksum.Difference) bool {
	unique := func(c checksum.Cell) bool { return len(c.Unique) > 0 }
	return slices.ContainsFunc(d.OldRow, unique) || slices.ContainsFunc(d.NewRow, unique)
}

// way says how a row of a node is mended.
func (p *RepairPlan) way(c *RepairCopy, table string, d checksum.Difference) way {
	id := p.identity(table, d)
	switch {
	case p.doubted[id]:
		return doubtful
	case c.Node.Side == SideOld:
		return byItself
	case p.alone[table] || !p.alike(id):
		if p.group {
			return inGroup
		}
		return byItself
	case c == p.writer:
		return logged
	default:
		return elsewhere
	}
}

// file adds a node's file if there is anything to write for it. Nothing is ever written for old's writer.
func (p *RepairPlan) file(c *RepairCopy) error {
	if oldWriter(c.Node) {
		return nil
	}
	f := RepairFile{Node: c.Node, copy: c}
	err := c.Each(func(table string, d checksum.Difference) error {
		f.counts[p.way(c, table, d)] += max(d.Count, 1)
		return nil
	})
	if f.counts[byItself]+f.counts[logged]+f.counts[doubtful]+f.counts[inGroup] > 0 {
		p.Files = append(p.Files, f)
	}
	return err
}

// Write writes the file of one node.
func (p *RepairPlan) Write(w io.Writer, f *RepairFile) (RepairSummary, error) {
	opts := p.in.RepairOptions
	opts.Run, opts.New = f.copy.Run, f.Node.Server
	if opts.BatchSize <= 0 {
		opts.BatchSize = DefaultRepairBatch
	}
	r := &repair{w: bufio.NewWriterSize(w, 64<<10), opts: opts, tables: map[string]bool{}}
	r.nodeHeader(p, f)
	r.refuse(p, f)
	for _, part := range []way{byItself, logged} {
		if f.counts[part] == 0 {
			continue
		}
		r.printf("\n")
		if part == byItself {
			r.comment("Rows that are mended on this node only: nothing of this enters its binary log.")
			r.printf("SET SESSION sql_log_bin = 0;\n")
		} else {
			r.comment("Rows that differ alike on all compared nodes of new: they go through the binary log.")
			r.printf("SET SESSION sql_log_bin = 1;\n")
		}
		err := r.steps(func(fn func(string, checksum.Difference) error) error {
			return f.copy.Each(func(table string, d checksum.Difference) error {
				if p.way(f.copy, table, d) != part {
					return r.err
				}
				return fn(table, d)
			})
		})
		if err != nil {
			return r.sum, fmt.Errorf("write the repair: %w", err)
		}
	}
	if n := f.counts[elsewhere]; n > 0 {
		r.printf("\n")
		r.comment("%s more of this node %s alike on %s: its file mends them there, and they arrive here by replication.",
			plural(n, "row"), differ(n), quoted(p.writer.Node.Label))
	}
	r.trailer()
	if err := errors.Join(r.err, r.w.Flush()); err != nil {
		return r.sum, fmt.Errorf("write the repair: %w", err)
	}
	r.sum.Tables = len(r.tables)
	return r.sum, nil
}

func differ(n int64) string {
	if n == 1 {
		return "differs"
	}
	return "differ"
}

// refuse counts and names the rows that must stay as they are.
func (r *repair) refuse(p *RepairPlan, f *RepairFile) {
	if f.counts[doubtful]+f.counts[inGroup] == 0 {
		return
	}
	err := f.copy.Each(func(table string, d checksum.Difference) error {
		why := map[way]error{doubtful: errDoubtful, inGroup: errInGroup}[p.way(f.copy, table, d)]
		if why != nil {
			r.sum.NotWritable += max(d.Count, 1)
			r.skip(table, d, why.Error())
		}
		return r.err
	})
	r.err = errors.Join(r.err, err)
}
