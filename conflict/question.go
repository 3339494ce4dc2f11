package conflict

// Question asks which values of a key on old are equal to which on new, part by part with the collation of each part: all
// parts must be.
type Question struct {
	ID    uint64
	Table string
	Parts []QuestionPart
	// Values are old's and new's, each a text in utf8mb4 per part.
	Values [2][][]string
}

// QuestionPart is one part of a key. Charset and Collation are old's and new's; both empty for a part that is compared by
// its bytes, and for one whose column a side does not have.
type QuestionPart struct {
	Column    string // with "(n)" for a prefix, to which the values are cut
	Charset   [2]string
	Collation [2]string
}

// Equality is what is known of two values or rows.
type Equality uint8

// The answers.
const (
	Unknown Equality = iota
	Equal
	Different
)

// Answer says which values of a question are equal, as places in its Values. Two values collide if old's or new's server
// calls them equal: that is where an applier fails.
type Answer struct {
	ID      uint64
	Pairs   [][2]int
	Unknown bool // no server could say it of all of them
}

const (
	// maxValues and maxValueBytes bound a side of one question.
	maxValues     = 256
	maxValueBytes = 128 << 10
)

// surelyEqual tells whether two tuples of a key are equal whatever a server says.
func (d *Detector) surelyEqual(a, b entry) bool {
	if ns := &d.namespaces[a.ns]; ns.Period {
		return string(ns.asked(a.tuple)) == string(ns.asked(b.tuple)) && overlap(a.tuple, b.tuple)
	}
	return string(a.tuple) == string(b.tuple)
}

// mayEqual tells whether a server might call two tuples of a key equal.
func (d *Detector) mayEqual(a, b entry) bool {
	ns := &d.namespaces[a.ns]
	if ns.Period && !overlap(a.tuple, b.tuple) {
		return false
	}
	x, y := a.tuple, b.tuple
	for i := range ns.Text {
		var p, q []byte
		p, x = cutPart(x)
		q, y = cutPart(y)
		if string(p) != string(q) && surelyDifferent(ns.fold(i), p, q) {
			return false
		}
	}
	return true
}

// needsNoServer tells whether values of a key are equal or not by what is known here.
func (d *Detector) needsNoServer(ns uint32) bool {
	for _, t := range d.namespaces[ns].Text {
		if foldOf(t) != foldExact {
			return false
		}
	}
	return true
}

// asking are places in a crowd's values about which one question is.
type asking struct {
	crowd    *crowd
	from, to [2]int
}

// Pending lists up to so many questions that wait for an answer, in the order in which they arose.
func (d *Detector) Pending(most int) []Question {
	if d.asked == nil && len(d.open.Crowds) > 0 {
		d.asked, d.open = d.open, &batch{Opened: d.tick}
		d.asked.plan()
		if d.asked.left == 0 {
			d.settle()
			return d.Pending(most)
		}
	}
	var out []Question
	if d.asked == nil {
		return nil
	}
	for i := range d.asked.asks {
		if len(out) == most {
			break
		}
		if d.asked.asks[i].crowd != nil {
			out = append(out, d.question(uint64(i)))
		}
	}
	return out
}

// questions counts those that wait, as far as they are known.
func (d *Detector) questions() int {
	n := len(d.open.Crowds)
	if d.asked != nil {
		n += d.asked.left
	}
	return n
}

func (d *Detector) question(i uint64) Question {
	a := &d.asked.asks[i]
	ns := &d.namespaces[a.crowd.NS]
	q := Question{ID: d.asked.Opened<<24 | i, Table: ns.Table}
	texts := ns.Text[:len(ns.Text)-ns.periodParts()]
	for j, t := range texts {
		q.Parts = append(q.Parts, QuestionPart{
			Column:  ns.Columns[j],
			Charset: [2]string{t[Old].Charset, t[New].Charset}, Collation: [2]string{t[Old].Collation, t[New].Collation},
		})
	}
	for s := range q.Values {
		for _, tuple := range a.crowd.Values[s][a.from[s]:a.to[s]] {
			var parts []string
			for range texts {
				var part []byte
				part, tuple = cutPart(tuple)
				parts = append(parts, string(part))
			}
			q.Values[s] = append(q.Values[s], parts)
		}
	}
	return q
}

// plan cuts what is to be asked into questions.
func (b *batch) plan() {
	b.asks = nil
	for _, c := range b.Crowds {
		ends := [2][]int{cutValues(c.Values[Old]), cutValues(c.Values[New])}
		for i := range ends[Old][1:] {
			for j := range ends[New][1:] {
				b.asks = append(b.asks, asking{c, [2]int{ends[Old][i], ends[New][j]}, [2]int{ends[Old][i+1], ends[New][j+1]}})
			}
		}
	}
	b.left = len(b.asks)
}

// cutValues gives the places at which a list of values is cut, its ends included.
func cutValues(list [][]byte) []int {
	out, bytes := []int{0}, 0
	for i, v := range list {
		if n := i - out[len(out)-1]; n > 0 && (n == maxValues || bytes+len(v) > maxValueBytes) {
			out, bytes = append(out, i), 0
		}
		bytes += len(v)
	}
	return append(out, len(list))
}

// Answer takes answers. Those of unknown questions are ignored.
func (d *Detector) Answer(list ...Answer) {
	for _, a := range list {
		i := a.ID & (1<<24 - 1)
		if d.asked == nil || a.ID>>24 != d.asked.Opened || i >= uint64(len(d.asked.asks)) || d.asked.asks[i].crowd == nil {
			continue
		}
		ask := &d.asked.asks[i]
		for _, p := range a.Pairs {
			d.asked.equal = append(d.asked.equal, equalValues{ask.crowd, uint32(ask.from[Old] + p[Old]), uint32(ask.from[New] + p[New])})
		}
		if all := (ask.to[Old] - ask.from[Old]) * (ask.to[New] - ask.from[New]); a.Unknown && len(a.Pairs) < all {
			d.unanswered(ask)
		}
		ask.crowd = nil
		if d.asked.left--; d.asked.left == 0 {
			d.settle()
		}
	}
}
