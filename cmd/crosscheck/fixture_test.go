package main

import (
	"testing"

	"crosscheck/fixtures"
)

// TestFixtureSeen: the servers of fixture up show what the gates look at, so that a migration can be rehearsed on them.
func TestFixtureSeen(t *testing.T) {
	g := &globals{std: stdio{getenv: func(string) string { return "" }}}
	for _, c := range []struct {
		o        fixtureFlags
		old, new bool
	}{
		{fixtureFlags{server: "mysql"}, true, true},
		{fixtureFlags{server: "mariadb"}, false, false},
		{fixtureFlags{server: "mysql", old: "mysql56"}, false, true},
	} {
		c.o.topology, c.o.gtid, c.o.format = string(fixtures.Chain), "default", "env"
		spec, err := c.o.spec(g)
		if err != nil {
			t.Fatal(err)
		}
		if spec.OldOptions.PerformanceSchema != c.old || spec.NewOptions.PerformanceSchema != c.new || spec.MiddleOptions.PerformanceSchema != c.new {
			t.Errorf("%+v: %+v", c.o, spec)
		}
	}
}
