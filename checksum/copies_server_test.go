package checksum

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// copiesSet are two clusters: a replica of old, and of new one, which has a replica itself.
type copiesSet struct {
	*fixtures.Set
	t       *testing.T
	servers map[string]*cluster.Server
}

func newCopiesSet(t *testing.T, f fixtures.Family) *copiesSet {
	s := &copiesSet{t: t, servers: map[string]*cluster.Server{}, Set: fixtures.ForTest(t, fixtures.Spec{
		Topology: fixtures.Clusters, Old: f,
		OldReplicas: []fixtures.ReplicaSpec{{}}, NewReplicas: []fixtures.ReplicaSpec{{}, {Of: 1}},
	})}
	for _, side := range []fixtures.Side{"old", "old-1", "new", "new-1", "new-2"} {
		s.servers[string(side)] = openSide(t, s.Server(side), string(side))
	}
	s.exec("old", "CREATE DATABASE cp", "CREATE TABLE cp.t (id INT PRIMARY KEY, n INT, v VARCHAR(100))",
		"CREATE TABLE cp.bag (a INT, b INT)", "INSERT INTO cp.bag VALUES (1,1),(1,1),(2,2)", "INSERT INTO cp.t VALUES (1,0,REPEAT('x',90))")
	for rows := 1; rows < 1<<16; rows *= 2 {
		s.exec("old", fmt.Sprintf("INSERT INTO cp.t SELECT id+%d, 0, v FROM cp.t", rows))
	}
	s.arrived()
	return s
}

func (s *copiesSet) exec(node string, statements ...string) {
	s.t.Helper()
	for _, q := range statements {
		if _, err := s.Server(fixtures.Side(node)).DB().ExecContext(context.WithoutCancel(s.t.Context()), q); err != nil {
			s.t.Fatalf("%s: %s: %v", node, q, err)
		}
	}
}

// alone changes one node past its binary log.
func (s *copiesSet) alone(node string, statements ...string) {
	s.t.Helper()
	conn, err := s.Server(fixtures.Side(node)).DB().Conn(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range append([]string{"SET sql_log_bin=0"}, statements...) {
		if _, err := conn.ExecContext(s.t.Context(), q); err != nil {
			s.t.Fatalf("%s: %s: %v", node, q, err)
		}
	}
	if _, err := conn.ExecContext(s.t.Context(), "SET sql_log_bin=1"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *copiesSet) arrived() {
	s.t.Helper()
	if err := s.WaitCaughtUp(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// load changes rows of old, one after the other and far behind those that tests look at, until the returned function is
// called.
func (s *copiesSet) load() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, err := s.Server("old").DB().ExecContext(ctx, fmt.Sprintf("UPDATE cp.t SET n=1-n WHERE id=%d", 10000+i*7%50000))
			if err != nil && ctx.Err() == nil {
				s.t.Errorf("load: %v", err)
				return
			}
			_ = sleep(ctx, 5*time.Millisecond)
		}
	})
	return func() { cancel(); work.Wait() }
}

