package report

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Key is a row's key in the order of the key's columns. In JSON it is an object in that order, {column: text or null}.
type Key []KeyPart

// KeyPart is one column of a key; a nil Text is NULL.
type KeyPart struct {
	Column string
	Text   *string
}

// MarshalJSON implements json.Marshaler. A map would lose the order of the columns, which is the key's.
func (k Key) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range k {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := plainJSON(&b, p.Column); err != nil {
			return nil, fmt.Errorf("encode key column %q: %w", p.Column, err)
		}
		b.WriteByte(':')
		if err := plainJSON(&b, p.Text); err != nil {
			return nil, fmt.Errorf("encode key column %q: %w", p.Column, err)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plainJSON encodes without HTML escapes, as the rest of the document is.
func plainJSON(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
	return nil
}

// UnmarshalJSON implements json.Unmarshaler and keeps the order of the object's members.
func (k *Key) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("decode key: want an object, got %.20q", data)
	}
	parts := Key{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fmt.Errorf("decode key: %w", err)
		}
		p := KeyPart{}
		p.Column, _ = name.(string)
		if err := dec.Decode(&p.Text); err != nil {
			return fmt.Errorf("decode key column %q: %w", p.Column, err)
		}
		parts = append(parts, p)
	}
	*k = parts
	return nil
}
