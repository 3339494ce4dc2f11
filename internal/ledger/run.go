package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/gate/record"
)

// RunInfo describes a run that begins.
type RunInfo struct {
	Old, New checksum.EndpointInfo
	Relation string
	Args     []string // of the command; passwords in DSNs are taken out before they are stored
	Scope    *Scope   // nil: not recorded
	Resume   bool

	// Of a check of several copies; zero of a pair.
	Group           int64 // Run.Group of the first copy's run; 0 for the first one
	Place           int   // of the copy among the others
	Node, Reference Node
	Unread          []Unread // nodes that were seen and not compared; kept with the first run
}

// Node is how a check names a server of a cluster. The zero value is old or new itself.
type Node struct {
	Label string `json:"label"`
	Side  string `json:"side"`
	Role  string `json:"role,omitempty"`
}

// Unread is a node that a check saw and did not compare.
type Unread struct {
	Node
	Addr string `json:"addr"`
	UUID string `json:"uuid,omitempty"`
	Why  string `json:"why"`
	// Undecided tells that it should have been compared.
	Undecided bool `json:"undecided,omitempty"`
}

// SetUnread keeps the nodes that were seen and not compared.
func (r *Run) SetUnread(ctx context.Context, list []Unread) error {
	text, err := json.Marshal(orEmptyList(list))
	if err != nil {
		return err
	}
	return r.l.inTx(ctx, "keep the nodes that were not compared", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE runs SET unread_json = ? WHERE id = ?", string(text), r.id)
		return err
	})
}

// groupArgs are the columns of a run's place in its group, in the order group_id, place, node_json, reference_json, unread_json.
func (i *RunInfo) groupArgs() ([]any, error) {
	node, err := nodeText(i.Node)
	if err != nil {
		return nil, err
	}
	ref, err := nodeText(i.Reference)
	if err != nil {
		return nil, err
	}
	unread, err := json.Marshal(orEmptyList(i.Unread))
	if err != nil {
		return nil, err
	}
	group := any(i.Group)
	if i.Group == 0 {
		group = nil
	}
	return []any{group, i.Place, node, ref, string(unread)}, nil
}

func nodeText(n Node) (any, error) {
	if n == (Node{}) {
		return nil, nil
	}
	b, err := json.Marshal(n)
	return string(b), err
}

// Scope is what a check or a watch covers.
type Scope = record.Scope

// scopeText is how a scope is stored; NULL for none.
func scopeText(s *Scope) (any, error) {
	if s == nil {
		return nil, nil
	}
	b, err := json.Marshal(s)
	return string(b), err
}

// scopeOf reads what scopeText returned.
func scopeOf(stored sql.NullString) (*Scope, error) {
	if !stored.Valid {
		return nil, nil
	}
	s := new(Scope)
	return s, json.Unmarshal([]byte(stored.String), s)
}

// Trust says what a run takes over from the attempts before it.
type Trust struct {
	Resumed bool      // an earlier run is continued; false also if there was none to continue
	Run     int64     // its id
	Started time.Time // when it began
	// OldPosition and NewPosition are where the sides were then; "" if that is not known.
	OldPosition, NewPosition string

	// Recorded is what was found in the ledger, the rest what tables that were begun since took over from it.
	Recorded             TrustCount
	Tables, Chunks, Rows int64 // Rows are those of old
	Refused              []Refusal
}

// TrustCount counts proven work.
type TrustCount struct{ Tables, Chunks, Rows int64 }

// Refusal is a table whose recorded chunks are not trusted.
type Refusal struct {
	Table  string
	Reason string
	Chunks int64
}

// Run is the journal of one check. Its methods are safe for concurrent use.
type Run struct {
	l     *Ledger
	id    int64
	group int64
	start time.Time

	mu     sync.Mutex // held during each transaction, so that what follows is what is stored
	tables map[string]tableState
	trust  Trust
	stored usage
	closed bool
}

type tableState struct {
	id, chunks, rows int64
	images           int64 // differences with values
}

// usage is what a run holds of bounded things.
type usage struct {
	imageBytes, imagesDropped, differences, differencesDropped int64
}

var _ checksum.Journal = (*Run)(nil)

