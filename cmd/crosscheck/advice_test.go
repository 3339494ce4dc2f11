package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"

	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/report"
)

// advised is what the gates told the last time.
func advised(ts *testscript.TestScript, name string, flags []string) report.GatesDocument {
	args := append([]string{"gate", "check", name, "--defaults-file", ts.Getenv("DEFAULTS"), "--format", "json"}, flags...)
	if !slices.Contains(flags, "--plan") {
		args = append(args, "--plan", "migration.toml")
	}
	if code := exitCode(ts, append([]string{"crosscheck"}, args...)); code > exitUndecided {
		ts.Fatalf("gate check %s ended with %d", name, code)
	}
	var doc report.GatesDocument
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc))
	return doc
}

func reasonOf(doc report.GatesDocument, id string) (report.GateReason, bool) {
	for _, g := range doc.Gates {
		for _, r := range g.Reasons {
			if r.ID == id {
				return r, true
			}
		}
	}
	return report.GateReason{}, false
}

// followed is how long a reason may stay after its advice was followed, on a busy machine.
const followed = time.Minute

// follow demands that a gate is shut by a reason, does word for word what the reason says, and demands that the reason goes, or says
// another thing: the gate is open then, or another reason tells how to go on, which the script demands or follows next:
//
//	follow GATE REASON [FLAG OF gate check…] [WORD=VALUE…]
//
// Words in capitals that the advice leaves to be filled in are given as WORD=VALUE.
func (a *application) follow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: follow GATE REASON [FLAG…] [WORD=VALUE…]")
	}
	name, id := args[0], args[1]
	var flags []string
	fill := map[string]string{}
	for _, arg := range args[2:] {
		word, value, ok := strings.Cut(arg, "=")
		if ok && strings.ToUpper(word) == word {
			fill[word] = value
		} else {
			flags = append(flags, arg)
		}
	}
	var r report.GateReason
	until(scriptT{ts: ts}, patience, name+" gives the reason "+id, func() bool {
		var ok bool
		r, ok = reasonOf(advised(ts, name, flags), id)
		return ok
	})
	next := r.Next
	for word, value := range fill {
		if !strings.Contains(next, word) {
			ts.Fatalf("%s: the advice leaves no %s open: %s", id, word, next)
		}
		next = strings.ReplaceAll(next, word, value)
	}
	ts.Logf("%s: %s\n    %s", id, r.Text, next)
	a.do(ts, next)
	for begin := time.Now(); ; {
		last := advised(ts, name, flags)
		again, still := reasonOf(last, id)
		if !still || again.Text != r.Text && again.Next != r.Next && again.Next != next {
			return
		}
		if time.Since(begin) > followed {
			text, _ := json.MarshalIndent(last.Gates, "", " ")
			ts.Fatalf("%s: this was done: %s\nand the gate still says so: %s", id, next, text)
		}
	}
}

// words are those of advices that ask a person for what a script does before or after, or for nothing but time.
func words() []string {
	return []string{
		"wait", "wait until it has caught up", "wait until new has caught up", "wait until it has ended", "wait until the watch has checked them again",
		"wait for a watch period without it", "find who writes to old", "find what wrote to new and undo it", "find its cause on new", "mend its cause",
		"end it", "go back", "begin a new window", "mend the rows on new as what this writes says", "choose which version stays and run what this writes", "wait until rows were written on old", "see that the application sets none",
		"see that the plan names all of its accounts under [application]", "measure again",
		"run the files that this writes in their order, each on its own node", "take it out of those that are read",
	}
}

// deeds are the words of advices that a person follows, and how the scripts do so.
func (a *application) deeds() map[string]func(*testscript.TestScript) {
	nothing := func(*testscript.TestScript) {}
	writer := func(ts *testscript.TestScript) {
		if a.writers["new"] == nil {
			a.write(ts, false, []string{"new", "start"})
		}
	}
	out := map[string]func(*testscript.TestScript){
		"end the watch and begin a new account": a.endWatch,
		"let it pass":                           func(ts *testscript.TestScript) { ts.Check(os.WriteFile(ts.MkAbs("noon"), nil, 0o600)) }, // what the hook asks for
	}
	for _, w := range words() {
		out[w] = nothing
	}
	out["point the application's reads at new"] = func(ts *testscript.TestScript) { a.session(ts, false, []string{"reader", "new"}) }
	for _, w := range []string{"writes", "reads and writes"} {
		out["point the application's "+w+" at new"] = writer
	}
	return out
}

