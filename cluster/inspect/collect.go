package inspect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// Options bound a Collect.
type Options struct {
	Filter cluster.Filter // tables to look at; zero: all
	Log    *slog.Logger   // nil: silent
	Nodes  []NodeServer   // of the two clusters, besides the pair
	// Without are parts that the caller has no use for, of Accounts, Grants and TimeZones: they are not read, and not known.
	Without []string
}

// Collect asks both servers and changes nothing on them. What cannot be found
// out, for want of a privilege or otherwise, is in the sides' Missing, Unknown
// and Hidden; an error means that a server could not be asked at all. It is a
// *cluster.ServerError or the context's. A node besides the two that cannot be
// asked says so itself.
func Collect(ctx context.Context, oldSide, newSide *cluster.Server, opt Options) (Pair, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	pair := Pair{Taken: time.Now().UTC()}
	nonce := newNonce()
	readers := []*reader{
		{Server: oldSide, side: &pair.Old, filter: folded(opt.Filter, oldSide), log: opt.Log, nonce: nonce, without: opt.Without},
		{Server: newSide, side: &pair.New, filter: folded(opt.Filter, newSide), log: opt.Log, nonce: nonce, without: opt.Without},
	}
	if err := onBoth(ctx, readers, (*reader).readFirst); err != nil {
		return Pair{}, err
	}
	if err := relate(ctx, readers, &pair); err != nil {
		return Pair{}, err
	}
	nodes := nodeReaders(opt, &pair, readers[0], readers[1])
	if err := readNodes(ctx, nodes, (*nodeReader).begin); err != nil {
		return Pair{}, err
	}
	if err := onBoth(ctx, readers, (*reader).readRest); err != nil {
		return Pair{}, err
	}
	if err := readNodes(ctx, nodes, func(n *nodeReader, ctx context.Context) error { return n.readRest(ctx) }); err != nil {
		return Pair{}, err
	}
	all := slices.Clone(readers)
	for _, n := range nodes {
		all = append(all, n.reader)
	}
	limit(all)
	ask := questionsOf(&pair.Old, &pair.New)
	for _, r := range readers {
		if err := r.probe(ctx, ask); err != nil {
			return Pair{}, err
		}
		if err := r.findTriggers(ctx, ask.triggers); err != nil {
			return Pair{}, err
		}
	}
	var err error
	pair.Clock, err = compareClocks(ctx, readers)
	return pair, err
}

func folded(f cluster.Filter, s *cluster.Server) cluster.Filter {
	return f.FoldCase(s.Facts().LowerCaseTableNames != 0)
}

// limit leaves out the schemas that none of the chosen tables is in, on either
// side, with their routines and events.
func limit(readers []*reader) {
	chosen := map[string]bool{}
	for _, r := range readers {
		for i := range r.side.Tables {
			chosen[strings.ToLower(r.side.Tables[i].Schema)] = true
		}
	}
	for _, r := range readers {
		out := func(schema string) bool {
			// No table has an empty name: what matches it matches the whole schema.
			return !chosen[strings.ToLower(schema)] && !r.filter.Match(schema, "")
		}
		r.side.Schemas = slices.DeleteFunc(r.side.Schemas, func(s Schema) bool { return out(s.Name) })
		r.side.Programs = slices.DeleteFunc(r.side.Programs, func(p Program) bool { return out(p.Schema) })
	}
}

// reader fills one side.
type reader struct {
	*cluster.Server
	side    *Side
	filter  cluster.Filter
	log     *slog.Logger
	nonce   string // of this collection: digests of logins mean nothing in another one
	without []string
}

// onBoth asks both servers at the same time.
func onBoth(ctx context.Context, readers []*reader, read func(*reader, context.Context) error) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, r := range readers {
		g.Go(func() error {
			defer fault.Guard()
			return read(r, gctx)
		})
	}
	return g.Wait()
}

// readFirst reads what the rest depends on.
func (r *reader) readFirst(ctx context.Context) error {
	s := r.side
	s.Label, s.Addr, s.Facts = r.Label(), r.Config().Addr, r.Facts()
	var err error
	if s.Variables, err = r.Variables(ctx); err != nil {
		return err
	}
	return r.attempt(ctx, "privileges", r.readPrivileges)
}

