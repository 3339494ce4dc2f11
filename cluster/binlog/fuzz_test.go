package binlog

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
)

func FuzzCanonicalJSON(f *testing.F) {
	for _, s := range []string{`{"b":1.50,"a":[true,null,"x\u00e9\n"]}`, `1e400`, `-0.0`, `"\ud83d\ude00"`, `{"a":1,"a":2}`, `[[[]]]`, `12345678901234567890`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := CanonicalJSON(in)
		if err != nil {
			if json.Valid(in) && bytes.Count(in, []byte("[")) < 100 && bytes.Count(in, []byte("{")) < 100 && !bytes.ContainsAny(in, "eE") {
				t.Fatalf("valid JSON %q: %v", in, err)
			}
			return
		}
		again, err := CanonicalJSON(out)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q → %q → %q, %v", in, out, again, err)
		}
	})
}

func FuzzJSONB(f *testing.F) {
	f.Add([]byte{jsonbSmallArray, 1, 0, 8, 0, jsonbInt16, 7, 0, 0})
	f.Add([]byte{jsonbString, 3, 'a', 'b', 'c'})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<16 {
			return
		}
		out, err := jsonbText(in)
		if err != nil {
			return
		}
		if again, err := CanonicalJSON(out); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%x → %q is not canonical: %q, %v", in, out, again, err)
		}
	})
}

func FuzzTableMapAndRows(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 2, 3, 15, 2, 20, 0, 2}, []byte{1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0xff, 0, 1, 0, 0, 0, 1, 'a'})
	f.Fuzz(func(t *testing.T, tableMap, rows []byte) {
		tm, err := parseTableMap(tableMap, 6, len(tableMap)%2 == 0)
		if err != nil {
			return
		}
		p := newPlan(tm, nil, collations{8: "latin1", 255: "utf8mb4"})
		for _, typ := range []replication.EventType{replication.WRITE_ROWS_EVENTv2, replication.PARTIAL_UPDATE_ROWS_EVENT, replication.DELETE_ROWS_EVENTv1} {
			ev, err := parseRows(typ, rows, 6)
			if err != nil || ev.columns != len(tm.types) {
				continue
			}
			var a arena
			for b := ev.images; len(b) > 0; {
				n, _, err := p.decodeRow(b, ev.first, true, ev.partial, make(Row, ev.columns), &a)
				if err != nil || n == 0 {
					break
				}
				b = b[n:]
			}
		}
	})
}

// FuzzFeed gives whole events to the assembler: no bytes may make it panic.
func FuzzFeed(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0}, 40), uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, typ uint8) {
		a := &assembler{tables: map[uint64]*mapped{}, schema: newSchemaCache(nil, nil), created: map[string]uint32{}, fmt: format{idSize: 6}}
		raw := append([]byte{1, 0, 0, 0, typ, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0}, body...)
		_ = a.feed(raw) // any error will do
		for a.inner != nil {
			if more, err := a.feedInner(); err != nil || !more {
				break
			}
		}
	})
}