// StartRun begins a run, or with info.Resume continues the newest run of the same two servers that was killed,
// interrupted or left undecided. If the ledger holds no such run of these servers but one of others, the error is a
// *ServerChangedError; if it holds none at all, a fresh run begins and Trusted says so.
func (l *Ledger) StartRun(ctx context.Context, info RunInfo) (*Run, error) {
	r := &Run{l: l, start: l.opts.now(), tables: map[string]tableState{}}
	err := l.inTx(ctx, "start a run", func(tx *sql.Tx) error {
		if info.Resume {
			if err := r.resume(ctx, tx, info); err != nil || r.trust.Resumed {
				return err
			}
		}
		if err := r.insert(ctx, tx, info); err != nil {
			return err
		}
		return prune(ctx, tx, r.id)
	})
	if err != nil {
		return nil, err
	}
	l.opts.Log.Debug("run started", "run", r.id, "resumed", r.trust.Resumed, "chunks", r.trust.Recorded.Chunks)
	return r, nil
}

func (r *Run) insert(ctx context.Context, tx *sql.Tx, info RunInfo) error {
	args, err := json.Marshal(redact(info.Args))
	if err != nil {
		return err
	}
	scope, err := scopeText(info.Scope)
	if err != nil {
		return err
	}
	group, err := info.groupArgs()
	if err != nil {
		return err
	}
	now := timeText(r.start)
	res, err := tx.ExecContext(ctx, `INSERT INTO runs (started, attempt_started, args_json, scope_json, relation,
		old_uuid, old_addr, old_version, old_flavor, old_position, old_tls,
		new_uuid, new_addr, new_version, new_flavor, new_position, new_tls,
		group_id, place, node_json, reference_json, unread_json)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		slices.Concat([]any{now, now, string(args), scope, info.Relation}, endpoint(info.Old), endpoint(info.New), group)...)
	if err != nil {
		return err
	}
	r.id, err = res.LastInsertId()
	r.group = cmp.Or(info.Group, r.id)
	return err
}

// KeySpaces are what both sides said of generated keys when a run began.
type KeySpaces struct {
	Old cluster.KeySpace `json:"old"`
	New cluster.KeySpace `json:"new"`
}

// SetKeySpaces keeps what both sides say of generated keys as the run begins.
func (r *Run) SetKeySpaces(ctx context.Context, old, new cluster.KeySpace) error {
	text, err := json.Marshal(KeySpaces{Old: old, New: new})
	if err != nil {
		return err
	}
	return r.l.inTx(ctx, "keep the highest keys", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE runs SET key_space_json = ? WHERE id = ?", string(text), r.id)
		return err
	})
}

// SetLinks keeps the ways of replication as they are when the run begins.
func (r *Run) SetLinks(ctx context.Context, links []gate.Link) error {
	text, err := json.Marshal(links)
	if err != nil {
		return err
	}
	return r.l.inTx(ctx, "keep how replication runs", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE runs SET links_json = ? WHERE id = ?", string(text), r.id)
		return err
	})
}

func endpoint(e checksum.EndpointInfo) []any {
	return []any{e.ServerUUID, e.Addr, e.Version, e.Flavor, e.Position, e.TLS}
}

// identity is what two connections to the same server agree in.
func identity(uuid, addr string) string {
	if uuid == "" {
		return addr
	}
	return uuid
}

type candidate struct {
	id                                 int64
	started                            string
	oldUUID, oldAddr, newUUID, newAddr string
}

func (c *candidate) change(info RunInfo) *ServerChangedError {
	e := &ServerChangedError{
		Run: c.id,
		Old: changed(c.oldUUID, c.oldAddr, info.Old),
		New: changed(c.newUUID, c.newAddr, info.New),
	}
	if e.Old == nil && e.New == nil {
		return nil
	}
	return e
}

func changed(uuid, addr string, now checksum.EndpointInfo) *Change {
	if identity(uuid, addr) == identity(now.ServerUUID, now.Addr) {
		return nil
	}
	return &Change{Was: name(uuid, addr), Now: name(now.ServerUUID, now.Addr)}
}

func name(uuid, addr string) string {
	if uuid == "" {
		return addr
	}
	return uuid + " at " + addr
}

// resumable is true of runs that did not come to a decision and whose proofs are still there.
const resumable = `pruned = 0 AND (finished IS NULL OR interrupted = 1 OR verdict = 'undecided')`

// unfinished is true of those, and of runs that did come to one, of a group of which another did not: what they have
// proven is not read again.
const unfinished = `pruned = 0 AND coalesce(group_id, id) IN (SELECT coalesce(group_id, id) FROM runs WHERE ` + resumable + `)`

// resume looks for a run to continue and takes it over; trust.Resumed says whether there was one.
func (r *Run) resume(ctx context.Context, tx *sql.Tx, info RunInfo) error {
	list, err := candidates(ctx, tx)
	if err != nil {
		return err
	}
	var other *ServerChangedError
	for _, c := range list {
		if e := c.change(info); e != nil {
			if other == nil {
				other = e
			}
			continue
		}
		return r.takeOver(ctx, tx, c, info)
	}
	if other != nil && info.Group == 0 { // another copy of the same check may be a new one
		return other
	}
	return nil
}

func candidates(ctx context.Context, tx *sql.Tx) ([]candidate, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, started, old_uuid, old_addr, new_uuid, new_addr FROM runs WHERE `+
		unfinished+` ORDER BY id DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []candidate
	for rows.Next() {
		var c candidate
		if err := rows.Scan(&c.id, &c.started, &c.oldUUID, &c.oldAddr, &c.newUUID, &c.newAddr); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

func (r *Run) takeOver(ctx context.Context, tx *sql.Tx, c candidate, info RunInfo) error {
	args, err := json.Marshal(redact(info.Args))
	if err != nil {
		return err
	}
	scope, err := scopeText(info.Scope)
	if err != nil {
		return err
	}
	group, err := info.groupArgs()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE runs SET attempt_started = ?, attempts = attempts + 1, finished = NULL,
		verdict = NULL, reason = '', notes_json = '[]', interrupted = 0, args_json = ?, scope_json = ?, relation = ?,
		old_uuid = ?, old_addr = ?, old_version = ?, old_flavor = ?, old_position = ?, old_tls = ?,
		new_uuid = ?, new_addr = ?, new_version = ?, new_flavor = ?, new_position = ?, new_tls = ?,
		group_id = ?, place = ?, node_json = ?, reference_json = ?, unread_json = ? WHERE id = ?`,
		slices.Concat([]any{timeText(r.start), string(args), scope, info.Relation}, endpoint(info.Old), endpoint(info.New), group,
			[]any{c.id})...)
	if err != nil {
		return err
	}
	r.id, r.group = c.id, cmp.Or(info.Group, c.id)
	r.trust.Resumed, r.trust.Run = true, c.id
	if r.trust.Started, err = parseTime(c.started); err != nil {
		return err
	}
	err = tx.QueryRowContext(ctx, "SELECT began_old_position, began_new_position FROM runs WHERE id = ?", r.id).
		Scan(&r.trust.OldPosition, &r.trust.NewPosition)
	if err != nil {
		return err
	}
	n := &r.trust.Recorded
	err = tx.QueryRowContext(ctx, `SELECT count(DISTINCT t.id), count(*), ifnull(sum(c.rows_old), 0)
		FROM tables t JOIN chunks c ON c.table_id = t.id WHERE t.run_id = ?`, r.id).Scan(&n.Tables, &n.Chunks, &n.Rows)
	if err != nil {
		return err
	}
	r.stored, err = loadUsage(ctx, tx, r.id)
	return err
}