var (
	onSide     = regexp.MustCompile(`^on ((?:old|new)(?:-\d+)?|converter): `)
	nodeWords  = regexp.MustCompile(`^(?:end who writes to|see that the option file of) (?:old|new)-\d+(?: has no filter)?$`)
	optionLine = regexp.MustCompile(`^write (.+) into (?:the option file of )?(old|new|converter)(?:'s option file)?(, and restart it)?$`)
	planLine   = regexp.MustCompile(`(?:write|acknowledge it|accept it|write it) in(?:to)? the plan: \[+(\w+)\]+ with (.*)$`)
)

// do follows an advice: statements run where it says, commands as they stand, and what is left is in deeds.
func (a *application) do(ts *testscript.TestScript, advice string) {
	var side *fixtures.Server
	var in *shell
	leave := func() {
		if in != nil {
			in.leave(ts, a)
			in = nil
		}
	}
	defer leave()
	for _, part := range strings.Split(advice, gate.Then) {
		part = strings.TrimSpace(strings.TrimPrefix(part, "then "))
		if m := onSide.FindStringSubmatch(part); m != nil {
			part, side = part[len(m[0]):], a.server(ts, strings.Replace(m[1], "converter", "middle", 1))
			leave()
		}
		if side != nil && statement.MatchString(part) {
			if in == nil {
				in = a.enter(ts, side)
			}
			in.run(ts, part)
			continue
		}
		leave()
		words, command, isCommand := strings.Cut(part, "crosscheck ")
		words = strings.TrimSuffix(strings.TrimSpace(words), ":")
		switch deed, known := a.deeds()[part]; {
		case optionLine.MatchString(part):
			a.options(ts, optionLine.FindStringSubmatch(part))
		case planLine.MatchString(part):
			a.plan(ts, planLine.FindStringSubmatch(part))
		case isCommand && (words == "" || a.deeds()[words] != nil):
			if words != "" {
				a.deeds()[words](ts)
			}
			a.command(ts, "crosscheck "+command)
		case known:
			deed(ts)
		case nodeWords.MatchString(part): // the scripts have done so
		default:
			ts.Fatalf("nobody knows how to do %q of the advice %q", part, advice)
		}
	}
}

// statement is SQL in an advice.
var statement = regexp.MustCompile(`^(?:[A-Z]+ |(?:BEGIN|COMMIT)$)`)

// shell is an administrator's session: what it runs is logged where the server logs it.
type shell struct {
	server *fixtures.Server
	db     *sql.DB
	conn   *sql.Conn
	id     uint64
}

func (a *application) enter(ts *testscript.TestScript, s *fixtures.Server) *shell {
	db, err := s.Open(fixtures.Admin, "")
	ts.Check(err)
	out := &shell{server: s, db: db}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out.conn, err = db.Conn(ctx)
	ts.Check(err)
	ts.Check(out.conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&out.id))
	return out
}

func (s *shell) run(ts *testscript.TestScript, q string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := s.conn.ExecContext(ctx, q); err != nil {
		ts.Fatalf("%s: %v", q, err)
	}
}

func (s *shell) leave(ts *testscript.TestScript, a *application) {
	ts.Check(errors.Join(s.conn.Close(), s.db.Close()))
	a.ended(ts, s.server, "id = ?", s.id)
}

// options writes lines into a server's option file, and restarts it if it is to be.
func (a *application) options(ts *testscript.TestScript, m []string) {
	lines := strings.Split(strings.ReplaceAll(m[1], " and ", ", "), ", ")
	if m[3] != "" {
		a.restart(ts, false, append([]string{m[2]}, lines...))
	}
}

