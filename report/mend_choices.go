package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"crosscheck/conflict"
)

// choicesFile is a file of choices.
type choicesFile struct {
	Kind    map[string]string `toml:"kind"`
	Finding map[string]string `toml:"finding"`
}

// WriteChoices writes a file in which somebody says which version of each finding stays. It holds no values.
func WriteChoices(w io.Writer, list []MendFinding) error {
	var b bytes.Buffer
	b.WriteString("# Which version stays: old, new, newer or both. \"\" leaves a finding as it is.\n# Of a kind:\n[kind]\n")
	seen := map[conflict.Kind]bool{}
	for i := range list {
		keeps, _ := mendChoices(list[i].Kind)
		if k := list[i].Kind; k != 0 && !seen[k] && len(keeps) > 0 {
			seen[k] = true
			fmt.Fprintf(&b, "%s = \"\" # %s\n", k, joinKeeps(keeps))
		}
	}
	b.WriteString("\n# Of one finding, before its kind:\n[finding]\n")
	for i := range list {
		f := &list[i]
		if keeps, _ := mendChoices(f.Kind); f.ID != "" && len(keeps) > 0 {
			fmt.Fprintf(&b, "# %s of %s: %s\n%s = \"\"\n", f.Kind, quoted(f.Table), strings.ReplaceAll(f.Detail, "\n", " "), f.ID)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// ParseChoices reads a file of choices, by the name of a kind or the ID of a finding.
func ParseChoices(text []byte) (map[string]Keep, error) {
	var c choicesFile
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	out := map[string]Keep{}
	for name, word := range c.Kind {
		var k conflict.Kind
		if err := k.UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("%q is no kind of finding", name)
		}
		out[name] = Keep(word)
	}
	for id, word := range c.Finding {
		out[id] = Keep(word)
	}
	for name, k := range out {
		if k != "" && !slices.Contains(Keeps(), k) {
			return nil, fmt.Errorf("%s = %q: old, new, newer or both is needed", name, k)
		}
	}
	return out, nil
}
