package certificate

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

var issued = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func key(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(b)), ed25519.SeedSize)))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// sample is a signed certificate of a migration with one gate proven, one overridden and the others open.
func sample(t testing.TB) []byte {
	t.Helper()
	p := plan.Plan{
		Path: plan.DualWrite, Old: plan.Node{DSN: "@old", ServerUUID: "u-old"}, New: plan.Node{DSN: "@new", ServerUUID: "u-new"},
		Ages: plan.DefaultAges(), Limits: plan.DefaultLimits(),
	}
	made := func(c gate.Content, plan string) gate.Evidence {
		return gate.Evidence{
			Taken: issued.Add(-time.Minute), Old: "u-old", New: "u-new", Plan: plan, Content: c,
			Positions: map[string]string{"old": "b.1:4", "new": "b.7:9"},
		}
	}
	list := []gate.Evidence{
		made(gate.Preflight{Path: "dual-write", Duration: p.Limits.Duration}, ""),
		made(gate.Check{Run: "1", Verdict: gate.Same, Coverage: gate.Coverage{Tables: 2, Rows: 10, Complete: true}}, ""),
		made(gate.Override{Gate: "replica-in-sync", By: "ann", Why: "seen <by> hand & eye"}, p.Hash()),
	}
	text, err := Sign(New(gate.Judge(p, list, issued), p, list, Options{Version: "1.0", OldVersion: "5.7"}), key('a'))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGenuine(t *testing.T) {
	text := sample(t)
	for _, k := range []ed25519.PublicKey{nil, public(key('a'))} {
		v, err := Verify(text, k)
		if err != nil || !v.Genuine() || v.Trusted != (k != nil) {
			t.Fatalf("%+v %v", v.Changes, err)
		}
	}
	v, _ := Verify(text, nil)
	summary := v.Document.Summary()
	for _, want := range []string{"dual-write", "u-old, 5.7, at b.1:4", "preflight", "evidence 1m0s old", "overridden", "2 tables, 10 rows", "by ann", "sql_log_bin=0", Fingerprint(public(key('a')))} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary lacks %q:\n%s", want, summary)
		}
	}
	// Order of keys and white space mean nothing.
	var loose map[string]any
	if err := json.Unmarshal(text, &loose); err != nil {
		t.Fatal(err)
	}
	compact, err := json.Marshal(loose)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := Verify(compact, public(key('a'))); err != nil || !v.Genuine() {
		t.Errorf("written anew: %+v %v", v.Changes, err)
	}
}

// edit changes the certificate as a tree.
func edit(t testing.TB, text []byte, f func(doc map[string]any)) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	f(doc)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func object(doc map[string]any, keys ...string) map[string]any {
	for _, k := range keys {
		doc = doc[k].(map[string]any)
	}
	return doc
}

