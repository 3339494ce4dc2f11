package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/conflict/watch"
	"crosscheck/internal/ledger"
)

// scopeOf is what a command compares or watches, as the ledger keeps it for gates.
func scopeOf(ctx context.Context, old, new *cluster.Server, include, exclude []string) (*ledger.Scope, error) {
	s := &ledger.Scope{Include: include, Exclude: exclude}
	var unseen []string
	for _, server := range []*cluster.Server{old, new} {
		seen, err := server.VisibleScope(ctx)
		if err != nil {
			return nil, err
		}
		if !reads(seen, include) {
			unseen = append(unseen, fmt.Sprintf("the account on %s can read %s only", server.Label(), seen))
		}
	}
	s.Unseen = strings.Join(unseen, "; ")
	return s, nil
}

// reads tells whether an account may read all that patterns name.
func reads(seen cluster.Scope, include []string) bool {
	if seen.Complete() {
		return true
	}
	var granted []string
	for _, g := range seen.Schemas {
		granted = append(granted, strings.NewReplacer(`\_`, "_", `\%`, "%").Replace(g))
	}
	return len(include) > 0 && !slices.ContainsFunc(include, func(pattern string) bool {
		schema, _, ok := strings.Cut(strings.ReplaceAll(pattern, "`", ""), ".")
		whole := ok && (slices.Contains(granted, schema) || seen.Global && !slices.Contains(seen.Revoked, schema) && !strings.ContainsAny(schema, "*?"))
		return !whole && !slices.Contains(seen.Tables, pattern)
	})
}

// statusKept is how often a watch stores how it stands. Its checkpoints are further apart where nothing is written, and a
// gate would take a watch that is silent for one that is dead.
const statusKept = 2 * time.Second

// statusKeeper stores the status of a running watch for the gates.
type statusKeeper struct {
	watch.Observer
	ctx     context.Context //nolint:containedctx // of the watch: its observer is given none
	account *ledger.Watch
	log     *slog.Logger
	kept    time.Time
}

// Status implements watch.Observer. What could not be stored is only logged: the watch itself stores its last status, and
// fails if it cannot.
func (k *statusKeeper) Status(s watch.Status) {
	if !s.Final && s.At.Sub(k.kept) >= statusKept {
		k.kept = s.At
		ctx, cancel := context.WithTimeout(k.ctx, time.Second)
		if err := k.account.SaveStatus(ctx, s); err != nil && k.ctx.Err() == nil {
			k.log.Warn("the status of the watch was not stored", "error", err)
		}
		cancel()
	}
	k.Observer.Status(s)
}
