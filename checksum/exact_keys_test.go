package checksum

import (
	"strings"
	"testing"

	"crosscheck/checksum/plan"
)

// keyTypes are types of key columns with an expression of s.n that makes their values; there are several chunks of rows,
// so that values of each type serve as bounds, as keys of single lookups, and as the ends of the key space.
var keyTypes = []struct {
	name, typ, value string
	newTyp           string // "" for the same
	only             func(p pair) bool
	method           plan.Method // "" for key chunks
	lossy            bool
}{
	{name: "tinyint", typ: "TINYINT", value: "s.n%256-128"},
	{name: "utinyint", typ: "TINYINT UNSIGNED", value: "s.n%256"},
	{name: "smallint", typ: "SMALLINT", value: "s.n*8-32768"},
	{name: "mediumint", typ: "MEDIUMINT", value: "s.n*8-100"},
	{name: "umediumint", typ: "MEDIUMINT UNSIGNED", value: "16777215-s.n"},
	{name: "int", typ: "INT", value: "s.n-2147483648"},
	{name: "uint", typ: "INT UNSIGNED", value: "4294967295-s.n"},
	{name: "bigint", typ: "BIGINT", value: "IF(s.n%2,-9223372036854775807+s.n,9223372036854775807-s.n)"},
	{name: "ubigint", typ: "BIGINT UNSIGNED", value: "18446744073709551615-s.n"},
	{name: "decimal", typ: "DECIMAL(20,5)", value: "(s.n-2000)*1.00001"},
	{name: "decimal_scale", typ: "DECIMAL(20,5)", newTyp: "DECIMAL(30,9)", value: "(s.n-2000)*1.00001"},
	{name: "decimal_huge", typ: "DECIMAL(65,30)", value: "(s.n-2000)*1.000000000000000000000000000001"},
	{name: "float", typ: "FLOAT", value: "(s.n-2000)/8"},
	{name: "float_double", typ: "FLOAT", newTyp: "DOUBLE", value: "(s.n-2000)/8"},
	{name: "double", typ: "DOUBLE", value: "(s.n-2000)*0.1e0"},
	{name: "date", typ: "DATE", value: "IF(s.n=0,'0000-00-00',DATE_ADD('1900-01-01',INTERVAL s.n*30 DAY))"},
	{name: "date_invalid", typ: "DATE", value: "CONCAT(1900+s.n%100,'-',LPAD(s.n%13,2,'0'),'-',LPAD(s.n%32,2,'0'))"},
	{name: "datetime_invalid", typ: "DATETIME", value: "CONCAT(1900+s.n%100,'-',LPAD(s.n%13,2,'0'),'-',LPAD(s.n%32,2,'0'),' 01:02:03')"},
	{name: "date_datetime", typ: "DATE", newTyp: "DATETIME", value: "DATE_ADD('1900-01-01',INTERVAL s.n*30 DAY)"},
	{name: "datetime6", typ: "DATETIME(6)", value: "DATE_ADD('2000-01-01',INTERVAL s.n*999999 MICROSECOND)"},
	{name: "datetime_6", typ: "DATETIME", newTyp: "DATETIME(6)", value: "DATE_ADD('2000-01-01',INTERVAL s.n*99 SECOND)"},
	{name: "timestamp", typ: "TIMESTAMP(6)", value: "IF(s.n=0,'0000-00-00 00:00:00',DATE_ADD('1970-01-02',INTERVAL s.n*999999 MICROSECOND))"},
	{name: "timestamp_datetime", typ: "TIMESTAMP", newTyp: "DATETIME", value: "DATE_ADD('1970-01-02',INTERVAL s.n*99 SECOND)"},
	{name: "time", typ: "TIME(3)", value: "SEC_TO_TIME((s.n-2000)*1000.125)"},
	{name: "year", typ: "YEAR", value: "IF(s.n%200=0,0,1901+s.n%155)"},
	{name: "enum", typ: "ENUM('b','a','c','2','1')", value: "1+s.n%5", method: plan.HashedBuckets},
	{name: "enum_zero", typ: "ENUM('b','a')", value: "s.n%3", method: plan.HashedBuckets},
	{name: "set", typ: "SET('b','a','c')", value: "s.n%8", method: plan.HashedBuckets},
	{name: "set64", typ: "SET(" + labelList(64) + ")", value: "18446744073709551615-s.n", method: plan.RowMultiset},
	{name: "bit20", typ: "BIT(20)", value: "s.n*37"},
	{name: "bit_wider", typ: "BIT(20)", newTyp: "BIT(33)", value: "s.n*37"},
	{name: "bit64", typ: "BIT(64)", value: "18446744073709551615-s.n"},
	{name: "bit1", typ: "BIT(1)", value: "s.n%2"},
	{name: "binary", typ: "BINARY(3)", value: "UNHEX(LPAD(HEX(s.n*64),6,'0'))"},
	{name: "binary_wider", typ: "BINARY(3)", newTyp: "BINARY(5)", value: "UNHEX(LPAD(HEX(s.n*64),6,'0'))", method: plan.RowMultiset},
	{name: "varbinary", typ: "VARBINARY(9)", value: "UNHEX(CONCAT(LPAD(HEX(s.n%251),2,'0'),'00FF',LPAD(HEX(s.n%256),2,'0'),REPEAT('00',s.n%3)))"},
	{name: "char_latin1", typ: "CHAR(9) CHARACTER SET latin1", value: "CONCAT(CHAR(224+s.n%9 USING latin1),s.n%700)"},
	{name: "varchar_ci", typ: "VARCHAR(9) COLLATE utf8mb4_general_ci", value: "CONCAT(ELT(1+s.n%5,'a','B','é','Z','日'),s.n%700)"},
	{name: "varchar_bin", typ: "VARCHAR(9) COLLATE utf8mb4_bin", value: "CONCAT(ELT(1+s.n%5,'a','B','é','Z','日'),s.n%700)"},
	{name: "varchar_3to4", typ: "VARCHAR(9) CHARACTER SET utf8 COLLATE utf8_unicode_ci", newTyp: "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", value: "CONCAT(ELT(1+s.n%5,'a','B','é','Z','日'),s.n%700)"},
	{name: "varchar_ucs2", typ: "VARCHAR(9) CHARACTER SET ucs2 COLLATE ucs2_general_ci", value: "CONCAT(ELT(1+s.n%5,'a','B','é','Z','日'),s.n%700)"},
	{name: "varchar_gbk", typ: "VARCHAR(9) CHARACTER SET gbk", value: "CONCAT(ELT(1+s.n%5,'a','B','日','Z','本'),s.n%700)"},
	{name: "latin1_utf8", typ: "VARCHAR(9) CHARACTER SET latin1", newTyp: "VARCHAR(9) CHARACTER SET utf8mb4", value: "CONCAT(ELT(1+s.n%5,'a','B','é','Z','y'),s.n%700)", method: plan.HashedBuckets},
	{name: "char_varchar", typ: "CHAR(9)", newTyp: "VARCHAR(12)", value: "CONCAT('k',s.n%700)", method: "any"},
	{name: "int_varchar", typ: "INT", newTyp: "VARCHAR(12)", value: "s.n", method: plan.RowMultiset},
	{name: "uuid", typ: "UUID", value: "CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-',LPAD(HEX(s.n%9),4,'0'),'-1000-8000-',LPAD(HEX(s.n*31),12,'0'))", only: bothMariaDB},
	{name: "inet6", typ: "INET6", value: "CONCAT('2001:db8::',HEX(s.n))", only: bothMariaDB},
	{name: "char_uuid", typ: "CHAR(36) COLLATE latin1_bin", newTyp: "UUID", value: "LOWER(CONCAT(LPAD(HEX(s.n*7919),8,'0'),'-',LPAD(HEX(s.n%9),4,'0'),'-1000-8000-',LPAD(HEX(s.n*31),12,'0')))", only: toMariaDB, method: plan.HashedBuckets, lossy: true},
}

