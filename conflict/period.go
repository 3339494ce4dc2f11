package conflict

import (
	"bytes"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// A key of MariaDB WITHOUT OVERLAPS takes a period of time: an applier fails where rows of both sides with equal values of
// its other columns have periods that overlap. As a key of the row itself it counts by its values besides.

// addPeriod adds what a key WITHOUT OVERLAPS says beyond its values: the parts of the server's key, with the period's start
// before its end.
func (d *Detector) addPeriod(t *table, k *cluster.Key) {
	kd := keyDef{roles: classUnique, period: true}
	for _, p := range k.Parts {
		kd.columns, kd.prefix = append(kd.columns, strings.ToLower(p.Column)), append(kd.prefix, 0)
	}
	n := len(kd.columns)
	kd.columns[n-2], kd.columns[n-1] = kd.columns[n-1], kd.columns[n-2]
	if slices.ContainsFunc(t.keys, func(have keyDef) bool { return have.period && slices.Equal(have.columns, kd.columns) }) {
		return
	}
	kd.ns = d.namespace(t, t.name, kd.columns, kd.columns, classUnique, true)
	t.keys = append(t.keys, kd)
}

// periodParts is how many parts of a key are a period.
func (n *namespace) periodParts() int {
	if n.Period {
		return 2
	}
	return 0
}

// asked is the piece of a tuple that servers are asked about: all but the period.
func (n *namespace) asked(tuple []byte) []byte {
	rest := tuple
	for range len(n.Text) - n.periodParts() {
		_, rest = cutPart(rest)
	}
	return tuple[:len(tuple)-len(rest)]
}

// fold is how a part of a key is bucketed.
func (n *namespace) fold(part int) foldMode {
	if part >= len(n.Text)-n.periodParts() {
		return foldPeriod
	}
	return foldOf(n.Text[part])
}

// overlap tells whether the periods at the ends of two tuples have a moment in common. The end is not in a period.
func overlap(a, b []byte) bool {
	x, y := periodOf(a), periodOf(b)
	return bytes.Compare(x[0], y[1]) < 0 && bytes.Compare(y[0], x[1]) < 0
}

func periodOf(tuple []byte) (out [2][]byte) {
	for len(tuple) > 0 {
		var part []byte
		part, tuple = cutPart(tuple)
		out[0], out[1] = out[1], part
	}
	out[0], out[1] = moment(out[0]), moment(out[1])
	return out
}

// moment writes a time so that times of all types compare as texts: a day is its midnight, and zeros at the end of a
// fraction do not count.
func moment(text []byte) []byte {
	switch {
	case bytes.IndexByte(text, '.') > 0:
		return bytes.TrimRight(bytes.TrimRight(text, "0"), ".")
	case len(text) == len("2006-01-02"):
		return append(slices.Clone(text), " 00:00:00"...)
	}
	return text
}
