// Package certificate makes, signs and verifies the certificate of a
// migration. It is pure: keys and texts in, texts and verdicts out.
//
// A certificate is JSON. Its content is everything but "seal" and "signature".
// The seal holds a hash of each value, by its JSON pointer, and the digest of
// all of them; the signature is over the digest. So a changed certificate
// tells which values were changed. Order of keys and white space do not count.
package certificate

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// Schema is the form that this package writes. What an earlier version wrote is still verified by its own name.
const (
	Schema   = "crosscheck/certificate/v2"
	schemaV1 = "crosscheck/certificate/v1"
)

// Document is what is certified.
type Document struct {
	Schema     string     `json:"schema"`
	Issued     time.Time  `json:"issued"`
	Crosscheck string     `json:"crosscheck"` // version
	Key        string     `json:"key"`        // fingerprint of the key that signs
	Path       plan.Path  `json:"path"`
	PlanHash   string     `json:"plan_hash"`
	Verdict    gate.State `json:"verdict"`
	// Complete says that all gates pass, that all that the plan names was compared, and that each thing that was found on the way
	// is settled. Incomplete says why not.
	Complete   bool     `json:"complete"`
	Incomplete []string `json:"incomplete"`
	Old        Server   `json:"old"`
	New        Server   `json:"new"`
	Nodes      []Node   `json:"nodes"` // of both clusters, besides old and new themselves
	// Replaced are nodes whose place another server has taken, as the plan keeps them. What was found with the former ones is not
	// told here.
	Replaced  []plan.Replaced     `json:"replaced"`
	Gates     []Gate              `json:"gates"`
	Evidence  []Item              `json:"evidence"`
	Coverage  *gate.Coverage      `json:"coverage"` // of the check that the gates rest on; null without one
	Overrides []gate.OverrideNote `json:"overrides"`
	// Checks are all checks of the two servers that are remembered, and Watches all watches, whatever came later: what was
	// found on the way, and how it was settled.
	Checks  []Checked `json:"checks"`
	Watches []Watched `json:"watches"`
	// NotLookedAt are tables of either side that the plan does not choose; null: nobody listed them.
	NotLookedAt *Aside   `json:"not_looked_at"`
	CannotSee   []string `json:"cannot_see"`
}

// Aside are the tables that nobody compared, as the newest preflight of the plan saw them.
type Aside struct {
	Seen time.Time `json:"seen"`
	gate.Aside
}

// Server is one side.
type Server struct {
	ServerUUID string `json:"server_uuid"`
	DSN        string `json:"dsn"` // as the plan names it; never with a password
	Version    string `json:"version,omitempty"`
	Position   string `json:"position,omitempty"` // of the newest evidence that the gates rest on
}

// Node is a replica of one side, as it was seen last.
type Node struct {
	Name string `json:"name"`
	Side string `json:"side"`
	Server
	// Check says what the newest check of it proved; Verdict is "" if nobody compared it.
	Verdict string    `json:"verdict"`
	Check   string    `json:"check"`
	Began   time.Time `json:"began,omitzero"` // of that check: nothing later is proven
}

// Gate is a gate's result with the age of its oldest evidence at the time of issue, in seconds.
type Gate struct {
	gate.Result
	AgeSeconds int64 `json:"age_seconds"`
}

// Checked is a check as the migration's history has it.
type Checked struct {
	Run     int64     `json:"run"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"` // zero: it goes on or was killed
	Verdict string    `json:"verdict"`
	Tables  int       `json:"tables"`
	// Missing, Extra and Changed are rows of new that were proven to differ.
	Missing   int64  `json:"missing"`
	Extra     int64  `json:"extra"`
	Changed   int64  `json:"changed"`
	Undecided int64  `json:"undecided"`
	Settled   string `json:"settled,omitempty"` // what became of its differences; "" if it found none
	Open      bool   `json:"open,omitempty"`    // nothing shows that they are mended
}

// Watched is a watch as the migration's history has it.
type Watched struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"` // when it told last how things stand
	Verdict string    `json:"verdict"`
	Reasons []string  `json:"reasons,omitempty"` // all that kept it from being clean then
	// Findings are counted by kind, each with how it was settled.
	Findings []Found `json:"findings"`
	Rows     Rows    `json:"rows"`
	// Changes were made on either side; Unverified of them were not seen to arrive unchanged: Explained of these because of a
	// collision, so that it is the rows under doubt that tell what became of them, Unjudged because the logs did not tell, and
	// Waiting because they had not arrived yet. LaterCheck is one that began later and found all the same; "" without one.
	Changes    uint64   `json:"changes"`
	Unverified uint64   `json:"unverified"`
	Explained  uint64   `json:"explained"`
	Unjudged   uint64   `json:"unjudged"`
	Waiting    uint64   `json:"waiting"`
	LaterCheck string   `json:"later_check,omitempty"`
	Blind      []string `json:"blind,omitempty"` // pieces of the logs that were not judged
}

