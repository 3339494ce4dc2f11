// Package gate decides whether the next step of a migration may be taken. It
// is pure: a plan, evidence and the time go in, a state with reasons comes out.
// There is no I/O and no clock in it.
//
// A gate passes only on evidence that is there, fresh, complete, and of the
// servers and the plan at hand. A proven fault fails it; whatever is missing,
// stale or of others leaves it unknown, which is never pass.
package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Kind is a sort of evidence.
type Kind string

// The kinds.
const (
	KindPreflight    Kind = "preflight"
	KindCheck        Kind = "check"
	KindSync         Kind = "sync"
	KindSteps        Kind = "steps"
	KindWatch        Kind = "watch"
	KindReadsSwitch  Kind = "reads_switch"
	KindWritesSwitch Kind = "writes_switch"
	KindDrained      Kind = "drained"
	KindStepRestored Kind = "step_restored"
	KindReadOnly     Kind = "read_only"
	KindGTID         Kind = "gtid"
	KindConverter    Kind = "converter"
	KindSchema       Kind = "schema"
	KindConfig       Kind = "config"
	KindRestoredCopy Kind = "restored_copy"
	KindRehearsal    Kind = "rehearsal"
	KindHealth       Kind = "health"
	KindSignOff      Kind = "sign_off"
	KindOverride     Kind = "override"
	KindHook         Kind = "hook"
	KindAction       Kind = "action"
	KindDecision     Kind = "decision"
	KindNodes        Kind = "nodes"
	KindCopy         Kind = "copy"
	KindUnmeasured   Kind = "unmeasured"
	KindWayBack      Kind = "way_back"
)

// Content is what one kind of evidence says. Its types are those of this package.
type Content interface {
	Kind() Kind
	// problem says why the content contradicts itself, given when it was taken; "" if it does not.
	problem(taken time.Time) string
}

// EvidenceID names a piece of evidence by its content: the SHA-256 of its JSON, in hexadecimal.
type EvidenceID string

// Evidence is one recorded result. It is never changed once made.
type Evidence struct {
	// Taken is when the last of it was read. From is when a full check began; zero for what was read at a moment, even if
	// it tells of earlier times. Two pieces of one kind whose times overlap must agree.
	Taken time.Time
	From  time.Time
	// Old and New are the server_uuid of the two servers that it is about.
	Old, New string
	// Plan is the hash of the plan that it was made for; "" if it was made without one.
	Plan string
	// Positions are where the servers stood, by "old", "new" or "converter", as gtid.Position prints them.
	Positions map[string]string
	// Reset names the nodes whose log began anew since the look before: what was written on them in between is not known.
	Reset   []string
	Content Content
}

// Kind is the content's kind; "" without content.
func (e Evidence) Kind() Kind {
	if e.Content == nil {
		return ""
	}
	return e.Content.Kind()
}

// envelope is the JSON form.
type envelope struct {
	Kind      Kind              `json:"kind"`
	Taken     time.Time         `json:"taken"`
	From      *time.Time        `json:"from,omitempty"`
	Old       string            `json:"old"`
	New       string            `json:"new"`
	Plan      string            `json:"plan,omitempty"`
	Positions map[string]string `json:"positions,omitempty"`
	Reset     []string          `json:"reset,omitempty"`
	Content   json.RawMessage   `json:"content"`
}

// MarshalJSON is the form that is stored and hashed.
func (e Evidence) MarshalJSON() ([]byte, error) {
	content, err := json.Marshal(e.Content)
	if err != nil {
		return nil, fmt.Errorf("evidence %s: %w", e.Kind(), err)
	}
	env := envelope{
		Kind: e.Kind(), Taken: e.Taken.UTC().Round(0), Old: e.Old, New: e.New, Plan: e.Plan, Positions: e.Positions, Reset: e.Reset,
		Content: content,
	}
	if !e.From.IsZero() {
		from := e.From.UTC().Round(0)
		env.From = &from
	}
	return json.Marshal(env)
}

