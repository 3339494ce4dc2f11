package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// The stored form of a finding. It has names of its own, so that a renamed field in package conflict does not make
// ledgers unreadable, and it keeps bytes that are no UTF-8, which plain JSON strings would lose.
type (
	storedFinding struct {
		ID       text           `json:"id"`
		Kind     conflict.Kind  `json:"kind"`
		Table    text           `json:"table,omitempty"`
		Index    []text         `json:"index,omitempty"`
		Key      []storedValue  `json:"key,omitempty"`
		More     [][]text       `json:"more,omitempty"`
		Old      *storedAct     `json:"old,omitempty"`
		New      *storedAct     `json:"new,omitempty"`
		Possible bool           `json:"possible,omitempty"`
		Maybe    bool           `json:"maybe_given,omitempty"`
		Reason   text           `json:"reason,omitempty"`
		Detail   text           `json:"detail,omitempty"`
		Session  *storedSession `json:"session,omitempty"`
		Advice   text           `json:"advice,omitempty"`
		Others   []storedRow    `json:"others,omitempty"`
		Untold   bool           `json:"untold,omitempty"`
	}
	storedRow struct {
		Table   text          `json:"table"`
		Columns []text        `json:"columns"`
		Key     []storedValue `json:"key"`
		Plain   bool          `json:"plain,omitempty"`
	}
	storedAct struct {
		File       text            `json:"file,omitempty"`
		Pos        uint64          `json:"pos,omitempty"`
		GTID       text            `json:"gtid,omitempty"`
		Thread     uint64          `json:"thread,omitempty"`
		Session    *storedSession  `json:"session,omitempty"`
		Time       *time.Time      `json:"time,omitempty"`
		Table      text            `json:"table,omitempty"`
		Op         binlog.Kind     `json:"op,omitempty"`
		Columns    []text          `json:"columns,omitempty"`
		Before     []storedValue   `json:"before,omitempty"`
		After      []storedValue   `json:"after,omitempty"`
		Dropped    bool            `json:"dropped,omitempty"`
		KeyColumns []text          `json:"key_columns,omitempty"`
		Key        []storedValue   `json:"key,omitempty"`
		OtherKeys  [][]storedValue `json:"other_keys,omitempty"`
		PlainKey   bool            `json:"plain_key,omitempty"`
	}
	storedSession struct {
		Thread    uint64 `json:"thread"`
		User      text   `json:"user"`
		Host      text   `json:"host"`
		Increment uint64 `json:"increment"`
		Offset    uint64 `json:"offset"`
	}
	// storedValue is null for NULL, a text, or {"s": state, "t": text} for anything else.
	storedValue binlog.Value
	// text is a JSON string, or {"x": hexadecimal} if it is no UTF-8.
	text string
)

type hexText struct {
	X string `json:"x"`
}

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(hexText{hex.EncodeToString([]byte(t))})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		return json.Unmarshal(b, (*string)(t))
	}
	var x hexText
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	raw, err := hex.DecodeString(x.X)
	*t = text(raw)
	return err
}

