package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"crosscheck/cluster"
	"crosscheck/conflict"
)

// oracle asks both servers which texts are equal under the collations of their columns: no library knows all of
// them, and an applier fails where its own server says so.
type oracle struct {
	busy bool
}

// maxQuestions bounds what is asked before the engine looks at its streams again. A question holds some hundred values.
const maxQuestions = 8

// ask sends what the detector wants to know.
func (e *engine) ask(ctx context.Context) {
	if e.oracle.busy {
		return
	}
	list := e.det.Pending(maxQuestions)
	if len(list) == 0 {
		return
	}
	e.oracle.busy = true
	e.spawn(ctx, func(ctx context.Context) func() {
		answers := make([]conflict.Answer, 0, len(list))
		var err error
		for i := range list {
			var a conflict.Answer
			if a, err = e.answer(ctx, &list[i]); err != nil {
				break
			}
			answers = append(answers, a)
		}
		return func() {
			e.oracle.busy = false
			e.det.Answer(answers...)
			if err != nil {
				e.opt.Log.Debug("questions about equal texts wait", "cause", err)
				return // asked again at the next tick: nothing is answered without both servers
			}
			e.ask(ctx)
		}
	})
}

// answer asks both servers.
func (e *engine) answer(ctx context.Context, q *conflict.Question) (conflict.Answer, error) {
	a := conflict.Answer{ID: q.ID}
	seen, unknown := map[[2]int]bool{}, 0
	for s, server := range e.servers {
		pairs, known, err := judge(ctx, server, conflict.Side(s), q)
		if err != nil {
			return a, err
		}
		if !known {
			unknown++
		}
		for _, p := range pairs {
			if !seen[p] {
				seen[p] = true
				a.Pairs = append(a.Pairs, p)
			}
		}
	}
	a.Unknown = unknown > 0 // the server that is not known may call them equal
	return a, nil
}

// judge asks one server which values are equal; known is false if it can judge none, such as with a collation that it
// lacks. An error means that it could not be asked now.
func judge(ctx context.Context, server *cluster.Server, s conflict.Side, q *conflict.Question) (pairs [][2]int, known bool, err error) {
	pairs, err = equalValues(ctx, server, s, q)
	if errors.Is(err, errOddName) || err != nil && cluster.ErrorNumber(err) != 0 && !cluster.IsTransient(err) {
		return nil, false, nil
	}
	return pairs, true, err
}

// errOddName is why a server is not asked whether texts are equal.
var errOddName = errors.New("the name of the charset or collation is none")

// equalValues has the server join old's values with new's. Parts that are compared by their bytes are compared here.
func equalValues(ctx context.Context, server *cluster.Server, s conflict.Side, q *conflict.Question) ([][2]int, error) {
	var exprs, on []string
	var texts []int
	for i, p := range q.Parts {
		charset, collation := p.Charset[s], p.Collation[s]
		if charset == "" || collation == "" || charset == "binary" {
			continue
		}
		// The names come from the server's own catalog; they are checked all the same before they go into a statement.
		if !plainName(charset) || !plainName(collation) {
			return nil, errOddName
		}
		texts = append(texts, i)
		exprs = append(exprs, fmt.Sprintf("CONVERT(? USING %s) COLLATE %s AS v%d", charset, collation, i))
		on = append(on, fmt.Sprintf("a.v%d = b.v%[1]d", i))
	}
	if len(texts) == 0 {
		return equalBytes(q, nil), nil
	}
	var sides [2]string
	var args []any
	for side, values := range q.Values {
		rows := make([]string, len(values))
		for i, v := range values {
			rows[i] = fmt.Sprintf("SELECT %d AS i, %s", i, strings.Join(exprs, ", "))
			for _, part := range texts {
				args = append(args, v[part])
			}
		}
		sides[side] = strings.Join(rows, " UNION ALL ")
	}
	// IS TRUE: by comparison, not by an index or a hash that the server would make for the join.
	query := "SELECT a.i, b.i FROM (" + sides[0] + ") a JOIN (" + sides[1] + ") b ON (" + strings.Join(on, " AND ") + ") IS TRUE"
	rows, err := server.DB().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, server.Explain("compare texts by their collation", err)
	}
	defer rows.Close()
	var out [][2]int
	for rows.Next() {
		var p [2]int
		if err = rows.Scan(&p[0], &p[1]); err != nil {
			return nil, server.Explain("compare texts by their collation", err)
		}
		out = append(out, p)
	}
	if err = rows.Err(); err != nil {
		return nil, server.Explain("compare texts by their collation", err)
	}
	return equalBytes(q, func(yield func([2]int)) {
		for _, p := range out {
			yield(p)
		}
	}, texts...), nil
}

// equalBytes keeps those of the pairs, nil: of all, whose parts other than the texts have equal bytes.
func equalBytes(q *conflict.Question, pairs func(yield func([2]int)), texts ...int) (out [][2]int) {
	text := make([]bool, len(q.Parts))
	for _, i := range texts {
		text[i] = true
	}
	keep := func(p [2]int) {
		a, b := q.Values[0][p[0]], q.Values[1][p[1]]
		for i := range q.Parts {
			if !text[i] && a[i] != b[i] {
				return
			}
		}
		out = append(out, p)
	}
	if pairs != nil {
		pairs(keep)
		return out
	}
	for i := range q.Values[0] {
		for j := range q.Values[1] {
			keep([2]int{i, j})
		}
	}
	return out
}

func plainName(s string) bool {
	for _, r := range s {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return s != ""
}
