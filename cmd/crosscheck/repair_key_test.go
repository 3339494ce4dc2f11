package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"crosscheck/checksum"
	"crosscheck/fixtures"
)

// TestRepairFindsRowsByTheirKeys repairs tables whose keys have another type, charset or collation on new: a row is missing
// there, the others have another value.
func TestRepairFindsRowsByTheirKeys(t *testing.T) {
	none := []string(nil)
	keys := []stores{
		{"INT", "BIGINT", []string{"1", "-5", "7"}, none, nil},
		{"DECIMAL(10,2)", "DECIMAL(20,4)", []string{"1.50", "-2"}, none, nil},
		{"VARCHAR(20) CHARACTER SET latin1", "VARCHAR(20)", []string{"'é'", "'A'", "'b'"}, none, nil},
		{"VARCHAR(20)", "VARCHAR(20) COLLATE utf8mb4_bin", []string{"'x'", "'A'", "'b'"}, none, nil},
		{"VARCHAR(20) CHARACTER SET ucs2", "VARCHAR(20)", []string{"'日'", "'A'"}, none, nil},
		{"ENUM('a','é')", "ENUM('x','é','a')", []string{"'a'", "'é'"}, none, nil},
		{"DATE", "DATETIME", []string{"'2020-01-02'", "'2021-01-02'"}, none, nil},
		{"DATETIME(6)", "TIMESTAMP(6)", []string{"'2020-01-02 03:04:05.5'", "'2021-01-02 00:00:00'"}, none, nil},
		{"BINARY(16)", "VARBINARY(16)", []string{uuidBytes, "X'61'=>X'61000000000000000000000000000000'"}, none, nil},
		{"CHAR(20)", "VARCHAR(20)", []string{"'a'", "'b c'"}, none, nil},
		{"VARCHAR(20)", "INT", []string{"'5'", "'-7'"}, none, nil},
		{"BIT(9)", "INT", []string{"b'101'=>5", "b'100000001'=>257"}, none, nil},
		{"UUID", "CHAR(36)", []string{uuidText, "'ffffffff-4455-6677-8899-aabbccddee00'"}, none, twoMarias},
		{"CHAR(36)", "UUID", []string{uuidText, "'ffffffff-4455-6677-8899-aabbccddee00'"}, none, toMaria},
		{"BINARY(16)", "UUID", []string{uuidBytes + "=>" + uuidText, "X'ff112233445566778899aabbccddee00'=>'ff112233-4455-6677-8899-aabbccddee00'"}, none, toMaria},
		{"UUID", "BINARY(16)", []string{uuidText + "=>" + uuidBytes, "'ff112233-4455-6677-8899-aabbccddee00'=>X'ff112233445566778899aabbccddee00'"}, none, twoMarias},
		{"INET6", "VARCHAR(40)", []string{"'::1'", "'2001:db8::1'"}, none, twoMarias},
		{"VARCHAR(40)", "INET6", []string{"'::1'", "'2001:db8::1'"}, none, toMaria},
	}
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair, oldToNew} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			set := pool.get(t, spec)
			r := newRepairTest(t, set, "repair_key")
			var toOld, toNew, tables []string
			for i, c := range keys {
				if c.only != nil && !c.only(set.Old.Family(), set.New.Family()) {
					continue
				}
				name := fmt.Sprintf("t%d", i)
				tables = append(tables, name)
				toOld = append(toOld, "CREATE TABLE "+name+" (k "+c.old+" NOT NULL PRIMARY KEY, v VARCHAR(9))")
				toNew = append(toNew, "CREATE TABLE "+name+" (k "+c.new+" NOT NULL PRIMARY KEY, v VARCHAR(9))", "CREATE TABLE want_"+name+" LIKE "+name)
				for row, value := range c.values {
					o, n := c.split(value)
					toOld = append(toOld, fmt.Sprintf("INSERT INTO %s VALUES (%s,'v%d')", name, o, row))
					toNew = append(toNew, fmt.Sprintf("INSERT INTO want_%s VALUES (%s,'v%d')", name, n, row))
					if row > 0 {
						toNew = append(toNew, fmt.Sprintf("INSERT INTO %s VALUES (%s,'other')", name, n))
					}
				}
			}
			r.on(set.Old, toOld...)
			r.on(set.New, toNew...)
			state := filepath.Join(t.TempDir(), "state")
			args := []string{"--table", r.database + ".*", "--exclude", "*.want*", "--state", state}
			check(t, set, exitDifferent, args...)
			file, _ := r.apply(state, 0)
			for _, name := range tables {
				if got := r.rows(set.New, name, "k, v"); got != r.rows(set.New, "want_"+name, "k, v") {
					t.Errorf("%s: %s instead of %s\n%s", name, got, r.rows(set.New, "want_"+name, "k, v"), file)
				}
			}
			check(t, set, 0, args...)
		})
	}
}

