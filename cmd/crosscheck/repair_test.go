package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// stores is a column of old and its counterpart on new, with values as one writes them to old; behind " => " stands how
// one writes the same to new, where that is not the same. Of refused values new's column can hold none.
type stores struct {
	old, new string
	values   []string
	refused  []string
	only     func(old, new fixtures.Family) bool
}

func toMaria(_, n fixtures.Family) bool    { return n.IsMariaDB() }
func toMaria118(_, n fixtures.Family) bool { return n == fixtures.MariaDB118 }
func toMySQL9(_, n fixtures.Family) bool   { return n == fixtures.MySQL }
func twoMarias(o, n fixtures.Family) bool  { return o.IsMariaDB() && n.IsMariaDB() }
func jsonBoth(o, _ fixtures.Family) bool   { return o != fixtures.MySQL56 }
func jsonMySQL9(o, n fixtures.Family) bool { return o == fixtures.MySQL && n == fixtures.MySQL }

const (
	uuidText  = "'00112233-4455-6677-8899-aabbccddee00'"
	uuidBytes = "X'00112233445566778899aabbccddee00'"
)

// storeCases is what a migration may do to a column.
func storeCases() []stores {
	var out []stores
	add := func(old, new string, values, refused []string, only func(o, n fixtures.Family) bool) {
		out = append(out, stores{old, new, values, refused, only})
	}
	v := func(values ...string) []string { return values }
	numberCases(add, v)
	textCases(add, v)
	timeCases(add, v)
	add("BINARY(16)", "VARBINARY(16)", v(uuidBytes, "X'61'=>X'61000000000000000000000000000000'"), nil, nil)
	add("BINARY(4)", "BINARY(9)", v("X'61006200'"), nil, nil)
	add("VARBINARY(16)", "BINARY(16)", v("X'6100'", "''"), nil, nil)
	add("VARBINARY(16)", "VARBINARY(4)", v("X'61000000'"), v("X'6100000000'"), nil)
	add("BLOB", "TINYBLOB", v("REPEAT('x',255)"), v("REPEAT('x',256)"), nil)
	add("BINARY(16)", "BLOB", v(uuidBytes), nil, nil)
	add("BINARY(4)", "VARCHAR(4)", v("'abcd'"), v("X'ff000000'"), nil)
	add("VARCHAR(20) CHARACTER SET latin1", "BLOB", v("'é'=>X'e9'", "''"), nil, nil)
	add("BLOB", "TEXT", v("'é'"), v("X'ff'"), nil)
	add("TEXT", "BLOB", v("'é'"), nil, nil)
	add("POINT", "GEOMETRY", v("ST_GeomFromText('POINT(1 2)',4326)"), nil, nil)
	add("GEOMETRY", "POINT", v("ST_GeomFromText('POINT(1 2)')"), v("ST_GeomFromText('LINESTRING(1 2,3 4)')"), nil)
	for _, text := range []string{"CHAR(36)", "VARCHAR(40)", "TEXT", "VARCHAR(40) CHARACTER SET latin1"} {
		add("UUID", text, v(uuidText), nil, twoMarias)
		add(text, "UUID", v(uuidText, "'00112233445566778899AABBCCDDEE00'"), v("'no uuid'"), toMaria)
		add("INET6", text, v("'::1'", "'2001:db8::1'", "'::ffff:1.2.3.4'"), nil, twoMarias)
		add("INET4", text, v("'1.2.3.4'"), nil, twoMarias)
		add(text, "INET6", v("'::1'", "'2001:0DB8::1'"), v("'1.2.3'", "'x'"), toMaria)
		add(text, "INET4", v("'1.2.3.4'"), v("'::1'"), toMaria)
	}
	add("UUID", "BINARY(16)", v(uuidText+"=>"+uuidBytes), nil, twoMarias)
	add("UUID", "VARBINARY(20)", v(uuidText+"=>"+uuidBytes), nil, twoMarias)
	add("BINARY(16)", "UUID", v(uuidBytes+"=>"+uuidText, "X'ffffffffffffffffffffffffffffffff'=>'ffffffff-ffff-ffff-ffff-ffffffffffff'"), nil, toMaria)
	add("BINARY(16)", "UUID", nil, v("X'ffeeddccbbaa99887766554433221100'"), toMaria118) // a version that has no variant
	add("VARBINARY(16)", "UUID", v(uuidBytes+"=>"+uuidText), v("'abc'"), toMaria)
	add("INET6", "VARBINARY(16)", v("'::1'=>X'00000000000000000000000000000001'"), nil, twoMarias)
	add("VARBINARY(16)", "INET6", v("X'20010db8000000000000000000000000'=>'2001:db8::'"), v("'abc'"), toMaria)
	add("UUID", "UUID", v(uuidText), nil, twoMarias)
	return append(out, jsonCases()...)
}

