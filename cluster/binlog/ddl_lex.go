package binlog

import (
	"strconv"
	"strings"
)

// Bits of sql_mode that change how a statement is read. All servers have them in the same places.
const (
	modeANSIQuotes         = 1 << 2  // "x" is a name
	modeNoBackslashEscapes = 1 << 20 // \ is a character like others
)

// token is a piece of a statement.
type token struct {
	kind tokenKind
	text string // of a name without its quotes, of a word as it stands
}

type tokenKind uint8

const (
	tokenWord   tokenKind = iota + 1 // a keyword, a name without quotes, or a number
	tokenName                        // a name in quotes
	tokenString                      // its text is not kept
	tokenSign                        // any other character
)

// anyServer is the newest version that all servers we know have: what stands in a comment for it or an older one is read
// by each.
const anyServer = 50500

// lexer cuts a statement into tokens as the server does that ran it.
type lexer struct {
	rest  string
	modes uint64
	known bool // modes is what the session had
	// optional says how to read comments that only some servers execute, and doubtful counts them.
	optional bool
	doubtful int
	inside   int // comments with a version that are being read
	failed   bool
	out      []token
}

// lex returns a statement's tokens. ok is false where it cannot be told how a server reads the statement.
func lex(q string, modes uint64, known, optional bool) (out []token, doubtful int, ok bool) {
	l := lexer{rest: q, modes: modes, known: known, optional: optional}
	for l.rest != "" && !l.failed {
		l.next()
	}
	return l.out, l.doubtful, !l.failed && l.inside == 0
}

func (l *lexer) next() {
	q := l.rest
	switch c := q[0]; {
	case c == ' ' || c >= '\t' && c <= '\r':
		l.rest = q[1:]
	case strings.HasPrefix(q, "/*"):
		l.comment()
	case strings.HasPrefix(q, "*/") && l.inside > 0:
		l.inside--
		l.rest = q[2:]
	case c == '#', strings.HasPrefix(q, "--") && (len(q) == 2 || q[2] <= ' '):
		_, l.rest, _ = strings.Cut(q, "\n")
		l.failed = l.inside > 0 // does it hide the end of the comment around it?
	case c == '`' || c == '\'' || c == '"':
		l.quoted(c)
	case isNameByte(c):
		n := 1
		for n < len(q) && isNameByte(q[n]) {
			n++
		}
		l.add(tokenWord, q[:n])
		l.rest = q[n:]
	default:
		l.add(tokenSign, q[:1])
		l.rest = q[1:]
	}
}

func (l *lexer) add(kind tokenKind, text string) { l.out = append(l.out, token{kind, text}) }

// comment reads on behind a comment, or behind the beginning of one that servers execute.
func (l *lexer) comment() {
	q := l.rest[2:]
	maria := strings.HasPrefix(q, "M!")
	if maria {
		q = q[1:]
	}
	if !strings.HasPrefix(q, "!") {
		_, after, found := strings.Cut(l.rest[2:], "*/")
		l.rest, l.failed = after, !found
		return
	}
	q = q[1:]
	digits := 0
	for digits < len(q) && digits < 6 && q[digits] >= '0' && q[digits] <= '9' {
		digits++
	}
	version, _ := strconv.Atoi(q[:digits]) // nothing: every version
	if digits > 0 && digits < 5 {          // servers differ in whether these are digits of a version
		l.failed = true
		return
	}
	sure := !maria && version <= anyServer
	if !sure {
		l.doubtful++
	}
	if sure || l.optional {
		l.inside++
		l.rest = q[digits:]
		return
	}
	l.skip(q)
}

// skip leaves out a comment that is not executed, with those inside it.
func (l *lexer) skip(q string) {
	for depth := 1; depth > 0; {
		i := strings.IndexAny(q, "*/")
		switch {
		case i < 0:
			l.failed = true
			return
		case strings.HasPrefix(q[i:], "*/"):
			depth--
			i++
		case strings.HasPrefix(q[i:], "/*"):
			depth++
			i++
		}
		q = q[i+1:]
	}
	l.rest = q
}

// quoted reads a text in quotes; a quote in it is doubled, or has a backslash before it in strings.
func (l *lexer) quoted(c byte) {
	if c == '"' && !l.known {
		l.failed = true // a name or a string
		return
	}
	name := c == '`' || c == '"' && l.modes&modeANSIQuotes != 0
	var text strings.Builder
	q := l.rest[1:]
	for {
		i := strings.IndexByte(q, c)
		if i < 0 {
			l.failed = true
			return
		}
		if back := strings.IndexByte(q[:i], '\\'); back >= 0 && !name {
			if !l.known {
				l.failed = true
				return
			}
			if l.modes&modeNoBackslashEscapes == 0 {
				if len(q) < back+2 {
					l.failed = true
					return
				}
				q = q[back+2:]
				continue
			}
		}
		text.WriteString(q[:i])
		q = q[i+1:]
		if q == "" || q[0] != c {
			break
		}
		text.WriteByte(c)
		q = q[1:]
	}
	l.rest = q
	if name {
		l.add(tokenName, text.String())
	} else {
		l.add(tokenString, "")
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}
