package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crosscheck/fixtures"
)

// schemaSQL is what every family understands.
var schemaSQL = []string{
	"CREATE DATABASE shop CHARACTER SET utf8mb4", "CREATE DATABASE broken_base", "CREATE DATABASE `we.ird ``db` CHARACTER SET latin1",
	`CREATE TABLE shop.types (
		id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'it''s the key',
		t TINYINT, u SMALLINT(5) UNSIGNED ZEROFILL, d DECIMAL(20,6) NOT NULL DEFAULT '1.500000', f DOUBLE, b BIT(10) NOT NULL DEFAULT b'101',
		vc VARCHAR(40) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL DEFAULT 'it''s \\ "x"',
		em VARCHAR(10) NOT NULL DEFAULT '', nu VARCHAR(10) DEFAULT NULL, ns VARCHAR(10) DEFAULT 'NULL',
		l1 CHAR(3) CHARACTER SET latin1, bi BINARY(16), bl LONGBLOB, tx MEDIUMTEXT,
		e ENUM('a','it''s','back\\slash','comma,','ü','unsigned') NOT NULL DEFAULT 'it''s', s SET('x','y z') DEFAULT 'x',
		dt DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), ts TIMESTAMP(6) NULL DEFAULT NULL, ti TIME(2), y YEAR, da DATE,
		cn DATETIME DEFAULT CURRENT_TIMESTAMP, ct VARCHAR(30) DEFAULT 'current_timestamp',
		PRIMARY KEY (id), UNIQUE KEY u1 (vc, d), KEY pre (tx(12), vc(3)), KEY d2 (d, t), FULLTEXT KEY ft (em))
		ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='all types'`,
	"CREATE TABLE shop.nopk (a INT NOT NULL, b INT NOT NULL, c INT, d VARCHAR(20) NOT NULL, " +
		"UNIQUE KEY z_first (b), UNIQUE KEY a_null (c), UNIQUE KEY b_second (a), UNIQUE KEY a_prefix (d(3)))",
	"SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
	"CREATE TABLE shop.labels (e ENUM('back\\slash','\\\\','\\''','new\nline','tab\t','\r','%\\_', '\\n') DEFAULT '\\n', s SET('\\') DEFAULT '\\')",
	"SET sql_mode = ''",
	"CREATE TABLE shop.keyless (a INT)",
	"CREATE TABLE shop.onlynull (a INT, b INT NOT NULL, UNIQUE KEY (a), KEY (b))",
	"CREATE TABLE shop.mem (a INT NOT NULL, PRIMARY KEY USING HASH (a)) ENGINE=MEMORY",
	"CREATE TABLE shop.parted (a INT NOT NULL PRIMARY KEY) PARTITION BY RANGE (a) (PARTITION p9 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION mx VALUES LESS THAN MAXVALUE)",
	"CREATE TABLE shop.subs (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b)) PARTITION BY RANGE (a) SUBPARTITION BY HASH (b) SUBPARTITIONS 2 (PARTITION q1 VALUES LESS THAN (10), PARTITION q2 VALUES LESS THAN MAXVALUE)",
	"CREATE VIEW shop.v AS SELECT id, vc FROM shop.types",
	"CREATE TABLE broken_base.t (a INT)", "CREATE VIEW shop.broken AS SELECT * FROM broken_base.t", "DROP DATABASE broken_base",
	"CREATE TABLE `we.ird ``db`.`ta.b``le 日本 *` (`co``l ü` INT NOT NULL, `select` INT, PRIMARY KEY (`co``l ü`))",
	"CREATE TABLE shop.Case_A (a INT PRIMARY KEY)", "CREATE TABLE shop.case_a (b INT PRIMARY KEY)",
	"CREATE TABLE shop.compound (a VARCHAR(20) NOT NULL, b INT NOT NULL, c BIGINT, PRIMARY KEY (b, a)) ENGINE=MyISAM",
}