// compare runs a check of some copies and writes each one's outcome in a line.
func (s *copiesSet) compare(ref string, opt Options, journal func(label string) Journal, labels ...string) ([]string, []Result) {
	s.t.Helper()
	filter, err := cluster.NewFilter([]string{"cp.*"}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	opt.Filter, opt.Observer = filter, quietObserver{}
	var list, others []*cluster.Server
	for name, server := range s.servers {
		if !slices.Contains(labels, name) && name != ref {
			others = append(others, server)
		}
	}
	for _, l := range labels {
		list = append(list, s.servers[l])
	}
	surveys, err := LookAround(s.t.Context(), s.servers[ref], list, others)
	if err != nil {
		s.t.Fatal(err)
	}
	var copies []Copy
	for i, l := range labels {
		j := Journal(newJournal())
		if journal != nil {
			j = journal(l)
		}
		copies = append(copies, Copy{Server: list[i], Survey: surveys[i], Label: l, Twin: l[:3] == ref[:3], Journal: j})
	}
	began := time.Now()
	defer func() { s.t.Logf("compared %s with %q in %s", ref, labels, time.Since(began).Round(time.Millisecond)) }()
	results, err := RunCopies(s.t.Context(), s.servers[ref], copies, opt)
	if err != nil {
		s.t.Errorf("check: %v", err)
	}
	var lines []string
	for _, r := range results {
		line := r.Label + " " + r.Verdict.String()
		if r.Interrupted {
			line += " interrupted"
		}
		for _, t := range r.Tables {
			line += fmt.Sprintf(", %s %s", strings.TrimPrefix(t.Table, "cp."), t.Verdict)
			for _, d := range t.Differences {
				key := "-"
				if len(d.Key) > 0 {
					key = d.Key[0].Value.Text
				}
				line += fmt.Sprintf(" %s %s", d.Kind, key)
			}
		}
		lines = append(lines, line)
	}
	return lines, results
}

func wantLines(t *testing.T, got []string, results []Result, want ...string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	for _, r := range results {
		t.Logf("%s (%s): %s", r.Label, r.Relation, r.Reason)
		for _, table := range r.Tables {
			t.Logf("  %s %s: %s %+v", table.Table, table.Verdict, table.Reason, table.Counts)
		}
	}
}

func TestCopies(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MySQL, fixtures.MariaDB} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			s := newCopiesSet(t, f)
			all := []string{"new", "old-1", "new-1", "new-2"}
			stop := s.load()
			got, results := s.compare("old", Options{}, nil, all...)
			wantLines(t, got, results, "new same, bag same, t same", "old-1 same, bag same, t same", "new-1 same, bag same, t same", "new-2 same, bag same, t same")

			// One row each on one node, and one on two of them; a row without a key; a table on one node only.
			s.alone("old-1", "DELETE FROM cp.t WHERE id=99", "CREATE TABLE cp.own (a INT PRIMARY KEY)")
			s.alone("new", "UPDATE cp.t SET n=7 WHERE id=500")
			s.alone("new-1", "UPDATE cp.t SET n=7 WHERE id=500", "INSERT INTO cp.t VALUES (70000,1,'y')")
			s.alone("new-2", "INSERT INTO cp.bag VALUES (9,9)")
			got, results = s.compare("old", Options{}, nil, all...)
			wantLines(t, got, results,
				"new different, bag same, own same, t different changed 500",
				"old-1 different, bag same, own different, t different missing 99",
				"new-1 different, bag same, own same, t different changed 500 extra 70000",
				"new-2 different, bag different extra -, own same, t same")

			// A replica of old is the reference: its source and its siblings are told from it.
			// A column that only the other nodes of its cluster have makes them different, though nothing of it can be compared.
			s.alone("old", "CREATE TABLE cp.own (a INT PRIMARY KEY, b INT)")
			s.alone("new", "CREATE TABLE cp.own (a INT PRIMARY KEY, b INT)")
			s.alone("new-2", "CREATE TABLE cp.own (a INT PRIMARY KEY)")
			got, results = s.compare("old-1", Options{}, nil, "old", "new", "new-2")
			wantLines(t, got, results,
				"old different, bag same, own different, t different extra 99",
				"new different, bag same, own same, t different extra 99 changed 500",
				"new-2 different, bag different extra -, own same, t different extra 99")
			if why := results[0].Tables[1].Reason; why != "old has column b, which the reference lacks" {
				t.Errorf("own on old: %q", why)
			}
			for _, node := range []string{"old", "old-1", "new", "new-2"} {
				s.alone(node, "DROP TABLE cp.own")
			}
			if modes := []string{results[0].Relation, results[1].Relation, results[2].Relation}; !slices.Equal(modes, []string{"new→old", "siblings", "siblings"}) {
				t.Errorf("relations %q", modes)
			}
			stop()

			// Replication to new-1 stands: what it and its replica lack is undecided, and nobody else is concerned.
			s.alone("new", "UPDATE cp.t SET n=0 WHERE id=500")
			s.alone("new-1", "UPDATE cp.t SET n=0 WHERE id=500", "DELETE FROM cp.t WHERE id=70000")
			s.alone("new-2", "DELETE FROM cp.bag WHERE a=9")
			s.alone("old-1", "INSERT INTO cp.t SELECT 99, n, v FROM cp.t WHERE id=98")
			s.arrived()
			if err := s.StopReplication(t.Context(), "new-1"); err != nil {
				t.Fatal(err)
			}
			s.exec("old", "UPDATE cp.t SET n=n+5 WHERE id=1234")
			got, results = s.compare("old", Options{FenceTimeout: 10 * time.Second}, nil, all...)
			wantLines(t, got, results, "new same, bag same, t same", "old-1 same, bag same, t same",
				"new-1 undecided, bag same, t undecided", "new-2 undecided, bag same, t undecided")
			if err := s.StartReplication(t.Context(), "new-1"); err != nil {
				t.Fatal(err)
			}
			s.arrived()
			s.locked(all)
			s.killed(all)
		})
	}
}

// hookJournal calls a function when a chunk is recorded, or a table has its result.
type hookJournal struct {
	*memoryJournal
	recorded, finished func(table string)
}

func (j *hookJournal) Record(ctx context.Context, table string, c ProvenChunk) error {
	err := j.memoryJournal.Record(ctx, table, c)
	if j.recorded != nil {
		j.recorded(table)
	}
	return err
}

