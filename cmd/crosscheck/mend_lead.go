package main

import (
	"context"
	"errors"
	"fmt"

	"crosscheck/conflict"
	"crosscheck/gate/record"
	"crosscheck/internal/ledger"
)

// unsettled counts the findings of the newest watch that are not settled: no check's difference leads to their rows.
func unsettled(ctx context.Context, book *ledger.Ledger) (n int, err error) {
	w, err := book.ReadWatch(ctx, 0)
	if errors.Is(err, ledger.ErrNoWatch) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	err = w.EachFound(ctx, func(f record.Found) error {
		if f.Kind.Benign() || f.Kind == conflict.StaleSession || f.Kind == conflict.WrongStepKey {
			return nil
		}
		for _, r := range f.Rows {
			if !r.Outcome.Settled() {
				n++
				break
			}
		}
		return nil
	})
	return n, err
}

// leadToMend says that what a watch found is mended by another command.
func leadToMend(ctx context.Context, g *globals, book *ledger.Ledger, dir string) error {
	n, err := unsettled(ctx, book)
	if err == nil && n > 0 {
		fmt.Fprintf(g.std.err, "%d findings of the watch are not settled; these files are of a check only: crosscheck mend --state %s\n", n, shellWord(dir))
	}
	return err
}

// noRun leads from a state folder that holds a watch and no check to what mends the watch's findings.
func noRun(ctx context.Context, g *globals, dir string, err error) error {
	if !errors.Is(err, ledger.ErrNoRun) {
		return err
	}
	book, oerr := ledger.OpenShared(ctx, dir, ledger.Options{Log: g.logger(g.std.err), MustExist: true})
	if oerr != nil {
		return err
	}
	defer book.Close()
	if _, werr := book.ReadWatch(ctx, 0); werr == nil {
		return usageError("%s holds no check, only a watch: what that found is mended by crosscheck mend --state %s", dir, shellWord(dir))
	}
	return err
}