func TestTamperedIsNamed(t *testing.T) {
	text := sample(t)
	for _, c := range []struct {
		name string
		f    func(doc map[string]any)
		want []string
	}{
		{"verdict", func(d map[string]any) { d["verdict"] = "pass" }, []string{"/verdict changed"}},
		{"state", func(d map[string]any) { d["gates"].([]any)[2].(map[string]any)["state"] = "pass" }, []string{"/gates/2/state changed"}},
		{"plan", func(d map[string]any) { d["plan_hash"] = "0" }, []string{"/plan_hash changed"}},
		{"server", func(d map[string]any) { object(d, "old")["server_uuid"] = "x" }, []string{"/old/server_uuid changed"}},
		{"override removed", func(d map[string]any) { d["overrides"] = []any{} }, []string{"/overrides/0 removed"}},
		{"overrides gone", func(d map[string]any) { delete(d, "overrides") }, []string{"/overrides removed"}},
		{"last gate removed", func(d map[string]any) { d["gates"] = d["gates"].([]any)[:7] }, []string{"/gates/7 removed"}},
		{"coverage", func(d map[string]any) { object(d, "coverage")["rows"] = 11 }, []string{"/coverage/rows changed"}},
		{"null", func(d map[string]any) { d["coverage"] = nil }, []string{"/coverage/complete removed"}},
		{"limits", func(d map[string]any) { d["cannot_see"] = d["cannot_see"].([]any)[:6] }, []string{"/cannot_see/6 removed"}},
		{"added", func(d map[string]any) { d["note"] = map[string]any{"a": 1, "b": 2} }, []string{"/note added"}},
		{"issued", func(d map[string]any) { d["issued"] = "2027-01-01T00:00:00Z" }, []string{"/issued changed"}},
		{"schema", func(d map[string]any) { d["schema"] = "crosscheck/certificate/v3" }, []string{"/schema changed"}},
		{"type", func(d map[string]any) { d["gates"] = "all pass" }, []string{"/gates/0 removed"}},
		{"two", func(d map[string]any) { d["path"] = "x"; d["crosscheck"] = "y" }, []string{"/crosscheck changed", "/path changed"}},
		{"evidence", func(d map[string]any) { d["evidence"].([]any)[0].(map[string]any)["id"] = "00" }, []string{"/evidence/0/id changed"}},
		{"key", func(d map[string]any) { d["key"] = "SHA256:x" }, []string{"/key changed"}},
		{"seal of one value", func(d map[string]any) { object(d, "seal", "leaves")["/verdict"] = "00" }, []string{"/seal/leaves/~1verdict changed"}},
		{"value and its seal", func(d map[string]any) {
			d["verdict"] = "pass"
			object(d, "seal", "leaves")["/verdict"] = hash("/verdict\x00\"pass\"")
		}, []string{"/seal/leaves changed"}},
		{"digest", func(d map[string]any) { object(d, "seal")["digest"] = "00" }, []string{"/seal/digest changed"}},
		{"seal added", func(d map[string]any) { object(d, "seal")["x"] = "00" }, []string{"/seal/x added"}},
		{"signature", func(d map[string]any) { object(d, "signature")["value"] = "AAAA" }, []string{"/signature/value changed"}},
		{"signature removed", func(d map[string]any) { delete(object(d, "signature"), "value") }, []string{"/signature/value removed"}},
		{"algorithm", func(d map[string]any) { object(d, "signature")["algorithm"] = "none" }, []string{"/signature/algorithm changed"}},
		{"public key", func(d map[string]any) { object(d, "signature")["public_key"] = "AAAA" }, []string{"/signature/public_key changed"}},
	} {
		for _, k := range []ed25519.PublicKey{nil, public(key('a'))} {
			v, err := Verify(edit(t, text, c.f), k)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			var got []string
			for _, change := range v.Changes {
				got = append(got, change.String())
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
					t.Errorf("%s (key given: %v): %q, want %q", c.name, k != nil, got, want)
				}
			}
			if len(c.want) == 1 && strings.HasSuffix(c.want[0], " changed") && len(got) != 1 && !strings.Contains(c.name, "seal") {
				t.Errorf("%s: more is named than was done: %q", c.name, got)
			}
		}
	}
}

// TestSignedByAnother: whoever changes everything and signs anew has another key.
func TestSignedByAnother(t *testing.T) {
	var d sealed
	if err := json.Unmarshal(sample(t), &d); err != nil {
		t.Fatal(err)
	}
	d.Verdict = gate.Pass
	forged, err := Sign(d.Document, key('b'))
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(forged, nil)
	if err != nil || !v.Genuine() || v.Trusted {
		t.Errorf("self-consistent: %+v %v", v.Changes, err)
	}
	v, err = Verify(forged, public(key('a')))
	if err != nil || v.Genuine() || !strings.Contains(v.Changes[0].String(), "signed by another key") {
		t.Errorf("%+v %v", v.Changes, err)
	}
}

