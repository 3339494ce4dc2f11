package conflict

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// A story tells what happens line by line, in the order in which the watcher
// reads it, and is answered with what the detector says:
//
//	old insert t 1 bob 10 5; insert c 7 - - 1     a transaction o1 (then o2 …), ops separated by ";"
//	new update t 1 bob 10 5 -> 1 bob 10 6         of table t(id, email, code, n) or c(id, -, -, pid); "-" is NULL
//	old unseen OPS                                a transaction from before old's start
//	old echo n1 [with OPS]                        old's log has n1, with other rows if told so
//	old ddl STATEMENT                             a transaction that changes a schema
//	old statement                                 one that was logged as its statement
//	old gap                                       a piece of old's log is lost
//	orphan old                                    the original of the echo at which old's log waits cannot come any more
//	fence old                                     new is known to have applied all of old up to here
//	step old 2 1; sessions old 2 1 42/app@web/1/1
//	answer equal|different|unknown                what both servers say to all open questions
//	summary
type story struct {
	t      *testing.T
	d      *Detector
	txs    map[string][]simOp
	ddls   map[string]string
	count  [2]int
	pos    [2]uint64
	set    [2]gtid.Set
	fences uint64
	defs   map[string]*binlog.Table
	// anonymous: the transactions have no GTIDs
	anonymous bool
}

func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			s := &story{t: t, txs: map[string][]simOp{}, ddls: map[string]string{}, defs: map[string]*binlog.Table{}, anonymous: td.HasArg("anonymous")}
			order := td.HasArg("in-order")
			s.d = NewDetector(Config{InOrder: [2]bool{order, order}})
			for _, name := range []string{"t", "c"} {
				def := Definition{Table: simTable(name)}
				def.Table.Columns[0].AutoIncrement = true
				if name == "c" {
					def.ForeignKeys = []ForeignKey{{Name: "fk", Columns: []string{"n"}, RefSchema: "s", RefTable: "t", RefColumns: []string{"id"}}}
				}
				s.defs[name] = binlog.TableOf(def.Table)
				s.d.Feed(Old, def)
				s.d.Feed(New, def)
			}
			var out strings.Builder
			for line := range strings.SplitSeq(td.Input, "\n") {
				out.WriteString(s.line(line))
				for _, f := range s.d.Take() {
					out.WriteString(storyText(f))
				}
			}
			if out.Len() == 0 {
				return "nothing\n"
			}
			return out.String()
		})
	})
}

func (s *story) line(line string) string {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	side := Old
	f := strings.Fields(rest)
	if word == "new" || len(f) > 0 && f[0] == "new" {
		side = New
	}
	switch word {
	case "old", "new":
		s.write(side, rest)
	case "fence":
		s.fences++
		s.d.Feed(side, FenceTaken{s.fences})
		s.d.Feed(side.Other(), FenceReached{s.fences})
	case "orphan":
		head, _, _ := s.d.Blocked(side)
		if s.d.OriginalHeld(side) {
			return "the original is held\n"
		}
		s.d.Feed(side, NoOriginal{head})
	case "step":
		s.d.Feed(side, StepInForce{stepOf(f[1], f[2])})
	case "sessions":
		var list []Session
		for _, x := range f[3:] {
			p := strings.Split(x, "/")
			thread, _ := strconv.ParseUint(p[0], 10, 64)
			user, host, _ := strings.Cut(p[1], "@")
			list = append(list, Session{Thread: thread, User: user, Host: host, Step: stepOf(p[2], p[3])})
		}
		s.d.Feed(side, SessionsSeen{Global: stepOf(f[1], f[2]), Sessions: list})
	case "answer":
		oldSays, newSays, both := strings.Cut(rest, " ") // of both servers, or of old and of new
		if !both {
			newSays = oldSays
		}
		out := ""
		for _, q := range s.d.Pending(100) {
			a := Answer{ID: q.ID, Unknown: oldSays == "unknown" || newSays == "unknown", Pairs: q.pairs(func(_, x, y string) bool {
				out += fmt.Sprintf("? %s.%s (%s, %s): %q = %q\n", q.Table, q.Parts[0].Column, q.Parts[0].Collation[Old], q.Parts[0].Collation[New], x, y)
				return oldSays == "equal" || newSays == "equal"
			})}
			s.d.Answer(a)
		}
		return out
	case "summary":
		m := s.d.Summary()
		return fmt.Sprintf("old: %d changes, %d verified, through %s; new: %d changes, %d verified, through %s; waiting %v; doubts %d\n",
			m.Sides[Old].Changes, m.Sides[Old].Verified, m.Through[Old], m.Sides[New].Changes, m.Sides[New].Verified, m.Through[New], m.Waiting, m.Doubts)
	default:
		s.t.Fatalf("no such line: %q", line)
	}
	return ""
}

func stepOf(inc, off string) Step {
	a, _ := strconv.ParseUint(inc, 10, 64)
	b, _ := strconv.ParseUint(off, 10, 64)
	return Step{a, b}
}

