package checksum

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"crosscheck/checksum/plan"
	"crosscheck/fixtures"
)

// sameCases are tables that hold the same data on both sides although they are defined, stored or sorted differently.
func sameCases() []exactCase {
	out := append(widenedCases(), charsetCases()...)
	out = append(out, storageCases()...)
	return append(out, foreignCases()...)
}

func widenedCases() []exactCase {
	ints := []string{row("(-128,-1)", "(-1,0)", "(0,NULL)", "(1,127)", "(127,-128)")}
	pairs := [][3]string{ // name, old, new
		{"tiny_small", "TINYINT", "SMALLINT"},
		{"tiny_int", "TINYINT", "INT"},
		{"tiny_medium", "TINYINT", "MEDIUMINT"},
		{"tiny_big", "TINYINT", "BIGINT"},
		{"small_big", "SMALLINT", "BIGINT"},
		{"int_big", "INT", "BIGINT"},
		{"medium_int", "MEDIUMINT", "INT"},
		{"int_decimal", "INT", "DECIMAL(20,0)"},
		{"int_decimal_scale", "INT", "DECIMAL(30,4)"},
		{"big_small", "BIGINT", "TINYINT"},
		{"decimal_wider", "DECIMAL(5,2)", "DECIMAL(20,8)"},
		{"decimal_longer", "DECIMAL(5,2)", "DECIMAL(30,2)"},
	}
	var out []exactCase
	for _, p := range pairs {
		out = append(out, exactCase{
			name: "widen_" + p[0], ddl: "(id " + p[1] + " NOT NULL PRIMARY KEY, v " + p[1] + ")", ddlNew: "(id " + p[2] + " NOT NULL PRIMARY KEY, v " + p[2] + ")",
			rows: ints, method: plan.KeyChunks,
		})
	}
	out = append(out, exactCase{
		name: "int_unsigned", ddl: "(id INT NOT NULL PRIMARY KEY, v INT)", ddlNew: "(id INT UNSIGNED NOT NULL PRIMARY KEY, v INT UNSIGNED)",
		rows: []string{seq("3000", "s.n,s.n"), row("(2147483647,1)")}, method: plan.KeyChunks,
	}, exactCase{
		name: "int_bigunsigned", ddl: "(id INT NOT NULL PRIMARY KEY, v INT)", ddlNew: "(id BIGINT UNSIGNED NOT NULL PRIMARY KEY, v BIGINT UNSIGNED)",
		rows: []string{seq("3000", "s.n,s.n"), row("(2147483647,1)")}, method: plan.KeyChunks,
	}, exactCase{
		name: "uint_biguint", ddl: "(id INT UNSIGNED NOT NULL PRIMARY KEY, v TINYINT UNSIGNED)", ddlNew: "(id BIGINT UNSIGNED NOT NULL PRIMARY KEY, v BIGINT UNSIGNED)",
		rows: []string{seq("3000", "s.n,s.n%256"), row("(4294967295,1)")}, method: plan.KeyChunks,
	}, exactCase{
		name: "uint_big", ddl: "(id INT UNSIGNED NOT NULL PRIMARY KEY, v TINYINT UNSIGNED)", ddlNew: "(id BIGINT NOT NULL PRIMARY KEY, v SMALLINT)",
		rows: []string{seq("3000", "s.n,s.n%256"), row("(4294967295,1)")}, method: plan.KeyChunks,
	})
	other := []struct{ name, old, new, value string }{
		{"varchar_text", "VARCHAR(20)", "TEXT", "'a b '"},
		{"char_varchar", "CHAR(20)", "VARCHAR(20)", "'a b'"},
		{"varchar_longer", "VARCHAR(20)", "VARCHAR(300)", "'x'"},
		{"text_longtext", "TEXT", "LONGTEXT", "REPEAT('x',3000)"},
		{"blob_longblob", "BLOB", "LONGBLOB", "REPEAT('x',3000)"},
		{"varbinary_blob", "VARBINARY(20)", "BLOB", "X'00ff00'"},
		{"datetime_6", "DATETIME", "DATETIME(6)", "'2020-01-02 03:04:05'"},
		{"timestamp_datetime", "TIMESTAMP NULL", "DATETIME", "'2020-01-02 03:04:05'"},
		{"date_datetime", "DATE", "DATETIME", "'2020-01-02'"},
		{"time_6", "TIME", "TIME(6)", "'-800:01:02'"},
		{"timestamp_6", "TIMESTAMP NULL", "TIMESTAMP(6) NULL", "'2020-01-02 03:04:05'"},
		{"float_double", "FLOAT", "DOUBLE", "0.25"},
		{"enum_more", "ENUM('a','b')", "ENUM('x','b','a')", "'b'"},
		{"set_more", "SET('a','b')", "SET('b','x','a')", "'a,b'"},
		{"binary_wider", "BINARY(4)", "BINARY(9)", "X'01000200'"},
		{"bit_wider", "BIT(10)", "BIT(40)", "b'1000000001'"},
		{"bit_64", "BIT(63)", "BIT(64)", "b'111111111111111111111111111111111111111111111111111111111111111'"},
		{"bit_int", "BIT(10)", "INT", "b'1000000001'"},
		{"year_int", "YEAR", "SMALLINT", "2020"},
		{"tinyint_bit", "TINYINT(1)", "BIT(1)", "1"},
		{"enum_varchar", "ENUM('a','b')", "VARCHAR(10)", "'b'"},
		{"set_varchar", "SET('a','b')", "VARCHAR(10)", "'a,b'"},
		{"int_varchar", "INT", "VARCHAR(20)", "-5"},
		{"decimal_varchar", "DECIMAL(10,3)", "VARCHAR(20)", "'1.500'"},
		{"zerofill", "INT(8) ZEROFILL", "INT UNSIGNED", "5"},
		{"decimal_zerofill", "DECIMAL(8,2) ZEROFILL", "DECIMAL(8,2) UNSIGNED", "5.25"},
		{"decimal_huge", "DECIMAL(65,0)", "DECIMAL(65,30)", "12345678901234567890123456789012345"},
		{"varchar_blob", "VARCHAR(20)", "BLOB", "'é'"},
		{"enum_case", "ENUM('a','B')", "ENUM('a','B')", "'b'"},
		{"set_64", "SET(" + labelList(64) + ")", "SET(" + labelList(64) + ")", "18446744073709551615"},
		{"set_64_turned", "SET(" + labelList(64) + ")", "SET('z0'," + labelList(63) + ")", "'m1,m62,m0'"},
		{"enum_digits", "ENUM('2','1')", "ENUM('1','2','3')", "'1'"},
	}
	for _, c := range other {
		out = append(out, exactCase{
			name: "widen_" + c.name, ddl: one(c.old), ddlNew: one(c.new),
			rows: []string{row("(1,"+c.value+")", "(2,NULL)", "(3,"+c.value+")")},
		})
	}
	return out
}

