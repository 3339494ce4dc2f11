package read

import (
	"context"

	"golang.org/x/time/rate"
)

// Pace keeps what a run reads from one side below the limits the user set. A nil limiter does not limit.
type Pace struct{ rows, bytes *rate.Limiter }

// NewPace returns a pace of so many rows and bytes a second; 0 means no limit.
func NewPace(rows, bytes int64) *Pace {
	limiter := func(perSecond int64) *rate.Limiter {
		if perSecond <= 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(perSecond), int(perSecond)) // one second's worth may come at once
	}
	return &Pace{rows: limiter(rows), bytes: limiter(bytes)}
}

// spent accounts for what a statement read and waits until the next one may begin.
func (p *Pace) spent(ctx context.Context, rows, bytes int64) error {
	for _, s := range []struct {
		limiter *rate.Limiter
		n       int64
	}{{p.rows, rows}, {p.bytes, bytes}} {
		for s.limiter != nil && s.n > 0 {
			n := min(s.n, int64(s.limiter.Burst()))
			if err := s.limiter.WaitN(ctx, int(n)); err != nil {
				return err
			}
			s.n -= n
		}
	}
	return nil
}

// maxRows bounds a chunk so that a paced run's statements stay short.
func (p *Pace) maxRows(n int) int {
	if p.rows != nil {
		n = min(n, max(1, p.rows.Burst()))
	}
	return n
}
