package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/fixtures"
	"crosscheck/internal/fault"
)

const database = "shop"

// pair is two servers with the same rows, perhaps with replicas, and what is run on them.
type pair struct {
	set   *fixtures.Set
	o     options
	work  string
	say   func(string)
	table fixtures.TableSpec
	small fixtures.TableSpec
	pt    *fixtures.Tool // nil if there is nothing to run it on, or it cannot be had
	ptCnf string
	runs  int // of check: each has a state folder of its own
}

// poolMB is the servers' buffer pool: the table is in memory, so that no disk is measured.
const poolMB = 1024

func startPair(ctx context.Context, o options, family fixtures.Family, work string, say func(string)) (*pair, error) {
	return startServers(ctx, o, family, work, say, fixtures.Spec{Topology: fixtures.Pair})
}

// startServers starts what spec says, with servers of one family and the benchmark's options.
func startServers(ctx context.Context, o options, family fixtures.Family, work string, say func(string), spec fixtures.Spec) (*pair, error) {
	server := fixtures.ServerOptions{BufferPoolMB: poolMB}
	if o.noTLS && family == fixtures.MySQL {
		server.Variables = map[string]string{"tls_version": "''"} // the others offer none anyway
	}
	spec.Old, spec.New, spec.OldOptions, spec.NewOptions = family, family, server, server
	spec.Provision = fixtures.Options{Progress: say}
	set, err := fixtures.Up(ctx, spec)
	if err != nil {
		return nil, err
	}
	p := &pair{
		set: set, o: o, work: work, say: say,
		table: fixtures.TableSpec{Kind: fixtures.Orders, Database: database, Table: "orders", Unlogged: true},
		small: fixtures.TableSpec{Kind: fixtures.Orders, Database: database, Table: "orders_second", Unlogged: true},
	}
	if err := p.fill(ctx); err != nil {
		_ = set.Close()
		return nil, err
	}
	return p, nil
}

// fill puts the same rows on all servers without replication, and restarts the servers: what they still have to write
// after so many inserts would be counted against whoever is measured first.
func (p *pair) fill(ctx context.Context) error {
	p.say(fmt.Sprintf("%s %s: filling all servers with %d and %d rows", p.set.Old.Family(), p.set.Old.Version(), p.o.rows, p.o.secondRows))
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range p.servers() {
		g.Go(func() error {
			defer fault.Guard()
			if err := fixtures.Generate(gctx, s.DB(), p.table, p.o.rows, 1); err != nil {
				return err
			}
			if err := fixtures.Generate(gctx, s.DB(), p.small, p.o.secondRows, 2); err != nil {
				return err
			}
			return s.Restart(gctx)
		})
	}
	return g.Wait()
}

func (p *pair) close() error { return p.set.Close() }

// servers are all servers by their places.
func (p *pair) servers() map[fixtures.Side]*fixtures.Server {
	out := map[fixtures.Side]*fixtures.Server{fixtures.Old: p.set.Old, fixtures.New: p.set.New}
	for i, s := range p.set.Replicas(fixtures.New) {
		out[fixtures.Replica(fixtures.New, i+1)] = s
	}
	return out
}

// usage is what one measured run took.
type usage struct {
	wall      time.Duration
	serverCPU time.Duration // of old's and new's server
	nodeCPU   map[fixtures.Side]time.Duration
	oldSent   int64 // bytes that old sent to all its clients
	// The rest is known of processes of our own only.
	clientCPU  time.Duration
	maxRSS     int64 // bytes
	firstChunk time.Duration
}

// metered runs fn and adds what the servers' processors did meanwhile.
func (p *pair) metered(ctx context.Context, fn func() (usage, error)) (usage, error) {
	sent, err := p.oldSent(ctx)
	if err != nil {
		return usage{}, err
	}
	before, err := p.nodeCPU()
	if err != nil {
		return usage{}, err
	}
	u, err := fn()
	if err != nil {
		return u, err
	}
	u.nodeCPU, err = p.nodeCPU()
	if err != nil {
		return u, err
	}
	for side := range u.nodeCPU {
		u.nodeCPU[side] -= before[side]
	}
	u.serverCPU = u.nodeCPU[fixtures.Old] + u.nodeCPU[fixtures.New]
	total, err := p.oldSent(ctx)
	u.oldSent = total - sent
	return u, err
}

// nodeCPU is what each server's process has used.
func (p *pair) nodeCPU() (map[fixtures.Side]time.Duration, error) {
	out := map[fixtures.Side]time.Duration{}
	for side, s := range p.servers() {
		used, err := processCPU(s.Pid())
		if err != nil {
			return nil, err
		}
		out[side] = used
	}
	return out, nil
}

// oldSent is what old has sent to all its clients.
func (p *pair) oldSent(ctx context.Context) (int64, error) {
	var name string
	var n int64
	err := p.set.Old.DB().QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Bytes_sent'").Scan(&name, &n)
	return n, err
}

// checksumTables runs CHECKSUM TABLE on both servers at once and wants equal sums.
func (p *pair) checksumTables(ctx context.Context) (usage, error) {
	return p.metered(ctx, func() (usage, error) {
		var sums [2]int64
		begin := time.Now()
		g, gctx := errgroup.WithContext(ctx)
		for i, s := range []*fixtures.Server{p.set.Old, p.set.New} {
			g.Go(func() error {
				defer fault.Guard()
				var name string
				return s.DB().QueryRowContext(gctx, "CHECKSUM TABLE "+p.table.Quoted()).Scan(&name, &sums[i])
			})
		}
		err := g.Wait()
		u := usage{wall: time.Since(begin)}
		if err == nil && sums[0] != sums[1] {
			err = fmt.Errorf("the two sides' CHECKSUM TABLE differ: %d and %d", sums[0], sums[1])
		}
		return u, err
	})
}

