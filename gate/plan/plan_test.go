package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const small = `path = "dual-write"
[old]
dsn = "@old"
[new]
dsn = "app@tcp(127.0.0.1:3306)/"
`

func TestParse(t *testing.T) {
	p, err := Parse([]byte(small + `server_uuid = "b"
[tables]
include = ["shop.*"]
[max_evidence_age]
watch = "30s"
[limits]
quiet_period = "1m"
[[accept]]
name = "no_key:shop.log"
reason = "appended only"
[hooks.signed-off]
command = ["ask", "them"]
veto = true
[application]
accounts = ["app@%", "web_%@10.0.%"]
[[acknowledge]]
id = "check_lossy"
by = "ann"
reason = "floats"
`))
	if err != nil {
		t.Fatal(err)
	}
	ages, limits := DefaultAges(), DefaultLimits()
	ages.Watch, limits.QuietPeriod = 30*time.Second, time.Minute
	want := Plan{
		Path: DualWrite, Old: Node{DSN: "@old"}, New: Node{DSN: "app@tcp(127.0.0.1:3306)/", ServerUUID: "b"},
		Include: []string{"shop.*"}, Ages: ages, Limits: limits,
		Accept:      []Accepted{{Name: "no_key:shop.log", Reason: "appended only"}},
		Hooks:       map[string]Hook{"signed-off": {Command: []string{"ask", "them"}, Timeout: DefaultHookTimeout, Veto: true}},
		Accounts:    []string{"app@%", "web_%@10.0.%"},
		Acknowledge: []Acknowledgement{{ID: "check_lossy", By: "ann", Reason: "floats"}},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
	for _, c := range []struct {
		user, host string
		want       bool
	}{
		{"app", "x", true},
		{"apps", "x", false},
		{"web_1", "10.0.3.4", true},
		{"webx1", "10.0.3.4", false},
		{"web_1", "10.1.3.4", false},
	} {
		if got := p.Application(c.user, c.host); got != c.want {
			t.Errorf("Application(%s, %s) = %v", c.user, c.host, got)
		}
	}
	local := Plan{Accounts: []string{"app@localhost"}}
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "10.0.0.1": false} {
		if got := local.Application("app", host); got != want || local.Application("other", host) {
			t.Errorf("app@localhost and %s: %v", host, got)
		}
	}
	if !p.Accepts("no_key", "shop.log") || p.Accepts("no_key", "shop.other") || p.Accepts("no_key", "") {
		t.Error("an accepted object is not that object alone")
	}
}

