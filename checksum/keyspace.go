package checksum

import (
	"context"

	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// keepKeys has what both sides say of generated keys kept, beside the comparing, and returns a function that waits until
// it is. Whoever reads the logs from the beginning of the check on knows by it which keys were given: a generated one is
// higher than all that were there.
func (c *checker) keepKeys(ctx context.Context) (wait func() error) {
	done := make(chan error, 1)
	if c.opt.Keys == nil {
		done <- nil
	} else {
		var old, new []*cluster.Table // now: the list is the workers' later
		for i := range c.tables {
			if p := &c.tables[i]; p.verdict == nil {
				old, new = append(old, p.old), append(new, p.new)
			}
		}
		go func() {
			defer fault.Guard()
			done <- c.opt.Keys(ctx, c.old.KeySpace(ctx, old), c.new.KeySpace(ctx, new))
		}()
	}
	return func() error { return <-done }
}
