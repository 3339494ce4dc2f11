package preflight

import (
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

func schemaCases() []wrong {
	table := func(name string, do func(*inspect.Table), want ...string) wrong {
		return wrong{name: name, do: func(p *inspect.Pair) { do(newTable(p)) }, want: want}
	}
	column := func(name, which string, do func(*cluster.Column), want ...string) wrong {
		return wrong{name: name, do: func(p *inspect.Pair) { do(newColumn(p, which)) }, want: want}
	}
	typed := func(name, text string, do func(*cluster.Column), want string) wrong {
		return column(name, "n", func(c *cluster.Column) { c.ColumnType = text; do(c) }, want)
	}
	drop := func(which string) func(*inspect.Table) {
		return func(t *inspect.Table) {
			t.Columns = slices.DeleteFunc(t.Columns, func(c cluster.Column) bool { return c.Name == which })
			t.Keys = slices.DeleteFunc(t.Keys, func(k cluster.Key) bool { return k.Parts[0].Column == which })
		}
	}
	return []wrong{
		{name: "schema", do: func(p *inspect.Pair) {
			p.New.Schemas, p.New.Tables, p.New.ForeignKeys, p.New.Programs = nil, nil, nil, nil
		}, want: []string{"fatal schema_missing:shop new"}},
		{name: "an empty schema", do: func(p *inspect.Pair) { p.New.Schemas = append(p.New.Schemas, inspect.Schema{Name: "empty"}) }},
		{name: "schema's charset", do: func(p *inspect.Pair) {
			p.New.Schemas[0].Charset, p.New.Schemas[0].Collation = "latin1", "latin1_swedish_ci"
		}, want: []string{"warning schema_charset:shop both"}},
		{name: "table on old", do: func(p *inspect.Pair) {
			p.Old.Tables = append(p.Old.Tables, inspect.Table{Table: cluster.Table{Schema: "shop", Name: "x", Kind: cluster.TableBase, Engine: "MyISAM"}})
		}, want: []string{"fatal table_missing:shop.x new"}},
		{name: "table on new, one way", path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.New.Tables = append(p.New.Tables, inspect.Table{Table: cluster.Table{Schema: "shop", Name: "x", Kind: cluster.TableBase}})
		}, want: []string{"info table_missing:shop.x old"}},
		{name: "letter case", do: func(p *inspect.Pair) {
			p.Old.Variables["lower_case_table_names"], p.New.Variables["lower_case_table_names"] = "1", "1"
			newTable(p).Name = "T"
		}},
		{name: "no keys", do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				s.Tables[0].Keys = s.Tables[0].Keys[2:]
				s.Tables[0].Columns[0].AutoIncrement = false
			}
		}, want: []string{"warning table_without_key:shop.t both"}},
		table("partitions", func(t *inspect.Table) { t.Partitions = t.Partitions[:1] }, "warning table_partitions:shop.t both"),
		{name: "versioning", old: maria(10, 11, 1), new: maria(10, 11, 1), do: func(p *inspect.Pair) { newTable(p).Kind = cluster.TableVersioned }, want: []string{"warning table_versioning:shop.t both"}},
		table("default charset", func(t *inspect.Table) { t.Collation = "utf8mb4_bin" }, "warning table_charset:shop.t both"),
		table("engine", func(t *inspect.Table) { t.Engine = "MyISAM" }, "warning engine:shop.t new"),
		table("primary key", func(t *inspect.Table) { t.Keys[0].Parts[0].Column = "n" }, "lossy primary_key:shop.t both"),
		table("no primary key", func(t *inspect.Table) { t.Keys = t.Keys[1:] }, "lossy primary_key:shop.t both"),
		table("unique key", func(t *inspect.Table) { t.Keys = slices.Delete(t.Keys, 1, 2) }, "lossy unique_key_missing:shop.t.code new"),
		table("unique key differs", func(t *inspect.Table) { t.Keys[1].Parts[0].Prefix = 5 }, "lossy unique_key_missing:shop.t.code both"),
		table("another name of a key", func(t *inspect.Table) { t.Keys[2].Name = "other" }),
		table("index", func(t *inspect.Table) { t.Keys = t.Keys[:2] }, "warning index_missing:shop.t.n new"),
		{name: "unique key on new, one way", path: RollingUpgrade, do: func(p *inspect.Pair) { p.Old.Tables[0].Keys = slices.Delete(p.Old.Tables[0].Keys, 1, 2) }, want: []string{"fatal unique_key_missing:shop.t.code old"}},
		table("column at the end", drop("at"), "lossy column_missing:shop.t.at new"),
		table("column in the middle, with its key", drop("code"), "fatal column_missing:shop.t.code new"),
		{name: "column of new, one way", path: RollingUpgrade, do: func(p *inspect.Pair) { drop("at")(&p.Old.Tables[0]) }, want: []string{"warning column_missing:shop.t.at old"}},
		table("order", func(t *inspect.Table) { t.Columns[2], t.Columns[3] = t.Columns[3], t.Columns[2] }, "fatal column_order:shop.t both"),
		column("display width", "n", func(c *cluster.Column) { c.ColumnType = "int" }),
		typed("wider", "bigint", func(c *cluster.Column) { c.DataType = "bigint" }, "fatal column_type:shop.t.n both"),
		typed("another type", "datetime", func(c *cluster.Column) { c.DataType = "datetime" }, "fatal column_type:shop.t.n both"),
		typed("sign", "int unsigned", func(c *cluster.Column) { c.Unsigned = true }, "lossy column_type:shop.t.n both"),
		{name: "wider, with conversions, one way", path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.New.Variables["replica_type_conversions"] = "ALL_NON_LOSSY"
			*newColumn(p, "n") = cluster.Column{Name: "n", Ordinal: 3, DataType: "bigint", ColumnType: "bigint", Default: ptr("1")}
		}, want: []string{"warning column_type:shop.t.n both"}},
		{name: "a label at the end, one way", path: RollingUpgrade, do: labels, want: []string{"warning column_type:shop.t.n both"}},
		{name: "a label at the end, and back", do: labels, want: []string{"lossy column_type:shop.t.n both"}},
		column("charset", "code", func(c *cluster.Column) { c.Charset, c.Collation, c.OctetLen = "latin1", "latin1_swedish_ci", 20 }, "fatal column_charset:shop.t.code both"),
		column("charset of a blob-like text", "code", func(c *cluster.Column) { c.Charset, c.Collation = "gb18030", "gb18030_bin" }, "lossy column_charset:shop.t.code both"),
		column("collation of a key", "code", func(c *cluster.Column) { c.Collation = "utf8mb4_bin" }, "lossy column_collation:shop.t.code both"),
		{name: "collation", do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				s.Tables[0].Keys = slices.Delete(s.Tables[0].Keys, 1, 2)
			}
			newColumn(p, "code").Collation = "utf8mb4_bin"
		}, want: []string{"warning column_collation:shop.t.code both"}},
		{name: "a table converted as a whole", do: func(p *inspect.Pair) {
			t := newTable(p)
			t.Charset, t.Collation = "latin1", "latin1_swedish_ci"
			c := t.Column("code")
			c.Charset, c.Collation, c.OctetLen = "latin1", "latin1_swedish_ci", 20
		}, want: []string{"fatal column_charset:shop.t.code both"}},
		column("null", "n", func(c *cluster.Column) { c.Nullable = true }, "lossy column_null:shop.t.n both"),
		column("default", "n", func(c *cluster.Column) { c.Default = ptr("2") }, "warning column_default:shop.t.n both"),
		column("on update", "at", func(c *cluster.Column) { c.OnUpdate = "CURRENT_TIMESTAMP" }, "warning column_on_update:shop.t.at both"),
		column("auto_increment", "id", func(c *cluster.Column) { c.AutoIncrement = false }, "lossy column_auto_increment:shop.t.id both"),
		column("generated", "at", func(c *cluster.Column) { c.Generated, c.GenerationExpr = cluster.GeneratedStored, "now()" }, "lossy column_generated:shop.t.at both"),
		column("invisible", "at", func(c *cluster.Column) { c.Invisible = true }, "warning column_invisible:shop.t.at both"),
		{name: "foreign key", do: func(p *inspect.Pair) { p.New.ForeignKeys = nil }, want: []string{"warning foreign_key_missing:shop.t.fk new"}},
		{name: "foreign key on new", do: func(p *inspect.Pair) { p.Old.ForeignKeys = nil }, want: []string{"warning foreign_key_missing:shop.t.fk old"}},
		{name: "foreign key differs", do: func(p *inspect.Pair) { p.New.ForeignKeys[0].OnDelete = "CASCADE" }, want: []string{"lossy foreign_key_differs:shop.t.fk both"}},
		{name: "cascade", do: cascade, want: []string{"warning foreign_key_cascade:shop.t.fk both"}},
		{name: "cascade, one way", path: RollingUpgrade, do: cascade, want: []string{"info foreign_key_cascade:shop.t.fk both"}},
	}
}

