package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crosscheck/conflict"
)

// A transaction that is skipped by an empty one of its name, ahead of its turn, is missing; those before it arrive later.
func TestSkippedAheadOfItsTurn(t *testing.T) {
	k := kinds()[0]
	set := sharedDual(t, k)
	old, new, name := database(t, set)
	mustExec(t, old, "CREATE TABLE t (id INT PRIMARY KEY)")
	caughtUp(t, set)
	w := watchSet(t, set, name, &memoryStore{}, nil)
	w.until("both sides are seen", func(s Status) bool { return s.Verdict == Clean })
	stopAppliers(t, set)
	for id := 1; id <= 3; id++ {
		mustExec(t, old, fmt.Sprintf("INSERT INTO t VALUES (%d)", id))
	}
	var uuid, executed string
	if err := old.QueryRow("SELECT @@server_uuid, @@gtid_executed").Scan(&uuid, &executed); err != nil {
		t.Fatal(err)
	}
	mustExec(t, new, "SET gtid_next = '"+uuid+":"+lastNumber(executed, uuid)+"'", "BEGIN", "COMMIT", "SET gtid_next = 'AUTOMATIC'")
	w.until("the empty one is seen", func(s Status) bool { return s.Findings[conflict.MissingEcho] > 0 })
	startAppliers(t, set)
	caughtUp(t, set)
	w.quiet()
	w.end()
	if got := w.store.lines(); !slices.Equal(got, []string{"missing_echo t 3"}) {
		t.Errorf("found %q", got)
	}
}

// lastNumber is the highest number of a server in a set of GTIDs.
func lastNumber(set, uuid string) string {
	for one := range strings.SplitSeq(strings.ReplaceAll(set, "\n", ""), ",") {
		if rest, ok := strings.CutPrefix(one, uuid+":"); ok {
			return rest[strings.LastIndexAny(rest, "-:")+1:]
		}
	}
	return ""
}

// MariaDB's workers apply domains beside each other: a transaction that arrives before an earlier one of another domain
// proves nothing of that.
func TestDomainsBesideEachOther(t *testing.T) {
	k := kinds()[3]
	set := sharedDual(t, k)
	old, new, name := database(t, set)
	mustExec(t, old, "CREATE TABLE t (id INT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (1, 0)")
	caughtUp(t, set)
	workers := func(n int) {
		mustExec(t, set.New.DB(), "STOP SLAVE", "SET GLOBAL slave_parallel_threads = "+strconv.Itoa(n), "START SLAVE")
	}
	workers(4)
	defer workers(0)
	w := watchSet(t, set, name, &memoryStore{}, nil)
	w.until("both sides are seen", func(s Status) bool { return s.Verdict == Clean })
	// Domain 91 waits for a lock on new while what old wrote later in 92 goes on.
	mustExec(t, new, "SET SESSION sql_log_bin = 0", "BEGIN", "SELECT * FROM t WHERE id = 1 FOR UPDATE")
	mustExec(t, old, "SET SESSION gtid_domain_id = 91", "UPDATE t SET n = 1 WHERE id = 1", "SET SESSION gtid_domain_id = 92", "INSERT INTO t VALUES (2, 0), (3, 0)")
	w.until("what was written later has arrived", func(s Status) bool { return s.Account.Sides[0].Verified >= 2 })
	mustExec(t, new, "COMMIT")
	caughtUp(t, set)
	w.quiet()
	begin := time.Now()
	w.until("all is clean", func(s Status) bool { return s.Verdict == Clean && s.At.After(begin) || len(w.store.lines()) > 0 })
	w.end()
	if got := w.store.lines(); len(got) > 0 {
		t.Errorf("found %q", got)
	}
}
