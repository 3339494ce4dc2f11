package gtid

import (
	"sort"
	"strconv"
)

// Interval is a run of consecutive transaction numbers, both ends included,
// 1 <= First <= Last.
type Interval struct{ First, Last uint64 }

// Len is the count of numbers in the interval.
func (iv Interval) Len() uint64 { return iv.Last - iv.First + 1 }

// String prints the interval as servers do: "7" or "1-5".
func (iv Interval) String() string { return string(iv.appendTo(nil)) }

func (iv Interval) appendTo(b []byte) []byte {
	b = strconv.AppendUint(b, iv.First, 10)
	if iv.Last != iv.First {
		b = append(b, '-')
		b = strconv.AppendUint(b, iv.Last, 10)
	}
	return b
}

// A list of intervals is "normal" when it is sorted, and no two intervals
// overlap or touch. The functions below take and return normal lists.

// normalize sorts and merges any list of intervals, in place.
func normalize(ivs []Interval) []Interval {
	if len(ivs) < 2 {
		return ivs
	}
	if !sort.SliceIsSorted(ivs, func(i, j int) bool { return ivs[i].First < ivs[j].First }) {
		sort.Slice(ivs, func(i, j int) bool { return ivs[i].First < ivs[j].First })
	}
	out := ivs[:1]
	for _, iv := range ivs[1:] {
		out = appendMerged(out, iv)
	}
	return out
}

// appendMerged appends iv, whose First is not below that of the last interval.
func appendMerged(out []Interval, iv Interval) []Interval {
	if n := len(out); n > 0 && iv.First <= out[n-1].Last+1 {
		out[n-1].Last = max(out[n-1].Last, iv.Last)
		return out
	}
	return append(out, iv)
}

func unionIntervals(a, b []Interval) []Interval {
	out := make([]Interval, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || (len(a) > 0 && a[0].First <= b[0].First) {
			out, a = appendMerged(out, a[0]), a[1:]
		} else {
			out, b = appendMerged(out, b[0]), b[1:]
		}
	}
	return out
}

func intersectIntervals(a, b []Interval) []Interval {
	var out []Interval
	for len(a) > 0 && len(b) > 0 {
		first, last := max(a[0].First, b[0].First), min(a[0].Last, b[0].Last)
		if first <= last {
			out = append(out, Interval{first, last})
		}
		if a[0].Last < b[0].Last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// subtractIntervals is what a has and b has not.
func subtractIntervals(a, b []Interval) []Interval {
	var out []Interval
	for _, iv := range a {
		b = b[lastBelow(b, iv.First):]
		rest := iv
		gone := false
		for _, cut := range b {
			if cut.First > rest.Last {
				break
			}
			if cut.First > rest.First {
				out = append(out, Interval{rest.First, cut.First - 1})
			}
			if cut.Last >= rest.Last {
				gone = true
				break
			}
			rest.First = cut.Last + 1
		}
		if !gone {
			out = append(out, rest)
		}
	}
	return out
}

// lastBelow is the count of intervals that end before n. It gallops, so that a
// walk through both lists costs O(small · log(large/small)).
func lastBelow(ivs []Interval, n uint64) int {
	if len(ivs) == 0 || ivs[0].Last >= n {
		return 0
	}
	step := 1
	for step < len(ivs) && ivs[step].Last < n {
		step *= 2
	}
	lo, hi := step/2, min(step, len(ivs))
	return lo + sort.Search(hi-lo, func(i int) bool { return ivs[lo+i].Last >= n })
}

func containsIntervals(a, b []Interval) bool {
	for _, iv := range b {
		a = a[lastBelow(a, iv.First):]
		if len(a) == 0 || a[0].First > iv.First || a[0].Last < iv.Last {
			return false
		}
	}
	return true
}

// addNumber puts one number into a normal list, in place. Numbers mostly come
// in rising order, which costs O(1).
func addNumber(ivs []Interval, n uint64) []Interval {
	if k := len(ivs); k == 0 || n > ivs[k-1].Last+1 {
		return append(ivs, Interval{n, n})
	} else if n == ivs[k-1].Last+1 {
		ivs[k-1].Last = n
		return ivs
	}
	// i is the first interval that ends at n-1 or later, so the first that n
	// can be in, or touch.
	i := sort.Search(len(ivs), func(i int) bool { return ivs[i].Last+1 >= n })
	switch iv := &ivs[i]; {
	case n >= iv.First && n <= iv.Last:
	case n == iv.Last+1:
		iv.Last = n
		if i+1 < len(ivs) && ivs[i+1].First == n+1 {
			iv.Last = ivs[i+1].Last
			ivs = append(ivs[:i+1], ivs[i+2:]...)
		}
	case n+1 == iv.First:
		iv.First = n
	default:
		ivs = append(ivs, Interval{})
		copy(ivs[i+1:], ivs[i:])
		ivs[i] = Interval{n, n}
	}
	return ivs
}
