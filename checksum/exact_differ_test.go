package checksum

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"crosscheck/checksum/plan"
	"crosscheck/fixtures"
)

func no56(p pair) bool { return !p.has(fixtures.MySQL56) }
func bothMySQL9(p pair) bool {
	return p.old.Family() == fixtures.MySQL && p.new.Family() == fixtures.MySQL
}

func bothMariaDB(p pair) bool {
	return p.old.Family().IsMariaDB() && p.new.Family().IsMariaDB()
}
func mixedFamilies(p pair) bool { return p.old.Family() != p.new.Family() && !bothMariaDB(p) }
func always(pair) bool          { return true }
func toMySQL(p pair) bool       { return p.new.Family() == fixtures.MySQL }
func toMariaDB(p pair) bool {
	return p.new.Family().IsMariaDB() && !p.old.Family().IsMariaDB()
}

// one makes a table of one column beside its key.
func one(typ string) string { return "(id INT NOT NULL PRIMARY KEY, v " + typ + ")" }

func row(values ...string) string { return "INSERT INTO {t} VALUES " + strings.Join(values, ",") }

func set(id, v string) string { return "UPDATE {t} SET v=" + v + " WHERE id=" + id }

// seq fills a table from numbers below n: expressions use s.n.
func seq(n, expressions string) string {
	return "INSERT INTO {t} SELECT " + expressions + " FROM seq s WHERE s.n < " + n
}

// differCases are tables with faults that weaker digests or comparisons miss.
func differCases() []exactCase {
	return slices.Concat(valueCases(), keySpaceCases(), unsureKeyCases())
}

