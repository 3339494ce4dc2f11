package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// visible makes every character of s show itself, so that a value or a name can neither steer a terminal nor pretend
// to be another one: controls become their pictures (ESC becomes ␛), invisible and direction characters <U+202E>.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, "<%02X>", s[i])
		case !hidden(r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune(0x2400 + r)
		case r == 0x7f:
			b.WriteRune('␡')
		default:
			fmt.Fprintf(&b, "<U+%04X>", r)
		}
	}
	return b.String()
}

// hidden tells characters that move the cursor, reorder text or take no place; the plain space is none of them.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) ||
		r != ' ' && unicode.Is(unicode.Zs, r)
}

// width is the number of terminal cells of s, by the same rule as the table's columns.
func width(s string) int { return twwidth.Width(s) }

// shorten keeps the start and the end of s in at most n cells.
func shorten(s string, n int) string {
	if width(s) <= n {
		return s
	}
	if n < 3 {
		return firstCells(s, n)
	}
	tail := (n - 1) / 3
	return firstCells(s, n-1-tail) + cutMark + lastCells(s, tail)
}

func firstCells(s string, n int) string {
	used := 0
	for i, r := range s {
		used += width(string(r))
		if used > n {
			return s[:i]
		}
	}
	return s
}

func lastCells(s string, n int) string {
	end, used := len(s), 0
	for end > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:end])
		used += width(string(r))
		if used > n {
			break
		}
		end -= size
	}
	return s[end:]
}

// shortenPair shortens two values so that what is left of them still differs: in the middle if that shows it,
// otherwise around the first difference.
func shortenPair(a, b string, n int) (string, string) {
	x, y := shorten(a, n), shorten(b, n)
	if x != y || a == b {
		return x, y
	}
	from := firstDifference(a, b)
	for from > 0 && (from >= len(a) || !utf8.RuneStart(a[from])) {
		from--
	}
	lead := lastCells(a[:from], n/2)
	cut := func(s string) string {
		rest := s[from-len(lead):]
		if width(rest) <= n-1 {
			return cutMark + rest
		}
		return cutMark + firstCells(rest, n-2) + cutMark
	}
	return cut(a), cut(b)
}

// wrap breaks s into lines of at most n cells, at spaces where there are any.
func wrap(s string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && width(line)+1+width(word) <= n {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		pieces := breakWord(word, n)
		last := len(pieces) - 1
		lines, line = append(lines, pieces[:last]...), pieces[last]
	}
	return append(lines, line)
}

// breakWord cuts what has no spaces to break at, an identifier or a GTID set, into pieces of at most n cells, behind
// punctuation if that leaves no short piece. Joined, the pieces are s.
func breakWord(s string, n int) []string {
	var pieces []string
	for width(s) > n {
		head := firstCells(s, n)
		if head == "" { // a wide character in a column of one cell
			_, size := utf8.DecodeRuneInString(s)
			head = s[:size]
		}
		if i := strings.LastIndexAny(head, " ._-,;:/"); i > len(head)/2 {
			head = head[:i+1]
		}
		pieces, s = append(pieces, head), s[len(head):]
	}
	return append(pieces, s)
}

// number writes n for people: all digits up to ten million, then millions.
func number(n int64) string {
	switch {
	case n < 0:
		return "-" + number(-n)
	case n < 10_000_000:
		return grouped(n)
	case n < 99_950_000:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " M"
	default:
		return grouped((n+500_000)/1_000_000) + " M"
	}
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// duration writes seconds for people.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// whereabouts writes a position for people: what proves it first, without the words that tell programs which kind it is.
func whereabouts(position string) string {
	kind, rest, ok := strings.Cut(position, ":")
	if !ok || kind != "mysql" && kind != "mariadb" && kind != "file" {
		return position
	}
	var parts []string
	for i, p := range strings.Split(rest, ";") {
		if i > 0 {
			_, p, _ = strings.Cut(p, "=")
		}
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " · ")
}
