package main

import (
	"errors"
	"testing"
	"time"

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

func TestFixtureReplicas(t *testing.T) {
	g := &globals{std: stdio{getenv: func(string) string { return "" }}}
	o := fixtureFlags{server: "mariadb", topology: "clusters", gtid: "default", format: "env", replicas: []string{
		"new", "old", "new:of=1,delay=60s,no-log-updates,server=mariadb118",
	}}
	spec, err := o.spec(g)
	if err != nil {
		t.Fatal(err)
	}
	r := spec.NewReplicas[1]
	if len(spec.OldReplicas) != 1 || len(spec.NewReplicas) != 2 || r.Of != 1 || r.Delay != time.Minute || !r.Options.NoLogUpdates || r.Family != fixtures.MariaDB118 {
		t.Errorf("got %+v and %+v", spec.OldReplicas, spec.NewReplicas)
	}
	for _, bad := range []string{"", "middle", "new:of=x", "new:delay=5", "new:fast", "new:server=oracle"} {
		o.replicas = []string{bad}
		var exit *exitError
		if _, err := o.spec(g); !errors.As(err, &exit) || exit.code != exitUsage {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