// rows returns the bytes of some columns of a table's rows, in their order.
func (r *repairTest) rows(s *fixtures.Server, table, columns string) string {
	r.t.Helper()
	var hex []string
	for _, c := range strings.Split(columns, ", ") {
		hex = append(hex, "IFNULL(HEX(CONCAT("+c+",'')),'NULL')")
	}
	var out string
	one := "CONCAT_WS(':'," + strings.Join(hex, ",") + ")"
	query := "SELECT IFNULL(GROUP_CONCAT(" + one + " ORDER BY " + one + " SEPARATOR ' '),'') FROM " + r.database + "." + table
	if err := s.DB().QueryRowContext(r.t.Context(), query).Scan(&out); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return out
}

// TestRepairDoesNoHarm repairs what could stop the file, or lose a row.
func TestRepairDoesNoHarm(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair, oldToNew} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			set := pool.get(t, spec)
			r := newRepairTest(t, set, "repair_harm")
			var cases []harm
			var toOld, toNew []string
			for _, c := range harmCases() {
				if c.only != nil && !c.only(set.Old.Family(), set.New.Family()) {
					continue
				}
				cases = append(cases, c)
				name := strings.NewReplacer("{t}", c.name)
				ddl := c.ddlNew
				if ddl == "" {
					ddl = c.ddl
				}
				toOld = append(toOld, name.Replace(c.ddl))
				toNew = append(toNew, name.Replace(ddl))
				for _, q := range c.old {
					toOld = append(toOld, name.Replace(q))
				}
				for _, q := range c.now {
					toNew = append(toNew, name.Replace(q))
				}
			}
			r.on(set.Old, toOld...)
			r.on(set.New, toNew...)
			exec1(t, set.New, "SET GLOBAL max_allowed_packet=4194304")
			t.Cleanup(func() { exec1(t, set.New, "SET GLOBAL max_allowed_packet=1073741824") })
			state := filepath.Join(t.TempDir(), "state")
			check(t, set, exitDifferent, "--table", r.database+".*", "--state", state)
			file, _ := r.apply(state, exitUndecided)
			d := check(t, set, exitDifferent, "--table", r.database+".*", "--state", state)
			for _, c := range cases {
				for _, table := range d.Tables {
					if table.Table == r.database+"."+c.name && (table.Verdict == checksum.Same) == (c.why != "") {
						t.Errorf("%s is %s after its repair: %+v\n%.30000s", c.name, table.Verdict, table.Differences, file)
					}
				}
				if c.why != "" && !strings.Contains(file, c.why) {
					t.Errorf("%s: the file does not say that %s\n%.30000s", c.name, c.why, file)
				}
				for _, q := range c.keep {
					var kept int
					query := "SELECT COUNT(*) FROM " + r.database + "." + c.name + " WHERE " + q
					if err := set.New.DB().QueryRowContext(t.Context(), query).Scan(&kept); err != nil || kept != 1 {
						t.Errorf("%s: %d rows have %s: %v\n%.30000s", c.name, kept, q, err, file)
					}
				}
			}
		})
	}
}

// harm is a table and what its repair must leave behind.
type harm struct {
	name, ddl, ddlNew string
	old, now          []string
	why               string   // of a row that is not repaired; "": all are
	keep              []string // conditions that one row of new each has afterwards
	only              func(o, n fixtures.Family) bool
}

