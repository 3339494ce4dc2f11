package arch

import (
	"fmt"
	"slices"
	"strings"
)

const module = "crosscheck"

// layer is a package, or with a trailing "/..." a package and all below it, and what it may import of this module.
type layer struct {
	path string
	may  []string
	// only restricts may's reach the other way round: nothing but these layers (and tests, where inTests is set) may
	// import this one. Empty: anybody whose own list allows it.
	only    []string
	inTests bool
	// pure layers do no I/O: they may not import what opens files, sockets or servers.
	pure bool
}

// layers are the rules, from the top down. A package that none of them names fails the test: whoever adds it decides
// where it belongs.
func layers() []layer {
	const fault, file = "internal/fault", "internal/file"
	cluster := []string{"cluster/...", fault}
	checksum := []string{"checksum/..."} // only its door, the package checksum itself, is open to others
	return []layer{
		{
			path: "cmd/...", only: []string{"cmd/..."},
			may: []string{
				"cmd/...", "report/...", "gate/...", "conflict/...", "checksum", "chunker", "cluster/...", "fixtures/...",
				"internal/ledger", fault, file,
			},
		},
		{path: "internal/bench/...", only: []string{"internal/bench/..."}, may: []string{"internal/bench/...", "fixtures/...", fault}},
		{path: fault},
		{path: file},
		{path: "internal/arch", only: []string{"internal/arch"}},
		{path: "docs", only: []string{"docs"}}, // the test of the documents
		{path: "internal/ledger", only: []string{"cmd/..."}, may: append([]string{"checksum", "conflict/...", "gate/...", "chunker"}, cluster...)},
		{path: "report/...", only: []string{"cmd/...", "report/..."}, may: []string{"report/...", "checksum", "conflict/...", "gate/...", fault}},
		{path: "gate/preflight", may: []string{"cluster", "cluster/inspect"}, pure: true}, // their types only
		// The I/O around the gates; before the rule of the pure ones.
		{path: "gate/measure", only: []string{"cmd/..."}, may: append([]string{"gate", "gate/plan", "gate/preflight"}, cluster...)},
		{path: "gate/...", may: []string{"gate/...", "checksum", "conflict/..."}, pure: true},
		{path: "checksum", may: append([]string{"checksum/...", "chunker"}, cluster...)},
		{path: "checksum/prove", only: checksum, may: append([]string{"checksum/diff", "checksum/read", "checksum/plan", "checksum/packet", "chunker"}, cluster...)},
		{path: "checksum/diff", only: checksum, may: []string{"checksum/plan", "checksum/packet", "cluster", "cluster/binlog", "cluster/rowstream"}},
		{path: "checksum/read", only: checksum, may: []string{"checksum/plan", "checksum/packet", "chunker", "cluster", "cluster/rowstream"}},
		{path: "checksum/plan", only: checksum, may: []string{"checksum/packet", "chunker", "cluster", "cluster/binlog", "cluster/onerow", "cluster/rowstream"}, pure: true},
		{path: "checksum/packet", only: checksum, may: []string{"cluster/rowstream"}, pure: true},
		{path: "conflict/...", may: append([]string{"conflict/..."}, cluster...)},
		{path: "chunker", may: cluster[:1], pure: true},
		{path: "cluster", may: []string{"cluster/gtid", "cluster/rowstream", fault, file}},
		{path: "cluster/topology", may: []string{"cluster", "cluster/gtid", fault}},
		{path: "cluster/inspect", may: []string{"cluster", "cluster/gtid", fault}},
		{path: "cluster/binlog", may: []string{"cluster", "cluster/gtid", "cluster/rowstream", fault}},
		{path: "cluster/onerow", may: []string{"cluster/binlog"}, pure: true},
		{path: "cluster/gtid", pure: true},
		{path: "cluster/rowstream"},
		{path: "fixtures/...", only: []string{"cmd/...", "internal/bench/...", "fixtures/..."}, inTests: true, may: []string{"fixtures/...", fault}},
	}
}

// ioPackages are what a pure layer must not import.
func ioPackages() []string {
	return []string{"database/sql", "net", "net/http", "os", "os/exec", "os/signal", "path/filepath", "syscall"}
}

// pkg is a package with its imports, as "go list -json" tells them.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// violations says which imports break the rules, one line each.
func violations(rules []layer, pkgs []pkg) []string {
	var out []string
	for _, p := range pkgs {
		path, ours := local(p.ImportPath)
		from, ok := find(rules, path)
		if !ours || !ok {
			out = append(out, fmt.Sprintf("%s belongs to no layer: add it to the rules", p.ImportPath))
			continue
		}
		out = append(out, check(rules, from, path, p.Imports, false)...)
		out = append(out, check(rules, from, path, slices.Concat(p.TestImports, p.XTestImports), true)...)
	}
	return out
}

// check judges the imports of one package, or those of its tests, which may do I/O and may use what is open to tests.
func check(rules []layer, from layer, path string, imports []string, test bool) []string {
	var out []string
	for _, imp := range imports {
		to, ours := local(imp)
		if !ours {
			if !test && from.pure && slices.Contains(ioPackages(), imp) {
				out = append(out, fmt.Sprintf("%s imports %s: it is pure and does no I/O", path, imp))
			}
			continue
		}
		if to == path {
			continue // a test of the package from outside
		}
		target, ok := find(rules, to)
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("%s imports %s, which belongs to no layer", path, to))
		case test && target.inTests:
		case !matchAny(from.may, to):
			out = append(out, fmt.Sprintf("%s imports %s: it may import only [%s]", path, to, strings.Join(from.may, " ")))
		case len(target.only) > 0 && !matchAny(target.only, path):
			out = append(out, fmt.Sprintf("%s imports %s: only [%s] may", path, to, strings.Join(target.only, " ")))
		}
	}
	return out
}

// local is an import path within this module.
func local(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// find returns the first rule for a package.
func find(rules []layer, path string) (layer, bool) {
	for _, r := range rules {
		if match(r.path, path) {
			return r, true
		}
	}
	return layer{}, false
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

func match(pattern, path string) bool {
	if base, tree := strings.CutSuffix(pattern, "/..."); tree {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return path == pattern
}
