package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoroutinesAreGuarded finds each goroutine of the product's code and wants fault.Guard deferred at its top, since a
// panic's exit code would be taken for a verdict.
func TestGoroutinesAreGuarded(t *testing.T) {
	found := 0
	for dir, files := range sources(t) {
		bodies := map[string]*ast.BlockStmt{}
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					bodies[fn.Name.Name] = fn.Body
				}
			}
		}
		for path, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				body, ok := goroutine(n, bodies)
				if !ok {
					return true
				}
				found++
				if !guarded(body) {
					t.Errorf("%s: in %s a goroutine begins without \"defer fault.Guard()\"", path, dir)
				}
				return true
			})
		}
	}
	if found < 20 {
		t.Errorf("only %d goroutines found: the search is broken", found)
	}
}

func sources(t *testing.T) map[string]map[string]*ast.File {
	out := map[string]map[string]*ast.File{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		dir := filepath.Dir(path)
		if out[dir] == nil {
			out[dir] = map[string]*ast.File{}
		}
		out[dir][path] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// goroutine returns the body that a go statement, or a call of some group's Go, runs. It is nil if it is not seen.
func goroutine(n ast.Node, bodies map[string]*ast.BlockStmt) (body *ast.BlockStmt, ok bool) {
	var fn ast.Expr
	switch n := n.(type) {
	case *ast.GoStmt:
		fn = n.Call.Fun
	case *ast.CallExpr:
		sel, isSelector := n.Fun.(*ast.SelectorExpr)
		if !isSelector || sel.Sel.Name != "Go" || len(n.Args) != 1 {
			return nil, false
		}
		fn = n.Args[0]
	default:
		return nil, false
	}
	switch fn := fn.(type) {
	case *ast.FuncLit:
		return fn.Body, true
	case *ast.Ident:
		return bodies[fn.Name], true
	case *ast.SelectorExpr:
		return bodies[fn.Sel.Name], true
	}
	return nil, true
}

// guarded tells whether a body begins with "defer fault.Guard()".
func guarded(body *ast.BlockStmt) bool {
	if body == nil || len(body.List) == 0 {
		return false
	}
	d, ok := body.List[0].(*ast.DeferStmt)
	if !ok {
		return false
	}
	sel, ok := d.Call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == "fault" && sel.Sel.Name == "Guard"
}
