package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/fixtures"
	"crosscheck/report"
)

var clusterSpecs = []fixtures.Spec{
	{Name: "maria-clusters", Topology: fixtures.Clusters, Old: fixtures.MariaDB, OldReplicas: make([]fixtures.ReplicaSpec, 1), NewReplicas: make([]fixtures.ReplicaSpec, 2)},
	{Name: "mysql-clusters", Topology: fixtures.Clusters, Old: fixtures.MySQL, OldReplicas: make([]fixtures.ReplicaSpec, 1), NewReplicas: make([]fixtures.ReplicaSpec, 2)},
}

var (
	copiesOfClusters = []fixtures.Side{fixtures.New, fixtures.Replica(fixtures.New, 1), fixtures.Replica(fixtures.New, 2), fixtures.Replica(fixtures.Old, 1)}
	allOfNew         = copiesOfClusters[:3]
)

// deviations are statements that some nodes alone have executed. Each is one that a plain repair through the writer's binary
// log would break: a row event of it finds no row on a replica, or one in its place.
var deviations = []struct {
	on         []fixtures.Side
	statements []string
}{
	{allOfNew, []string{ // alike on all: these rows go through the log
		"DELETE FROM {d}.plain WHERE id=1", "UPDATE {d}.plain SET v='alike' WHERE id=2", "INSERT INTO {d}.plain VALUES (101,'extra')",
		"UPDATE {d}.coupled SET u=60 WHERE id=2", "UPDATE {d}.coupled SET u=2 WHERE id=1",
		"UPDATE {d}.swapped SET u=99 WHERE id=1", "UPDATE {d}.swapped SET u=1 WHERE id=2", "UPDATE {d}.swapped SET u=2 WHERE id=1", "DELETE FROM {d}.nokey WHERE a=1", "INSERT INTO {d}.nokey VALUES (7),(7)",
	}},
	{allOfNew[:1], []string{
		"DELETE FROM {d}.plain WHERE id IN (3,5)", "UPDATE {d}.plain SET v='here' WHERE id IN (4,6)", "INSERT INTO {d}.plain VALUES (102,'extra'),(104,'writer')",
		"UPDATE {d}.unique_ SET u=50 WHERE id=1", "DELETE FROM {d}.unique_ WHERE id=2", "INSERT INTO {d}.nokey VALUES (8)", "DELETE FROM {d}.nokey WHERE a=2",
	}},
	{allOfNew[1:2], []string{ // a row that is missing on two of three, one that holds what another is to get
		"DELETE FROM {d}.plain WHERE id IN (5,6,7)", "UPDATE {d}.plain SET v='there' WHERE id=4", "INSERT INTO {d}.plain VALUES (103,'extra'),(104,'replica')",
		"UPDATE {d}.coupled SET u=1 WHERE id=2", // what a row that differs alike is to get
		"DELETE FROM {d}.unique_ WHERE id=2", "UPDATE {d}.unique_ SET u=2 WHERE id=3", "INSERT INTO {d}.nokey VALUES (9)",
	}},
	{allOfNew[2:], []string{"UPDATE {d}.plain SET v='everywhere' WHERE id=8", "DELETE FROM {d}.unique_ WHERE id=2"}},
	{copiesOfClusters[3:], []string{"DELETE FROM {d}.plain WHERE id IN (1,9)", "UPDATE {d}.plain SET v='old' WHERE id=10", "INSERT INTO {d}.plain VALUES (105,'extra')"}},
}

// TestRepairOfClusters runs the files of a repair in their order on real clusters: every node is the same then, every applier
// runs, and no node has a transaction of its own.
func TestRepairOfClusters(t *testing.T) {
	for _, spec := range clusterSpecs {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			set := pool.get(t, spec)
			const database = "repair_nodes"
			fillClusters(t, set, database)
			state, dir := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "files")
			demandOwn(t, set, 0)
			args := []string{"--table", database + ".*", "--state", state, "--old-replica", "@old-1", "--new-replica", "@new-1", "--new-replica", "@new-2"}
			d := check(t, set, exitDifferent, args...)
			demandNodes(t, d, checksum.Different)
			p := start(t, nil, "repair", "--state", state, "--output", dir)
			if code := p.wait(patience); code != 0 {
				t.Fatalf("repair: exit code %d: %s", code, p.stderr.String())
			}
			files := []string{"1-old-1.sql", "2-new-1.sql", "3-new-2.sql", "4-new.sql"}
			for _, name := range files {
				runOn(t, set, dir, name)
			}
			caughtUp(t, set)
			demandNodes(t, check(t, set, exitSame, args...), checksum.Same)
			demandOwn(t, set, 0)
			for _, name := range files { // and once more: nothing is left for them to do
				if !strings.Contains(readFile(t, filepath.Join(dir, name)), "has no key") {
					runOn(t, set, dir, name)
				}
			}
			caughtUp(t, set)
			watchCopies(t, set, database)
		})
	}
}

