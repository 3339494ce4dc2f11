package conflict

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/binlog"
)

// extractor turns a row change into its fingerprints and key entries. Its
// buffers are reused from change to change.
//
// The stored form is: a byte of flags, the fingerprints of the images that are
// fully known (8 bytes each), then per entry the namespace and the role
// (varints), and the tuple with its length. A tuple is its parts' texts, each with
// its length; there is no NULL in it, because NULL collides with nothing.
type extractor struct {
	data   []byte
	hashes []uint32
	tuple  []byte
	tuple2 []byte
	fold   []byte
	row    []byte
	modes  []foldMode
	// partial says that a key's value was not in the image; identity is false
	// where the row's own key could not be had.
	partial  bool
	identity bool
	rowHash  uint64 // of the row's key after the change, else before
	before   uint64 // fingerprints, 0 unknown
	after    uint64
}

const (
	hasBefore = 1 << iota
	hasAfter
)

func (x *extractor) extract(l *layout, c *binlog.Change) {
	x.data, x.hashes = x.data[:0], x.hashes[:0]
	x.partial, x.identity, x.rowHash = false, false, 0
	x.before, x.after = x.print(l, c.Before), x.print(l, c.After)
	flags := byte(0)
	if x.before != 0 {
		flags |= hasBefore
	}
	if x.after != 0 {
		flags |= hasAfter
	}
	x.data = append(x.data, flags)
	if x.before != 0 {
		x.data = binary.LittleEndian.AppendUint64(x.data, x.before)
	}
	if x.after != 0 {
		x.data = binary.LittleEndian.AppendUint64(x.data, x.after)
	}
	for i := range l.keys {
		x.key(&l.keys[i], c)
	}
}

// key adds the entries of one key.
func (x *extractor) key(k *keyPlan, c *binlog.Change) {
	var b, a tupleState
	x.tuple, b = appendTuple(x.tuple[:0], k, c.Before, nil)
	// A minimal after-image leaves out what did not change.
	var fallback binlog.Row
	if c.Kind == binlog.Update {
		fallback = c.Before
	}
	x.tuple2, a = appendTuple(x.tuple2[:0], k, c.After, fallback)
	x.partial = x.partial || unknown(k, c, b, a)
	same := b == tupleKnown && a == tupleKnown && string(x.tuple) == string(x.tuple2)
	switch {
	case k.roles == classRow:
		x.rowEntries(k, b == tupleKnown, a == tupleKnown, same)
	case same:
	case k.roles == classUnique:
		if a == tupleKnown {
			x.entry(k, roleClaim, x.tuple2)
		}
	case k.fk:
		if a == tupleKnown {
			x.entry(k, roleRefer, x.tuple2)
		}
	default:
		if b == tupleKnown {
			x.entry(k, roleGone, x.tuple)
		}
	}
}

// unknown tells whether an image lacks a value that matters for the key: what an
// update does not touch does not.
func unknown(k *keyPlan, c *binlog.Change, before, after tupleState) bool {
	changed := c.Kind != binlog.Update || touched(k, c.After)
	switch {
	case k.roles == classRow:
		return before == tupleUnknown || after == tupleUnknown
	case k.roles == classUnique || k.fk:
		return after == tupleUnknown && changed
	}
	return before == tupleUnknown && changed
}

func (x *extractor) rowEntries(k *keyPlan, before, after, same bool) {
	x.identity = before || after
	switch {
	case same:
		x.entry(k, roleBefore|roleAfter, x.tuple)
	default:
		if before {
			x.entry(k, roleBefore, x.tuple)
		}
		if after {
			x.entry(k, roleAfter, x.tuple2)
		}
	}
	if after {
		x.rowHash = rowHash(k.ns, x.tuple2)
	} else if before {
		x.rowHash = rowHash(k.ns, x.tuple)
	}
}

func rowHash(ns uint32, tuple []byte) uint64 { return xxh3.HashSeed(tuple, seedOf(ns)) }