func cascade(p *inspect.Pair) {
	p.Old.ForeignKeys[0].OnDelete, p.New.ForeignKeys[0].OnDelete = "CASCADE", "CASCADE"
}

func labels(p *inspect.Pair) {
	for _, s := range []*inspect.Side{&p.Old, &p.New} {
		c := s.Tables[0].Column("n")
		*c = cluster.Column{Name: "n", Ordinal: 3, DataType: "enum", ColumnType: "enum('a','b')", Labels: []string{"a", "b"}, Default: ptr("a")}
	}
	c := newColumn(p, "n")
	c.Labels, c.ColumnType = append(slices.Clone(c.Labels), "c"), "enum('a','b','c')"
}

func programCases() []wrong {
	trigger := inspect.Program{Kind: inspect.Trigger, Schema: "shop", Name: "tr", Table: "t", Detail: "BEFORE INSERT", Body: "set new.n = 1"}
	body := func(kind inspect.ProgramKind, want string) wrong {
		return wrong{name: "text of a " + string(kind), do: func(p *inspect.Pair) {
			for i := range p.New.Programs {
				if p.New.Programs[i].Kind == kind {
					p.New.Programs[i].Body = "something else"
				}
			}
		}, want: []string{want}}
	}
	gone := func(kind inspect.ProgramKind, want string) wrong {
		return wrong{name: "no " + string(kind), do: func(p *inspect.Pair) {
			p.New.Programs = slices.DeleteFunc(p.New.Programs, func(x inspect.Program) bool { return x.Kind == kind })
		}, want: []string{want}}
	}
	enabled := func(p *inspect.Pair) {
		for i := range p.New.Programs {
			if p.New.Programs[i].Kind == inspect.Event {
				p.New.Programs[i].Status = "ENABLED"
			}
		}
	}
	return []wrong{
		{name: "trigger", do: func(p *inspect.Pair) {
			p.Old.Programs, p.New.Programs = append(p.Old.Programs, trigger), append(p.New.Programs, trigger)
		}, want: []string{"warning trigger_present:shop.tr both"}},
		{name: "trigger, one way", path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.Programs, p.New.Programs = append(p.Old.Programs, trigger), append(p.New.Programs, trigger)
		}, want: []string{"info trigger_present:shop.tr both"}},
		{name: "trigger on old", do: func(p *inspect.Pair) { p.Old.Programs = append(p.Old.Programs, trigger) }, want: []string{"warning trigger_missing:shop.tr new"}},
		{name: "trigger on old, hidden on new", do: func(p *inspect.Pair) {
			p.Old.Programs = append(p.Old.Programs, trigger)
			p.New.Sees[inspect.Trigger] = false
		}},
		{name: "trigger differs", do: func(p *inspect.Pair) {
			other := trigger
			other.Body = "set new.n = 2"
			p.Old.Programs, p.New.Programs = append(p.Old.Programs, trigger), append(p.New.Programs, other)
		}, want: []string{"warning trigger_differs:shop.tr both"}},
		{name: "event", do: enabled, want: []string{"lossy event_on_both:shop.e both"}},
		{name: "event, no scheduler", do: func(p *inspect.Pair) {
			enabled(p)
			p.Old.Variables["event_scheduler"], p.New.Variables["event_scheduler"] = "OFF", "OFF"
		}, want: []string{"warning event_on_both:shop.e both"}},
		gone(inspect.Event, "warning event_missing:shop.e new"), body(inspect.Event, "warning event_differs:shop.e both"),
		gone(inspect.Function, "warning routine_missing:shop.f new"), body(inspect.Function, "warning routine_differs:shop.f both"),
		gone(inspect.View, "warning view_missing:shop.v new"), body(inspect.View, "warning view_differs:shop.v both"),
		gone(inspect.Check, "warning check_missing:shop.t.c new"), body(inspect.Check, "warning check_differs:shop.t.c both"),
		{name: "function", do: func(p *inspect.Pair) { p.New.Lacks["crc32"] = true }, want: []string{"fatal function_removed:CRC32 new"}},
		{name: "function that old lacks, too", do: func(p *inspect.Pair) { p.New.Lacks["crc32"], p.Old.Lacks["crc32"] = true, true }},
		{name: "reserved word", do: func(p *inspect.Pair) { p.New.Reserved["n"] = true }, want: []string{"warning reserved_word:shop.t.n new"}},
		{name: "reserved on both", do: func(p *inspect.Pair) { p.New.Reserved["n"], p.Old.Reserved["n"] = true, true }},
		{name: "plugin", do: func(p *inspect.Pair) {
			p.Old.Accounts = []inspect.Account{{Name: "a@%", Plugin: "mysql_native_password"}, {Name: "b@%", Plugin: "mysql_native_password"}}
		}, want: []string{"warning auth_plugin_missing:mysql_native_password new"}},
		{name: "accounts not seen", do: func(p *inspect.Pair) {
			p.Old.Accounts, p.Old.AccountsKnown = []inspect.Account{{Name: "a@%", Plugin: "x"}}, false
		}},
	}
}