// demandNodes demands a verdict of each copy.
func demandNodes(t *testing.T, d report.CheckDocument, want checksum.Verdict) {
	t.Helper()
	if len(d.Nodes) != len(copiesOfClusters)+1 {
		t.Errorf("%d nodes", len(d.Nodes))
	}
	for _, n := range d.Nodes[1:] {
		if string(n.Verdict) != want.String() {
			t.Errorf("%s is %s: %s", n.Label, n.Verdict, n.Reason)
		}
	}
}

func fillClusters(t *testing.T, set *fixtures.Set, database string) {
	t.Helper()
	d := strings.NewReplacer("{d}", database)
	exec1(t, set.Old, "DROP DATABASE IF EXISTS "+database, "CREATE DATABASE "+database,
		d.Replace("CREATE TABLE {d}.plain (id INT PRIMARY KEY, v VARCHAR(20))"),
		d.Replace("CREATE TABLE {d}.unique_ (id INT PRIMARY KEY, u INT NOT NULL UNIQUE)"),
		d.Replace("CREATE TABLE {d}.coupled (id INT PRIMARY KEY, u INT NOT NULL UNIQUE)"), d.Replace("INSERT INTO {d}.coupled VALUES (1,1),(2,2)"),
		d.Replace("CREATE TABLE {d}.swapped (id INT PRIMARY KEY, u INT NOT NULL UNIQUE)"),
		d.Replace("CREATE TABLE {d}.nokey (a INT)"),
		d.Replace("INSERT INTO {d}.plain VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e'),(6,'f'),(7,'g'),(8,'h'),(9,'i'),(10,'j')"),
		d.Replace("INSERT INTO {d}.unique_ VALUES (1,1),(2,2),(3,3)"), d.Replace("INSERT INTO {d}.swapped VALUES (1,1),(2,2),(3,3)"),
		d.Replace("INSERT INTO {d}.nokey VALUES (1),(1),(2),(3)"))
	t.Cleanup(func() { exec1(t, set.Old, "DROP DATABASE IF EXISTS "+database) })
	caughtUp(t, set)
	for _, dev := range deviations {
		for _, side := range dev.on {
			for _, q := range dev.statements {
				unlogged(t, set.Server(side), d.Replace(q))
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runOn runs a file on its node in one go, as a client does that stops at the first error.
func runOn(t *testing.T, set *fixtures.Set, dir, name string) {
	t.Helper()
	_, label, _ := strings.Cut(strings.TrimSuffix(name, ".sql"), "-")
	s, path := set.Server(fixtures.Side(label)), filepath.Join(dir, name)
	c := s.Config(fixtures.Admin)
	c.MultiStatements = true
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	text := readFile(t, path)
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s stopped: error %d: %v\n%s", path, cluster.ErrorNumber(err), err, text)
	}
}

// demandOwn counts the replicas that have transactions of their own.
func demandOwn(t *testing.T, set *fixtures.Set, want int) {
	t.Helper()
	var with []string
	for _, side := range copiesOfClusters[1:] {
		s := set.Server(side)
		var own bool
		var err error
		if s.Family().IsMariaDB() {
			err = s.DB().QueryRowContext(t.Context(), "SELECT CONCAT(',',@@global.gtid_binlog_state) LIKE CONCAT('%-',@@global.server_id,'-%')").Scan(&own)
		} else {
			err = s.DB().QueryRowContext(t.Context(), "SELECT @@global.gtid_executed LIKE CONCAT('%',@@global.server_uuid,'%')").Scan(&own)
		}
		if err != nil {
			t.Fatal(err)
		}
		if own {
			with = append(with, fmt.Sprint(side))
		}
	}
	if len(with) != want {
		t.Errorf("transactions of their own have %v", with)
	}
}
