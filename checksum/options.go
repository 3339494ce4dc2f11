package checksum

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"crosscheck/cluster"
)

// Options are what a check needs besides the two servers. The zero value of a number means its default.
type Options struct {
	Filter         cluster.Filter
	Workers        int           // lanes walked at a time; default 2
	Strict         bool          // a conversion that loses information makes a table undecided
	Virtual        bool          // compare virtual generated columns
	MaxDifferences int           // samples kept per table in the result; default 20
	RetryFor       time.Duration // how long a lost server is tried again; default 1 minute
	FenceTimeout   time.Duration // how long replication may take to arrive; default 2 minutes
	MaxRows        int64         // rows per second and side; 0: no limit
	MaxBytes       int64         // bytes per second and side; 0: no limit
	MaxThreads     int           // pause while a side has more threads running; 0: never
	MaxLag         time.Duration // pause while replication is further behind; 0: never
	Journal        Journal
	// Keys keeps what both sides say of generated keys when the check begins; nil: they are not asked.
	Keys     func(ctx context.Context, old, new cluster.KeySpace) error
	Observer Observer
	Started  time.Time // when the first connection was begun; default now
	Log      *slog.Logger
}

func (o *Options) defaults() {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.Workers, 2)
	set(&o.MaxDifferences, 20)
	if o.RetryFor <= 0 {
		o.RetryFor = time.Minute
	}
	if o.FenceTimeout <= 0 {
		o.FenceTimeout = 2 * time.Minute
	}
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Survey is what is known of both sides before anything is compared.
type Survey struct {
	Old, New EndpointInfo
	Relation cluster.Relation
	Untold   string // why nothing tells what the copy has applied: rows that look different are undecided; "" where something does
}

// Look finds out which servers the two sides are and how they replicate.
func Look(ctx context.Context, old, new *cluster.Server) (Survey, error) {
	rel, err := cluster.Relate(ctx, old, new)
	if err != nil {
		return Survey{}, err
	}
	return Survey{Old: endpoint(ctx, old), New: endpoint(ctx, new), Relation: rel}, nil
}

// LookAround is Look for a reference and each of its copies. Others are nodes over which changes may get to them.
func LookAround(ctx context.Context, ref *cluster.Server, copies, others []*cluster.Server) ([]Survey, error) {
	web, err := cluster.NewWeb(ctx, slices.Concat([]*cluster.Server{ref}, copies, others))
	if err != nil {
		return nil, err
	}
	out := make([]Survey, len(copies))
	for i, copied := range copies {
		rel, err := web.Relate(ctx, ref, copied)
		if err != nil {
			return nil, err
		}
		out[i] = Survey{Old: endpoint(ctx, ref), New: endpoint(ctx, copied), Relation: rel}
	}
	return out, nil
}

// endpoint says which server a side is, and where it is now.
func endpoint(ctx context.Context, s *cluster.Server) EndpointInfo {
	f := s.Facts()
	info := EndpointInfo{
		Addr: s.Config().Addr, ServerUUID: f.ServerUUID, Version: f.Version, Flavor: string(f.Flavor), TLS: f.TLS,
	}
	if p, err := s.Position(ctx); err == nil { // no binary log is no reason not to compare
		info.Position = p.String()
	}
	return info
}
