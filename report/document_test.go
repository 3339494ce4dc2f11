package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/checksum"
)

func TestNewCheckNeverShowsBetterThanItsParts(t *testing.T) {
	same := sameTable("a.a", 1)
	lying := sameTable("a.b", 1)
	lying.Counts.Changed = 1
	open := checksum.TableResult{Table: "a.c"}
	for name, c := range map[string]struct {
		change func(*checksum.Result)
		want   checksum.Verdict
	}{
		"all same":              {func(r *checksum.Result) { r.Tables = []checksum.TableResult{same} }, checksum.Same},
		"no table":              {func(*checksum.Result) {}, checksum.Undecided},
		"interrupted":           {func(r *checksum.Result) { r.Tables, r.Interrupted = []checksum.TableResult{same}, true }, checksum.Undecided},
		"an undecided table":    {func(r *checksum.Result) { r.Tables = []checksum.TableResult{same, open} }, checksum.Undecided},
		"counts against a same": {func(r *checksum.Result) { r.Tables = []checksum.TableResult{same, lying} }, checksum.Different},
	} {
		r := sampleResult(checksum.Same)
		c.change(&r)
		d := NewCheck(Pair(r), Options{})
		if d.Verdict != c.want {
			t.Errorf("%s: verdict %v, want %v", name, d.Verdict, c.want)
		}
		if word, _, _ := strings.Cut(d.Summary(), ":"); word != strings.ToUpper(c.want.String()) {
			t.Errorf("%s: summary %q", name, d.Summary())
		}
	}
}

func TestNewCheckBoundsDifferences(t *testing.T) {
	r := resultDifferent()
	for limit, want := range map[int][2]int64{-1: {7, 8}, 0: {0, 15}, 3: {3, 12}, 100: {7, 8}} {
		d := NewCheck(Pair(r), Options{MaxDifferences: limit})
		for _, table := range d.Tables {
			if table.Table == "shop.orders" {
				if got := [2]int64{int64(len(table.Differences)), table.DifferencesOmitted}; got != want {
					t.Errorf("limit %d: listed and omitted %v, want %v", limit, got, want)
				}
			}
		}
	}
	d := NewCheck(Pair(r), Options{MaxDifferences: 1})
	if got := d.Tables[2]; got.Table != "shop.import_log" || got.DifferencesOmitted != 0 {
		t.Errorf("one entry stands for three rows of a keyless table: %+v", got)
	}
}

func TestDocumentSurvivesJSON(t *testing.T) {
	for name, doc := range samples() {
		if strings.HasPrefix(name, "hostile") { // bytes that are no UTF-8 cannot survive in names
			continue
		}
		var b strings.Builder
		if err := Render(&b, FormatJSON, doc, TermOptions{}); err != nil {
			t.Fatal(err)
		}
		var back CheckDocument
		if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(doc, back); d != "" {
			t.Errorf("%s (-written +read):\n%s", name, d)
		}
	}
}

func TestNoSliceIsNull(t *testing.T) {
	r := checksum.Result{Tables: []checksum.TableResult{{Table: "a.b", Differences: []checksum.Difference{{Kind: checksum.Extra}}}}}
	text, err := json.Marshal(NewCheck(Pair(r), Options{MaxDifferences: 1}))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("null in %s", text)
	}
}

func TestKeyKeepsItsOrder(t *testing.T) {
	z, a := "1", `"quoted" <b>`
	k := Key{{"z", &z}, {"a", &a}, {"m", nil}}
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	var back Key
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(k, back); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`[]`, `{"a":1}`, `null`} {
		if err := json.Unmarshal([]byte(bad), &back); bad != "null" && err == nil {
			t.Errorf("%s was taken for a key", bad)
		}
	}
}