func harmCases() []harm {
	not56 := func(o, _ fixtures.Family) bool { return o != fixtures.MySQL56 }
	return []harm{
		{
			name: "swapped", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, u INT NOT NULL UNIQUE, s VARCHAR(9) UNIQUE, x INT)",
			old:  []string{"INSERT INTO {t} VALUES (1,1,'a',1),(2,2,'b',2),(3,3,'c',3),(4,4,NULL,4),(5,5,'e',5)"},
			now:  []string{"INSERT INTO {t} VALUES (1,2,'b',1),(2,3,'A',2),(3,1,'c',3),(4,5,'d',4),(6,4,'f',6)"},
			keep: []string{"id=1 AND u=1 AND s='a'", "id=4 AND u=4 AND s IS NULL"},
		},
		{
			name: "swapped_like", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, u VARCHAR(20) NOT NULL, at DATETIME, UNIQUE (u(3)), UNIQUE (at))",
			ddlNew: "CREATE TABLE {t} (id INT PRIMARY KEY, u VARCHAR(20) NOT NULL, at DATETIME(3), UNIQUE (u(3)), UNIQUE (at))",
			old:    []string{"INSERT INTO {t} VALUES (1,'abcx',20200101000000),(2,'bcdx',20200102000000),(3,'é',20200103000000),(4,'ü',20200104000000)"},
			now:    []string{"INSERT INTO {t} VALUES (1,'BCDy',20200102000000),(2,'abCz',20200101000000),(3,'u',20200103000000),(4,'E',20200104000000)"},
			keep:   []string{"id=1 AND u='abcx'", "id=4 AND u='ü'"},
		},
		{
			name: "swapped_more", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, u INT NOT NULL UNIQUE)", // new's own column must survive
			ddlNew: "CREATE TABLE {t} (id INT PRIMARY KEY, u INT NOT NULL UNIQUE, own VARCHAR(9))",
			old:    []string{"INSERT INTO {t} VALUES (1,1),(2,2),(3,3)"}, now: []string{"INSERT INTO {t} VALUES (1,2,'x'),(2,1,'y'),(3,9,'z')"},
			keep: []string{"id=1 AND own='x'", "id=2 AND own='y'", "id=3 AND u=3 AND own='z'"}, why: " ",
		},
		{
			name: "taken", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, u VARCHAR(9) NOT NULL)", // one row's value is another's to new
			ddlNew: "CREATE TABLE {t} (id INT PRIMARY KEY, u VARCHAR(9) NOT NULL UNIQUE)",
			old:    []string{"INSERT INTO {t} VALUES (1,'a'),(2,'A'),(3,'b')"}, now: []string{"INSERT INTO {t} VALUES (1,'a'),(3,'c')"},
			keep: []string{"id=3 AND u='b'", "id=1"}, why: " ",
		},
		{
			name: "many_spellings", ddl: "CREATE TABLE {t} (k VARCHAR(20) CHARACTER SET cp932 PRIMARY KEY, v INT)",
			ddlNew: "CREATE TABLE {t} (k VARCHAR(20) CHARACTER SET utf8mb4 PRIMARY KEY, v INT)",
			old:    []string{"INSERT INTO {t} VALUES (X'eee08bb4',1),(X'93fa',2)"}, now: []string{"INSERT INTO {t} VALUES ('髙橋',5),('日',2),('余',9)"},
			keep: []string{"k='髙橋'", "k='日'"}, why: "row of old may have this key in another form",
		},
		{
			name: "invalid_key", ddl: "CREATE TABLE {t} (k VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, v INT)",
			ddlNew: "CREATE TABLE {t} (k VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, v INT)",
			old:    []string{"INSERT INTO {t} VALUES ('é',1),('a',2)"},
			now:    []string{"INSERT INTO {t} VALUES ('é',1),('a',3)", "ALTER TABLE {t} MODIFY k VARBINARY(20) NOT NULL", "ALTER TABLE {t} MODIFY k VARCHAR(20) CHARACTER SET latin1 NOT NULL"},
		},
		{
			name: "no_default", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT)", ddlNew: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT, own INT NOT NULL)",
			old: []string{"INSERT INTO {t} VALUES (1,1),(2,2)"}, now: []string{"INSERT INTO {t} VALUES (1,5,7)"}, why: "has no default", keep: []string{"id=1 AND v=1 AND own=7"},
		},
		{
			name: "no_null", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT)", ddlNew: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT NOT NULL)",
			old: []string{"INSERT INTO {t} VALUES (1,NULL),(2,2)"}, now: []string{"INSERT INTO {t} VALUES (1,5)"}, why: "it allows no NULL", keep: []string{"id=2"},
		},
		{
			name: "zero_id", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
			old: []string{"SET sql_mode='NO_AUTO_VALUE_ON_ZERO'", "INSERT INTO {t} VALUES (0,1),(-1,2)"}, keep: []string{"id=0"},
		},
		{
			name: "no_key", ddl: "CREATE TABLE {t} (a BINARY(16), b VARCHAR(9))", ddlNew: "CREATE TABLE {t} (a VARBINARY(16), b VARCHAR(9))",
			old:  []string{"INSERT INTO {t} VALUES (" + uuidBytes + ",'x'),(" + uuidBytes + ",'x'),(NULL,'y')"},
			now:  []string{"INSERT INTO {t} VALUES ('extra','z')"},
			keep: []string{"a IS NULL"},
		},
		{
			name: "several_forms", ddl: "CREATE TABLE {t} (a VARBINARY(16))", ddlNew: "CREATE TABLE {t} (a BINARY(16))",
			old: []string{"INSERT INTO {t} VALUES ('a'),(X'6100')"}, why: "stored in several forms",
		},
		{
			name: "sequence", ddl: "CREATE SEQUENCE {t} START WITH 5", old: []string{"SELECT NEXTVAL({t})"}, now: []string{"SELECT SETVAL({t}, 5000)"},
			why: "a sequence takes no rows", only: twoMarias,
		},
		{
			name: "versioned", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v VARCHAR(9)) WITH SYSTEM VERSIONING", only: twoMarias,
			old: []string{"INSERT INTO {t} VALUES (1,'a'),(2,'b')"}, now: []string{"INSERT INTO {t} VALUES (1,'x'),(3,'c')"}, keep: []string{"id=2"},
		},
		{
			name: "computed", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT, g INT AS (v+1) STORED, h INT AS (v+2) VIRTUAL, UNIQUE (g))", only: not56,
			old: []string{"INSERT INTO {t} (id,v) VALUES (1,1),(2,2),(4,4)"}, now: []string{"INSERT INTO {t} (id,v) VALUES (1,2),(2,1),(3,3)"}, keep: []string{"id=1 AND g=2"},
		},
		{
			name: "was_generated", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT, g INT AS (v+1) STORED)", ddlNew: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT, g INT)", only: not56,
			old: []string{"INSERT INTO {t} (id,v) VALUES (1,1),(2,2)"}, now: []string{"INSERT INTO {t} VALUES (1,1,7)"}, keep: []string{"id=1 AND g=2", "id=2 AND g=3"},
		},
		{
			name: "parent", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, p INT, KEY (p), CONSTRAINT fk FOREIGN KEY (p) REFERENCES {t} (id) ON DELETE CASCADE)",
			old: []string{"SET foreign_key_checks=0", "INSERT INTO {t} VALUES (1,NULL),(2,3),(3,1)"}, now: []string{"INSERT INTO {t} VALUES (9,NULL),(2,9)"}, keep: []string{"id=2 AND p=3"},
		},
		{
			name: "large", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v LONGBLOB)",
			old: []string{"INSERT INTO {t} VALUES (1,REPEAT('x',2200000)),(2,REPEAT('y',6000)),(3,REPEAT('y',2200000))"},
			now: []string{"INSERT INTO {t} VALUES (2,REPEAT('z',6000)),(3,'a'),(4,REPEAT('z',2200000))"}, why: "larger than new's max_allowed_packet",
			keep: []string{"id=2 AND v=REPEAT('y',6000)", "v='a'"},
		},
		{
			name: "on_update", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v INT, at TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
			old: []string{"INSERT INTO {t} VALUES (1,1,'2020-01-01 00:00:00')"}, now: []string{"INSERT INTO {t} VALUES (1,2,'2020-01-01 00:00:00')"}, keep: []string{"v=1 AND UNIX_TIMESTAMP(at)=1577836800"},
		},
		{
			name: "minus_zero", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v DOUBLE)", only: jsonMySQL9,
			old: []string{"INSERT INTO {t} VALUES (1,-0e0)"}, now: []string{"INSERT INTO {t} VALUES (1,0e0)"}, keep: []string{"CONCAT(v,'')='-0'"},
		},
		{
			name: "minus_zero_maria", ddl: "CREATE TABLE {t} (id INT PRIMARY KEY, v DOUBLE)",
			only: func(o, n fixtures.Family) bool { return o == fixtures.MySQL56 && n == fixtures.MariaDB },
			old:  []string{"INSERT INTO {t} VALUES (1,-0e0),(2,1)"}, now: []string{"INSERT INTO {t} VALUES (1,0e0)"}, keep: []string{"id=2"}, why: "MariaDB stores no -0",
		},
	}
}
