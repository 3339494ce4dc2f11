package cluster

import (
	"context"
	"slices"
)

// anyTable is a name that no table has. Who may read a schema as a whole is told that it does not exist, others that
// they may not.
const anyTable = "crosscheck asks if it may read tables of any name"

// Hidden returns the include patterns that may name tables which the account cannot see, with a statement that lets it
// see them: a server's lists leave out what the account has no privilege on. A pattern of one table is not among them,
// for that table can be asked for by its name.
func (s *Server) Hidden(ctx context.Context, f Filter, scope Scope) (patterns []string, grant string, err error) {
	if scope.Complete() {
		return nil, "", nil
	}
	for _, p := range f.include {
		shown, err := s.shows(ctx, f, p, scope)
		if err != nil {
			return nil, "", err
		}
		if shown {
			continue
		}
		patterns = append(patterns, p.text)
		if schema, ok := p.schema.literal(); ok && grant == "" {
			grant = "GRANT SELECT ON " + Quote(schema) + ".* TO " + quoteAccount(s.facts.Account)
		}
	}
	if grant == "" && len(patterns) > 0 {
		grant = grantStatement("SELECT", s.facts.Account)
	}
	return patterns, grant, nil
}

// shows tells whether the account sees all tables that a pattern may name.
func (s *Server) shows(ctx context.Context, f Filter, p pattern, scope Scope) (bool, error) {
	schema, one := p.schema.literal()
	if _, exact := p.table.literal(); one && exact && !f.fold {
		return true, nil
	}
	if scope.Global {
		return !slices.ContainsFunc(scope.Revoked, func(r string) bool { return p.schema.match(r, f.fold) }), nil
	}
	if !one {
		return false, nil
	}
	return s.ReadsSchema(ctx, schema)
}

// ReadsSchema tells whether the account may read all tables of a schema. Grants do not tell: of several patterns that
// name a schema only one counts.
func (s *Server) ReadsSchema(ctx context.Context, schema string) (bool, error) {
	access, err := s.TableAccess(ctx, schema, anyTable)
	return access == AccessMissing || access == AccessReadable, err
}