func (j *hookJournal) Finish(ctx context.Context, r TableResult) error {
	if j.finished != nil {
		j.finished(r.Table)
	}
	return j.memoryJournal.Finish(ctx, r)
}

// locked: a table of new-1 is locked once it has been compared to a part. The other copies come to their end meanwhile,
// and what is left of new-1 is compared when they have.
func (s *copiesSet) locked(all []string) {
	t := s.t
	conn, err := s.Server("new-1").DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var once sync.Once
	var others sync.WaitGroup
	others.Add(len(all) - 1)
	lock := func(string) {
		once.Do(func() {
			if _, err := conn.ExecContext(t.Context(), "LOCK TABLES cp.t WRITE"); err != nil {
				t.Errorf("lock: %v", err)
			}
		})
	}
	var release sync.WaitGroup
	release.Go(func() {
		others.Wait()
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), "UNLOCK TABLES"); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
	got, results := s.compare("old", Options{Workers: 1, RetryFor: 2 * time.Minute}, func(label string) Journal {
		j := &hookJournal{memoryJournal: newJournal()}
		if label == "new-1" {
			j.recorded = func(table string) {
				if table == "cp.t" {
					lock(table)
				}
			}
		} else {
			j.finished = func(table string) {
				if table == "cp.t" {
					others.Done()
				}
			}
		}
		return j
	}, all...)
	release.Wait()
	wantLines(t, got, results, "new same, bag same, t same", "old-1 same, bag same, t same",
		"new-1 same, bag same, t same", "new-2 same, bag same, t same")
	for _, r := range results {
		if n := r.Tables[1].Counts.RowsNew; n != 1<<16 {
			t.Errorf("%s: %d rows compared of %d", r.Label, n, 1<<16)
		}
	}
}

// killed: a server dies in mid-run. Its copy is not compared to its end, and can be resumed; the others are.
func (s *copiesSet) killed(all []string) {
	t := s.t
	var once sync.Once
	journals := map[string]*memoryJournal{}
	got, results := s.compare("old", Options{Workers: 1, RetryFor: 2 * time.Second}, func(label string) Journal {
		journals[label] = newJournal()
		return &hookJournal{memoryJournal: journals[label], recorded: func(table string) {
			if label == "new-2" && table == "cp.t" {
				once.Do(func() {
					if err := s.Server("new-2").Kill(); err != nil {
						t.Errorf("kill: %v", err)
					}
				})
			}
		}}
	}, all...)
	for i, line := range got {
		if all[i] == "new-2" {
			if !strings.HasPrefix(line, "new-2 undecided interrupted") {
				t.Errorf("got %s", line)
			}
			continue
		}
		wantLines(t, got[i:i+1], results[i:i+1], all[i]+" same, bag same, t same")
	}
	if len(journals["new-2"].chunks["cp.t"]) == 0 || len(journals["new-2"].chunks["cp.t"]) >= len(journals["new"].chunks["cp.t"]) {
		t.Errorf("%d chunks of the dead copy are kept, %d of another", len(journals["new-2"].chunks["cp.t"]), len(journals["new"].chunks["cp.t"]))
	}

	// It comes back: each copy goes on with what it lacks, which is not the same for all.
	if err := s.Server("new-2").Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.servers["new-2"] = openSide(t, s.Server("new-2"), "new-2")
	s.arrived()
	journals["old-1"].chunks["cp.t"] = slices.Delete(journals["old-1"].chunks["cp.t"], 1, 3)
	read := map[string]int{}
	got, results = s.compare("old", Options{Workers: 1}, func(label string) Journal {
		read[label] = len(journals[label].chunks["cp.t"])
		return &resumed{newJournal(), journals[label].chunks}
	}, all...)
	wantLines(t, got, results, "new same, bag same, t same", "old-1 same, bag same, t same", "new-1 same, bag same, t same", "new-2 same, bag same, t same")
	for i, r := range results {
		if table := r.Tables[1]; table.Counts.RowsNew != 1<<16 || table.Resumed != int64(read[all[i]]) {
			t.Errorf("%s: %d rows of %d, %d chunks resumed of %d", r.Label, table.Counts.RowsNew, 1<<16, table.Resumed, read[all[i]])
		}
	}
}

// resumed is the journal of a run that goes on with what an earlier one has proven.
type resumed struct {
	*memoryJournal
	proven map[string][]ProvenChunk
}

func (j *resumed) Begin(_ context.Context, id TableIdentity) ([]ProvenChunk, string, error) {
	if id.Table != "cp.t" {
		return nil, "", nil
	}
	return j.proven[id.Table], "", nil
}
