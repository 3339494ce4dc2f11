package checksum

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"crosscheck/cluster"
)

// throttle stops the walkers while a server is busy with more than the user allows, and lets them go on when it is not.
type throttle struct {
	threads int           // most running threads on either side; 0: no limit
	lag     time.Duration // most replication lag; 0: no limit
	reason  atomic.Pointer[string]
}

// throttleEvery is how often the servers are asked.
const throttleEvery = 500 * time.Millisecond

// ready returns as soon as the servers are not too busy.
func (t *throttle) ready(ctx context.Context) error {
	for t.reason.Load() != nil {
		if err := sleep(ctx, throttleEvery/5); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// watch asks the servers until ctx ends. A server that does not answer does not stop the run here: reading from it
// will tell.
func (t *throttle) watch(ctx context.Context, servers []*cluster.Server, links []*cluster.Link, notice func(string)) {
	if t.threads <= 0 && t.lag <= 0 {
		return
	}
	for {
		now := t.look(ctx, servers, links)
		before := t.reason.Load()
		switch {
		case now != "" && before == nil:
			t.reason.Store(&now)
			notice("pausing: " + now)
		case now == "" && before != nil:
			t.reason.Store(nil)
			notice("going on")
		}
		if sleep(ctx, throttleEvery) != nil {
			return
		}
	}
}

// look says why the run should pause, "" if it need not.
func (t *throttle) look(ctx context.Context, servers []*cluster.Server, links []*cluster.Link) string {
	for _, s := range servers {
		if t.threads <= 0 {
			break
		}
		if n, err := s.ThreadsRunning(ctx); err == nil && n > t.threads {
			return fmt.Sprintf("%s has %d threads running, more than %d", s.Label(), n, t.threads)
		}
	}
	for _, l := range links {
		if t.lag <= 0 || l == nil {
			continue
		}
		if st, err := l.State(ctx); err == nil && st.Running && st.Lag != nil && time.Duration(*st.Lag)*time.Second > t.lag {
			return fmt.Sprintf("replication is %d s behind, more than %s", *st.Lag, t.lag)
		}
	}
	return ""
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
