package binlog

import (
	"bytes"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"crosscheck/fixtures"
)

// typeCase is a column type and how to make literals for it.
type typeCase struct {
	def   string
	value func(r *rand.Rand) string
}

func pick(values ...string) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return values[r.IntN(len(values))] }
}

func integers(bits int, unsigned bool) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		u := r.Uint64() >> (64 - bits)
		if r.IntN(4) == 0 {
			u = []uint64{0, 1, 1<<bits - 1, 1 << (bits - 1)}[r.IntN(4)]
		}
		if unsigned {
			return fmt.Sprint(u)
		}
		return fmt.Sprint(int64(u<<(64-bits)) >> (64 - bits))
	}
}

func decimals(whole, scale int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		s := []string{"", "-"}[r.IntN(2)]
		digits := func(n int) string {
			out := ""
			for range r.IntN(n + 1) {
				out += fmt.Sprint(r.IntN(10))
			}
			return out
		}
		return s + "0" + digits(whole) + "." + digits(scale) + "0"
	}
}

func doubles(bits int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		if r.IntN(3) == 0 {
			return []string{"0", "-0e0", "1e20", "1.5", "-2.5e-7", "0.1", "123456789", "16777216"}[r.IntN(8)]
		}
		if bits == 32 {
			return fmt.Sprintf("%.9g", float32(r.NormFloat64()*math.Pow(10, float64(r.IntN(60)-30))))
		}
		return fmt.Sprintf("%.17g", r.NormFloat64()*math.Pow(10, float64(r.IntN(500)-250)))
	}
}

func bytesOf(maximum int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		b := make([]byte, r.IntN(maximum+1))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		if len(b) > 0 && r.IntN(3) == 0 {
			b[len(b)-1] = 0
		}
		return fmt.Sprintf("x'%x'", b)
	}
}

// words are characters of each character set, as utf8mb4 text.
func words(alphabet string, maximum int) func(*rand.Rand) string {
	runes := []rune(alphabet)
	return func(r *rand.Rand) string {
		var b strings.Builder
		for range r.IntN(maximum + 1) {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		if b.Len() == 0 {
			return "''"
		}
		return fmt.Sprintf("CONVERT(x'%x' USING utf8mb4)", b.String())
	}
}

func clock(hours, fsp int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		s := fmt.Sprintf("%02d:%02d:%02d", r.IntN(hours), r.IntN(60), r.IntN(60))
		if fsp > 0 {
			s += fmt.Sprintf(".%06d", r.IntN(1000000))[:fsp+1]
		}
		return s
	}
}

func dates(fsp int, zero bool) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		if zero && r.IntN(3) == 0 {
			return pick("'0000-00-00 00:00:00'", "'2020-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'0001-01-01 00:00:00'")(r)
		}
		return fmt.Sprintf("'%04d-%02d-%02d %s'", 1971+r.IntN(66), 1+r.IntN(12), 1+r.IntN(28), clock(24, fsp)(r))
	}
}

func times(fsp int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		if r.IntN(8) == 0 {
			return pick("'838:59:59'", "'-838:59:59'", "'00:00:00'", "'-00:00:01'")(r)
		}
		return "'" + []string{"", "-"}[r.IntN(2)] + clock(838, fsp)(r) + "'"
	}
}