// write feeds a transaction or a gap of a side.
func (s *story) write(side Side, text string) {
	s.pos[side] += 100
	tx := &binlog.Transaction{Last: true, CommitTime: time.Unix(1700000000, 0)}
	tx.Mark.File = gtid.FilePos{File: side.String() + ".000001", Pos: s.pos[side]}
	origin := side
	var name string
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "gap":
		s.d.Feed(side, Gap{From: gtid.Position{Kind: gtid.File, File: tx.Mark.File}, To: gtid.Position{Kind: gtid.File, File: tx.Mark.File}})
		return
	case "echo":
		origin = side.Other()
		var with string
		name, with, _ = strings.Cut(rest, " with ")
		ops := s.txs[name]
		if q := s.ddls[name]; q != "" {
			tx.DDL = []binlog.DDL{{Schema: "s", Statement: q, Known: true}}
		}
		if with != "" {
			ops = parseOps(with)
		}
		if strings.HasSuffix(rest, " with nothing") {
			ops = nil
		}
		tx.Changes = s.changes(ops)
	default:
		s.count[side]++
		name = fmt.Sprintf("%c%d", side.String()[0], s.count[side])
		switch word {
		case "ddl":
			tx.DDL = []binlog.DDL{{Schema: "s", Statement: rest, Known: true}}
			s.ddls[name] = rest
		case "unseen": // from before the start: only its echo is read
			s.txs[name] = parseOps(rest)
			s.pos[side] -= 100
			return
		case "statement":
			tx.Incidents = []binlog.Incident{{Kind: binlog.StatementDML, Detail: "UPDATE was logged as its statement, not as rows"}}
		default:
			s.txs[name] = parseOps(text)
			tx.Changes = s.changes(s.txs[name])
		}
	}
	number, _ := strconv.Atoi(name[1:])
	tx.ThreadID = uint64(40 + number)
	if s.anonymous {
		tx.Position = gtid.Position{Kind: gtid.File, File: tx.Mark.File}
		s.d.Feed(side, Transaction{Origin(origin), tx})
		return
	}
	tx.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: simUUID(origin)}, Number: uint64(number)}
	tx.GTID = tx.Mark.MySQL.String()
	s.set[side].Add(tx.Mark.MySQL)
	tx.Position = gtid.Position{Kind: gtid.MySQLGTID, MySQL: s.set[side].Clone(), File: tx.Mark.File}
	s.d.Feed(side, Transaction{Origin(origin), tx})
}

func (s *story) changes(ops []simOp) []binlog.Change {
	var out []binlog.Change
	for _, o := range ops {
		out = append(out, binlog.Change{
			Schema: "s", Table: o.table, Def: s.defs[o.table], Kind: o.kind(), Before: simImage(o.table, o.before), After: simImage(o.table, o.after),
		})
	}
	return out
}

func parseOps(text string) []simOp {
	var out []simOp
	for part := range strings.SplitSeq(text, ";") {
		f := strings.Fields(part)
		if len(f) < 6 {
			continue
		}
		op := simOp{table: f[1]}
		switch f[0] {
		case "insert":
			op.after = parseRow(f[2:])
		case "delete":
			op.before = parseRow(f[2:])
		case "update":
			op.before, op.after = parseRow(f[2:]), parseRow(f[7:])
		}
		out = append(out, op)
	}
	return out
}

func parseRow(f []string) *simRow {
	text := func(s string) string { return strings.TrimPrefix(strings.ReplaceAll(s, "_", " "), "-") }
	id, _ := strconv.Atoi(f[0])
	n, _ := strconv.Atoi(f[3])
	return &simRow{id: id, email: simText{text: text(f[1])}, code: text(f[2]), n: n}
}

func storyText(f Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", f.Kind)
	if f.Kind.Benign() {
		b.WriteString(" (benign)")
	}
	if f.Table != "" {
		fmt.Fprintf(&b, " %s", f.Table)
	}
	for i, v := range f.Key {
		fmt.Fprintf(&b, " %s=%s", f.Index[i], v)
	}
	for _, m := range f.More {
		fmt.Fprintf(&b, " and %s", strings.Join(m, ","))
	}
	for s, a := range []*Act{f.Old, f.New} {
		if a == nil {
			continue
		}
		fmt.Fprintf(&b, "\n    %s at %s", Side(s), a.Place.File)
		if a.Thread > 0 {
			fmt.Fprintf(&b, " thread %d", a.Thread)
		}
		if a.Op != 0 {
			fmt.Fprintf(&b, ": %s %v -> %v", a.Op, a.Before, a.After)
		}
	}
	if f.Reason != "" {
		fmt.Fprintf(&b, "\n    reason %s", f.Reason)
	}
	if f.Detail != "" {
		fmt.Fprintf(&b, "\n    %s", f.Detail)
	}
	if f.Session != nil {
		fmt.Fprintf(&b, "\n    session %d of %s@%s", f.Session.Thread, f.Session.User, f.Session.Host)
	}
	if strings.HasPrefix(f.Advice, "KILL ") { // the others follow from the kind
		fmt.Fprintf(&b, "\n    advice: %s", f.Advice)
	}
	return b.String() + "\n"
}