type adder func(old, new string, values, refused []string, only func(o, n fixtures.Family) bool)

func numberCases(add adder, v func(...string) []string) {
	add("INT", "BIGINT", v("-1", "2147483647"), nil, nil)
	add("BIGINT", "INT", v("-2147483648", "5"), v("2147483648"), nil)
	add("INT", "INT UNSIGNED", v("7"), v("-1"), nil)
	add("BIGINT UNSIGNED", "BIGINT", v("1"), v("18446744073709551615"), nil)
	add("SMALLINT", "TINYINT", v("-128", "127"), v("128", "-129"), nil)
	add("INT", "DECIMAL(10,2)", v("-5", "99999999"), v("100000000"), nil)
	add("DECIMAL(10,2)", "INT", v("5.00"), v("5.50"), nil)
	add("DECIMAL(20,8)", "DECIMAL(10,2)", v("1.25", "-0.10"), v("1.001", "123456789"), nil)
	add("DECIMAL(5,2)", "DECIMAL(30,10)", v("999.99", "0"), nil, nil)
	add("FLOAT", "DOUBLE", v("0.25", "-3.5"), nil, nil)
	add("DOUBLE", "FLOAT", v("0.25"), v("0.1", "1e300"), nil)
	add("DOUBLE", "DOUBLE", v("0.1", "5e-324", "-1.7976931348623157e308"), nil, nil)
	add("DOUBLE", "DECIMAL(20,4)", v("0.25", "-7"), v("0.00001"), nil)
	add("DECIMAL(20,4)", "DOUBLE", v("0.1"), nil, nil)
	add("INT", "DOUBLE", v("16777217"), nil, nil)
	add("BIT(10)", "INT", v("b'1000000001'=>513"), nil, nil)
	add("INT", "BIT(10)", v("513=>b'1000000001'"), v("1024"), nil)
	add("BIT(10)", "BIT(40)", v("b'1000000001'"), nil, nil)
	add("BIT(40)", "BIT(10)", v("b'1000000001'"), v("b'100000000000'"), nil)
	add("BIT(10)", "BIT(10)", v("b'1000000001'"), nil, nil)
	add("BIT(16)", "VARCHAR(9)", v("b'0110000101100010'=>'ab'"), v("b'1010101010'"), nil)
	add("YEAR", "SMALLINT", v("2020", "0"), nil, nil)
	add("SMALLINT", "YEAR", v("2020", "0"), v("1900"), nil)
	add("YEAR", "VARCHAR(4)", v("'2020'", "'0000'"), nil, nil)
	add("VARCHAR(9)", "YEAR", v("'2020'"), v("'x'", "'20'"), nil)
	add("INT", "VARCHAR(20)", v("-5"), nil, nil)
	add("INT(5) ZEROFILL", "VARCHAR(20)", v("7=>'00007'"), nil, nil)
	add("VARCHAR(20)", "INT", v("'-5'", "'0'"), v("'05'", "'1e3'", "''", "'2147483648'"), nil)
	add("VARCHAR(20)", "DECIMAL(10,2)", v("'1.50'"), v("'1.5'", "'x'"), nil)
	add("DECIMAL(10,3)", "VARCHAR(20)", v("1.5=>'1.500'"), nil, nil)
}

