package gtid

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MariaGTID names one MariaDB transaction, "domain-server-sequence".
type MariaGTID struct {
	Domain, Server uint32
	Seq            uint64
}

// String prints "0-1-100".
func (g MariaGTID) String() string {
	b := make([]byte, 0, 44)
	b = append(strconv.AppendUint(b, uint64(g.Domain), 10), '-')
	b = append(strconv.AppendUint(b, uint64(g.Server), 10), '-')
	return string(strconv.AppendUint(b, g.Seq, 10))
}

// ParseMariaGTID reads "0-1-100".
func ParseMariaGTID(text string) (MariaGTID, error) {
	parts := strings.Split(strings.TrimSpace(text), "-")
	if len(parts) != 3 {
		return MariaGTID{}, fmt.Errorf("%s is not a MariaDB GTID (domain-server-sequence)", shorten(text))
	}
	d, err1 := strconv.ParseUint(parts[0], 10, 32)
	s, err2 := strconv.ParseUint(parts[1], 10, 32)
	n, err3 := strconv.ParseUint(parts[2], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return MariaGTID{}, fmt.Errorf("%s is not a MariaDB GTID (domain-server-sequence)", shorten(text))
	}
	return MariaGTID{Domain: uint32(d), Server: uint32(s), Seq: n}, nil
}

// MariaPos is a MariaDB GTID position: the last transaction of each domain.
// Unlike a Set it claims that all earlier transactions of the domain are
// there, which holds only while a domain has one writer at a time: two servers
// that write into one domain at once give out the same sequence numbers, and
// no comparison of positions in that domain means anything then. The zero
// MariaPos is empty. Methods never change it.
type MariaPos struct {
	last map[uint32]MariaGTID
}

// ParseMariaPos reads "0-1-100,5-7-3" as gtid_binlog_pos, gtid_slave_pos and
// gtid_current_pos print it. A domain that comes twice is an error, as on the
// server; ParseMariaState reads such lists.
func ParseMariaPos(text string) (MariaPos, error) {
	list, err := parseMariaList(text)
	if err != nil {
		return MariaPos{}, err
	}
	var p MariaPos
	for _, g := range list {
		if old, twice := p.last[g.Domain]; twice {
			return MariaPos{}, fmt.Errorf("MariaDB GTID position %s: domain %d comes twice (%s, %s)", shorten(text), g.Domain, old, g)
		}
		p = p.With(g)
	}
	return p, nil
}

func parseMariaList(text string) ([]MariaGTID, error) {
	var out []MariaGTID
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		g, err := ParseMariaGTID(part)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// MariaPosOf builds a position; of two GTIDs in one domain the later stays.
func MariaPosOf(list ...MariaGTID) MariaPos {
	var p MariaPos
	for _, g := range list {
		if old, ok := p.last[g.Domain]; !ok || g.Seq > old.Seq {
			p = p.With(g)
		}
	}
	return p
}

// Domains lists the domains, sorted.
func (p MariaPos) Domains() []uint32 { return slices.Sorted(maps.Keys(p.last)) }

// Last is the last transaction of a domain.
func (p MariaPos) Last(domain uint32) (MariaGTID, bool) {
	g, ok := p.last[domain]
	return g, ok
}

// IsEmpty tells whether the position names no transaction.
func (p MariaPos) IsEmpty() bool { return len(p.last) == 0 }

// String prints the position sorted by domain, "0-1-100,5-7-3".
func (p MariaPos) String() string {
	parts := make([]string, 0, len(p.last))
	for _, d := range p.Domains() {
		parts = append(parts, p.last[d].String())
	}
	return strings.Join(parts, ",")
}

// With is the position with one domain's last transaction replaced.
func (p MariaPos) With(g MariaGTID) MariaPos {
	out := MariaPos{last: make(map[uint32]MariaGTID, len(p.last)+1)}
	maps.Copy(out.last, p.last)
	out.last[g.Domain] = g
	return out
}

// Without is the position less the domains given.
func (p MariaPos) Without(domains ...uint32) MariaPos {
	out := MariaPos{last: maps.Clone(p.last)}
	for _, d := range domains {
		delete(out.last, d)
	}
	return out
}

// Union takes, per domain, the later transaction of the two.
func (p MariaPos) Union(q MariaPos) MariaPos {
	out := MariaPos{last: make(map[uint32]MariaGTID, len(p.last)+len(q.last))}
	maps.Copy(out.last, p.last)
	for d, g := range q.last {
		if old, ok := out.last[d]; !ok || g.Seq > old.Seq {
			out.last[d] = g
		}
	}
	return out
}

// Equal tells whether both name the same transactions.
func (p MariaPos) Equal(q MariaPos) bool { return maps.Equal(p.last, q.last) }

// Contains tells whether p has reached q in every domain of q. Only sequence
// numbers count: within a domain they rise whoever writes.
func (p MariaPos) Contains(q MariaPos) bool { return len(p.Missing(q)) == 0 }

// Gap says what a position lacks in one domain: sequence numbers above After,
// up to and including Upto.
type Gap struct {
	Domain      uint32
	After, Upto uint64
	Absent      bool // the domain is not in the position at all; After is 0
}

// String prints "domain 5: 101-120 missing".
func (g Gap) String() string {
	if g.Absent {
		return fmt.Sprintf("domain %d: all up to %d missing", g.Domain, g.Upto)
	}
	return fmt.Sprintf("domain %d: %s missing", g.Domain, Interval{g.After + 1, g.Upto})
}

// Missing lists, sorted by domain, what p lacks of q.
func (p MariaPos) Missing(q MariaPos) []Gap {
	var out []Gap
	for _, d := range q.Domains() {
		want, have := q.last[d], p.last[d]
		_, known := p.last[d]
		if !known || have.Seq < want.Seq {
			out = append(out, Gap{Domain: d, After: have.Seq, Upto: want.Seq, Absent: !known})
		}
	}
	return out
}

// MariaState is gtid_binlog_state: the last transaction of each writer in each
// domain that a binary log has seen.
type MariaState []MariaGTID

// ParseMariaState reads gtid_binlog_state, where a domain may come once for
// each server that wrote into it.
func ParseMariaState(text string) (MariaState, error) { return parseMariaList(text) }

// Wrote tells whether a server has written into a domain.
func (s MariaState) Wrote(domain, server uint32) bool {
	return slices.ContainsFunc(s, func(g MariaGTID) bool { return g.Domain == domain && g.Server == server })
}

// Domains lists the domains of the state, sorted.
func (s MariaState) Domains() []uint32 { return MariaPosOf(s...).Domains() }
