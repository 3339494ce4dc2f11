package measure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/gate"
)

// logWindow is how much of a node's newest log is compared, in bytes.
const logWindow = 64 << 20

// maxAlarms bounds how many alarms are listed.
const maxAlarms = 20

func (m *measurement) converter(ctx context.Context) (gate.Content, error) {
	out := gate.Converter{}
	for _, n := range m.nodes() {
		a, channels, of, err := assigners(ctx, n.server)
		if err != nil {
			return nil, err
		}
		if a == assignsUnknown {
			return nil, fmt.Errorf("%s does not show whether its channels assign GTIDs: on %s: %s", n.name, n.name, n.server.Grant("SELECT"))
		}
		node := gate.ConverterNode{Name: n.name, UUID: n.server.Facts().ServerUUID, Reachable: true, Assigns: a == assignsGTIDs, Channels: channels, Of: of}
		if n.name == nodeNew && len(channels) > 0 {
			if node.FromOld, err = m.fromOld(ctx, n.server, channels); err != nil {
				return nil, err
			}
		}
		out.Nodes = append(out.Nodes, node)
	}
	if m.conv == nil {
		if m.given != nil {
			out.Nodes = append(out.Nodes, gate.ConverterNode{Name: nodeConverter, UUID: m.given.Facts().ServerUUID})
		}
		return out, nil
	}
	b := book{old: m.old.Facts().ServerID, conv: logOf{}, new: logOf{}}
	// What could not be read is not compared; what was read is true all the same. New's log comes first: whatever came to new
	// by way of the converter is in the converter's when that is read.
	for _, x := range []struct {
		node
		into logOf
	}{{node{nodeNew, m.new}, b.new}, {node{nodeConverter, m.conv}, b.conv}} {
		behind, err := m.read(ctx, x.node, x.into)
		if err != nil {
			return nil, err
		}
		if !behind.IsZero() {
			if out.From == nil {
				out.From = map[string]string{}
			}
			out.From[x.name] = behind.String()
		}
	}
	p, ok, err := position(ctx, m.conv)
	if err != nil {
		return nil, err
	}
	if !ok {
		return out, nil
	}
	out.Compared, out.Alarms = b.judge(p.MySQL)
	return out, nil
}

// fromOld are those of a server's channels that read from old itself.
func (m *measurement) fromOld(ctx context.Context, s *cluster.Server, names []string) ([]string, error) {
	list, err := s.Channels(ctx)
	if err != nil {
		return nil, err
	}
	f := m.old.Facts()
	var out []string
	for _, c := range list {
		of := c.SourceUUID != "" && c.SourceUUID == f.ServerUUID || c.SourceServerID != 0 && c.SourceServerID == f.ServerID
		if of && slices.Contains(names, c.Name) {
			out = append(out, c.Name)
		}
	}
	return out, nil
}

// refusedAfter is how long a server may send nothing. A log that holds anonymous transactions is not sent by a server that has
// GTIDs, however often it is asked.
const refusedAfter = 2 * time.Second

// read takes the fingerprints of the newest part of a node's log, as far as it can be read. Where anonymous transactions are in
// its way it goes on behind them, and returns where; zero if it did not need to. What comes before them is read each time: it
// may hold a transaction that has two GTIDs.
func (m *measurement) read(ctx context.Context, n node, into logOf) (behind gtid.Position, err error) {
	to, known, err := position(ctx, n.server)
	if err != nil || !known || n.server.Facts().IsMariaDB() {
		return behind, err
	}
	from, err := m.recent(ctx, n)
	if err != nil || from.IsZero() {
		return behind, err
	}
	ok, err := prints(ctx, n.server, from, to, into)
	if err != nil || ok {
		return behind, err
	}
	next, err := behindAnonymous(ctx, n.server, from)
	if err != nil || next.IsZero() {
		return behind, err
	}
	_, err = prints(ctx, n.server, next, to, into)
	return next, err
}

// prints takes the fingerprints of a piece of log. ok is false if it could not be read to its end.
func prints(ctx context.Context, s *cluster.Server, from, to gtid.Position, into logOf) (ok bool, err error) {
	cur := newBuilder()
	return readLogFor(ctx, s, from, to, refusedAfter, nil, func(tx *binlog.Transaction) error {
		if tx.Aborted || tx.Part == 0 {
			cur = newBuilder()
		}
		if tx.Aborted {
			return nil
		}
		cur.add(tx)
		if tx.Last {
			if p, ok := cur.print(tx); ok {
				into[tx.GTID] = p
			}
		}
		return nil
	})
}

