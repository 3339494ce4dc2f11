package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crosscheck/conflict"
)

type listed []conflict.Finding

func (l listed) EachFinding(_ context.Context, fn func(time.Time, conflict.Finding) error) error {
	for _, f := range l {
		if err := fn(time.Unix(1700000000, 0), f); err != nil {
			return err
		}
	}
	return nil
}

// A watch was killed: of four findings that it kept, the file has one, and the beginning of another's line. The next
// watch adds what is missing, each once, however often it is started.
func TestFileCatchesUpWithLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	have := `{"schema":"crosscheck/watch/v1","id":"b","kind":"update_update"}` + "\n" + `{"schema":"crosscheck/watch/v1","id":"c","ki`
	if err := os.WriteFile(path, []byte(have), 0o600); err != nil {
		t.Fatal(err)
	}
	account := listed{}
	for _, id := range []string{"a", "b", "c", "d"} {
		account = append(account, conflict.Finding{ID: id, Kind: conflict.UpdateUpdate, Table: "s.t"})
	}
	for range 2 {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		w := &watchOutput{file: file}
		if err := w.catchUp(t.Context(), account, &watchFlags{file: path}); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for line := range bytes.Lines(got) {
		var doc struct{ ID string }
		if json.Unmarshal(line, &doc) == nil {
			count[doc.ID]++
		}
	}
	for _, f := range account {
		if count[f.ID] != 1 {
			t.Errorf("%s has %d lines in\n%s", f.ID, count[f.ID], got)
		}
	}
}