func textCases(add adder, v func(...string) []string) {
	add("VARCHAR(20)", "CHAR(20)", v("'a b'"), v("'a '"), nil)
	add("CHAR(20)", "VARCHAR(20)", v("'a b'"), nil, nil)
	add("VARCHAR(20)", "VARCHAR(3)", v("'äöü'"), v("'abcd'"), nil)
	add("TEXT", "TINYTEXT", v("REPEAT('x',255)"), v("REPEAT('x',256)"), nil)
	add("VARCHAR(20) CHARACTER SET latin1", "VARCHAR(20)", v("'Grün'", "'€ 5'", "'?'", "_latin1 X'81'=>_utf8mb4 X'c281'"), nil, nil)
	add("VARCHAR(20)", "VARCHAR(20) CHARACTER SET latin1", v("'Grün'", "'?'"), v("'日'"), nil)
	add("VARCHAR(20)", "VARCHAR(20) CHARACTER SET utf8", v("'日'"), v("'😀'"), nil)
	add("VARCHAR(20)", "VARCHAR(20) CHARACTER SET ascii", v("'a'"), v("'é'"), nil)
	add("VARCHAR(20) CHARACTER SET ucs2", "VARCHAR(20)", v("'日?'"), v("X'd800'"), nil)
	add("VARCHAR(20) CHARACTER SET cp932", "VARCHAR(20)", v("_cp932 X'eee08bb4'=>'髙橋'", "'?'"), nil, nil)
	add("VARCHAR(20) CHARACTER SET cp932", "VARCHAR(20) CHARACTER SET cp932", v("_cp932 X'eee08bb4'", "'日'"), nil, nil)
	add("VARCHAR(20) CHARACTER SET sjis", "VARCHAR(10) CHARACTER SET sjis", v("REPEAT('日',10)"), v("REPEAT('日',11)"), nil)
	add("VARCHAR(20)", "VARCHAR(20) CHARACTER SET cp932", v("'日本'", "'a?'"), v("'é'"), nil)
	add("VARCHAR(20) CHARACTER SET koi8r", "VARCHAR(20) CHARACTER SET cp1251", v("'Ж'"), v("_koi8r X'80'"), nil)
	add("ENUM('a','é')", "ENUM('x','é','a')", v("'a'", "'é'"), nil, nil)
	add("ENUM('a','b','')", "ENUM('','b')", v("'b'", "''"), v("'a'"), nil)
	add("ENUM('a','b')", "ENUM('a','b')", v("'a'", "0"), nil, nil)
	add("ENUM('a','b''c')", "VARCHAR(9)", v("'b''c'"), nil, nil)
	add("ENUM('a','é') CHARACTER SET latin1", "ENUM('a','é')", v("'é'"), nil, nil)
	add("VARCHAR(9)", "ENUM('a','b''c','1')", v("'b''c'", "'1'"), v("'A'", "'d'"), nil)
	add("SET('a','b','c')", "SET('c','x','a','b')", v("'a,b'", "''", "'a,c'"), nil, nil)
	add("SET('a','b','c')", "SET('a','b')", v("'a,b'"), v("'c'"), nil)
	add("SET('a','b''c')", "VARCHAR(20)", v("'a,b''c'", "''"), nil, nil)
	add("VARCHAR(20)", "SET('a','b')", v("'a,b'", "''"), v("'b,a'", "'c'"), nil)
	add("INT", "INT NOT NULL DEFAULT 7", v("5"), nil, nil)
}

func timeCases(add adder, v func(...string) []string) {
	add("DATETIME(6)", "DATETIME", v("'2020-01-02 03:04:05'", "'0000-00-00 00:00:00'", "'2020-02-30 00:00:00'"), v("'2020-01-02 03:04:05.5'"), nil)
	add("DATETIME", "TIMESTAMP NULL", v("'2020-01-02 03:04:05'", "'0000-00-00 00:00:00'"), v("'1969-01-01 00:00:00'", "'2120-01-01 00:00:00'", "'2020-02-30 00:00:00'"), nil)
	add("TIMESTAMP(6) NULL", "DATETIME(3)", v("'2020-01-02 03:04:05.125'"), v("'2020-01-02 03:04:05.000001'"), nil)
	add("DATE", "DATETIME", v("'2020-01-02'", "'0000-00-00'", "'2020-00-00'"), nil, nil)
	add("DATETIME", "DATE", v("'2020-01-02 00:00:00'"), v("'2020-01-02 03:04:05'"), nil)
	add("TIME(6)", "TIME", v("'-838:59:59'", "'00:00:01'"), v("'00:00:00.5'"), nil)
	add("DATETIME", "VARCHAR(30)", v("'2020-01-02 03:04:05'"), nil, nil)
	add("VARCHAR(30)", "DATETIME", v("'2020-01-02 03:04:05'"), v("'2020-01-02'", "'2020-13-02 03:04:05'"), nil)
	add("VARCHAR(30)", "DATE", v("'2020-01-02'"), v("''"), nil)
	add("TIME", "VARCHAR(30)", v("'-01:02:03'"), nil, nil)
}