// command runs a command as it stands; a watch goes on beside the script.
func (a *application) command(ts *testscript.TestScript, line string) {
	if !strings.HasPrefix(line, "crosscheck watch ") {
		if err := ts.Exec("sh", "-c", line); err != nil {
			ts.Logf("%s: %v", line, err) // its verdict is judged by the gate
		}
		switch folder := outputFolder.FindStringSubmatch(line); {
		case folder != nil:
			a.repairNodes(ts, ts.MkAbs(folder[1]))
		case strings.HasPrefix(line, "crosscheck repair "):
			a.repair(ts, ts.ReadFile("stdout"))
		}
		return
	}
	cmd := exec.Command("sh", "-c", "exec "+line+" --quiet > watch.out 2> watch.err")
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME"))
	ts.Check(cmd.Start())
	a.watch = cmd
}

var outputFolder = regexp.MustCompile(`^crosscheck repair .*--output (\S+)`)

// repairNodes runs the files that repair wrote, in their order, each on its own node.
func (a *application) repairNodes(ts *testscript.TestScript, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
	ts.Check(err)
	for _, f := range files { // by their numbers
		_, node, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".sql"), "-")
		a.file(ts, node, ts.ReadFile(f))
	}
}

// repair runs the SQL that repair wrote on new.
func (a *application) repair(ts *testscript.TestScript, text string) {
	if strings.Contains(text, "-- WARNING: old replicates from new") { // what it says to do then
		text = "SET SESSION sql_log_bin = 0;\n" + text
	}
	a.file(ts, "new", text)
}

// file runs a file of SQL on a node.
func (a *application) file(ts *testscript.TestScript, node, text string) {
	c := a.server(ts, node).Config(fixtures.Admin)
	c.MultiStatements = true
	conn, err := mysql.NewConnector(c)
	ts.Check(err)
	db := sql.OpenDB(conn)
	defer db.Close()
	_, err = db.Exec(text)
	ts.Check(err)
}

// endWatch ends the watch that an advice began.
func (a *application) endWatch(ts *testscript.TestScript) {
	if a.watch == nil {
		return
	}
	ts.Check(a.watch.Process.Signal(os.Interrupt))
	_ = a.watch.Wait()
	a.watch = nil
}

// admin runs statements of an administrator that are logged: admin old STATEMENT…
func (a *application) admin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: admin SIDE STATEMENT…")
	}
	in := a.enter(ts, a.server(ts, args[0]))
	for _, q := range args[1:] {
		in.run(ts, q)
	}
	in.leave(ts, a)
}

// watching ends the watch that an advice began, or one of a new account: watching stop, watching afresh.
func (a *application) watching(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "stop" && args[0] != "afresh" {
		ts.Fatalf("usage: watching stop|afresh")
	}
	a.endWatch(ts)
	if args[0] == "afresh" {
		a.command(ts, "crosscheck watch --defaults-file "+ts.Getenv("DEFAULTS")+" --old @old --new @new --table 'shop.*' --fresh")
	}
}

// plan writes into the plan what an advice says: a table and its keys.
func (a *application) plan(ts *testscript.TestScript, m []string) {
	file := ts.MkAbs("migration.toml")
	text, err := os.ReadFile(file)
	ts.Check(err)
	first, _, _ := strings.Cut(m[2], ", or") // of several ways
	table, keys := m[1], strings.ReplaceAll(strings.ReplaceAll(first, ", by, reason", "\nby = \"ann\"\nreason = \"she knows\""), ", reason", "\nreason = \"she knows\"")
	name, _, _ := strings.Cut(keys, " = ")
	old := regexp.MustCompile(`(?m)(^\[` + table + `\]\n(?:[^\[]*\n)?)` + name + ` = (?:\[[^\]]*\])?.*$`)
	switch {
	case old.MatchString(string(text)):
		text = old.ReplaceAll(text, []byte("${1}"+keys))
	case table == "acknowledge" || table == "accept":
		text = append(text, []byte("\n[["+table+"]]\n"+keys+"\n")...)
	default:
		text = append(text, []byte("\n["+table+"]\n"+keys+"\n")...)
	}
	ts.Check(os.WriteFile(file, text, 0o600))
}

