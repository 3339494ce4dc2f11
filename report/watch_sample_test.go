package report

import (
	"slices"
	"time"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// setKey gives a finding its key; "\x00" stands for NULL.
func setKey(f *conflict.Finding, columns []string, values ...string) {
	f.Index = columns
	f.Key = slices.Grow(f.Key, len(values))[:len(values)] // the values' type is of a package that report does not import
	for i, v := range values {
		if v == "\x00" {
			f.Key[i].State = 1
			continue
		}
		f.Key[i].Text = []byte(v)
	}
}

// setAfter gives an act an after-image.
func setAfter(a *conflict.Act, columns []string, values ...string) {
	var f conflict.Finding
	setKey(&f, nil, values...)
	a.Columns, a.After = columns, f.Key
}

func place(file string, pos uint64, gtid string) conflict.Place {
	var p conflict.Place
	p.File.File, p.File.Pos, p.GTID = file, pos, gtid
	return p
}

func sampleFindings() []conflict.Finding {
	at := started.Add(90 * time.Second)
	one := conflict.Finding{
		ID: "0123456789abcdef0123456789abcdef", Kind: conflict.UpdateUpdate, Table: "shop.orders",
		Old: &conflict.Act{Place: place("binlog.000003", 1570, "aaaa:5"), Thread: 42, CommitTime: at, Table: "shop.orders", Op: 2},
		New: &conflict.Act{Place: place("mysql-bin.000001", 99, "bbbb:7"), Thread: 8, CommitTime: at.Add(1234567), Table: "shop.orders", Op: 2},
	}
	setKey(&one, []string{"id"}, "4711")
	one.Old.KeyColumns, one.Old.Key, one.New.KeyColumns, one.New.Key = one.Index, one.Key, one.Index, one.Key
	setAfter(one.Old, []string{"id", "name", "note"}, "4711", "Secret Name", "\x00")
	setAfter(one.New, []string{"id", "name", "note"}, "4711", "12.50", "\xff\xfe")
	two := conflict.Finding{
		ID: "1123456789abcdef0123456789abcdef", Kind: conflict.InsertInsertUnique, Table: "shop.客户名单", More: [][]string{{"a", "b"}},
		Old:      &conflict.Act{Place: place("binlog.000003", 2000, ""), CommitTime: at, Table: "shop.客户名单", Op: 1, Dropped: true},
		New:      &conflict.Act{Place: place("mysql-bin.000001", 120, ""), Table: "shop.客户名单", Op: 1, Dropped: true},
		Possible: true,
	}
	setKey(&two, []string{"name", "region"}, "中文名字很长很长很长很长很长很长很长很长很长很长", "\x00")
	three := conflict.Finding{
		ID: "2123456789abcdef0123456789abcdef", Kind: conflict.WrongStepKey, Table: "shop.orders",
		New:     &conflict.Act{Place: place("mysql-bin.000001", 150, ""), Thread: 77, Table: "shop.orders", Op: 1},
		Session: &conflict.Session{Thread: 77, User: "app", Host: "10.0.0.5:40122", Step: conflict.Step{Increment: 1, Offset: 1}},
		Advice:  "KILL 77", Detail: "new's step is increment 2, offset 2: the key leaves 1",
	}
	setKey(&three, []string{"id"}, "10001")
	four := conflict.Finding{ID: "3123456789abcdef0123456789abcdef", Kind: conflict.DeleteDelete, Table: "shop.orders", Old: one.Old, New: one.New}
	setKey(&four, []string{"id"}, "12")
	five := conflict.Finding{
		ID: "4123456789abcdef0123456789abcdef", Kind: conflict.Unjudged, Reason: conflict.ReasonGap,
		Detail: "old's log from binlog.000001:4 to binlog.000002:4 was purged", Old: &conflict.Act{Place: place("binlog.000002", 4, "")},
	}
	return []conflict.Finding{one, two, three, four, five}
}

func sampleStatus() watch.Status {
	zero := int64(0)
	s := watch.Status{
		At: started.Add(12*time.Minute + 3*time.Second), Started: started, Since: started.Add(-26 * time.Hour), Verdict: watch.Clean,
		Resumed: true, Final: true, Base: &watch.Base{Run: 3, Finished: started.Add(-27 * time.Hour), Tables: 12, Rows: 12_345_678},
		Findings: map[conflict.Kind]uint64{}, Pairs: map[conflict.Kind]uint64{},
	}
	s.Sides[0] = watch.SideStatus{
		Label: "old", Addr: "10.0.0.1:3306", UUID: "aaaa", Version: "5.7.44-log", Position: "aaaa:1-120034,bbbb:1-88", Read: true,
		Lag: 180 * time.Millisecond, TransactionsPerSecond: 1234.5, ChangesPerSecond: 45678.9, Step: conflict.Step{Increment: 2, Offset: 1},
		Sessions: 112, Applier: "running", ApplierLag: &zero,
	}
	s.Sides[1] = watch.SideStatus{
		Label: "new", Addr: "10.0.0.2:3306", UUID: "bbbb", Version: "8.4.5", Position: "aaaa:1-120030,bbbb:1-91", Read: true,
		Lag: 20 * time.Millisecond, TransactionsPerSecond: 3, ChangesPerSecond: 3.2, Step: conflict.Step{Increment: 2, Offset: 2},
		Sessions: 4, Applier: "running", ApplierLag: &zero, Reconnects: 1,
	}
	s.Account.Sides[0] = conflict.SideCount{Transactions: 12_000, Changes: 3_200_100, Verified: 3_200_088}
	s.Account.Sides[1] = conflict.SideCount{Transactions: 90, Changes: 91, Verified: 91, Echoes: 11_990, Echoed: 3_200_088}
	s.Account.Waiting = [2]int{12, 0}
	s.Account.Through = [2]conflict.Place{place("binlog.000003", 1570, ""), place("mysql-bin.000001", 99, "")}
	s.Account.Memory = 34 << 20
	return s
}

func failedStatus() watch.Status {
	s := sampleStatus()
	s.Verdict, s.Reason = watch.Failed, "4 findings fail"
	s.Findings = map[conflict.Kind]uint64{
		conflict.UpdateUpdate: 1, conflict.InsertInsertUnique: 1, conflict.WrongStepKey: 1200, conflict.DeleteDelete: 1, conflict.Unjudged: 1,
	}
	s.Pairs = map[conflict.Kind]uint64{conflict.UpdateUpdate: 900}
	lag := int64(94)
	s.Sides[0].Applier, s.Sides[0].ApplierLag = "SQL thread stopped: error 1062", nil
	s.Sides[1].ApplierLag, s.Sides[1].Read = &lag, false
	s.Sides[1].Stale = []conflict.Session{{Thread: 77, User: "app", Host: "10.0.0.5:40122", Step: conflict.Step{Increment: 1, Offset: 1}}}
	s.Rows = watch.Rechecks{Open: 1, Equal: 3, Differ: 1}
	s.Account.Sides[0].Explained, s.Account.Sides[1].Unjudged = 2, 3
	s.Health = []watch.Trouble{
		{ID: watch.TroubleStopped, Side: conflict.Old, Detail: "the applier stopped at error 1062 in table shop.orders", Advice: "compare the row, then START REPLICA", Since: started.Add(4 * time.Minute)},
		{ID: watch.TroubleLag, Side: conflict.New, Detail: "94 s behind"},
	}
	s.Nodes = []watch.Node{
		{Label: "old-1", Addr: "10.0.0.3:3306", Watched: true, Reached: true, UUID: "cccc", Version: "5.7.44", Lag: &lag, ReadOnly: true, Sessions: 7},
		{Label: "new-1", Side: conflict.New, Addr: "10.0.0.4:3306", Watched: true, Trouble: "connection refused"},
		{Label: "new-2", Side: conflict.New, Addr: "10.0.0.5:3306", Reached: true, UUID: "dddd", Version: "8.4.5"},
	}
	s.Forecast = []string{"new: 1 stale session will go on making keys of another step, about 2 a second, the next within 1s"}
	s.Blind = []string{"old: blind from binlog.000001:4 to binlog.000002:4"}
	return s
}

func undecidedStatus() watch.Status {
	s := sampleStatus()
	s.Verdict, s.Reason, s.Base, s.Resumed, s.Since = watch.Undecided, "new does not replicate from old", nil, false, s.Started
	s.Sides[1].Applier = "does not replicate from old"
	s.Unverified = []string{"shop.notes", "shop.orders"}
	s.Scopes = []watch.Scope{{Since: s.Started, Include: []string{"shop.c*"}}, {Since: s.Started.Add(time.Hour), Exclude: []string{"shop.log"}}}
	s.Copies = []watch.CopyStatus{
		{Label: "old-1", State: watch.CopyVerified, Base: 8, Verified: 41, Through: s.At},
		{
			Label: "new-1", Side: conflict.New, State: watch.CopyDoubted, Base: 9, Verified: 40, Doubted: 1, Through: s.At, Reason: "shop.t id=5: missing (0-1-7)",
			Doubts: []watch.CopyDoubt{{Table: "shop.t", Columns: []string{"id"}, Key: []string{"5"}, What: "missing", Tx: "0-1-7", Rows: 1}},
		},
		{Label: "new-2", Side: conflict.New, State: watch.CopyPending, Base: 10, Waiting: 3, Reason: "its log is not compared so far"},
	}
	return s
}

// evil tries to steer the terminal, to break lines and cells, and to reorder text.
const evil = "x\x1b[2J\x1b]0;owned\x07\r\n\u009b31m\u202e|`*<b>\xff\t\x00"

func hostileStatus() watch.Status {
	s := failedStatus()
	s.Reason = evil
	for i := range s.Sides {
		x := &s.Sides[i]
		x.Addr, x.Version, x.Position, x.Applier, x.UUID = evil, evil, evil, evil, evil
		x.Stale = []conflict.Session{{User: evil, Host: evil}}
	}
	s.Account.Through[0].GTID = evil
	for i := range s.Health {
		s.Health[i].Detail, s.Health[i].Advice, s.Health[i].ID = evil, evil, evil
	}
	s.Forecast, s.Blind, s.Base.Gap = []string{evil}, []string{evil}, evil
	s.Unverified, s.Scopes = []string{evil}, []watch.Scope{{Include: []string{evil}}, {Exclude: []string{evil}}}
	s.Copies = []watch.CopyStatus{{
		Label: evil, Reason: evil, State: watch.CopyDoubted, Doubted: 1, Unverified: []string{evil},
		Doubts: []watch.CopyDoubt{{Table: evil, Columns: []string{evil}, Key: []string{evil}, What: evil, Tx: evil, Rows: 1}},
	}}
	return s
}

func hostileFindings() []conflict.Finding {
	list := sampleFindings()
	for i := range list {
		f := &list[i]
		f.Table, f.Detail, f.Advice, f.Reason, f.More = evil, evil, evil, evil, [][]string{{evil}}
		f.Session = &conflict.Session{User: evil, Host: evil}
		for _, a := range []*conflict.Act{f.Old, f.New} {
			if a != nil {
				a.Table, a.Place.GTID, a.Place.File.File = evil, evil, evil
				setAfter(a, []string{evil}, evil)
			}
		}
		if i > 1 {
			f.Key = nil
			continue
		}
		setKey(f, []string{evil}, evil)
	}
	return list
}

func documents(list []conflict.Finding, o Options) []WatchFinding {
	out := make([]WatchFinding, 0, len(list))
	for i, f := range list {
		out = append(out, NewWatchFinding(f, started.Add(time.Duration(i)*time.Minute), o))
	}
	return out
}

func watchSamples() map[string]WatchSummary {
	return map[string]WatchSummary{
		"clean":      NewWatchSummary(sampleStatus(), nil),
		"collisions": NewWatchSummary(failedStatus(), documents(sampleFindings(), Options{})),
		"undecided":  NewWatchSummary(undecidedStatus(), nil),
		"hostile":    NewWatchSummary(hostileStatus(), documents(hostileFindings(), Options{})),
		"nothing":    NewWatchSummary(watch.Status{}, nil),
	}
}
