package preflight

import (
	"net/netip"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// token is one character of a pattern, or a wildcard.
type token struct {
	c        rune
	one, any bool
}

// pattern reads a pattern of the server: % and _, and a backslash before what is meant as it is.
func pattern(s string) []token {
	var out []token
	escaped := false
	for _, c := range s {
		switch {
		case escaped:
			out, escaped = append(out, token{c: c}), false
		case c == '\\':
			escaped = true
		case c == '%':
			out = append(out, token{any: true})
		case c == '_':
			out = append(out, token{one: true})
		default:
			out = append(out, token{c: c})
		}
	}
	return out
}

// planPattern reads a pattern of a plan, in which % alone is a wildcard.
func planPattern(s string) []token {
	var out []token
	for _, c := range s {
		out = append(out, token{c: c, any: c == '%'})
	}
	return out
}

func asIs(s string) []token {
	var out []token
	for _, c := range s {
		out = append(out, token{c: c})
	}
	return out
}

// meet tells whether a text exists that both patterns match.
func meet(a, b []token) bool {
	// reach[j] tells whether the beginnings a[:i] and b[:j] meet.
	reach := make([]bool, len(b)+1)
	for i := 0; i <= len(a); i++ {
		next := make([]bool, len(b)+1)
		for j := 0; j <= len(b); j++ {
			switch {
			case i == 0 && j == 0:
				next[j] = true
			case j > 0 && b[j-1].any && (next[j-1] || i > 0 && reach[j]):
				next[j] = true
			case i > 0 && a[i-1].any && (reach[j] || j > 0 && next[j-1]):
				next[j] = true
			case i > 0 && j > 0 && !a[i-1].any && !b[j-1].any && reach[j-1]:
				next[j] = a[i-1].one || b[j-1].one || a[i-1].c == b[j-1].c
			}
		}
		reach = next
	}
	return reach[len(b)]
}

func loopback(host string) bool {
	return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, strings.ToLower(host))
}

// network reads a host of the form address/mask.
func network(host string) (netip.Prefix, bool) {
	addr, mask, ok := strings.Cut(host, "/")
	if !ok {
		return netip.Prefix{}, false
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}, false
	}
	m, err := netip.ParseAddr(mask)
	if err != nil { // the number of bits, or nothing
		p, bad := netip.ParsePrefix(host)
		return p.Masked(), bad == nil
	}
	bits := 0
	for _, b := range m.AsSlice() {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}

// hostsMeet tells whether a client may come from what both hosts of accounts name.
func hostsMeet(a, b string) bool {
	if a == "" {
		a = "%"
	}
	if b == "" {
		b = "%"
	}
	na, isA := network(a)
	nb, isB := network(b)
	switch {
	case isA && isB:
		return na.Overlaps(nb)
	case isA || isB:
		if isB {
			na, b = nb, a
		}
		addr, err := netip.ParseAddr(b)
		return err == nil && na.Contains(addr) || strings.Contains(b, "%") // a pattern of addresses, taken for one that meets
	case loopback(a) && loopback(b):
		return true
	}
	return meet(pattern(strings.ToLower(a)), pattern(strings.ToLower(b)))
}

// hostOrder is where the server looks at a host among those of accounts: smaller is earlier. Addresses and names come first, then
// patterns, those first whose wildcard comes later.
func hostOrder(host string) int {
	const first, masks, patterns, last = 0, 1, 1000, 2000
	switch i := strings.IndexAny(host, "%_"); {
	case host == "":
		return last + 1
	case host == "%":
		return last
	case i >= 0:
		return patterns - i
	case strings.Contains(host, "/"):
		return masks
	}
	return first
}

// before tells whether the server takes account a rather than b where both fit.
func before(a, b *inspect.Account) bool {
	if x, y := hostOrder(a.Host), hostOrder(b.Host); x != y {
		return x < y
	}
	return a.User != "" && b.User == ""
}

// namedBy tells whether a plan's pattern "user@host" names an account, for some client.
func namedBy(p string, a *inspect.Account) bool {
	user, host, _ := strings.Cut(p, "@")
	if !meet(planPattern(user), asIs(a.User)) {
		return false
	}
	if strings.Contains(host, "%") {
		return a.Host == "" || meet(planPattern(strings.ToLower(host)), pattern(strings.ToLower(a.Host)))
	}
	return hostsMeet(strings.ReplaceAll(host, "_", `\_`), a.Host)
}
