package plan

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Facts are what the two servers told, from which Write makes a plan.
type Facts struct {
	Path      Path
	Old, New  NodeFacts
	Converter *NodeFacts // of the gtid-converter path; nil there: a placeholder is written
	Tables    []TableFacts
	Accounts  []string // accounts "user@host" seen in the application's sessions
	// Findings are preflight's, worst first. They are written as comments: to accept one is a decision.
	Findings []FindingFacts
	// Missing are notes of what could not be found out or is not there yet, one line each.
	Missing []string
}

// NodeFacts is one server. DSN must not hold a password.
type NodeFacts struct {
	DSN, ServerUUID, Version string
	Replicas                 []ReplicaFacts // of old and new
}

// ReplicaFacts is another node of a cluster.
type ReplicaFacts struct {
	DSN string // without a password; "" of one that was found and not reached, which is written as a comment
	// About says what it is: its version, and how it was found.
	About string
}

// TableFacts is a table with the server's estimates.
type TableFacts struct {
	Name  string // "schema.table"
	Rows  int64
	Bytes int64
	// Missing says what the table lacks, such as "not on new"; "" if nothing.
	Missing string
}

// FindingFacts is one finding of a preflight.
type FindingFacts struct {
	Name, Severity, Found string
}

// tablesListed bounds the tables written as comments; the largest are.
const tablesListed = 200

