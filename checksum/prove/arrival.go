package prove

import (
	"context"
	"sync"

	"crosscheck/checksum/read"
)

// Arrival tells whether new's definitions are those that old had when the run listed its tables: a table that was made,
// or a column that was added, a moment before is missing on new only until replication brings it, or on old until old
// commits what new has already. One fence, begun after the listing, serves all tables.
type Arrival struct {
	mu   sync.Mutex
	done bool
	late string
}

// Wait returns "" once the fence has passed, else why it did not. What it did is remembered, failures too: a replica that
// is hours behind is not waited for by each of its tables.
func (a *Arrival) Wait(ctx context.Context, s *read.Session, f Fence) (late string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return a.late, nil
	}
	err = s.Do(ctx, "wait for replication", func() error {
		if perr := f.Pass(ctx); perr != nil {
			return perr
		}
		return f.Committed(ctx)
	})
	if late = fenceFailure(err); err != nil && late == "" {
		return "", err
	}
	a.done, a.late = true, late
	return late, nil
}