func typeCases(f fixtures.Family) []typeCase {
	cases := []typeCase{
		{"TINYINT", integers(8, false)},
		{"TINYINT UNSIGNED", integers(8, true)},
		{"SMALLINT", integers(16, false)},
		{"SMALLINT UNSIGNED", integers(16, true)},
		{"MEDIUMINT", integers(24, false)},
		{"MEDIUMINT UNSIGNED", integers(24, true)},
		{"INT", integers(32, false)},
		{"INT UNSIGNED", integers(32, true)},
		{"BIGINT", integers(64, false)},
		{"BIGINT UNSIGNED", integers(64, true)},
		{"DECIMAL(10,2)", decimals(8, 2)},
		{"DECIMAL(65,30)", decimals(35, 30)},
		{"DECIMAL(18,9)", decimals(9, 9)},
		{"DECIMAL(5,5)", decimals(0, 5)},
		{"DECIMAL(9,0)", decimals(9, 0)},
		{"DECIMAL(38,10)", decimals(28, 10)},
		{"FLOAT", doubles(32)},
		{"DOUBLE", doubles(64)},
		{"BIT(1)", pick("0", "1")},
		{"BIT(10)", pick("0", "1", "1023", "682")},
		{"BIT(64)", integers(64, true)},
		{"YEAR", pick("0", "1901", "1999", "2155")},
		{"DATE", dates(0, true)},
		{"DATETIME", dates(0, true)},
		{"DATETIME(3)", dates(3, true)},
		{"DATETIME(6)", dates(6, true)},
		{"DATETIME(1)", dates(1, true)},
		{"TIMESTAMP NULL", dates(0, false)},
		{"TIMESTAMP(6) NULL", dates(6, false)},
		{"TIMESTAMP(2) NULL", dates(2, false)},
		{"TIME", times(0)},
		{"TIME(3)", times(3)},
		{"TIME(6)", times(6)},
		{"TIME(1)", times(1)},
		{"TIME(2)", times(2)},
		{"CHAR(5)", words("ab \x00Zé世😀", 5)},
		{"CHAR(100)", words("abé世 ", 60)},
		{"VARCHAR(10)", words("ab 'é世😀", 10)},
		{"VARCHAR(300)", words("ab 'é世😀", 300)},
		{"VARCHAR(10) CHARACTER SET latin1", words("aé€ßÿŸ ", 10)},
		{"CHAR(10) CHARACTER SET latin1", words("aé€ßÿŸ", 10)},
		{"TEXT CHARACTER SET latin1", words("aé€ßÿŸ ", 10)},
		{"VARCHAR(10) CHARACTER SET utf8", words("aé世", 10)},
		{"VARCHAR(10) CHARACTER SET ucs2", words("aé世", 10)},
		{"VARCHAR(10) CHARACTER SET utf16", words("aé世😀", 10)},
		{"VARCHAR(10) CHARACTER SET utf16le", words("aé世😀", 10)},
		{"CHAR(3) CHARACTER SET utf32", words("aé世😀", 3)},
		{"VARCHAR(10) CHARACTER SET cp1251", words("aЖя", 10)},
		{"VARCHAR(10) CHARACTER SET ascii", words("aZ~", 10)},
		{"VARCHAR(9) CHARACTER SET binary", bytesOf(9)},
		{"BINARY(4)", bytesOf(4)},
		{"BINARY(200)", bytesOf(200)},
		{"VARBINARY(300)", bytesOf(300)},
		{"TINYBLOB", bytesOf(100)},
		{"BLOB", bytesOf(400)},
		{"MEDIUMBLOB", bytesOf(400)},
		{"LONGBLOB", bytesOf(70000)},
		{"TINYTEXT", words("ab é世😀", 20)},
		{"TEXT", words("ab é世😀", 100)},
		{"LONGTEXT", words("ab é世😀", 400)},
		{"ENUM('a','b c','ü''x')", pick("1", "2", "3", "0")},
		{"ENUM('ä','é') CHARACTER SET latin1", pick("1", "2")},
		{"SET('a','b','c','d','e','f','g','h','ï')", integers(9, true)},
		{"SET('x','ÿ') CHARACTER SET latin1", integers(2, true)},
		{"GEOMETRY", pick("ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1,2 5)',4326)")},
		{"POINT", pick("ST_GeomFromText('POINT(1.5 -2)')")},
	}
	json := pick(`'{"b":1,"a":[1.5,-0.25,1e30,true,null,"x\\"y\\u00e9\\n"],"cc":{"k":18446744073709551615}}'`, `'[]'`, `'{}'`, `'"s"'`, `'-7'`,
		`'3.14159'`, `'1e-9'`, `'[100000,-70000,3000000000,-9223372036854775808,1.0,123456789012]'`)
	switch f {
	case fixtures.MySQL56: // has none of these
	case fixtures.MySQL:
		cases = append(cases, typeCase{"JSON", func(r *rand.Rand) string {
			switch r.IntN(4) {
			case 0:
				return "JSON_OBJECT('d', CAST('2020-02-29 01:02:03.5' AS DATETIME(6)), 't', CAST('-12:00:01' AS TIME), 'y', CAST('2001-01-01' AS DATE), 'n', CAST(-1.250 AS DECIMAL(10,3)), 'b', CAST(x'00ff' AS BINARY), 'bit', b'101')"
			case 1:
				return "JSON_OBJECT('long', REPEAT('x', 70000), 'k', JSON_ARRAY(1,2,3))"
			}
			return json(r)
		}}, typeCase{"VECTOR(3)", pick("TO_VECTOR('[1,2,3]')")})
	case fixtures.MariaDB, fixtures.MariaDB105, fixtures.MariaDB118:
		cases = append(cases, typeCase{"JSON", json},
			typeCase{"UUID", pick("'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffff00'",
				"'017f22e2-79b0-7cc3-98c4-dc0c0c07398f'", "'6ccd780c-baba-1026-9564-5b8c656024db'", "UUID()", "'1ec9414c-232a-6b00-b3c8-9e6bdeced846'", "'e89b4567-0000-8000-a456-000000000000'", "'00000000-0000-8000-1000-000000000000'", "'11111111-2222-1333-0444-555555555555'", "'11111111-2222-0033-8044-555555555555'", "'00000000-1111-0122-8100-000000000000'")},
			typeCase{"INET6", pick("'::'", "'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.128'", "'::192.0.2.1'", "'fe80::'", "'1:0:0:2:0:0:0:3'", "'::ffff:0:0'", "'::2:3'", "'1:2:3:4:5:6:0:8'", "'0:1::'", "'1:0:2:0:3:0:4:0'", "'::5:6'", "'::ffff:1:2'", "'0:0:0:0:0:1:2:3'")},
			typeCase{"INET4", pick("'1.2.3.4'", "'0.0.0.0'", "'10.0.0.0'")},
			typeCase{"TEXT COMPRESSED", pick("REPEAT('abcdef', 500)", "'short'", "''", "CONVERT(x'C3A9' USING utf8mb4)")},
			typeCase{"VARCHAR(9000) COMPRESSED", pick("REPEAT('abcdef', 500)", "'short'")},
			typeCase{"BLOB COMPRESSED", pick("REPEAT(x'00', 5000)", "x'00ff'")},
			typeCase{"VARCHAR(20) COMPRESSED", pick("'aaaaaaaaaaaaaaaaaaaa'", "'b'")})
	}
	return cases
}

