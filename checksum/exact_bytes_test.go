package checksum

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"crosscheck/fixtures"
)

// rawRows has a server store rows in a table whose columns have another charset than the one that the rows were made in,
// as an applier of row events does: the bytes of def's columns become those of the table's, converted by nobody.
func rawRows(t *testing.T, s *fixtures.Server, exec func(string) error, database, table, ddlMade, ddl, insert string) {
	t.Helper()
	must := func(q string) {
		if err := exec(strings.ReplaceAll(q, "{t}", table)); err != nil {
			t.Fatalf("%s: %.200s: %v", s.Family(), q, err)
		}
	}
	show := "SHOW MASTER STATUS"
	if s.Family() == fixtures.MySQL {
		show = "SHOW BINARY LOG STATUS"
	}
	where := func() (file string, pos int64) {
		rows, err := s.DB().QueryContext(t.Context(), show)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil || !rows.Next() {
			t.Fatalf("%s says nothing: %v, %v", show, err, rows.Err())
		}
		rest := make([]any, len(columns))
		rest[0], rest[1] = &file, &pos
		for i := range rest[2:] {
			rest[2+i] = new(any)
		}
		if err := rows.Scan(rest...); err != nil {
			t.Fatal(err)
		}
		return file, pos
	}
	must("SET SESSION binlog_format='ROW'")
	must("CREATE TABLE {t} " + ddlMade)
	var dir string
	if err := s.DB().QueryRowContext(t.Context(), "SELECT @@log_bin_basename").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	file, from := where()
	must("SET sql_log_bin=1")
	must(insert)
	must("SET sql_log_bin=0")
	if after, _ := where(); after != file {
		t.Fatal("the log was rotated")
	}
	log, err := os.ReadFile(dir[:strings.LastIndex(dir, "/")+1] + file)
	if err != nil {
		t.Fatal(err)
	}
	size := func(event []byte) int { return int(binary.LittleEndian.Uint32(event[9:])) }
	format := log[4 : 4+size(log[4:])]
	var chosen []byte
	name := append([]byte(database), 0, byte(len(table)))
	name = append(append(name, table...), 0)
	var id []byte
	for at := int(from); at < len(log); at += size(log[at:]) {
		event := log[at : at+size(log[at:])]
		const tableMap, body = 19, 19
		isRows := event[4] == 23 || event[4] == 30
		switch {
		case event[4] == tableMap && bytes.Contains(event, name):
			id = event[body : body+6]
		case isRows && id != nil && bytes.Equal(event[body:body+6], id):
		default:
			continue
		}
		chosen = append(chosen, event...)
	}
	must("DROP TABLE {t}")
	must("CREATE TABLE {t} " + ddl)
	must("BINLOG '" + base64.StdEncoding.EncodeToString(format) + "'")
	if s.Family() == fixtures.MySQL {
		must(fmt.Sprintf("SET gtid_next='00000000-0000-0000-0000-0000000000aa:%d'", rawTransactions.Add(1)))
		defer must("SET gtid_next='AUTOMATIC'")
		defer must("COMMIT")
	}
	must("BINLOG '" + base64.StdEncoding.EncodeToString(chosen) + "'")
}

// rawTransactions numbers what rawRows plants: a server passes over a number that it has seen, and two pairs may plant on one
// server at one place of its log.
var rawTransactions atomic.Int64

// TestBytesThatAreNoText: keys that hold bytes which are no text of the column's charset, as row events from a latin1
// column leave them in a utf8mb4 one, are not found by lookups and are no bounds. Their rows are compared all the same.
func TestBytesThatAreNoText(t *testing.T) {
	forPairs(t, 5, func(t *testing.T, p pair) {
		if p.old.Family() != p.new.Family() && p.old.Family() != fixtures.MySQL56 {
			return
		}
		const database = "notext"
		name := database + strings.NewReplacer("→", "", ".", "").Replace(p.name)
		old, new := dataSession(t, p.old, name), dataSession(t, p.new, name)
		made := "(k VARCHAR(80) CHARACTER SET latin1 NOT NULL PRIMARY KEY, v INT)"
		ddl := "(k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, v INT)"
		few := "INSERT INTO {t} VALUES ('caf\u00e9',1),('abc',2),('\u00e9',3)"
		// Every other key is no text, so that bounds would fall on some.
		many := "INSERT INTO {t} SELECT CONCAT('k',LPAD(n,5,'0'),IF(n%2,'\u00e9','e')),n FROM seq WHERE n<5000"
		for table, insert := range map[string]string{"same": few, "missing": few, "extra": few, "changed": few, "many": many} {
			rawRows(t, p.old, old, name, table, made, ddl, insert)
			rawRows(t, p.new, new, name, table, made, ddl, insert)
		}
		// As replication from a latin1 column leaves it.
		if err := old("CREATE TABLE converted " + made); err != nil {
			t.Fatal(err)
		}
		if err := old(strings.ReplaceAll(few, "{t}", "converted")); err != nil {
			t.Fatal(err)
		}
		rawRows(t, p.new, new, name, "converted", made, ddl, few)
		for _, q := range []string{"DELETE FROM missing WHERE v=1", "UPDATE changed SET v=9 WHERE v=3", "DELETE FROM many WHERE v%1000=511", "UPDATE many SET v=-v WHERE v%1000=512"} {
			if err := new(q); err != nil {
				t.Fatal(err)
			}
		}
		if err := old("DELETE FROM extra WHERE v=1"); err != nil {
			t.Fatal(err)
		}
		results, _ := check(t, p, Options{}, name+".*")
		for _, c := range []exactCase{
			{name: "same"},
			{name: "missing", missing: 1},
			{name: "extra", extra: 1},
			{name: "changed", changed: 1},
			{name: "many", missing: 5, changed: 5},
			{name: "converted", missing: 2, extra: 2},
		} {
			c.verify(t, p, results[name+"."+c.name])
		}
	})
}
