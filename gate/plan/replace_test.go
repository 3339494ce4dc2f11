package plan

import (
	"strings"
	"testing"
	"time"
)

const withNodes = `# the plan of the shop
path = "dual-write"
[old]
dsn = "@old"  # the primary
[new]
# MySQL 9.7 (aa)
dsn = "app@tcp(10.0.0.1:3306)/"
replicas = [
  "app@tcp(10.0.0.2:3306)/",  # replica of new
  "app@tcp(10.0.0.3:3306)/"   # another
]  # the other nodes of this cluster
server_uuid = "aa"  # evidence from another server does not count

[application]
accounts = ["app@%"]`

func TestReplace(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	second, third := "app@tcp(10.0.0.2:3306)/", "app@tcp(10.0.0.3:3306)/"
	inline := strings.NewReplacer("[\n  \"", "[\"", "\",  # replica of new\n  ", "\", ", "\"   # another\n]", "\"]").Replace(withNodes)
	for _, c := range []struct {
		name, text string
		r          Replacement
		want       map[string]string // texts replaced in the file
	}{
		{"promoted, the former comes back", withNodes, Replacement{Replaced: Replaced{Node: "new", By: "bb"}, DSN: second}, map[string]string{
			`dsn = "app@tcp(10.0.0.1:3306)/"`: `dsn = "` + second + `"`, `  "` + second + `",`: `  "app@tcp(10.0.0.1:3306)/",`, `"aa"`: `"bb"`, "(aa)": "(bb)",
		}},
		{"promoted, the former is gone", withNodes, Replacement{Replaced: Replaced{Node: "new", By: "bb"}, DSN: second, Gone: true}, map[string]string{
			`dsn = "app@tcp(10.0.0.1:3306)/"`: `dsn = "` + second + `"`, "  \"" + second + "\",  # replica of new\n": "", `"aa"`: `"bb"`, "(aa)": "(bb)",
		}},
		{"the last one promoted", withNodes, Replacement{Replaced: Replaced{Node: "new", By: "cc"}, DSN: third, Gone: true}, map[string]string{
			`dsn = "app@tcp(10.0.0.1:3306)/"`: `dsn = "` + third + `"`, "  \"" + third + "\"   # another\n": "", `"aa"`: `"cc"`, "(aa)": "(cc)",
		}},
		{"in one line", inline, Replacement{Replaced: Replaced{Node: "new", By: "bb"}, DSN: second, Gone: true}, map[string]string{
			`dsn = "app@tcp(10.0.0.1:3306)/"`: `dsn = "` + second + `"`, `["` + second + `", "`: `["`, `"aa"`: `"bb"`, "(aa)": "(bb)",
		}},
		{"in one line, the last", inline, Replacement{Replaced: Replaced{Node: "new", By: "bb"}, DSN: third, Gone: true}, map[string]string{
			`dsn = "app@tcp(10.0.0.1:3306)/"`: `dsn = "` + third + `"`, `, "` + third + `"]`: `, ]`, `"aa"`: `"bb"`, "(aa)": "(bb)",
		}},
		{"another server for a replica", withNodes, Replacement{Replaced: Replaced{Node: "new-2", By: "dd"}, DSN: "@new-9"}, map[string]string{
			`"` + third + `"`: `"@new-9"`,
		}},
		{"the plan was bound to no server", withNodes, Replacement{Replaced: Replaced{Node: "old", By: "dd", Lost: `x"y`}, DSN: "@o2"}, map[string]string{
			`dsn = "@old"  # the primary`: "dsn = \"@o2\"  # the primary\nserver_uuid = \"dd\"",
		}},
	} {
		c.r.At = at
		got, err := Replace([]byte(c.text), c.r)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var pairs []string
		for from, to := range c.want {
			if strings.Count(c.text, from) != 1 {
				t.Fatalf("%s: %q stands %d times in the file", c.name, from, strings.Count(c.text, from))
			}
			pairs = append(pairs, from, to)
		}
		want := strings.NewReplacer(pairs...).Replace(c.text)
		text, entry, _ := strings.Cut(string(got), "\n\n[[replaced]]\n")
		if text != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, text, want)
		}
		if !strings.Contains(entry, `node = "`+c.r.Node+`"`) || !strings.Contains(entry, "at = \"2026-11-28T12:00:00Z\"") {
			t.Errorf("%s: %s", c.name, entry)
		}
		p, err := Parse(got)
		if err != nil || len(p.Replaced) != 1 || p.Replaced[0] != c.r.Replaced {
			t.Errorf("%s: %+v, %v", c.name, p.Replaced, err)
		}
	}
	for name, text := range map[string]string{
		"unknown node": withNodes, "dotted": strings.Replace(small, "[old]\ndsn = \"@old\"", "old.dsn = '''@old'''", 1),
		"inline": "path = \"dual-write\"\nold = {dsn = \"@old\"}\nnew = {dsn = \"@new\"}\n",
	} {
		node := "old"
		if name == "unknown node" {
			node = "new-3"
		}
		got, err := Replace([]byte(text), Replacement{Replaced: Replaced{Node: node, By: "bb", At: at}, DSN: "@o2"})
		if err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}
