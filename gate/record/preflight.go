package record

import (
	"slices"
	"strings"

	"crosscheck/gate"
	"crosscheck/gate/certificate"
	"crosscheck/gate/plan"
	"crosscheck/gate/preflight"
)

// Preflight is what a preflight for a plan proves.
func Preflight(r preflight.Result, hash string) gate.Evidence {
	c := gate.Preflight{Path: string(r.Path), Duration: r.Duration, Findings: []gate.Finding{}, Tables: r.Tables, Folds: r.Folds}
	if r.Aside != nil {
		c.Aside = &gate.Aside{Total: len(r.Aside), Tables: r.Aside[:min(len(r.Aside), gate.MaxAside)]}
	}
	for _, f := range r.Findings {
		out := gate.Finding{
			ID: f.ID, Object: f.Object, Side: f.Side, Severity: string(f.Severity), Found: f.Found, Unseen: f.Unseen, Accepted: f.Accepted,
		}
		if len(f.Fixes) == 1 { // several are on both sides: the preflight itself lists them
			out.Fix, out.Side = f.Fixes[0].SQL, f.Fixes[0].On
		}
		if len(f.Nodes) > 0 {
			out.Side = strings.Join(f.Nodes, ", ")
		}
		c.Findings = append(c.Findings, out)
	}
	return gate.Evidence{Taken: r.Taken, Old: r.Old.UUID, New: r.New.UUID, Plan: hash, Content: c}
}

// Hidden lists what a preflight could not see.
func Hidden(c gate.Preflight) []string {
	var out []string
	for _, f := range c.Findings {
		if f.ID == preflight.NotVisible {
			out = append(out, f.Object+" ("+f.Found+")")
		}
	}
	return out
}

// Rehearsal is what the certificate of a rehearsal proves, of which the SHA-256 is given.
func Rehearsal(v certificate.Verified, sum string) gate.Rehearsal {
	d := v.Document
	verdict, overrides := rehearsed(d)
	return gate.Rehearsal{
		Certificate: sum, Key: d.Key, Verified: v.Genuine(), Path: string(d.Path), Verdict: string(verdict), Overrides: overrides, Issued: d.Issued,
	}
}

// rehearsed is how a rehearsal ended by its certificate, and how much of it was overridden. A rehearsal has none before it:
// that its own gate of that name was overridden counts neither way.
func rehearsed(d certificate.Document) (verdict gate.State, overrides int) {
	names := make([]string, 0, len(d.Gates))
	verdict = gate.Pass
	for _, g := range d.Gates {
		if g.Gate != plan.GateNodesUpgraded { // a rehearsal may have fewer nodes than what it rehearses
			names = append(names, g.Gate)
		}
		own := g.Gate == plan.GateRehearsal && g.State == gate.Overridden
		if g.State != gate.Pass && !own && verdict != gate.Fail {
			verdict = g.State
		}
	}
	for _, o := range d.Overrides {
		if o.Gate != plan.GateRehearsal {
			overrides++
		}
	}
	if len(names) == 0 || !slices.Equal(names, d.Path.Gates()) {
		verdict = gate.Unknown // it does not speak of all gates of its path
	}
	return verdict, overrides
}
