package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"crosscheck/gate"
)

// EvidenceFilter chooses evidence; zero fields choose all. Evidence of other servers than the plan's tells that another
// server answers at an address: whoever judges gates wants it too.
type EvidenceFilter struct {
	Old, New string // server_uuid
	Kinds    []gate.Kind
	Gate     string // that it was recorded for
}

// StoredEvidence is evidence with the gate that it was recorded for; "" for none.
type StoredEvidence struct {
	gate.Evidence
	Gate string
}

// AddEvidence stores evidence that was recorded for a gate, all of it or none. What is there already stays as it is. It
// refuses evidence that cannot be used at all.
func (l *Ledger) AddEvidence(ctx context.Context, gateName string, list ...gate.Evidence) error {
	const op = "store evidence"
	texts := make([]string, len(list))
	for i, e := range list {
		if why := e.Problem(); why != "" {
			return fmt.Errorf("%s of %s: %s", op, e.Kind(), why)
		}
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		texts[i] = string(text)
	}
	return l.inTx(ctx, op, func(tx *sql.Tx) error {
		for i, e := range list {
			var from any
			if !e.From.IsZero() {
				from = timeText(e.From)
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO evidence (id, kind, taken, from_time, old_uuid, new_uuid, plan, gate, json, added)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`, digest(texts[i]), string(e.Kind()), timeText(e.Taken), from,
				e.Old, e.New, e.Plan, gateName, texts[i], timeText(l.opts.now()))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// digest is gate.EvidenceID of evidence with this JSON.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ListEvidence returns evidence in the order in which it was stored. Evidence that was changed since, or that this version
// cannot read, is an *Error: what is left out might say that something is wrong.
func (l *Ledger) ListEvidence(ctx context.Context, f EvidenceFilter) ([]StoredEvidence, error) {
	const op = "read evidence"
	where, args := f.where()
	rows, err := l.read.QueryContext(ctx, `SELECT id, gate, json FROM evidence`+where+` ORDER BY rowid`, args...)
	if err != nil {
		return nil, classify(l.path, op, err)
	}
	defer rows.Close()
	var list []StoredEvidence
	for rows.Next() {
		var id, text string
		var e StoredEvidence
		if err := rows.Scan(&id, &e.Gate, &text); err != nil {
			return nil, classify(l.path, op, err)
		}
		err := json.Unmarshal([]byte(text), &e.Evidence)
		if digest(text) != id {
			err = errors.New("it is not what was stored")
		}
		if err != nil {
			return nil, &Error{Kind: Corrupt, Path: l.path, Op: op, Err: fmt.Errorf("evidence %s: %w", id, err)}
		}
		list = append(list, e)
	}
	return list, classify(l.path, op, rows.Err())
}

func (f EvidenceFilter) where() (clause string, args []any) {
	var terms []string
	for _, t := range []struct{ column, value string }{{"old_uuid", f.Old}, {"new_uuid", f.New}, {"gate", f.Gate}} {
		if t.value != "" {
			terms, args = append(terms, t.column+" = ?"), append(args, t.value)
		}
	}
	if len(f.Kinds) > 0 {
		terms = append(terms, "kind IN (?"+strings.Repeat(", ?", len(f.Kinds)-1)+")")
		for _, k := range f.Kinds {
			args = append(args, string(k))
		}
	}
	if len(terms) > 0 {
		clause = " WHERE " + strings.Join(terms, " AND ")
	}
	return clause, args
}
