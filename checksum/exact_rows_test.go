package checksum

import (
	"testing"

	"crosscheck/checksum/plan"
	"crosscheck/fixtures"
)

// rowCases are tables whose rows are hard to find again one by one: larger than the read buffer, or with keys that the
// two sides do not sort or compare alike.
func rowCases() []exactCase {
	return []exactCase{
		{
			name: "big_end", ddl: one("LONGBLOB"), rows: []string{row("(1,CONCAT(REPEAT('x',20000000),'a'))", "(2,CONCAT(REPEAT('x',17000000),'a'))", "(3,'y')")},
			tamper: []string{set("1", "CONCAT(REPEAT('x',20000000),'b')")}, changed: 1, only: bigPairs,
		},
		{
			name: "big_columns", ddl: "(id INT NOT NULL PRIMARY KEY, a LONGBLOB, b LONGTEXT, c INT)", rows: []string{row("(1,REPEAT('x',9000000),REPEAT('y',9000000),5)")},
			tamper: []string{"UPDATE {t} SET c=6 WHERE id=1"}, changed: 1, only: bigPairs,
		},
		{
			name: "ci_to_bin_key", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(20) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, v INT)",
			rows: []string{row("('abc',1)", "('def',2)", "('Ghi',3)")}, tamper: []string{"UPDATE {t} SET k='ABC' WHERE k='abc'"}, missing: 1, extra: 1, method: plan.HashedBuckets,
		},
		{
			name: "bin_to_ci_key", ddl: "(k VARCHAR(20) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)",
			rows: []string{row("('abc',1)", "('def',2)", "('Ghi',3)")}, tamperOld: []string{row("('ABC',4)")}, missing: 1, method: plan.HashedBuckets, fixed: true,
		},
		{
			name: "hash_key", ddl: "(id INT NOT NULL, v INT, PRIMARY KEY (id) USING HASH) ENGINE=MEMORY", rows: []string{row("(1,1)", "(2,2)")}, tamper: []string{set("1", "5")}, changed: 1, method: plan.HashedBuckets,
		},
		{
			name: "desc_on_new", ddl: "(a INT NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (a, b))", ddlNew: "(a INT NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (a, b DESC))", rows: []string{seq("3000", "s.n%10,s.n,s.n")},
			tamper: []string{"UPDATE {t} SET v=-1 WHERE v=1500", "DELETE FROM {t} WHERE v=7", row("(-1,0,0)", "(11,0,0)")}, changed: 1, missing: 1, extra: 2,
		},
		{ // old's charset has no 日: its column cannot even be asked for the key
			name: "latin1_extra", ddl: "(k VARCHAR(9) CHARACTER SET latin1 NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(9) CHARACTER SET utf8mb4 NOT NULL PRIMARY KEY, v INT)",
			rows: []string{seq("1000", "CONCAT(ELT(1+s.n%3,'a','é','ü'),s.n),s.n")}, tamper: []string{row("('日',1)", "('本',1)"), "UPDATE {t} SET v=-1 WHERE v=7"}, changed: 1, extra: 2,
		},
		{
			name: "latin1_missing", ddl: "(k VARCHAR(9) CHARACTER SET utf8mb4 NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(9) CHARACTER SET latin1 NOT NULL PRIMARY KEY, v INT)",
			rows: []string{seq("1000", "CONCAT(ELT(1+s.n%3,'a','é','ü'),s.n),s.n")}, tamperOld: []string{row("('日',1)", "('本',1)")}, missing: 2, fixed: true,
		},
		{ // members sort by their number behind another column, too
			name: "enum_second", ddl: "(a INT NOT NULL, e ENUM('b','a','c') NOT NULL, s SET('y','x') NOT NULL, v INT, PRIMARY KEY (a,e,s))",
			rows: []string{seq("3000", "s.n DIV 12, 1+s.n%3, (s.n DIV 3)%4, s.n")}, tamper: []string{"UPDATE {t} SET v=-1 WHERE v IN (5,1600)", "DELETE FROM {t} WHERE v=512"}, changed: 2, missing: 1, method: plan.KeyChunks,
		},
		{
			name: "key_order_changed", ddl: "(a INT NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (a,b))", ddlNew: "(a INT NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (b,a))",
			rows: []string{seq("2000", "s.n%7,s.n,s.n")}, tamper: []string{"UPDATE {t} SET v=-1 WHERE v=5", "DELETE FROM {t} WHERE v=6", row("(9,9,9)")},
			changed: 1, missing: 1, extra: 1, method: plan.HashedBuckets,
		},
		{
			name: "enum_key_relabelled", ddl: "(e ENUM('a','b','2') NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (e,b))", ddlNew: "(e ENUM('2','x','b','a') NOT NULL, b INT NOT NULL, v INT, PRIMARY KEY (e,b))",
			rows: []string{seq("2000", "ELT(1+s.n%3,'a','b','2'),s.n,s.n")}, tamper: []string{"UPDATE {t} SET v=-1 WHERE v IN (5,6,7)", "DELETE FROM {t} WHERE v=8", row("('x',9,9)")},
			changed: 3, missing: 1, extra: 1, method: plan.HashedBuckets,
		},
		{
			name: "big_of_keyless", ddl: "(a INT, b LONGBLOB)", rows: []string{row("(1,CONCAT(REPEAT('x',300000),'a'))", "(1,CONCAT(REPEAT('x',300000),'a'))")},
			tamper: []string{"UPDATE {t} SET b=CONCAT(REPEAT('x',300000),'b') LIMIT 1"}, missing: 1, extra: 1, method: plan.RowMultiset, fixed: true,
		},
		{
			name: "large_rows_many", ddl: "(id INT NOT NULL PRIMARY KEY, b LONGBLOB)", rows: []string{seq("530", "s.n*2,CONCAT(REPEAT('x',132000),s.n)")},
			only:   func(p pair) bool { return p.old.Family().IsMariaDB() && p.new.Family() == fixtures.MySQL },
			tamper: []string{"UPDATE {t} SET b=CONCAT(b,'b') WHERE id IN (2,500)", "DELETE FROM {t} WHERE id=400", row("(1,REPEAT('x',200000))", "(99999,REPEAT('x',200000))")}, changed: 2, missing: 1, extra: 2,
		},
		{
			name: "large_json", ddl: "(id INT NOT NULL PRIMARY KEY, b JSON)", rows: []string{row("(1,JSON_QUOTE(REPEAT('x',300000)))", "(2,JSON_QUOTE(REPEAT('x',300000)))")}, only: no56, lossy: mixedFamilies,
			tamper: []string{"UPDATE {t} SET b=JSON_QUOTE(CONCAT(REPEAT('x',299999),'y')) WHERE id=2"}, changed: 1,
		},
		{
			name: "ci_extra_many", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)", rows: []string{seq("100", "CONCAT('k',s.n), s.n")},
			tamper: []string{seq("5000", "CONCAT('m',s.n), s.n"), "UPDATE {t} SET k=UPPER(k) WHERE k='k77'"}, changed: 1, extra: 5000,
		},
		{
			name: "collation_extra_many", ddl: "(k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT)", ddlNew: "(k VARCHAR(20) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, v INT)",
			rows: []string{seq("100", "CONCAT('k',s.n), s.n")}, tamper: []string{seq("5000", "CONCAT('m',s.n), s.n"), "UPDATE {t} SET k=UPPER(k) WHERE k='k77'"}, missing: 1, extra: 5001, method: plan.HashedBuckets,
		},
	}
}

func TestHardRows(t *testing.T) {
	forPairs(t, 4, func(t *testing.T, p pair) { runCases(t, p, "exact_rows", rowCases()) })
}
