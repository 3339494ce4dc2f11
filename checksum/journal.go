package checksum

import (
	"context"
	"time"

	"crosscheck/chunker"
)

// ProvenChunk is a key range that was compared: nothing in it is in flight any more. It is proven if no row of it is
// undecided.
type ProvenChunk struct {
	Range       chunker.Range
	Counts      Counts
	Differences []Difference // all of them; Difference.Unpack gives the images
	At          time.Time
}

// TableIdentity is what must be unchanged for a recorded chunk of a table to be trusted by a later run.
type TableIdentity struct {
	Table       string // "db.name"
	Fingerprint string // hash of both definitions, the projections, the walk key and the options that change meaning
}

// Journal keeps proven work. Implementations are safe for concurrent use.
type Journal interface {
	// Begin announces a table and returns the chunks that an earlier run proved under the same identity. If the
	// identity changed, it returns none and says so in changed.
	Begin(ctx context.Context, id TableIdentity) (proven []ProvenChunk, changed string, err error)
	// Record stores one proven chunk with its differences, in one transaction. After it returned nil the chunk
	// survives the death of the process. Of a chunk with undecided rows, which is not proven, only the differences are
	// kept; Begin forgets them when the table is compared again.
	Record(ctx context.Context, table string, c ProvenChunk) error
	// Finish stores a table's outcome.
	Finish(ctx context.Context, r TableResult) error
}

// Observer is told how a check goes on, for progress display. Methods are called from many goroutines and must not
// block.
type Observer interface {
	TableStarted(table string, estimatedRows int64, resumedRows int64)
	Progress(table string, rows, bytes int64) // added since the last call for the table
	TableDone(r TableResult)
	Notice(text string)
}