func valueCases() []exactCase {
	return []exactCase{
		{
			name: "swap_equal_length", ddl: one("VARCHAR(10)"), rows: []string{row("(1,'aaaa')", "(2,'bbbb')", "(3,'cccc')")},
			tamper: []string{set("1", "'bbbb'"), set("2", "'aaaa'")}, changed: 2,
		},
		{
			name: "even_change", ddl: one("VARCHAR(10)"), rows: []string{row("(1,'new')", "(2,'new')", "(3,'new')", "(4,'new')")},
			tamper: []string{"UPDATE {t} SET v='paid' WHERE id<=4"}, changed: 4,
		},
		{
			name: "empties", ddl: one("VARCHAR(10)"), rows: []string{row("(1,NULL)", "(2,'')", "(3,'NULL')", "(4,'0')", "(5,'')")},
			tamper: []string{set("1", "''"), set("2", "NULL"), set("3", "NULL"), set("4", "''"), set("5", "'0'")}, changed: 5,
		},
		{
			name: "null_or_zero", ddl: one("INT"), rows: []string{row("(1,NULL)", "(2,0)")},
			tamper: []string{set("1", "0"), set("2", "NULL")}, changed: 2,
		},
		{
			name: "minus_zero", ddl: "(id INT NOT NULL PRIMARY KEY, v DOUBLE, w FLOAT)",
			rows:   []string{row("(1,0e0,0e0)", "(2,0e0,0e0)")},
			tamper: []string{"UPDATE {t} SET v=-0e0 WHERE id=1", "UPDATE {t} SET w=-0e0 WHERE id=2"}, changed: 2, only: toMySQL, // MariaDB stores no −0
		},
		{
			name: "one_ulp", ddl: "(id INT NOT NULL PRIMARY KEY, v DOUBLE, w FLOAT)",
			rows: []string{row("(1,0.1,0.1)", "(2,1e300,1e30)", "(3,5e-324,1e-45)", "(4,1,1)")},
			tamper: []string{
				"UPDATE {t} SET v=0.10000000000000002 WHERE id=1", "UPDATE {t} SET w=1.0000001e30 WHERE id=2",
				"UPDATE {t} SET v=1e-323 WHERE id=3", "UPDATE {t} SET w=0.99999994 WHERE id=4",
			}, changed: 4,
		},
		{
			name: "microsecond", ddl: "(id INT NOT NULL PRIMARY KEY, v DATETIME(6), w TIMESTAMP(6) NULL, x TIME(6))",
			rows: []string{row("(1,'2020-01-01 00:00:00','2020-01-01 00:00:00','00:00:00')", "(2,'2020-01-01 00:00:00.999999','2037-01-01 00:00:00','-838:59:59')",
				"(3,'9999-12-31 23:59:59.999999','1970-01-01 00:00:01','-00:00:00.000001')")},
			tamper: []string{
				"UPDATE {t} SET v='2020-01-01 00:00:00.000001' WHERE id=1", "UPDATE {t} SET w='2037-01-01 00:00:00.000001' WHERE id=2",
				"UPDATE {t} SET x='00:00:00.000001' WHERE id=3",
			}, changed: 3,
		},
		{
			name: "ci_ai_pad",
			ddl:  "(id INT NOT NULL PRIMARY KEY, v VARCHAR(20) COLLATE utf8mb4_general_ci, w TEXT COLLATE utf8mb4_unicode_ci, c CHAR(10) COLLATE utf8mb4_general_ci, l VARCHAR(10) CHARACTER SET latin1 COLLATE latin1_swedish_ci)",
			rows: []string{row("(1,'abc','abc','abc','abc')", "(2,'abc','abc','abc','abc')", "(3,'abc','abc','abc','abc')", "(4,'abc','abc','abc','abc')",
				"(5,'abc','abc','abc','abc')", "(6,'abc','abc','abc','abc')", "(7,'abc','abc','abc','abc')")},
			tamper: []string{
				"UPDATE {t} SET v='ABC' WHERE id=1", "UPDATE {t} SET w='äbc' WHERE id=2", "UPDATE {t} SET c='Abc' WHERE id=3",
				"UPDATE {t} SET v='abc ' WHERE id=4", "UPDATE {t} SET w='abc ' WHERE id=5", "UPDATE {t} SET l='abC' WHERE id=6", "UPDATE {t} SET l='abc  ' WHERE id=7",
			},
			changed: 7,
		},
		{
			name: "separators", ddl: "(id INT NOT NULL PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))",
			rows:   []string{row("(1,'a,b','c')", "(2,'a#b','')", "(3,'','ab')", "(4,NULL,'x')")},
			tamper: []string{"UPDATE {t} SET a='a', b='b,c' WHERE id=1", "UPDATE {t} SET a='a', b='#b' WHERE id=2", "UPDATE {t} SET a='ab',b='' WHERE id=3", "UPDATE {t} SET a='x',b=NULL WHERE id=4"}, changed: 4,
		},
		{
			name: "swap_in_row", ddl: "(id INT NOT NULL PRIMARY KEY, a INT, b INT, c CHAR(3), d CHAR(3))", rows: []string{row("(1,1,2,'x','y')", "(2,1,2,'x','y')")},
			tamper: []string{"UPDATE {t} SET a=2,b=1 WHERE id=1", "UPDATE {t} SET c='y',d='x' WHERE id=2"}, changed: 2,
		},
		{
			name: "json_text_change", ddl: one("LONGTEXT"), rows: []string{row(`(1,'{"a":1}')`, `(2,'{"a":1}')`)},
			tamper: []string{set("1", `'{"a": 1}'`)}, changed: 1,
		},
		{
			name: "json_change", ddl: one("JSON"), rows: []string{row(`(1,'{"a":[1,2,{"b":null}]}')`, `(2,'{"a":1}')`, `(3,'"x"')`, `(4,'[]')`, `(5,'null')`, `(6,'0.1')`)},
			tamper: []string{set("1", `'{"a":[1,2,{"b":0}]}'`), set("3", `'"X"'`), set("4", `'{}'`), set("5", "NULL"), set("6", `'0.10000000000000002'`)}, changed: 5, only: no56,
			lossy: mixedFamilies,
		},
		{ // to MySQL both are equal, so that no UPDATE makes one of the other
			name: "json_kind_of_number", ddl: one("JSON"), rows: []string{row(`(1,'{"a":1}')`)}, tamper: []string{"DELETE FROM {t}", row(`(1,'{"a":1.0}')`)},
			changed: 1, only: no56, lossy: mixedFamilies, fixed: true,
		},
		{
			name: "small_types",
			ddl:  "(id INT NOT NULL PRIMARY KEY, s SET('a','b','c'), e ENUM('a','b','c'), b BIT(10), b1 BIT(1), y YEAR, t TIME, d DECIMAL(30,10), d2 DECIMAL(65,30), g POINT, bi BINARY(4), vb VARBINARY(10), dt DATE)",
			rows: []string{seq("14", "s.n,'a,b','b',b'1000000001',b'1',2000,'-10:00:00',1.0000000001,12345678901234567890123456789012345.000000000000000000000000000001,ST_GeomFromText('POINT(1 2)'),'a','a','2020-02-29'")},
			tamper: []string{
				"UPDATE {t} SET s='b' WHERE id=0", "UPDATE {t} SET e='c' WHERE id=1", "UPDATE {t} SET b=b'1000000000' WHERE id=2", "UPDATE {t} SET b1=b'0' WHERE id=3",
				"UPDATE {t} SET y=0 WHERE id=4", "UPDATE {t} SET t='10:00:00' WHERE id=5", "UPDATE {t} SET d=1.0000000002 WHERE id=6", "UPDATE {t} SET d2=12345678901234567890123456789012345.000000000000000000000000000002 WHERE id=7",
				"UPDATE {t} SET g=ST_GeomFromText('POINT(1 2.0000000000000004)') WHERE id=8", "UPDATE {t} SET bi='a\\0\\0 ' WHERE id=9", "UPDATE {t} SET vb='a\\0' WHERE id=10", "UPDATE {t} SET dt='2020-02-30' WHERE id=11", "UPDATE {t} SET s='' WHERE id=12", "UPDATE {t} SET e=0 WHERE id=13",
			},
			changed: 14,
		},
		{
			name: "enum_error_value", ddl: one("ENUM('','a')"), rows: []string{row("(1,1)", "(2,2)")}, tamper: []string{set("1", "0")}, changed: 1,
		},
		{
			name: "set_empty_member", ddl: one("SET('','a')"), rows: []string{row("(1,1)", "(2,2)")}, tamper: []string{set("1", "0")}, changed: 1,
		},
		{
			name: "null_bit_of_100", ddl: "(id INT NOT NULL PRIMARY KEY, " + manyColumns(100, "CHAR(1) DEFAULT ''") + ")",
			rows: []string{"INSERT INTO {t} (id) VALUES (1),(2),(3)"}, tamper: []string{"UPDATE {t} SET c77=NULL WHERE id=2", "UPDATE {t} SET c99=NULL WHERE id=3"}, changed: 2,
		},
		{
			name: "generated_stored", ddl: "(id INT NOT NULL PRIMARY KEY, a INT, b INT AS (a+1) STORED)", ddlNew: "(id INT NOT NULL PRIMARY KEY, a INT, b INT AS (a+2) STORED)",
			rows: []string{"INSERT INTO {t} (id,a) VALUES (1,1),(2,2)"}, changed: 2, only: no56, fixed: true,
		},
		{
			name: "generated_key", ddl: "(a INT, g INT AS (a*2) VIRTUAL NOT NULL, b INT, c INT, UNIQUE KEY (g))",
			rows: []string{"INSERT INTO {t} (a,b,c) VALUES (1,7,1),(2,7,2),(3,7,3)"}, tamper: []string{"UPDATE {t} SET c=9 WHERE a=2"}, missing: 1, extra: 1, only: bothMySQL9,
		},
		{
			name: "invisible_column", ddl: "(id INT NOT NULL PRIMARY KEY, a INT INVISIBLE)", rows: []string{"INSERT INTO {t} (id,a) VALUES (1,1),(2,2)"},
			tamper: []string{"UPDATE {t} SET a=3 WHERE id=1"}, changed: 1, only: no56,
		},
		{
			name: "gipk", before: "", ddl: "(a INT, b INT)", only: bothMySQL9, rows: []string{
				"ALTER TABLE {t} ADD COLUMN my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE FIRST, ADD PRIMARY KEY (my_row_id)",
				"INSERT INTO {t} (a,b) VALUES (1,1),(2,2)",
			}, tamper: []string{"UPDATE {t} SET b=3 WHERE a=1"}, changed: 1,
		},
		{
			name: "charset_bytes",
			ddl:  "(id INT NOT NULL PRIMARY KEY, l VARCHAR(10) CHARACTER SET latin1, u VARCHAR(10) CHARACTER SET ucs2, s VARCHAR(10) CHARACTER SET sjis, g VARCHAR(10) CHARACTER SET gbk, k VARCHAR(10) CHARACTER SET koi8r, h VARCHAR(10) CHARACTER SET cp1250)",
			rows: []string{seq("8", "s.n,X'81',X'D800',X'8140',X'8140',X'80',X'81'")},
			tamper: []string{
				"UPDATE {t} SET l=X'8D' WHERE id=1", "UPDATE {t} SET u=X'D801' WHERE id=2", "UPDATE {t} SET s=X'8141' WHERE id=3", "UPDATE {t} SET g=X'8141' WHERE id=4",
				"UPDATE {t} SET k=X'81' WHERE id=5", "UPDATE {t} SET h=X'83' WHERE id=6", "UPDATE {t} SET s=X'815F' WHERE id=7",
			},
			changed: 7,
		},
		{ // characters that Unicode lacks are not the question marks that servers put in their place
			name: "no_unicode", ddl: "(id INT NOT NULL PRIMARY KEY, c VARCHAR(9) CHARACTER SET cp1251, h VARCHAR(9) CHARACTER SET hebrew, u VARCHAR(9) CHARACTER SET ucs2)",
			ddlNew: "(id INT NOT NULL PRIMARY KEY, c VARCHAR(9) CHARACTER SET utf8mb4, h VARCHAR(9) CHARACTER SET utf8mb4, u VARCHAR(9) CHARACTER SET utf8mb4)",
			rows:   []string{row("(1,'a?','b?','c?')", "(2,'a?','b?','c?')", "(3,'a?','b?','c?')", "(4,'a?','b?','c?')")},
			tamperOld: []string{
				"UPDATE {t} SET c=X'6198' WHERE id=1", "UPDATE {t} SET h=X'62BF' WHERE id=2",
				"UPDATE {t} SET u=X'0063D800' WHERE id=3",
			},
			changed: 3, lossy: always, fixed: true,
		},
		{ // as text, a byte that is none would be a question mark
			name: "bit_text", ddl: one("BIT(16)"), ddlNew: one("VARCHAR(9)"), rows: []string{row("(1,X'6162')", "(2,X'6162')")},
			tamperOld: []string{"UPDATE {t} SET v=b'1010101010' WHERE id=1"}, tamper: []string{"UPDATE {t} SET v=CONCAT(CHAR(2),'?') WHERE id=1"},
			changed: 1, lossy: always, fixed: true,
		},
		{
			name: "same_bits", ddl: one("INT"), ddlNew: one("INT UNSIGNED"), rows: []string{row("(1,1)", "(2,2147483647)")},
			tamperOld: []string{row("(3,-1)", "(4,-2147483648)")}, tamper: []string{row("(3,4294967295)", "(4,2147483648)")}, changed: 2, fixed: true,
		},
		{
			name: "same_bits_big", ddl: one("BIGINT"), ddlNew: one("BIGINT UNSIGNED"), rows: []string{row("(1,1)", "(2,9223372036854775807)")},
			tamperOld: []string{row("(3,-1)")}, tamper: []string{row("(3,18446744073709551615)")}, changed: 1, fixed: true,
		},
		{
			name: "float_rounding", ddl: one("FLOAT"), ddlNew: one("DOUBLE"), rows: []string{row("(1,0.5)", "(2,16777216)")},
			tamperOld: []string{row("(4,0.1)")}, tamper: []string{row("(4,0.1)"), "UPDATE {t} SET v=16777217 WHERE id=2"}, changed: 2,
		},
		{
			name: "double_to_float", ddl: one("DOUBLE"), ddlNew: one("FLOAT"), fixed: true, rows: []string{row("(1,0.5)")}, tamperOld: []string{row("(2,0.1)")}, tamper: []string{row("(2,0.1)")}, changed: 1,
		},
		{
			name: "at_packet_edge", ddl: one("LONGBLOB"), // the row packet has exactly 2^24−1 bytes: it is continued in an empty one
			rows: []string{row("(1,REPEAT('x',16777215-10))", "(2,REPEAT('x',16777215-11))", "(3,REPEAT('x',16777215-9))", "(4,'z')")}, tamper: []string{set("4", "'Z'")}, changed: 1, only: bigPairs,
		},
	}
}