func jsonCases() []stores {
	doc := `'{"a": [1, 2.5, null, "é\\"x"], "b": 1.0}'`
	return []stores{
		{old: "TEXT", new: "JSON", values: []string{doc, "'[]'", `'"1"'`}, refused: []string{"'no json'", `'{"a":'`}},
		{old: "JSON", new: "TEXT", values: []string{`'[1, 2]'`, `'"é"'`}, only: jsonBoth},
		{old: "JSON", new: "JSON", values: []string{doc, "'5'"}, only: jsonBoth},
		{old: "JSON", new: "VARCHAR(5)", values: []string{"'[1]'"}, refused: []string{"'[1, 2, 3]'"}, only: jsonMySQL9},
		{old: "VARBINARY(12)", new: "VECTOR(3)", values: []string{"X'0000803f00000040'"}, refused: []string{"X'00'"}, only: toMySQL9},
	}
}

// split tells how a value is written to old and to new.
func (stores) split(value string) (old, new string) {
	if o, n, ok := strings.Cut(value, "=>"); ok {
		return o, n
	}
	return value, value
}

// TestRepairStoresWhatOldHas repairs missing and changed rows whose columns have other types on new. What new holds then
// must be what the same values written to new by hand are; where new cannot hold a value, the row is told and left alone.
func TestRepairStoresWhatOldHas(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair, oldToNew} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			set := pool.get(t, spec)
			var cases []stores
			for _, c := range storeCases() {
				if c.only == nil || c.only(set.Old.Family(), set.New.Family()) {
					cases = append(cases, c)
				}
			}
			r := newRepairTest(t, set, "repair_store")
			refused := r.fillStores(cases)
			state := filepath.Join(t.TempDir(), "state")
			check(t, set, exitDifferent, "--table", r.database+".*", "--exclude", "*.want", "--state", state)
			file, said := r.apply(state, exitUndecided)
			if !strings.Contains(said, fmt.Sprintf("%d differing rows have none", refused)) {
				t.Errorf("of %d rows that new cannot hold: %s%s", refused, said, file[max(0, len(file)-4000):])
			}
			r.demandWanted(cases)
			d := check(t, set, exitDifferent, "--table", r.database+".*", "--exclude", "*.want", "--state", state, "--max-differences", "300")
			for _, table := range d.Tables {
				if table.Table == r.database+".m" && table.Verdict != checksum.Same {
					t.Errorf("after the repair: %+v", table)
				}
				if table.Table == r.database+".refused" && int(table.Missing) != refused {
					t.Errorf("%d rows were refused: %+v", refused, table)
				}
			}
		})
	}
}

// repairTest is a database of a test's own on both sides.
type repairTest struct {
	t        *testing.T
	set      *fixtures.Set
	database string
}