// unprovoked are the reasons that no script provokes and follows on real servers, and why.
func unprovoked() map[string]string {
	const (
		files  = "it needs a state folder that another version or somebody's hand wrote"
		clock  = "it needs a clock that goes wrong"
		passes = "it says to wait, and goes with time; or to do at once what gate check does by itself"
		worlds = "it says to take another server, path, file or plan, or to build something anew"
		given  = "package measure provokes it on servers of its own; its advice is a measurement or a GRANT as others are"
		bound  = "it needs data or a server's software that the scripts do not have; its advice is that of another reason"
		rolls  = "no fixture upgrades a node in place: the random walks follow its words, and TestRollingNodes has a node that was built anew"
	)
	out := map[string]string{}
	for why, ids := range map[string][]string{
		files: {gate.ReasonEvidenceMalformed, gate.ReasonContradicting, gate.ReasonServersUnknown},
		clock: {gate.ReasonEvidenceFuture},
		rolls: {"node_not_upgraded", "node_upgraded_early", "node_went_back", "node_compared_before", "node_not_judged", "node_reads_short"},
		passes: {
			gate.ReasonEvidenceStale, gate.ReasonForeignPlan, gate.ReasonEarlierGate, gate.ReasonInvalidated, gate.ReasonHookNotRun,
			gate.ReasonHookTimedOut, gate.ReasonReplicationLagUnseen, gate.ReasonWatchShort, gate.ReasonCollision,
			gate.ReasonRowsUndecided, gate.ReasonDrainedShort, gate.ReasonEchoes, gate.ReasonPositionsDiffer, gate.ReasonAnonymous, gate.ReasonAnonymousUnseen,
			gate.ReasonHealthShort, gate.ReasonHealthRegressed, gate.ReasonSignOffEarly, gate.ReasonWindowUnmeasured,
		},
		worlds: {
			gate.ReasonForeignServer, gate.ReasonSameServer, gate.ReasonPreflightOther, gate.ReasonReplicationMissing, gate.ReasonNodeMissing,
			gate.ReasonConverterAlarm, gate.ReasonRehearsalUnverified, gate.ReasonRehearsalOther, gate.ReasonRehearsalNotPassed,
		},
		given: {
			gate.ReasonPositionsUnknown, gate.ReasonConverterMissing, gate.ReasonConverterWrong, gate.ReasonConverterUnseen, gate.ReasonHealthUnseen,
			gate.ReasonConfigUnseen, gate.ReasonPreflightUnseen,
		},
		bound: {
			gate.ReasonCheckUndecided, gate.ReasonCheckIncomplete, gate.ReasonCheckLossy, gate.ReasonStepOverridden, gate.ReasonRowsDiffer,
			gate.ReasonStepNotPersisted,
		},
	} {
		for _, id := range ids {
			out[id] = why
		}
	}
	return out
}

// TestEveryReasonIsFollowed demands that each reason is provoked on real servers by a script and its advice followed word for word, or
// stands in a list with the cause why not.
func TestEveryReasonIsFollowed(t *testing.T) {
	files, err := filepath.Glob("testdata/[gm]*s/*.txtar") // gates and migrations
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	line := regexp.MustCompile(`(?m)^follow \S+ (\S+)`)
	followed := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			followed[string(m[1])] = true
		}
	}
	why := unprovoked()
	for _, r := range gate.Reasons() {
		switch {
		case !followed[r.ID] && why[r.ID] == "":
			t.Errorf("no script follows the advice of %s", r.ID)
		case followed[r.ID] && why[r.ID] != "":
			t.Errorf("%s is followed, and said not to be: %s", r.ID, why[r.ID])
		}
		delete(followed, r.ID)
		delete(why, r.ID)
	}
	if len(followed)+len(why) > 0 {
		t.Errorf("no reasons: %v %v", followed, why)
	}
}
