package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Replaced is a node whose place another server has taken: it was promoted, or built anew.
type Replaced struct {
	Node       string    `json:"node"`                  // "old", "new", "old-1", "new-2", …
	ServerUUID string    `json:"server_uuid,omitempty"` // of the former server; "" where the plan did not know it
	By         string    `json:"by"`                    // server_uuid of the one that took its place
	At         time.Time `json:"at"`
	// Proof says by which positions the new one is proven to hold what the former one held; Lost what it lacks.
	Proof string `json:"proof,omitempty"`
	Lost  string `json:"lost,omitempty"`
	// Reason is somebody's word for going on without a proof, or with a loss.
	Reason string `json:"reason,omitempty"`
}

// Replacement is a change of a plan: another server takes a node's place.
type Replacement struct {
	Replaced

	DSN string // of the server; that of a replica of the same side promotes it
	// Gone takes the former server out of the plan when a replica is promoted; otherwise the two change places.
	Gone bool
}

// Replace returns the text of a plan with a node replaced. All else in the file stays as it is, comments included. The error
// is one line.
func Replace(text []byte, r Replacement) ([]byte, error) {
	p, err := Parse(text)
	if err != nil {
		return nil, err
	}
	want, err := p.replace(r)
	if err != nil {
		return nil, err
	}
	side, _, _ := strings.Cut(r.Node, "-")
	e := editor{text: text, values: stringValues(text)}
	place := p.indexOf(r.Node)
	if place < 0 {
		former := p.side(side).DSN
		e.set(side+".dsn", 0, r.DSN)
		if p.side(side).ServerUUID == "" {
			e.after(side+".dsn", "\nserver_uuid = "+strconv.Quote(r.By))
		} else {
			e.set(side+".server_uuid", 0, r.By)
			e.comment("("+p.side(side).ServerUUID+")", "("+r.By+")")
		}
		if k := slices.Index(p.side(side).Replicas, r.DSN); k >= 0 && r.Gone {
			e.drop(side+".replicas", k)
		} else if k >= 0 {
			e.set(side+".replicas", k, former)
		}
	} else {
		e.set(side+".replicas", place, r.DSN)
	}
	out := append(e.apply(), r.entry()...)
	got, err := Parse(out)
	if err != nil || got.Hash() != want.Hash() || !slices.Equal(got.Old.Replicas, want.Old.Replicas) || !slices.Equal(got.New.Replicas, want.New.Replicas) {
		return nil, fmt.Errorf("this plan is written in a way that cannot be changed safely: write the new address of %s into it by hand", r.Node)
	}
	return out, nil
}

// replace is the plan as it is to be.
func (p Plan) replace(r Replacement) (Plan, error) {
	side, _, _ := strings.Cut(r.Node, "-")
	if _, ok := p.Address(r.Node); !ok {
		return p, fmt.Errorf("the plan has no node %s: its nodes are %s", r.Node, strings.Join(p.nodeNames(), ", "))
	}
	p.Old.Replicas, p.New.Replicas = slices.Clone(p.Old.Replicas), slices.Clone(p.New.Replicas)
	n := p.side(side)
	if k := p.indexOf(r.Node); k >= 0 {
		n.Replicas[k] = r.DSN
	} else {
		if k := slices.Index(n.Replicas, r.DSN); k >= 0 && r.Gone {
			n.Replicas = slices.Delete(n.Replicas, k, k+1)
		} else if k >= 0 {
			n.Replicas[k] = n.DSN
		}
		n.DSN, n.ServerUUID = r.DSN, r.By
	}
	p.Replaced = append(slices.Clone(p.Replaced), r.Replaced)
	return p, nil
}

// Address is the address of a node, by the name that the plan gives it.
func (p Plan) Address(name string) (dsn string, ok bool) {
	if name == "old" || name == "new" {
		return p.side(name).DSN, true
	}
	for _, r := range p.Replicas() {
		if r.Name == name {
			return r.DSN, true
		}
	}
	return "", false
}

func (p *Plan) side(name string) *Node {
	if name == "new" {
		return &p.New
	}
	return &p.Old
}

// indexOf is the place of a replica in its side's list, -1 for old and new themselves.
func (p Plan) indexOf(name string) int {
	_, number, ok := strings.Cut(name, "-")
	if !ok {
		return -1
	}
	k, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return k - 1
}

func (p Plan) nodeNames() []string {
	names := []string{"old", "new"}
	for _, r := range p.Replicas() {
		names = append(names, r.Name)
	}
	return names
}