// Write writes a commented plan. Parse reads it again. Errors are those of w, and of facts that make no plan.
func Write(w io.Writer, f Facts) error {
	var b strings.Builder
	b.WriteString("# Plan of a migration, for crosscheck. It never holds a password.\n\n")
	b.WriteString("# One of: dual-write, gtid-restart, gtid-converter, rolling-upgrade.\n")
	fmt.Fprintf(&b, "path = %s\n# Gates: %s\n\n", quote(string(f.Path)), strings.Join(f.Path.Gates(), " → "))
	writeMissing(&b, f.Missing)
	writeNode(&b, "old", f.Old)
	writeNode(&b, "new", f.New)
	if f.Path == GTIDConverter {
		node := NodeFacts{DSN: "@converter"}
		if f.Converter != nil {
			node = *f.Converter
		}
		writeNode(&b, "converter", node)
	}
	writeTables(&b, f.Tables)
	writeThresholds(&b)
	b.WriteString("# Accounts of the application, user@host with % for any text. old is drained when none of them has a session there.\n[application]\n")
	fmt.Fprintf(&b, "accounts = %s\n", list(f.Accounts))
	if len(f.Accounts) == 0 {
		b.WriteString("# accounts = [\"app@%\"]  # missing: no session of an application was seen\n")
	}
	b.WriteString("\n")
	writeFindings(&b, f.Findings)
	writeExamples(&b, f.Path)
	if _, err := Parse([]byte(b.String())); err != nil {
		return fmt.Errorf("write plan: the facts make no valid plan: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}

func writeMissing(b *strings.Builder, missing []string) {
	if len(missing) == 0 {
		return
	}
	b.WriteString("# Missing, as far as the servers told:\n")
	for _, m := range missing {
		fmt.Fprintf(b, "#   - %s\n", comment(m))
	}
	b.WriteString("\n")
}

func writeNode(b *strings.Builder, label string, n NodeFacts) {
	fmt.Fprintf(b, "[%s]\n", label)
	if n.Version != "" {
		fmt.Fprintf(b, "# %s\n", comment(n.Version))
	}
	fmt.Fprintf(b, "dsn = %s\n", quote(n.DSN))
	if label != "converter" {
		writeReplicas(b, n.Replicas)
	}
	if n.ServerUUID == "" {
		b.WriteString("# server_uuid = \"…\"  # missing: the plan is not bound to one server\n\n")
		return
	}
	fmt.Fprintf(b, "server_uuid = %s  # evidence from another server does not count\n\n", quote(n.ServerUUID))
}

// writeReplicas writes the other nodes of a cluster, a line each.
func writeReplicas(b *strings.Builder, nodes []ReplicaFacts) {
	var known, lost []ReplicaFacts
	for _, n := range nodes {
		if n.DSN == "" {
			lost = append(lost, n)
		} else {
			known = append(known, n)
		}
	}
	if len(known) == 0 {
		b.WriteString("replicas = []")
	} else {
		b.WriteString("replicas = [\n")
		for _, n := range known {
			fmt.Fprintf(b, "  %s,  # %s\n", quote(n.DSN), comment(n.About))
		}
		b.WriteString("]")
	}
	b.WriteString("  # the other nodes of this cluster\n")
	for _, n := range lost {
		fmt.Fprintf(b, "# missing among the replicas: %s\n", comment(n.About))
	}
}

func writeTables(b *strings.Builder, tables []TableFacts) {
	tables = slices.Clone(tables)
	slices.SortFunc(tables, func(x, y TableFacts) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), strings.Compare(x.Name, y.Name))
	})
	var schemas []string
	var bytes int64
	for _, t := range tables {
		schema, _, _ := strings.Cut(t.Name, ".")
		schemas = append(schemas, escapeGlob(schema)+".*")
		bytes += t.Bytes
	}
	slices.Sort(schemas)
	schemas = slices.Compact(schemas)
	fmt.Fprintf(b, "# %d tables, about %s. Without include: all tables.\n[tables]\ninclude = %s\nexclude = []\n",
		len(tables), size(bytes), list(schemas))
	for i, t := range tables {
		if i == tablesListed {
			fmt.Fprintf(b, "#   … and %d smaller ones\n", len(tables)-i)
			break
		}
		fmt.Fprintf(b, "#   %-40s about %d rows, %s", comment(t.Name), t.Rows, size(t.Bytes))
		if t.Missing != "" {
			fmt.Fprintf(b, ", missing: %s", comment(t.Missing))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// escapeGlob keeps a schema's own characters from being read as a pattern.
func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

func writeThresholds(b *strings.Builder) {
	a, l := DefaultAges(), DefaultLimits()
	b.WriteString("# How old evidence may be. These are the defaults.\n[max_evidence_age]\n")
	for _, line := range []struct {
		key  string
		v    time.Duration
		note string
	}{
		{"check", a.Check, "full check; a watch that follows it keeps it fresh"},
		{"watch", a.Watch, "status of a watch"},
		{"preflight", a.Preflight, "preflight, parity of schema and configuration"},
		{"state", a.State, "replication, steps, sessions, GTID modes"},
		{"health", a.Health, "health of new"},
		{"restored_copy", a.RestoredCopy, "check of a restored copy"},
		{"rehearsal", a.Rehearsal, "certificate of a rehearsal"},
	} {
		fmt.Fprintf(b, "%s = %q  # %s\n", line.key, line.v.String(), line.note)
	}
	b.WriteString("\n[limits]\n")
	for _, line := range []struct {
		key  string
		v    time.Duration
		note string
	}{
		{"max_lag", l.MaxLag, "the replica may be behind by this much"},
		{"watch_period", l.WatchPeriod, "health of new is judged over at least this long"},
		{"quiet_period", l.QuietPeriod, "no collision, no write on old, for this long"},
		{"duration", l.Duration, "of the whole migration: binary logs must be kept as long"},
		{"read_only_window", l.ReadOnlyWindow, "the longest time without writes"},
	} {
		fmt.Fprintf(b, "%s = %q  # %s\n", line.key, line.v.String(), line.note)
	}
	b.WriteString("\n")
}

func writeFindings(b *strings.Builder, findings []FindingFacts) {
	if len(findings) == 0 {
		return
	}
	b.WriteString("# Findings of preflight. Mend them, or accept them by removing the # and giving a reason.\n")
	for _, f := range findings {
		fmt.Fprintf(b, "# %s: %s\n# [[accept]]\n# name = %s\n# reason = \"\"\n", comment(f.Severity), comment(f.Found), quote(f.Name))
	}
	b.WriteString("\n")
}

func writeExamples(b *strings.Builder, path Path) {
	gates := path.Gates()
	if len(gates) < 2 {
		return
	}
	fmt.Fprintf(b, "# A command that is run before a gate opens; with veto it opens only if the command exits with 0.\n"+
		"# [hooks.%s]\n# command = [\"/usr/local/bin/may-we\"]\n# timeout = %q\n# veto = true\n", gates[1], DefaultHookTimeout.String())
	if path == RollingUpgrade {
		b.WriteString("\n# Fingerprints of the keys that may sign a rehearsal's certificate.\n[rehearsal]\nkeys = []\n")
		b.WriteString("\n# The replicas of old are upgraded one after another, in their order: new first, old last.\n" +
			"# [rolling]\n# reads_for = \"24h0m0s\"  # the application reads from each of them for this long before the next one's turn\n")
	}
}

// quote is a TOML string in one line.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\u%04X", c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func list(items []string) string {
	quoted := make([]string, 0, len(items))
	for _, s := range items {
		quoted = append(quoted, quote(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// comment is text that cannot end a comment.
func comment(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}

func size(bytes int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	v, i := float64(bytes), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return strconv.FormatFloat(v, 'f', min(i, 1), 64) + " " + units[i]
}
