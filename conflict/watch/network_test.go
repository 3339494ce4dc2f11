package watch

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/conflict"
	"crosscheck/fixtures"
)

// The network between the watcher and a server is cut, slow, and away for seconds; a cut falls into a large
// transaction, too.
func TestNetworkCuts(t *testing.T) {
	for _, k := range some("mysql-file", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, sharedDual(t, k))
			for side := range 2 {
				var proxies [2]*proxy
				p := newProxy(t, []*fixtures.Server{w.set.Old, w.set.New}[side])
				proxies[side] = p
				store := &memoryStore{}
				from := len(w.want)
				seen := watchServers(t, through(t, w.set, proxies), w.name, store, nil)
				seen.until("it reads", func(s Status) bool { return s.Verdict == Clean })
				// Cut while both sides have written and nothing was applied, and while it arrives.
				w.burst(func() { p.cut(0); time.Sleep(300 * time.Millisecond) })
				var cut sync.WaitGroup
				cut.Go(func() { time.Sleep(50 * time.Millisecond); p.cut(0) })
				w.flow(100)
				cut.Wait()
				const slow = `{"name":"slow","type":"latency","attributes":{"latency":150,"jitter":100}}`
				p.toxics(slow)
				w.burst(nil)
				now := time.Now()
				before := seen.until("it reads again", func(s Status) bool { return s.At.After(now) && s.Sides[side].Read }).Sides[side].Reconnects
				p.toxics(slow, `{"name":"cut","type":"limit_data","attributes":{"bytes":1500000}}`)
				before = seen.until("it reads up to the limit", func(s Status) bool { return s.Sides[side].Read && s.Sides[side].Reconnects > before }).Sides[side].Reconnects
				big := w.next
				w.next += 2000
				pool := w.old
				if side == 1 {
					pool = w.new
				}
				rows := make([]string, 2000)
				for i := range rows {
					rows[i] = fmt.Sprintf("(%d, 1, REPEAT('x', 2000))", big+int64(i))
				}
				mustExec(t, pool, "INSERT INTO t (id, n, pad) VALUES "+strings.Join(rows, ","))
				w.settle()
				seen.until("the cut was inside of the transaction", func(s Status) bool { return s.Sides[side].Reconnects > before })
				p.toxics()
				w.burst(func() {
					p.Stop()
					seen.until("the tail is away", func(s Status) bool { return !s.Sides[side].Read && s.Sides[side].Lag > 4*time.Second })
					if err := p.Start(); err != nil {
						t.Error(err)
					}
				})
				w.flow(20)
				seen.quiet()
				st := seen.end()
				all := w.want
				w.want = w.want[from:]
				w.exactly(store)
				w.want = all
				if got := st.Account.Sides[side].Changes; got < 2000 || len(st.Blind) > 0 {
					t.Errorf("%d changes, blind %v", got, st.Blind)
				}
			}
		})
	}
}

// A definition that is needed is waited for as long as its server may be gone, and no longer.
func TestDefinitionOfAServerThatIsGone(t *testing.T) {
	set := sharedDual(t, some("mariadb")[0])
	old, _, name := database(t, set)
	mustExec(t, old, "CREATE TABLE t (id INT PRIMARY KEY)")
	p := newProxy(t, set.Old)
	servers := through(t, set, [2]*proxy{p})
	for _, s := range servers {
		t.Cleanup(func() { _ = s.Close() })
	}
	filter, err := cluster.NewFilter([]string{name + ".*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defs, _, _, err := loadDefinitions(t.Context(), servers[0], filter, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if _, err = defs.load(t.Context(), name, "t"); !cluster.IsTransient(err) {
		t.Errorf("the definition of a server that is gone: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longWait)
	defer cancel()
	// What is uncertain stays so until the server has said how far its log has to be read.
	e := &engine{
		servers: servers, opt: Options{RetryFor: time.Hour}, defs: [2]*definitions{defs}, readers: [2]*reader{{}}, async: make(chan func(), 1),
	}
	e.holdBack(ctx, conflict.Finding{Table: name + ".t"})
	select {
	case <-e.async:
		t.Error("a finding is decided on while the server is gone")
	case <-time.After(300 * time.Millisecond):
	}
	defs.patience = time.Hour
	time.AfterFunc(500*time.Millisecond, func() { _ = p.Start() })
	if def, err := defs.load(ctx, name, "t"); err != nil || def.Table == nil {
		t.Errorf("the definition of a server that came back: %+v, %v", def.Table, err)
	}
	select {
	case then := <-e.async:
		then()
	case <-ctx.Done():
		t.Fatal("the place up to which the log has to be read is not asked for again")
	}
	e.workers.Wait()
	if len(e.uncertain) != 1 || len(e.readers[conflict.Old].marks) != 1 {
		t.Errorf("%d findings are uncertain, %d places waited for", len(e.uncertain), len(e.readers[conflict.Old].marks))
	}
	e.servers[conflict.Old].Close()
	e.opt.RetryFor = 0
	e.holdBack(ctx, conflict.Finding{Table: name + ".t", Reason: conflict.ReasonUncertain})
	(<-e.async)()
	if len(e.released) != 1 || e.released[0].Reason != conflict.ReasonUncertain {
		t.Errorf("what a server that is gone cannot confirm: %+v", e.released)
	}
}
