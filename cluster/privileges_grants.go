package cluster

import (
	"slices"
	"strings"
)

// grants is what SHOW GRANTS said.
type grants struct {
	global  map[string]bool
	schemas map[string]map[string]bool // by pattern as granted
	tables  map[string]map[string]bool // by FullName
	revoked map[string]map[string]bool // partial revokes, by schema
}

const allPrivileges = "ALL PRIVILEGES"

// parseGrants reads the lines of SHOW GRANTS; those that grant roles, routines
// or PROXY say nothing about reading and are passed over.
func parseGrants(lines []string) *grants {
	g := &grants{
		global: map[string]bool{}, schemas: map[string]map[string]bool{},
		tables: map[string]map[string]bool{}, revoked: map[string]map[string]bool{},
	}
	for _, line := range lines {
		verb, rest, ok := strings.Cut(line, " ")
		if !ok {
			continue
		}
		privileges, object, ok := splitGrant(rest)
		if !ok {
			continue
		}
		schema, table, ok := grantObject(object)
		if !ok {
			continue
		}
		for _, p := range privileges {
			switch {
			case strings.EqualFold(verb, "REVOKE"):
				mark(g.revoked, schema, p)
			case !strings.EqualFold(verb, "GRANT"):
			case schema == all:
				g.global[p] = true
			case table == all:
				mark(g.schemas, schema, p)
			default:
				mark(g.tables, FullName(schema, table), p)
			}
		}
	}
	return g
}

func mark(m map[string]map[string]bool, key, privilege string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][privilege] = true
}

// ofColumns marks a privilege that was granted on single columns.
const ofColumns = " OF COLUMNS"

// splitGrant takes "p1, p2 (c1, c2) ON object TO …" apart. Of a list of columns
// only remains that there was one.
func splitGrant(s string) (privileges []string, object string, ok bool) {
	var word strings.Builder
	flush := func() {
		if p := strings.ToUpper(strings.Join(strings.Fields(word.String()), " ")); p != "" {
			privileges = append(privileges, p)
		}
		word.Reset()
	}
	var quote byte
	depth := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '`' || c == '\'' || c == '"':
			quote = c
		case c == '(':
			if depth == 0 {
				word.WriteString(ofColumns)
			}
			depth++
		case c == ')':
			depth--
		case depth > 0:
		case c == ',':
			flush()
		case strings.HasPrefix(s[i:], " ON "):
			flush()
			return privileges, s[i+len(" ON "):], true
		default:
			word.WriteByte(c)
		}
	}
	return nil, "", false // a role: "GRANT `role`@`%` TO …"
}

// all is what grantName returns for a bare *; a quoted one is a name.
const all = ""

// grantObject reads "*.*", "`schema`.*" or "`schema`.`table`" at the head of s.
func grantObject(s string) (schema, table string, ok bool) {
	s = strings.TrimPrefix(s, "TABLE ")
	for _, other := range []string{"FUNCTION ", "PROCEDURE ", "PACKAGE "} {
		if strings.HasPrefix(s, other) {
			return "", "", false
		}
	}
	schema, s, ok = grantName(s)
	if !ok || !strings.HasPrefix(s, ".") {
		return "", "", false
	}
	table, _, ok = grantName(s[1:])
	return schema, table, ok
}

func grantName(s string) (name, rest string, ok bool) {
	if strings.HasPrefix(s, "*") {
		return all, s[1:], true
	}
	if s == "" || (s[0] != '`' && s[0] != '"') {
		// Unquoted: PROXY grants and the like, which are 'user'@'host'.
		i := strings.IndexAny(s, ". ")
		if i <= 0 || s[0] == '\'' {
			return "", "", false
		}
		return s[:i], s[i:], true
	}
	q := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != q {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == q {
			b.WriteByte(q)
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

// has tells whether the privilege is there, under any of the names that it has
// had.
func (g *grants) has(p Privilege, f Facts) bool {
	any := func(names ...string) bool {
		return g.global[allPrivileges] || slices.ContainsFunc(names, func(n string) bool { return g.global[n] })
	}
	switch p {
	case PrivSelect:
		s := g.scope()
		return s.Global || len(s.Schemas)+len(s.Tables)+len(s.Partial) > 0
	case PrivSelectAll:
		return g.scope().Complete()
	case PrivReplicationClient:
		return any("REPLICATION CLIENT", "BINLOG MONITOR", "SUPER")
	case PrivReplicaMonitor:
		if f.hasReplicaMonitor() {
			return any("SLAVE MONITOR", "REPLICA MONITOR")
		}
		return any("REPLICATION CLIENT", "BINLOG MONITOR", "SUPER")
	case PrivReplicationMaster:
		if f.hasReplicationMaster() {
			return any("REPLICATION MASTER ADMIN", "REPLICATION SOURCE ADMIN")
		}
		return any("REPLICATION SLAVE", "REPLICATION REPLICA")
	case PrivReplicationSlave:
		return any("REPLICATION SLAVE", "REPLICATION REPLICA")
	case PrivProcess:
		return any("PROCESS")
	case PrivPerformanceSchema:
		const ps = "performance_schema"
		if reads(g.global) {
			return !reads(g.revoked[ps])
		}
		return reads(g.schemas[ps]) || reads(g.schemas[`performance\_schema`])
	}
	return any(strings.ToUpper(string(p)))
}

func reads(privileges map[string]bool) bool { return privileges["SELECT"] || privileges[allPrivileges] }

func (g *grants) scope() Scope {
	s := Scope{Global: reads(g.global)}
	itself := func(schema string) string { return schema }
	collect := func(m map[string]map[string]bool, schemaOf func(string) string) []string {
		var out []string
		for name, p := range m {
			schema := schemaOf(name)
			if reads(p) && !isSystemSchema(strings.ReplaceAll(schema, `\`, "")) {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	if s.Global {
		// The server's own schemas are not compared, so nothing is lost there.
		s.Revoked = collect(g.revoked, itself)
		return s
	}
	s.Schemas = collect(g.schemas, itself)
	s.Tables = collect(g.tables, func(full string) string {
		schema, _, _ := SplitFullName(full)
		return schema
	})
	for name, p := range g.tables {
		if p["SELECT"+ofColumns] && !reads(p) {
			s.Partial = append(s.Partial, name)
		}
	}
	slices.Sort(s.Partial)
	return s
}
