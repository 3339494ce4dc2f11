package cluster

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		include, exclude string // separated by spaces
		fold             bool
		yes, no          string // "schema|table", separated by spaces
	}{
		{"", "", false, "a|b x|y", ""},
		{"shop.*", "", false, "shop|orders shop|.", "Shop|orders shopx|a xshop|a"},
		{"shop.*", "", true, "SHOP|orders", "shopx|a"},
		{"shop.Ö*", "", true, "Shop|ölig", "shop|olig"},
		{"sh?p.o*s", "", false, "shop|orders shöp|os", "shp|orders shoop|os shop|order"},
		{"*.log_*", "*.*_2019", false, "a|log_ b|log_1", "a|logs a|log_2019"},
		{"", "tmp.* *.bak?", false, "a|bak", "tmp|a a|bak1"},
		{"shop.* other.x", "shop.a", false, "shop|b other|x", "shop|a other|y"},
		{"`we.ird`.`na*me`", "", false, "we.ird|na*me", "we.ird|name weird|na*me"},
		{"`a``b`.pre`.`*", "", false, "a`b|pre. a`b|pre.x", "a`b|prex"},
		{"*.*", "", false, "a|b", ""},
		{"a.**b", "", false, "a|b a|xbb", "a|bx"},
	} {
		f, err := NewFilter(strings.Fields(c.include), strings.Fields(c.exclude))
		if err != nil {
			t.Errorf("%s: %v", c.include, err)
			continue
		}
		f = f.FoldCase(c.fold)
		for want, names := range map[bool]string{true: c.yes, false: c.no} {
			for _, n := range strings.Fields(names) {
				schema, table, _ := strings.Cut(n, "|")
				if f.Match(schema, table) != want {
					t.Errorf("%q without %q: %s gives %v", c.include, c.exclude, n, !want)
				}
			}
		}
	}
}

func TestFilterMistakes(t *testing.T) {
	for pattern, want := range map[string]string{
		"orders": "'*.orders'", "": "is empty", "a.b.c": "between backquotes", "`a.b": "open backquote", ".b": "beside the dot", "a.": "beside the dot",
	} {
		for _, in := range []bool{true, false} {
			var err error
			if in {
				_, err = NewFilter([]string{pattern}, nil)
			} else {
				_, err = NewFilter(nil, []string{pattern})
			}
			var e *FilterError
			if !errors.As(err, &e) || e.Pattern != pattern || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want …%s…", pattern, err, want)
			}
		}
	}
}

func TestFilterUnmatched(t *testing.T) {
	tables := []TableName{{"shop", "orders"}, {"shop", "items"}, {"crm", "people"}}
	for pattern, want := range map[string]string{
		"shop.ordres": `did you mean "shop.orders"?`, "Shop.Orders": `did you mean "shop.orders"?`, "shpo.*": `did you mean "shop.*"?`,
		"mysql.user": "own schemas are not compared", "billing.invoices_of_last_year": "may not read does not show",
	} {
		f, err := NewFilter([]string{"crm.*", pattern}, []string{"crm.people"})
		if err != nil {
			t.Fatal(err)
		}
		err = f.NoMatch(f.Unmatched(tables)[0], tables)
		var e *FilterError
		if !errors.As(err, &e) || e.Pattern != pattern || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", pattern, err, want)
		}
	}
	f, _ := NewFilter([]string{"shop.*", "CRM.*"}, nil)
	if left := f.FoldCase(true).Unmatched(tables); left != nil {
		t.Error(left)
	}
	f, _ = NewFilter([]string{"crm.*"}, []string{"crm.people"})
	if err := f.NoMatch("crm.*", tables); !strings.Contains(err.Error(), `all tables that match "crm.*" are excluded`) {
		t.Error(err)
	}
}

// TestGlobAgainstRegexp compares with a translation to regular expressions.
func TestGlobAgainstRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab*?]{1,8}`).Draw(t, "glob")
		p, err := parsePattern("s." + text)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile("^" + strings.NewReplacer("*", ".*", "?", ".").Replace(text) + "$")
		name := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "name")
		if p.table.match(name, false) != re.MatchString(name) {
			t.Fatalf("%s against %s: %v", text, name, !re.MatchString(name))
		}
	})
}
