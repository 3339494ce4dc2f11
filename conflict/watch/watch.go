package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// Options are what a watch needs besides the two servers. The zero value of a duration means its default.
type Options struct {
	Filter    cluster.Filter
	Scope     Scope // the patterns of Filter
	Store     Store
	Observer  Observer
	Rechecker Rechecker // nil: rows under doubt stay so until a later change of them is seen to arrive
	// From is the account's last checkpoint; nil: a new account begins.
	From *Checkpoint
	// Known counts the findings of earlier processes.
	Known map[conflict.Kind]uint64
	// Since is when the account began; zero: now.
	Since time.Time
	// Base is the check to build on, with the positions at which it began. Without one the account begins now.
	Base      *Base
	BaseStart [2]gtid.Position
	// Covered is what that check compared; nil: all that is watched.
	Covered *Coverage
	// BaseKeys are what both sides said of generated keys when that check began; zero where that is not known.
	BaseKeys [2]cluster.KeySpace
	// For is how long to watch; 0: until ctx ends.
	For time.Duration
	// SettleFor is how long the end may wait until everything that was written by then has arrived; default 30 s.
	SettleFor time.Duration
	// RetryFor is how long a server may be gone; default 10 minutes.
	RetryFor time.Duration
	// MaxLag is how far, by the server's own word, an applier may be behind before that is a trouble; default 30 s.
	MaxLag time.Duration
	// Members are further servers of each side, by server_uuid or server_id: transactions that they made count as the side's.
	Members [2][]string
	// Replicas are nodes whose state is watched, too.
	Replicas []Replica
	// WindowBytes bounds the detector's memory; 0: its default.
	WindowBytes int
	Log         *slog.Logger
}

