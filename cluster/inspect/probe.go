package inspect

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// What a server answers to a name that it cannot take, by number.
const (
	errSyntax     = 1064
	errNoDatabase = 1046 // MySQL 8 and newer: looked for a stored function, and there is no schema to look in
	errNoFunction = 1305
)

// questions are what is worth asking a server about.
type questions struct {
	words      []string    // identifiers that some version reserves
	functions  []string    // that stored SQL calls
	constructs []Construct // of the language, that stored SQL uses
	triggers   []cluster.TableName
}

// questionsOf looks through what both sides hold.
func questionsOf(sides ...*Side) questions {
	names, calls, uses := map[string]bool{}, map[string]bool{}, map[Construct]bool{}
	triggers := map[cluster.TableName]bool{}
	for _, s := range sides {
		for i := range s.Tables {
			t := &s.Tables[i]
			names[t.Schema], names[t.Name] = true, true
			for _, c := range t.Columns {
				names[c.Name] = true
			}
			for _, sql := range tableSQL(t) {
				addCalls(calls, sql)
			}
		}
		for _, p := range s.Programs {
			names[p.Name] = true
			addCalls(calls, p.Body)
			for _, c := range Constructs(p.Body) {
				uses[c] = true
			}
			if p.Kind == Trigger {
				triggers[cluster.TableName{Schema: p.Schema, Name: p.Name}] = true
			}
		}
	}
	for _, s := range sides {
		for _, p := range s.Programs {
			if p.Kind == Function {
				delete(calls, strings.ToLower(p.Name))
			}
		}
	}
	var q questions
	for n := range names {
		if n = strings.ToLower(n); slices.Contains(everReserved(), n) {
			q.words = append(q.words, n)
		}
	}
	slices.Sort(q.words)
	q.words = slices.Compact(q.words)
	q.functions, q.constructs = slices.Sorted(maps.Keys(calls)), slices.Sorted(maps.Keys(uses))
	q.triggers = slices.SortedFunc(maps.Keys(triggers), func(a, b cluster.TableName) int {
		return strings.Compare(a.Schema+"\x00"+a.Name, b.Schema+"\x00"+b.Name)
	})
	return q
}

// tableSQL are the expressions that a table holds.
func tableSQL(t *Table) []string {
	var out []string
	for _, c := range t.Columns {
		out = append(out, c.GenerationExpr)
		if c.DefaultExpr && c.Default != nil {
			out = append(out, *c.Default)
		}
	}
	for _, k := range t.Keys {
		for _, p := range k.Parts {
			out = append(out, p.Expression)
		}
	}
	return append(out, t.PartitionBy...)
}

// call is a name before a parenthesis. What stands before it is looked at
// apart, because calls may be nested.
var call = regexp.MustCompile("(?i)`?([a-z_][a-z0-9_]*)`?\\s*\\(")

