package diff

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"

	"crosscheck/checksum/plan"
	"crosscheck/cluster"
)

// Target is the server that a repair is for, as far as it decides what it can store. Several goroutines may ask it, each
// with a copy of its own.
type Target struct {
	facts cluster.Facts
	ask   func(expr string) ([]byte, error) // the value of an expression, nil for NULL or where the server refuses it; see asks
	err   error                             // of ask, the first
}

// NewTarget returns new's server for the statements of a repair of p's table.
func NewTarget(ctx context.Context, s *cluster.Server, p *plan.Table) *Target {
	t := &Target{facts: s.Facts()}
	if !asks(p) {
		return t
	}
	t.ask = func(expr string) ([]byte, error) {
		var digits sql.NullString // what is no text in utf8mb4 would come changed
		err := s.DB().QueryRowContext(ctx, "SELECT HEX("+expr+")").Scan(&digits)
		switch {
		case cluster.ErrorNumber(err) != 0 && !cluster.IsTransient(err), err == nil && !digits.Valid:
			return nil, nil
		case err != nil:
			return nil, s.Explain("ask what a column can hold", err)
		}
		return hex.DecodeString(digits.String)
	}
	return t
}

// holds reports whether the value of an expression is what is wanted.
func (t *Target) holds(expr string, want []byte) bool {
	if t.err != nil || t.ask == nil || int64(len(expr)) > t.facts.MaxAllowedPacket/2-packetSpare { // HEX doubles what is within it
		return false
	}
	got, err := t.ask(expr)
	t.err = err
	return err == nil && got != nil && bytes.Equal(got, want)
}

// encodes reports whether bytes are text of a charset of new's server.
func (t *Target) encodes(cs string, content []byte) bool {
	switch {
	case cs == "utf8mb4":
		return utf8.Valid(content)
	case cs == "utf8mb3":
		return utf8.Valid(content) && !slices.ContainsFunc([]rune(string(content)), func(r rune) bool { return r > 0xffff })
	case cs == "ascii":
		return !slices.ContainsFunc(content, func(b byte) bool { return b >= utf8.RuneSelf })
	case !plan.MultiByte(cs):
		return true
	}
	return t.holds(fmt.Sprintf("CONVERT(X'%x' USING %s)", content, cs), content)
}

// spells reports whether a charset of new's server has all characters of a text in utf8mb4.
func (t *Target) spells(cs string, text []byte) bool {
	if plan.UTF8Bytes(cs) || !utf8.Valid(text) {
		return t.encodes(cs, text)
	}
	return t.holds(fmt.Sprintf("CONVERT(CONVERT(_utf8mb4 X'%x' USING %s) USING utf8mb4)", text, cs), text)
}

// asks reports whether new's server may have to be asked what its columns can hold: nothing but a server knows the
// characters of its charsets, and which UUIDs it takes.
func asks(p *plan.Table) bool {
	for _, c := range p.Columns {
		if plan.ClassOf(c.New) == plan.ClassUUID && plan.ClassOf(c.Old) != plan.ClassUUID {
			return true
		}
		if k, cs := plan.ClassOf(c.New), plan.Charset(c.New); (k == plan.ClassText || k == plan.ClassJSON) && cs != "" && !plan.UTF8Bytes(cs) &&
			(plan.MultiByte(cs) || plan.Charset(c.Old) != cs) {
			return true
		}
	}
	return false
}
