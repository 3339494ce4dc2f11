// Package checksum compares tables of two servers exactly while both are live: digests of row packets chunk by chunk,
// rows that differ located in the same pass, and each of them proven by the fence rule before it counts.
//
// It is the run of a check and the door to the packages below it: plan decides how a table is compared, read reads it, prove
// decides on rows that looked different, diff holds what is proven to differ.
package checksum

import (
	"context"
	"maps"
	"slices"
	"strings"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster"
)

// Copy is a node whose rows are compared with the reference's.
type Copy struct {
	Server  *cluster.Server
	Survey  Survey // of the reference and this copy
	Label   string // names it beside others
	Twin    bool   // of the reference's own cluster: its tables have no columns that the reference has not
	Journal Journal
	// Keys keeps what both sides say of generated keys when the check begins; nil: they are not asked.
	Keys func(ctx context.Context, old, new cluster.KeySpace) error
}

// Run compares the tables of old and new that opt.Filter selects and returns what was proven. When ctx ends early the
// result holds what is proven so far, marked as interrupted, and no error. An error means that the check could not be
// carried out: a server lost for too long, a privilege missing, the journal not writable.
func Run(ctx context.Context, old, new *cluster.Server, v Survey, opt Options) (Result, error) {
	list, err := RunCopies(ctx, old, []Copy{{Server: new, Survey: v, Label: new.Label(), Journal: opt.Journal, Keys: opt.Keys}}, opt)
	return list[0], err
}

// RunCopies is Run for several copies: the reference is read once, and each copy has a result of its own, in the order of
// copies. A copy that is lost, locked or late ends or delays nothing but its own comparison; its result is marked as
// interrupted then, with the reason. An error means that no copy could be compared to its end. Options.Journal and
// Options.Keys are not used.
func RunCopies(ctx context.Context, ref *cluster.Server, copies []Copy, opt Options) ([]Result, error) {
	opt.defaults()
	p := &pass{opt: opt, ref: ref, pace: read.NewPace(opt.MaxRows, opt.MaxBytes)}
	p.throttle.threads = opt.MaxThreads
	p.ctx, p.abort = context.WithCancelCause(ctx)
	defer p.abort(nil)
	for _, copied := range copies {
		p.copies = append(p.copies, p.newChecker(copied))
	}
	err := p.prepare(copies)
	if err == nil {
		err = p.compare()
	}
	for _, c := range p.copies {
		if err == nil && c.ended() == nil {
			if late := c.addLate(ctx); late != nil {
				c.abort(late)
			}
		}
	}
	if err == nil {
		err = p.lost()
	}
	if ctx.Err() != nil {
		opt.Log.Info("interrupted", "cause", context.Cause(ctx))
		err = nil
	}
	results := make([]Result, 0, len(p.copies))
	for _, c := range p.copies {
		c.result.Interrupted = ctx.Err() != nil
		results = append(results, c.conclude(err == nil && ctx.Err() == nil))
	}
	p.nowhere(results)
	return results, err
}

// nowhere adds to each copy's result the tables that only other copies have: the reference does not have them either.
// That holds only for accounts that are shown all tables.
func (p *pass) nowhere(results []Result) {
	seen := map[string]bool{}
	for _, r := range results {
		for _, t := range r.Tables {
			seen[strings.ToLower(t.Table)] = true
		}
	}
	for i := range results {
		r := &results[i]
		if r.Interrupted || len(r.Tables) == 0 {
			continue
		}
		left := maps.Clone(seen)
		for _, t := range r.Tables {
			delete(left, strings.ToLower(t.Table))
		}
		for j := range results {
			for _, t := range results[j].Tables {
				name := strings.ToLower(t.Table)
				if !left[name] {
					continue
				}
				delete(left, name)
				own := TableResult{Table: t.Table, Verdict: Same, Method: string(plan.Definition), Reason: reasonNowhere}
				if !p.copies[i].seesAll {
					own.Verdict, own.Reason = Undecided, reasonUnseen
					r.Verdict = r.Verdict.And(Undecided)
				}
				r.Tables = append(r.Tables, own)
			}
		}
		slices.SortFunc(r.Tables, func(a, b TableResult) int { return strings.Compare(a.Table, b.Table) })
	}
}

const (
	reasonNowhere = "neither the reference nor this copy has it; another copy does"
	reasonUnseen  = "another copy has it; the accounts on the reference and on this copy are not shown all tables"
)