// TestEveryTypeReadsAsSelected compares what the tail yields with what the same
// server's SELECT yields.
func TestEveryTypeReadsAsSelected(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		metadata := []string{""}
		if s.Family() != fixtures.MySQL56 {
			metadata = []string{"MINIMAL", "FULL"}
			if s.Family() == fixtures.MariaDB {
				metadata = []string{"NO_LOG", "MINIMAL", "FULL"}
			}
		}
		for _, m := range metadata {
			t.Run(m, func(t *testing.T) {
				if m != "" {
					exec(t, s.DB(), "SET GLOBAL binlog_row_metadata = "+m)
					defer exec(t, s.DB(), "SET GLOBAL binlog_row_metadata = DEFAULT")
				}
				roundTrip(t, s)
			})
		}
	})
}

func roundTrip(t *testing.T, s *fixtures.Server) {
	db, name := database(t, s)
	exec(t, db, "SET NAMES utf8mb4")
	cases := typeCases(s.Family())
	// Few columns a table, so that a row stays under the servers' limits.
	var tables [][]typeCase
	for chunk := range slices.Chunk(cases, 20) {
		tables = append(tables, chunk)
	}
	for i, cols := range tables {
		defs := []string{"id INT PRIMARY KEY"}
		for j, c := range cols {
			defs = append(defs, fmt.Sprintf("c%d %s", j, c.def))
		}
		exec(t, db, fmt.Sprintf("CREATE TABLE t%d (%s)", i, strings.Join(defs, ", ")))
	}
	exec(t, db, "CREATE TABLE fin (id INT)")
	tl, raw := tail(t, open(t, s), name, Options{Sums: true}), tail(t, open(t, s), name, Options{Raw: true})
	r := rand.New(rand.NewPCG(1, 2))
	for i, cols := range tables {
		for id := range 40 {
			if s.Family() == fixtures.MariaDB {
				exec(t, db, fmt.Sprintf("SET column_compression_zlib_wrap = %d", id%2))
			}
			values := []string{fmt.Sprint(id)}
			for _, c := range cols {
				v := c.value(r)
				if r.IntN(10) == 0 {
					v = "NULL"
				}
				values = append(values, v)
			}
			exec(t, db, fmt.Sprintf("INSERT INTO t%d VALUES (%s)", i, strings.Join(values, ", ")))
		}
	}
	exec(t, db, "INSERT INTO fin VALUES (1)")
	got := map[string]Row{}
	defs := map[string]*Table{}
	txs := until(t, tl, "fin")
	for _, tx := range txs {
		if len(tx.Incidents) > 0 {
			t.Errorf("incidents %v", tx.Incidents)
		}
	}
	for _, c := range changes(txs) {
		if c.Uncertain {
			t.Errorf("%s is uncertain", c.Table)
		}
		got[c.Table+"/"+string(c.After[0].Text)] = c.After
		defs[c.Table] = c.Def
	}
	sameRaw(t, changes(txs), changes(until(t, raw, "fin")))
	for i, cols := range tables {
		table := fmt.Sprintf("t%d", i)
		compareWithSelect(t, db, table, cols, got, defs[table])
	}
}