func labelList(n int) string {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = "'m" + strconv.Itoa(i) + "'"
	}
	return strings.Join(labels, ",")
}

func charsetCases() []exactCase {
	var out []exactCase
	text := "'a','Grün','日本','ÿ','€ uro',''"
	latin := "'a','Grün','ÿ','€ uro','',_latin1 X'81'"
	for _, c := range []struct{ name, old, new, values string }{
		{"latin1_utf8mb4", "latin1", "utf8mb4", latin},
		{"utf8_utf8mb4", "utf8", "utf8mb4", text},
		{"ucs2_utf8mb4", "ucs2", "utf8mb4", text},
		{"utf16_utf8mb4", "utf16", "utf8mb4", text + ",'𝄞'"},
		{"utf32_utf8mb4", "utf32", "utf8mb4", text + ",'𝄞'"},
		{"ascii_utf8mb4", "ascii", "utf8mb4", "'a','','~'"},
		{"latin1_ucs2", "latin1", "ucs2", "'a','ü'"},
		{"utf8mb4_ucs2", "utf8mb4", "ucs2", text},
		{"latin1_latin1", "latin1", "latin1", latin},
	} {
		var rows, keys []string
		for i, v := range splitSQL(c.values) {
			rows = append(rows, fmt.Sprintf("(%d,%s)", i, v))
			if !strings.Contains(v, "X'81'") { // a control character, which newer collations ignore
				keys = append(keys, fmt.Sprintf("(%s,%d)", v, i))
			}
		}
		out = append(out, exactCase{
			name: "charset_" + c.name, ddl: one("VARCHAR(20) CHARACTER SET " + c.old), ddlNew: one("VARCHAR(20) CHARACTER SET " + c.new), rows: []string{row(rows...)},
		}, exactCase{
			name: "key_" + c.name, ddl: "(k VARCHAR(20) CHARACTER SET " + c.old + " NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(20) CHARACTER SET " + c.new + " NOT NULL PRIMARY KEY, v INT)",
			rows: []string{row(keys...), seq("1500", "CONCAT('k',s.n),s.n")},
		})
	}
	for _, cs := range []string{"sjis", "gbk", "big5", "ujis", "euckr", "koi8r", "cp1251", "latin2", "cp932", "eucjpms", "greek", "hebrew", "tis620"} {
		out = append(out, exactCase{
			name: "to_utf8_" + cs, ddl: one("VARCHAR(20) CHARACTER SET " + cs), ddlNew: one("VARCHAR(20) CHARACTER SET utf8mb4"),
			rows: []string{row("(1,'abc')", "(2,'ア日')", "(3,'Ж')")}, lossy: always, tamper: []string{"DELETE FROM {t} WHERE id>1"}, tamperOld: []string{"DELETE FROM {t} WHERE id>1"},
		}, exactCase{
			name: "same_" + cs, ddl: "(id INT NOT NULL PRIMARY KEY, v VARCHAR(20) CHARACTER SET " + cs + ", e ENUM('abc','x') CHARACTER SET " + cs + ")",
			rows: []string{row("(1,'abc','x')", "(2,'ア日','abc')", "(3,'Ж',NULL)", "(4,'a\\\\b~',1)")},
		})
	}
	return out
}