// Calls are the names in a text that are followed by a parenthesis, in lower
// case, without those that are qualified: these are stored functions. Words of
// the language, as IN, may be among them.
func Calls(text string) []string {
	var out []string
	text = withoutText(text)
	for _, m := range call.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > 0 && (strings.ContainsRune(".`$_@", rune(text[m[0]-1])) || text[m[0]-1] >= '0' && text[m[0]-1] <= '9') {
			continue
		}
		if n := strings.ToLower(text[m[2]:m[3]]); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func addCalls(into map[string]bool, text string) {
	for _, n := range Calls(text) {
		into[n] = true
	}
}

var quoted = regexp.MustCompile(`'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|/\*(?s:.*?)\*/|--[ \t][^\n]*|#[^\n]*`)

// withoutText blanks literals and comments, which may hold any word.
func withoutText(s string) string { return quoted.ReplaceAllString(s, "''") }

// Construct is a part of the SQL language that newer versions no longer read.
type Construct string

// The constructs that MySQL 8.0 gave up and MariaDB kept.
const (
	GroupByDirection Construct = "GROUP BY … ASC or DESC"
	QueryCacheHint   Construct = "SQL_CACHE"
	NullAsN          Construct = `\N`
)

// groupBy is the list of a GROUP BY with a direction in it; what follows a list
// ends it.
var (
	groupBy   = regexp.MustCompile(`(?is)\bgroup\s+by\b(.*?)(?:\bhaving\b|\border\s+by\b|\blimit\b|\bunion\b|\bprocedure\b|\binto\b|;|$)`)
	direction = regexp.MustCompile(`(?i)\b(?:asc|desc)\b`)
	sqlCache  = regexp.MustCompile(`(?i)\bselect\s+(?:\w+\s+)*?sql_cache\b`)
	nullAsN   = regexp.MustCompile(`\\N\b`)
)

// Constructs are those that a text uses.
func Constructs(text string) []Construct {
	var out []Construct
	text = withoutText(text)
	for _, m := range groupBy.FindAllStringSubmatch(text, -1) {
		if direction.MatchString(withoutParentheses(m[1])) {
			out = append(out, GroupByDirection)
			break
		}
	}
	if sqlCache.MatchString(text) {
		out = append(out, QueryCacheHint)
	}
	if nullAsN.MatchString(text) {
		out = append(out, NullAsN)
	}
	return out
}

// withoutParentheses cuts a list where the parenthesis closes that it stands in,
// and leaves out what stands in its own: an ORDER BY within an aggregate has a
// direction, too.
func withoutParentheses(s string) string {
	var b strings.Builder
	depth := 0
	for _, c := range s {
		switch {
		case c == '(':
			depth++
		case c == ')' && depth == 0:
			return b.String()
		case c == ')':
			depth--
		case depth == 0:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// probe asks the server itself, by preparing statements that are never run:
// surer than lists of versions, and true for forks and plugins.
func (r *reader) probe(ctx context.Context, ask questions) error {
	r.side.Reserved, r.side.Lacks, r.side.Grammar, r.side.Refuses = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[Construct]bool{}
	return r.attempt(ctx, "words and functions of the version", func(ctx context.Context) error {
		for _, w := range ask.words {
			switch n, err := r.prepare(ctx, "SELECT 1 AS "+w); {
			case n == errSyntax:
				r.side.Reserved[w] = true
			case err != nil:
				return err
			}
		}
		for _, f := range ask.functions {
			query := "SELECT " + f + "()"
			if f == "password" || f == "old_password" { // these were part of the grammar
				query = "SELECT " + f + "('')"
			}
			n, err := r.prepare(ctx, query)
			switch {
			case n == errNoFunction, n == errNoDatabase, n == errSyntax && query != "SELECT "+f+"()":
				r.side.Lacks[f] = true
			case n == errSyntax:
				r.side.Grammar[f] = true
			case err != nil && n == 0:
				return err
			}
		}
		for _, c := range ask.constructs {
			n, err := r.prepare(ctx, map[Construct]string{
				GroupByDirection: "SELECT a FROM (SELECT 1 AS a) AS t GROUP BY a ASC", QueryCacheHint: "SELECT SQL_CACHE 1", NullAsN: `SELECT \N`,
			}[c])
			switch {
			case n == errSyntax:
				r.side.Refuses[c] = true
			case err != nil:
				return err
			}
		}
		return nil
	})
}

// prepare returns the number of the server's refusal, or 0.
func (r *reader) prepare(ctx context.Context, query string) (uint16, error) {
	st, err := r.DB().PrepareContext(ctx, query)
	if err != nil {
		return cluster.ErrorNumber(err), err
	}
	defer st.Close() //nolint:errcheck // the answer is there; a broken connection shows with the next one
	return 0, nil
}

// everReserved are words that some version since MySQL 5.6 reserves and an
// earlier one, or one of the other family, does not.
func everReserved() []string {
	return []string{
		"array", "cube", "cume_dist", "current_role", "database", "delete_domain_id", "dense_rank", "do_domain_ids",
		"empty", "except", "external", "first_value", "function", "general", "generated", "get", "grouping", "groups",
		"ignore_domain_ids", "ignore_server_ids", "intersect", "io_after_gtids", "io_before_gtids", "json_table", "lag",
		"last_value", "lateral", "lead", "library", "manual", "master_demote_to_replica", "master_demote_to_slave",
		"master_heartbeat_period", "master_ssl_verify_server_cert", "member", "nth_value", "ntile", "of", "offset",
		"optimizer_costs", "option", "over", "page_checksum", "parallel", "parse_vcol_expr", "partition", "percent_rank",
		"portion", "qualify", "rank", "recursive", "ref_system_id", "returning", "row", "row_number", "rowid", "rows",
		"schema", "sets", "slow", "sql_after_gtids", "sql_before_gtids", "stats_auto_recalc", "stats_persistent",
		"stats_sample_pages", "stored", "system", "tablesample", "vector", "virtual", "window", "xor",
	}
}
