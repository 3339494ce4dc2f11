package plan

import (
	"strings"
	"testing"

	"crosscheck/cluster"
)

func TestPairNames(t *testing.T) {
	names := func(text string) (out []cluster.TableName) {
		for _, f := range strings.Fields(text) {
			schema, name, _ := strings.Cut(f, ".")
			out = append(out, cluster.TableName{Schema: schema, Name: name})
		}
		return out
	}
	plain, onOld, onNew, both := Folding{}, Folding{old: true}, Folding{new: true}, Folding{true, true}
	for _, c := range []struct {
		f         Folding
		old, new  string
		want      string // "old=new", "old=" or "=new"; ! for a clash, ~ for a pair whose name is shared
		wantNamed string
	}{
		{plain, "s.a s.b", "s.b s.c", "s.a= s.b=s.b =s.c", "s.a s.b s.c"},
		{plain, "s.A", "s.a", "s.A= =s.a", "s.A s.a"},
		{onNew, "s.A", "s.a", "s.A=s.a", "s.A"},
		{onOld, "s.a", "s.A", "s.a=s.A", "s.A"}, // old understands new's spelling, new does not understand old's
		{both, "s.a", "s.a", "s.a=s.a", "s.a"},
		{onNew, "S.a s.b", "s.a s.b", "S.a=s.a s.b=s.b", "S.a s.b"},
		{onNew, "s.A s.a", "s.a", "~s.a=s.a !s.A=", "s.a s.A"},
		{onNew, "S.a s.a", "s.a", "~s.a=s.a !S.a=", "s.a S.a"},
		{onNew, "s.A s.B", "s.a s.b", "s.A=s.a s.B=s.b", "s.A s.B"},
		{onOld, "s.a", "s.A s.a", "~s.a=s.a !=s.A", "s.a s.A"},
		{onNew, "s.A s.aA s.AA", "s.a s.aa", "s.A=s.a !s.aA= !s.AA= !=s.aa", "s.A s.aA s.AA s.aa"},
		{onNew, "s.A s.a", "s.A s.a", "!s.A=s.A ~s.a=s.a", "s.A s.a"}, // new's data were made without folding
		{onNew, "s.A s.a", "", "s.A= s.a=", "s.A s.a"},
		{onNew, "", "s.a", "=s.a", "s.a"},
		{onNew, "s.ä s.Ä", "s.ä", "~s.ä=s.ä !s.Ä=", "s.ä s.Ä"},
		{onNew, "s.e\u0301", "s.\u00e9", "s.e\u0301= =s.\u00e9", "s.e\u0301 s.\u00e9"}, // one character or two: two names
	} {
		var got, named []string
		for _, p := range PairNames(names(c.old), names(c.new), c.f) {
			text := strings.Trim(FullName(p.Old), ".") + "=" + strings.Trim(FullName(p.New), ".")
			switch {
			case p.Clash != "" && p.Shared != "":
				t.Errorf("%+v: both a clash and shared", p)
			case p.Clash != "":
				text = "!" + text
			case p.Shared != "":
				text = "~" + text
			}
			got, named = append(got, text), append(named, FullName(p.Named(c.f)))
		}
		if s := strings.Join(got, " "); s != c.want || strings.Join(named, " ") != c.wantNamed {
			t.Errorf("%+v: %q against %q gives %q named %q, want %q named %q", c.f, c.old, c.new, s, named, c.want, c.wantNamed)
		}
	}
}
