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
// A value that is not known in this form says so in its State. NormalizeText
// brings what servers print into it.
//
// # Positions and connections
//
// A Tailer moves only from whole transaction to whole transaction. When its
// connection is lost it goes on there; parts of a large transaction that were
// given out already are not given out again, or are revoked (Aborted) if the
// server lost that transaction in a crash. A server that was exchanged, reset
// or has purged what is needed ends the tail with an error of its own type.
//
// # Limits
//
// What a server does not log is not seen: sessions with sql_log_bin=0, and what
// a replica applies with log_replica_updates=OFF; a wait for a position with
// such transactions does not end before its context. Tables made before MySQL
// 5.6 keep times without fractions, which are read; MariaDB's own fractions of
// that age (mysql56_temporal_format=OFF) are not. MariaDB's UUID columns made
// before 10.10.6 and 10.11.5 store versions 6 and 7 in an order that the log
// does not tell. Partial JSON is delivered as Partial, not applied. Character
// sets that are not listed in lookupCharset come as Opaque bytes.
package binlog