func (o Options) withDefaults() Options {
	for d, def := range map[*time.Duration]time.Duration{
		&o.SettleFor: 30 * time.Second, &o.RetryFor: 10 * time.Minute, &o.MaxLag: 30 * time.Second,
	} {
		if *d <= 0 {
			*d = def
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Known == nil {
		o.Known = map[conflict.Kind]uint64{}
	}
	return o
}

// ErrNothingToWatch reports that the filter leaves no table on either side.
var ErrNothingToWatch = errors.New("no table to watch")

// Run watches both servers until opt.For is over or ctx ends, and returns the last status. What it found is in the
// store by then. An error means that the watch could not begin or could not go on; the status still holds what was
// judged. Errors are those of package binlog's Tail, of package cluster, and of the store.
func Run(ctx context.Context, old, new *cluster.Server, opt Options) (Status, error) {
	opt = opt.withDefaults()
	e, err := newEngine(ctx, Sides{old, new}, opt)
	var identity *binlog.IdentityError
	if errors.As(err, &identity) { // an answer, not a failure: the account cannot go on with another server
		now := time.Now()
		st := Status{At: now, Started: now, Since: opt.Since, Reason: err.Error(), Findings: opt.Known, Resumed: true, Final: true}
		if failures(opt.Known) > 0 {
			st.Verdict = Failed
		}
		opt.Observer.Status(st)
		return st, opt.Store.SaveStatus(ctx, st)
	}
	if err != nil {
		return Status{}, err
	}
	defer e.close()
	return e.run(ctx)
}

// memory is what the engine keeps across processes besides the detector.
type memory struct {
	Fences     uint64       `json:"fences"`
	Watermarks [2]watermark `json:"watermarks"`
	Rows       Rechecks     `json:"rows"`
	Given      [2]uint64    `json:"given"` // keys outside the step that were given, not generated
	// SetBack is how many transactions old had made when new's step was set back to 1; nil if it was not, or is something else.
	SetBack *uint64 `json:"set_back,omitempty"`
	// Stale are the tables whose definitions in the snapshot may be older than where reading goes on.
	Stale [2][]string `json:"stale,omitempty"`
	// Begin is where the account begins on old, without GTIDs. The two positions are not of one moment: what old wrote
	// after its own and before new's was read may have arrived before new's, and nothing would tell.
	Begin string `json:"begin,omitempty"`
	Base  *Base  `json:"base,omitempty"`
	// Scopes are what the account's processes watched, a new one where it changed. Unverified are the tables that are watched
	// and for whose rows it does not speak, sorted.
	Scopes     []Scope  `json:"scopes,omitempty"`
	Unverified []string `json:"unverified,omitempty"`
	// Checked is the scope of the check that the account builds on. ScopeLost says that Scopes no longer has all. Begun are tables
	// outside of one of these scopes whose rows are known all the same, since they were begun under watch.
	Checked   *Scope   `json:"checked,omitempty"`
	ScopeLost bool     `json:"scope_lost,omitempty"`
	Begun     []string `json:"begun,omitempty"`
	// Followed is how far each log's schema changes count in Unverified.
	Followed [2]gtid.FilePos `json:"followed"`
	// Copies are the copies that are followed, as copyMemory, and Compared is how far each side's log was compared with them.
	Copies   []json.RawMessage `json:"copies,omitempty"`
	Compared [2]gtid.Position  `json:"compared"`
}

// restore makes the detector from a checkpoint, or a new one.
func (e *engine) restore(ctx context.Context) error {
	cfg := conflict.Config{WindowBytes: e.opt.WindowBytes}
	for s := range e.servers {
		cfg.InOrder[s], cfg.PerDomain[s] = e.inOrder(ctx, conflict.Side(s))
	}
	if c := e.opt.From; c != nil {
		if err := json.Unmarshal(c.Engine, &e.mem); err != nil {
			return fmt.Errorf("continue the account: %w", err)
		}
		cfg.Apart = e.mem.Base != nil
		d, err := conflict.Restore(bytes.NewReader(c.Snapshot), cfg)
		if err != nil {
			return fmt.Errorf("continue the account: %w (start a new one in another state folder)", err)
		}
		if e.begins, err = gtid.ParsePosition(e.mem.Begin); err != nil {
			return fmt.Errorf("continue the account: %w", err)
		}
		e.det, e.resumed, e.saved = d, true, true
		for s := range e.servers {
			e.start[s], e.fed[s] = d.Checkpoint(conflict.Side(s))
			e.identity[s] = c.Identity[s]
		}
		e.comeTo(e.start[conflict.Old])
		e.rows.adopt(d.Doubts())
		return nil
	}
	e.mem.Base = e.opt.Base
	for s, server := range e.servers {
		now, err := server.Position(ctx)
		if err != nil {
			return err
		}
		e.start[s] = now
		if e.opt.Base != nil {
			e.start[s] = e.opt.BaseStart[s]
		}
	}
	if e.opt.Base == nil && e.start[conflict.Old].Kind == gtid.File {
		begin, err := e.servers[conflict.Old].Position(ctx)
		if err != nil {
			return err
		}
		e.mem.Begin, e.begins = begin.String(), begin
		e.comeTo(e.start[conflict.Old])
	}
	cfg.Start, cfg.Apart = e.start, e.mem.Base != nil // a check's positions
	e.det = conflict.NewDetector(cfg)
	return nil
}

// checkpoint keeps the state so that another process can go on.
func (e *engine) checkpoint(ctx context.Context) error {
	if err := e.saveFates(ctx); err != nil { // another process hears no more of what the checkpoint has as settled
		return err
	}
	for s := range e.servers { // before the rest of what the engine remembers is written
		e.mem.Stale[s] = e.defs[s].outdated(e.det.Definitions(conflict.Side(s)))
	}
	c := Checkpoint{At: time.Now(), Write: e.det.Snapshot}
	err := e.keepCopies()
	if err != nil {
		return err
	}
	if c.Engine, err = json.Marshal(&e.mem); err != nil {
		return err
	}
	for s := range e.servers {
		pos, _ := e.det.Checkpoint(conflict.Side(s))
		c.Positions[s] = pos.String()
		c.Identity[s] = e.readers[s].identity()
	}
	err = e.opt.Store.SaveCheckpoint(ctx, c)
	e.saved = e.saved || err == nil
	return err
}
