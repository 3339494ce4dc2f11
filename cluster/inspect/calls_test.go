package inspect

import (
	"slices"
	"testing"
)

func TestCalls(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                      nil,
		"concat(SHA1(a), md5( b))":              {"concat", "sha1", "md5"},
		"`md5`(x) + shop.f(1) + `shop`.`g`(2)":  {"md5"},
		"'sha1(x)' = \"md5(y)\" /* crc32(z) */": nil,
		"select 1 -- md5(x)\nfrom t where left (a,1)": {"left"},
		"'it''s \\' sha(1)', now()":                   {"now"},
		"@md5(1) 1e5(2) a IN (1, 2)":                  {"in"},
	} {
		if got := Calls(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestForeignKeyStatements(t *testing.T) {
	const text = "CREATE TABLE `c` (\n  `id` int(11) NOT NULL,\n  KEY `t` (`t`),\n  CONSTRAINT `a``b` FOREIGN KEY (`t`, `u`) REFERENCES `p` (`id`, `x`) ON DELETE SET NULL ON UPDATE CASCADE,\n" +
		"  CONSTRAINT `z` FOREIGN KEY (`t`) REFERENCES `other`.`p q` (`id`)\n) ENGINE=InnoDB"
	got := constraint.FindAllStringSubmatch(text, -1)
	if len(got) != 2 {
		t.Fatalf("%q", got)
	}
	for i, want := range [][]string{{"`a``b`", "`t`, `u`", "", "`p`", "`id`, `x`", "SET NULL", "CASCADE"}, {"`z`", "`t`", "`other`", "`p q`", "`id`", "", ""}} {
		if !slices.Equal(got[i][1:], want) {
			t.Errorf("%q, want %q", got[i][1:], want)
		}
	}
	if unquote("`a``b`") != "a`b" {
		t.Error(unquote("`a``b`"))
	}
}
