package measure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// guard is how far a server refuses writes.
type guard struct {
	readOnly bool
	super    bool // of accounts with SUPER, too
	noSuper  bool // the server has no super_read_only
	above
}

// above are the sessions that may write in spite of read_only, or why they are not known.
type above struct {
	sessions []gate.Session
	unseen   string
	grant    string // lets the account see them
}

func (g guard) shut() bool { return g.readOnly && g.super }

// readOnly measures the window. It goes on with the window of the evidence before, as long as nothing says that it was
// opened in between.
func (m *measurement) readOnly(ctx context.Context) (gate.Content, error) {
	first, err := guardOf(ctx, m.old)
	if err != nil {
		return nil, err
	}
	begin := m.now()
	out := gate.ReadOnly{}
	p, known, err := position(ctx, m.old)
	if err != nil {
		return nil, err
	}
	if first.shut() {
		if out.Since, err = m.shutSince(ctx, begin, p); err != nil {
			return nil, err
		}
		out.T1, out.OldT1 = m.windowStart(out.Since)
		if out.T1.IsZero() {
			out.T1, out.OldT1 = m.now(), exact(p)
		}
	}
	if known {
		if out.NewApplied, out.Extra, out.NewThrough, err = m.applied(ctx, p); err != nil {
			return nil, err
		}
	}
	// Old's position comes last, and its setting after it, so that what is said of the window holds to its end.
	if p, _, err = position(ctx, m.old); err != nil {
		return nil, err
	}
	out.OldT2 = exact(p)
	last, err := guardOf(ctx, m.old)
	if err != nil {
		return nil, err
	}
	out.ReadOnly = first.readOnly && last.readOnly
	out.SuperReadOnly = first.super && last.super
	out.NoSuper = last.noSuper
	for _, g := range []guard{first, last} {
		if !g.shut() {
			out.Above, out.AboveUnseen = g.sessions, g.unseen
			if g.grant != "" {
				out.AboveGrant = "on old: " + g.grant
			}
		}
	}
	if !first.shut() || !last.shut() {
		out.Since, out.T1, out.OldT1 = time.Time{}, time.Time{}, ""
	}
	return out, nil
}

// exact is a position as it is compared with another one: the place in the log moves when files change although nobody
// writes, so it counts only where it is all there is.
func exact(p gtid.Position) string {
	switch p.Kind {
	case gtid.MySQLGTID:
		return gtid.Position{Kind: gtid.MySQLGTID, MySQL: p.MySQL}.String()
	case gtid.MariaDBGTID:
		return gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: p.MariaDB}.String()
	case gtid.File:
		return gtid.Position{Kind: gtid.File, File: p.File}.String()
	case gtid.None:
	}
	return ""
}

func guardOf(ctx context.Context, s *cluster.Server) (guard, error) {
	v, err := variables(ctx, s, "read_only", "super_read_only")
	if err != nil {
		return guard{}, err
	}
	value := strings.ToUpper(v["read_only"])
	g := guard{readOnly: value != "" && value != "OFF" && value != "0"}
	if super, has := v["super_read_only"]; has {
		g.super = isOn(super)
		return g, nil
	}
	g.noSuper = true
	if value == "NO_LOCK_NO_ADMIN" { // newer MariaDB's word for it
		g.super = true
		return g, nil
	}
	if g.readOnly {
		g.above, err = whoIsAbove(ctx, s)
		g.super = err == nil && len(g.sessions) == 0 && g.unseen == ""
	}
	return g, err
}

// whoIsAbove finds the sessions that may write in spite of read_only, on servers that have no super_read_only.
func whoIsAbove(ctx context.Context, s *cluster.Server) (above, error) {
	all, err := seesAll(ctx, s)
	if err != nil {
		return above{}, err
	}
	if !all {
		return above{unseen: "the account cannot see other accounts' sessions, for want of PROCESS", grant: s.Grant("PROCESS")}, nil
	}
	scope, err := s.VisibleScope(ctx)
	if err != nil {
		return above{}, err
	}
	if !scope.Global {
		return above{unseen: "the account cannot see other accounts' privileges, for want of SELECT on *.*", grant: s.Grant("SELECT")}, nil
	}
	const op = "read who may write in spite of read_only"
	grants, err := query(ctx, s.DB(), "SELECT GRANTEE AS grantee FROM information_schema.USER_PRIVILEGES "+
		"WHERE PRIVILEGE_TYPE IN ('SUPER', 'READ_ONLY ADMIN', 'READ ONLY ADMIN')")
	if err != nil {
		return above{}, s.Explain(op, err)
	}
	roles, err := optional(ctx, s, op, "SELECT User AS user, Role AS role FROM mysql.roles_mapping")
	if err != nil {
		return above{}, err
	}
	may := holders(grants, roles)
	sessions, err := s.Sessions(ctx)
	if err != nil {
		return above{}, err
	}
	var out above
	for _, c := range sessions {
		if replicaCommand(c.Command) {
			continue // it only fetches the log, and would come back
		}
		if may[c.User] || may[""] || may["PUBLIC"] {
			out.sessions = append(out.sessions, session(c))
		}
	}
	return out, nil
}