// splitSQL splits a list of SQL constants that hold no commas.
func splitSQL(s string) []string { return strings.Split(s, ",") }

func storageCases() []exactCase {
	return []exactCase{
		{name: "columns_order", ddl: "(id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(10))", ddlNew: "(b VARCHAR(10), id INT NOT NULL PRIMARY KEY, a INT)", rows: []string{"INSERT INTO {t} (id,a,b) VALUES (1,1,'x'),(2,NULL,NULL)"}},
		{name: "columns_case", ddl: "(id INT NOT NULL PRIMARY KEY, aBc INT)", ddlNew: "(ID INT NOT NULL PRIMARY KEY, AbC INT)", rows: []string{row("(1,1)")}},
		{
			name: "collation_changed", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v VARCHAR(20) COLLATE utf8mb4_general_ci)", ddlNew: "(k VARCHAR(20) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, v VARCHAR(20) COLLATE utf8mb4_unicode_ci)",
			rows: []string{seq("2000", "CONCAT(CHAR(IF(s.n%2,65,97)+s.n%26), s.n), s.n")}, method: plan.HashedBuckets,
		},
		{
			name: "key_order_changed", ddl: "(a INT NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (a,b))", ddlNew: "(a INT NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (b,a))",
			rows: []string{seq("2000", "s.n%7,s.n,s.n")},
		},
		{name: "unique_not_null", ddl: "(a INT NOT NULL, b INT, UNIQUE KEY (a))", rows: []string{seq("1000", "s.n,s.n")}, method: plan.KeyChunks},
		{name: "unique_nullable", ddl: "(a INT, b INT, UNIQUE KEY (a))", rows: []string{row("(1,1)", "(NULL,2)", "(NULL,2)")}, method: plan.RowMultiset},
		{name: "keyless", ddl: "(a INT, b FLOAT, c TEXT)", rows: []string{row("(1,0.1,'x')", "(1,0.1,'x')", "(NULL,NULL,NULL)"), seq("3000", "s.n,s.n/4,s.n")}, method: plan.RowMultiset},
		{name: "myisam", ddl: "(id INT NOT NULL PRIMARY KEY, v CHAR(20)) ENGINE=MyISAM", rows: []string{seq("1500", "s.n,s.n")}},
		{name: "myisam_innodb", ddl: "(a VARCHAR(10) NOT NULL, b INT NOT NULL, v CHAR(20), PRIMARY KEY (a,b)) ENGINE=MyISAM", ddlNew: "(a VARCHAR(10) NOT NULL, b INT NOT NULL, v CHAR(20), PRIMARY KEY (a,b)) ENGINE=InnoDB", rows: []string{seq("1500", "s.n%9,s.n,s.n")}},
		{name: "aria", ddl: "(id INT NOT NULL PRIMARY KEY, v CHAR(20)) ENGINE=Aria", rows: []string{seq("1500", "s.n,s.n")}, only: bothMariaDB},
		{name: "memory", ddl: "(id INT NOT NULL PRIMARY KEY, v CHAR(20)) ENGINE=MEMORY", rows: []string{seq("1500", "s.n,s.n")}},
		{name: "csv", ddl: "(id INT NOT NULL, v CHAR(20) NOT NULL) ENGINE=CSV", rows: []string{seq("100", "s.n,s.n")}, method: plan.RowMultiset},
		{name: "partitioned", ddl: "(id INT NOT NULL, d DATE NOT NULL, PRIMARY KEY (id,d)) PARTITION BY HASH (id) PARTITIONS 4", ddlNew: "(id INT NOT NULL, d DATE NOT NULL, PRIMARY KEY (id,d))", rows: []string{seq("2000", "s.n,'2020-01-01'")}},
		{name: "partition_range", ddl: "(id INT NOT NULL PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (500), PARTITION b VALUES LESS THAN MAXVALUE)", rows: []string{seq("2000", "s.n,s.n")}},
		{name: "compressed", ddl: "(id INT NOT NULL PRIMARY KEY, v TEXT) ROW_FORMAT=COMPRESSED", ddlNew: "(id INT NOT NULL PRIMARY KEY, v TEXT) ROW_FORMAT=DYNAMIC", rows: []string{seq("700", "s.n,REPEAT('x',s.n)")}},
		{name: "columns_1000", ddl: "(id INT NOT NULL PRIMARY KEY, " + manyColumns(1000, "TINYINT") + ")", rows: []string{"INSERT INTO {t} (id,c0,c500,c999) VALUES (1,1,2,3),(2,NULL,NULL,4)"}},
		{name: "big_rows", ddl: one("LONGBLOB"), rows: []string{row("(1,REPEAT('x',17000000))", "(2,REPEAT('y',33554000))", "(3,'')"), seq("20", "10+s.n, REPEAT('z', 200000+s.n)")}, only: bigPairs},
		{name: "blob_of_keyless", ddl: "(a INT, b LONGBLOB)", rows: []string{row("(1,REPEAT('x',17000000))", "(1,REPEAT('x',17000000))", "(NULL,REPEAT('y',200000))")}, only: bigPairs},
		{name: "zero_dates", ddl: "(id INT NOT NULL PRIMARY KEY, a DATE, b DATETIME, c TIMESTAMP NULL, d DATE, e DATETIME(3), y YEAR)", rows: []string{row("(1,'0000-00-00','0000-00-00','0000-00-00','2020-00-00','2020-01-00 01:02:03.5',0)", "(2,'2020-02-31','2020-02-31 10:00:00',NULL,'9999-12-31','0000-00-00','1901')")}},
		{name: "select from`x", ddl: "(`order` INT NOT NULL, `a``b.c ?` INT, `größe 日本` INT, PRIMARY KEY (`order`))", rows: []string{row("(1,2,3)", "(2,NULL,4)")}},
		{name: "Tabelle.mit.Punkt ?", ddl: "(`a?` INT NOT NULL PRIMARY KEY, `b%s` VARCHAR(5))", rows: []string{seq("1200", "s.n,'x'")}},
		{name: "long_keys", ddl: "(a VARCHAR(190) NOT NULL, b VARCHAR(190) NOT NULL, c VARCHAR(190) NOT NULL, d VARCHAR(190) NOT NULL, PRIMARY KEY (a,b,c,d)) ROW_FORMAT=DYNAMIC", rows: []string{seq("1200", "REPEAT('ü',190),REPEAT('日',190),REPEAT('x',s.n%190),s.n")}},
		{name: "empty_strings", ddl: "(k VARCHAR(10) NOT NULL PRIMARY KEY, v VARCHAR(10))", rows: []string{row("('','')", "('a',NULL)")}},
		{name: "generated", ddl: "(id INT NOT NULL PRIMARY KEY, a INT, s INT AS (a+1) STORED, w INT AS (a+2) VIRTUAL)", rows: []string{"INSERT INTO {t} (id,a) VALUES (1,1),(2,NULL)"}, only: no56},
		{name: "generated_to_plain", ddl: "(id INT NOT NULL PRIMARY KEY, a INT, s INT AS (a+1) STORED)", ddlNew: "(id INT NOT NULL PRIMARY KEY, a INT, s INT)", only: no56, tamperOld: []string{"INSERT INTO {t} (id,a) VALUES (1,1)"}, tamper: []string{"INSERT INTO {t} VALUES (1,1,2)"}},
		{name: "column_on_new", ddl: "(id INT NOT NULL PRIMARY KEY, a INT)", ddlNew: "(id INT NOT NULL PRIMARY KEY, a INT, b INT DEFAULT 5)", rows: []string{"INSERT INTO {t} (id,a) VALUES (1,1)"}},
		{name: "column_on_old", ddl: "(id INT NOT NULL PRIMARY KEY, a INT, b INT DEFAULT 5)", ddlNew: "(id INT NOT NULL PRIMARY KEY, a INT)", rows: []string{"INSERT INTO {t} (id,a) VALUES (1,1)"}, verdict: Different},
		{name: "descending_key", ddl: "(a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a DESC, b DESC))", rows: []string{seq("2000", "s.n%5,s.n")}},
		{name: "descending_mixed", ddl: "(a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a DESC, b ASC))", rows: []string{seq("2000", "s.n%5,s.n")}},
	}
}