// Found are the findings of a kind. Each has an outcome of its own.
type Found struct {
	Kind     string   `json:"kind"`
	Count    uint64   `json:"count"`
	Settled  string   `json:"settled"` // the outcomes in words
	Outcomes Outcomes `json:"outcomes"`
	// SettledBy names who showed those to be settled that are.
	SettledBy []SettledBy `json:"settled_by,omitempty"`
	// Unsettled counts those that are not, and Open names the first of them.
	Unsettled uint64 `json:"unsettled"`
	Open      []Open `json:"open,omitempty"`
}

// Outcomes count how findings or rows stand. Those that differ, are open, or not known are not settled.
type Outcomes struct {
	Harmless   uint64 `json:"harmless,omitempty"`
	Equal      uint64 `json:"equal,omitempty"`      // found equal
	Superseded uint64 `json:"superseded,omitempty"` // a later change of the row arrived unchanged
	Repaired   uint64 `json:"repaired,omitempty"`   // proven different, and equal later
	Mended     uint64 `json:"mended,omitempty"`     // equal after a mend was written for it
	Differs    uint64 `json:"differs,omitempty"`    // proven different
	Open       uint64 `json:"open,omitempty"`       // without a decision
	NotKnown   uint64 `json:"not_known,omitempty"`  // nobody looked
}

// Unsettled counts those that are not settled.
func (o Outcomes) Unsettled() uint64 { return o.Differs + o.Open + o.NotKnown }

// SettledBy is a check, or the watch, that showed findings to be settled: the last of them at a time, through positions.
type SettledBy struct {
	By    string    `json:"by"`
	Count uint64    `json:"count"`
	At    time.Time `json:"at"`
	Old   string    `json:"old,omitempty"`
	New   string    `json:"new,omitempty"`
}

// MaxNamed bounds what is named of each kind that is not settled.
const MaxNamed = 50

// Open is a finding or a row that is not settled.
type Open struct {
	ID      string    `json:"id,omitempty"` // of the finding
	Table   string    `json:"table,omitempty"`
	Key     string    `json:"key,omitempty"` // a JSON object
	Found   time.Time `json:"found"`
	Outcome string    `json:"outcome"`
	Why     string    `json:"why,omitempty"`
}

// Rows are the rows that came under doubt, whatever findings they are of.
type Rows struct {
	Outcomes
	Named []Open `json:"named,omitempty"` // the first of those that are not settled
	// An earlier version has these instead of what is different, open or not known.
	Differ    uint64 `json:"differ,omitempty"`
	Undecided uint64 `json:"undecided,omitempty"`
}

// Item is a piece of evidence that a gate rests on. ID is its SHA-256.
type Item struct {
	ID        gate.EvidenceID   `json:"id"`
	Kind      gate.Kind         `json:"kind"`
	Taken     time.Time         `json:"taken"`
	Old       string            `json:"old"`
	New       string            `json:"new"`
	Positions map[string]string `json:"positions,omitempty"`
}

// Options are what a certificate says besides the status.
type Options struct {
	Version                string // of crosscheck
	OldVersion, NewVersion string // of the servers
	// Further is what crosscheck could not see in this migration, besides CannotSee.
	Further []string
	Checks  []Checked
	Watches []Watched
}

// CannotSee is what no certificate speaks for.
func CannotSee() []string {
	return []string{
		"changes made with sql_log_bin=0 after a chunk was checked, until it is checked again or the row is changed again",
		"changes in statement format, and of tables in engines without transactions",
		"lost updates where the row images are MINIMAL",
		"keys of functional indexes whose values are not in the binary log",
		"accounts, privileges, routines, triggers and events: only rows are compared",
		"what the application keeps outside of the two clusters, such as caches and queues",
		"anything that happens after the time of issue",
	}
}

