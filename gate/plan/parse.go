package plan

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Error is a mistake in a plan. Its text is one line: "line 3, column 8: …".
type Error struct {
	Line, Column int // from 1; 0: the plan as a whole
	Text         string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Text
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// document is the file as TOML has it. Durations are texts, so that their mistakes get our words.
type document struct {
	Path        string             `toml:"path"`
	Old         docNode            `toml:"old"`
	New         docNode            `toml:"new"`
	Converter   *docNode           `toml:"converter"`
	Tables      docTables          `toml:"tables"`
	Ages        map[string]string  `toml:"max_evidence_age"`
	Limits      map[string]string  `toml:"limits"`
	Accept      []docAccept        `toml:"accept"`
	Hooks       map[string]docHook `toml:"hooks"`
	Application docApplication     `toml:"application"`
	Rehearsal   docRehearsal       `toml:"rehearsal"`
	Acknowledge []docAcknowledge   `toml:"acknowledge"`
	Replaced    []docReplaced      `toml:"replaced"`
	Rolling     *docRolling        `toml:"rolling"`
}

type (
	docNode struct {
		DSN        string   `toml:"dsn"`
		Replicas   []string `toml:"replicas"`
		ServerUUID string   `toml:"server_uuid"`
	}
	docTables struct {
		Include []string `toml:"include"`
		Exclude []string `toml:"exclude"`
	}
	docAccept struct {
		Name   string `toml:"name"`
		Reason string `toml:"reason"`
	}
	docHook struct {
		Command []string `toml:"command"`
		Timeout string   `toml:"timeout"`
		Veto    bool     `toml:"veto"`
	}
	docApplication struct {
		Accounts []string `toml:"accounts"`
	}
	docRolling struct {
		ReadsFor string `toml:"reads_for"`
	}
	docRehearsal struct {
		Keys []string `toml:"keys"`
	}
	docReplaced struct {
		Node       string `toml:"node"`
		ServerUUID string `toml:"server_uuid"`
		By         string `toml:"by"`
		At         string `toml:"at"`
		Proof      string `toml:"proof"`
		Lost       string `toml:"lost"`
		Reason     string `toml:"reason"`
	}
	docAcknowledge struct {
		ID     string `toml:"id"`
		By     string `toml:"by"`
		Reason string `toml:"reason"`
	}
)

// Parse reads a plan. Errors are of type *Error.
func Parse(text []byte) (Plan, error) {
	var doc document
	if err := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields().Decode(&doc); err != nil {
		return Plan{}, tomlError(err, text)
	}
	r := reader{doc: doc, places: places(text)}
	p := r.plan()
	if r.err != nil {
		return Plan{}, r.err
	}
	return p, nil
}

// tomlError turns an error of the library into one line.
func tomlError(err error, text []byte) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		row, col := first.Position()
		key := strings.Join(first.Key(), ".")
		if pos, ok := places(text)[key]; ok {
			row, col = pos.Line, pos.Column
		}
		msg := fmt.Sprintf("there is no key %q in a plan", key)
		if near := nearest(key); near != "" {
			msg += fmt.Sprintf("; write %q", near)
		}
		return &Error{Line: row, Column: col, Text: msg}
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, col := bad.Position()
		msg := strings.TrimPrefix(bad.Error(), "toml: ")
		if pos, ok := places(text)[strings.Join(bad.Key(), ".")]; ok && row == 0 {
			row, col = pos.Line, pos.Column
		}
		return &Error{Line: row, Column: col, Text: strings.Join(strings.Fields(msg), " ")}
	}
	return &Error{Text: strings.Join(strings.Fields(err.Error()), " ")}
}

// known are the keys of a plan, for suggestions.
func known() []string {
	out := []string{
		"path", "old", "old.dsn", "old.replicas", "old.server_uuid", "new", "new.dsn", "new.replicas", "new.server_uuid", "converter", "converter.dsn",
		"converter.server_uuid", "tables", "tables.include", "tables.exclude", "max_evidence_age", "limits", "accept",
		"accept.name", "accept.reason", "hooks", "application", "application.accounts", "rehearsal", "rehearsal.keys", "rolling", "rolling.reads_for",
		"acknowledge", "acknowledge.id", "acknowledge.by", "acknowledge.reason",
		"replaced", "replaced.node", "replaced.server_uuid", "replaced.by", "replaced.at", "replaced.proof", "replaced.lost", "replaced.reason",
	}
	return out
}

