package conflict

import (
	"fmt"
	"strconv"

	"crosscheck/cluster/binlog"
)

// Step is auto_increment_increment with auto_increment_offset.
type Step struct{ Increment, Offset uint64 }

// Residue is the remainder that generated keys leave when divided by the
// increment. ok is false where the step sets none: an increment of 0 or 1, or an
// offset above the increment, which servers ignore.
func (s Step) Residue() (r uint64, ok bool) {
	if s.Increment < 2 || s.Offset > s.Increment || s.Offset == 0 {
		return 0, false
	}
	return s.Offset % s.Increment, true
}

// Fits tells whether a generated key can come from the step.
func (s Step) Fits(key uint64) bool {
	r, ok := s.Residue()
	return !ok || key%s.Increment == r
}

// String prints "increment 2, offset 1".
func (s Step) String() string { return fmt.Sprintf("increment %d, offset %d", s.Increment, s.Offset) }

// stepKey looks at the key that an insert of this side gave.
func (d *Detector) stepKey(s Side, l *layout, c *binlog.Change, tx *binlog.Transaction) {
	st := d.streams[s]
	if l.auto < 0 || c.Kind != binlog.Insert || l.auto >= len(c.After) || c.After[l.auto].State != binlog.Present {
		return
	}
	if _, ok := st.step.Residue(); !ok {
		return
	}
	v := c.After[l.auto]
	key, err := strconv.ParseUint(string(v.Text), 10, 64)
	if err != nil { // a negative key is nobody's generated one
		return
	}
	given, maybe := st.given(l.table.name, c.Began, tx.CommitTime.Unix(), key), st.maybeGiven(l.table.name, c.Began, key)
	if tx.CommitTime.Unix() > 0 {
		st.topsOf(l.table.name).Log.add(topAt{At: tx.CommitTime.Unix(), Key: key})
	}
	if given || st.step.Fits(key) {
		return
	}
	if d.x.identity && d.sameRow(st, c) != 0 {
		return // the transaction deleted this key before: it was given, not generated
	}
	column := l.def.Columns[l.auto].Name
	act := &Act{
		Place: placeOfTx(tx), Thread: tx.ThreadID, CommitTime: tx.CommitTime, Table: l.table.name, Op: c.Kind,
		Columns: l.names, After: c.After.Clone(),
		KeyColumns: []string{column}, Key: []binlog.Value{{Text: append([]byte{}, v.Text...)}},
	}
	f := Finding{
		Kind: WrongStepKey, Table: l.table.name, Index: act.KeyColumns, Key: act.Key, MaybeGiven: maybe,
		Detail: fmt.Sprintf("%s's step is %s: the key leaves %d", s, st.step, key%st.step.Increment),
	}
	if seen, ok := st.sessions[tx.ThreadID]; ok && tx.ThreadID != 0 {
		f.Session = &seen
		f.Advice = kill(seen.Thread)
	}
	if s == Old {
		f.Old = act
	} else {
		f.New = act
	}
	f.ID = findingID(WrongStepKey, f.Table, column, string(v.Text), s.String(), d.firstPlace(s, tx))
	d.emit(f)
}

// firstPlace names the transaction whether or not its last part has come.
func (d *Detector) firstPlace(s Side, tx *binlog.Transaction) string {
	if tx.GTID != "" {
		return tx.GTID
	}
	return d.streams[s].place.id() // where the one before it ended
}

func kill(thread uint64) string { return "KILL " + strconv.FormatUint(thread, 10) }

// sessionsSeen remembers the live sessions and reports those that have another
// step than their server's global one, once per connection and step.
func (d *Detector) sessionsSeen(s Side, e SessionsSeen) {
	st := d.streams[s]
	clear(st.sessions)
	for _, x := range e.Sessions {
		st.sessions[x.Thread] = x
		if x.Step == e.Global || e.Global.Increment == 1 { // a server without steps, as new is once they were set back, has none to keep
			continue
		}
		f := Finding{
			Kind: StaleSession, Session: &x, Advice: kill(x.Thread),
			Detail: fmt.Sprintf("the session has %s, %s's global step is %s", x.Step, s, e.Global),
		}
		act := &Act{Thread: x.Thread, Session: &x, CommitTime: e.At}
		if s == Old {
			f.Old = act
		} else {
			f.New = act
		}
		f.ID = findingID(StaleSession, s.String(), strconv.FormatUint(x.Thread, 10), x.User, x.Host, x.Step.String(), e.Global.String())
		if !d.once[f.ID] {
			d.once[f.ID] = true
			d.emit(f)
		}
	}
}