func loadUsage(ctx context.Context, tx *sql.Tx, run int64) (u usage, err error) {
	err = tx.QueryRowContext(ctx, `SELECT image_bytes, images_dropped, differences_stored, differences_dropped
		FROM runs WHERE id = ?`, run).Scan(&u.imageBytes, &u.imagesDropped, &u.differences, &u.differencesDropped)
	return u, err
}

func (u usage) save(ctx context.Context, tx *sql.Tx, run int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE runs SET image_bytes = ?, images_dropped = ?, differences_stored = ?,
		differences_dropped = ? WHERE id = ?`, u.imageBytes, u.imagesDropped, u.differences, u.differencesDropped, run)
	return err
}

// Group returns the id that the runs of one check share: that of the first copy's.
func (r *Run) Group() int64 { return r.group }

// ID returns the run's id, which --run and the queries take.
func (r *Run) ID() int64 { return r.id }

// Trusted says what of earlier attempts was taken over so far.
func (r *Run) Trusted() Trust {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trust
	t.Refused = slices.Clone(t.Refused)
	return t
}

// Dropped returns how many differences are stored without values, because the row is too large or Options.MaxImageBytes or
// MaxImages was reached, and how many only as a number, because of Options.MaxDifferences. Repair cannot write those.
func (r *Run) Dropped() (images, differences int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored.imagesDropped, r.stored.differencesDropped
}

// closeTimeout bounds Close after the context was cancelled: Ctrl-C must end the process within two seconds.
const closeTimeout = 1500 * time.Millisecond

// Close stores the outcome and forces it to the disk. It works with a cancelled ctx too, for a bounded time. Tables of
// result that were not finished before are stored as well.
func (r *Run) Close(ctx context.Context, result checksum.Result) error {
	if ctx.Err() != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		ctx = bounded
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	next := r.stored
	err := r.l.inTx(ctx, "store the verdict", func(tx *sql.Tx) error {
		if err := r.storeTables(ctx, tx, result.Tables); err != nil {
			return err
		}
		if err := r.storeOutcome(ctx, tx, result); err != nil {
			return err
		}
		if err := next.save(ctx, tx, r.id); err != nil {
			return err
		}
		return prune(ctx, tx, r.id)
	})
	if err != nil {
		return err
	}
	r.stored, r.closed = next, true
	if _, err := r.l.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return classify(r.l.path, "force the verdict to the disk", err)
	}
	return nil
}

// storeTables makes the stored results those of the outcome: a resumed run may have left out tables of before.
func (r *Run) storeTables(ctx context.Context, tx *sql.Tx, list []checksum.TableResult) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM table_results WHERE table_id IN (SELECT id FROM tables WHERE run_id = ?)
		AND table_id NOT IN (SELECT t.id FROM tables t JOIN json_each(?) j ON j.value = t.name WHERE t.run_id = ?)`,
		r.id, tableNames(list), r.id)
	if err != nil {
		return err
	}
	for _, t := range list {
		if err := r.finish(ctx, tx, t); err != nil {
			return err
		}
	}
	return nil
}

