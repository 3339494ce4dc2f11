package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// A trouble has a line of its own when it begins and when it ends, not one per status.
func TestTroublesAsLinesOfJSON(t *testing.T) {
	var out bytes.Buffer
	d := &jsonDisplay{w: &out}
	at := time.Unix(1700000000, 0)
	show := func(list ...watch.Trouble) {
		sum := NewWatchSummary(watch.Status{At: at, Health: list}, nil)
		d.tick(at, &sum)
	}
	stopped := watch.Trouble{ID: watch.TroubleStopped, Side: conflict.New, Detail: "it does not run", Advice: "START REPLICA"}
	show()
	show(stopped)
	stopped.Detail = "it still does not run"
	show(stopped)
	show()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var x WatchTroubleLine
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		if x.Schema != WatchTroubleSchema || !x.At.Equal(at) {
			t.Errorf("%+v", x)
		}
		got = append(got, x.State+" "+x.Side+" "+x.Kind+": "+x.Detail)
	}
	want := []string{"begins new replication_stopped: it does not run", "ends new replication_stopped: it still does not run"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
