package report

import "testing"

func TestWhereabouts(t *testing.T) {
	for position, want := range map[string]string{
		"mariadb:1-1-313,2-2-3;file=binlog.000001:591020": "1-1-313,2-2-3 · binlog.000001:591020",
		"mysql:;file=binlog.000001:158":                   "binlog.000001:158",
		"mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5":  "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
		"file:binlog.000001:2098":                         "binlog.000001:2098",
		"file:b.01:7;mysql=3e11:1-5;mariadb=1-1-1":        "b.01:7 · 3e11:1-5 · 1-1-1",
		"mysql-bin.000042:98765432":                       "mysql-bin.000042:98765432",
		"none":                                            "none", "": "",
	} {
		if got := whereabouts(position); got != want {
			t.Errorf("%q: got %q, want %q", position, got, want)
		}
	}
}
