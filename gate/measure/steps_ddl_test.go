package measure

import (
	"database/sql"

	"crosscheck/cluster"
)

// stepsInDDL: a session is not taken for stale because of what MySQL does in it while it writes the data dictionary; one
// that has a step of its own is.
func stepsInDDL(r *rig) {
	worker := r.app(r.set.Old)
	stale := r.app(r.set.Old, "SET SESSION auto_increment_increment = 1")
	var ids [2]uint64
	for i, c := range []*sql.Conn{worker, stale} {
		if err := c.QueryRowContext(r.Context(), "SELECT CONNECTION_ID()").Scan(&ids[i]); err != nil {
			r.Fatal(err)
		}
	}
	// A session sleeps only some moments after its client has got what it asked for.
	r.until("the session sleeps", func() bool {
		st, err := r.servers.Old.Steps(r.Context())
		return err == nil && st.Sessions[ids[1]].Increment == 1
	})
	done := make(chan error, 1)
	go func() {
		for range 150 {
			for _, q := range []string{"CREATE TABLE shop.dictionary (id INT AUTO_INCREMENT PRIMARY KEY)", "DROP TABLE shop.dictionary"} {
				if _, err := worker.ExecContext(r.Context(), q); err != nil {
					done <- err
					return
				}
			}
		}
		done <- nil
	}()
	looks, shown := 0, 0
	for busy := true; busy; looks++ {
		select {
		case err := <-done:
			if busy = false; err != nil {
				r.Fatal(err)
			}
		default:
		}
		st, err := r.servers.Old.Steps(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		if p, ok := st.Sessions[ids[0]]; ok && p != st.Global {
			r.Errorf("a session that changes schemas shows %+v", p)
			busy = false
		}
		if st.Sessions[ids[1]] == (cluster.StepPair{Increment: 1, Offset: 1}) {
			shown++
		}
	}
	if shown < looks {
		r.Errorf("a session with a step of its own, which sleeps, was shown %d times of %d", shown, looks)
	}
	stale.Close()
	worker.Close()
	r.caughtUp()
}
