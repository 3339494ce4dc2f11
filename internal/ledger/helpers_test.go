package ledger

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crosscheck/checksum"
	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(recorderDir); dir != "" {
		recordForever(dir)
		return
	}
	if dir := os.Getenv(watcherDir); dir != "" {
		watchForever(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func mustOpen(t testing.TB, dir string, opts Options) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustStart(t testing.TB, l *Ledger, resume bool) *Run {
	t.Helper()
	info := servers()
	info.Resume = resume
	r, err := l.StartRun(t.Context(), info)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustBegin(t testing.TB, r *Run, table, fingerprint string) ([]checksum.ProvenChunk, string) {
	t.Helper()
	proven, why, err := r.Begin(t.Context(), checksum.TableIdentity{Table: table, Fingerprint: fingerprint})
	if err != nil {
		t.Fatal(err)
	}
	return proven, why
}

func mustRecord(t testing.TB, r *Run, table string, chunks ...checksum.ProvenChunk) {
	t.Helper()
	for _, c := range chunks {
		if err := r.Record(t.Context(), table, c); err != nil {
			t.Fatal(err)
		}
	}
}

func servers() RunInfo {
	return RunInfo{
		Old: checksum.EndpointInfo{
			Addr: "127.0.0.1:3306", ServerUUID: "aaaaaaaa-0000-0000-0000-000000000001", Version: "5.6.24",
			Flavor: "mysql", Position: "binlog.000001:4",
		},
		New: checksum.EndpointInfo{
			Addr: "127.0.0.1:3307", ServerUUID: "bbbbbbbb-0000-0000-0000-000000000002", Version: "9.7.4",
			Flavor: "mysql", Position: "u:1-5", TLS: "TLS_AES_128_GCM_SHA256",
		},
		Relation: "old → new",
		Args:     []string{"check", "--old", "root:geheim@tcp(127.0.0.1:3306)/"},
	}
}

func at(n uint64) chunker.Bound { return chunker.Bound{rowstream.Uint64(n)} }

// chunk is the nth chunk of 1000 rows, with so many missing rows among them.
func chunk(n, missing int) checksum.ProvenChunk {
	c := checksum.ProvenChunk{
		Range: chunker.Range{Lo: at(uint64(n) * 1000), Hi: at(uint64(n+1) * 1000)},
		Counts: checksum.Counts{
			RowsOld: 1000, RowsNew: int64(1000 - missing), BytesOld: 145_000, BytesNew: int64(145 * (1000 - missing)),
			Chunks: 1, Missing: int64(missing), InFlight: 3,
		},
		At: time.Date(2026, 1, 31, 23, 59, 59, 123_000_000, time.UTC),
	}
	for i := range missing {
		c.Differences = append(c.Differences, difference(n*1000+i))
	}
	return c
}

func difference(id int) checksum.Difference {
	key := fmt.Sprint(id)
	return checksum.Difference{
		Kind: checksum.Missing, Key: []checksum.Field{{Column: "id", Value: checksum.Value{Text: key}}},
		Proof: checksum.ProofBinlog, Count: 1,
		OldRow: []checksum.Cell{
			{Column: "id", Literal: key, Guard: "`id` = " + key, Key: true},
			{Column: "näme", Literal: "_utf8mb4'<&>'", Guard: "BINARY `näme` = '<&>'"},
		},
	}
}

// contextOf is a context that ends with the test.
func contextOf(t testing.TB) context.Context { return t.Context() }
