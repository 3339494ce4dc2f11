package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"crosscheck/conflict"
	"crosscheck/report"
)

// A finding is kept in the ledger before its line is written. A watch that is killed in between leaves a ledger behind
// that knows more than the file: the next one adds what is missing, so that the file has each finding once.

// findingLister lists the findings of an account, oldest first.
type findingLister interface {
	EachFinding(ctx context.Context, fn func(at time.Time, f conflict.Finding) error) error
}

// catchUp adds the lines of findings that an earlier watch kept and did not come to write. Nothing is done where the
// lines go elsewhere: what a pipe's reader has got is not known.
func (w *watchOutput) catchUp(ctx context.Context, account findingLister, o *watchFlags) error {
	if w.file == nil {
		return nil
	}
	told, err := w.told()
	if err != nil {
		return fmt.Errorf("read %s, to add what is missing: %w", o.file, err)
	}
	return account.EachFinding(ctx, func(at time.Time, f conflict.Finding) error {
		if told[f.ID] {
			return nil
		}
		return report.WriteWatchFinding(w.file, report.NewWatchFinding(f, at, report.Options{ShowValues: o.showValues}))
	})
}

// told reads which findings have their line. A line that was cut off is ended, and does not count.
func (w *watchOutput) told() (map[string]bool, error) {
	file, err := os.Open(w.file.Name())
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	ids := map[string]bool{}
	in := bufio.NewReader(file)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				_, err = w.file.WriteString("\n")
				return ids, err
			}
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		var doc struct{ ID string }
		if json.Unmarshal(line, &doc) == nil && doc.ID != "" {
			ids[doc.ID] = true
		}
	}
}
