package measure

import (
	"context"
	"errors"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
)

// reaches waits until the end of a link has applied everything up to a position of its source; false if it does not within
// limit, or if it cannot be known.
func reaches(ctx context.Context, l *cluster.Link, p gtid.Position, limit time.Duration) (bool, error) {
	err := l.Wait(ctx, p, cluster.WaitOptions{Timeout: limit, StopGrace: time.Millisecond})
	var fence *cluster.FenceError
	if errors.As(err, &fence) {
		return false, nil
	}
	return err == nil, err
}
