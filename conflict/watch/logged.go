package watch

import (
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// txKey names a transaction in the logs of all servers that hold it: by its GTID, or where it has none by what it did.
type txKey struct {
	From   uint64 `json:"f"`
	Number uint64 `json:"n"`
}

// part is what a transaction did to one table, or one statement that is no change of rows.
type part struct {
	Table     string `json:"t,omitempty"` // by cluster.Table.FullName; "" for a statement
	Statement string `json:"s,omitempty"` // its first words
	Layout    uint64 `json:"l,omitempty"`
	Rows      int    `json:"r,omitempty"`
	Sum       uint64 `json:"x,omitempty"` // of the rows' sums, in any order; of a statement's text
	Odd       string `json:"o,omitempty"` // why it cannot be compared
}

// logged is a transaction as one log holds it.
type logged struct {
	Key   txKey  `json:"k"`
	GTID  string `json:"g,omitempty"`
	Parts []part `json:"p"`
	// Changes are its rows, to name those that differ; nil where they are too many to be kept.
	changes []binlog.Change
	mark    binlog.Mark
	seq     uint64 // its place in the order of reading
	holders int    // copies that wait for it
	bytes   int64
}

func (l *logged) rows() (n int) {
	for i := range l.Parts {
		n += l.Parts[i].Rows
	}
	return n
}

// name is how a transaction is told to a reader.
func (l *logged) name() string {
	switch {
	case l.GTID != "":
		return l.GTID
	case !l.mark.File.IsZero():
		return "the transaction that ends at " + l.mark.File.String()
	}
	return "a transaction without GTID"
}

// maxNamedRows is how many rows of a transaction are kept to name those that differ.
const maxNamedRows = 1000

// digester makes a log's transactions comparable with those of another server's log.
type digester struct {
	within func(schema, table string) bool
	cur    *logged
	many   bool
	last   binlog.Change // its names are those of full
	full   string
}

// add takes the next transaction, or a part of one, and returns it when it is whole and did something that counts.
func (d *digester) add(tx *binlog.Transaction, bytes int64) *logged {
	switch {
	case tx.Aborted:
		d.cur = nil
		return nil
	case tx.Heartbeat:
		return nil
	case d.cur == nil:
		d.cur, d.many = &logged{}, false
	}
	l := d.cur
	l.bytes += bytes
	for i := range tx.Changes {
		d.change(&tx.Changes[i])
	}
	if n := len(tx.Changes); n > 0 {
		if d.many = d.many || len(l.changes)+n > maxNamedRows; d.many {
			l.changes = nil
		} else if l.changes == nil {
			l.changes = tx.Changes[:n:n]
		} else {
			l.changes = append(l.changes, tx.Changes...)
		}
	}
	for i := range tx.DDL {
		d.statement(&tx.DDL[i])
	}
	for _, x := range tx.Incidents {
		table := ""
		if x.Table != "" {
			table = fullName(binlog.TableName{Schema: x.Schema, Table: x.Table})
		}
		l.Parts = append(l.Parts, part{Table: table, Statement: "?", Odd: x.Detail})
	}
	if !tx.Last {
		return nil
	}
	d.cur = nil
	if tx.XA == binlog.XACommitted || tx.XA == binlog.XARolledBack { // its rows came with its preparation
		l.Parts = append(l.Parts, part{Statement: "XA", Sum: xxh3.HashString(tx.XID) + uint64(tx.XA)})
	}
	if len(l.Parts) == 0 {
		return nil
	}
	l.GTID, l.mark = tx.GTID, tx.Mark
	l.Key = keyOf(tx, l)
	return l
}

func (d *digester) change(c *binlog.Change) {
	l := d.cur
	if c.Table != d.last.Table || c.Schema != d.last.Schema || d.full == "" {
		d.last.Table, d.last.Schema = c.Table, c.Schema
		d.full = fullName(binlog.TableName{Schema: c.Schema, Table: c.Table})
	}
	at := len(l.Parts) - 1
	layout := c.Layout()
	if at < 0 || l.Parts[at].Table != d.full || l.Parts[at].Layout != layout {
		at = slices.IndexFunc(l.Parts, func(p part) bool { return p.Table == d.full && p.Layout == layout && p.Statement == "" })
	}
	if at < 0 {
		at = len(l.Parts)
		l.Parts = append(l.Parts, part{Table: d.full, Layout: layout})
	}
	p := &l.Parts[at]
	p.Rows++
	p.Sum += c.Sum
	if c.Partial {
		p.Odd = "its rows are not logged with all columns"
	}
}

// statement counts a statement that may touch what is watched.
func (d *digester) statement(ddl *binlog.DDL) {
	effect := ddl.Effect()
	if !effect.Within(d.within) {
		return
	}
	d.cur.Parts = append(d.cur.Parts, part{Statement: effect.Words, Sum: xxh3.HashString(ddl.Schema + "\x00" + ddl.Statement)})
}

// keyOf names a transaction. Without a GTID its content does, with when its first statement began.
func keyOf(tx *binlog.Transaction, l *logged) txKey {
	switch m := tx.Mark; {
	case m.MySQL.Number > 0:
		u := m.MySQL.Source.UUID
		return txKey{xxh3.HashStringSeed(m.MySQL.Source.Tag, xxh3.Hash(u[:])), m.MySQL.Number}
	case m.MariaDB.Seq > 0:
		return txKey{uint64(m.MariaDB.Domain)<<32 | uint64(m.MariaDB.Server), m.MariaDB.Seq}
	}
	var b []byte
	add := func(n uint64) { b = binary.LittleEndian.AppendUint64(b, n) }
	add(uint64(tx.ServerID))
	if len(tx.Changes) > 0 {
		add(uint64(tx.Changes[0].Began))
	}
	for i := range l.Parts {
		p := &l.Parts[i]
		b = append(append(b, p.Table...), p.Statement...)
		add(p.Layout)
		add(uint64(p.Rows))
		add(p.Sum)
	}
	return txKey{From: xxh3.Hash(b)}
}

// anonymous tells that a transaction has no name but what it did.
func anonymous(m binlog.Mark) bool { return m.MySQL.Number == 0 && m.MariaDB.Seq == 0 }

// contains tells whether a position covers a transaction for sure.
func contains(p gtid.Position, m binlog.Mark) bool {
	in, ok := m.Before(p)
	return ok && in
}