func configCases() []wrong {
	var out []wrong
	for _, st := range settings() {
		value := "2000"
		switch {
		case st.smaller:
			value = "10"
		case st.names[0] == "event_scheduler":
			value = "OFF"
		}
		side := " both"
		out = append(out, wrong{name: st.names[0], do: variable(st.names[0], value), want: []string{string(st.severity) + " " + st.id() + ":" + st.names[0] + side}})
	}
	return append(out,
		wrong{name: "larger on new", do: variable("max_connections", "9999"), want: []string{"info config_max_connections:max_connections both"}},
		wrong{name: "order of modes", do: func(p *inspect.Pair) {
			p.Old.Variables["sql_mode"], p.New.Variables["sql_mode"] = "A,B,NO_AUTO_CREATE_USER", "B,A"
		}},
		wrong{name: "names of UTC", do: variable("time_zone", "+00:00")},
		wrong{name: "machine's zone", do: variable("system_time_zone", "CET"), want: []string{"warning config_time_zone:time_zone both"}},
		wrong{name: "charset brings its collation", do: func(p *inspect.Pair) {
			p.New.Variables["character_set_server"], p.New.Variables["collation_server"] = "latin1", "latin1_swedish_ci"
		}, want: []string{"warning config_character_set_server:character_set_server both"}},
		wrong{name: "utf8 is utf8mb3", do: func(p *inspect.Pair) {
			p.Old.Variables["character_set_server"], p.New.Variables["character_set_server"] = "utf8", "utf8mb3"
			p.Old.Variables["collation_server"], p.New.Variables["collation_server"] = "utf8_bin", "utf8mb3_bin"
		}},
		wrong{name: "renamed variable", old: mysql(5, 7, 44), new: mysql(8, 0, 40), path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.Variables["tx_isolation"] = p.Old.Variables["transaction_isolation"]
			delete(p.Old.Variables, "transaction_isolation")
			p.Old.SetKnown = false
		}},
		wrong{name: "removed, set", old: mysql(5, 7, 44), new: mysql(8, 0, 40), path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.SetKnown = false
			p.Old.Variables["old_passwords"], p.Old.Variables["query_cache_type"], p.Old.Variables["sync_frm"] = "2", "ON", "ON"
		}, want: []string{"warning removed_variable:old_passwords new", "info removed_variable:query_cache_type new"}},
		wrong{name: "removed, set in a newer one", old: mysql(8, 0, 40), new: mysql(8, 4, 1), path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.Variables["keep_me"], p.Old.Variables["forget_me"] = "1", "1"
			p.Old.Set["keep_me"] = true
		}, want: []string{"warning removed_variable:keep_me new"}},
		wrong{name: "others", do: func(p *inspect.Pair) {
			p.Old.Variables["innodb_buffer_pool_size"], p.New.Variables["innodb_buffer_pool_size"] = "1", "2"
			p.Old.Variables["datadir"], p.New.Variables["datadir"] = "/a", strings.Repeat("/b", 2)
		}, want: []string{"info config_other:variables both"}},
	)
}