func (r *reader) readRest(ctx context.Context) error {
	for _, step := range []struct {
		what string
		read func(context.Context) error
	}{
		{"which variables were set", r.readSet},
		{"schemas", r.readSchemas},
		{"tables", r.readTables},
		{"tables that are not chosen", r.readAside},
		{"partitions", r.readSchemes},
		{"foreign keys", r.readForeignKeys},
		{"triggers", r.readTriggers},
		{"events", r.readEvents},
		{"event scheduler", r.readQueue},
		{"routines", r.readRoutines},
		{"views", r.readViews},
		{"checks", r.readChecks},
		{Accounts, r.readAccounts},
		{"names of privileges", r.readPrivilegeNames},
		{TimeZones, r.readZones},
		{"authentication plugins", r.readPlugins},
		{"replication channels", r.readChannels},
		{"filters of the binary log", r.readBinlogFilters},
		{"replication filters", r.readGlobalFilters},
		{"free space", r.readFree},
	} {
		if slices.Contains(r.without, step.what) {
			continue
		}
		if err := r.attempt(ctx, step.what, step.read); err != nil {
			return err
		}
	}
	return nil
}

// attempt runs one step. That the server does not tell is a gap and not an
// error, unless the server is gone, or we are.
func (r *reader) attempt(ctx context.Context, what string, read func(context.Context) error) error {
	err := read(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || cluster.IsTransient(err) || cluster.IsServerChanged(err) {
		return r.Explain("look at the "+what, err)
	}
	gap := Gap{What: what, Why: r.Explain("look at the "+what, err).Error()}
	var want *cluster.PrivilegeError
	if errors.As(err, &want) {
		gap.Grant = want.Grant
	}
	r.log.Debug("not found out", "side", r.side.Label, "what", what, "error", err)
	r.side.Unknown = append(r.side.Unknown, gap)
	return nil
}

// each runs a query and gives scan each row.
func (r *reader) each(ctx context.Context, query string, scan func(*sql.Rows) error) error {
	rows, err := r.DB().QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// strings reads a query's first column.
func (r *reader) strings(ctx context.Context, query string) ([]string, error) {
	var out []string
	err := r.each(ctx, query, func(rows *sql.Rows) error {
		var s sql.NullString
		err := rows.Scan(&s)
		out = append(out, s.String)
		return err
	})
	return out, err
}

func (r *reader) readPrivileges(ctx context.Context) error {
	need := []cluster.Privilege{
		cluster.PrivSelectAll, cluster.PrivReplicationClient, cluster.PrivReplicationSlave, cluster.PrivReplicaMonitor, cluster.PrivProcess,
	}
	grants := map[string]bool{}
	for _, p := range need {
		err := r.CheckPrivileges(ctx, p)
		var want *cluster.PrivilegeError
		switch {
		case errors.As(err, &want):
			// On older servers two of these are one and the same privilege.
			if !grants[want.Grant] {
				r.side.Missing = append(r.side.Missing, Missing{Privilege: p, Grant: want.Grant})
			}
			grants[want.Grant] = true
		case err != nil:
			return err
		}
	}
	var err error
	r.side.Scope, err = r.VisibleScope(ctx)
	return err
}

// holds tells whether the account has a global privilege by itself. Roles do
// not count: then the lists are read all the same, and said to be incomplete.
func (r *reader) holds(ctx context.Context, privilege string) (bool, error) {
	user, host := cutAccount(r.side.Facts.Account)
	list, err := r.strings(ctx, fmt.Sprintf("SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s AND PRIVILEGE_TYPE = %s",
		quote("'"+user+"'@'"+host+"'"), quote(privilege)))
	return len(list) > 0, err
}

// cutAccount splits user@host behind the last @.
func cutAccount(account string) (user, host string) {
	i := strings.LastIndex(account, "@")
	if i < 0 {
		return account, ""
	}
	return account[:i], account[i+1:]
}

// quote writes a string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// hide notes that a list may be incomplete.
func (r *reader) hide(what, privilege string) {
	user, host := cutAccount(r.side.Facts.Account)
	r.side.Hidden = append(r.side.Hidden, Gap{
		What: what, Why: "the account lacks " + privilege,
		Grant: fmt.Sprintf("GRANT %s ON *.* TO %s@%s", privilege, quote(user), quote(host)),
	})
}

// readSet learns which variables somebody set.
func (r *reader) readSet(ctx context.Context) error {
	query := "SELECT VARIABLE_NAME FROM performance_schema.variables_info WHERE VARIABLE_SOURCE <> 'COMPILED'"
	switch f := r.side.Facts; {
	case f.IsMariaDB() && f.AtLeast(10, 1, 0):
		query = "SELECT VARIABLE_NAME FROM information_schema.SYSTEM_VARIABLES WHERE GLOBAL_VALUE_ORIGIN NOT IN ('COMPILE-TIME', 'AUTO')"
	case f.IsMariaDB() || !f.AtLeast(8, 0, 0):
		return nil
	}
	names, err := r.strings(ctx, query)
	if err != nil {
		if cluster.IsPermission(err) { // only makes a text more exact
			return nil
		}
		return err
	}
	r.side.Set, r.side.SetKnown = map[string]bool{}, true
	for _, n := range names {
		r.side.Set[strings.ToLower(n)] = true
	}
	return nil
}