// behindAnonymous is the first place in a log, from a place on, that no anonymous transaction is behind; zero if there is none
// in it, or the log cannot be listed.
func behindAnonymous(ctx context.Context, s *cluster.Server, from gtid.Position) (gtid.Position, error) {
	files, err := query(ctx, s.DB(), "SHOW BINARY LOGS")
	if err != nil {
		return gtid.Position{}, s.Explain("list the binary logs", err)
	}
	var out gtid.Position
	wait := false // for the first transaction behind an anonymous one
	for _, f := range files {
		name := f["log_name"]
		if name < from.File.File {
			continue
		}
		events, err := query(ctx, s.DB(), "SHOW BINLOG EVENTS IN '"+name+"'") // a name that the server gave
		if err != nil {
			return gtid.Position{}, s.Explain("list the events of a binary log", err)
		}
		for _, e := range events {
			pos, ok := e.int("pos")
			end, okEnd := e.int("end_log_pos")
			if !ok || !okEnd {
				continue
			}
			switch e["event_type"] {
			case "Anonymous_Gtid":
				wait = true
			case "Gtid":
				if wait {
					out, wait = gtid.Position{Kind: gtid.File, File: gtid.FilePos{File: name, Pos: uint64(pos)}}, false
				}
			}
			if wait {
				out = gtid.Position{Kind: gtid.File, File: gtid.FilePos{File: name, Pos: uint64(end)}}
			}
		}
	}
	return out, nil
}

// recent is where the newest part of a node's log begins: at the head of a file, or where an earlier measurement ended.
func (m *measurement) recent(ctx context.Context, n node) (gtid.Position, error) {
	files, err := query(ctx, n.server.DB(), "SHOW BINARY LOGS")
	if lacks(err) {
		return gtid.Position{}, nil
	}
	if err != nil {
		return gtid.Position{}, n.server.Explain("list the binary logs", err)
	}
	name, left := "", int64(logWindow)
	for i := len(files) - 1; i >= 0; i-- {
		size, ok := files[i].int("file_size")
		if left -= size; !ok || left < 0 {
			break
		}
		name = files[i]["log_name"]
	}
	if name != "" {
		const behindMagic = 4
		return gtid.Position{Kind: gtid.File, File: gtid.FilePos{File: name, Pos: behindMagic}}, nil
	}
	if _, e, ok := newest[gate.Converter](m); ok && !at(e, n.name).IsZero() {
		return at(e, n.name), nil
	}
	// One file alone is too large: the next measurement begins here.
	p, _, err := position(ctx, n.server)
	return p, err
}

// logOf holds the fingerprints of a log by GTID.
type logOf map[string]print

// book compares two logs.
type book struct {
	old       uint32 // old's server_id, which its transactions keep on all nodes
	conv, new logOf
}

// judge finds what one converter alone cannot have done. executed is all that the converter has by now.
//
//   - One GTID names two transactions: their original server, their original time or their rows differ.
//   - One transaction has two GTIDs.
//   - A transaction of old has a GTID on new that the converter does not have: something else gave it.
func (b book) judge(executed gtid.Set) (compared int64, alarms []string) {
	var out alarmList
	names := map[string]string{} // GTID by full fingerprint
	for _, log := range []logOf{b.conv, b.new} {
		for name, p := range log {
			key := p.full()
			if key == "" {
				continue
			}
			if other, ok := names[key]; ok && other != name {
				out.add(fmt.Sprintf("one transaction of the server %d has two GTIDs: %s and %s", p.server, min(name, other), max(name, other)))
			}
			names[key] = name
		}
	}
	for name, onNew := range b.new {
		if g, err := gtid.ParseGTID(name); err == nil && onNew.server == b.old && !executed.Has(g) {
			out.add(fmt.Sprintf("%s is a transaction of old and has a GTID that the converter does not have", name))
		}
		onConv, ok := b.conv[name]
		if !ok {
			continue
		}
		if onConv.rows > 0 && onNew.rows > 0 {
			compared++
		}
		if why := onConv.differs(onNew); why != "" {
			out.add(fmt.Sprintf("%s names two transactions: %s", name, why))
		}
	}
	return compared, out.list()
}

// alarmList keeps the first few in a fixed order.
type alarmList struct{ all map[string]bool }

func (a *alarmList) add(text string) {
	if a.all == nil {
		a.all = map[string]bool{}
	}
	a.all[text] = true
}

func (a *alarmList) list() []string {
	out := sortedKeys(a.all)
	if len(out) > maxAlarms {
		out = append(out[:maxAlarms:maxAlarms], fmt.Sprintf("and %d more", len(out)-maxAlarms))
	}
	return out
}