func newRepairTest(t *testing.T, set *fixtures.Set, database string) *repairTest {
	t.Helper()
	r := &repairTest{t, set, database}
	drop := "DROP DATABASE IF EXISTS " + database
	both := func(statements ...string) {
		for _, s := range []*fixtures.Server{set.Old, set.New} {
			unlogged(t, s, statements...)
		}
	}
	both(drop, "CREATE DATABASE "+database+" CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
	t.Cleanup(func() { both(drop) })
	return r
}

// on runs statements on one side, past the binary log and without strict mode.
func (r *repairTest) on(s *fixtures.Server, statements ...string) {
	r.t.Helper()
	before := []string{"SET NAMES utf8mb4", "SET sql_mode='ALLOW_INVALID_DATES'", "SET time_zone='+00:00'", "SET innodb_strict_mode=0", "USE " + r.database}
	unlogged(r.t, s, append(before, statements...)...)
}

// fillStores makes the table m with all values that new can hold, of which new lacks half of the rows and has the others
// empty; want, on new, is m as it is to be. The table refused has a row for each value that new cannot hold.
func (r *repairTest) fillStores(cases []stores) (refused int) {
	r.t.Helper()
	var olds, news, names []string
	rows := 0
	for i, c := range cases {
		name := fmt.Sprintf("c%d", i)
		names = append(names, name)
		olds, news = append(olds, name+" "+c.old), append(news, name+" "+c.new)
		rows = max(rows, len(c.values))
	}
	table := func(name string, columns []string) string {
		return "CREATE TABLE " + name + " (id INT NOT NULL PRIMARY KEY, " + strings.Join(columns, ", ") + ") ROW_FORMAT=DYNAMIC"
	}
	toOld := []string{table("m", olds), table("refused", olds)}
	toNew := []string{table("m", news), table("refused", news), table("want", news)}
	for row := range 2 * rows {
		var o, n []string
		for _, c := range cases {
			value := "NULL"
			if strings.Contains(c.new, "NOT NULL") {
				value = c.values[0]
			}
			if len(c.values) > row/2 {
				value = c.values[row/2]
			}
			was, is := c.split(value)
			o, n = append(o, was), append(n, is)
		}
		toOld = append(toOld, fmt.Sprintf("INSERT INTO m VALUES (%d,%s)", row, strings.Join(o, ",")))
		toNew = append(toNew, fmt.Sprintf("INSERT INTO want VALUES (%d,%s)", row, strings.Join(n, ",")))
		if row%2 == 0 {
			toNew = append(toNew, fmt.Sprintf("INSERT INTO m (id) VALUES (%d)", row))
		}
	}
	for i, c := range cases {
		for _, value := range c.refused {
			refused++
			toOld = append(toOld, fmt.Sprintf("INSERT INTO refused (id,%s) VALUES (%d,%s)", names[i], 1000*i+refused, value))
		}
	}
	for i, c := range cases { // their own columns may not stay empty
		if strings.Contains(c.new, "NOT NULL") {
			toOld = append(toOld, fmt.Sprintf("UPDATE refused SET c%d=%s", i, c.values[0]))
		}
	}
	r.on(r.set.Old, toOld...)
	r.on(r.set.New, toNew...)
	return refused
}

// demandWanted compares m on new with what it is to be, by the server's own text of both.
func (r *repairTest) demandWanted(cases []stores) {
	r.t.Helper()
	var list []string
	for i, c := range cases {
		text := "HEX(CONCAT(%s.c%d,''))"
		if slices.Contains([]string{"POINT", "GEOMETRY", "VECTOR(3)"}, c.new) {
			text = "HEX(%s.c%d)" // they have bytes only
		}
		is, wants := fmt.Sprintf(text, "m", i), fmt.Sprintf(text, "w", i)
		list = append(list, fmt.Sprintf("IF(%s <=> %s,NULL,CONCAT('c%d ',IFNULL(%s,'NULL'),' not ',IFNULL(%s,'NULL')))", is, wants, i, is, wants))
	}
	rows, err := r.set.New.DB().QueryContext(r.t.Context(), "SELECT w.id, CONCAT_WS('; ',IF(m.id IS NULL,'no row',NULL),"+strings.Join(list, ",")+
		") FROM "+r.database+".want w LEFT JOIN "+r.database+".m m USING (id)")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var wrong sql.NullString
		if err := rows.Scan(&id, &wrong); err != nil {
			r.t.Fatal(err)
		}
		for i := range slices.Backward(cases) {
			c := fmt.Sprintf("c%d ", i)
			wrong.String = strings.ReplaceAll(wrong.String, c, c+"("+cases[i].old+" to "+cases[i].new+") ")
		}
		if wrong.String != "" {
			r.t.Errorf("row %d: %s", id, wrong.String)
		}
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
}

// apply writes the repair and runs it on new in one go, as a client does that stops at the first error.
func (r *repairTest) apply(state string, want int) (file, said string) {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "repair.sql")
	p := start(r.t, nil, "repair", "--state", state, "--output", path)
	if got := p.wait(patience); got != want {
		r.t.Errorf("repair: exit code %d, want %d: %s", got, want, p.stderr.String())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		r.t.Errorf("%v, mode %v", err, info.Mode())
	}
	r.runFile(string(text))
	return string(text), p.stderr.String()
}

func (r *repairTest) runFile(text string) {
	r.t.Helper()
	c := r.set.New.Config(fixtures.Admin)
	c.MultiStatements = true
	connector, err := mysql.NewConnector(c)
	if err != nil {
		r.t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.ExecContext(r.t.Context(), text); err != nil {
		r.t.Errorf("the file stopped: error %d: %v\n%.20000s", cluster.ErrorNumber(err), err, text)
	}
}