// bigPairs are those on which the largest rows are tried: every family is on each side where it can be.
func bigPairs(p pair) bool {
	return p.old.Family() == fixtures.MySQL56 && p.new.Family().IsMariaDB() || p.old.Family().IsMariaDB() && p.new.Family() == fixtures.MySQL
}

func foreignCases() []exactCase {
	return []exactCase{
		{name: "uuid", ddl: "(k UUID NOT NULL PRIMARY KEY, v UUID, i INET6, j INET4)", rows: []string{seq("1500", "CONCAT('00000000-0000-1000-8000-',LPAD(HEX(s.n*7919),12,'0')),UUID(),'::1','1.2.3.4'"), "UPDATE {t} SET v=k"}, only: bothMariaDB, method: plan.KeyChunks},
		{
			name: "uuid_char", ddl: "(k CHAR(36) NOT NULL PRIMARY KEY, v CHAR(36), u BINARY(16), i VARCHAR(45), j VARBINARY(16))", ddlNew: "(k UUID NOT NULL PRIMARY KEY, v UUID, u UUID, i INET6, j INET6)", only: toMariaDB, lossy: always,
			tamperOld: []string{seq("1500", "LOWER(CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-0000-1000-8000-',LPAD(HEX(s.n),12,'0'))),UPPER('0123abcd-0000-1000-8000-00000000000f'),X'0123abcd00001000800000000000000f','2001:DB8:0::1',X'20010db8000000000000000000000001'")},
			tamper:    []string{seq("1500", "LOWER(CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-0000-1000-8000-',LPAD(HEX(s.n),12,'0'))),'0123abcd-0000-1000-8000-00000000000f','0123abcd-0000-1000-8000-00000000000f','2001:db8::1','2001:db8::1'")},
		},
		{
			name: "uuid_binary", ddl: "(k BINARY(16) NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k UUID NOT NULL PRIMARY KEY, v INT)", only: toMariaDB,
			tamperOld: []string{seq("1500", "UNHEX(CONCAT(LPAD(HEX(s.n*7919),8,'0'),'000010008000',LPAD(HEX(s.n),12,'0'))),s.n")},
			tamper:    []string{seq("1500", "CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-0000-1000-8000-',LPAD(HEX(s.n),12,'0')),s.n")},
		},
		{
			name: "json_spacing", ddl: "(id INT NOT NULL PRIMARY KEY, v JSON)", only: func(p pair) bool { return p.old.Family().IsMariaDB() && p.new.Family() == fixtures.MySQL }, lossy: always,
			rows: []string{row(`(1,'{ "b" : 1 ,"a":[1,2.50,1e2, true,null ,"\\u00e9\\ud834\\udd1e\\/"]}')`, `(2,'18446744073709551616')`, `(3,'-0.0')`, `(4,'{"k":"é","k":2}')`, `(5,'""')`, `(6,NULL)`, `(7,'-0')`, `(9,'18446744073709551615')`)},
		},
		{name: "text_to_json", ddl: "(id INT NOT NULL PRIMARY KEY, v TEXT CHARACTER SET latin1)", ddlNew: "(id INT NOT NULL PRIMARY KEY, v JSON)", only: toMySQL, lossy: always, rows: []string{row(`(1,'{"ü":"é","a":1}')`)}},
		{name: "text_to_mariadb_json", ddl: "(id INT NOT NULL PRIMARY KEY, v LONGTEXT)", ddlNew: "(id INT NOT NULL PRIMARY KEY, v JSON)", only: func(p pair) bool { return p.new.Family().IsMariaDB() }, rows: []string{row(`(1,'{"a": 1}')`)}},
		{name: "versioned", ddl: "(id INT NOT NULL PRIMARY KEY, v INT) WITH SYSTEM VERSIONING", rows: []string{row("(1,1)", "(2,2)"), "UPDATE {t} SET v=3 WHERE id=1", "DELETE FROM {t} WHERE id=2"}, only: bothMariaDB, tamper: []string{"UPDATE {t} SET v=4 WHERE id=1", "UPDATE {t} SET v=3 WHERE id=1"}},
		{name: "versioned_plain", ddl: "(id INT NOT NULL PRIMARY KEY, v INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME(s,e)) WITH SYSTEM VERSIONING", ddlNew: "(id INT NOT NULL PRIMARY KEY, v INT)", rows: []string{"INSERT INTO {t} (id,v) VALUES (1,1),(2,2)"}, only: func(p pair) bool { return p.old.Family().IsMariaDB() }},
		{name: "vector", ddl: "(id INT NOT NULL PRIMARY KEY, v VECTOR(3))", rows: []string{row("(1,STRING_TO_VECTOR('[1,2,3]'))", "(2,NULL)")}, only: bothMySQL9},
		{name: "geometry", ddl: "(id INT NOT NULL PRIMARY KEY, g GEOMETRY, p POINT, l LINESTRING)", rows: []string{row("(1,ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'),ST_GeomFromText('POINT(1 2)'),NULL)")}},
		{name: "invisible_pk", ddl: "(id INT NOT NULL INVISIBLE PRIMARY KEY, v INT)", rows: []string{"INSERT INTO {t} (id,v) VALUES (1,1),(2,2)"}, only: bothMySQL9, method: plan.KeyChunks},
		{name: "functional_key", ddl: "(id INT NOT NULL PRIMARY KEY, a VARCHAR(20), UNIQUE KEY f ((LOWER(a))))", rows: []string{row("(1,'A')", "(2,NULL)")}, only: bothMySQL9},
		{name: "functional_unique", ddl: "(a INT NOT NULL, b INT, UNIQUE KEY f ((a+1)))", rows: []string{row("(1,1)", "(2,NULL)")}, only: bothMySQL9, method: plan.RowMultiset},
		{name: "compressed_column", ddl: "(id INT NOT NULL PRIMARY KEY, v VARCHAR(2000) COMPRESSED, w TEXT COMPRESSED)", rows: []string{seq("700", "s.n,REPEAT('x',s.n),REPEAT('y',s.n)")}, only: bothMariaDB},
		{name: "collation_0900", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(20) COLLATE utf8mb4_0900_ai_ci NOT NULL PRIMARY KEY, v INT)", rows: []string{seq("2000", "CONCAT(CHAR(97+s.n%26),'_',s.n),s.n"), row("('ß',1)", "('日本',2)")}, only: toMySQL, method: plan.HashedBuckets},
	}
}

func TestNoFalseDifferent(t *testing.T) {
	forPairs(t, 6, func(t *testing.T, p pair) { runCases(t, p, "exact `same`.日 x", sameCases()) })
}
