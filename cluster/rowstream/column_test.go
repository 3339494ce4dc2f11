package rowstream

import (
	"bytes"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
)

func TestColumnSize(t *testing.T) {
	long := append(mysql.PutLengthEncodedInt(70000), make([]byte, 70000)...)
	tests := []struct {
		name string
		typ  byte
		in   []byte
		want int
	}{
		{"bigint", mysql.MYSQL_TYPE_LONGLONG, make([]byte, 20), 8},
		{"year", mysql.MYSQL_TYPE_YEAR, make([]byte, 20), 2},
		{"date", mysql.MYSQL_TYPE_DATE, []byte{4, 0xe9, 7, 1, 2, 99}, 5},
		{"zero date", mysql.MYSQL_TYPE_DATETIME, []byte{0, 99}, 1},
		{"text", mysql.MYSQL_TYPE_VAR_STRING, []byte{3, 'a', 'b', 'c', 'd'}, 4},
		{"empty text", mysql.MYSQL_TYPE_VAR_STRING, []byte{0, 'd'}, 1},
		{"long text", mysql.MYSQL_TYPE_BLOB, long, len(long)},
		{"length cut off", mysql.MYSQL_TYPE_BLOB, []byte{0xfc, 1}, -1},
		{"nothing", mysql.MYSQL_TYPE_BLOB, nil, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Column{Type: tt.typ}).Size(tt.in); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

// A value goes back to the server as it came: the same bytes, under a type that servers take for parameters.
func TestColumnParam(t *testing.T) {
	for _, tt := range []struct {
		name string
		col  Column
		want byte
	}{
		{"int24", Column{Type: mysql.MYSQL_TYPE_INT24}, mysql.MYSQL_TYPE_LONG},
		{"year", Column{Type: mysql.MYSQL_TYPE_YEAR}, mysql.MYSQL_TYPE_SHORT},
		{"timestamp", Column{Type: mysql.MYSQL_TYPE_TIMESTAMP}, mysql.MYSQL_TYPE_DATETIME},
		{"text", Column{Type: mysql.MYSQL_TYPE_STRING}, mysql.MYSQL_TYPE_VAR_STRING},
		{"bytes are no text", Column{Type: mysql.MYSQL_TYPE_STRING, Binary: true}, mysql.MYSQL_TYPE_BLOB},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.col.Param([]byte{1, 2})
			if p.Type != tt.want || !bytes.Equal(p.Value, []byte{1, 2}) {
				t.Errorf("got type %d with %v", p.Type, p.Value)
			}
		})
	}
}