// holders are the names of users that hold a privilege, by themselves or by a role.
func holders(grants, roles []row) map[string]bool {
	out := map[string]bool{}
	for _, g := range grants {
		// 'user'@'host', and for a role 'role'@'' or 'role'.
		name := g["grantee"]
		if i := strings.LastIndex(name, "@'"); i >= 0 {
			name = name[:i]
		}
		out[strings.ReplaceAll(strings.Trim(name, "'"), "''", "'")] = true
	}
	for again := true; again; {
		again = false
		for _, r := range roles {
			if out[r["role"]] && !out[r["user"]] {
				out[r["user"]], again = true, true
			}
		}
	}
	return out
}

// applied is how far new has applied old's log, in the form of old's position, what new has besides, and through where new's
// log was read for that without finding anything.
func (m *measurement) applied(ctx context.Context, p gtid.Position) (applied, extra, through string, err error) {
	if m.r.Plan.Path == plan.GTIDConverter && p.Kind == gtid.File {
		applied, extra, err = m.appliedOverChain(ctx, p)
		return applied, extra, "", err
	}
	q, known, err := position(ctx, m.new)
	if err != nil || !known {
		return "", "", "", err
	}
	switch {
	case p.Kind == gtid.MySQLGTID:
		if more := q.MySQL.Subtract(p.MySQL).Subtract(m.settled(nodeNew).pos.MySQL); !more.IsEmpty() {
			extra = more.String()
		}
		return gtid.Position{Kind: gtid.MySQLGTID, MySQL: q.MySQL.Intersect(p.MySQL)}.String(), extra, "", nil
	case p.Kind == gtid.MariaDBGTID && q.Kind == gtid.MariaDBGTID:
		came, readErr := slavePos(ctx, m.new)
		if readErr != nil {
			return "", "", "", readErr
		}
		applied, extra = appliedMaria(p.MariaDB, q.MariaDB, came, m.settled(nodeNew).pos.MariaDB)
		return applied, extra, "", nil
	}
	extra, ok, err := m.writtenOn(ctx, node{nodeNew, m.new}, q)
	if err != nil {
		return "", "", "", err
	}
	// What the application wrote after its switch was not looked at: should it go back, new has it and old has not.
	if _, confirmed := m.word(gate.KindWritesSwitch); ok && extra == "" && !confirmed {
		through = q.String()
	}
	hops, err := m.forward(ctx)
	if err != nil || len(hops) == 0 || !ok { // what else new has is not known, so how it compares is not, either
		return "", extra, through, err
	}
	applied, err = appliedFile(ctx, hops[0], p)
	return applied, extra, through, err
}

// slavePos is what a MariaDB's appliers came to, whatever it wrote in the same domains itself; zero where it does not tell.
func slavePos(ctx context.Context, s *cluster.Server) (gtid.MariaPos, error) {
	list, err := optional(ctx, s, "read gtid_slave_pos", "SELECT @@global.gtid_slave_pos AS pos")
	if err != nil || len(list) != 1 {
		return gtid.MariaPos{}, err
	}
	p, err := gtid.ParseMariaPos(list[0]["pos"])
	if err != nil {
		return gtid.MariaPos{}, s.Explain("read gtid_slave_pos", err)
	}
	return p, nil
}

// appliedMaria compares domain by domain: what came by replication, where that is old's last, else what new has. What new had in a
// domain when the check that counts began is no more to be explained.
func appliedMaria(old, has, came, settled gtid.MariaPos) (applied, extra string) {
	var out []gtid.MariaGTID
	var more []string
	for _, d := range old.Domains() {
		last, _ := old.Last(d)
		g, ok := has.Last(d)
		if c, arrived := came.Last(d); arrived && c == last {
			if s, known := settled.Last(d); ok && g != last && g.Seq <= last.Seq && (!known || s.Seq < g.Seq) {
				more = append(more, g.String()) // new's own, by a number that old used as well
			}
			g, ok = c, true
		}
		if ok {
			out = append(out, g)
		}
	}
	for _, gap := range old.Missing(has) {
		if g, ok := settled.Last(gap.Domain); !ok || g.Seq < gap.Upto {
			more = append(more, gap.String())
		}
	}
	for i, text := range more {
		more[i] = strings.TrimSuffix(text, " missing")
	}
	return gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: gtid.MariaPosOf(out...)}.String(), strings.Join(more, ", ")
}

// appliedTimeout covers the second that a place must rest before it counts as committed.
const appliedTimeout = 3 * time.Second

