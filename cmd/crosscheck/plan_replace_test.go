package main

import (
	"testing"

	"crosscheck/cluster/gtid"
)

// TestLineage tests which transactions a server that is to take another one's place lacks.
func TestLineage(t *testing.T) {
	const a, b = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
	for _, c := range []struct{ name, have, logged, want, lost, unknown string }{
		{"all", "mysql:" + a + ":1-9", "", "mysql:" + a + ":1-9;file=x.1:4", "", ""},
		{"more", "mysql:" + a + ":1-9," + b + ":1", "", "mysql:" + a + ":1-8", "", ""},
		{"a hole", "mysql:" + a + ":1-3:5-9", "", "mysql:" + a + ":1-8", a + ":4", ""},
		{"all, of MariaDB", "mariadb:0-2-9", "0-1-8,0-2-9", "mariadb:0-1-8", "", ""},
		// By its position alone it would hold everything: it went on with writes of its own.
		{"another history", "mariadb:0-2-9", "0-1-6,0-2-9", "mariadb:0-1-8", "0-1-8 (it has 0-1-6)", ""},
		{"an unknown writer", "mariadb:0-2-9,5-1-1", "0-2-9,5-1-1", "mariadb:0-1-8,5-1-1", "0-1-8 (it has none of that server)", ""},
		{"no GTIDs", "file:x.1:4", "", "file:x.1:4", "", "without GTIDs nobody can compare it with it"},
		{"other numbers", "mysql:" + a + ":1-9", "", "mariadb:0-1-8", "", "it cannot be compared with it: one has mysql, the other mariadb"},
	} {
		h := holding{}
		var err error
		if h.Position, err = gtid.ParsePosition(c.have); err != nil {
			t.Fatal(err)
		}
		if h.logged, err = gtid.ParseMariaState(c.logged); err != nil {
			t.Fatal(err)
		}
		var l lineage
		known := l.holds(h, c.want, "it")
		if l.lost != c.lost || l.unknown != c.unknown || known == (c.unknown != "") {
			t.Errorf("%s: %+v, comparable: %v", c.name, l, known)
		}
	}
}