// nearest is the known key that a wrong one most likely meant, or "".
func nearest(key string) string {
	best, least := "", 3
	for _, k := range known() {
		if d := distance(key, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of single-character edits between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// places maps dotted keys to where they stand. Elements of arrays of tables are numbered: "accept.0.name".
func places(text []byte) map[string]unstable.Position {
	out := make(map[string]unstable.Position)
	var p unstable.Parser
	p.Reset(text)
	prefix, counts := "", map[string]int{}
	for p.NextExpression() {
		e := p.Expression()
		var key []string
		var at unstable.Position
		for it := e.Key(); it.Next(); {
			n := it.Node()
			if len(key) == 0 {
				at = p.Shape(n.Raw).Start
			}
			key = append(key, string(n.Data))
		}
		name := strings.Join(key, ".")
		switch e.Kind {
		case unstable.Table:
			prefix = name + "."
			out[name] = at
		case unstable.ArrayTable:
			out[fmt.Sprintf("%s.%d", name, counts[name])] = at
			prefix = fmt.Sprintf("%s.%d.", name, counts[name])
			counts[name]++
		case unstable.KeyValue:
			out[prefix+name] = at
		default:
		}
	}
	return out
}

// reader turns a document into a plan; the first mistake stays.
type reader struct {
	doc    document
	places map[string]unstable.Position
	err    *Error
}

// bad reports a mistake at a key, or where the key's table stands if the key is missing.
func (r *reader) bad(key, format string, args ...any) {
	if r.err != nil {
		return
	}
	r.err = &Error{Text: fmt.Sprintf(format, args...)}
	for k := key; k != ""; {
		if at, ok := r.places[k]; ok {
			r.err.Line, r.err.Column = at.Line, at.Column
			return
		}
		i := strings.LastIndexByte(k, '.')
		k = k[:max(i, 0)]
	}
	r.err.Line, r.err.Column = 1, 1
}

func (r *reader) plan() Plan {
	d := r.doc
	p := Plan{Path: Path(d.Path), Ages: DefaultAges(), Limits: DefaultLimits()}
	if !slices.Contains(Paths(), p.Path) {
		if d.Path == "" {
			r.bad("path", "no path: write path = %q, %q, %q or %q", DualWrite, GTIDRestart, GTIDConverter, RollingUpgrade)
		}
		r.bad("path", "path %q is unknown: write %q, %q, %q or %q", d.Path, DualWrite, GTIDRestart, GTIDConverter, RollingUpgrade)
	}
	p.Old, p.New = r.node("old", d.Old), r.node("new", d.New)
	r.replicas(&p)
	r.rolling(&p)
	if p.Old.ServerUUID != "" && p.Old.ServerUUID == p.New.ServerUUID {
		r.bad("new.server_uuid", "old and new are the same server: write the server_uuid of each")
	}
	r.converter(&p)
	p.Include, p.Exclude = r.globs("tables.include", d.Tables.Include), r.globs("tables.exclude", d.Tables.Exclude)
	r.ages(&p.Ages)
	r.limits(&p.Limits)
	r.accept(&p)
	r.hooks(&p)
	for _, a := range d.Application.Accounts {
		if !strings.Contains(a, "@") || strings.HasPrefix(a, "@") || strings.HasSuffix(a, "@") {
			r.bad("application.accounts", "account %q: write user@host, with %% for any text, such as \"app@%%\"", a)
		}
	}
	p.Accounts = d.Application.Accounts
	r.keys(&p)
	r.replaced(&p)
	return p
}

func (r *reader) converter(p *Plan) {
	switch given := r.doc.Converter; {
	case given == nil && p.Path == GTIDConverter:
		r.bad("path", "the path %s needs its node in the middle: add [converter] with dsn", GTIDConverter)
	case given != nil && p.Path != GTIDConverter:
		r.bad("converter", "only the path %s has a converter: remove [converter] or change path", GTIDConverter)
	case given != nil && len(given.Replicas) > 0:
		r.bad("converter.replicas", "a converter has no replicas in a plan: write them under [old] or [new]")
	case given != nil:
		n := r.node("converter", *given)
		p.Converter = &n
	}
}

// node reads one server. Errors never repeat the DSN: it may hold a password.
func (r *reader) node(label string, d docNode) Node {
	key := label + ".dsn"
	if d.DSN == "" {
		r.bad(key, "no dsn of %s: write [%s] with dsn = \"@%s\" (a group of the option file) or \"user@tcp(host:port)/\"", label, label, label)
		return Node{}
	}
	r.address(key, "dsn of "+label, label, d.DSN)
	return Node(d)
}

// address refuses what is no address, or one with a password. Errors never repeat it.
func (r *reader) address(key, what, label, dsn string) {
	if strings.ContainsFunc(dsn, func(c rune) bool { return c < ' ' }) {
		r.bad(key, "%s holds a control character", what)
	}
	if hasPassword(dsn) {
		r.bad(key, "%s holds a password: remove it, and name a group of an option file (\"@%s\") or set CROSSCHECK_%s_PASSWORD", what, label, strings.ToUpper(label))
	} else if !dsnForm.MatchString(dsn) {
		r.bad(key, "%s is not understood: write \"@%s\", \"user@tcp(host:port)/\" or \"mysql://user@host:port/\"", what, label)
	}
}

// replicas reads the other nodes of both clusters. Each address stands once.
func (r *reader) replicas(p *Plan) {
	where := map[string]string{p.Old.DSN: "the dsn of old", p.New.DSN: "the dsn of new"}
	for _, side := range []struct {
		label string
		list  []string
	}{{"old", p.Old.Replicas}, {"new", p.New.Replicas}} {
		key := side.label + ".replicas"
		for i, dsn := range side.list {
			what := fmt.Sprintf("replica %d of %s", i+1, side.label)
			r.address(key, what, side.label, dsn)
			if first, twice := where[dsn]; twice {
				r.bad(key, "%s is %s, too: write each node once", what, first)
			}
			where[dsn] = what
		}
	}
}

// rolling reads that the nodes of old are upgraded one after another.
func (r *reader) rolling(p *Plan) {
	d := r.doc.Rolling
	switch {
	case d == nil:
		return
	case p.Path != RollingUpgrade:
		r.bad("rolling", "only the path %s upgrades node by node: remove [rolling] or change path", RollingUpgrade)
	case len(p.Old.Replicas) == 0:
		r.bad("rolling", "[rolling] upgrades the replicas of old after new: write them under [old] replicas, in the order in which they are upgraded, or remove [rolling]")
	}
	p.Rolling = &Rolling{ReadsFor: DefaultReadsFor}
	if d.ReadsFor != "" {
		r.durations("rolling", map[string]string{"reads_for": d.ReadsFor}, map[string]*time.Duration{"reads_for": &p.Rolling.ReadsFor})
	}
}

// replaced reads the nodes that were replaced: plan replace-node writes them.
func (r *reader) replaced(p *Plan) {
	for i, d := range r.doc.Replaced {
		key := fmt.Sprintf("replaced.%d", i)
		at, err := time.Parse(time.RFC3339, d.At)
		if err != nil {
			r.bad(key+".at", "replaced: at is no moment: write it as 2026-01-31T12:00:00Z")
		}
		if d.Node == "" || d.By == "" {
			r.bad(key, "replaced: node and by are needed: crosscheck plan replace-node writes them")
		}
		p.Replaced = append(p.Replaced, Replaced{d.Node, d.ServerUUID, d.By, at, d.Proof, d.Lost, d.Reason})
	}
}

var dsnForm = regexp.MustCompile(`^(@[^\s@]+|[^\s@]+@(tcp|unix)\([^()\s]+\)/\S*|mysql://[^\s]+)$`)

// hasPassword tells whether an address holds a password. It rather sees one too many.
func hasPassword(dsn string) bool {
	if strings.HasPrefix(dsn, "@") {
		return false
	}
	if q := strings.ToLower(dsn[strings.IndexByte(dsn, '?')+1:]); strings.Contains(q, "password=") || strings.Contains(q, "passwd=") || strings.Contains(q, "pwd=") {
		return true
	}
	if rest, ok := strings.CutPrefix(dsn, "mysql://"); ok {
		if u, err := url.Parse(dsn); err == nil && u.User != nil {
			_, given := u.User.Password()
			return given
		}
		rest = rest[:strings.LastIndexByte(rest, '@')+1]
		return strings.Contains(rest, ":")
	}
	return strings.Contains(dsn[:max(strings.LastIndexByte(dsn, '@'), 0)], ":")
}

func (r *reader) globs(key string, list []string) []string {
	for _, g := range list {
		if _, err := path.Match(g, "a.b"); err != nil || strings.Count(g, ".") != 1 || strings.HasPrefix(g, ".") || strings.HasSuffix(g, ".") {
			r.bad(key, "table %q: write schema.table, with * for any text, such as \"shop.*\"", g)
		}
	}
	return list
}

// ErrTooLong is a duration that is right but for its length.
var ErrTooLong = errors.New("that is too long: no more than 1000000h (114 years) can be counted")

// Duration reads a duration such as 90s or 1h30m. Of one that nobody lives to see it says so.
func Duration(text string) (time.Duration, error) {
	const longest = 1_000_000 * time.Hour
	v, err := time.ParseDuration(text)
	// What a duration of as many digits as small ones says, only its numbers make wrong.
	if err != nil {
		digits := regexp.MustCompile(`[0-9]+`)
		if small, serr := time.ParseDuration(digits.ReplaceAllString(text, "1")); serr == nil && small > 0 {
			return 0, ErrTooLong
		}
		return 0, err
	}
	if v > longest {
		return 0, ErrTooLong
	}
	return v, nil
}

// durations reads a table of durations into the fields that it names.
func (r *reader) durations(table string, given map[string]string, fields map[string]*time.Duration) {
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		key := table + "." + name
		field, ok := fields[name]
		if !ok {
			r.bad(key, "there is no key %q in a plan: write one of %s", key, strings.Join(fieldNames(fields), ", "))
			continue
		}
		v, err := Duration(given[name])
		if errors.Is(err, ErrTooLong) {
			r.bad(key, "%s = %q: %v", name, given[name], err)
			continue
		}
		if err != nil || v <= 0 {
			r.bad(key, "%s = %q is no duration above zero: write such as \"90s\", \"10m\" or \"24h\"", name, given[name])
			continue
		}
		*field = v
	}
}

func fieldNames(fields map[string]*time.Duration) []string {
	out := make([]string, 0, len(fields))
	for name := range fields {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (r *reader) ages(a *Ages) {
	r.durations("max_evidence_age", r.doc.Ages, map[string]*time.Duration{
		"check": &a.Check, "watch": &a.Watch, "preflight": &a.Preflight, "state": &a.State, "health": &a.Health,
		"restored_copy": &a.RestoredCopy, "rehearsal": &a.Rehearsal,
	})
}

func (r *reader) limits(l *Limits) {
	r.durations("limits", r.doc.Limits, map[string]*time.Duration{
		"max_lag": &l.MaxLag, "watch_period": &l.WatchPeriod, "quiet_period": &l.QuietPeriod, "duration": &l.Duration,
		"read_only_window": &l.ReadOnlyWindow,
	})
}

func (r *reader) accept(p *Plan) {
	for i, a := range r.doc.Accept {
		key := fmt.Sprintf("accept.%d", i)
		if a.Name == "" {
			r.bad(key+".name", "an accepted finding needs its name: write name = \"id\" or \"id:object\" as preflight shows it")
		}
		if strings.TrimSpace(a.Reason) == "" {
			r.bad(key+".reason", "accepting %q needs a reason: write reason = \"why it does no harm\"", a.Name)
		}
		p.Accept = append(p.Accept, Accepted(a))
	}
	for i, a := range r.doc.Acknowledge {
		key := fmt.Sprintf("acknowledge.%d", i)
		if !slices.Contains(Acknowledgeable(), a.ID) {
			r.bad(key+".id", "%q cannot be acknowledged: write one of %s", a.ID, strings.Join(Acknowledgeable(), ", "))
		}
		if strings.TrimSpace(a.By) == "" || strings.TrimSpace(a.Reason) == "" {
			r.bad(key, "acknowledging %q needs who and why: write by = \"name\" and reason = \"why\"", a.ID)
		}
		p.Acknowledge = append(p.Acknowledge, Acknowledgement(a))
	}
}

func (r *reader) hooks(p *Plan) {
	names := make([]string, 0, len(r.doc.Hooks))
	for name := range r.doc.Hooks {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h, key := r.doc.Hooks[name], "hooks."+name
		if !slices.Contains(p.Gates(), name) {
			r.bad(key, "the path %s has no gate %q: write one of %s", p.Path, name, strings.Join(p.Gates(), ", "))
		}
		if len(h.Command) == 0 || h.Command[0] == "" {
			r.bad(key+".command", "the hook of %s has no command: write command = [\"program\", \"argument\"]", name)
		}
		timeout := DefaultHookTimeout
		if h.Timeout != "" {
			r.durations(key, map[string]string{"timeout": h.Timeout}, map[string]*time.Duration{"timeout": &timeout})
		}
		if p.Hooks == nil {
			p.Hooks = make(map[string]Hook)
		}
		p.Hooks[name] = Hook{Command: h.Command, Timeout: timeout, Veto: h.Veto}
	}
}

func (r *reader) keys(p *Plan) {
	for _, k := range r.doc.Rehearsal.Keys {
		if !strings.HasPrefix(k, "SHA256:") || len(k) < len("SHA256:")+40 {
			r.bad("rehearsal.keys", "%q is no fingerprint of a key: write SHA256:… as keygen printed it", k)
		}
	}
	p.RehearsalKeys = r.doc.Rehearsal.Keys
}