func TestLoadTables(t *testing.T) {
	forFamilies(t, fixtures.ServerOptions{}, func(t *testing.T, srv *fixtures.Server) {
		execAll(t, srv, schemaSQL...)
		s := openFixture(t, srv)
		tables, err := LoadTables(t.Context(), s, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]*Table{}
		for i := range tables {
			byName[tables[i].FullName()] = &tables[i]
			if isSystemSchema(tables[i].Schema) {
				t.Errorf("%s is the server's own", tables[i].FullName())
			}
		}
		names, err := ListTables(t.Context(), s)
		if err != nil || len(names) != len(tables) {
			t.Errorf("%d names, %d tables, %v", len(names), len(tables), err)
		}
		checkTypes(t, byName["shop.types"])
		checkLabels(t, byName["shop.labels"])
		checkWalkKeys(t, byName)
		if p := byName["shop.parted"].Partitions; !slices.Equal(p, []string{"p9", "p1", "mx"}) {
			t.Errorf("partitions %v", p)
		}
		if p := byName["shop.subs"].Partitions; !slices.Equal(p, []string{"q1", "q2"}) {
			t.Errorf("partitions with subpartitions %v", p)
		}
		if v := byName["shop.v"]; v.Kind != TableView || len(v.Columns) != 2 || v.WalkKey() != nil {
			t.Errorf("view: %+v", v)
		}
		weird := byName["`we.ird ``db`.`ta.b``le 日本 *`"]
		if weird == nil || weird.Columns[0].Name != "co`l ü" || weird.WalkKey() == nil || weird.QuotedName() != "`we.ird ``db`.`ta.b``le 日本 *`" {
			t.Fatalf("unusual names: %+v", weird)
		}
		if byName["shop.Case_A"].Columns[0].Name != "a" || byName["shop.case_a"].Columns[0].Name != "b" {
			t.Error("names that differ by case are mixed up")
		}
		if c := byName["shop.compound"]; c.Engine != "MyISAM" {
			t.Errorf("engine %q", c.Engine)
		}
		for i := range tables {
			one, err := LoadTable(t.Context(), s, tables[i].Schema, tables[i].Name)
			if err != nil || one == nil {
				t.Fatalf("LoadTable %s: %v %v", tables[i].FullName(), one, err)
			}
			if diff := cmp.Diff(tables[i], *one); diff != "" {
				t.Errorf("LoadTable %s differs from LoadTables:\n%s", tables[i].FullName(), diff)
			}
		}
		if one, err := LoadTable(t.Context(), s, "shop", "nothing"); one != nil || err != nil {
			t.Errorf("a missing table: %v %v", one, err)
		}
		if b := byName["shop.broken"]; b == nil || b.Kind != TableView {
			t.Errorf("a view on what is gone: %+v", b)
		}
		checkFiltered(t, s)
	})
}

