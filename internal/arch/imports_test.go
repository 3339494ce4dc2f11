package arch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestImportsPointOneWay(t *testing.T) {
	pkgs := listPackages(t)
	for _, want := range []string{"checksum", "checksum/plan", "checksum/prove", "chunker", "cluster", "cmd/crosscheck", "fixtures", "internal/ledger", "report"} {
		if !slices.ContainsFunc(pkgs, func(p pkg) bool { return p.ImportPath == module+"/"+want }) {
			t.Errorf("the list lacks %s: this test would see nothing of it", want)
		}
	}
	for _, v := range violations(layers(), pkgs) {
		t.Error(v)
	}
}

// listPackages asks the go command for all packages of the module.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// TestRulesRefuse plants one wrong import at a time.
func TestRulesRefuse(t *testing.T) {
	cases := []struct {
		from, imp string
		test      bool
		want      string // part of the complaint; "": allowed
	}{
		{from: "checksum", imp: "crosscheck/chunker"},
		{from: "checksum", imp: "crosscheck/cluster/binlog"},
		{from: "cmd/crosscheck", imp: "crosscheck/internal/ledger"},
		{from: "report", imp: "crosscheck/checksum"},
		{from: "report", imp: "crosscheck/fixtures", test: true},
		{from: "internal/bench", imp: "crosscheck/fixtures"},
		{from: "internal/ledger", imp: "crosscheck/checksum"},
		{from: "gate", imp: "crosscheck/checksum"},
		{from: "gate", imp: "os", test: true},
		{from: "gate/preflight", imp: "crosscheck/cluster/inspect"},
		{from: "cluster/inspect", imp: "crosscheck/cluster"},
		{from: "gate/measure", imp: "crosscheck/cluster/binlog"},
		{from: "gate/measure", imp: "database/sql"},
		{from: "gate/measure", imp: "crosscheck/fixtures", test: true},
		{from: "checksum", imp: "crosscheck/checksum", test: true},

		{from: "checksum", imp: "crosscheck/checksum/prove"},
		{from: "checksum/prove", imp: "crosscheck/checksum/read"},
		{from: "checksum/prove", imp: "crosscheck/fixtures", test: true},
		{from: "checksum/plan", imp: "crosscheck/checksum/packet"},

		{from: "checksum/prove", imp: "crosscheck/checksum", want: "may import only"},
		{from: "checksum/read", imp: "crosscheck/checksum/prove", want: "may import only"},
		{from: "checksum/read", imp: "crosscheck/checksum/diff", want: "may import only"},
		{from: "checksum/diff", imp: "crosscheck/checksum/read", want: "may import only"},
		{from: "checksum/plan", imp: "crosscheck/checksum/read", want: "may import only"},
		{from: "checksum/plan", imp: "database/sql", want: "does no I/O"},
		{from: "cmd/crosscheck", imp: "crosscheck/checksum/plan", want: "may import only"},
		{from: "cluster", imp: "crosscheck/checksum", want: "may import only"},
		{from: "cluster/gtid", imp: "crosscheck/cluster", want: "may import only"},
		{from: "chunker", imp: "crosscheck/checksum", want: "may import only"},
		{from: "checksum", imp: "crosscheck/conflict", want: "may import only"},
		{from: "checksum", imp: "crosscheck/report", want: "may import only"},
		{from: "checksum", imp: "crosscheck/fixtures", want: "may import only"},
		{from: "report", imp: "crosscheck/cluster", want: "may import only"},
		{from: "report", imp: "crosscheck/internal/ledger", test: true, want: "may import only"},
		{from: "internal/ledger", imp: "crosscheck/report", want: "may import only"},
		{from: "gate", imp: "crosscheck/cluster", want: "may import only"},
		{from: "gate", imp: "crosscheck/gate/measure", want: "only ["},
		{from: "gate/measure", imp: "crosscheck/internal/ledger", want: "may import only"},
		{from: "gate", imp: "database/sql", want: "does no I/O"},
		{from: "gate/preflight", imp: "database/sql", want: "does no I/O"},
		{from: "gate/preflight", imp: "crosscheck/cluster/binlog", want: "may import only"},
		{from: "cluster/inspect", imp: "crosscheck/gate/preflight", want: "may import only"},
		{from: "fixtures", imp: "crosscheck/cluster", test: true, want: "may import only"},
		{from: "internal/bench", imp: "crosscheck/checksum", want: "may import only"},
		{from: "checksum", imp: "crosscheck/utils", want: "belongs to no layer"},
		{from: "utils", imp: "os", want: "belongs to no layer"},
	}
	for _, c := range cases {
		p := pkg{ImportPath: module + "/" + c.from}
		if c.test {
			p.XTestImports = []string{c.imp}
		} else {
			p.Imports = []string{c.imp}
		}
		got := strings.Join(violations(layers(), []pkg{p}), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s (test %v): got %q, want %q", c.from, c.imp, c.test, got, c.want)
		}
	}
}

// TestNobodyElseImports tries the rules that name who may import a layer, apart from what the importer's own list says.
func TestNobodyElseImports(t *testing.T) {
	rules := layers()
	for i := range rules {
		rules[i].may = []string{"cmd/...", "report/...", "internal/...", "fixtures/...", "checksum/..."}
	}
	for _, imp := range []string{"crosscheck/report", "crosscheck/internal/ledger", "crosscheck/fixtures", "crosscheck/cmd/crosscheck"} {
		got := violations(rules, []pkg{{ImportPath: "crosscheck/checksum", Imports: []string{imp}}})
		if len(got) != 1 || !strings.Contains(got[0], "only [") {
			t.Errorf("checksum importing %s: %q", imp, got)
		}
	}
}
