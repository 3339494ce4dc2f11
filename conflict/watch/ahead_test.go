package watch

import (
	"context"
	"fmt"
	"testing"
	"time"

	"crosscheck/cluster/gtid"
)

// A server sends transactions before it counts them as executed. A tail that is that far ahead waits for them; one that
// is ahead of a log which was begun anew does not.
func TestAheadOfGTIDExecuted(t *testing.T) {
	for _, k := range kinds()[:1] { // the others have no gtid_executed
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, _, _ := database(t, set)
			s := open(t, set.Old, "old")
			defer s.Close()
			ctx, cancel := context.WithTimeout(context.Background(), longWait)
			defer cancel()
			at, err := s.Position(ctx)
			if err != nil {
				t.Fatal(err)
			}
			ahead := at
			ahead.MySQL = at.MySQL.Clone()
			uuid, err := gtid.ParseUUID(fmt.Sprintf("00000000-0000-0000-0000-%012x", time.Now().UnixNano()&0xffffffffffff))
			if err != nil {
				t.Fatal(err)
			}
			source := gtid.Source{UUID: uuid} // nobody else's: other tests write to the server
			for n := range uint64(3) {
				ahead.MySQL.Add(gtid.GTID{Source: source, Number: 1 + n})
			}
			done := make(chan bool)
			go func() { done <- committed(ctx, s, ahead) }()
			select {
			case <-done:
				t.Error("what is not committed was not waited for")
			case <-time.After(300 * time.Millisecond):
			}
			for n := range 3 {
				mustExec(t, old, fmt.Sprintf("SET gtid_next = '%s:%d'", uuid, n+1), "BEGIN", "COMMIT")
			}
			mustExec(t, old, "SET gtid_next = 'AUTOMATIC'")
			if !<-done {
				t.Error("what came to be committed counts as a log that was begun anew")
			}
			ahead.File.Pos += 1 << 30
			if committed(ctx, s, ahead) {
				t.Error("a log that ends before the place counts as the same")
			}
			ahead.File = at.File
			for n := range uint64(2 * maxAhead) {
				ahead.MySQL.Add(gtid.GTID{Source: source, Number: 1000 + n})
			}
			if committed(ctx, s, ahead) {
				t.Error("a log that lacks far more than can be on its way counts as the same")
			}
		})
	}
}