// typedKeyCases tampers with the same rows of tables that differ in the type of their first key column.
func typedKeyCases() []exactCase {
	var out []exactCase
	for _, k := range keyTypes {
		ddl := "(k " + k.typ + " NOT NULL, id INT NOT NULL, v INT, PRIMARY KEY (k,id))"
		c := exactCase{
			name: "key_" + k.name, ddl: ddl, rows: []string{seq("4000", k.value+",s.n,s.n")}, only: k.only, method: k.method,
			tamper: []string{
				"UPDATE {t} SET v=-1 WHERE id IN (0,1999,3999)", "DELETE FROM {t} WHERE id IN (1,2001)",
				"INSERT INTO {t} SELECT " + k.value + ",70000+s.n,1 FROM seq s WHERE s.n IN (0,3,3998)",
			}, changed: 3, missing: 2, extra: 3,
		}
		if k.newTyp != "" {
			c.ddlNew = strings.Replace(ddl, k.typ, k.newTyp, 1)
		}
		switch c.method {
		case "":
			c.method = plan.KeyChunks
		case "any":
			c.method = ""
		case plan.RowMultiset:
			c.changed, c.missing, c.extra = 0, 5, 6
		default:
		}
		if k.lossy {
			c.lossy = always
		}
		out = append(out, c)
	}
	return out
}

func TestKeyTypes(t *testing.T) {
	forPairs(t, 4, func(t *testing.T, p pair) { runCases(t, p, "exact_keys", typedKeyCases()) })
}
