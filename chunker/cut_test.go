package chunker

import (
	"encoding/binary"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"
	"pgregory.net/rapid"

	"crosscheck/cluster/rowstream"
)

func TestIntegerCutLiesStrictlyBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unsigned := rapid.Bool().Draw(t, "unsigned")
		x, y := rapid.Uint64().Draw(t, "x"), rapid.Uint64().Draw(t, "y")
		less := func(a, b uint64) bool {
			if unsigned {
				return a < b
			}
			return int64(a) < int64(b)
		}
		if less(y, x) {
			x, y = y, x
		}
		param := func(v uint64) rowstream.Param {
			return rowstream.Param{Type: mysql.MYSQL_TYPE_LONGLONG, Unsigned: unsigned, Value: binary.LittleEndian.AppendUint64(nil, v)}
		}
		cuts, sure := Cuts(Bound{param(x)}, Bound{param(y)})
		if y-x < 2 {
			if len(cuts) != 0 && sure {
				t.Fatalf("a sure cut between %d and %d", x, y)
			}
			return
		}
		if len(cuts) != 1 || !sure {
			t.Fatalf("cuts of %d and %d: %v, sure %v", x, y, cuts, sure)
		}
		if mid := binary.LittleEndian.Uint64(cuts[0][0].Value); !less(x, mid) || !less(mid, y) {
			t.Fatalf("%d is not between %d and %d", mid, x, y)
		}
	})
}

func TestCompositeCutKeepsTheEqualPrefix(t *testing.T) {
	tiny := func(v byte) rowstream.Param { return rowstream.Param{Type: mysql.MYSQL_TYPE_TINY, Value: []byte{v}} }
	cuts, sure := Cuts(Bound{tiny(3), tiny(10)}, Bound{tiny(3), tiny(20)})
	if !sure || len(cuts) != 1 || len(cuts[0]) != 2 || cuts[0][0].Value[0] != 3 || cuts[0][1].Value[0] != 15 {
		t.Errorf("got %v, sure %v", cuts, sure)
	}
	cuts, _ = Cuts(Bound{tiny(3), tiny(10)}, Bound{tiny(9), tiny(1)})
	if len(cuts) != 1 || len(cuts[0]) != 1 || cuts[0][0].Value[0] != 6 {
		t.Errorf("a cut of the first column is a prefix bound: got %v", cuts)
	}
}

func TestTextCutsArePrintableAndUnsure(t *testing.T) {
	text := func(s string) rowstream.Param {
		return rowstream.Param{Type: mysql.MYSQL_TYPE_VAR_STRING, Value: prefixed([]byte(s))}
	}
	cuts, sure := Cuts(Bound{text("user100")}, Bound{text("user900")})
	if sure || len(cuts) == 0 {
		t.Fatalf("got %v, sure %v", cuts, sure)
	}
	for _, c := range cuts {
		s, ok := unprefix(c[0].Value)
		if !ok || len(s) < 4 || string(s[:4]) != "user" {
			t.Errorf("cut %q lost the common prefix", s)
		}
		for _, r := range s {
			if r < '0' || r > 'z' {
				t.Errorf("cut %q holds %q", s, r)
			}
		}
	}
}

func TestPredicatesSpellOutTheOrder(t *testing.T) {
	cols, marks := []string{"a", "b", "c"}, []string{"?", "?", "?"}
	for _, tt := range []struct{ got, want string }{
		{Below(cols, marks, 1), "a > ?"},
		{Above(cols, marks, 1), "a <= ?"},
		{Below(cols, marks, 2), "(a > ? OR (a = ? AND b > ?))"},
		{Above(cols, marks, 3), "(a < ? OR (a = ? AND (b < ? OR (b = ? AND c <= ?))))"},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
	p := Bound{{Value: []byte("1")}, {Value: []byte("2")}, {Value: []byte("3")}}.Params(nil)
	var order string
	for _, v := range p {
		order += string(v.Value)
	}
	if order != "11223" {
		t.Errorf("parameters in order %s", order)
	}
}

func TestSizerAimsAtTheTarget(t *testing.T) {
	s := Sizer{Target: 300 * time.Millisecond, MaxRows: 1 << 20, MaxBytes: 1 << 30}
	if s.Rows() != firstRows {
		t.Errorf("first chunk of %d rows", s.Rows())
	}
	for range 20 { // a server that reads 100,000 rows a second
		n := s.Rows()
		s.Observe(n, int64(n)*100, time.Duration(n)*10*time.Microsecond)
	}
	if s.Rows() < 25000 || s.Rows() > 35000 {
		t.Errorf("settled at %d rows, want about 30000", s.Rows())
	}
	s.Observe(s.Rows(), int64(s.Rows())*1<<20, time.Second) // rows of 1 MiB
	if s.Rows() > 1024 {
		t.Errorf("%d rows of 1 MiB exceed the byte limit", s.Rows())
	}
	for s.Shrink() {
	}
	if s.Rows() != 1 {
		t.Errorf("shrinks to %d", s.Rows())
	}
}

// A statement that takes long however few rows it asks for, on a distant or a busy server, is no reason for smaller chunks:
// a table would be read row by row.
func TestSizerKnowsFixedCost(t *testing.T) {
	s := Sizer{Target: 300 * time.Millisecond, MaxRows: 16384, MaxBytes: 64 << 20}
	for range 20 {
		s.Observe(s.Rows(), int64(s.Rows())*100, 2*time.Second)
	}
	if s.Rows() != 16384/lowShare {
		t.Errorf("chunks of %d rows where a statement takes two seconds", s.Rows())
	}
	wide := s
	for range 20 { // large rows do take the time
		wide.Observe(wide.Rows(), int64(wide.Rows())<<20, time.Duration(wide.Rows())*100*time.Millisecond)
	}
	if wide.Rows() != 3 {
		t.Errorf("chunks of %d rows that take 100 ms each", wide.Rows())
	}
	if !s.Shrink() { // the server itself says that it is too much
		t.Fatal("does not shrink")
	}
	s.Observe(s.Rows(), int64(s.Rows())*100, 2*time.Second)
	if s.Rows() >= 16384/lowShare/2 {
		t.Errorf("chunks of %d rows after the server's limit ended one of %d", s.Rows(), 16384/lowShare)
	}
}

// Half a character in a bound makes servers refuse the whole statement.
func TestTextCutIsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		param := func(s string) rowstream.Param {
			return rowstream.Param{Type: mysql.MYSQL_TYPE_VAR_STRING, Value: prefixed([]byte(s))}
		}
		letters := rapid.StringOf(rapid.RuneFrom([]rune("aàáâz日本𝄞")))
		cuts, _ := Cuts(Bound{param(letters.Draw(t, "x"))}, Bound{param(letters.Draw(t, "y"))})
		for _, c := range cuts {
			if s, ok := unprefix(c[0].Value); !ok || !utf8.Valid(s) {
				t.Fatalf("cut %q", s)
			}
		}
	})
}
