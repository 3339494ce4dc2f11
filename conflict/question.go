package conflict

import (
	"maps"
	"slices"
)

// Question asks whether two values of a key are equal on the servers, part by
// part with the collation of each part: all parts must be.
type Question struct {
	ID    uint64
	Table string
	Parts []QuestionPart
}

// QuestionPart is one part of a key. Texts are utf8mb4. Charset and Collation are
// old's and new's; both empty for a part that is compared by its bytes, and for
// one whose column a side does not have.
type QuestionPart struct {
	Column    string // with "(n)" for a prefix, to which A and B are cut
	Charset   [2]string
	Collation [2]string
	A, B      string
}

// Equality is a server's answer.
type Equality uint8

// The answers. Unknown: the server could not be asked.
const (
	Unknown Equality = iota
	Equal
	Different
)

// Answer says what old's and new's server make of a question. The pair
// collides if the values are equal on either side: that is where an applier fails.
type Answer struct {
	ID       uint64
	Old, New Equality
}

// mayEqual tells whether a server might call two tuples of a key equal.
func (d *Detector) mayEqual(a, b entry) bool {
	x, y := a.tuple, b.tuple
	for i := range d.namespaces[a.ns].Text {
		var p, q []byte
		p, x = cutPart(x)
		q, y = cutPart(y)
		if string(p) != string(q) && surelyDifferent(foldOf(d.namespaces[a.ns].Text[i]), p, q) {
			return false
		}
	}
	return true
}

// ask puts a pair aside until servers have said which of its keys are equal.
// Numbers equal but for the sign of zero need no server.
func (d *Detector) ask(s Side, mine, theirs uint32, p *pairCase) {
	w, o := d.streams[s].win, d.streams[s.Other()].win
	w.changes.at(mine).bits |= collided
	o.changes.at(theirs).bits |= collided
	// The rows are under doubt at once: when the answer comes must not matter.
	d.suspectRow(w, mine, p.Seqs)
	d.suspectRow(o, theirs, p.Seqs)
	p.Acts[s], p.Acts[s.Other()] = d.act(w, mine), d.act(o, theirs)
	for i := range p.Hits {
		if p.Hits[i].Sure = p.Hits[i].Sure || d.needsNoServer(p.Hits[i]); !p.Hits[i].Sure {
			p.Open++
		}
	}
	if p.Open == 0 {
		d.settle(p)
		return
	}
	d.lastCase++
	p.ID = d.lastCase
	d.cases[p.ID] = p
}

func (d *Detector) needsNoServer(k sharedKey) bool {
	for _, t := range d.namespaces[k.NS].Text {
		if foldOf(t) != foldExact {
			return false
		}
	}
	return true
}

// questionShift leaves room for the number of a hit in a question's ID.
const questionShift = 8

// maxHits is how many shared keys of one pair are looked at.
const maxHits = 1 << questionShift

// Pending lists the questions that wait for an answer, in the order in which they
// arose. Questions with equal parts need asking only once.
func (d *Detector) Pending() []Question {
	var out []Question
	for _, id := range slices.Sorted(maps.Keys(d.cases)) {
		p := d.cases[id]
		for i, h := range p.Hits {
			if h.Sure {
				continue
			}
			ns := &d.namespaces[h.NS]
			q := Question{ID: id<<questionShift | uint64(i), Table: ns.Table}
			x, y := h.Tuple[Old], h.Tuple[New]
			for j, t := range ns.Text {
				var a, b []byte
				a, x = cutPart(x)
				b, y = cutPart(y)
				q.Parts = append(q.Parts, QuestionPart{
					Column: ns.Columns[j], A: string(a), B: string(b),
					Charset:   [2]string{t[Old].Charset, t[New].Charset},
					Collation: [2]string{t[Old].Collation, t[New].Collation},
				})
			}
			out = append(out, q)
		}
	}
	return out
}

// Answer takes answers. Those of unknown questions are ignored.
func (d *Detector) Answer(list ...Answer) {
	for _, a := range list {
		p := d.cases[a.ID>>questionShift]
		i := int(a.ID & (1<<questionShift - 1))
		if p == nil || i >= len(p.Hits) || p.Hits[i].Sure {
			continue
		}
		h := &p.Hits[i]
		switch {
		case a.Old == Equal || a.New == Equal:
			h.Sure = true
		case a.Old == Unknown || a.New == Unknown: // the side that is not known may call them equal
			d.unjudgedPair(p, h)
			h.Role = [2]role{}
			h.Sure = true
		default:
			h.Role = [2]role{}
			h.Sure = true
		}
		if p.Open--; p.Open == 0 {
			delete(d.cases, p.ID)
			d.settle(p)
		}
	}
}

// settle classifies a pair whose keys are known to be equal or not. Hits that
// turned out different have lost their roles.
func (d *Detector) settle(p *pairCase) {
	p.Hits = slices.DeleteFunc(p.Hits, func(h sharedKey) bool { return h.Role == [2]role{} })
	for _, v := range p.verdicts() {
		d.count.Pairs[v.kind]++
		d.emit(d.finding(p, v))
	}
}

func (d *Detector) unjudgedPair(p *pairCase, h *sharedKey) {
	ns := &d.namespaces[h.NS]
	f := Finding{
		Kind: Unjudged, Reason: ReasonCollation, Table: ns.Table, Index: d.columnsOf(h.NS), Key: values(h.Tuple[Old]),
		Old: p.Acts[Old], New: p.Acts[New], Detail: "no server could say whether the two keys are equal",
	}
	f.ID = findingID(Unjudged, string(f.Reason), f.Table, string(h.Tuple[Old]), string(h.Tuple[New]), f.Old.Place.id(), f.New.Place.id())
	d.emit(f)
}
