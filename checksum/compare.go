package checksum

// lookahead is how far diff searches for a key before it gives up on the common order and uses a map.
const lookahead = 32

// diff calls report once for each row that is not the same in both lists, with the row's key. Both lists are in key
// order, so that equal rows meet; where they do not meet within lookahead rows the rest is matched by a map.
func diff(old, new *rowList, report func(kind Kind, key []byte)) {
	i, j := 0, 0
	for i < old.len() && j < new.len() {
		ki, kj := old.key(i), new.key(j)
		if string(ki) == string(kj) {
			if old.hashes[i] != new.hashes[j] {
				report(Changed, ki)
			}
			i++
			j++
			continue
		}
		skipNew, skipOld := find(new, j, ki), find(old, i, kj)
		switch {
		case skipNew < 0 && skipOld < 0:
			if i+1 == old.len() || j+1 == new.len() || string(old.key(i+1)) != string(new.key(j+1)) {
				diffByMap(old, new, i, j, report)
				return
			}
			report(Missing, ki)
			report(Extra, kj)
			i++
			j++
		case skipOld < 0 || skipNew >= 0 && skipNew <= skipOld:
			for ; skipNew > 0; skipNew-- {
				report(Extra, new.key(j))
				j++
			}
		default:
			for ; skipOld > 0; skipOld-- {
				report(Missing, old.key(i))
				i++
			}
		}
	}
	for ; i < old.len(); i++ {
		report(Missing, old.key(i))
	}
	for ; j < new.len(); j++ {
		report(Extra, new.key(j))
	}
}

// find returns how many rows behind row from of l the key stands, or -1 if not within lookahead.
func find(l *rowList, from int, key []byte) int {
	for d := 1; d <= lookahead && from+d < l.len(); d++ {
		if string(l.key(from+d)) == string(key) {
			return d
		}
	}
	return -1
}

// diffByMap matches the rows from i and j on without regard to order.
func diffByMap(old, new *rowList, i, j int, report func(kind Kind, key []byte)) {
	rest := make(map[string]int, new.len()-j)
	for ; j < new.len(); j++ {
		rest[string(new.key(j))] = j
	}
	for ; i < old.len(); i++ {
		k := old.key(i)
		at, ok := rest[string(k)]
		switch {
		case !ok:
			report(Missing, k)
		case old.hashes[i] != new.hashes[at]:
			report(Changed, k)
		}
		delete(rest, string(k))
	}
	for _, at := range rest {
		report(Extra, new.key(at))
	}
}
