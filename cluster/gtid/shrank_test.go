package gtid

import "testing"

func TestShrank(t *testing.T) {
	const u, v = "aaaaaaaa-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"
	for _, c := range []struct {
		before, now string
		want        bool
	}{
		{"none", "none", false},
		{"file:b.000003:157", "none", false},
		{"none", "file:b.000003:157", false},
		{"file:b.000003:157", "file:b.000003:157", false},
		{"file:b.000003:157", "file:b.000004:4", false},
		{"file:b.000003:157", "file:b.000001:900", true},
		{"file:b.000003:157", "file:b.000003:156", true},
		{"file:b.000003:157", "file:c.000001:4", false}, // renamed: nobody knows
		{"mysql:" + u + ":1-5", "mysql:" + u + ":1-6," + v + ":1", false},
		{"mysql:" + u + ":1-5", "mysql:" + v + ":1-9", true},
		{"mysql:" + u + ":1-5", "mysql:", true},
		{"mysql:" + u + ":1-5;file=b.000002:4", "mysql:" + u + ":1-5;file=b.000001:900", true}, // reset, and told what it had
		{"mysql:" + u + ":1-5;file=b.000002:4", "file:b.000002:900;mysql=" + u + ":1-5", false},
		{"mysql:" + u + ":1-5;file=b.000002:4", "file:b.000003:4", false},
		{"file:b.000002:4", "mysql:" + u + ":1;file=b.000003:4", false},
		{"mariadb:0-1-100", "mariadb:0-1-101,5-7-1", false},
		{"mariadb:0-1-100", "mariadb:0-2-99", false}, // two masters, one domain
		{"mariadb:0-1-100", "mariadb:0-1-1", true},
		{"mariadb:0-1-100,5-7-3", "mariadb:0-1-100", true},
		{"mariadb:0-1-100", "mariadb:", true},
	} {
		was, err := ParsePosition(c.before)
		if err != nil {
			t.Fatal(c.before, err)
		}
		is, err := ParsePosition(c.now)
		if err != nil {
			t.Fatal(c.now, err)
		}
		if got := is.Shrank(was); got != c.want {
			t.Errorf("%s after %s: %v", c.now, c.before, got)
		}
	}
}
