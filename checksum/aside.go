package checksum

import (
	"context"
	"sync"
	"time"

	"crosscheck/internal/fault"
)

// judges are the tables of a copy whose rows are not compared, judged one after the other beside the walking.
type judges struct {
	wake   chan struct{}
	closed chan struct{}
	mu     *sync.Mutex
	queue  *[]tablePair
}

func newJudges() judges {
	return judges{wake: make(chan struct{}, 1), closed: make(chan struct{}), mu: new(sync.Mutex), queue: new([]tablePair)}
}

func (j judges) add(pair tablePair) {
	j.mu.Lock()
	*j.queue = append(*j.queue, pair)
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j judges) finish() { close(j.closed) }

// run judges tables until finish was called and none is left, or until an error, after which the rest stays unjudged.
func (j judges) run(judge func(tablePair) error) (failed error) {
	for more := true; more; {
		select {
		case <-j.wake:
		case <-j.closed:
			more = false
		}
		j.mu.Lock()
		batch := *j.queue
		*j.queue = nil
		j.mu.Unlock()
		for _, pair := range batch {
			if failed == nil {
				failed = judge(pair)
			}
		}
	}
	return failed
}

// away tells that a copy is not walked with the others for now.
type away struct {
	ctx   context.Context //nolint:containedctx // while there is something to walk
	mu    sync.Mutex
	gone  bool
	times int
	wait  sync.WaitGroup
}

// Bounds of how long a copy that left the others stays away at least.
const (
	firstAway = 5 * time.Second
	maxAway   = 2 * time.Minute
)

// leave makes the copy stay away until a while has passed, longer each time, and its server answers and may be read.
func (c *checker) leave() {
	a := &c.away
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return
	}
	a.gone = true
	pause := min(firstAway<<min(a.times, 8), maxAway)
	a.times++
	c.opt.Log.Warn("a copy keeps the others waiting: it is compared later", "copy", c.label)
	a.wait.Go(func() {
		defer fault.Guard()
		for sleep(a.ctx, pause) == nil {
			pause = time.Second
			ask, cancel := context.WithTimeout(a.ctx, 5*time.Second)
			_, err := c.new.ThreadsRunning(ask)
			cancel()
			if err == nil && c.throttle.reason.Load() == nil {
				break
			}
		}
		a.mu.Lock()
		a.gone = false
		a.mu.Unlock()
		c.pass.schedule.wake()
	})
}

func (c *checker) isAway() bool {
	c.away.mu.Lock()
	defer c.away.mu.Unlock()
	return c.away.gone
}
