package watch

import (
	"context"
	"fmt"
	"strings"

	"crosscheck/cluster"
	"crosscheck/conflict"
)

// oracle asks both servers whether texts are equal under the collations of their columns: no library knows all of
// them, and an applier fails where its own server says so.
type oracle struct {
	busy bool
}

// maxQuestions bounds one statement.
const maxQuestions = 64

// ask sends what the detector wants to know.
func (e *engine) ask(ctx context.Context) {
	if e.oracle.busy {
		return
	}
	list := e.det.Pending()
	if len(list) == 0 {
		return
	}
	list = list[:min(len(list), maxQuestions)]
	e.oracle.busy = true
	e.spawn(ctx, func(ctx context.Context) func() {
		var verdicts [2][]conflict.Equality
		var err error
		for s, server := range e.servers {
			var one []conflict.Equality
			if one, err = judge(ctx, server, conflict.Side(s), list); err != nil {
				break
			}
			verdicts[s] = one
		}
		return func() {
			e.oracle.busy = false
			if err != nil {
				e.opt.Log.Debug("questions about equal texts wait", "cause", err)
				return // asked again at the next tick: nothing is answered without both servers
			}
			for i, q := range list {
				e.det.Answer(conflict.Answer{ID: q.ID, Old: verdicts[conflict.Old][i], New: verdicts[conflict.New][i]})
			}
		}
	})
}

// judge asks one server. An error means that it could not be asked now; what it cannot judge at all is Unknown.
func judge(ctx context.Context, server *cluster.Server, s conflict.Side, list []conflict.Question) ([]conflict.Equality, error) {
	out, err := judgeAll(ctx, server, s, list)
	if err == nil || cluster.ErrorNumber(err) == 0 || cluster.IsTransient(err) {
		return out, err
	}
	if len(list) == 1 {
		return []conflict.Equality{conflict.Unknown}, nil
	}
	// One of them is beyond this server, such as a collation that it lacks: find out which.
	out = make([]conflict.Equality, len(list))
	for i := range list {
		one, err := judge(ctx, server, s, list[i:i+1])
		if err != nil {
			return nil, err
		}
		out[i] = one[0]
	}
	return out, nil
}

func judgeAll(ctx context.Context, server *cluster.Server, s conflict.Side, list []conflict.Question) ([]conflict.Equality, error) {
	exprs := make([]string, len(list))
	var args []any
	for i, q := range list {
		parts := make([]string, 0, len(q.Parts))
		for _, p := range q.Parts {
			expr, values := equality(p, s)
			parts = append(parts, expr)
			args = append(args, values...)
		}
		exprs[i] = "(" + strings.Join(parts, " AND ") + ")"
	}
	found := make([]int, len(list))
	into := make([]any, len(list))
	for i := range found {
		into[i] = &found[i]
	}
	err := server.DB().QueryRowContext(ctx, "SELECT "+strings.Join(exprs, ", "), args...).Scan(into...)
	if err != nil {
		return nil, server.Explain("compare texts by their collation", err)
	}
	out := make([]conflict.Equality, len(list))
	for i, n := range found {
		out[i] = conflict.Different
		if n != 0 {
			out[i] = conflict.Equal
		}
	}
	return out, nil
}

// equality is an expression that is 1 where the two values of a key's part are equal on the side's server, else 0.
func equality(p conflict.QuestionPart, s conflict.Side) (expr string, args []any) {
	charset, collation := p.Charset[s], p.Collation[s]
	if charset == "" || collation == "" || charset == "binary" {
		if p.A == p.B {
			return "1", nil
		}
		return "0", nil
	}
	// The names come from the server's own catalog; they are checked all the same before they go into a statement.
	if !plainName(charset) || !plainName(collation) {
		return "0", nil
	}
	one := fmt.Sprintf("CONVERT(? USING %s) COLLATE %s", charset, collation)
	return "(" + one + " = " + one + ")", []any{p.A, p.B}
}

func plainName(s string) bool {
	for _, r := range s {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return s != ""
}
