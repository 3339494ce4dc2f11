package measure

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/gate"
)

// Metrics of health. Rates of new are taken over the period, those of old over its whole life, so that the baseline is
// that of the time when old had the load.
const (
	metricErrors      = "error_log_errors"       // entries of the error log per hour
	metricReplication = "replication_errors"     // channels that do not run, or pass over errors, the most at once
	metricLag         = "replication_lag"        // seconds, now: a replica that has caught up again is well
	metricThreads     = "threads_running"        // the most seen at once
	metricDeadlocks   = "deadlocks"              // per hour
	metricSlow        = "slow_queries_per_query" // slow queries of all queries
	counterPrefix     = "counter:"               // raw counters of new, for the next measurement to subtract
)

// What is allowed above old's baseline. Twice is a change that shows; the floors keep a quiet old from making a single
// event on new a fault.
const (
	factor         = 2.0
	floorErrors    = 1.0
	floorThreads   = 20.0
	floorDeadlocks = 6.0
	floorSlow      = 0.01
)

// counters are what a server counts since it was started.
type counters map[string]float64

const (
	counterUptime    = "uptime"
	counterQuestions = "questions"
	counterSlow      = "slow_queries"
	counterDeadlocks = "deadlocks"
)

// adder adds a measure by its name, old's value, new's, what is allowed at least, whether it was measured, and what it needs
// else.
type adder func(name string, old, fresh, floor float64, measured bool, need string)

// health measures new over the plan's watch period.
func (m *measurement) health(ctx context.Context) (gate.Content, error) {
	before, err := count(ctx, m.old)
	if err != nil {
		return nil, err
	}
	now, err := count(ctx, m.new)
	if err != nil {
		return nil, err
	}
	taken := m.now()
	base, since, ok := m.healthBase(taken, now)
	if !ok {
		since = taken
	}
	out := gate.Health{Since: since}
	add := func(name string, old, fresh, floor float64, measured bool, need string) {
		x := gate.Metric{Name: name, Old: old, New: fresh, Limit: max(factor*old, floor), Measured: measured}
		x.Bad = measured && x.New > x.Limit
		if !measured {
			x.Need = need
		}
		out.Metrics = append(out.Metrics, x)
	}
	lived := max(before[counterUptime], 1)
	period := max(taken.Sub(since).Seconds(), 1)

	_, oldKnown := before[counterSlow]
	_, newKnown := now[counterSlow]
	add(metricSlow, ratio(before[counterSlow], before[counterQuestions]),
		ratio(now[counterSlow]-base[counterSlow], now[counterQuestions]-base[counterQuestions]), floorSlow, ok && oldKnown && newKnown, "")
	_, oldKnown = before[counterDeadlocks]
	_, newKnown = now[counterDeadlocks]
	need := ""
	for _, side := range []struct {
		name  string
		known bool
		s     *cluster.Server
	}{{nodeOld, oldKnown, m.old}, {nodeNew, newKnown, m.new}} {
		if !side.known {
			need += gate.Then + "on " + side.name + ": " + side.s.Grant("PROCESS") + gate.Then + "SET GLOBAL innodb_monitor_enable = 'lock_deadlocks'"
		}
	}
	add(metricDeadlocks, before[counterDeadlocks]*3600/lived, (now[counterDeadlocks]-base[counterDeadlocks])*3600/max(period, 3600),
		floorDeadlocks, ok && oldKnown && newKnown, strings.TrimPrefix(need, gate.Then))
	if err := m.moments(ctx, since, now, add); err != nil {
		return nil, err
	}
	if err := m.errorLog(ctx, since, taken, add); err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(now) {
		out.Metrics = append(out.Metrics, gate.Metric{Name: counterPrefix + name, Old: before[name], New: now[name], Measured: true})
	}
	return out, nil
}

func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// count reads a server's counters; those that it does not show are left out.
func count(ctx context.Context, s *cluster.Server) (counters, error) {
	got, err := status(ctx, s, "Uptime", "Questions", "Slow_queries", "Innodb_deadlocks")
	if err != nil {
		return nil, err
	}
	out := counters{}
	put := func(name, text string) {
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			out[name] = n
		}
	}
	put(counterUptime, got["uptime"])
	put(counterQuestions, got["questions"])
	put(counterSlow, got["slow_queries"])
	put(counterDeadlocks, got["innodb_deadlocks"])
	if _, ok := out[counterDeadlocks]; !ok {
		list, err := optional(ctx, s, "count deadlocks", "SELECT count AS n FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks' AND status = 'enabled'")
		if err != nil {
			return nil, err
		}
		if len(list) == 1 {
			put(counterDeadlocks, list[0]["n"])
		}
	}
	return out, nil
}

