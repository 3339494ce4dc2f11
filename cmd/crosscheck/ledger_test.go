package main

import (
	"database/sql"
	"path/filepath"
	"testing"

	"crosscheck/internal/ledger"
)

// proven is what a ledger holds of its last run, whoever writes it now.
type proven struct {
	chunks, rows, missing int64
	began                 string // where old stood when its first process did
}

// readProven counts the proven chunks of the last run; a ledger that is not there yet holds none.
func readProven(t testing.TB, state string) proven {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(state, ledger.FileName)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var p proven
	err = db.QueryRowContext(t.Context(), `SELECT count(*), ifnull(sum(c.rows_old), 0), ifnull(sum(c.missing), 0) FROM chunks c JOIN tables t ON t.id = c.table_id
		WHERE t.run_id = (SELECT max(id) FROM runs)`).Scan(&p.chunks, &p.rows, &p.missing)
	if err == nil {
		err = db.QueryRowContext(t.Context(), "SELECT began_old_position FROM runs ORDER BY id DESC LIMIT 1").Scan(&p.began)
	}
	if err != nil {
		return proven{}
	}
	return p
}
