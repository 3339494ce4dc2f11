package measure

import (
	"fmt"
	"time"

	"crosscheck/fixtures"
	"crosscheck/gate"
)

// anew restarts replication at new by statements, and sees whether its log tells that something came again.
func anew(r *rig, again ...string) {
	link := func() gate.Link { return linkBetween(r, measured[gate.Sync](r, ""), "old", "new") }
	r.caughtUp()
	first := link()
	if !first.Running || first.Since.IsZero() || first.Quiet.After(first.Since) || !first.Logs {
		r.Fatalf("nothing broke, and: %+v", first)
	}
	began := first.Since
	if !first.Quiet.IsZero() {
		began = first.Quiet
	}
	stop, start := "STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD"
	if r.set.New.Family() == fixtures.MariaDB {
		stop, start = "STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"
	}
	r.run(r.set.New, stop, "FLUSH BINARY LOGS", start)
	r.caughtUp()
	gone := r.earlier[len(r.earlier)-1] // as if nobody had seen the link for a while
	gone.Taken, gone.Content = time.Now(), gate.Sync{}
	r.earlier = append(r.earlier, gone)
	for _, what := range []string{"at first", "and later"} {
		if l := link(); !l.Running || !l.Since.After(first.Since) || !l.Quiet.Equal(began) {
			r.Errorf("started again, %s: %+v, before: %+v", what, l, first)
		}
	}
	before := time.Now()
	r.run(r.set.New, again...)
	r.until("it came again", func() bool {
		var n int
		if err := r.set.New.DB().QueryRowContext(r.Context(), "SELECT COUNT(*) FROM shop.twice").Scan(&n); err != nil {
			r.Fatal(err)
		}
		return n == 2
	})
	r.caughtUp()
	for _, what := range []string{"at first", "and later"} {
		if l := link(); !l.Running || !l.Quiet.After(before) {
			r.Errorf("old's log was applied again, %s: %+v", what, l)
		}
	}
	r.run(r.set.Old, "DROP TABLE shop.twice")
	r.caughtUp()
}

// quietByGTID sets MariaDB's place back.
func quietByGTID(r *rig) {
	r.run(r.set.Old, "CREATE TABLE shop.twice (v INT)")
	r.caughtUp()
	var pos string
	if err := r.set.New.DB().QueryRowContext(r.Context(), "SELECT @@global.gtid_slave_pos").Scan(&pos); err != nil {
		r.Fatal(err)
	}
	r.run(r.set.Old, "INSERT INTO shop.twice VALUES (1)")
	anew(r, "STOP SLAVE", "SET GLOBAL gtid_slave_pos = '"+pos+"'", "START SLAVE")
}

// quietByFile gives MySQL an earlier place of old's log.
func quietByFile(r *rig) {
	r.run(r.set.Old, "CREATE TABLE shop.twice (v INT)")
	p, err := r.servers.Old.Position(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	r.run(r.set.Old, "INSERT INTO shop.twice VALUES (1)")
	anew(r, "STOP REPLICA", fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE = '%s', SOURCE_LOG_POS = %d", p.File.File, p.File.Pos), "START REPLICA")
}