// sameRaw compares changes that were decoded with the same ones that were left as they were logged.
func sameRaw(t *testing.T, decoded, raw []Change) {
	t.Helper()
	if len(raw) != len(decoded) || len(raw) == 0 {
		t.Fatalf("%d raw changes of %d", len(raw), len(decoded))
	}
	sums := map[uint64]bool{}
	for i := range raw {
		r, d := &raw[i], &decoded[i]
		sums[r.Sum] = true
		if r.Sum != d.Sum || r.Layout() != d.Layout() || r.Layout() == 0 || r.Kind != d.Kind || r.Partial != d.Partial || r.Before != nil || r.After != nil {
			t.Fatalf("raw %+v, decoded %+v", *r, *d)
		}
		if err := r.Decode(d.Def); err != nil || texts(r.Before) != texts(d.Before) || texts(r.After) != texts(d.After) {
			t.Errorf("%s: decoded later %.300q %.300q, at once %.300q %.300q: %v", d.Table, texts(r.Before), texts(r.After), texts(d.Before), texts(d.After), err)
		}
	}
	if len(sums) != len(raw) {
		t.Errorf("%d changes have %d sums", len(raw), len(sums))
	}
}

func compareWithSelect(t *testing.T, db *sql.DB, table string, cols []typeCase, got map[string]Row, def *Table) {
	t.Helper()
	bad := map[string]bool{}
	for id := range 40 {
		row := got[fmt.Sprintf("%s/%d", table, id)]
		if row == nil {
			t.Fatalf("row %d of %s never came (definition %v)", id, table, def)
		}
		want := selected(t, db, table, id, len(cols)+1)
		for j, c := range cols {
			if def.Columns[j+1].Name != fmt.Sprintf("c%d", j) {
				t.Errorf("%s: column named %q", c.def, def.Columns[j+1].Name)
			}
			w, v := want[j+1], row[j+1]
			if c.def == "YEAR" && string(w) == "0" {
				w = []byte("0000") // the driver makes a number of the server's text
			}
			if strings.HasPrefix(c.def, "JSON") && w != nil && def.Columns[j+1].DataType != "longtext" {
				var err error
				if w, err = CanonicalJSON(w); err != nil {
					t.Fatal(err)
				}
			}
			if (w == nil) != v.IsNull() || w != nil && (!v.Known() || !bytes.Equal(v.Text, w)) {
				if !bad[c.def] {
					t.Errorf("%s: tail %.200q (state %d), SELECT %.200q", c.def, v.Text, v.State, w)
				}
				bad[c.def] = true
			}
		}
	}
}

// selected reads a row in text, and FLOAT and DOUBLE over the binary protocol,
// where they are exact.
func selected(t *testing.T, db *sql.DB, table string, id, n int) [][]byte {
	t.Helper()
	read := func(q string, args ...any) []any {
		vals, ptrs := make([]any, n), make([]any, n)
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := db.QueryRow(q, args...).Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		return vals
	}
	text := read(fmt.Sprintf("SELECT * FROM %s WHERE id = %d", table, id))
	stmt, err := db.Prepare(fmt.Sprintf("SELECT * FROM %s WHERE id = ?", table))
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	vals, ptrs := make([]any, n), make([]any, n)
	for i := range vals {
		ptrs[i] = &vals[i]
	}
	if err := stmt.QueryRow(id).Scan(ptrs...); err != nil {
		t.Fatal(err)
	}
	out := make([][]byte, n)
	for i := range out {
		switch v := vals[i].(type) {
		case float32:
			out[i] = []byte(FormatFloat32(v))
		case float64:
			out[i] = []byte(FormatFloat64(v))
		case nil:
		default:
			switch w := text[i].(type) {
			case []byte:
				out[i] = w
				if w == nil {
					out[i] = []byte{}
				}
			default:
				out[i] = fmt.Append(nil, w)
			}
		}
	}
	return out
}
