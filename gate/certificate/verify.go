package certificate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Change is one thing that was done to a certificate after it was signed.
type Change struct {
	Path string // JSON pointer
	What string // "changed", "added", "removed", or a sentence where the place is not a single one
}

func (c Change) String() string {
	return printable(strings.ReplaceAll(c.Path, "\n", "\\n")) + " " + c.What
}

// Verified is the outcome of verifying.
type Verified struct {
	Document Document
	// Changes are what is wrong with it; none: it is as it was signed.
	Changes []Change
	// Trusted tells that the key was given, not taken from the certificate itself.
	Trusted bool
}

// Genuine tells that nothing was changed.
func (v Verified) Genuine() bool { return len(v.Changes) == 0 }

// Verify checks a certificate with a public key, or, where it is nil, with the one in the certificate: then the outcome
// only says that the certificate agrees with itself. Errors wrap ErrMalformed.
func Verify(text []byte, key ed25519.PublicKey) (Verified, error) {
	values, err := parse(text)
	if err != nil {
		return Verified{}, err
	}
	if schema := quoted(values, "/schema"); schema != Schema && schema != schemaV1 {
		// Another schema may be a changed one: only where the rest is not ours either it is no certificate.
		if _, ok := values["/seal/digest"]; !ok {
			return Verified{}, malformed("its schema is not %s", Schema)
		}
	}
	var s sealed
	if err = json.Unmarshal(text, &s); err != nil {
		var bad *json.UnmarshalTypeError
		if !errors.As(err, &bad) {
			return unreadable(values, key, err)
		}
		return unreadable(values, key, fmt.Errorf("%s is a %s", bad.Field, bad.Value))
	}
	v := Verified{Document: s.Document, Trusted: key != nil}
	v.Changes, err = changes(values, key)
	return v, err
}

// unreadable names the changes of a certificate whose values do not have our types any more.
func unreadable(values map[string]string, key ed25519.PublicKey, why error) (Verified, error) {
	list, err := changes(values, key)
	if err != nil || len(list) == 0 {
		return Verified{}, malformed("%v", why)
	}
	return Verified{Changes: list, Trusted: key != nil}, nil
}

// parts are the seal and the signature as they stand in the file.
type parts struct {
	leaves                       map[string]string
	digest, algorithm, key, sign string
}

// quoted is a value that must be a text; "" where it is none.
func quoted(values map[string]string, path string) string {
	var out string
	if err := json.Unmarshal([]byte(values[path]), &out); err != nil {
		return ""
	}
	return out
}

func read(values map[string]string) (parts, error) {
	p := parts{
		leaves: make(map[string]string), digest: quoted(values, "/seal/digest"), algorithm: quoted(values, "/signature/algorithm"),
		key: quoted(values, "/signature/public_key"), sign: quoted(values, "/signature/value"),
	}
	for path := range values {
		if leaf, ok := strings.CutPrefix(path, "/seal/leaves/"); ok {
			p.leaves[strings.NewReplacer("~1", "/", "~0", "~").Replace(leaf)] = quoted(values, path)
		}
	}
	if p.digest == "" && len(p.leaves) == 0 && p.sign == "" {
		return p, malformed("it has neither seal nor signature")
	}
	return p, nil
}

