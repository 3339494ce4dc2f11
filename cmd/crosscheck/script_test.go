package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crosscheck/fixtures"
)

// TestScripts runs the scripts that need no server.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, Cmds: scriptCommands(nil), Setup: setUpScript(nil),
	})
}

// TestFixtureScripts runs the scripts that start servers themselves.
func TestFixtureScripts(t *testing.T) {
	pool.get(t, mariaPair) // or skips where there is no server to start
	t.Cleanup(func() {     // of a script that failed half-way
		start(t, nil, "fixture", "down", "--quiet", "--name", scriptSet()).wait(patience)
	})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/fixture", RequireExplicitExec: true, Cmds: scriptCommands(nil), Setup: setUpScript(nil),
	})
}

// TestServerScripts runs the scripts that need a pair of servers, which they share. Databases are the scripts' own.
func TestServerScripts(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			testscript.Run(t, testscript.Params{
				Dir: "testdata/server", RequireExplicitExec: true, Cmds: scriptCommands(set), Setup: setUpScript(set),
				Condition: func(c string) (bool, error) {
					if c == "maria" {
						return set.Old.Family() == fixtures.MariaDB, nil
					}
					return false, fmt.Errorf("unknown condition %q", c)
				},
			})
		})
	}
}

// scriptSet is the name of a set of servers that no other process uses.
func scriptSet() string { return "script-" + strconv.Itoa(os.Getpid()) }

// setUpScript gives a script the set's addresses and passwords; only those of the account with the least rights.
func setUpScript(set *fixtures.Set) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, ".state"))
		env.Setenv("SET", scriptSet())
		env.Setenv("GORACE", raceOptions)
		if cache, err := os.UserCacheDir(); err == nil && os.Getenv("CROSSCHECK_CACHE") == "" {
			env.Setenv("CROSSCHECK_CACHE", filepath.Join(cache, "crosscheck"))
		}
		if set == nil {
			return nil
		}
		env.Setenv("DEFAULTS", set.DefaultsFile())
		for name, s := range map[string]*fixtures.Server{"OLD": set.Old, "NEW": set.New} {
			env.Setenv(name, fmt.Sprintf("%s@tcp(%s)/", fixtures.Crosscheck, s.Addr()))
			env.Setenv(name+"_ADDR", s.Addr())
			env.Setenv(name+"_PORT", strconv.Itoa(s.Port()))
			env.Setenv(name+"_PW", s.Password(fixtures.Crosscheck))
			env.Setenv(name+"_DSN", s.DSN(fixtures.Crosscheck))
		}
		for i, s := range set.Replicas(fixtures.New) {
			env.Setenv(fmt.Sprintf("NEW_%d_ADDR", i+1), s.Addr())
		}
		return nil
	}
}

// scriptCommands are the commands of scripts besides testscript's own.
func scriptCommands(set *fixtures.Set) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits,
		"soon":  soon,
		"sees":  sees,
		"json":  jsonField,
		"sql": func(ts *testscript.TestScript, _ bool, args []string) {
			if len(args) < 2 {
				ts.Fatalf("usage: sql NODE|both|all STATEMENT…")
			}
			sides := []fixtures.Side{fixtures.Side(args[0])}
			switch args[0] {
			case "both":
				sides = []fixtures.Side{fixtures.Old, fixtures.New}
			case "all":
				sides = []fixtures.Side{fixtures.Old, fixtures.New}
				for _, side := range sides[:2] {
					for i := range set.Replicas(side) {
						sides = append(sides, fixtures.Replica(side, i+1))
					}
				}
			}
			for _, side := range sides {
				unlogged(scriptT{ts: ts}, set.Server(side), args[1:]...)
			}
		},
	}
}

// exits runs a program and demands its exit code: exits 64 crosscheck check.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	return 0
}

// soon is exits for what must come, on a busy machine a little later: as long as the program says that it does not know, it is
// run again: soon 0 crosscheck gate check drained.
func soon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: soon CODE PROGRAM [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	for begin := time.Now(); ; {
		got := exitCode(ts, args[1:])
		if got == want {
			return
		}
		if got != exitUndecided || time.Since(begin) > patience {
			ts.Fatalf("exit code %d, want %d", got, want)
		}
	}
}

// sees runs a program, whatever it ends with, until its output matches, or, with !, until it does not any more:
// ! sees 'no evidence' crosscheck gate check health.
func sees(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] sees PATTERN PROGRAM [ARGUMENT…]")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	for begin := time.Now(); ; {
		exitCode(ts, args[1:])
		if pattern.MatchString(ts.ReadFile("stdout")) != neg {
			return
		}
		if time.Since(begin) > patience {
			ts.Fatalf("not so after %s: %s", patience, args[0])
		}
	}
}

// jsonField demands a value of a JSON document: json FILE tables.0.verdict same. A missing field is "<none>", a list or
// an object its JSON text.
func jsonField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	for part := range strings.SplitSeq(args[1], ".") {
		switch v := doc.(type) {
		case map[string]any:
			field, ok := v[part]
			doc = field
			if !ok {
				doc = "<none>"
			}
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(v) {
				doc = "<none>"
				continue
			}
			doc = v[i]
		default:
			doc = "<none>"
		}
	}
	got, isText := doc.(string)
	if !isText {
		b, err := json.Marshal(doc)
		ts.Check(err)
		got = string(b)
	}
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %s, want %s", args[1], got, args[2])
	}
}

// scriptT lets a script use helpers of tests.
type scriptT struct {
	testing.TB
	ts *testscript.TestScript
}

func (s scriptT) Helper()                           {}
func (s scriptT) Fatal(args ...any)                 { s.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (s scriptT) Fatalf(format string, args ...any) { s.ts.Fatalf(format, args...) }