func TestMistakes(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"syntax", "path = \"dual-write\"\nold = = 3\n", "line 2, column "},
		{"no path", "[old]\ndsn=\"@a\"\n", "line 1, column 1: no path: write path = "},
		{"path", strings.Replace(small, "dual-write", "big-bang", 1), `line 1, column 1: path "big-bang" is unknown: write "dual-write"`},
		{"unknown key", small + "[tables]\nincluded = []\n", `line 7, column 1: there is no key "tables.included" in a plan; write "tables.include"`},
		{"unknown table", small + "\n[threshold]\nx = 1\n", `line 7, column `},
		{"type", strings.Replace(small, `"@old"`, "17", 1), "line 3, column "},
		{"password", strings.Replace(small, "app@", "app:s3cret@", 1), "line 5, column 1: dsn of new holds a password: remove it"},
		{"password in a URL", strings.Replace(small, "app@tcp(127.0.0.1:3306)/", "mysql://app:s3cret@h/", 1), "line 5, column 1: dsn of new holds a password"},
		{"password in a broken URL", strings.Replace(small, "app@tcp(127.0.0.1:3306)/", "mysql://app:s3cret%zz@h/", 1), "line 5, column 1: dsn of new holds a password"},
		{"password with @", strings.Replace(small, "app@", "app:s3cret@x@", 1), "line 5, column 1: dsn of new holds a password"},
		{"password as a parameter", strings.Replace(small, ":3306)/", ":3306)/?password=s3cret", 1), "line 5, column 1: dsn of new holds a password"},
		{"dsn", strings.Replace(small, "@old", "localhost", 1), `line 3, column 1: dsn of old is not understood: write "@old"`},
		{"no dsn", "path = \"dual-write\"\n[old]\n[new]\ndsn=\"@n\"\n", "line 2, column 2: no dsn of old"},
		{"converter missing", strings.Replace(small, "dual-write", "gtid-converter", 1), "line 1, column 1: the path gtid-converter needs"},
		{"converter too many", small + "[converter]\ndsn = \"@c\"\n", "line 6, column 2: only the path gtid-converter"},
		{"glob", small + "[tables]\ninclude = [\"orders\"]\n", `line 7, column 1: table "orders": write schema.table`},
		{"duration", small + "[limits]\nmax_lag = \"5\"\n", `line 7, column 1: max_lag = "5" is no duration`},
		{"negative", small + "[limits]\nmax_lag = \"-5s\"\n", `line 7, column 1: max_lag = "-5s" is no duration`},
		{"age", small + "[max_evidence_age]\nchecks = \"5s\"\n", `line 7, column 1: there is no key "max_evidence_age.checks" in a plan: write one of check,`},
		{"no reason", small + "[[accept]]\nname = \"a\"\n[[accept]]\nname = \"b\"\nreason = \"\"\n", "line 6, column 3: accepting \"a\" needs a reason"},
		{"second without reason", small + "[[accept]]\nname = \"a\"\nreason = \"r\"\n[[accept]]\nname = \"b\"\nreason = \"\"\n", "line 11, column 1: accepting \"b\" needs a reason"},
		{"hook of no gate", small + "[hooks.gtid-on]\ncommand = [\"x\"]\n", `line 6, column 2: the path dual-write has no gate "gtid-on"`},
		{"hook without command", small + "[hooks.signed-off]\nveto = true\n", "line 6, column 2: the hook of signed-off has no command"},
		{"account", small + "[application]\naccounts = [\"app\"]\n", `line 7, column 1: account "app": write user@host`},
		{"acknowledge", small + "[[acknowledge]]\nid = \"check_different\"\nby=\"a\"\nreason=\"r\"\n", `line 7, column 1: "check_different" cannot be acknowledged`},
		{"acknowledge by nobody", small + "[[acknowledge]]\nid = \"check_lossy\"\nreason=\"r\"\n", `line 6, column 3: acknowledging "check_lossy" needs who and why`},
		{"key", small + "[rehearsal]\nkeys = [\"abc\"]\n", `line 7, column 1: "abc" is no fingerprint`},
		{"one server", strings.Replace(small, "dsn = \"@old\"", "dsn = \"@old\"\nserver_uuid = \"u\"", 1) + "server_uuid = \"u\"\n", "line 7, column 1: old and new are the same server"},
		{"replica with a password", strings.Replace(small, "dsn = \"@old\"", "dsn = \"@old\"\nreplicas = [\"@o1\", \"a:s3cret@tcp(h)/\"]", 1), "line 4, column 1: replica 2 of old holds a password: remove it"},
		{"replica", small + "replicas = [\"auto\"]\n", `line 6, column 1: replica 1 of new is not understood: write "@new"`},
		{"replica of both", strings.Replace(small, "dsn = \"@old\"", "dsn = \"@old\"\nreplicas = [\"@o1\"]", 1) + "replicas = [\"@n1\", \"@o1\"]\n", "line 7, column 1: replica 2 of new is replica 1 of old, too: write each node once"},
		{"replica that is the side", small + "replicas = [\"@old\"]\n", "line 6, column 1: replica 1 of new is the dsn of old, too"},
		{"replicas of a converter", strings.Replace(small, "dual-write", "gtid-converter", 1) + "[converter]\ndsn = \"@c\"\nreplicas = [\"@d\"]\n", "line 8, column 1: a converter has no replicas in a plan"},
		{"rolling of another path", small + "[rolling]\n", "line 6, column 2: only the path rolling-upgrade upgrades node by node"},
		{"rolling without nodes", strings.Replace(small, "dual-write", "rolling-upgrade", 1) + "[rolling]\n", "line 6, column 2: [rolling] upgrades the replicas of old after new"},
		{"rolling without reads", strings.Replace(strings.Replace(small, "dual-write", "rolling-upgrade", 1), "dsn = \"@old\"", "dsn = \"@old\"\nreplicas = [\"@o1\"]", 1) +
			"[rolling]\nreads_for = \"0s\"\n", `line 8, column 1: reads_for = "0s" is no duration above zero`},
		{"hook of a node without rolling", strings.Replace(small, "dual-write", "rolling-upgrade", 1) + "[hooks.nodes-upgraded]\ncommand = [\"x\"]\n", `line 6, column 2: the path rolling-upgrade has no gate "nodes-upgraded"`},
		{"replica's key", small + "replica = [\"@n1\"]\n", `line 6, column 1: there is no key "new.replica" in a plan; write "new.replicas"`},
		{"twice", small + "[new]\ndsn = \"@x\"\n", "line 6, column "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v (%T)", err, err)
			}
			if !strings.HasPrefix(e.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", e, c.want)
			}
			if strings.ContainsAny(e.Error(), "\n\r") {
				t.Errorf("more than one line: %q", e)
			}
			if strings.Contains(e.Error(), "s3cret") {
				t.Errorf("the password is in the message: %s", e)
			}
		})
	}
}

