package checksum

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
	"crosscheck/fixtures"
)

// textSamples are byte strings of which each charset takes those that are text in it.
func textSamples() [][]byte {
	r := rand.New(rand.NewPCG(9, 9))
	var out [][]byte
	for i := range 256 {
		out = append(out, []byte{byte(i)}, []byte{0, byte(i)})
	}
	for range 100 { // of charsets with several bytes for a character
		lead, trail := byte(0x81+r.IntN(0x7e)), byte(0x40+r.IntN(0xbf))
		out = append(out, []byte{lead, trail}, []byte{'a', lead, trail}, []byte{lead, trail, byte(0xa1 + r.IntN(0x5e)), byte(0x30 + r.IntN(0xc0))})
	}
	for range 30 {
		unit := []byte{byte(r.IntN(256)), byte(r.IntN(256))}
		out = append(out, unit, []byte{0xd8 | byte(r.IntN(8)), byte(r.IntN(256)), 0, 'a'}, []byte{0, byte(r.IntN(17)), unit[0], unit[1]}, []byte{0, 0, unit[0], unit[1]},
			[]byte{0xd8 | byte(r.IntN(4)), unit[0], 0xdc | byte(r.IntN(4)), unit[1]}, []byte(string(rune(0x80+r.IntN(0x10000)))), []byte(string(rune(0x10000+r.IntN(0x100000)))))
	}
	return append(out, []byte{0xee, 0xe0, 0x8b, 0xb4}, []byte{0x8d, 0x82, 0x8b, 0xb4}, []byte{0xfb, 0xfc, 0x8b, 0xb4})
}

// TestTextKeys: of each charset that a server lists, a key that a bound or a lookup is made of is read there as what it
// is. Ranges between bounds hold each row once, and each key finds its row.
func TestTextKeys(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MySQL56, fixtures.MySQL, fixtures.MariaDB} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			srv := pool.get(t, f, "old")
			exec := dataSession(t, srv, "textkeys")
			must := func(q string) {
				if err := exec(q); err != nil {
					t.Fatalf("%.200s: %v", q, err)
				}
			}
			must("CREATE TABLE samples (b VARBINARY(8))")
			var values []string
			for _, b := range textSamples() {
				values = append(values, fmt.Sprintf("(X'%x')", b))
			}
			must("INSERT INTO samples VALUES " + strings.Join(values, ","))
			side := openSide(t, srv, "old")
			s := read.NewSession(side, false, read.NewPace(0, 0), time.Second, slog.New(slog.DiscardHandler))
			defer s.Close()
			for _, cs := range charsets(t, srv) {
				name := "k_" + cs.collation
				must(fmt.Sprintf("CREATE TABLE %s (k VARCHAR(8) CHARACTER SET %s COLLATE %s NOT NULL PRIMARY KEY)", name, cs.name, cs.collation))
				must(fmt.Sprintf("INSERT IGNORE INTO %s SELECT CONVERT(b USING %s) FROM samples WHERE CAST(CONVERT(b USING %s) AS BINARY)=b", name, cs.name, cs.name))
				table, err := cluster.LoadTable(t.Context(), side, "textkeys", name)
				if err != nil {
					t.Fatal(err)
				}
				findEachKey(t, s, plan.New(table, table, plan.Options{}))
			}
		})
	}
}

type namedCharset struct{ name, collation string }

// charsets lists a server's charsets, each with its default and its binary collation.
func charsets(t *testing.T, srv *fixtures.Server) []namedCharset {
	t.Helper()
	rows, err := srv.DB().QueryContext(t.Context(), "SELECT DISTINCT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLLATIONS"+
		" WHERE CHARACTER_SET_NAME<>'binary' AND (COLLATION_NAME LIKE '%\\_bin' AND COLLATION_NAME NOT LIKE '%\\_0900\\_bin' AND COLLATION_NAME NOT LIKE '%\\_nopad\\_bin' OR IS_DEFAULT='Yes')")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []namedCharset
	for rows.Next() {
		var c namedCharset
		if err := rows.Scan(&c.name, &c.collation); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil || len(out) < 60 {
		t.Fatalf("%d charsets and collations, %v", len(out), err)
	}
	return out
}

// findEachKey walks a table in small chunks and looks each of its keys up.
func findEachKey(t *testing.T, s *read.Session, p *plan.Table) {
	t.Helper()
	ctx := t.Context()
	var all read.List
	if _, _, err := s.ReadRange(ctx, p, chunker.Range{}, 0, &all); err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	if all.Len() < 20 || p.Method != plan.KeyChunks {
		t.Fatalf("%s: %d rows, %s", p.Name, all.Len(), p.Method)
	}
	var part read.List
	at := 0
	for r := (chunker.Range{}); ; {
		hi, full, err := s.ReadRange(ctx, p, r, 50, &part)
		if err != nil {
			t.Fatalf("%s behind row %d: %v", p.Name, at, err)
		}
		r.Hi = hi
		if own := rangeOf(ctx, t, s, p, r); !own.Equal(&part) {
			t.Fatalf("%s: the range that ends at %X holds %d rows, not %d", p.Name, hi.Encode(), own.Len(), part.Len())
		}
		for i := range part.Len() {
			if at >= all.Len() || !bytes.Equal(part.Key(i), all.Key(at)) {
				t.Fatalf("%s: row %d of the ranges has key %X", p.Name, at, part.Key(i))
			}
			at++
		}
		if !full {
			break
		}
		r = chunker.Range{Lo: hi}
	}
	if at != all.Len() {
		t.Errorf("%s: %d of %d rows in ranges", p.Name, at, all.Len())
	}
	keys := make([][]byte, all.Len())
	for i := range keys {
		keys[i] = all.Key(i)
	}
	found := make([]bool, len(keys))
	blind, err := s.Lookup(ctx, p, keys, func(i int, _ bool, head []byte, rows *rowstream.Rows) error {
		key, err := packet.NewKeySlicer(rows.Columns(), 1).Slice(head)
		found[i] = err == nil && bytes.Equal(key, keys[i])
		return err
	})
	if err != nil || len(blind) > 0 {
		t.Errorf("%s: %d keys say nothing, %v", p.Name, len(blind), err)
	}
	for i, ok := range found {
		if !ok {
			t.Errorf("%s: key %X finds no row", p.Name, keys[i])
			break
		}
	}
}

func rangeOf(ctx context.Context, t *testing.T, s *read.Session, p *plan.Table, r chunker.Range) *read.List {
	t.Helper()
	var l read.List
	if _, _, err := s.ReadRange(ctx, p, r, 0, &l); err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	return &l
}
