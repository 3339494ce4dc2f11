package watch

import (
	"slices"
	"testing"

	"crosscheck/conflict"
)

// As a migration ends, new's step is set back to 1. Sessions that have the one before are no trouble, nor is it one that both sides
// could generate one key: until old is written to again.
func TestStepSetBack(t *testing.T) {
	for _, k := range some("mysql", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			set := roughDual(t, k)
			old, _, name := database(t, set)
			mustExec(t, old, scenarioTables, "INSERT INTO t (n) VALUES (1)")
			caughtUp(t, set)
			admin := set.New.DB()
			mustExec(t, admin, "SELECT 1") // a session that stays, with the step of before
			store := &memoryStore{}
			w := watchSet(t, set, name, store, nil)
			overlap := func(s Status) bool {
				return slices.ContainsFunc(s.Health, func(t Trouble) bool { return t.ID == TroubleStepOverlap })
			}
			before := w.until("the steps are seen", func(s Status) bool { return s.Sides[conflict.New].Step.Increment == 2 })
			t.Cleanup(func() {
				mustExec(t, admin, "SET GLOBAL auto_increment_offset = 2", "SET GLOBAL auto_increment_increment = 2")
			})
			mustExec(t, admin, "SET GLOBAL auto_increment_increment = 1", "SET GLOBAL auto_increment_offset = 1")
			calm := func(s Status) bool {
				return s.Sides[conflict.New].Step == (conflict.Step{Increment: 1, Offset: 1})
			}
			w.until("it is set back", calm)
			w.end()
			w = watchSet(t, set, name, store, nil) // also by a watch that goes on
			if s := w.until("it is set back", calm); overlap(before) || overlap(s) || len(s.Sides[conflict.New].Stale) > 0 {
				t.Errorf("set back, and: %v, sessions %v", s.Health, s.Sides[conflict.New].Stale)
			}
			mustExec(t, old, "INSERT INTO t (n) VALUES (2)")
			w.until("old is written to again", overlap)
			w.end()
		})
	}
}
