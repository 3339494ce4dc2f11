package gtid

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "4e11fa47-71ca-11e1-9e33-c80aa9429562"
)

func TestParseSet(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"only separators", " ,\n, ", ""},
		{"one", uuidA + ":1", uuidA + ":1"},
		{"range of one", uuidA + ":7-7", uuidA + ":7"},
		{"touching", uuidA + ":1-5:6-7:8", uuidA + ":1-8"},
		{"overlapping, unsorted", uuidA + ":9-12:1-5:3-7", uuidA + ":1-7:9-12"},
		{"turned round is nothing", uuidA + ":5-3", ""},
		{"upper case", strings.ToUpper(uuidA) + ":1-3", uuidA + ":1-3"},
		{"newlines as in gtid_executed", uuidB + ":1-3,\n" + uuidA + ":1-5", uuidA + ":1-5," + uuidB + ":1-3"},
		{"spaces", " " + uuidA + " : 1 - 3 : 5 , " + uuidB + ":2 ", uuidA + ":1-3:5," + uuidB + ":2"},
		{"same uuid twice", uuidA + ":1-3," + uuidA + ":4-6", uuidA + ":1-6"},
		{"tags", uuidA + ":1-5:7:tag1:1-3", uuidA + ":1-5:7:tag1:1-3"},
		{"only a tag", uuidA + ":tag1:1-3", uuidA + ":tag1:1-3"},
		{"tags sort, untagged first", uuidA + ":zz:1:aa:2-3," + uuidA + ":1-5", uuidA + ":1-5:aa:2-3:zz:1"},
		{"tag in upper case", uuidA + ":TAG_1:1:5", uuidA + ":tag_1:1:5"},
		{"same numbers with and without tag", uuidA + ":1:t:1", uuidA + ":1:t:1"},
		{"bare uuid is nothing", uuidA, ""},
		{"bare tag is nothing", uuidA + ":1:tag", uuidA + ":1"},
		{"tag after bare tag", uuidA + ":a:b:1", uuidA + ":b:1"},
		{"largest number", uuidA + ":9223372036854775806", uuidA + ":9223372036854775806"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := ParseSet(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestParseSetRefuses(t *testing.T) {
	for _, in := range []string{
		"x", uuidA + ":", uuidA + ":0", uuidA + ":0-5", uuidA + ":a-b", uuidA + ":1-", uuidA + ":-1",
		uuidA + ":9223372036854775807", uuidA + ":" + strings.Repeat("t", 33) + ":1", "0-1-5", "binlog.000001:4",
		uuidA[:35] + "g:1", strings.ReplaceAll(uuidA, "-", "") + ":1",
	} {
		if s, err := ParseSet(in); err == nil {
			t.Errorf("%q was read as %q", in, s)
		}
	}
	_, err := ParseSet(strings.Repeat("z", 1<<20))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("a megabyte of junk should give a short error, got %d bytes", len(fmt.Sprint(err)))
	}
}

func TestParseGTID(t *testing.T) {
	g, err := ParseGTID(uuidA + ":Tag:5")
	if err != nil || g.String() != uuidA+":tag:5" {
		t.Errorf("got %v, %v", g, err)
	}
	for _, bad := range []string{"", uuidA + ":1-2", uuidA + ":1," + uuidB + ":1"} {
		if g, err = ParseGTID(bad); err == nil {
			t.Errorf("%q was read as %v", bad, g)
		}
	}
}

// model is the naive set: one map entry for each transaction.
type model map[GTID]bool

func fromModel(m model) Set {
	var s Set
	for g := range m {
		s.Add(g)
	}
	return s
}

func (m model) where(keep func(GTID) bool) model {
	out := model{}
	for g := range m {
		if keep(g) {
			out[g] = true
		}
	}
	return out
}

func genModel() *rapid.Generator[model] {
	return rapid.Custom(func(t *rapid.T) model {
		m := model{}
		ua, _ := ParseUUID(uuidA)
		ub, _ := ParseUUID(uuidB)
		gen := rapid.Custom(func(t *rapid.T) GTID {
			return GTID{
				Source: Source{
					UUID: rapid.SampledFrom([]UUID{ua, ub}).Draw(t, "uuid"),
					Tag:  rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "tag"),
				},
				Number: rapid.Uint64Range(1, 24).Draw(t, "number"),
			}
		})
		for _, g := range rapid.SliceOfN(gen, 0, 60).Draw(t, "gtids") {
			m[g] = true
		}
		return m
	})
}

func checkNormal(t *rapid.T, s Set) {
	for src, ivs := range s.bySource {
		if len(ivs) == 0 {
			t.Fatalf("%s has an empty list", src)
		}
		for i, iv := range ivs {
			if iv.First > iv.Last || (i > 0 && ivs[i-1].Last+1 >= iv.First) {
				t.Fatalf("%s is not normal: %v", src, ivs)
			}
		}
	}
}

func TestSetAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ma, mb := genModel().Draw(t, "a"), genModel().Draw(t, "b")
		a, b := fromModel(ma), fromModel(mb)
		textA := a.String()
		both := model{}
		for g := range ma {
			both[g] = true
		}
		for g := range mb {
			both[g] = true
		}
		for name, c := range map[string]struct {
			got  Set
			want model
		}{
			"a":         {a, ma},
			"union":     {a.Union(b), both},
			"intersect": {a.Intersect(b), ma.where(func(g GTID) bool { return mb[g] })},
			"subtract":  {a.Subtract(b), ma.where(func(g GTID) bool { return !mb[g] })},
		} {
			checkNormal(t, c.got)
			if c.got.Count() != uint64(len(c.want)) || c.got.IsEmpty() != (len(c.want) == 0) {
				t.Fatalf("%s: count %d, model %d", name, c.got.Count(), len(c.want))
			}
			for g := range both {
				if c.got.Has(g) != c.want[g] {
					t.Fatalf("%s: has %s is %v", name, g, c.got.Has(g))
				}
			}
			back, err := ParseSet(c.got.String())
			if err != nil || !back.Equal(c.got) {
				t.Fatalf("%s: %s came back as %s (%v)", name, c.got, back, err)
			}
		}
		subset := len(mb.where(func(g GTID) bool { return !ma[g] })) == 0
		if a.Contains(b) != subset || a.Equal(b) != (subset && len(ma) == len(mb)) {
			t.Fatalf("contains %v, equal %v of %s and %s", a.Contains(b), a.Equal(b), a, b)
		}
		if !a.Union(b).Contains(b) || !a.Contains(a.Intersect(b)) || !a.Contains(Set{}) {
			t.Fatal("lattice laws broken")
		}
		if a.String() != textA {
			t.Fatalf("an operation changed its operand: %s became %s", textA, a)
		}
	})
}

// Messy text: intervals in any order and case with blanks must give the same
// set as adding the numbers one by one.
func TestParseSetAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := genModel().Draw(t, "set")
		var parts []string
		for g := range m {
			p := g.String()
			if rapid.Bool().Draw(t, "upper") {
				p = strings.ToUpper(p)
			}
			parts = append(parts, p+rapid.SampledFrom([]string{"", " ", "\n", "\r\n"}).Draw(t, "blank"))
		}
		slices.Sort(parts)
		got, err := ParseSet(strings.Join(rapid.Permutation(parts).Draw(t, "order"), ","))
		if err != nil || !got.Equal(fromModel(m)) {
			t.Fatalf("got %s (%v), want %s", got, err, fromModel(m))
		}
	})
}

func TestViews(t *testing.T) {
	s, _ := ParseSet(uuidA + ":1-5:x:3," + uuidB + ":2")
	ua, _ := ParseUUID(uuidA)
	if got := s.Of(ua).String(); got != uuidA+":1-5:x:3" {
		t.Errorf("Of: %s", got)
	}
	if got := len(s.Sources()); got != 3 {
		t.Errorf("%d sources", got)
	}
	if got := s.UUIDs(); len(got) != 2 || got[0] != ua {
		t.Errorf("UUIDs: %v", got)
	}
	if got := s.Intervals(Source{UUID: ua}); !slices.Equal(got, []Interval{{1, 5}}) {
		t.Errorf("Intervals: %v", got)
	}
	clone := s.Clone()
	clone.Add(GTID{Source{UUID: ua}, 6})
	if s.Has(GTID{Source{UUID: ua}, 6}) || !clone.Has(GTID{Source{UUID: ua}, 6}) {
		t.Error("a clone shares storage")
	}
	before := s.Count()
	s.Add(GTID{Source{UUID: ua}, 0})
	if s.Count() != before {
		t.Error("an anonymous transaction was added")
	}
}

// wide is a set of n intervals with holes between them.
func wide(n int, offset uint64) Set {
	ivs := make([]Interval, n)
	for i := range ivs {
		first := uint64(i)*10 + offset
		ivs[i] = Interval{first, first + 4}
	}
	u, _ := ParseUUID(uuidA)
	return Set{bySource: map[Source][]Interval{{UUID: u}: ivs}}
}

// A hundred thousand intervals must stay a matter of milliseconds: a quadratic
// step would take minutes and fail here on any machine.
func TestWideSets(t *testing.T) {
	begin := time.Now()
	a, b := wide(100_000, 1), wide(100_000, 4)
	text := a.String()
	back, err := ParseSet(text)
	if err != nil || !back.Equal(a) {
		t.Fatal("wide set did not come back", err)
	}
	if got := a.Union(b).Count(); got != 800_000 {
		t.Errorf("union has %d", got)
	}
	if got := a.Subtract(b).Count(); got != 300_000 {
		t.Errorf("difference has %d", got)
	}
	if got := a.Intersect(b).Count(); got != 200_000 {
		t.Errorf("intersection has %d", got)
	}
	if a.Contains(b) || !a.Union(b).Contains(b) {
		t.Error("contains")
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

func BenchmarkContainsWide(b *testing.B) {
	s := wide(100_000, 1)
	for b.Loop() {
		if !s.Contains(s) {
			b.Fatal("not its own subset")
		}
	}
}

func BenchmarkSubtractFewFromWide(b *testing.B) {
	s := wide(100_000, 1)
	few := wide(10, 500_001)
	for b.Loop() {
		if few.Subtract(s).Count() != 0 {
			b.Fatal("not a subset")
		}
	}
}

func BenchmarkAddInOrder(b *testing.B) {
	u, _ := ParseUUID(uuidA)
	var s Set
	n := uint64(0)
	for b.Loop() {
		n++
		s.Add(GTID{Source{UUID: u}, n})
	}
}

func BenchmarkParseWide(b *testing.B) {
	text := wide(100_000, 1).String()
	for b.Loop() {
		if _, err := ParseSet(text); err != nil {
			b.Fatal(err)
		}
	}
}