func TestMaskedValuesAppearNowhere(t *testing.T) {
	r := sampleResult(checksum.Different)
	table := sameTable("shop.orders", 10)
	table.Verdict, table.Counts.Changed = checksum.Different, 1
	d := changed([]checksum.Field{field("id", "1")}, diff("iban", "DE89370400440532013000", "SECRETVALUE"))
	d.OldRow = []checksum.Cell{{Column: "iban", Literal: "'DE89370400440532013000'"}}
	table.Differences = []checksum.Difference{d}
	r.Tables = []checksum.TableResult{table}
	for _, f := range Formats() {
		for show, doc := range map[bool]CheckDocument{
			false: NewCheck(Pair(r), Options{MaxDifferences: -1}), true: NewCheck(Pair(r), Options{MaxDifferences: -1, ShowValues: true}),
		} {
			var b strings.Builder
			if err := Render(&b, f, doc, TermOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(b.String(), "DE8937") || strings.Contains(b.String(), "SECRET"); got != show {
				t.Errorf("%s: values in the output: %v, asked for: %v", f, got, show)
			}
		}
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "•••• (0 chars)",
		"x":                       "•••• (1 char)",
		"Zürich":                  "•••• (6 chars)",
		"-12.50":                  "•••• (number, 6 chars)",
		"0xCAFE":                  "•••• (4 hex digits)",
		"\xff\xfe":                "•••• (2 bytes)",
		"Infinity":                "•••• (8 chars)",
		"NULL":                    "•••• (4 chars)",
		"2026-01-01":              "•••• (10 chars)",
		strings.Repeat("a", 20e6): "•••• (20.0 M chars)",
	} {
		if got := mask(checksum.Value{Text: text}); got != want {
			t.Errorf("mask(%.20q) = %q, want %q", text, got, want)
		}
	}
	if got := mask(checksum.Value{Text: "ignored", Null: true}); got != "NULL" {
		t.Errorf("NULL is masked as %q", got)
	}
}

func TestNature(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"a", "b", ""},
		{"abc", "ABC", "letter case only"},
		{"abc", "abc  ", "trailing spaces only"},
		{"é", "e\u0301", "Unicode form only"},
		{"Müller", "Muller", "accents or case only"},
		{"0", "-0", "sign of zero only"},
		{"1.50", "1.5", "same number, written differently"},
		{"-0012.50e-1", "-1.25", "same number, written differently"},
		{"1E5", "100000", "same number, written differently"},
		{"9007199254740993", "9007199254740992", ""}, // one double
		{"0.1", "0.10000000000000000001", ""},
		{"12345678901234567890.000000000000000001", "12345678901234567890.000000000000000002", ""},
		{"1e-400", "1e-401", ""},
		{"0.1", "0.1", "same text, different bytes"},
		{"0xAB", "0xab", ""},
		{"1", "2", ""},
	} {
		if got := nature(checksum.Value{Text: c.old}, checksum.Value{Text: c.new}); got != c.want {
			t.Errorf("nature(%q, %q) = %q, want %q", c.old, c.new, got, c.want)
		}
	}
	if got := nature(checksum.Value{Null: true}, checksum.Value{}); got != "" {
		t.Errorf("NULL and the empty text: %q", got)
	}
}

func TestHugeValuesKeepTheirDifference(t *testing.T) {
	old := strings.Repeat("ä", 10_000_000)
	d := showDiff(diff("blob", old, old[:len(old)-2]+"ö"))
	if !d.Cut || len(*d.Old) > maxValueBytes+10 || *d.Old == *d.New {
		t.Errorf("cut %v, %d bytes, equal %v", d.Cut, len(*d.Old), *d.Old == *d.New)
	}
	if !strings.HasSuffix(*d.Old, "ä") || !strings.HasSuffix(*d.New, "ö") || !strings.HasPrefix(*d.New, cutMark) {
		t.Error("the last character, which differs, was lost")
	}
}

func TestRates(t *testing.T) {
	r := sampleResult(checksum.Same)
	resumed := sameTable("a.b", 1000)
	resumed.Resumed = 1
	r.Tables = []checksum.TableResult{sameTable("a.a", 1000), resumed}
	d := NewCheck(Pair(r), Options{})
	if d.Tables[0].RowsPerSecond != 400 || d.Tables[1].RowsPerSecond != 0 || d.Totals.RowsPerSecond != 0 {
		t.Errorf("rows read by an earlier run count as speed: %d, %d, %d", d.Tables[0].RowsPerSecond,
			d.Tables[1].RowsPerSecond, d.Totals.RowsPerSecond)
	}
	if !d.Started.Equal(started.Truncate(time.Millisecond)) || d.Started.Location() != time.UTC {
		t.Errorf("started %v", d.Started)
	}
}

func TestSummary(t *testing.T) {
	lossy := resultSame()
	lossy.Tables[0].Lossy = []string{"a", "b"}
	independent := resultSame()
	independent.Relation = "independent"
	partly := resultDifferent()
	partly.Tables = append(partly.Tables, checksum.TableResult{Table: "z.z", Reason: "not reached"})
	partly.Interrupted = true
	const compared = "SAME: 5 tables, 1,254 M rows, 169 GiB compared in 14.2 s"
	for _, c := range []struct {
		result checksum.Result
		want   string
	}{
		{lossy, compared + ", proven through old at mysql-bin.000042:98765432; 2 columns compared through a conversion that loses information"},
		{independent, compared},
		{partly, "DIFFERENT: 19 rows in 3 tables (5 missing, 1 extra, 13 changed), and shop.coupons: the table does not exist on new; 1 table undecided; stopped before the end"},
		{resultUndecided(), "UNDECIDED: 4 rows in 1 of 2 tables not proven either way; replication to new stopped: error 1062 on the applier; 4 rows differ and no fence arrived within 30 s"},
		{checksum.Result{}, "UNDECIDED: nothing was proven"},
	} {
		d := NewCheck(Pair(c.result), Options{})
		if got := d.Summary(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