type stateAndText struct {
	State binlog.State `json:"s"`
	Text  *text        `json:"t,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (v storedValue) MarshalJSON() ([]byte, error) {
	switch {
	case v.State == binlog.Null && v.Text == nil:
		return []byte("null"), nil
	case v.State == binlog.Present && v.Text != nil && utf8.Valid(v.Text):
		return json.Marshal(string(v.Text))
	}
	s := stateAndText{State: v.State}
	if v.Text != nil {
		t := text(v.Text)
		s.Text = &t
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *storedValue) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case 'n':
		*v = storedValue{State: binlog.Null}
		return nil
	case '"':
		var s string
		err := json.Unmarshal(b, &s)
		*v = storedValue{Text: []byte(s)}
		return err
	}
	var s stateAndText
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*v = storedValue{State: s.State}
	if s.Text != nil {
		v.Text = []byte(*s.Text)
	}
	return nil
}

func encodeFinding(f conflict.Finding) storedFinding {
	s := storedFinding{
		ID: text(f.ID), Kind: f.Kind, Table: text(f.Table), Index: convert(f.Index, toText), Key: convert(f.Key, toStored),
		More: convert(f.More, func(l []string) []text { return convert(l, toText) }), Old: encodeAct(f.Old), New: encodeAct(f.New),
		Possible: f.Possible, Maybe: f.MaybeGiven, Reason: text(f.Reason), Detail: text(f.Detail), Advice: text(f.Advice), Untold: f.Untold,
		Others: convert(f.Others, func(r conflict.Row) storedRow {
			return storedRow{text(r.Table), convert(r.Columns, toText), convert(r.Key, toStored), r.Plain}
		}),
	}
	s.Session = encodeSession(f.Session)
	return s
}

func encodeSession(x *conflict.Session) *storedSession {
	if x == nil {
		return nil
	}
	return &storedSession{Thread: x.Thread, User: text(x.User), Host: text(x.Host), Increment: x.Step.Increment, Offset: x.Step.Offset}
}

func (s *storedSession) decode() *conflict.Session {
	if s == nil {
		return nil
	}
	return &conflict.Session{
		Thread: s.Thread, User: string(s.User), Host: string(s.Host), Step: conflict.Step{Increment: s.Increment, Offset: s.Offset},
	}
}

func (s storedFinding) decode() conflict.Finding {
	f := conflict.Finding{
		ID: string(s.ID), Kind: s.Kind, Table: string(s.Table), Index: convert(s.Index, ofText), Key: convert(s.Key, ofStored),
		More: convert(s.More, func(l []text) []string { return convert(l, ofText) }), Old: s.Old.decode(), New: s.New.decode(),
		Possible: s.Possible, MaybeGiven: s.Maybe, Reason: conflict.Reason(s.Reason), Detail: string(s.Detail), Advice: string(s.Advice), Untold: s.Untold,
		Others: convert(s.Others, func(r storedRow) conflict.Row {
			return conflict.Row{Table: string(r.Table), Columns: convert(r.Columns, ofText), Key: convert(r.Key, ofStored), Plain: r.Plain}
		}),
	}
	f.Session = s.Session.decode()
	return f
}

func encodeAct(a *conflict.Act) *storedAct {
	if a == nil {
		return nil
	}
	s := &storedAct{
		File: text(a.Place.File.File), Pos: a.Place.File.Pos, GTID: text(a.Place.GTID), Thread: a.Thread, Session: encodeSession(a.Session),
		Table: text(a.Table), Op: a.Op, Columns: convert(a.Columns, toText), Before: convert(a.Before, toStored),
		After: convert(a.After, toStored), Dropped: a.Dropped, KeyColumns: convert(a.KeyColumns, toText),
		Key: convert(a.Key, toStored), PlainKey: a.PlainKey,
		OtherKeys: convert(a.OtherKeys, func(k []binlog.Value) []storedValue { return convert(k, toStored) }),
	}
	if !a.CommitTime.IsZero() {
		t := a.CommitTime.UTC()
		s.Time = &t
	}
	return s
}

func (s *storedAct) decode() *conflict.Act {
	if s == nil {
		return nil
	}
	a := &conflict.Act{
		Place:  conflict.Place{File: gtid.FilePos{File: string(s.File), Pos: s.Pos}, GTID: string(s.GTID)},
		Thread: s.Thread, Session: s.Session.decode(), Table: string(s.Table), Op: s.Op, Columns: convert(s.Columns, ofText),
		Before: convert(s.Before, ofStored), After: convert(s.After, ofStored), Dropped: s.Dropped,
		KeyColumns: convert(s.KeyColumns, ofText), Key: convert(s.Key, ofStored), PlainKey: s.PlainKey,
		OtherKeys: convert(s.OtherKeys, func(k []storedValue) []binlog.Value { return convert(k, ofStored) }),
	}
	if s.Time != nil {
		a.CommitTime = *s.Time
	}
	return a
}

func toText(s string) text                { return text(s) }
func ofText(t text) string                { return string(t) }
func toStored(v binlog.Value) storedValue { return storedValue(v) }
func ofStored(v storedValue) binlog.Value { return binlog.Value(v) }
func convert[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 { // an empty list is stored as none, and is none again
		return nil
	}
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

const insertFinding = `INSERT OR IGNORE INTO watch_findings (watch_id, id, found_at, kind, benign, possible, table_name,
	index_json, key_json, old_position, old_gtid, old_thread, old_time, old_op, new_position, new_gtid, new_thread,
	new_time, new_op, reason, detail, advice, finding_json, rows_told)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// AddFindings implements watch.Store. All of the list is stored, or nothing.
func (w *Watch) AddFindings(ctx context.Context, list []conflict.Finding, at time.Time) (fresh []bool, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	fresh = make([]bool, len(list))
	err = w.inTx(ctx, "store findings", func(tx *sql.Tx) error {
		stmt, fail := tx.PrepareContext(ctx, insertFinding)
		if fail != nil {
			return fail
		}
		defer stmt.Close() //nolint:errcheck // it is the transaction's
		rows, fail := prepareRows(ctx, tx)
		if fail != nil {
			return fail
		}
		defer rows.close()
		for i := range list {
			f := &list[i]
			var seq int64
			if seq, fresh[i], fail = w.addFinding(ctx, stmt, f, at); fail == nil && fresh[i] {
				fail = rows.of(ctx, w.id, seq, f)
			}
			if fail != nil {
				return fmt.Errorf("finding %s: %w", f.ID, fail)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fresh, nil
}

func (w *Watch) addFinding(ctx context.Context, stmt *sql.Stmt, f *conflict.Finding, at time.Time) (seq int64, fresh bool, err error) {
	whole, _, err := encodeJSON(encodeFinding(*f))
	if err != nil {
		return 0, false, err
	}
	index, err := json.Marshal(orEmptyList(f.Index))
	if err != nil {
		return 0, false, err
	}
	args := []any{
		w.id, f.ID, timeText(at), f.Kind.String(), f.Kind.Benign(), f.Possible, f.Table, string(index), keyObject(f.Index, f.Key),
	}
	args = append(args, actColumns(f.Old)...)
	args = append(args, actColumns(f.New)...)
	args = append(args, string(f.Reason), f.Detail, f.Advice, whole, f.Tells())
	res, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, false, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return 0, false, err
	}
	seq, err = res.LastInsertId()
	return seq, true, err
}

func actColumns(a *conflict.Act) []any {
	if a == nil {
		return make([]any, 5)
	}
	var at, op any
	if !a.CommitTime.IsZero() {
		at = timeText(a.CommitTime)
	}
	if a.Op != 0 {
		op = a.Op.String()
	}
	position := ""
	if a.Place.File.File != "" {
		position = fmt.Sprintf("%s:%d", a.Place.File.File, a.Place.File.Pos)
	}
	return []any{position, a.Place.GTID, int64(a.Thread), at, op}
}

// keyObject is a key as {column: value}, for people and for json_extract; finding_json has it without loss.
func keyObject(columns []string, key []binlog.Value) string {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, v := range key {
		if i > 0 {
			b.WriteByte(',')
		}
		name := fmt.Sprintf("#%d", i+1)
		if i < len(columns) {
			name = columns[i]
		}
		b.Write(jsonString(name))
		b.WriteByte(':')
		switch {
		case v.IsNull():
			b.WriteString("null")
		case utf8.Valid(v.Text):
			b.Write(jsonString(v.String()))
		default:
			b.Write(jsonString("0x" + hex.EncodeToString(v.Text)))
		}
	}
	b.WriteByte('}')
	return b.String()
}

func jsonString(s string) []byte {
	out, _ := json.Marshal(s) // strings always encode
	return out
}

// FindingCounts counts all findings of the account by kind, those of earlier processes included.
func (w *Watch) FindingCounts(ctx context.Context) (map[conflict.Kind]uint64, error) {
	const op = "count findings"
	rows, err := w.l.read.QueryContext(ctx, `SELECT kind, count(*) FROM watch_findings WHERE watch_id = ? GROUP BY kind`, w.id)
	if err != nil {
		return nil, classify(w.l.path, op, err)
	}
	defer rows.Close()
	counts := map[conflict.Kind]uint64{}
	for rows.Next() {
		var name string
		var n uint64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, classify(w.l.path, op, err)
		}
		var k conflict.Kind
		if err := k.UnmarshalText([]byte(name)); err != nil {
			return nil, &Error{Kind: Corrupt, Path: w.l.path, Op: op, Err: err}
		}
		counts[k] = n
	}
	return counts, classify(w.l.path, op, rows.Err())
}

// EachFinding calls fn for the findings of the account in the order in which they were stored, one at a time in memory.
// An error of fn ends the walk and is returned as it is. fn may read the ledger.
func (w *Watch) EachFinding(ctx context.Context, fn func(at time.Time, f conflict.Finding) error) error {
	return w.each(ctx, fn, `SELECT found_at, finding_json FROM watch_findings WHERE watch_id = ? ORDER BY seq`, w.id)
}

// EachOfLast is EachFinding for the last n findings, in the same order.
func (w *Watch) EachOfLast(ctx context.Context, n int, fn func(at time.Time, f conflict.Finding) error) error {
	return w.each(ctx, fn, `SELECT found_at, finding_json FROM watch_findings WHERE seq IN
		(SELECT seq FROM watch_findings WHERE watch_id = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq`, w.id, max(n, 0))
}

func (w *Watch) each(ctx context.Context, fn func(at time.Time, f conflict.Finding) error, query string, args ...any) error {
	const op = "read findings"
	rows, err := w.l.read.QueryContext(ctx, query, args...)
	if err != nil {
		return classify(w.l.path, op, err)
	}
	defer rows.Close()
	for rows.Next() {
		var when string
		var stored any
		if err := rows.Scan(&when, &stored); err != nil {
			return classify(w.l.path, op, err)
		}
		at, err := parseTime(when)
		var s storedFinding
		if err == nil {
			err = decodeJSON(stored, &s)
		}
		if err != nil {
			return &Error{Kind: Corrupt, Path: w.l.path, Op: op, Err: err}
		}
		if err := fn(at, s.decode()); err != nil {
			return err
		}
	}
	return classify(w.l.path, op, rows.Err())
}