// entry is the node's line of life in the file.
func (r Replaced) entry() string {
	var b strings.Builder
	b.WriteString("\n[[replaced]]\n")
	for _, kv := range [][2]string{
		{"node", r.Node},
		{"server_uuid", r.ServerUUID},
		{"by", r.By},
		{"at", r.At.UTC().Format(time.RFC3339)},
		{"proof", r.Proof},
		{"lost", r.Lost},
		{"reason", r.Reason},
	} {
		if kv[1] != "" {
			fmt.Fprintf(&b, "%s = %s\n", kv[0], quote(kv[1]))
		}
	}
	return b.String()
}

// stringValues finds the texts in a TOML file by their keys: of an array its elements, in order.
func stringValues(text []byte) map[string][]unstable.Range {
	out := map[string][]unstable.Range{}
	var p unstable.Parser
	p.Reset(text)
	prefix := ""
	for p.NextExpression() {
		e := p.Expression()
		var key []string
		for it := e.Key(); it.Next(); {
			key = append(key, string(it.Node().Data))
		}
		name := strings.Join(key, ".")
		switch e.Kind {
		case unstable.Table:
			prefix = name + "."
		case unstable.ArrayTable:
			prefix = name + "[]."
		case unstable.KeyValue:
			if v := e.Value(); v.Kind == unstable.Array {
				for it := v.Children(); it.Next(); {
					if it.Node().Kind == unstable.String {
						out[prefix+name] = append(out[prefix+name], it.Node().Raw)
					}
				}
			} else if v.Kind == unstable.String {
				out[prefix+name] = []unstable.Range{v.Raw}
			}
		default:
		}
	}
	return out
}

// editor changes texts in a file, from its end to its beginning.
type editor struct {
	text   []byte
	values map[string][]unstable.Range
	edits  []edit
}

type edit struct {
	from, to int
	text     string
}

func (e *editor) at(key string, i int) (from, to int, ok bool) {
	if i >= len(e.values[key]) {
		return 0, 0, false // the result is compared with what it is to be
	}
	r := e.values[key][i]
	return int(r.Offset), int(r.Offset + r.Length), true
}

func (e *editor) set(key string, i int, value string) {
	if from, to, ok := e.at(key, i); ok {
		e.edits = append(e.edits, edit{from, to, quote(value)})
	}
}

func (e *editor) after(key, text string) {
	if _, to, ok := e.at(key, 0); ok {
		if end := strings.IndexByte(string(e.text[to:]), '\n'); end >= 0 { // behind a comment
			to += end
		} else {
			to = len(e.text)
		}
		e.edits = append(e.edits, edit{to, to, text})
	}
}

// comment changes a word in the first comment line that has it.
func (e *editor) comment(word, by string) {
	at := 0
	for line := range strings.Lines(string(e.text)) {
		if i := strings.Index(line, word); i >= 0 && strings.HasPrefix(line, "#") {
			e.edits = append(e.edits, edit{at + i, at + i + len(word), by})
			return
		}
		at += len(line)
	}
}

// drop takes an element out of an array, with its comma, and with its line if that has nothing else but a comment.
func (e *editor) drop(key string, i int) {
	from, to, ok := e.at(key, i)
	if !ok {
		return
	}
	rest := e.text[to:]
	if trimmed := strings.TrimLeft(string(rest), " \t"); strings.HasPrefix(trimmed, ",") {
		to += len(rest) - len(trimmed) + 1
	}
	line := strings.LastIndexByte(string(e.text[:from]), '\n') + 1
	end := len(e.text)
	if n := strings.IndexByte(string(e.text[to:]), '\n'); n >= 0 {
		end = to + n + 1
	}
	behind := strings.TrimSpace(string(e.text[to:end]))
	switch {
	case strings.TrimSpace(string(e.text[line:from])) == "" && (behind == "" || behind[0] == '#'):
		from, to = line, end
	default:
		for to < len(e.text) && e.text[to] == ' ' && e.text[from-1] != ',' {
			to++
		}
	}
	e.edits = append(e.edits, edit{from, to, ""})
}

func (e *editor) apply() []byte {
	slices.SortFunc(e.edits, func(a, b edit) int { return b.from - a.from })
	out := slices.Clone(e.text)
	for _, x := range e.edits {
		out = slices.Replace(out, x.from, x.to, []byte(x.text)...)
	}
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}
