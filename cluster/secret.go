package cluster

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "***"

// Secret is a password. Whatever prints, logs or marshals it gets three
// asterisks; only Reveal gives the text, for the handshake with a server.
type Secret string

var (
	_ fmt.Formatter  = Secret("")
	_ slog.LogValuer = Secret("")
)

// Reveal returns the password itself.
func (s Secret) Reveal() string { return string(s) }

// String returns three asterisks.
func (s Secret) String() string { return hidden }

// GoString returns three asterisks.
func (s Secret) GoString() string { return hidden }

// MarshalText returns three asterisks.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns three asterisks.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// Format writes three asterisks for every verb: %x would otherwise print the
// bytes past String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }
