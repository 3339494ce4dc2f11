package plan

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/checksum/packet"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// A key that is selected as stored is watched by what the log writes for it, or not at all.
func TestWatchKeyOfStoredText(t *testing.T) {
	for _, c := range []struct {
		typ, charset, stored, want string
		labels                     []string
		ok                         bool
	}{
		{typ: "varchar", charset: "cp1251", stored: "\xcf", want: "П", ok: true},
		{typ: "varchar", charset: "cp1251", stored: "", want: "", ok: true},
		{typ: "varchar", charset: "ucs2", stored: "\xd8\x00"},
		{typ: "varchar", charset: "cp932", stored: "\xee\xe0"},
		{typ: "enum", charset: "latin1", stored: "\xe9", want: "é", labels: []string{"é", "b"}, ok: true},
		{typ: "enum", charset: "utf8mb4", stored: "é", want: "é", labels: []string{"é", "b"}, ok: true},
		{typ: "enum", charset: "utf8mb4", stored: "😀", labels: []string{"?", "b"}},
	} {
		col := cluster.Column{Name: "k", DataType: c.typ, ColumnType: c.typ, Charset: c.charset, Collation: c.charset + "_x", Labels: c.labels}
		p := &Table{NKey: 1, Columns: []Column{{Old: &col, New: &col, Proj: Projection{Old: "`k`", New: "`k`"}}}}
		wire := []rowstream.Column{{Type: mysql.MYSQL_TYPE_VAR_STRING}}
		p.SeeTypes(wire)
		key, ok := p.WatchKey(packet.WithLength([]byte(c.stored)), false)
		if ok != c.ok || ok && (string(key[0].Text) != c.want || key[0].IsNull()) {
			t.Errorf("%s in %s, %q: %v, %v", c.typ, c.charset, c.stored, key, ok)
		}
	}
}
