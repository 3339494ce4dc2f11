package binlog

import (
	"context"
	"sync"
)

// queueBytes bounds what is read ahead of the consumer. One event may be larger
// and still passes, alone.
const queueBytes = 4 << 20

// queue hands events from the connection's goroutine to the consumer. It is
// bounded by bytes, not by events: an event may hold one small row or a
// gigabyte.
type queue struct {
	mu     sync.Mutex
	events [][]byte
	bytes  int
	err    error         // why no more will come
	full   chan struct{} // non-nil while the producer waits
	empty  chan struct{} // non-nil while the consumer waits
}

// push blocks while the queue is full. It returns the queue's error when it was
// closed meanwhile.
func (q *queue) push(ev []byte) error {
	for {
		q.mu.Lock()
		if q.err != nil {
			defer q.mu.Unlock()
			return q.err
		}
		if q.bytes == 0 || q.bytes+len(ev) <= queueBytes {
			q.events = append(q.events, ev)
			q.bytes += len(ev)
			wake(&q.empty)
			q.mu.Unlock()
			return nil
		}
		if q.full == nil {
			q.full = make(chan struct{})
		}
		wait := q.full
		q.mu.Unlock()
		<-wait
	}
}

// pop returns the next batch of events, or the error after the last event.
func (q *queue) pop(ctx context.Context) ([][]byte, error) {
	for {
		q.mu.Lock()
		if len(q.events) > 0 {
			out := q.events
			q.events, q.bytes = nil, 0
			wake(&q.full)
			q.mu.Unlock()
			return out, nil
		}
		if q.err != nil {
			defer q.mu.Unlock()
			return nil, q.err
		}
		if q.empty == nil {
			q.empty = make(chan struct{})
		}
		wait := q.empty
		q.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// close ends the queue; events that are in it can still be popped.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	wake(&q.full)
	wake(&q.empty)
}

func wake(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
