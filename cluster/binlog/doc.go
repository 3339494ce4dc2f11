// Package binlog reads a server's binary log: what changed, in which
// transaction, at which position.
//
// # Text forms
//
// Each value is delivered in one comparable form, so that the same value read
// from a log, from a row packet or by another server's log is the same bytes:
//
//	integers            decimal digits with the right sign; no ZEROFILL padding
//	DECIMAL             all digits of its scale, no leading zeros: "-0.50", "7.00"
//	FLOAT, DOUBLE       FormatFloat32, FormatFloat64: the shortest decimal that reads
//	                    back as the same bits; "-0" is not "0"
//	BIT(n)              (n+7)/8 bytes, the highest first
//	YEAR                four digits
//	DATE                "2024-02-29"; zero parts stay zero
//	DATETIME(f)         "2024-02-29 23:59:59" and, if f > 0, a point and f digits
//	TIMESTAMP(f)        the same, in UTC
//	TIME(f)             "-838:59:59", at least two digits of hours, fraction as above
//	CHAR, VARCHAR, TEXT utf8mb4, as the server converts it; CHAR without trailing spaces
//	BINARY(n)           n bytes, padded with zeros
//	VARBINARY, BLOB     the bytes
//	ENUM                the label in utf8mb4; "" for number 0
//	SET                 the labels in their order, with commas between
//	JSON (MySQL)        CanonicalJSON; on MariaDB JSON is text
//	spatial types       SRID (4 bytes, little-endian) and WKB, as SELECT gives them
//	UUID, INET4, INET6  as MariaDB prints them
//
// A value that is not known in this form says so in its State.
package binlog
