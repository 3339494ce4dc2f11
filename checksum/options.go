package checksum

import (
	"context"
	"log/slog"
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
}

// Look finds out which servers the two sides are and how they replicate.
func Look(ctx context.Context, old, new *cluster.Server) (Survey, error) {
	var v Survey
	var err error
	if v.Relation, err = cluster.Relate(ctx, old, new); err != nil {
		return v, err
	}
	for _, s := range []struct {
		server *cluster.Server
		info   *EndpointInfo
	}{{old, &v.Old}, {new, &v.New}} {
		f := s.server.Facts()
		*s.info = EndpointInfo{
			Addr: s.server.Config().Addr, ServerUUID: f.ServerUUID, Version: f.Version, Flavor: string(f.Flavor), TLS: f.TLS,
		}
		if p, err := s.server.Position(ctx); err == nil { // no binary log is no reason not to compare
			s.info.Position = p.String()
		}
	}
	return v, nil
}
