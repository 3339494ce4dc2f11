package conflict

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// simNames are the names of the two tables on the servers.
type simNames struct{ t, c binlog.TableName }

var simNamings = []simNames{
	{binlog.TableName{Schema: "s", Table: "t"}, binlog.TableName{Schema: "s", Table: "c"}},
	{binlog.TableName{Schema: "s", Table: "a`b"}, binlog.TableName{Schema: "s", Table: "a"}},
	{binlog.TableName{Schema: "s", Table: "a\"b"}, binlog.TableName{Schema: "s", Table: "b"}},
	{binlog.TableName{Schema: "x.y", Table: "t"}, binlog.TableName{Schema: "x", Table: "y.t"}},
	{binlog.TableName{Schema: "s1", Table: "t"}, binlog.TableName{Schema: "s2", Table: "t"}},
	{binlog.TableName{Schema: "s'", Table: "/* t */"}, binlog.TableName{Schema: "s'", Table: "-- t"}},
	{binlog.TableName{Schema: "таблица", Table: "b\\"}, binlog.TableName{Schema: "таблица", Table: "Ж`"}},
	{binlog.TableName{Schema: "select", Table: "table"}, binlog.TableName{Schema: "select", Table: "if exists"}},
}

func (n *simNames) of(table string) binlog.TableName {
	if table == "t" {
		return n.t
	}
	return n.c
}

// model is the name in the model of a table in a finding.
func (n *simNames) model(full string) string {
	for _, name := range []string{"t", "c"} {
		if at := n.of(name); fullName(at.Schema, at.Table) == full {
			return name
		}
	}
	return full
}

func (s *sim) columns() []cluster.Column {
	return []cluster.Column{
		{Name: "id", DataType: "int"},
		{Name: "email", DataType: "varchar", Nullable: true, Charset: s.opts.alphabet.charset, Collation: s.opts.alphabet.collation},
		{Name: "code", DataType: "int", Nullable: true},
		{Name: "n", DataType: "int", Nullable: true},
	}
}

// simTable is a table of the plainest history.
func simTable(name string) *cluster.Table {
	return (&sim{opts: simOptions{alphabet: &simAlphabets[0], names: &simNamings[0]}}).table(name)
}

func (s *sim) table(name string) *cluster.Table {
	at := s.opts.names.of(name)
	t := &cluster.Table{Schema: at.Schema, Name: at.Table, Columns: s.columns(), Keys: []cluster.Key{
		{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "id"}}},
	}}
	if name == "t" {
		t.Keys = append(
			t.Keys, cluster.Key{Name: "code", Unique: true, Parts: []cluster.KeyPart{{Column: "code"}}},
			cluster.Key{Name: "email", Unique: true, Parts: []cluster.KeyPart{{Column: "email"}}},
		)
	}
	return t
}

func simValue(s string) binlog.Value {
	if s == "" {
		return binlog.Value{State: binlog.Null}
	}
	return binlog.Value{Text: []byte(s)}
}

func simImage(table string, r *simRow) binlog.Row {
	if r == nil {
		return nil
	}
	n := strconv.Itoa(r.n)
	if table == "c" && r.n == 0 {
		n = ""
	}
	return binlog.Row{simValue(strconv.Itoa(r.id)), simValue(r.email.text), simValue(r.code), simValue(n)}
}

// simUUID is a side's server_uuid.
func simUUID(s Side) gtid.UUID { return gtid.UUID{15: byte(s) + 1} }

// streams are the events of both sides, for all who read them.
func (s *sim) streams() [2][]Event {
	if s.read[Old] == nil {
		s.read = [2][]Event{s.events(Old), s.events(New)}
	}
	return s.read
}

// events turns a side's log into the events of its stream. Each tail has its own
// table definitions.
func (s *sim) events(side Side) []Event {
	defs := map[string]*binlog.Table{}
	var out []Event
	define := func(name string) {
		t := s.table(name)
		d := Definition{Table: t}
		if name == "c" {
			d.ForeignKeys = []ForeignKey{{Name: "fk", Columns: []string{"n"}, RefSchema: s.opts.names.t.Schema, RefTable: s.opts.names.t.Table, RefColumns: []string{"id"}}}
		}
		defs[name] = binlog.TableOf(t)
		out = append(out, d)
	}
	define("t")
	define("c")
	stale := false // c is another table since its definition was read
	var set gtid.Set
	rng := rand.New(rand.NewPCG(uint64(len(s.srv[side].log)), uint64(side)))
	for i, item := range s.srv[side].log {
		switch {
		case item.taken > 0:
			out = append(out, FenceTaken{item.taken})
		case item.reached > 0:
			out = append(out, FenceReached{item.reached})
		default:
			if stale && slices.ContainsFunc(item.tx.ops, func(o simOp) bool { return o.table == "c" }) {
				define("c")
				stale = false
			}
			stale = stale || item.tx.ddl != nil && item.tx.ddl.does > truncates
			out = append(out, s.parts(side, item.tx, uint64(i)+1, defs, &set, rng)...)
		}
	}
	return out
}

func (s *sim) parts(side Side, tx *simTx, pos uint64, defs map[string]*binlog.Table, set *gtid.Set, rng *rand.Rand) []Event {
	base := binlog.Transaction{ServerID: uint32(tx.origin) + 1, ThreadID: uint64(tx.seq)}
	switch s.mode.flavor {
	case "mysql":
		base.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: simUUID(tx.origin)}, Number: uint64(tx.seq)}
		base.GTID = base.Mark.MySQL.String()
		set.Add(base.Mark.MySQL)
	case "mariadb":
		base.Mark.MariaDB = gtid.MariaGTID{Domain: uint32(tx.origin) + 2*uint32(s.mode.domain(tx.seq)), Server: uint32(tx.origin) + 1, Seq: uint64(tx.seq)}
		base.GTID = base.Mark.MariaDB.String()
	}
	var out []Event
	last := base
	for _, op := range tx.ops {
		last.Changes = append(last.Changes, binlog.Change{
			Schema: defs[op.table].Schema, Table: defs[op.table].Name, Def: defs[op.table], Kind: op.kind(),
			Before: simImage(op.table, op.before), After: simImage(op.table, op.after),
		})
		if rng.IntN(8) == 0 {
			part := last
			out = append(out, Transaction{Origin: Origin(tx.origin), Tx: &part})
			last = base
			last.Part = part.Part + 1
		}
	}
	if tx.ddl != nil {
		last.DDL = []binlog.DDL{tx.ddl.text}
	}
	last.Last = true
	last.Mark.File = gtid.FilePos{File: fmt.Sprintf("%s.000001", side), Pos: pos * 100}
	last.Position = gtid.Position{Kind: gtid.File, MySQL: set.Clone(), File: last.Mark.File}
	return append(out, Transaction{Origin: Origin(tx.origin), Tx: &last})
}
