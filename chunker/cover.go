package chunker

import "fmt"

// Cover proves coverage: ranges recorded in any order must, laid end to end, lead from −∞ to +∞ with each range
// starting exactly where another one ends. Bounds are compared as bytes, so the proof needs no collation; a range that
// is added twice is an error of the caller that Gaps and Complete both show.
type Cover struct {
	next map[string]Range // by encoded lower bound
	dup  int
}

// Add records a finished range.
func (c *Cover) Add(r Range) {
	if c.next == nil {
		c.next = make(map[string]Range)
	}
	lo := string(r.Lo.Encode())
	if _, twice := c.next[lo]; twice {
		c.dup++
	}
	c.next[lo] = Range{Lo: r.Lo.Clone(), Hi: r.Hi.Clone()}
}

// Len returns the number of recorded ranges.
func (c *Cover) Len() int { return len(c.next) }

// Complete returns nil if the ranges tile the whole key space, else what is wrong.
func (c *Cover) Complete() error {
	if c.dup > 0 {
		return fmt.Errorf("%d key ranges were compared twice", c.dup)
	}
	seen := 0
	for at := ""; ; {
		r, ok := c.next[at]
		if !ok {
			return fmt.Errorf("the compared key ranges leave a gap after %d of %d", seen, len(c.next))
		}
		seen++
		if r.Hi == nil {
			break
		}
		at = string(r.Hi.Encode())
		if seen > len(c.next) {
			return fmt.Errorf("the compared key ranges run in a circle")
		}
	}
	if seen != len(c.next) {
		return fmt.Errorf("%d of %d compared key ranges overlap others", len(c.next)-seen, len(c.next))
	}
	return nil
}

// Gaps returns the ranges that are still to be compared, in key order. Recorded ranges form runs; each gap reaches from
// the end of a run to the start of the next. Which run is the next only the order of the bounds tells: with more than
// one start to order, Gaps passes them to order, which returns them sorted ascending in the server's order.
func (c *Cover) Gaps(order func([]Bound) ([]Bound, error)) ([]Range, error) {
	ends := make(map[string]bool, len(c.next))
	for _, r := range c.next {
		if r.Hi != nil {
			ends[string(r.Hi.Encode())] = true
		}
	}
	var starts []Bound
	fromStart := false
	for lo, r := range c.next {
		switch {
		case lo == "":
			fromStart = true
		case !ends[lo]:
			starts = append(starts, r.Lo)
		}
	}
	if len(starts) > 1 {
		var err error
		if starts, err = order(starts); err != nil {
			return nil, err
		}
	}
	var gaps []Range
	at := Bound(nil)
	open := true // whether anything is left to compare behind at
	if fromStart {
		at, open = c.runEnd("")
	}
	for _, s := range starts {
		gaps = append(gaps, Range{Lo: at, Hi: s})
		at, open = c.runEnd(string(s.Encode()))
	}
	if open {
		gaps = append(gaps, Range{Lo: at})
	}
	return gaps, nil
}

// runEnd follows recorded ranges from lo and returns where they end; open is false if that is +∞.
func (c *Cover) runEnd(lo string) (end Bound, open bool) {
	for range len(c.next) + 1 {
		r, ok := c.next[lo]
		if !ok {
			return end, true
		}
		if r.Hi == nil {
			return nil, false
		}
		end, lo = r.Hi, string(r.Hi.Encode())
	}
	return end, true
}
