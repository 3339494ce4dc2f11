package cluster

import (
	"fmt"
	"strings"
	"testing"

	"crosscheck/fixtures"
)

// TestFenceGroup: new and new-1 are a replication group, of which new holds the channel from old. What gets to new-1 is proven
// by GTID; a member outside of its group stops the fence, and is no member by what it is configured to be.
func TestFenceGroup(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Topology: fixtures.Group})
	member := fixtures.Replica(fixtures.New, 1)
	o, n, m := open(t, set.Old, "old"), open(t, set.New, "new"), open(t, set.Server(member), "new1")
	stop := func() {
		if err := set.StopReplication(t.Context(), member); err != nil {
			t.Fatal(err)
		}
	}
	start := func() {
		if err := set.StartReplication(t.Context(), member); err != nil {
			t.Fatal(err)
		}
	}
	web, err := NewWeb(t.Context(), []*Server{o, n, m})
	if err != nil {
		t.Fatal(err)
	}
	rel, err := web.Relate(t.Context(), o, m)
	if err != nil || rel.Mode != OneWay || len(rel.ToNew) != 1 || len(rel.ToNew[0]) != 2 {
		t.Fatalf("old and new-1: %+v, %v", rel, err)
	}
	if list, err := n.Channels(t.Context()); err != nil || len(list) != 1 || list[0].Group {
		t.Errorf("channels of the primary: %+v, %v", list, err)
	}
	in := relate(t, n, m, OneWay)
	wantProof(t, in.OldToNew, ByMySQLGTID, false)
	checkFence(t, in.OldToNew, n, set.New, set.Server(member), stop, start)
	if l := rel.ToNew[0][1]; l.From() != "new" || l.Wait(t.Context(), positionOf(t, n), waitOpt) != nil {
		t.Errorf("the way to new-1 ends with a link from %s", l.From())
	}

	stop()
	if again, err := Relate(t.Context(), n, m); err != nil || strings.Contains(again.Reason, "are members of the replication group") {
		t.Errorf("a member that has left: %+v, %v", again, err)
	}
	if list, err := m.Channels(t.Context()); err != nil || len(list) != 1 || list[0].Running() || !strings.Contains(list[0].Trouble(), "OFFLINE") {
		t.Errorf("channels of a member that has left: %+v, %v", list, err)
	}
	start()
	run(t, set.Old, "CREATE DATABASE own")
	p := positionOf(t, o)
	for _, l := range rel.ToNew[0] {
		if err := l.Wait(t.Context(), p, waitOpt); err != nil {
			t.Fatal(err)
		}
	}
	through := relate(t, o, m, OneWay) // nobody names new
	wantProof(t, through.OldToNew, ByMySQLGTID, false)

	// new-1 becomes the primary: what the old one has is there, and what is written now comes the other way.
	run(t, set.New, "STOP REPLICA", fmt.Sprintf("SELECT group_replication_set_as_primary('%s')", m.Facts().ServerUUID))
	run(t, set.Server(member), "CREATE DATABASE promoted")
	if st, err := in.OldToNew.State(t.Context()); err != nil || !st.Running {
		t.Errorf("to a member that has become the primary: %+v, %v", st, err)
	}
	back := relate(t, n, m, Reverse)
	if err := back.NewToOld.Wait(t.Context(), positionOf(t, m), waitOpt); err != nil {
		t.Error(err)
	}
}