// changes compares the content, the seal and the signature with each other, from the one that can be trusted most.
func changes(values map[string]string, given ed25519.PublicKey) ([]Change, error) {
	p, err := read(values)
	if err != nil {
		return nil, err
	}
	content := hashes(values)
	var out []Change
	for path := range values {
		switch {
		case !within(path, "/seal") && !within(path, "/signature"):
		case within(path, "/seal/leaves") || path == "/seal/digest" || path == "/signature/algorithm" || path == "/signature/public_key" || path == "/signature/value":
		default:
			out = append(out, Change{Path: path, What: "added"})
		}
	}
	found, intact := p.signatureChanges(content, values, given)
	out = append(out, found...)
	for _, c := range differences(p.leaves, content) {
		if intact { // then it is the seal that was changed
			c = Change{"/seal/leaves/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(c.Path), "changed"}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path+"\x00"+a.What, b.Path+"\x00"+b.What) })
	return slices.Compact(out), nil
}

// signatureChanges judges the signature, and whether it speaks for the content as it stands.
func (p parts) signatureChanges(content, values map[string]string, given ed25519.PublicKey) (out []Change, intact bool) {
	if p.algorithm != algorithm {
		out = append(out, changed(values, "/signature/algorithm"))
	}
	own, err := base64.StdEncoding.DecodeString(p.key)
	keyOK := err == nil && len(own) == ed25519.PublicKeySize
	key := given
	switch {
	case given != nil && (!keyOK || !given.Equal(ed25519.PublicKey(own))):
		if p.signs(given, p.digest) || p.signs(given, digest(content)) {
			out = append(out, changed(values, "/signature/public_key"))
		} else {
			return append(out, Change{"/signature/public_key", fmt.Sprintf("is not the key that was given (%s): the certificate was signed by another key (%s), or changed",
				Fingerprint(given), Fingerprint(own))}), false
		}
	case given == nil && !keyOK:
		return append(out, changed(values, "/signature/public_key")), false
	case given == nil:
		key = own
	}
	inLeaves, inContent := digest(p.leaves), digest(content)
	switch {
	case p.signs(key, p.digest):
		if inLeaves != p.digest && inContent != p.digest {
			out = append(out, Change{"/seal/leaves", "changed, so that more of the content may be changed than is named here"})
		}
		// Whoever signs with a key of their own may write another one's name into the content: who trusts names must not see it.
		if quoted(values, "/key") != Fingerprint(key) && p.leaves["/key"] == content["/key"] {
			out = append(out, Change{"/key", "is not the key that signed (" + Fingerprint(key) + ")"})
		}
	case p.signs(key, inContent) || p.signs(key, inLeaves):
		out = append(out, changed(values, "/seal/digest"))
	case quoted(values, "/key") != Fingerprint(key) && p.leaves["/key"] == content["/key"]:
		out = append(out, changed(values, "/signature/public_key"))
	case inContent == p.digest && inLeaves == inContent:
		out = append(out, changed(values, "/signature/value"))
	default:
		out = append(out, Change{"/seal/digest", "is not what was signed, so that more may be changed than is named here"})
	}
	return out, p.signs(key, inContent)
}

// changed is a change of a value that must be there.
func changed(values map[string]string, path string) Change {
	if _, ok := values[path]; !ok {
		return Change{path, "removed"}
	}
	return Change{path, "changed"}
}

func (p parts) signs(key ed25519.PublicKey, digest string) bool {
	value, err := base64.StdEncoding.DecodeString(p.sign)
	return err == nil && len(key) == ed25519.PublicKeySize &&
		(ed25519.Verify(key, message(Schema, digest), value) || ed25519.Verify(key, message(schemaV1, digest), value))
}

// differences names the values whose hashes are not those of the seal. What was added or removed as a whole is named once.
func differences(want, have map[string]string) []Change {
	var out []Change
	for _, path := range slices.Sorted(maps.Keys(have)) {
		switch w, ok := want[path]; {
		case ok && w != have[path]:
			out = append(out, Change{path, "changed"})
		case !ok && !below(want, path): // else it is a list that was emptied, whose elements are named
			out = append(out, Change{highest(path, want), "added"})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if _, ok := have[path]; !ok && !below(have, path) {
			out = append(out, Change{highest(path, have), "removed"})
		}
	}
	return out
}

// below tells whether there is a value at or below a pointer.
func below(values map[string]string, path string) bool {
	for p := range values {
		if within(p, path) {
			return true
		}
	}
	return false
}

// highest is the highest place above a pointer that has no value in the other side.
func highest(path string, other map[string]string) string {
	for {
		i := strings.LastIndexByte(path, '/')
		if i <= 0 || below(other, path[:i]) {
			return path
		}
		path = path[:i]
	}
}

// Fingerprint names a public key: "SHA256:" and the hash in base64 without padding.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// MarshalKeys writes a key pair as PEM: PKCS #8 and PKIX.
func MarshalKeys(key ed25519.PrivateKey) (private, public []byte, err error) {
	p8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode private key: %w", err)
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}), nil
}

// ParsePrivateKey reads an ed25519 private key from PEM. Errors never hold the text.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("it is no private key: make one with crosscheck keygen")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("it is no ed25519 private key: make one with crosscheck keygen")
	}
	return key, nil
}

// ParsePublicKey reads an ed25519 public key from PEM.
func ParsePublicKey(text []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block != nil && block.Type == "PRIVATE KEY" {
		return nil, errors.New("it is the private key: give the public one beside it, whose name ends in .pub")
	}
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("it is no public key: give the file that crosscheck keygen wrote beside the private one")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, errors.New("it is no ed25519 public key")
	}
	return key, nil
}
