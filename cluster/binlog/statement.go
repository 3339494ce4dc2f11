package binlog

import "strings"

// statementClass says what a logged statement means for the stream.
type statementClass uint8

const (
	classOther      statementClass = iota // DDL, account and other statements that change no rows by themselves
	classBegin                            // opens a transaction
	classCommit                           // ends it
	classRollback                         // ends it, undone
	classInside                           // SAVEPOINT and the like: nothing to see
	classDML                              // a data change logged as its statement
	classXAStart                          // opens an XA transaction
	classXAEnd                            // the rows are complete; PREPARE follows
	classXACommit                         // XA COMMIT of a prepared transaction
	classXARollback                       // XA ROLLBACK of a prepared transaction
)

// classify looks at the first words of a statement.
func classify(q string) statementClass {
	first, rest := nextWord(q)
	switch first {
	case "BEGIN", "START":
		if first == "BEGIN" || hasWord(rest, "TRANSACTION") {
			return classBegin
		}
	case "COMMIT":
		return classCommit
	case "ROLLBACK":
		if w, _ := nextWord(rest); w == "TO" {
			return classInside
		}
		return classRollback
	case "SAVEPOINT", "RELEASE":
		return classInside
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "CALL", "DO", "SELECT", "HANDLER":
		return classDML
	case "XA":
		switch w, _ := nextWord(rest); w {
		case "START", "BEGIN":
			return classXAStart
		case "COMMIT":
			return classXACommit
		case "ROLLBACK":
			return classXARollback
		default:
			return classXAEnd
		}
	}
	return classOther
}

func hasWord(q, want string) bool {
	w, _ := nextWord(q)
	return w == want
}

// nextWord skips spaces and comments and returns the next word in upper case.
// The inside of version comments counts as text, as it does for servers.
func nextWord(q string) (word, rest string) {
	for {
		q = strings.TrimLeft(q, " \t\r\n;(")
		switch {
		case strings.HasPrefix(q, "/*!"):
			q = strings.TrimLeft(q[3:], "0123456789")
		case strings.HasPrefix(q, "/*M!"):
			q = strings.TrimLeft(q[4:], "0123456789")
		case strings.HasPrefix(q, "/*"):
			_, after, found := strings.Cut(q[2:], "*/")
			if !found {
				return "", ""
			}
			q = after
		case strings.HasPrefix(q, "*/"):
			q = q[2:]
		case strings.HasPrefix(q, "#"), strings.HasPrefix(q, "-- "):
			_, after, found := strings.Cut(q, "\n")
			if !found {
				return "", ""
			}
			q = after
		default:
			i := 0
			for i < len(q) && (q[i] == '_' || q[i]|0x20 >= 'a' && q[i]|0x20 <= 'z') {
				i++
			}
			return strings.ToUpper(q[:i]), q[i:]
		}
	}
}

// xidOf is the part of an XA statement that names the transaction, in one form
// for XA START, COMMIT and ROLLBACK.
func xidOf(q string) string {
	_, rest := nextWord(q)
	_, rest = nextWord(rest)
	rest = strings.TrimSpace(rest)
	if one := strings.LastIndex(strings.ToUpper(rest), " ONE PHASE"); one >= 0 {
		rest = rest[:one]
	}
	return strings.ReplaceAll(rest, " ", "")
}

func ascii[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
