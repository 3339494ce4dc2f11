package measure

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// errKillDenied is the answer to a KILL of another account's session without the right.
const errKillDenied = 1095

// RightError says that the account may not make a change, and which statement would let it.
type RightError struct {
	Label, Account string
	SQL            string // what was to be run
	Grant          string
}

func (e *RightError) Error() string {
	return fmt.Sprintf("%s: %s may not run %s; run on it: %s", e.Label, e.Account, e.SQL, e.Grant)
}

// rights are those that allow a statement, the narrowest first.
func rights(f cluster.Facts, st Statement) []string {
	kill := st.Session != nil
	switch {
	case f.IsMariaDB() && kill && f.AtLeast(10, 5, 2):
		return []string{"CONNECTION ADMIN", "SUPER"}
	case !f.IsMariaDB() && kill && f.AtLeast(8, 0, 0):
		return []string{"CONNECTION_ADMIN", "SUPER"}
	case !f.IsMariaDB() && f.AtLeast(8, 0, 0):
		return []string{"SYSTEM_VARIABLES_ADMIN", "SUPER"}
	}
	return []string{"SUPER"}
}

// refusedRight is what is missing where the server refuses a statement although the account has the right for it: the
// sessions of some accounts are protected.
func refusedRight(f cluster.Facts, st Statement) string {
	if st.Session != nil && !f.IsMariaDB() && f.AtLeast(8, 0, 16) {
		return "CONNECTION_ADMIN, SYSTEM_USER"
	}
	return rights(f, st)[0]
}

func denied(s *cluster.Server, st Statement, right string) error {
	f := s.Facts()
	user, host := f.Account, "%"
	if i := strings.LastIndex(f.Account, "@"); i >= 0 {
		user, host = f.Account[:i], f.Account[i+1:]
	}
	quote := func(t string) string { return "'" + strings.ReplaceAll(t, "'", "''") + "'" }
	return &RightError{
		Label: s.Label(), Account: f.Account, SQL: st.SQL,
		Grant: fmt.Sprintf("GRANT %s ON *.* TO %s@%s", right, quote(user), quote(host)),
	}
}

// allowed returns a *RightError if the account surely lacks the right, so that no side is changed when another cannot be.
func allowed(ctx context.Context, s *cluster.Server, conn *sql.Conn, st Statement) error {
	if st.Session != nil && ownAccount(s, st.Session.User) {
		return nil // one's own sessions may always be ended
	}
	const op = "read the account's privileges"
	lines, err := grantLines(ctx, conn, "SHOW GRANTS")
	if err != nil {
		return s.Explain(op, err)
	}
	if f := s.Facts(); !f.IsMariaDB() && f.AtLeast(8, 0, 0) {
		roles, err := grantLines(ctx, conn, "SELECT CURRENT_ROLE()")
		if err != nil {
			return s.Explain(op, err)
		}
		if len(roles) == 1 && roles[0] != "" && !strings.EqualFold(roles[0], "NONE") {
			if lines, err = grantLines(ctx, conn, "SHOW GRANTS FOR CURRENT_USER() USING "+roles[0]); err != nil {
				return s.Explain(op, err)
			}
		}
	}
	if holds(lines, rights(s.Facts(), st)) {
		return nil
	}
	return denied(s, st, rights(s.Facts(), st)[0])
}

func ownAccount(s *cluster.Server, user string) bool {
	return strings.HasPrefix(s.Facts().Account, user+"@")
}

var globalGrant = regexp.MustCompile(`^GRANT (.+) ON \*\.\* TO `)

// holds tells whether one of the rights is granted globally.
func holds(lines, want []string) bool {
	for _, line := range lines {
		m := globalGrant.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for p := range strings.SplitSeq(m[1], ",") {
			if p = strings.TrimSpace(p); p == "ALL PRIVILEGES" || slices.Contains(want, p) {
				return true
			}
		}
	}
	return false
}

// grantLines reads the first column.
func grantLines(ctx context.Context, conn *sql.Conn, q string) ([]string, error) {
	rows, err := conn.QueryContext(ctx, q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, rows.Err()
}
