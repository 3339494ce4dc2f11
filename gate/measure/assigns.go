package measure

import (
	"context"
	"errors"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
)

// assigning says whether one of a server's channels gives GTIDs to transactions that have none.
type assigning int

const (
	assignsUnknown assigning = iota
	assignsNot
	assignsGTIDs
)

// assigns asks for the setting of each channel. Servers that lack the setting cannot do it.
func assigns(ctx context.Context, s *cluster.Server) (assigning, error) {
	a, _, _, err := assigners(ctx, s)
	return a, err
}

// assigners also names the channels that assign GTIDs, and counts all.
func assigners(ctx context.Context, s *cluster.Server) (a assigning, names []string, of int, err error) {
	f := s.Facts()
	if f.IsMariaDB() || !f.AtLeast(8, 0, 23) {
		return assignsNot, nil, 0, nil
	}
	channels, err := s.Channels(ctx)
	if err != nil {
		return assignsUnknown, nil, 0, err
	}
	const op = "read which channels assign GTIDs"
	// The second is for servers whose performance_schema is off or hidden.
	for _, q := range []string{
		"SELECT CHANNEL_NAME AS name, ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS_TYPE AS type FROM performance_schema.replication_applier_configuration",
		"SELECT Channel_name AS name, Assign_gtids_to_anonymous_transactions_type AS type FROM mysql.slave_relay_log_info",
	} {
		list, err := optional(ctx, s, op, q)
		if err != nil {
			return assignsUnknown, nil, 0, err
		}
		for _, r := range list {
			if !strings.EqualFold(r["type"], "OFF") {
				names = append(names, r["name"])
			}
		}
		switch {
		case len(names) > 0:
			return assignsGTIDs, names, len(list), nil
		case len(list) > 0 && len(list) >= len(channels):
			return assignsNot, nil, len(list), nil
		}
	}
	if len(channels) == 0 {
		return assignsNot, nil, 0, nil
	}
	return assignsUnknown, nil, 0, nil
}

func isIdentity(err error) bool {
	var other *binlog.IdentityError
	return errors.As(err, &other)
}