// New makes the document of a status. Evidence is what the status was judged by.
func New(s gate.Status, p plan.Plan, evidence []gate.Evidence, opt Options) Document {
	d := Document{
		Schema: Schema, Issued: s.At.UTC().Round(0), Crosscheck: opt.Version, Path: s.Path, PlanHash: s.PlanHash, Verdict: s.State,
		Old:       Server{ServerUUID: s.Old, DSN: p.Old.DSN, Version: opt.OldVersion},
		New:       Server{ServerUUID: s.New, DSN: p.New.DSN, Version: opt.NewVersion},
		Overrides: append([]gate.OverrideNote{}, s.Overrides...), CannotSee: append(CannotSee(), opt.Further...),
		Nodes: nodesOf(p, s, evidence), Replaced: append([]plan.Replaced{}, p.Replaced...), Gates: []Gate{}, Evidence: []Item{}, Checks: append([]Checked{}, opt.Checks...), Watches: append([]Watched{}, opt.Watches...),
	}
	rested := make(map[gate.EvidenceID]bool)
	for _, r := range s.Gates {
		g := Gate{Result: r}
		if !r.Taken.IsZero() {
			g.AgeSeconds = int64(s.At.Sub(r.Taken).Seconds())
		}
		d.Gates = append(d.Gates, g)
		for _, id := range r.Rested {
			rested[id] = true
		}
	}
	evidence = slices.Clone(evidence)
	slices.SortStableFunc(evidence, func(a, b gate.Evidence) int { return a.Taken.Compare(b.Taken) })
	for _, e := range evidence {
		id := e.ID()
		if !rested[id] {
			continue
		}
		delete(rested, id)
		d.Evidence = append(d.Evidence, Item{ID: id, Kind: e.Kind(), Taken: e.Taken.UTC().Round(0), Old: e.Old, New: e.New, Positions: e.Positions})
		switch c := e.Content.(type) {
		case gate.Check:
			d.Coverage = &c.Coverage
		case gate.RestoredCopy: // a check as well, of the path that has no other
			d.Coverage = &c.Coverage
		}
		if pos := e.Positions["old"]; pos != "" {
			d.Old.Position = pos
		}
		if pos := e.Positions["new"]; pos != "" {
			d.New.Position = pos
		}
	}
	for _, e := range evidence { // oldest first
		c, ok := e.Content.(gate.Preflight)
		if ok && c.Aside != nil && e.Old == s.Old && e.New == s.New && e.Plan == s.PlanHash && !e.Taken.After(s.At) {
			d.NotLookedAt = &Aside{e.Taken.UTC().Round(0), *c.Aside}
		}
	}
	d.Incomplete = d.incomplete()
	d.Complete = len(d.Incomplete) == 0
	if d.Coverage != nil && d.Coverage.Complete && !d.Complete { // nobody is to read the one without the other
		c := *d.Coverage
		c.Complete, c.Missed = false, slices.Concat(c.Missed, d.Incomplete)
		d.Coverage = &c
	}
	return d
}

// incomplete says what is not settled.
func (d Document) incomplete() []string {
	out := []string{}
	if d.Verdict != gate.Pass {
		out = append(out, fmt.Sprintf("the verdict is %s", d.Verdict))
	}
	switch {
	case d.Coverage == nil:
		out = append(out, "no check compared what the plan names")
	case !d.Coverage.Complete:
		out = append(out, "the check did not compare all that the plan names: "+strings.Join(d.Coverage.Missed, "; "))
	}
	for _, r := range d.Replaced {
		if r.Lost != "" {
			out = append(out, fmt.Sprintf("transactions were lost when %s was replaced at %s: %s", r.Node, r.At.Format(time.RFC3339), r.Lost))
		}
	}
	for _, c := range d.Checks {
		if c.Open {
			out = append(out, fmt.Sprintf("check %d found differences that nothing shows to be mended", c.Run))
		}
	}
	for _, w := range d.Watches {
		since := w.Since.UTC().Format(time.RFC3339)
		for _, f := range w.Findings {
			if f.Unsettled > 0 {
				out = append(out, fmt.Sprintf("%d of %d %s of the watch since %s are not settled", f.Unsettled, f.Count, f.Kind, since))
			}
		}
		if n := w.Rows.Unsettled(); n > 0 {
			out = append(out, fmt.Sprintf("%d rows under doubt of the watch since %s are not settled", n, since))
		}
	}
	return out
}

// seal is the hash of each value of the content, and of all of them.
type seal struct {
	Digest string            `json:"digest"`
	Leaves map[string]string `json:"leaves"`
}

// signature is over the seal's digest.
type signature struct {
	Algorithm string `json:"algorithm"`
	PublicKey string `json:"public_key"` // base64
	Value     string `json:"value"`      // base64
}

type sealed struct {
	Document
	Seal      seal      `json:"seal"`
	Signature signature `json:"signature"`
}

const algorithm = "ed25519"

// message is what is signed: the digest, under a name that keeps the signature from meaning anything else.
func message(schema, digest string) []byte { return []byte(schema + "\n" + digest) }

// Sign writes the document with its seal and signature, as indented JSON. The document's Key is set from the key.
func Sign(d Document, key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("sign certificate: the private key has %d bytes, not %d", len(key), ed25519.PrivateKeySize)
	}
	public, _ := key.Public().(ed25519.PublicKey)
	d.Key = Fingerprint(public)
	text, err := encode(d)
	if err != nil {
		return nil, err
	}
	content, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	leaves := hashes(content)
	s := sealed{Document: d, Seal: seal{Digest: digest(leaves), Leaves: leaves}}
	s.Signature = signature{
		Algorithm: algorithm, PublicKey: base64.StdEncoding.EncodeToString(public),
		Value: base64.StdEncoding.EncodeToString(ed25519.Sign(key, message(d.Schema, s.Seal.Digest))),
	}
	return encode(s)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	return b.Bytes(), nil
}
