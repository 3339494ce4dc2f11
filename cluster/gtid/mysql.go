package gtid

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// UUID is a server's or group's identity as MySQL prints it, 16 raw bytes.
type UUID [16]byte

// ParseUUID reads "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" in either case.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("%s is not a UUID", shorten(s))
	}
	var digits [32]byte
	n := copy(digits[:], s[:8])
	n += copy(digits[n:], s[9:13])
	n += copy(digits[n:], s[14:18])
	n += copy(digits[n:], s[19:23])
	copy(digits[n:], s[24:])
	if _, err := hex.Decode(u[:], digits[:]); err != nil {
		return UUID{}, fmt.Errorf("%s is not a UUID", shorten(s))
	}
	return u, nil
}

// String prints the UUID in lower case with hyphens.
func (u UUID) String() string { return string(u.appendTo(nil)) }

func (u UUID) appendTo(b []byte) []byte {
	for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}

// Source is who numbers a run of transactions: a UUID and, since MySQL 8.3,
// optionally a tag. Each Source counts on its own.
type Source struct {
	UUID UUID
	Tag  string // lower case; empty for none
}

// String prints "uuid" or "uuid:tag".
func (s Source) String() string {
	if s.Tag == "" {
		return s.UUID.String()
	}
	return s.UUID.String() + ":" + s.Tag
}

func compareSources(a, b Source) int {
	if c := bytes.Compare(a.UUID[:], b.UUID[:]); c != 0 {
		return c
	}
	return cmp.Compare(a.Tag, b.Tag)
}

// GTID names one MySQL transaction.
type GTID struct {
	Source Source
	Number uint64 // 1 … MaxNumber
}

// MaxNumber is the highest transaction number a MySQL server takes.
const MaxNumber = 1<<63 - 2

// String prints "uuid:5" or "uuid:tag:5".
func (g GTID) String() string { return g.Source.String() + ":" + strconv.FormatUint(g.Number, 10) }

// Set is a set of MySQL GTIDs, such as gtid_executed. The zero Set is empty
// and ready for use. Only Add and AddSet change a Set; a copied Set shares
// storage with its original until one of them is given to Clone. Reading is
// safe for concurrent use.
type Set struct {
	bySource map[Source][]Interval // never holds an empty list
}

// ParseSet reads a GTID set in any form that servers print or take: several
// UUIDs, tags, newlines and spaces between the parts, either case, intervals
// in any order, overlapping or repeated. The empty text is the empty set.
func ParseSet(text string) (Set, error) {
	var s Set
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if err := s.parseUUIDPart(part); err != nil {
			return Set{}, fmt.Errorf("MySQL GTID set %s: %w", shorten(text), err)
		}
	}
	for src, ivs := range s.bySource {
		s.bySource[src] = normalize(ivs)
	}
	return s, nil
}

// parseUUIDPart reads "uuid:1-5:7:tag:1-3" and appends what it says.
func (s *Set) parseUUIDPart(part string) error {
	id, rest, found := strings.Cut(part, ":")
	u, err := ParseUUID(strings.TrimSpace(id))
	if err != nil {
		return err
	}
	if !found {
		return nil // servers take a UUID, or a tag, without intervals for nothing
	}
	src := Source{UUID: u}
	for item := range strings.SplitSeq(rest, ":") {
		item = strings.TrimSpace(item)
		if isTag(item) {
			src.Tag = strings.ToLower(item)
			continue
		}
		iv, err := parseInterval(item)
		if err != nil {
			return err
		}
		if iv.First > iv.Last {
			continue // servers take "5-3" for nothing, too
		}
		s.init()
		s.bySource[src] = append(s.bySource[src], iv)
	}
	return nil
}