// TestLowerCaseNames: letter case of patterns and names does not matter to
// servers that store names in lower case.
func TestLowerCaseNames(t *testing.T) {
	for _, family := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL56, fixtures.MySQL} {
		srv := fixtures.ServerForTest(t, family, fixtures.ServerOptions{Variables: map[string]string{"lower_case_table_names": "1"}})
		execAll(t, srv, "CREATE DATABASE Shop", "CREATE TABLE SHOP.Orders (Id INT PRIMARY KEY)", "CREATE TABLE shop.items (a INT)")
		s := openFixture(t, srv)
		f, err := NewFilter([]string{"SHOP.ORDERS"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tables, err := LoadTables(t.Context(), s, f)
		if err != nil || len(tables) != 1 || tables[0].FullName() != "shop.orders" || tables[0].Column("ID") == nil {
			t.Errorf("%s: %+v %v", family, tables, err)
		}
		one, err := LoadTable(t.Context(), s, "Shop", "Orders")
		if err != nil || one == nil || one.Columns[0].Name != "Id" {
			t.Errorf("%s: %+v %v", family, one, err)
		}
	}
}

func checkFiltered(t *testing.T, s *Server) {
	for _, c := range []struct {
		include, exclude []string
		want             string
	}{
		{[]string{"shop.case_?"}, nil, "shop.case_a"},
		{[]string{"`we.ird ``db`.*"}, nil, "`we.ird ``db`.`ta.b``le 日本 *`"},
		{[]string{"*.?opk", "shop.mem"}, nil, "shop.mem shop.nopk"},
		{[]string{"shop.*s"}, []string{"*.*e*"}, "shop.subs"},
	} {
		f, err := NewFilter(c.include, c.exclude)
		if err != nil {
			t.Fatal(err)
		}
		tables, err := LoadTables(t.Context(), s, f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range tables {
			got = append(got, x.FullName())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v without %v gives %v, want %s", c.include, c.exclude, got, c.want)
		}
	}
}

func checkTypes(t *testing.T, tab *Table) {
	t.Helper()
	if tab.Kind != TableBase || tab.Engine != "InnoDB" || tab.Charset != "utf8mb4" || tab.Collation != "utf8mb4_unicode_ci" ||
		!strings.EqualFold(tab.RowFormat, "dynamic") || tab.Comment != "all types" {
		t.Errorf("table: %+v", tab)
	}
	var got []string
	for _, c := range tab.Columns {
		def := "-"
		if c.Default != nil {
			def = fmt.Sprintf("%q", *c.Default)
			if c.DefaultExpr {
				def = "expr " + *c.Default
			}
		}
		s := fmt.Sprintf("%d %s %s", c.Ordinal, c.Name, c.DataType)
		for _, x := range []struct {
			on   bool
			word string
		}{
			{c.Unsigned, "unsigned"},
			{!c.Nullable, "notnull"},
			{c.AutoIncrement, "auto"},
			{c.Charset != "", c.Charset},
			{c.Precision != 0, fmt.Sprintf("p%d,%d", c.Precision, c.Scale)},
			{c.FracSeconds != 0, fmt.Sprint("f", c.FracSeconds)},
			{c.CharLen != 0, fmt.Sprint("len", c.CharLen, "/", c.OctetLen)},
			{c.OnUpdate != "", "upd " + c.OnUpdate},
			{c.Labels != nil, fmt.Sprintf("%q", c.Labels)},
			{c.Comment != "", c.Comment},
			{c.Invisible || c.System || c.JSONText || c.Generated != "", "ODD"},
		} {
			if x.on {
				s += " " + x.word
			}
		}
		got = append(got, s+" "+def)
	}
	want := []string{
		`1 id bigint unsigned notnull auto p20,0 it's the key -`,
		`2 t tinyint p3,0 -`, `3 u smallint unsigned p5,0 -`, `4 d decimal notnull p20,6 "1.500000"`, `5 f double p22,0 -`,
		`6 b bit notnull p10,0 "b'101'"`,
		`7 vc varchar notnull utf8mb3 len40/120 "it's \\ \"x\""`,
		`8 em varchar notnull utf8mb4 len10/40 ""`, `9 nu varchar utf8mb4 len10/40 -`, `10 ns varchar utf8mb4 len10/40 "NULL"`,
		`11 l1 char latin1 len3/3 -`, `12 bi binary len16/16 -`, `13 bl longblob len4294967295/4294967295 -`, `14 tx mediumtext utf8mb4 len16777215/16777215 -`,
		`15 e enum notnull utf8mb4 len10/40 ["a" "it's" "back\\slash" "comma," "ü" "unsigned"] "it's"`,
		`16 s set utf8mb4 len5/20 ["x" "y z"] "x"`,
		`17 dt datetime f3 upd CURRENT_TIMESTAMP(3) expr CURRENT_TIMESTAMP(3)`, `18 ts timestamp f6 -`, `19 ti time f2 -`, `20 y year -`, `21 da date -`,
		`22 cn datetime expr CURRENT_TIMESTAMP`, `23 ct varchar utf8mb4 len30/120 "current_timestamp"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns:\n%s", diff)
	}
	var keys []string
	for _, k := range tab.Keys {
		keys = append(keys, fmt.Sprintf("%s %v %v %v %s %v", k.Name, k.Primary, k.Unique, k.Visible, k.Type, k.Parts))
	}
	slices.Sort(keys)
	wantKeys := []string{
		"PRIMARY true true true BTREE [{id 0 false }]", "d2 false false true BTREE [{d 0 false } {t 0 false }]",
		"ft false false true FULLTEXT [{em 0 false }]", "pre false false true BTREE [{tx 12 false } {vc 3 false }]",
		"u1 false true true BTREE [{vc 0 false } {d 0 false }]",
	}
	if diff := cmp.Diff(wantKeys, keys); diff != "" {
		t.Errorf("keys:\n%s", diff)
	}
	if tab.Columns[6].Collation != "utf8_bin" && tab.Columns[6].Collation != "utf8mb3_bin" || CanonicalCollation(tab.Columns[6].Collation) != "utf8mb3_bin" {
		t.Errorf("collation %q", tab.Columns[6].Collation)
	}
}

// checkLabels: the table was made without backslash escapes, which must not
// show.
func checkLabels(t *testing.T, tab *Table) {
	t.Helper()
	e, s := tab.Column("e"), tab.Column("s")
	want := []string{`back\slash`, `\\`, `\'`, "new\nline", "tab\t", "\r", `%\_`, `\n`}
	if diff := cmp.Diff(want, e.Labels); diff != "" || *e.Default != `\n` {
		t.Errorf("labels of %s, default %q:\n%s", e.ColumnType, *e.Default, diff)
	}
	if !slices.Equal(s.Labels, []string{`\`}) || *s.Default != `\` {
		t.Errorf("labels %q of %s, default %q", s.Labels, s.ColumnType, *s.Default)
	}
}

func checkWalkKeys(t *testing.T, tables map[string]*Table) {
	t.Helper()
	for name, want := range map[string]string{
		"shop.types": "PRIMARY", "shop.nopk": "z_first", "shop.keyless": "", "shop.onlynull": "", "shop.mem": "",
		"shop.compound": "PRIMARY", "shop.parted": "PRIMARY",
	} {
		got := ""
		if k := tables[name].WalkKey(); k != nil {
			got = k.Name
		}
		if got != want {
			t.Errorf("WalkKey of %s is %q, want %q", name, got, want)
		}
	}
	if k := tables["shop.compound"].PrimaryKey(); k.Parts[0].Column != "b" || k.Parts[1].Column != "a" {
		t.Errorf("order of parts: %v", k.Parts)
	}
}

func TestLoadTablesMySQL9(t *testing.T) {
	srv := fixtures.ServerForTest(t, fixtures.MySQL, fixtures.ServerOptions{})
	execAll(t, srv, "CREATE DATABASE n",
		`CREATE TABLE n.t (a INT NOT NULL, b INT INVISIBLE, v INT GENERATED ALWAYS AS (a + 1) VIRTUAL, s INT AS (a * 2) STORED NOT NULL,
			j JSON, g GEOMETRY NOT NULL SRID 4326, x VARCHAR(20) DEFAULT (UUID()), UNIQUE KEY fx ((a + b)),
			UNIQUE KEY de (a DESC, s), UNIQUE KEY ok (s DESC, a DESC), UNIQUE KEY hid (a) INVISIBLE, SPATIAL KEY sp (g))`,
		"CREATE TABLE n.pkdesc (a INT NOT NULL, PRIMARY KEY (a DESC))",
		"SET sql_generate_invisible_primary_key = ON", "CREATE TABLE n.gipk (a INT)", "SET sql_generate_invisible_primary_key = OFF")
	s := openFixture(t, srv)
	load := func(name string) *Table {
		x, err := LoadTable(t.Context(), s, "n", name)
		if err != nil || x == nil {
			t.Fatal(x, err)
		}
		return x
	}
	x := load("t")
	c := func(name string) *Column { return x.Column(name) }
	if !c("b").Invisible || c("v").Generated != GeneratedVirtual || c("s").Generated != GeneratedStored || c("s").GenerationExpr == "" ||
		c("a").Generated != GeneratedNone || c("j").DataType != "json" || c("j").JSONText {
		t.Errorf("%+v", x.Columns)
	}
	if c("g").SRID == nil || *c("g").SRID != 4326 || c("a").SRID != nil {
		t.Errorf("SRID %v", c("g").SRID)
	}
	if d := c("x"); d.Default == nil || *d.Default != "uuid()" || !d.DefaultExpr {
		t.Errorf("default %v", d)
	}
	keys := map[string]Key{}
	for _, k := range x.Keys {
		keys[k.Name] = k
	}
	if keys["fx"].Parts[0].Expression == "" || keys["hid"].Visible || !keys["de"].Parts[0].Descending || keys["sp"].Type != "SPATIAL" {
		t.Errorf("keys %+v", keys)
	}
	if k := x.WalkKey(); k == nil || k.Name != "ok" {
		t.Errorf("WalkKey %v", k)
	}
	if k := load("pkdesc").WalkKey(); k == nil || !k.Parts[0].Descending {
		t.Errorf("descending primary key: %v", k)
	}
	g := load("gipk")
	if k := g.WalkKey(); k == nil || !k.Primary || !g.Column(k.Parts[0].Column).Invisible || !g.Column(k.Parts[0].Column).AutoIncrement {
		t.Errorf("generated invisible primary key: %+v", g)
	}
}

func TestLoadTablesMariaDB(t *testing.T) {
	srv := fixtures.ServerForTest(t, fixtures.MariaDB, fixtures.ServerOptions{})
	execAll(t, srv, "CREATE DATABASE n CHARACTER SET utf8mb4", "CREATE SEQUENCE n.seq",
		"CREATE TABLE n.sv (a INT PRIMARY KEY) WITH SYSTEM VERSIONING",
		`CREATE TABLE n.sv2 (a INT PRIMARY KEY, rs TIMESTAMP(6) GENERATED ALWAYS AS ROW START, re TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
			PERIOD FOR SYSTEM_TIME (rs, re)) WITH SYSTEM VERSIONING`,
		"CREATE TABLE n.wo (a INT, d DATE NOT NULL COMMENT 'x\nUNIQUE KEY `u` (`a`,`p` WITHOUT OVERLAPS)', e DATE NOT NULL, PERIOD FOR p (d, e), UNIQUE u (a, e, d), "+
			"UNIQUE `w``1` (a, p WITHOUT OVERLAPS) COMMENT 'y')",
		"CREATE TABLE n.t (a INT NOT NULL, b INT INVISIBLE, v INT AS (a + 1) VIRTUAL, s INT AS (a * 2) PERSISTENT, `j``s` JSON, "+
			"l LONGTEXT CHECK (LENGTH(l) > 1), u UUID DEFAULT UUID(), bl BLOB, n INT DEFAULT NULL, x VARCHAR(9) DEFAULT 'NULL', m INT DEFAULT -5, "+
			"k INT NOT NULL, UNIQUE KEY z (k), UNIQUE KEY ign (a) IGNORED, UNIQUE KEY hs (bl) USING HASH)")
	s := openFixture(t, srv)
	tables, err := LoadTables(t.Context(), s, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]*Table{}
	for i := range tables {
		by[tables[i].Name] = &tables[i]
	}
	if by["seq"].Kind != TableSequence || by["sv"].Kind != TableVersioned || by["sv2"].Kind != TableVersioned {
		t.Errorf("kinds %s %s %s", by["seq"].Kind, by["sv"].Kind, by["sv2"].Kind)
	}
	if r := by["sv2"].Column("rs"); !r.System || r.Generated != GeneratedNone || !by["sv2"].Column("re").System {
		t.Errorf("row start: %+v", r)
	}
	if k := by["sv2"].WalkKey(); k == nil || len(k.Parts) != 1 || k.Parts[0].Column != "a" {
		t.Errorf("of the rows of now, the key is unique without their end: %+v", by["sv2"].Keys)
	}
	if k := by["wo"].Keys; len(k) != 2 || k[0].Overlaps || !k[1].Overlaps || k[1].Name != "w`1" || k[1].Parts[1].Column != "e" || k[1].Parts[2].Column != "d" {
		t.Errorf("keys without overlaps: %+v", k)
	}
	x := by["t"]
	c := func(name string) *Column { return x.Column(name) }
	if !c("b").Invisible || c("v").Generated != GeneratedVirtual || c("s").Generated != GeneratedStored || !c("j`s").JSONText ||
		c("l").JSONText || c("u").DataType != "uuid" || c("n").Default != nil || *c("x").Default != "NULL" || *c("m").Default != "-5" || !c("u").DefaultExpr {
		t.Errorf("%+v", x.Columns)
	}
	if k := x.WalkKey(); k == nil || k.Name != "z" || len(x.Keys) != 3 {
		t.Errorf("WalkKey %v of %+v", k, x.Keys)
	}
}
