package checksum

import (
	"strings"
	"sync"
	"testing"

	"crosscheck/fixtures"
)

// dropping drops a table when its rows were compared and those that differ are to be settled.
type dropping struct {
	quietObserver
	table string
	drop  func()
}

func (d dropping) Progress(table string, _, _ int64) {
	if table == d.table {
		d.drop()
	}
}

// TestTableDroppedWhileRowsAreSettled: it is undecided, and the others are compared to their end.
func TestTableDroppedWhileRowsAreSettled(t *testing.T) {
	p := pair{name: "mariadb", old: pool.get(t, fixtures.MariaDB, "old"), new: pool.get(t, fixtures.MariaDB, "new")}
	const database = "settledgone"
	old, new := dataSession(t, p.old, database), dataSession(t, p.new, database)
	for _, exec := range []func(string) error{old, new} {
		for _, q := range []string{
			"CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1),(2)", "CREATE TABLE b (id INT PRIMARY KEY)", "INSERT INTO b VALUES (1),(2)",
		} {
			if err := exec(q); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := new("DELETE FROM a WHERE id = 2"); err != nil {
		t.Fatal(err)
	}
	drop := sync.OnceFunc(func() {
		if derr := old("DROP TABLE a"); derr != nil {
			t.Error(derr)
		}
	})
	opt := Options{Journal: newJournal(), Observer: dropping{table: database + ".a", drop: drop}}
	r, err := checkPair(t, p, opt, database+".a", database+".b")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tables) != 2 || r.Tables[0].Verdict != Undecided || r.Tables[1].Verdict != Same || !strings.Contains(r.Tables[0].Reason, "dropped or renamed") {
		t.Errorf("%+v", r.Tables)
	}
}