func isTag(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

var errNumber = errors.New("not a transaction number or interval")

func parseInterval(s string) (Interval, error) {
	a, b, ranged := strings.Cut(s, "-")
	first, err := strconv.ParseUint(strings.TrimSpace(a), 10, 64)
	if err != nil || first == 0 || first > MaxNumber {
		return Interval{}, fmt.Errorf("%s: %w", shorten(s), errNumber)
	}
	last := first
	if ranged {
		if last, err = strconv.ParseUint(strings.TrimSpace(b), 10, 64); err != nil || last > MaxNumber {
			return Interval{}, fmt.Errorf("%s: %w", shorten(s), errNumber)
		}
	}
	return Interval{first, last}, nil
}

// ParseGTID reads one transaction's name, "uuid:5" or "uuid:tag:5".
func ParseGTID(text string) (GTID, error) {
	s, err := ParseSet(text)
	if err != nil {
		return GTID{}, err
	}
	if s.Count() != 1 {
		return GTID{}, fmt.Errorf("%s names %d transactions, not one", shorten(text), s.Count())
	}
	for src, ivs := range s.bySource {
		return GTID{Source: src, Number: ivs[0].First}, nil
	}
	return GTID{}, errNumber // not reached: the count was 1
}

func (s *Set) init() {
	if s.bySource == nil {
		s.bySource = map[Source][]Interval{}
	}
}

// String prints the set in the server's canonical order and form, on one line
// (servers put a line end after each comma, and take it without).
func (s Set) String() string {
	var b []byte
	var last *Source
	for _, src := range s.Sources() {
		switch {
		case last == nil || last.UUID != src.UUID:
			if last != nil {
				b = append(b, ',')
			}
			b = src.UUID.appendTo(b)
			if src.Tag != "" {
				b = append(append(b, ':'), src.Tag...)
			}
		default:
			b = append(append(b, ':'), src.Tag...)
		}
		last = &src
		for _, iv := range s.bySource[src] {
			b = iv.appendTo(append(b, ':'))
		}
	}
	return string(b)
}

// Sources lists who numbered the set's transactions, in the server's order.
func (s Set) Sources() []Source {
	out := make([]Source, 0, len(s.bySource))
	for src := range s.bySource {
		out = append(out, src)
	}
	slices.SortFunc(out, compareSources)
	return out
}

// UUIDs lists the distinct UUIDs of the set, sorted.
func (s Set) UUIDs() []UUID {
	var out []UUID
	for _, src := range s.Sources() {
		if n := len(out); n == 0 || out[n-1] != src.UUID {
			out = append(out, src.UUID)
		}
	}
	return out
}

// Intervals is the view of one source: sorted, disjoint, not touching. The
// caller must not change it.
func (s Set) Intervals(src Source) []Interval { return s.bySource[src] }

// Of is the part of the set that one UUID numbered, with all its tags.
func (s Set) Of(u UUID) Set {
	var out Set
	for src, ivs := range s.bySource {
		if src.UUID == u {
			out.init()
			out.bySource[src] = slices.Clone(ivs)
		}
	}
	return out
}

// IsEmpty tells whether the set has no transaction.
func (s Set) IsEmpty() bool { return len(s.bySource) == 0 }

// Count is the number of transactions in the set.
func (s Set) Count() uint64 {
	var n uint64
	for _, ivs := range s.bySource {
		for _, iv := range ivs {
			n += iv.Len()
		}
	}
	return n
}

// Has tells whether one transaction is in the set.
func (s Set) Has(g GTID) bool {
	return containsIntervals(s.bySource[g.Source], []Interval{{g.Number, g.Number}})
}

// Contains tells whether every transaction of q is in s (GTID_SUBSET(q, s)).
func (s Set) Contains(q Set) bool {
	for src, ivs := range q.bySource {
		if !containsIntervals(s.bySource[src], ivs) {
			return false
		}
	}
	return true
}

// Equal tells whether both sets hold the same transactions.
func (s Set) Equal(q Set) bool {
	if len(s.bySource) != len(q.bySource) {
		return false
	}
	for src, ivs := range s.bySource {
		if !slices.Equal(ivs, q.bySource[src]) {
			return false
		}
	}
	return true
}

// Union is a new set with the transactions of either.
func (s Set) Union(q Set) Set {
	out := s.Clone()
	out.AddSet(q)
	return out
}

// Subtract is a new set with the transactions of s that q lacks
// (GTID_SUBTRACT(s, q)).
func (s Set) Subtract(q Set) Set {
	return s.combine(q, subtractIntervals)
}

// Intersect is a new set with the transactions of both.
func (s Set) Intersect(q Set) Set {
	return s.combine(q, intersectIntervals)
}

func (s Set) combine(q Set, f func(a, b []Interval) []Interval) Set {
	var out Set
	for src, ivs := range s.bySource {
		if rest := f(ivs, q.bySource[src]); len(rest) > 0 {
			out.init()
			out.bySource[src] = rest
		}
	}
	return out
}

// Clone is a copy that shares nothing with s.
func (s Set) Clone() Set {
	var out Set
	for src, ivs := range s.bySource {
		out.init()
		out.bySource[src] = slices.Clone(ivs)
	}
	return out
}

// Add puts one transaction into the set, in place. A number of zero (as in
// anonymous transactions) or above MaxNumber is ignored: no server has it.
func (s *Set) Add(g GTID) {
	if g.Number == 0 || g.Number > MaxNumber {
		return
	}
	s.init()
	s.bySource[g.Source] = addNumber(s.bySource[g.Source], g.Number)
}

// AddSet puts all transactions of q into the set, in place.
func (s *Set) AddSet(q Set) {
	for src, ivs := range q.bySource {
		s.init()
		s.bySource[src] = unionIntervals(s.bySource[src], ivs)
	}
}

// shorten quotes a text for a message; sets may be megabytes long.
func shorten(s string) string {
	const limit = 80
	if len(s) > limit {
		return fmt.Sprintf("%q… (%d bytes)", s[:limit], len(s))
	}
	return strconv.Quote(s)
}