// UnmarshalJSON reads what MarshalJSON wrote. Unknown kinds and fields are errors: evidence of a later version may say
// what this one would overlook.
func (e *Evidence) UnmarshalJSON(text []byte) error {
	var env envelope
	if err := strict(text, &env); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	content, err := decodeContent(env.Kind, env.Content)
	if err != nil {
		return fmt.Errorf("evidence %s: %w", env.Kind, err)
	}
	*e = Evidence{Taken: env.Taken, Old: env.Old, New: env.New, Plan: env.Plan, Positions: env.Positions, Reset: env.Reset, Content: content}
	if env.From != nil {
		e.From = *env.From
	}
	return nil
}

func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the end")
	}
	return nil
}

// ID names the evidence. Evidence without content has none.
func (e Evidence) ID() EvidenceID {
	if e.Content == nil {
		return ""
	}
	text, err := json.Marshal(e)
	if err != nil { // a time outside of the years that JSON knows
		return ""
	}
	sum := sha256.Sum256(text)
	return EvidenceID(hex.EncodeToString(sum[:]))
}

// Problem says why the evidence cannot be used at all; "" if it can.
func (e Evidence) Problem() string { return e.problem(e.ID()) }

// problem is the same of evidence whose ID is known.
func (e Evidence) problem(id EvidenceID) string {
	switch {
	case e.Content == nil:
		return "it has no content"
	case e.Taken.IsZero():
		return "it does not say when it was taken"
	case e.From.After(e.Taken):
		return "it began after it ended"
	case e.Old == "" || e.New == "":
		return "it does not say which servers it is about"
	case id == "":
		return "it cannot be written"
	}
	return e.Content.problem(e.Taken)
}

// from is when the measurement began.
func (e Evidence) from() time.Time {
	if e.From.IsZero() {
		return e.Taken
	}
	return e.From
}

func decodeContent(k Kind, text []byte) (Content, error) {
	switch k {
	case KindPreflight:
		return decode[Preflight](text)
	case KindCheck:
		return decode[Check](text)
	case KindSync:
		return decode[Sync](text)
	case KindSteps:
		return decode[Steps](text)
	case KindWatch:
		return decode[Watch](text)
	case KindReadsSwitch:
		return decode[ReadsSwitch](text)
	case KindWritesSwitch:
		return decode[WritesSwitch](text)
	case KindDrained:
		return decode[Drained](text)
	case KindStepRestored:
		return decode[StepRestored](text)
	case KindReadOnly:
		return decode[ReadOnly](text)
	case KindGTID:
		return decode[GTID](text)
	default:
		return decodeFurther(k, text)
	}
}

func decodeFurther(k Kind, text []byte) (Content, error) {
	switch k {
	case KindConverter:
		return decode[Converter](text)
	case KindSchema:
		return decode[Schema](text)
	case KindConfig:
		return decode[Config](text)
	case KindRestoredCopy:
		return decode[RestoredCopy](text)
	case KindRehearsal:
		return decode[Rehearsal](text)
	case KindHealth:
		return decode[Health](text)
	case KindSignOff:
		return decode[SignOff](text)
	case KindOverride:
		return decode[Override](text)
	case KindHook:
		return decode[Hook](text)
	case KindAction:
		return decode[Action](text)
	case KindDecision:
		return decode[Decision](text)
	case KindNodes:
		return decode[Nodes](text)
	case KindCopy:
		return decode[Copy](text)
	case KindUnmeasured:
		return decode[Unmeasured](text)
	case KindWayBack:
		return decode[WayBackSeen](text)
	default:
		return nil, fmt.Errorf("kind %q is unknown to this version", k)
	}
}

func decode[T Content](text []byte) (Content, error) {
	var c T
	if err := strict(text, &c); err != nil {
		return nil, err
	}
	return c, nil
}
