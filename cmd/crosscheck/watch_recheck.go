package main

import (
	"context"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/conflict/watch"
)

// rowRechecker lets a watch have rows compared by the rule by which a check compares them.
type rowRechecker struct{ *checksum.Rechecker }

var _ watch.Rechecker = rowRechecker{}

func newRowRechecker(old, new *cluster.Server, survey checksum.Survey) rowRechecker {
	return rowRechecker{checksum.NewRechecker(old, new, survey, checksum.RecheckOptions{})}
}

// Recheck implements watch.Rechecker.
func (r rowRechecker) Recheck(ctx context.Context, table string, rows []watch.RowKey) ([]watch.RowVerdict, string, error) {
	keys := make([]checksum.RowKey, len(rows))
	for i, row := range rows {
		keys[i] = checksum.RowKey(row)
	}
	verdicts, reason, err := r.Rechecker.Recheck(ctx, table, keys)
	if err != nil {
		return nil, "", err
	}
	out := make([]watch.RowVerdict, len(verdicts))
	for i, v := range verdicts {
		switch v {
		case checksum.RowEqual:
			out[i] = watch.RowEqual
		case checksum.RowDiffers:
			out[i] = watch.RowDiffers
		case checksum.RowUnknown:
		}
	}
	return out, reason, nil
}