func manyColumns(n int, typ string) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "c" + strconv.Itoa(i) + " " + typ
	}
	return strings.Join(names, ",")
}

func keySpaceCases() []exactCase {
	return []exactCase{
		{
			name: "around", ddl: "(id INT NOT NULL PRIMARY KEY, v INT)", rows: []string{seq("5000", "s.n*2, s.n")},
			tamper: []string{row("(-5,1)", "(101,1)", "(2147483647,1)", "(9999,1)"), "DELETE FROM {t} WHERE id IN (0, 9998, 5000)"}, extra: 4, missing: 3,
		},
		{name: "old_empty", ddl: "(id INT NOT NULL PRIMARY KEY, v INT)", tamper: []string{seq("3000", "s.n,s.n")}, extra: 3000},
		{name: "new_empty", ddl: "(id INT NOT NULL PRIMARY KEY, v INT)", tamperOld: []string{seq("3000", "s.n,s.n")}, missing: 3000},
		{name: "both_empty", ddl: "(id INT NOT NULL PRIMARY KEY, v INT)"},
		{
			name: "gap", ddl: "(id BIGINT NOT NULL PRIMARY KEY, v INT)", rows: []string{seq("2000", "IF(s.n<1000,s.n,s.n+1000000),s.n")},
			tamper: []string{"INSERT INTO {t} SELECT 2000+a.n*4+b.d,1 FROM seq a, zz_digits b WHERE b.d<4"}, extra: 40000,
		},
		{
			name: "keyless_copies", ddl: "(a INT, b VARCHAR(10))", rows: []string{row("(1,'x')", "(1,'x')", "(2,'y')", "(2,'y')", "(2,'y')", "(NULL,NULL)")},
			tamper: []string{row("(1,'x')"), "DELETE FROM {t} WHERE a=2 LIMIT 2"}, extra: 1, missing: 2, method: plan.RowMultiset,
		},
		{
			name: "keyless_changed", ddl: "(a INT, b VARCHAR(10))", rows: []string{row("(1,'x')", "(2,'y')", "(2,'y')")},
			tamper: []string{"UPDATE {t} SET b='Y' WHERE a=2"}, extra: 2, missing: 2,
		},
		{
			name: "ci_key", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)", rows: []string{row("('abc',1)", "('def',2)", "('ghi',3)", "('x ',4)")},
			tamper: []string{"UPDATE {t} SET k='ABC' WHERE k='abc'", "UPDATE {t} SET k='ghi ' WHERE k='ghi'", "UPDATE {t} SET k='x' WHERE k='x'"}, changed: 3,
		},
		{
			name: "ai_key", ddl: "(k VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL PRIMARY KEY, v INT)", rows: []string{row("('abc',1)", "('straße',2)")},
			tamper: []string{"UPDATE {t} SET k='Äbc' WHERE k='abc'", "UPDATE {t} SET k='STRASSE' WHERE k='straße'"}, changed: 2,
		},
		{
			name: "ci_key_many", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)", rows: []string{seq("4000", "CONCAT('key',s.n), s.n")},
			tamper: []string{"UPDATE {t} SET k=UPPER(k) WHERE v % 40 = 7"}, changed: 100,
		},
		{
			name: "ci_composite", ddl: "(a VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (a,b))", rows: []string{seq("3000", "CONCAT('k',s.n%7), s.n, s.n")},
			tamper:  []string{"UPDATE {t} SET a=UPPER(a) WHERE v IN (5,500,2999)", "UPDATE {t} SET v=-1 WHERE v=77", "DELETE FROM {t} WHERE v=1234", row("('zz',1,1)", "('',1,1)", "('k3',99999,1)")},
			changed: 4, missing: 1, extra: 3,
		},
		{
			name: "pad_key_latin1", ddl: "(k CHAR(20) CHARACTER SET latin1 NOT NULL PRIMARY KEY, v INT)", rows: []string{row("('abc',1)", "('é',2)", "(X'81',3)")},
			tamper: []string{"UPDATE {t} SET k='ABC' WHERE v=1", "UPDATE {t} SET k='E' WHERE v=2", "UPDATE {t} SET v=4 WHERE v=3"}, changed: 3,
		},
		{
			name: "collation_changed_key", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL PRIMARY KEY, v INT)",
			rows: []string{seq("2500", "CONCAT(CHAR(97+s.n%26), s.n), s.n")}, tamper: []string{"UPDATE {t} SET k=UPPER(k) WHERE v=26", "UPDATE {t} SET v=-v WHERE v=27", "DELETE FROM {t} WHERE v=28", row("('zzz',1)")}, changed: 2, missing: 1, extra: 1, method: plan.HashedBuckets,
		},
		{
			name: "float_key_zero", ddl: "(k DOUBLE NOT NULL PRIMARY KEY, v INT)", rows: []string{row("(0e0,1)", "(1,2)")}, tamper: []string{"DELETE FROM {t} WHERE v=1", row("(-0e0,1)")}, changed: 1, only: toMySQL,
		},
		{
			name: "other_unique", ddl: "(id INT NOT NULL PRIMARY KEY, u INT NOT NULL, v INT, UNIQUE KEY (u))", ddlNew: "(id INT NOT NULL, u INT NOT NULL PRIMARY KEY, v INT, UNIQUE KEY (id))",
			rows: []string{row("(1,1,1)", "(2,2,2)")}, tamper: []string{"UPDATE {t} SET v=9 WHERE id=2"}, changed: 1, method: plan.KeyChunks,
		},
		{
			name: "second_key_common", ddl: "(id INT NOT NULL PRIMARY KEY, u INT NOT NULL, v INT, UNIQUE KEY (u))", ddlNew: "(id INT NOT NULL, u INT NOT NULL PRIMARY KEY, v INT)",
			rows: []string{row("(1,1,1)", "(2,2,2)")}, tamper: []string{"UPDATE {t} SET v=9 WHERE id=2"}, changed: 1, method: plan.KeyChunks,
		},
		{
			name: "descending", ddl: "(a INT NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (a DESC, b DESC))", rows: []string{seq("3000", "s.n%10,s.n,s.n")},
			tamper: []string{"UPDATE {t} SET v=-1 WHERE v=1500", "DELETE FROM {t} WHERE v=7", row("(-1,0,0)", "(11,0,0)")}, changed: 1, missing: 1, extra: 2,
		},
	}
}

func TestNoFalseSame(t *testing.T) {
	forPairs(t, 5, func(t *testing.T, p pair) { runCases(t, p, "exact_differ", differCases()) })
}