// TestCoverage: a certificate says what was compared, also where the restored copy was.
func TestCoverage(t *testing.T) {
	compared := gate.Coverage{Tables: 2, Rows: 10, Complete: true}
	for _, c := range []gate.Content{
		gate.Check{Run: "1", Verdict: gate.Same, Coverage: compared}, gate.RestoredCopy{Copy: "u", Verdict: gate.Same, Coverage: compared},
	} {
		e := gate.Evidence{Taken: time.Unix(1, 0), Old: "a", New: "b", Content: c}
		s := gate.Status{Gates: []gate.Result{{Gate: plan.GateRestoredCopy, State: gate.Pass, Rested: []gate.EvidenceID{e.ID()}}}}
		d := New(s, plan.Plan{}, []gate.Evidence{e}, Options{})
		if d.Coverage == nil || d.Coverage.Rows != 10 {
			t.Errorf("%T: %+v", c, d.Coverage)
		}
	}
}

// TestOthersName: who seals and signs with a key of their own, but writes the name of a trusted one, is not genuine.
func TestOthersName(t *testing.T) {
	var s sealed
	if err := json.Unmarshal(sample(t), &s); err != nil {
		t.Fatal(err)
	}
	s.Key = Fingerprint(public(key('a')))
	text, err := encode(s.Document)
	if err != nil {
		t.Fatal(err)
	}
	content, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	leaves := hashes(content)
	s.Seal = seal{Digest: digest(leaves), Leaves: leaves}
	s.Signature.PublicKey = base64.StdEncoding.EncodeToString(public(key('b')))
	s.Signature.Value = base64.StdEncoding.EncodeToString(ed25519.Sign(key('b'), message(Schema, s.Seal.Digest)))
	if text, err = encode(s); err != nil {
		t.Fatal(err)
	}
	for _, k := range []ed25519.PublicKey{nil, public(key('b'))} {
		v, err := Verify(text, k)
		if err != nil || v.Genuine() || !strings.HasPrefix(v.Changes[0].String(), "/key is not the key that signed") {
			t.Errorf("key given: %v: %+v %v", k != nil, v.Changes, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	text := string(sample(t))
	for name, bad := range map[string]string{
		"empty": "", "text": "hello", "list": "[]", "other JSON": `{"schema":"crosscheck/check/v2"}`, "cut": text[:len(text)/2],
		"twice": strings.Replace(text, `"verdict":`, `"verdict": "pass", "verdict":`, 1), "after": text + "{}",
		"not UTF-8": strings.Replace(text, "dual-write", "dual\xffwrite", 1), "deep": strings.Repeat("[", 100000),
	} {
		_, err := Verify([]byte(bad), nil)
		if !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnyByte: whatever byte of a certificate is changed, it is not genuine, unless the text means the same.
func TestAnyByte(t *testing.T) {
	text := sample(t)
	want, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		bad := slices.Clone(text)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] = byte(rapid.IntRange(32, 126).Draw(t, "byte"))
		v, err := Verify(bad, public(key('a')))
		if err != nil || !v.Genuine() {
			return
		}
		if got, err := parse(bad); err != nil || !mapsEqual(got, want) {
			t.Fatalf("changed and taken for genuine: %s", bad)
		}
	})
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func TestKeys(t *testing.T) {
	private, pub, err := MarshalKeys(key('a'))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePrivateKey(private)
	if err != nil || !k.Equal(key('a')) {
		t.Errorf("private: %v", err)
	}
	p, err := ParsePublicKey(pub)
	if err != nil || !p.Equal(public(key('a'))) {
		t.Errorf("public: %v", err)
	}
	if _, err := ParsePublicKey(private); err == nil || !strings.Contains(err.Error(), ".pub") {
		t.Errorf("the private key as public: %v", err)
	}
	if _, err := ParsePrivateKey([]byte("s3cret")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("no key: %v", err)
	}
}