// healthBase is the measurement that the period begins with: the newest that is at least the plan's watch period old, or
// the oldest there is, as long as new was not started anew, nor its counters set back.
func (m *measurement) healthBase(taken time.Time, now counters) (base counters, since time.Time, ok bool) {
	started := taken.Add(-time.Duration(now[counterUptime]) * time.Second)
	for _, e := range m.past(gate.KindHealth) {
		c := countersOf(e)
		if e.Plan != m.r.Plan.Hash() || len(c) == 0 || e.Taken.Before(started) || now[counterQuestions] < c[counterQuestions] || now[counterSlow] < c[counterSlow] {
			continue
		}
		if !ok || !e.Taken.After(taken.Add(-m.r.Plan.Limits.WatchPeriod)) {
			base, since, ok = c, e.Taken, true
		}
	}
	return base, since, ok
}

func countersOf(e gate.Evidence) counters {
	out := counters{}
	h, _ := e.Content.(gate.Health)
	for _, x := range h.Metrics {
		if name, isCounter := strings.CutPrefix(x.Name, counterPrefix); isCounter {
			out[name] = x.New
		}
	}
	return out
}

// moments adds what is true at a moment only: the worst of all measurements of the period counts. What was seen now goes
// to the counters, so that later measurements know it.
func (m *measurement) moments(ctx context.Context, since time.Time, now counters, add adder) error {
	broken, lag, known, err := channelHealth(ctx, m.new)
	if err != nil {
		return err
	}
	running, err := m.new.ThreadsRunning(ctx)
	if err != nil {
		return err
	}
	oldRunning, err := m.old.ThreadsRunning(ctx)
	if err != nil {
		return err
	}
	now[metricThreads] = float64(running)
	if known {
		now[metricReplication] = broken
	}
	busy := float64(oldRunning)
	for _, e := range m.past(gate.KindHealth) {
		h, _ := e.Content.(gate.Health)
		for _, x := range h.Metrics {
			if x.Name == metricThreads {
				busy = max(busy, x.Old)
			}
		}
		if c := countersOf(e); !e.Taken.Before(since) {
			broken, running = max(broken, c[metricReplication]), max(running, int(c[metricThreads]))
		}
	}
	grant := "REPLICATION CLIENT"
	if m.new.Facts().IsMariaDB() {
		grant = "SLAVE MONITOR"
	}
	grant = "on new: " + m.new.Grant(grant)
	add(metricReplication, 0, broken, 0, known, grant)
	add(metricLag, 0, lag, m.r.Plan.Limits.MaxLag.Seconds(), known, grant)
	add(metricThreads, busy, float64(running), floorThreads, true, "")
	return nil
}

// channelHealth is how many channels of a server do not run or pass over errors, and by how many seconds the slowest of the
// others is behind.
func channelHealth(ctx context.Context, s *cluster.Server) (broken, lag float64, known bool, err error) {
	list, err := s.Channels(ctx)
	if cluster.IsPermission(err) {
		return 0, 0, false, nil
	}
	for _, c := range list {
		if !c.Running() || c.IOErrno != 0 || c.SQLErrno != 0 || passesOver(c) {
			broken++
		}
		if c.LagSeconds != nil {
			lag = max(lag, float64(*c.LagSeconds))
		}
	}
	return broken, lag, err == nil, err
}

// errorLog adds the errors in new's error log, where the server shows it: MySQL from 8.0.22 on.
func (m *measurement) errorLog(ctx context.Context, since, taken time.Time, add adder) error {
	f := m.new.Facts()
	if f.IsMariaDB() || !f.AtLeast(8, 0, 22) {
		return nil // it has no table of it, so there is nothing to measure
	}
	fresh, known, err := errorsLogged(ctx, m.new, taken.Sub(since))
	if err != nil {
		return err
	}
	old, lived := 0.0, 24*time.Hour
	if of := m.old.Facts(); !of.IsMariaDB() && of.AtLeast(8, 0, 22) {
		if old, _, err = errorsLogged(ctx, m.old, lived); err != nil {
			return err
		}
	}
	need := ""
	switch {
	case !f.PerformanceSchema:
		need = "write performance_schema = ON into the option file of new, and restart it"
	case !known:
		need = "on new: performance_schema.error_log must hold the error log: see log_error_services"
	}
	add(metricErrors, old/lived.Hours(), fresh/max(taken.Sub(since).Hours(), 1), floorErrors, known && taken.After(since), need)
	return nil
}

func errorsLogged(ctx context.Context, s *cluster.Server, within time.Duration) (n float64, known bool, err error) {
	list, err := optional(ctx, s, "read the error log", fmt.Sprintf("SELECT COUNT(*) AS all_lines, "+
		"COALESCE(SUM(PRIO = 'Error' AND LOGGED > NOW(6) - INTERVAL %d SECOND), 0) AS n FROM performance_schema.error_log", int64(within.Seconds())+1))
	if err != nil || len(list) != 1 {
		return 0, false, err
	}
	count, ok := list[0].int("n")
	// Each start leaves lines: an empty table is one that is not kept.
	return float64(count), ok && list[0]["all_lines"] != "0", nil
}
