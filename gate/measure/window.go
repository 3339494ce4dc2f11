package measure

import (
	"context"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/gate"
)

// shutSince is from when on old is known to be read only: since the settings were made, where the server keeps that;
// else since the first of an unbroken row of measurements. A server does not tell a setting that was made again from one
// that was changed and changed back; where old, which has run on, stands at the place that it stood at before, nothing was
// written in between, and it is one window.
func (m *measurement) shutSince(ctx context.Context, begin time.Time, p gtid.Position) (time.Time, error) {
	// The statement's answer and our clock lie a little apart each time.
	const jitter = time.Second
	known := false
	asked, ago, err := m.quickly(func() (time.Duration, error) {
		set, told, setErr := lastSet(ctx, m.old, "read_only", "super_read_only")
		known = told
		return set, setErr
	})
	if err == nil && !known {
		asked, ago, err = m.quickly(func() (time.Duration, error) { return uptime(ctx, m.old) })
	}
	if err != nil {
		return begin, err
	}
	since, started := begin, asked.Add(-ago)
	if known {
		since = started
	}
	c, e, ok := newest[gate.ReadOnly](m)
	switch {
	case !ok || !c.ReadOnly || !c.SuperReadOnly || c.Since.IsZero():
	case known && since.After(c.Since.Add(jitter)): // it was set again since then
		up, err := uptime(ctx, m.old)
		if err != nil {
			return begin, err
		}
		if c.OldT1 != "" && c.OldT1 == c.OldT2 && exact(p) == c.OldT2 && m.now().Add(-up).Before(e.Taken.Add(-jitter)) {
			since = c.Since
		}
	case !known && started.After(e.Taken.Add(-jitter)): // it was started anew since then
	case !known || since.After(c.Since.Add(-jitter)):
		since = c.Since
	}
	return since, nil
}

// quickly asks how long ago something was, again where the answer took its time, since then nobody knows when it was meant.
// It returns when the quickest answer came, and the answer.
func (m *measurement) quickly(ask func() (time.Duration, error)) (time.Time, time.Duration, error) {
	const quick, tries = 100 * time.Millisecond, 5
	var at time.Time
	var ago, best time.Duration
	for i := range tries {
		begin := m.now()
		answer, err := ask()
		if err != nil {
			return at, ago, err
		}
		now := m.now()
		if took := now.Sub(begin); i == 0 || took < best {
			best, at, ago = took, now, answer
		}
		if best <= quick {
			break
		}
	}
	return at, ago, nil
}

// lastSet is how long ago the newest of a server's settings was made. known is false where it does not keep that.
func lastSet(ctx context.Context, s *cluster.Server, names ...string) (ago time.Duration, known bool, err error) {
	f := s.Facts()
	if f.IsMariaDB() || !f.AtLeast(8, 0, 0) {
		return 0, false, nil
	}
	list, err := optional(ctx, s, "read when "+names[0]+" was set", "SELECT VARIABLE_SOURCE AS source, TIMESTAMPDIFF(MICROSECOND, SET_TIME, NOW(6)) AS ago "+
		"FROM performance_schema.variables_info WHERE VARIABLE_NAME IN ('"+strings.Join(names, "','")+"')")
	if err != nil {
		return 0, false, err
	}
	for _, r := range list {
		if n, ok := r.int("ago"); ok && r["source"] == "DYNAMIC" && n >= 0 {
			if d := time.Duration(n) * time.Microsecond; !known || d < ago {
				ago, known = d, true
			}
		}
	}
	return ago, known, nil
}

// windowStart is t1 of the window that is open since a moment, and old's position at it.
func (m *measurement) windowStart(since time.Time) (time.Time, string) {
	c, _, ok := newest[gate.ReadOnly](m)
	if !ok || !c.ReadOnly || !c.SuperReadOnly || c.T1.IsZero() || c.OldT1 == "" || since.After(c.T1) {
		return time.Time{}, ""
	}
	return c.T1, c.OldT1
}
