package checksum

import (
	"crosscheck/checksum/read"
)

// lookahead is how far compareLists searches for a key before it gives up on the common order and uses a map.
const lookahead = 32

// compareLists calls report once for each row that is not the same in both lists, with the row's key. Both lists are in key
// order, so that equal rows meet; where they do not meet within lookahead rows the rest is matched by a map.
func compareLists(old, new *read.List, report func(kind Kind, key []byte)) {
	i, j := 0, 0
	for i < old.Len() && j < new.Len() {
		ki, kj := old.Key(i), new.Key(j)
		if string(ki) == string(kj) {
			if old.Hashes[i] != new.Hashes[j] {
				report(Changed, ki)
			}
			i++
			j++
			continue
		}
		skipNew, skipOld := find(new, j, ki), find(old, i, kj)
		switch {
		case skipNew < 0 && skipOld < 0:
			if i+1 == old.Len() || j+1 == new.Len() || string(old.Key(i+1)) != string(new.Key(j+1)) {
				compareByMap(old, new, i, j, report)
				return
			}
			report(Missing, ki)
			report(Extra, kj)
			i++
			j++
		case skipOld < 0 || skipNew >= 0 && skipNew <= skipOld:
			for ; skipNew > 0; skipNew-- {
				report(Extra, new.Key(j))
				j++
			}
		default:
			for ; skipOld > 0; skipOld-- {
				report(Missing, old.Key(i))
				i++
			}
		}
	}
	for ; i < old.Len(); i++ {
		report(Missing, old.Key(i))
	}
	for ; j < new.Len(); j++ {
		report(Extra, new.Key(j))
	}
}

// find returns how many rows behind row from of l the key stands, or -1 if not within lookahead.
func find(l *read.List, from int, key []byte) int {
	for d := 1; d <= lookahead && from+d < l.Len(); d++ {
		if string(l.Key(from+d)) == string(key) {
			return d
		}
	}
	return -1
}

// compareByMap matches the rows from i and j on without regard to order.
func compareByMap(old, new *read.List, i, j int, report func(kind Kind, key []byte)) {
	rest := make(map[string]int, new.Len()-j)
	for ; j < new.Len(); j++ {
		rest[string(new.Key(j))] = j
	}
	for ; i < old.Len(); i++ {
		k := old.Key(i)
		at, ok := rest[string(k)]
		switch {
		case !ok:
			report(Missing, k)
		case old.Hashes[i] != new.Hashes[at]:
			report(Changed, k)
		}
		delete(rest, string(k))
	}
	for _, at := range rest {
		report(Extra, new.Key(at))
	}
}
