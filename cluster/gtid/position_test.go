package gtid

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMariaPos(t *testing.T) {
	p, err := ParseMariaPos(" 5-7-3 , 0-1-100\n")
	if err != nil || p.String() != "0-1-100,5-7-3" {
		t.Fatalf("got %s, %v", p, err)
	}
	for _, bad := range []string{"0-1", "0-1-2-3", "a-1-2", "0-1-100,0-2-101", "4294967296-1-1", "0-1--1"} {
		if q, err := ParseMariaPos(bad); err == nil {
			t.Errorf("%q was read as %s", bad, q)
		}
	}
	g, ok := p.Last(5)
	if !ok || g != (MariaGTID{5, 7, 3}) {
		t.Errorf("Last(5): %v %v", g, ok)
	}
	if q := p.Without(0); q.String() != "5-7-3" || p.String() != "0-1-100,5-7-3" {
		t.Errorf("Without: %s, %s", q, p)
	}
	if q := p.Union(MariaPosOf(MariaGTID{0, 2, 120}, MariaGTID{5, 7, 1}, MariaGTID{9, 1, 1})); q.String() != "0-2-120,5-7-3,9-1-1" {
		t.Errorf("Union: %s", q)
	}
}

func TestMariaContains(t *testing.T) {
	for _, c := range []struct {
		p, q, gaps string
	}{
		{"0-1-100", "", ""},
		{"", "0-1-1", "domain 0: all up to 1 missing"},
		{"0-1-100", "0-1-100", ""},
		{"0-2-101", "0-1-100", ""}, // another writer took over
		{"0-1-100", "0-1-101", "domain 0: 101 missing"},
		{"0-1-100,1-2-7", "0-1-120,1-2-7", "domain 0: 101-120 missing"},
		{"0-1-100,1-2-7", "1-2-9", "domain 1: 8-9 missing"},
		{"0-1-100", "0-1-90,1-2-9", "domain 1: all up to 9 missing"},
	} {
		p, _ := ParseMariaPos(c.p)
		q, _ := ParseMariaPos(c.q)
		gaps := ""
		for _, g := range p.Missing(q) {
			gaps += g.String()
		}
		if gaps != c.gaps || p.Contains(q) != (c.gaps == "") {
			t.Errorf("%q contains %q: %v, gaps %q, want %q", c.p, c.q, p.Contains(q), gaps, c.gaps)
		}
	}
}

func TestMariaState(t *testing.T) {
	s, err := ParseMariaState("0-1-100,0-2-101,1-2-5")
	if err != nil || !s.Wrote(0, 1) || !s.Wrote(0, 2) || s.Wrote(1, 1) || len(s.Domains()) != 2 {
		t.Errorf("%v %v", s, err)
	}
}

func TestFilePosCompare(t *testing.T) {
	for _, c := range []struct {
		p, q string
		want int
		bad  bool
	}{
		{p: "mysql-bin.000003:157", q: "mysql-bin.000003:157"},
		{p: "mysql-bin.000003:157", q: "mysql-bin.000003:158", want: -1},
		{p: "mysql-bin.000010:4", q: "mysql-bin.000009:999", want: 1},
		{p: "b.999999:9", q: "b.1000000:4", want: -1},
		{p: "b.c.000002:9", q: "b.c.000001:4", want: 1},
		{p: "b.000001:18446744073709551615", q: "b.000001:4294967296", want: 1},
		{p: "a.000001:4", q: "b.000001:4", bad: true},
	} {
		p, err1 := ParseFilePos(c.p)
		q, err2 := ParseFilePos(c.q)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		got, err := p.Compare(q)
		if got != c.want || errors.Is(err, ErrIncomparable) != c.bad {
			t.Errorf("%s against %s: %d, %v", p, q, got, err)
		}
	}
	for _, bad := range []string{"", "x", "x:4", "b.000001", "b.000001:", "b.000001:-4", "b.x:4", ":4"} {
		if p, err := ParseFilePos(bad); err == nil {
			t.Errorf("%q was read as %s", bad, p)
		}
	}
}