// appliedFile is the applier's place in its source's log. Where the place is reached but not known to be committed, it is
// not known.
func appliedFile(ctx context.Context, h hop, p gtid.Position) (string, error) {
	done, err := reaches(ctx, h.link, p, appliedTimeout)
	if err != nil {
		return "", err
	}
	if !h.link.Direct() {
		return "", nil
	}
	c, err := h.link.Channel(ctx)
	var gone *cluster.FenceError
	if errors.As(err, &gone) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !done && c.Exec == p.File {
		return "", nil
	}
	return gtid.Position{Kind: gtid.File, File: c.Exec}.String(), nil
}

// appliedOverChain goes by old's log as far as the converter, and by the converter's GTIDs from there.
func (m *measurement) appliedOverChain(ctx context.Context, p gtid.Position) (applied, extra string, err error) {
	hops, err := m.forward(ctx)
	if err != nil || len(hops) != 2 {
		return "", "", err
	}
	if applied, err = appliedFile(ctx, hops[0], p); err != nil || applied == "" {
		return "", "", err
	}
	c, known, err := position(ctx, m.conv)
	if err != nil || !known {
		return "", "", err
	}
	if _, err = reaches(ctx, hops[1].link, c, echoTimeout); err != nil {
		return "", "", err
	}
	q, known, err := position(ctx, m.new)
	if err != nil || !known {
		return "", "", err
	}
	if missing := c.MySQL.Subtract(q.MySQL); !missing.IsEmpty() {
		applied += " without " + missing.String()
	}
	var parts []string
	if more := q.MySQL.Subtract(c.MySQL).Subtract(m.settled(nodeNew).pos.MySQL); !more.IsEmpty() {
		parts = append(parts, more.String())
	}
	// The converter gives its own number to what it converts, so its own writes are told by their server id.
	own, ok, err := m.writtenOn(ctx, node{nodeConverter, m.conv}, c)
	if err != nil {
		return "", "", err
	}
	if !ok {
		return "", strings.Join(parts, "; "), nil
	}
	if own != "" {
		parts = append(parts, own)
	}
	return applied, strings.Join(parts, "; "), nil
}

// settled is where a node stood when the newest check began that found all that the plan names the same; zero if there is none:
// whatever was written on new, or on the way to it, before that has done no harm. A check that found differences says the
// contrary. None knows where a converter stands: there, it is the last look before it.
func (m *measurement) settled(name string) settledAt {
	var check gate.Evidence
	for _, e := range m.earlier {
		if e.Kind() == gate.KindCheck && gate.Proves(m.r.Plan, e, m.earlier) {
			check = e
		}
	}
	if check.Content == nil {
		return settledAt{}
	}
	out := settledAt{pos: at(check, name), began: check.From}
	if !out.pos.IsZero() {
		return out
	}
	for _, e := range m.earlier {
		if p := at(e, name); !p.IsZero() && !e.Taken.After(check.From) {
			out.pos = p
		}
	}
	return out
}

// settledAt is where a node stood when a check began.
type settledAt struct {
	pos   gtid.Position
	began time.Time
}

// writtenOn says what a node has written itself since it was seen first, or since the newest full check that found all the
// same; of new, since where an earlier look at its log ended that found nothing. What is left of the
// log is short then, and holds no anonymous transactions once new has GTIDs: a server does not send those any more. ok is
// false if what was written cannot be known.
func (m *measurement) writtenOn(ctx context.Context, n node, now gtid.Position) (text string, ok bool, err error) {
	var base gtid.Position
	if _, confirmed := m.word(gate.KindWritesSwitch); confirmed && n.name == nodeNew {
		return "", true, nil // they are the application's
	}
	settled := m.settled(n.name)
	for _, e := range m.earlier {
		if p := at(e, n.name); !p.IsZero() && base.IsZero() {
			base = p
			if !settled.pos.IsZero() {
				base = settled.pos
			}
		}
		if c, isWindow := e.Content.(gate.ReadOnly); isWindow && n.name == nodeNew && c.NewThrough != "" && !e.Taken.Before(settled.began) {
			if base, err = gtid.ParsePosition(c.NewThrough); err != nil {
				return "", false, nil //nolint:nilerr // what was stored cannot be read: then it is not known
			}
		}
	}
	if base.IsZero() {
		return "", true, nil // nothing is claimed of the time before anybody looked: that is the check's
	}
	if now.Kind == gtid.File && base.Kind == gtid.MySQLGTID { // gtid_mode was turned down since
		base = gtid.Position{Kind: gtid.File, File: base.File}
	}
	count, known, err := ownWrites(ctx, n.server, base, now)
	if err != nil || !known || count == 0 {
		return "", known, err
	}
	return fmt.Sprintf("%d written on %s itself after %s", count, n.name, exact(base)), true, nil
}
