package report

import (
	"bytes"
	"fmt"
	"io"
)

// jsonLine is v as one line of JSON, its newline included. Like renderJSON it escapes what could steer a terminal.
func jsonLine(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := plainJSON(&b, v); err != nil {
		return nil, err
	}
	return append(escapeHidden(b.Bytes()), '\n'), nil
}

// WriteWatchFinding writes one finding as a line of JSON.
func WriteWatchFinding(w io.Writer, f WatchFinding) error { return writeLine(w, f) }

func writeLine(w io.Writer, v any) error {
	line, err := jsonLine(v)
	if err == nil {
		_, err = w.Write(line)
	}
	if err != nil {
		return fmt.Errorf("write a line of JSON: %w", err)
	}
	return nil
}