// checkDocument is the part of crosscheck's JSON that is looked at here.
type checkDocument struct {
	Verdict           string  `json:"verdict"`
	FirstChunkSeconds float64 `json:"first_chunk_seconds"`
	Tables            []struct {
		RowsOld int64 `json:"rows_old"`
		RowsNew int64 `json:"rows_new"`
	} `json:"tables"`
}

// check runs crosscheck as its users do, with the read-only account, and wants the right answer; further names replicas of
// new, each with its flag.
func (p *pair) check(ctx context.Context, table fixtures.TableSpec, rows int64, further ...string) (usage, error) {
	rowsNew := rows * int64(1+len(further)/2) // the sum over the copies
	p.runs++
	state := filepath.Join(p.work, fmt.Sprintf("state-%s-%d", p.set.Old.Family(), p.runs))
	defer func() { _ = os.RemoveAll(state) }()
	return p.metered(ctx, func() (usage, error) {
		args := append([]string{
			"check", "--quiet", "--defaults-file", p.set.DefaultsFile(), "--old", "@old", "--new", "@new",
			"--table", table.Name(), "--state", state, "--format", "json",
		}, slices.Concat(further, p.o.checkArgs)...)
		done, err := launch(ctx, p.o.binary, args)
		if err != nil {
			return usage{}, err
		}
		var doc checkDocument
		if err := json.Unmarshal([]byte(done.Stdout), &doc); err != nil {
			return usage{}, fmt.Errorf("crosscheck check, exit code %d: %w: %s", done.Exit, err, done.Stderr)
		}
		if done.Exit != 0 || doc.Verdict != "same" || len(doc.Tables) != 1 || doc.Tables[0].RowsOld != rows || doc.Tables[0].RowsNew != rowsNew {
			return usage{}, fmt.Errorf("crosscheck check gave exit code %d and %q for equal tables of %d rows: %s", done.Exit, doc.Verdict, rows, done.Stdout)
		}
		return usage{
			wall: done.Wall, clientCPU: done.CPU, maxRSS: done.MaxRSS,
			firstChunk: time.Duration(doc.FirstChunkSeconds * float64(time.Second)),
		}, nil
	})
}

// preparePT gets pt-table-checksum ready. It needs an account that may write, and is told where the replica is, for it
// guesses only standard ports.
func (p *pair) preparePT(ctx context.Context) error {
	if p.set.Old.Family() != fixtures.MariaDB {
		return nil // Debian's version of it is older than MySQL 9
	}
	tool, err := fixtures.ProvisionTools(ctx, "percona-toolkit", fixtures.Options{Progress: p.say}, "percona-toolkit", "libdbd-mysql-perl")
	if err != nil {
		return err
	}
	password := rand.Text()
	p.ptCnf = filepath.Join(p.work, "pt.cnf")
	if err := os.WriteFile(p.ptCnf, []byte("[client]\nuser=pt\npassword="+password+"\nhost=127.0.0.1\n"), 0o600); err != nil {
		return err
	}
	// Written to old only: new gets it all by replication, which the tool needs anyway.
	for _, q := range []string{
		"CREATE USER pt@'%' IDENTIFIED BY '" + password + "'",
		"GRANT ALL ON *.* TO pt@'%' WITH GRANT OPTION",
		"CREATE DATABASE percona",
		"CREATE TABLE percona.dsns (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, parent_id INT, dsn VARCHAR(255) NOT NULL)",
		fmt.Sprintf("INSERT INTO percona.dsns (dsn) VALUES ('h=127.0.0.1,P=%d,F=%s')", p.set.New.Port(), p.ptCnf),
	} {
		if _, err := p.set.Old.DB().ExecContext(ctx, q); err != nil {
			return fmt.Errorf("prepare pt-table-checksum: %w", err)
		}
	}
	p.pt = tool
	return p.set.WaitCaughtUp(ctx)
}

// ptChecksum runs pt-table-checksum as its manual says, and wants it to have compared the replica.
func (p *pair) ptChecksum(ctx context.Context) (usage, error) {
	return p.metered(ctx, func() (usage, error) {
		cmd, err := p.pt.Command(ctx, "pt-table-checksum", "--no-check-binlog-format", "--chunk-size-limit=0", "--no-version-check",
			"--replicate=percona.checksums", "--recursion-method=dsn=D=percona,t=dsns", "--tables="+p.table.Name(),
			fmt.Sprintf("h=127.0.0.1,P=%d,F=%s", p.set.Old.Port(), p.ptCnf))
		if err != nil {
			return usage{}, err
		}
		begin := time.Now()
		out, err := cmd.CombinedOutput()
		u := usage{wall: time.Since(begin)}
		if err != nil {
			return u, fmt.Errorf("pt-table-checksum: %w: %s", err, out)
		}
		u.clientCPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		return u, p.ptRows(ctx)
	})
}

// ptRows makes sure that the tool did the whole work: on new, all rows counted, no chunk different.
func (p *pair) ptRows(ctx context.Context) error {
	var rows, different int64
	err := p.set.New.DB().QueryRowContext(ctx, `SELECT COALESCE(SUM(this_cnt), 0),
		COALESCE(SUM(this_crc <> master_crc OR this_cnt <> master_cnt OR ISNULL(this_crc) <> ISNULL(master_crc)), 0)
		FROM percona.checksums WHERE db = ? AND tbl = ?`, database, p.table.Table).Scan(&rows, &different)
	if err == nil && (rows != p.o.rows || different != 0) {
		err = fmt.Errorf("it compared %d of %d rows, %d chunks differ", rows, p.o.rows, different)
	}
	if err != nil {
		return fmt.Errorf("pt-table-checksum on new: %w", err)
	}
	return nil
}
