package main

import (
	"testing"

	"crosscheck/cluster"
)

func TestReads(t *testing.T) {
	shop := []string{"shop.*"}
	for _, c := range []struct {
		name    string
		seen    cluster.Scope
		include []string
		want    bool
	}{
		{"everything", cluster.Scope{Global: true}, nil, true},
		{"a schema, of all", cluster.Scope{Schemas: []string{"shop"}}, nil, false},
		{"that schema", cluster.Scope{Schemas: []string{"shop"}}, shop, true},
		{"an escaped name", cluster.Scope{Schemas: []string{`my\_shop`}}, []string{"my_shop.*"}, true},
		{"another schema", cluster.Scope{Schemas: []string{"blog"}}, shop, false},
		{"a table of it", cluster.Scope{Tables: []string{"shop.a"}}, shop, false},
		{"that table", cluster.Scope{Tables: []string{"shop.a"}}, []string{"shop.a"}, true},
		{"all but another", cluster.Scope{Global: true, Revoked: []string{"blog"}}, shop, true},
		{"all but it", cluster.Scope{Global: true, Revoked: []string{"shop"}}, shop, false},
		{"all but one, of many", cluster.Scope{Global: true, Revoked: []string{"shop"}}, []string{"s*.*"}, false},
	} {
		if got := reads(c.seen, c.include); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
