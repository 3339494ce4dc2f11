package diff

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// An ENUM's number 0 reads as an empty string. It is stored by its number, and only without strict mode; an empty label
// is stored as one.
func TestCellOfNoLabel(t *testing.T) {
	wire := rowstream.Column{Type: mysql.MYSQL_TYPE_STRING}
	for _, c := range []struct {
		labels  []string
		raw     string // length-prefixed
		literal string
		lax     bool
		number  string
	}{
		{[]string{"a"}, "\x00", "0", true, ""},
		{[]string{"", "a"}, "", "1", false, "1"},
		{[]string{"", "a"}, "", "0", true, "0"},
		{[]string{"0"}, "\x010", "_utf8mb4 X'30'", false, ""},
	} {
		col := cluster.Column{Name: "e", DataType: "enum", ColumnType: "enum", Labels: c.labels, Charset: "utf8mb4", Collation: "utf8mb4_general_ci"}
		column := plan.Column{Old: &col, New: &col}
		column.Proj = plan.Project(&col, &col)
		p := &plan.Table{Columns: []plan.Column{column}}
		p.New.Table = &cluster.Table{}
		wire := stored{Value: packet.Value{Raw: []byte(c.raw)}, wire: wire}
		if c.number != "" { // as it is selected where the sides' labels differ
			wire = stored{Value: packet.Value{Text: c.number}, numbered: true}
		}
		got := oldCell(p, &Target{}, &p.Columns[0], wire)
		if got.Literal != c.literal || got.Lax != c.lax {
			t.Errorf("%q of %q: %s, lax %t", c.raw, c.labels, got.Literal, got.Lax)
		}
	}
}