func tableNames(list []checksum.TableResult) string {
	names := make([]string, 0, len(list))
	for _, t := range list {
		names = append(names, t.Table)
	}
	text, _ := json.Marshal(names) // strings always encode
	return string(text)
}

func (r *Run) storeOutcome(ctx context.Context, tx *sql.Tx, result checksum.Result) error {
	notes, err := json.Marshal(orEmptyList(result.Notes))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE runs SET finished = ?, verdict = ?, reason = ?, notes_json = ?, interrupted = ?,
		elapsed_ns = ?, first_chunk_ns = ?, repair_capped = ?, relation = ? WHERE id = ?`,
		timeText(r.l.opts.now()), result.Verdict.String(), result.Reason, string(notes), result.Interrupted,
		int64(result.Elapsed), int64(result.FirstChunk), result.RepairCapped, result.Relation, r.id)
	return err
}

// redact takes passwords out of DSNs and flags. crosscheck takes none there, but people try.
func redact(args []string) []string {
	out := make([]string, 0, len(args))
	for _, a := range args {
		a = passwordInURL.ReplaceAllString(a, "${1}***${2}")
		a = passwordFlag.ReplaceAllString(a, "${1}***")
		out = append(out, a)
	}
	return out
}

var (
	passwordInURL = regexp.MustCompile(`^((?:--?[\w-]+=)?(?:\w+://)?[^:/@]*:)(?:[^/].*|/[^/].*|/)(@(?:\w+\(|[^@/]*(?:/|$)))`)
	passwordFlag  = regexp.MustCompile(`^(--?(?:[\w-]*password[\w-]*|p)=).+`)
)

// tableOf returns a begun table, creating it for results of tables that nothing was read of.
func (r *Run) tableOf(ctx context.Context, tx *sql.Tx, name string) (tableState, error) {
	if t, ok := r.tables[name]; ok {
		return t, nil
	}
	var t tableState
	err := tx.QueryRowContext(ctx, `INSERT INTO tables (run_id, name, fingerprint) VALUES (?, ?, '')
		ON CONFLICT (run_id, name) DO UPDATE SET name = excluded.name RETURNING id`, r.id, name).Scan(&t.id)
	if err != nil {
		return t, fmt.Errorf("table %s: %w", name, err)
	}
	return t, nil
}