// seedOf is a namespace's seed. The hash of a few bytes is little more than these bytes and the seed in one number: with
// the namespaces' small numbers as seeds, row 15 of one table would have the hash of row 14 of the next.
func seedOf(ns uint32) uint64 {
	x := (uint64(ns) + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (x *extractor) entry(k *keyPlan, r role, tuple []byte) {
	x.data = binary.AppendUvarint(x.data, uint64(k.ns))
	x.data = append(x.data, byte(r))
	x.data = binary.AppendUvarint(x.data, uint64(len(tuple)))
	x.data = append(x.data, tuple...)
	x.hashes = append(x.hashes, bucketOf(x.hash(k.ns, k.fold, tuple), r))
}

// hash is the bucket of a tuple.
func (x *extractor) hash(ns uint32, modes []foldMode, tuple []byte) uint32 {
	x.fold = x.fold[:0]
	for _, mode := range modes {
		var part []byte
		part, tuple = cutPart(tuple)
		x.fold = append(appendFolded(x.fold, mode, part), 0xff)
	}
	h := xxh3.HashSeed(x.fold, seedOf(ns))
	return uint32(h ^ h>>32)
}

type tupleState uint8

const (
	tupleNone    tupleState = iota // no such image
	tupleNull                      // a part is NULL
	tupleUnknown                   // a part is not in the image
	tupleKnown
)

// appendTuple appends a key's value in a row.
func appendTuple(out []byte, k *keyPlan, row, fallback binlog.Row) ([]byte, tupleState) {
	if row == nil {
		return out, tupleNone
	}
	state := tupleKnown
	for i, c := range k.columns {
		if c < 0 || c >= len(row) {
			return out, tupleUnknown
		}
		v := row[c]
		if v.State == binlog.Missing && fallback != nil {
			v = fallback[c]
		}
		switch v.State {
		case binlog.Present:
		case binlog.Null:
			state = tupleNull
			continue
		case binlog.Missing, binlog.Partial, binlog.Opaque:
			return out, tupleUnknown
		}
		text := v.Text
		if n := k.prefix[i]; n > 0 {
			text = cutPrefix(text, n, k.chars[i])
		}
		out = binary.AppendUvarint(out, uint64(len(text)))
		out = append(out, text...)
	}
	return out, state
}

// touched tells whether an after-image holds any part of a key.
func touched(k *keyPlan, after binlog.Row) bool {
	for _, c := range k.columns {
		if c >= 0 && c < len(after) && after[c].State != binlog.Missing {
			return true
		}
	}
	return false
}

func cutPrefix(s []byte, n int, chars bool) []byte {
	if !chars {
		return s[:min(n, len(s))]
	}
	end := 0
	for ; n > 0 && end < len(s); n-- {
		_, size := utf8.DecodeRune(s[end:])
		end += size
	}
	return s[:end]
}

func cutPart(tuple []byte) (part, rest []byte) {
	n, size := binary.Uvarint(tuple)
	if size <= 0 || uint64(len(tuple)-size) < n {
		return nil, nil
	}
	return tuple[size : size+int(n)], tuple[size+int(n):]
}

// print is the fingerprint of a row's shared columns, 0 if it is not fully known.
func (x *extractor) print(l *layout, row binlog.Row) uint64 {
	if row == nil {
		return 0
	}
	x.row = x.row[:0]
	for _, c := range l.shared {
		if c < 0 || c >= len(row) || !row[c].Known() {
			return 0
		}
		if row[c].State == binlog.Null {
			x.row = append(x.row, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		x.row = binary.LittleEndian.AppendUint32(x.row, uint32(len(row[c].Text)))
		x.row = append(x.row, row[c].Text...)
	}
	if h := xxh3.Hash(x.row); h != 0 {
		return h
	}
	return 1
}

// entry is a stored key value.
type entry struct {
	ns    uint32
	role  role
	tuple []byte
}

// prints reads the fingerprints off stored data.
func prints(data []byte) (before, after uint64, rest []byte) {
	flags, rest := data[0], data[1:]
	if flags&hasBefore != 0 {
		before, rest = binary.LittleEndian.Uint64(rest), rest[8:]
	}
	if flags&hasAfter != 0 {
		after, rest = binary.LittleEndian.Uint64(rest), rest[8:]
	}
	return before, after, rest
}

// nextEntry reads one entry off stored data.
func nextEntry(data []byte) (entry, []byte) {
	ns, n := binary.Uvarint(data)
	data = data[n:]
	e := entry{ns: uint32(ns), role: role(data[0])}
	size, n := binary.Uvarint(data[1:])
	data = data[1+n:]
	e.tuple = data[:size:size]
	return e, data[size:]
}

// entryAt is the n-th entry of stored data.
func entryAt(data []byte, n uint16) entry {
	_, _, rest := prints(data)
	var e entry
	for ; ; n-- {
		e, rest = nextEntry(rest)
		if n == 0 {
			return e
		}
	}
}

// values turns a tuple into values, with their own memory.
func values(tuple []byte) []binlog.Value {
	var out []binlog.Value
	for len(tuple) > 0 {
		var part []byte
		part, tuple = cutPart(tuple)
		out = append(out, binlog.Value{Text: append([]byte{}, part...)})
	}
	return out
}

// maxTransits bounds the values of keys that are kept of a row beside those before and after its transaction.
const maxTransits = 32

// transits adds the key values that a row had between the changes which were made one: an applier executes each of
// them, so the values meet the other side's rows although they are gone in the end. parts are the stored forms of the
// changes; the merged one has just been extracted.
func (x *extractor) transits(l *layout, merged *binlog.Change, parts ...[]byte) {
	n := 0
	for i := range l.keys {
		k := &l.keys[i]
		if k.roles == classRef {
			continue
		}
		fallback := binlog.Row(nil)
		if merged.Kind == binlog.Update {
			fallback = merged.Before
		}
		var b, a tupleState
		x.tuple, b = appendTuple(x.tuple[:0], k, merged.Before, nil)
		x.tuple2, a = appendTuple(x.tuple2[:0], k, merged.After, fallback)
		start := len(x.data)
		for _, part := range parts {
			_, _, rest := prints(part)
			for len(rest) > 0 && n < maxTransits {
				var e entry
				if e, rest = nextEntry(rest); e.ns != k.ns || b == tupleKnown && string(e.tuple) == string(x.tuple) ||
					a == tupleKnown && string(e.tuple) == string(x.tuple2) || holds(x.data[start:], e.tuple) {
					continue
				}
				r := roleClaim
				if k.roles == classRow {
					r = roleTransit
				}
				x.entry(k, r, e.tuple)
				n++
			}
		}
	}
}

// holds tells whether one of the entries has a tuple.
func holds(entries, tuple []byte) bool {
	for len(entries) > 0 {
		var e entry
		if e, entries = nextEntry(entries); string(e.tuple) == string(tuple) {
			return true
		}
	}
	return false
}

// tupleOf is the reverse of values.
func tupleOf(key []binlog.Value) []byte {
	var out []byte
	for _, v := range key {
		out = binary.AppendUvarint(out, uint64(len(v.Text)))
		out = append(out, v.Text...)
	}
	return out
}