func TestHash(t *testing.T) {
	base, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	same, err := Parse([]byte("# a comment\n" + small + "[tables]\ninclude=[]\n[max_evidence_age]\ncheck = \"1440m\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if base.Hash() != same.Hash() {
		t.Error("spelling changes the hash")
	}
	for _, extra := range []string{
		"server_uuid = \"x\"\n", "replicas = [\"@n1\"]\n", "[tables]\ninclude=[\"a.b\"]\n", "[limits]\nmax_lag=\"6s\"\n",
		"[[accept]]\nname=\"a\"\nreason=\"b\"\n", "[hooks.signed-off]\ncommand=[\"x\"]\n", "[application]\naccounts=[\"a@b\"]\n",
		"[[acknowledge]]\nid=\"check_lossy\"\nby=\"a\"\nreason=\"b\"\n", "[rehearsal]\nkeys=[\"SHA256:" + strings.Repeat("a", 43) + "\"]\n",
	} {
		p, err := Parse([]byte(small + extra))
		if err != nil {
			t.Fatal(err)
		}
		if p.Hash() == base.Hash() {
			t.Errorf("%q does not change the hash", extra)
		}
	}
}

func TestWriteRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[a-z][a-zA-Z0-9_]{0,8}`)
	line := rapid.String()
	rapid.Check(t, func(t *rapid.T) {
		node := func(label string) NodeFacts {
			n := NodeFacts{DSN: "@" + name.Draw(t, label), ServerUUID: label + name.Draw(t, label), Version: line.Draw(t, "version")}
			for i := range rapid.IntRange(0, 3).Draw(t, "replicas") {
				n.Replicas = append(n.Replicas, ReplicaFacts{DSN: fmt.Sprintf("@%s-%d", label, i), About: line.Draw(t, "about")})
			}
			return n
		}
		f := Facts{
			Path: rapid.SampledFrom(Paths()).Draw(t, "path"), Old: node("old"), New: node("new"),
			Missing: rapid.SliceOfN(line, 0, 3).Draw(t, "missing"),
		}
		if f.Path == GTIDConverter {
			c := node("converter")
			f.Converter = &c
		}
		schemas := map[string]bool{}
		for range rapid.IntRange(0, 5).Draw(t, "tables") {
			schema := name.Draw(t, "schema")
			schemas[schema+".*"] = true
			f.Tables = append(f.Tables, TableFacts{
				Name: schema + "." + name.Draw(t, "table"), Rows: rapid.Int64Min(0).Draw(t, "rows"),
				Bytes: rapid.Int64Range(0, 1<<50).Draw(t, "bytes"), Missing: line.Draw(t, "lacks"),
			})
		}
		f.Findings = append(f.Findings, FindingFacts{Name: line.Draw(t, "finding"), Severity: "fatal", Found: line.Draw(t, "found")})
		f.Accounts = rapid.SliceOfN(rapid.StringMatching(`[a-z"\\]{1,5}@[a-z%.]{1,5}`), 0, 3).Draw(t, "accounts")
		var b strings.Builder
		if err := Write(&b, f); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		p, err := Parse([]byte(b.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		want := Plan{
			Path: f.Path, Old: planned(f.Old), New: planned(f.New),
			Ages: DefaultAges(), Limits: DefaultLimits(), Accounts: f.Accounts,
		}
		if f.Converter != nil {
			want.Converter = &Node{DSN: f.Converter.DSN, ServerUUID: f.Converter.ServerUUID}
		}
		for s := range schemas {
			want.Include = append(want.Include, s)
		}
		if p.Hash() != want.Hash() {
			t.Fatalf("read back: %s\n%s", cmp.Diff(want, p), b.String())
		}
	})
}

// planned is what a plan says of a server.
func planned(f NodeFacts) Node {
	n := Node{DSN: f.DSN, ServerUUID: f.ServerUUID}
	for _, r := range f.Replicas {
		n.Replicas = append(n.Replicas, r.DSN)
	}
	return n
}

func TestWriteRefusesPassword(t *testing.T) {
	var b strings.Builder
	err := Write(&b, Facts{Path: DualWrite, Old: NodeFacts{DSN: "a:s3cret@tcp(h:1)/"}, New: NodeFacts{DSN: "@new"}})
	if err == nil || b.Len() > 0 || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("wrote %d bytes, error %v", b.Len(), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add("[[accept]]\nname = {a=1}\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Parse([]byte(text))
		var e *Error
		if err != nil && (!errors.As(err, &e) || strings.ContainsAny(err.Error(), "\n\r")) {
			t.Errorf("%q", err)
		}
	})
}

// TestRollingOrder: the replicas of old are upgraded in their order, so that another order is another plan.
func TestRollingOrder(t *testing.T) {
	text := "path = \"rolling-upgrade\"\n[old]\ndsn = \"@old\"\nreplicas = [\"@a\", \"@b\"]\n[new]\ndsn = \"@new\"\n"
	turned := strings.Replace(text, `"@a", "@b"`, `"@b", "@a"`, 1)
	hash := func(text string) string {
		t.Helper()
		p, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash()
	}
	const rolling = "[rolling]\nreads_for = \"2h\"\n"
	if hash(text) != hash(turned) || hash(text+rolling) == hash(turned+rolling) || hash(text) == hash(text+rolling) {
		t.Error("the order of nodes counts where they are upgraded in it, and nowhere else")
	}
	p, err := Parse([]byte(text + "[rolling]\n[hooks.nodes-upgraded]\ncommand = [\"x\"]\n"))
	if err != nil || p.Rolling.ReadsFor != DefaultReadsFor || len(p.Gates()) != len(p.Path.Gates())+1 || !p.Replicas()[1].Rolling {
		t.Errorf("%+v, %v", p, err)
	}
}
