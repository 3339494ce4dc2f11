// Package gtid holds what a MySQL or MariaDB server says about how far it is:
// GTID sets, MariaDB's GTID positions, and places in a binary log. It is pure:
// text in, arithmetic, text out.
package gtid

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Kind says which part of a Position is the one that counts.
type Kind int

// The kinds of position. The zero Kind is that of an unknown position.
const (
	None        Kind = iota
	MySQLGTID        // a MySQL GTID set
	MariaDBGTID      // a MariaDB GTID position
	File             // a place in the server's own binary log
)

// String is the kind's name in text and JSON forms.
func (k Kind) String() string {
	switch k {
	case MySQLGTID:
		return "mysql"
	case MariaDBGTID:
		return "mariadb"
	case File:
		return "file"
	default:
		return "none"
	}
}

// Position is everything that a server had committed at a moment. Kind says
// which field proves it; the others may be known besides: a GTID position
// mostly carries the place in the binary log that was read just after it, and
// a File position of a server with both anonymous transactions and GTIDs
// carries its set. The zero Position is "none".
type Position struct {
	Kind    Kind
	MySQL   Set
	MariaDB MariaPos
	File    FilePos
}

// IsZero tells whether nothing is known.
func (p Position) IsZero() bool { return p.Kind == None }

// String is the self-describing text form:
//
//	none
//	mysql:UUID:1-5[;file=binlog.000003:157]
//	mariadb:0-1-100,5-7-3[;file=…]
//	file:binlog.000003:157[;mysql=UUID:1-5 | ;mariadb=0-1-100]
func (p Position) String() string {
	var file string
	if !p.File.IsZero() {
		file = ";file=" + p.File.String()
	}
	switch p.Kind {
	case MySQLGTID:
		return "mysql:" + p.MySQL.String() + file
	case MariaDBGTID:
		return "mariadb:" + p.MariaDB.String() + file
	case File:
		out := "file:" + p.File.String()
		if !p.MySQL.IsEmpty() {
			out += ";mysql=" + p.MySQL.String()
		}
		if !p.MariaDB.IsEmpty() {
			out += ";mariadb=" + p.MariaDB.String()
		}
		return out
	default:
		return "none"
	}
}

// ParsePosition reads the form of String. It also takes what servers print: a
// bare GTID set, a bare MariaDB position, a bare file:position.
func ParsePosition(text string) (Position, error) {
	text = strings.TrimSpace(text)
	if text == "none" || text == "" {
		return Position{}, nil
	}
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "mysql", "mariadb":
		value, file, hasFile := strings.Cut(rest, ";file=")
		p := Position{Kind: MySQLGTID}
		if kind == "mariadb" {
			p.Kind = MariaDBGTID
		}
		if err := p.setValue(kind, value); err != nil {
			return Position{}, err
		}
		if hasFile {
			return p, p.setValue("file", file)
		}
		return p, nil
	case "file":
		return parseFileForm(rest)
	}
	return parseBare(text)
}

// parseFileForm reads "binlog.000003:157;mysql=…". The extra part is looked
// for at its marker's last place, because a file's name may hold anything.
func parseFileForm(rest string) (Position, error) {
	p := Position{Kind: File}
	for _, extra := range []string{"mariadb", "mysql"} {
		if i := strings.LastIndex(rest, ";"+extra+"="); i >= 0 {
			if err := p.setValue(extra, rest[i+len(extra)+2:]); err != nil {
				return Position{}, err
			}
			rest = rest[:i]
		}
	}
	if err := p.setValue("file", rest); err != nil {
		return Position{}, err
	}
	return p, nil
}

func parseBare(text string) (Position, error) {
	for kind, name := range map[Kind]string{MySQLGTID: "mysql", MariaDBGTID: "mariadb", File: "file"} {
		p := Position{Kind: kind}
		if p.setValue(name, text) == nil {
			return p, nil
		}
	}
	return Position{}, fmt.Errorf("%s is no position: want a GTID set, a MariaDB GTID position or file:position", shorten(text))
}

func (p *Position) setValue(name, text string) (err error) {
	switch name {
	case "mysql":
		p.MySQL, err = ParseSet(text)
	case "mariadb":
		p.MariaDB, err = ParseMariaPos(text)
	case "file":
		p.File, err = ParseFilePos(text)
	}
	return err
}

// Contains tells whether p has reached q: all that was committed at q is also
// committed at p. Positions of one GTID kind are compared by it; if one of the
// two is a File position, both need their place in the binary log, and it is
// the caller's to know that both are of the same server. Otherwise the error
// wraps ErrIncomparable.
func (p Position) Contains(q Position) (bool, error) {
	switch {
	case p.Kind == None || q.Kind == None:
		return false, fmt.Errorf("%w: a position is unknown", ErrIncomparable)
	case p.Kind == MySQLGTID && q.Kind == MySQLGTID:
		return p.MySQL.Contains(q.MySQL), nil
	case p.Kind == MariaDBGTID && q.Kind == MariaDBGTID:
		return p.MariaDB.Contains(q.MariaDB), nil
	case (p.Kind == File || q.Kind == File) && !p.File.IsZero() && !q.File.IsZero():
		c, err := p.File.Compare(q.File)
		return err == nil && c >= 0, err
	}
	return false, fmt.Errorf("%w: one is of kind %s, the other of kind %s", ErrIncomparable, p.Kind, q.Kind)
}

// MarshalText is String.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePosition.
func (p *Position) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePosition(string(b))
	return err
}

type jsonPosition struct {
	Kind string  `json:"kind"`
	GTID *string `json:"gtid,omitempty"`
	File string  `json:"file,omitempty"`
	Pos  uint64  `json:"pos,omitempty"`
}

// MarshalJSON prints {"kind":"mysql","gtid":"UUID:1-5","file":"binlog.000003",
// "pos":157}; the keys gtid, file and pos only where they are known.
func (p Position) MarshalJSON() ([]byte, error) {
	j := jsonPosition{Kind: p.Kind.String(), File: p.File.File, Pos: p.File.Pos}
	set, maria := p.MySQL.String(), p.MariaDB.String()
	switch {
	case p.Kind == MySQLGTID || p.Kind == File && set != "":
		j.GTID = &set
	case p.Kind == MariaDBGTID || p.Kind == File && maria != "":
		j.GTID = &maria
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the form of MarshalJSON, or a string with the text form.
func (p *Position) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		return p.UnmarshalText([]byte(text))
	}
	var j jsonPosition
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("position: %w", err)
	}
	out := Position{File: FilePos{File: j.File, Pos: j.Pos}}
	gtid := ""
	if j.GTID != nil {
		gtid = *j.GTID
	}
	var err error
	switch j.Kind {
	case "none":
	case "mysql":
		out.Kind = MySQLGTID
		err = out.setValue("mysql", gtid)
	case "mariadb":
		out.Kind = MariaDBGTID
		err = out.setValue("mariadb", gtid)
	case "file":
		out.Kind = File
		if out.setValue("mysql", gtid) != nil {
			err = out.setValue("mariadb", gtid)
		}
	default:
		err = errors.New("unknown kind " + shorten(j.Kind))
	}
	if err != nil {
		return fmt.Errorf("position: %w", err)
	}
	*p = out
	return nil
}
