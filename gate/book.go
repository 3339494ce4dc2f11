package gate

import (
	"iter"
	"slices"
	"time"

	"crosscheck/gate/plan"
)

// Book is evidence that is judged again and again while more comes: what a judgement asks of each piece is found out once.
// Its zero value is empty. It is not safe for concurrent use.
type Book struct {
	list  []piece // in the order in which it was added
	known map[EvidenceID]bool
}

// Add adds evidence, and tells whether it is new.
func (b *Book) Add(e Evidence) bool {
	p := newPiece(e)
	if b.known[p.id] {
		return false
	}
	if b.known == nil {
		b.known = make(map[EvidenceID]bool)
	}
	b.known[p.id] = true
	b.list = append(b.list, p)
	return true
}

// Remove forgets evidence.
func (b *Book) Remove(ids map[EvidenceID]bool) {
	b.list = slices.DeleteFunc(b.list, func(p piece) bool { return ids[p.id] })
	for id := range ids {
		delete(b.known, id)
	}
}

// All returns the evidence in the order in which it was added.
func (b *Book) All() []Evidence {
	out := make([]Evidence, 0, len(b.list))
	for _, p := range b.list {
		out = append(out, p.Evidence)
	}
	return out
}

// Backward goes through the evidence, what was added last first.
func (b *Book) Backward() iter.Seq[Evidence] {
	return func(yield func(Evidence) bool) {
		for _, p := range slices.Backward(b.list) {
			if !yield(p.Evidence) {
				return
			}
		}
	}
}

// Judge is the function Judge of all evidence.
func (b *Book) Judge(p plan.Plan, now time.Time) Status {
	list := slices.Clone(b.list)
	slices.Reverse(list) // what was added last is mostly the newest: then there is little to sort
	return judgeAll(p, list, now)
}
