package checksum

import (
	"fmt"

	"crosscheck/checksum/plan"
)

// unsureKeyCases are tables with keys that a server reads in another form than it stores them, or that the two sides
// write in forms of their own.
func unsureKeyCases() []exactCase {
	text := func(cs, collation string) string {
		return "(k VARCHAR(20) CHARACTER SET " + cs + " " + collation + " NOT NULL PRIMARY KEY, v INT)"
	}
	stored := func(cs string, keys ...string) []string {
		var rows []string
		for i, k := range keys {
			rows = append(rows, fmt.Sprintf("(CONVERT(X'%s' USING %s),%d)", k, cs, i))
		}
		return []string{row(rows...)}
	}
	many := func(cs string, characters ...string) string {
		list := ""
		for _, c := range characters {
			list += ",X'" + c + "'"
		}
		return seq("6000", fmt.Sprintf("CONCAT(CONVERT(ELT(1+s.n%%%d%s) USING %s),s.n,CONVERT(ELT(1+s.n%%%d%s) USING %s)),s.n", len(characters), list, cs, len(characters), list, cs))
	}
	tamper := []string{"DELETE FROM {t} WHERE v%500=3", "UPDATE {t} SET v=-v WHERE v%500=10"}
	out := []exactCase{
		{name: "cp932_twins", ddl: text("cp932", ""), rows: stored("cp932", "EEE08BB4", "8D828BB4"), tamper: []string{"DELETE FROM {t} WHERE v=0"}, missing: 1},
		{name: "cp932_extra", ddl: text("cp932", ""), rows: stored("cp932", "8D828BB4"), tamper: []string{row("(CONVERT(X'EEE08BB4' USING cp932),1)")}, extra: 1},
		{name: "cp932_v", ddl: text("cp932", ""), rows: stored("cp932", "EEE08BB4", "FBFC8BB4", "ED40"), tamper: []string{"UPDATE {t} SET v=-1 WHERE v IN (0,2)"}, changed: 2},
		{name: "cp932_many", ddl: text("cp932", ""), rows: []string{many("cp932", "EEE0", "ED40", "FA5C", "8D82", "8754", "81CA", "FA54", "F040")}, tamper: tamper, missing: 12, changed: 12, method: plan.KeyChunks},
		{name: "gbk_many", ddl: text("gbk", "COLLATE gbk_bin"), rows: []string{many("gbk", "A6D9", "A2A1", "8140", "FE55", "C4E3", "A996")}, tamper: tamper, missing: 12, changed: 12, method: plan.KeyChunks},
		{name: "ucs2_halves", ddl: text("ucs2", ""), rows: stored("ucs2", "D8000061", "DC00", "0061", "0062D800"), tamper: []string{"DELETE FROM {t} WHERE v=0", "UPDATE {t} SET v=9 WHERE v=3"}, missing: 1, changed: 1},
		{name: "ucs2_many", ddl: text("ucs2", "COLLATE ucs2_bin"), rows: []string{many("ucs2", "D800", "DFFF", "0416", "FFFD")}, tamper: tamper, missing: 12, changed: 12, method: plan.KeyChunks},
		{name: "enum_latin1", ddl: "(k ENUM('é','b') CHARACTER SET latin1 NOT NULL PRIMARY KEY, v INT)", rows: []string{row("('é',1)", "('b',2)")}, tamper: []string{"DELETE FROM {t} WHERE v=1"}, missing: 1},
		{name: "enum_ucs2", ddl: "(k ENUM('a','b','ж') CHARACTER SET ucs2 NOT NULL PRIMARY KEY, v INT)", rows: []string{row("('a',1)", "('b',2)", "('ж',3)")}, tamper: []string{"DELETE FROM {t} WHERE v=2", "UPDATE {t} SET v=4 WHERE v=3"}, missing: 1, changed: 1},
		{name: "set_ucs2", ddl: "(k SET('a','b','c') CHARACTER SET ucs2 NOT NULL, id INT NOT NULL, v INT, PRIMARY KEY (k,id))", rows: []string{seq("3000", "s.n%8,s.n,s.n")}, tamper: tamper, missing: 6, changed: 6},
		{name: "enum_utf16", ddl: "(k ENUM('a','b') CHARACTER SET utf16 NOT NULL, id INT NOT NULL, v INT, PRIMARY KEY (id,k))", rows: []string{row("('a',1,1)", "('b',1,2)")}, tamper: []string{"DELETE FROM {t} WHERE v=2"}, missing: 1},
		{
			name: "enum_order", ddl: "(k ENUM('é','b') CHARACTER SET latin1 NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k ENUM('b','é','c') NOT NULL PRIMARY KEY, v INT)",
			rows: []string{row("('é',1)", "('b',2)")}, tamper: []string{"UPDATE {t} SET v=3 WHERE v=1"}, changed: 1,
		},
		{name: "cp932_utf8", ddl: text("cp932", ""), ddlNew: text("utf8mb4", ""), tamperOld: stored("cp932", "EEE08BB4", "8D828BB4"), tamper: []string{row("('髙橋',0)", "('高橋',1)")}, lossy: always},
		{name: "cp932_utf8_v", ddl: text("cp932", ""), ddlNew: text("utf8mb4", ""), tamperOld: stored("cp932", "EEE08BB4", "8D828BB4"), tamper: []string{row("('髙橋',5)", "('高橋',1)")}, changed: 1, lossy: always, fixed: true},
		{name: "cp932_utf8_alike", ddl: text("cp932", ""), ddlNew: text("utf8mb4", ""), tamperOld: stored("cp932", "EEE08BB4", "FBFC8BB4"), tamper: []string{row("('髙橋',0)")}, changed: 1, lossy: always, fixed: true},
		{name: "cp932_utf8_gone", ddl: text("cp932", ""), ddlNew: text("utf8mb4", ""), tamperOld: stored("cp932", "EEE08BB4", "8D828BB4"), tamper: []string{row("('高橋',1)")}, missing: 1, lossy: always},
		{name: "ucs2_utf8", ddl: text("ucs2", ""), ddlNew: text("utf8mb4", ""), tamperOld: stored("ucs2", "D8000061", "0061"), tamper: []string{row("('a',1)")}, missing: 1, fixed: true},
		{
			name: "uuid_written", ddl: "(k CHAR(36) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k UUID NOT NULL PRIMARY KEY, v INT)", only: toMariaDB, lossy: always,
			tamperOld: []string{seq("3000", "IF(s.n%2,UPPER(CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-0000-1000-8000-00000000000f')),CONCAT(LOWER(LPAD(HEX(s.n*7919),8,'0')),'00001000800000000000000f')),s.n")},
			tamper:    []string{seq("3000", "CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-0000-1000-8000-00000000000f'),s.n"), "DELETE FROM {t} WHERE v=7", "UPDATE {t} SET v=-1 WHERE v=8"}, missing: 1, changed: 1, fixed: true,
		},
		{
			name: "uuid_bytes", ddl: "(k BINARY(16) NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k UUID NOT NULL PRIMARY KEY, v INT)", only: toMariaDB,
			tamperOld: []string{seq("3000", "UNHEX(CONCAT(LPAD(HEX(s.n*7919),8,'0'),'000010008000',LPAD(HEX(s.n),12,'0'))),s.n")},
			tamper:    []string{seq("3000", "CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-0000-1000-8000-',LPAD(HEX(s.n),12,'0')),s.n"), "DELETE FROM {t} WHERE v=7", "UPDATE {t} SET v=-1 WHERE v=8"}, missing: 1, changed: 1, fixed: true,
		},
		{
			name: "inet_key", ddl: "(k INET4 NOT NULL PRIMARY KEY, v INT, w INET4)", ddlNew: "(k INET6 NOT NULL PRIMARY KEY, v INT, w INET6)", only: bothMariaDB,
			tamperOld: []string{row("('1.2.3.4',1,'9.9.9.9')", "('1.2.3.5',2,NULL)", "('0.0.0.0',3,'255.255.255.255')")},
			tamper:    []string{row("('::ffff:1.2.3.4',1,'::ffff:9.9.9.9')", "('::ffff:1.2.3.5',9,NULL)", "('::ffff:0.0.0.0',3,'::ffff:255.255.255.255')", "('::1',4,NULL)")}, changed: 1, extra: 1, fixed: true,
		},
		{
			name: "text_inet6_key", ddl: "(k VARCHAR(45) NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k INET6 NOT NULL PRIMARY KEY, v INT)", only: toMariaDB, lossy: always,
			tamperOld: []string{row("('2001:DB8:0::1',1)", "('1.2.3.4',2)", "('fe80::0001',3)")},
			tamper:    []string{row("('2001:db8::1',1)", "('::ffff:1.2.3.4',2)", "('fe80::1',4)")}, changed: 1, fixed: true,
		},
		{
			name: "year_key", ddl: "(k YEAR(2) NOT NULL PRIMARY KEY, v INT, w YEAR(2))", ddlNew: "(k YEAR(4) NOT NULL PRIMARY KEY, v INT, w YEAR(4))", only: bothMariaDB,
			tamperOld: []string{row("('70',1,'99')", "('69',2,NULL)", "('00',3,'05')", "('99',4,'70')")},
			tamper:    []string{row("(1970,1,1999)", "(2069,2,NULL)", "(2000,3,2005)", "(1999,5,1970)")}, changed: 1, fixed: true,
		},
		{name: "year2", ddl: "(k YEAR(2) NOT NULL PRIMARY KEY, v INT)", rows: []string{seq("100", "LPAD(s.n,2,'0'),s.n")}, tamper: []string{"DELETE FROM {t} WHERE v IN (0,70)"}, missing: 2, only: bothMariaDB},
		{
			name: "set_alike", ddl: "(id INT NOT NULL PRIMARY KEY, v SET('😀','😁','a') COLLATE utf8mb4_bin)", ddlNew: "(id INT NOT NULL PRIMARY KEY, v SET('😀','😁','a','b') COLLATE utf8mb4_bin)", rows: []string{row("(1,'😀')", "(2,'😁')")},
			tamper: []string{"UPDATE {t} SET v='' WHERE id=2"}, undecided: true, only: func(p pair) bool { return !bothMariaDB(p) },
		},
		{
			name: "set_alike_same", ddl: "(id INT NOT NULL PRIMARY KEY, v SET('😀','😁','a') COLLATE utf8mb4_bin)", rows: []string{row("(1,'😀')", "(2,'😁')", "(3,'😀,a')")},
			tamper: []string{"UPDATE {t} SET v='😀' WHERE id=2"}, changed: 1,
		},
		{
			name: "enum_alike", ddl: "(id INT NOT NULL PRIMARY KEY, v ENUM('😀','😁') COLLATE utf8mb4_bin, w ENUM('😀','😁') COLLATE utf8mb4_bin NOT NULL, UNIQUE (id,w))", ddlNew: "(id INT NOT NULL PRIMARY KEY, v ENUM('😁','😀','a') COLLATE utf8mb4_bin, w ENUM('😁','😀') COLLATE utf8mb4_bin NOT NULL, UNIQUE (id,w))",
			rows: []string{row("(1,'😀','😀')", "(2,'😁','😀')")}, tamper: []string{"UPDATE {t} SET v='😀' WHERE id=2"}, changed: 1,
		},
		{
			name: "enum_alike_key", ddl: "(id INT NOT NULL, w ENUM('😀','😁') COLLATE utf8mb4_bin NOT NULL, v INT, PRIMARY KEY (id,w))", ddlNew: "(id INT NOT NULL, w ENUM('😁','😀') COLLATE utf8mb4_bin NOT NULL, v INT, PRIMARY KEY (id,w))",
			rows: []string{row("(1,'😀',1)", "(1,'😁',2)", "(2,'😁',3)")}, tamper: []string{"DELETE FROM {t} WHERE v=2", "UPDATE {t} SET v=4 WHERE v=3"}, missing: 1, changed: 1,
		},
	}
	return out
}