func mustPosition(t interface{ Fatal(...any) }, s string) Position {
	p, err := ParsePosition(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPositionForms(t *testing.T) {
	for _, c := range []struct{ in, text, json string }{
		{"", "none", `{"kind":"none"}`},
		{"mysql:", "mysql:", `{"kind":"mysql","gtid":""}`},
		{uuidA + ":1-5", "mysql:" + uuidA + ":1-5", `{"kind":"mysql","gtid":"` + uuidA + `:1-5"}`},
		{
			"mysql:" + uuidA + ":1-5:t:1;file=b;file=.000001:4", "", "",
		},
		{
			"mysql:" + uuidA + ":1;file=b.000001:4", "mysql:" + uuidA + ":1;file=b.000001:4",
			`{"kind":"mysql","gtid":"` + uuidA + `:1","file":"b.000001","pos":4}`,
		},
		{"0-1-5,1-2-3", "mariadb:0-1-5,1-2-3", `{"kind":"mariadb","gtid":"0-1-5,1-2-3"}`},
		{"b.000001:4", "file:b.000001:4", `{"kind":"file","file":"b.000001","pos":4}`},
		{
			"file:b;c.000001:4;mysql=" + uuidA + ":1", "file:b;c.000001:4;mysql=" + uuidA + ":1",
			`{"kind":"file","gtid":"` + uuidA + `:1","file":"b;c.000001","pos":4}`,
		},
		{
			"file:b.000001:4;mariadb=0-1-5", "file:b.000001:4;mariadb=0-1-5",
			`{"kind":"file","gtid":"0-1-5","file":"b.000001","pos":4}`,
		},
	} {
		p, err := ParsePosition(c.in)
		if c.text == "" {
			if err == nil && p.File.File != "b;file=.000001" {
				t.Errorf("%q was read as %s", c.in, p)
			}
			continue
		}
		if err != nil || p.String() != c.text {
			t.Errorf("%q: got %s, %v", c.in, p, err)
		}
		b, err := json.Marshal(p)
		if err != nil || string(b) != c.json {
			t.Errorf("%q: JSON %s, %v", c.in, b, err)
		}
		var back, fromText Position
		if err = json.Unmarshal(b, &back); err != nil || back.String() != c.text {
			t.Errorf("%q: JSON came back as %s, %v", c.in, back, err)
		}
		text, _ := json.Marshal(p.String())
		if err = json.Unmarshal(text, &fromText); err != nil || fromText.String() != c.text {
			t.Errorf("%q: text in JSON came back as %s, %v", c.in, fromText, err)
		}
	}
	for _, bad := range []string{"x", "mysql:x", "mariadb:x", "file:x", "file:b.000001:4;mysql=x"} {
		if p, err := ParsePosition(bad); err == nil {
			t.Errorf("%q was read as %s", bad, p)
		}
	}
	var p Position
	for _, bad := range []string{`{}`, `7`, `{"kind":"mysql","gtid":"x"}`, `"x"`} {
		if err := json.Unmarshal([]byte(bad), &p); err == nil {
			t.Errorf("%s was read as %s", bad, p)
		}
	}
}

func TestPositionContains(t *testing.T) {
	for _, c := range []struct {
		p, q string
		want bool
		bad  bool
	}{
		{p: "mysql:" + uuidA + ":1-5", q: "mysql:" + uuidA + ":1-3", want: true},
		{p: "mysql:" + uuidA + ":1-5", q: "mysql:" + uuidB + ":1"},
		{p: "mysql:", q: "mysql:", want: true},
		{p: "mariadb:0-1-5", q: "mariadb:0-1-4", want: true},
		{p: "file:b.000002:4", q: "file:b.000001:400", want: true},
		{p: "file:b.000002:4", q: "mysql:" + uuidA + ":1;file=b.000001:400", want: true},
		{p: "mysql:" + uuidA + ":1", q: "file:b.000001:400", bad: true},
		{p: "mysql:" + uuidA + ":1", q: "mariadb:0-1-4", bad: true},
		{p: "none", q: "none", bad: true},
		{p: "file:b.000002:4", q: "file:c.000001:400", bad: true},
	} {
		got, err := mustPosition(t, c.p).Contains(mustPosition(t, c.q))
		if got != c.want || errors.Is(err, ErrIncomparable) != c.bad {
			t.Errorf("%s contains %s: %v, %v", c.p, c.q, got, err)
		}
	}
}

func TestPositionTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Position{Kind: rapid.SampledFrom([]Kind{MySQLGTID, MariaDBGTID, File}).Draw(t, "kind")}
		if p.Kind == File || rapid.Bool().Draw(t, "with file") {
			p.File = FilePos{
				rapid.StringMatching(`[a-z;:= .\-]{1,8}\.[0-9]{6,7}`).Draw(t, "file"),
				rapid.Uint64().Draw(t, "pos"),
			}
		}
		extra := p.Kind == File && rapid.Bool().Draw(t, "with GTIDs")
		switch {
		case p.Kind == MySQLGTID || extra && rapid.Bool().Draw(t, "mysql"):
			p.MySQL = fromModel(genModel().Draw(t, "set"))
		case p.Kind == MariaDBGTID || extra:
			p.MariaDB = MariaPosOf(MariaGTID{rapid.Uint32().Draw(t, "domain"), 1, rapid.Uint64().Draw(t, "seq")})
		}
		if p.File.File != "" && (p.File.File[0] == ' ') {
			t.Skip("a file's name does not begin with a blank")
		}
		text, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Position
		if err = back.UnmarshalText(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(p.String(), back.String()); diff != "" {
			t.Fatal(diff)
		}
	})
}
