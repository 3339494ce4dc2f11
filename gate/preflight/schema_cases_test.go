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
		column("letter case of a default", "code", func(c *cluster.Column) { c.Default = ptr("A") }, "warning column_default:shop.t.code both"),
		{name: "one default, written by two versions", old: mysql(5, 7, 44), new: mysql(8, 0, 40), path: RollingUpgrade, do: func(p *inspect.Pair) {
			expr := func(s *inspect.Side, e string) {
				c := s.Tables[0].Column("at")
				c.Generated, c.GenerationExpr = cluster.GeneratedStored, e
			}
			expr(&p.Old, "concat(`n`,'A b')")
			expr(&p.New, `(concat(`+"`n`"+`,_utf8mb4\'A b\'))`)
		}},
		{name: "letter case in an expression", do: generated("concat(`n`,'A')", "concat(`n`,'a')"), want: []string{"lossy column_generated:shop.t.at both"}},
		{name: "parentheses in an expression", do: generated("((`n` + 1) * 2)", "(`n` + (1 * 2))"), want: []string{"lossy column_generated:shop.t.at both"}},
		column("SRID", "at", func(c *cluster.Column) { c.SRID = ptr(uint32(4326)) }, "warning column_type:shop.t.at both"),
		{name: "MariaDB's JSON and plain text", old: maria(10, 11, 1), new: maria(10, 11, 1), do: func(p *inspect.Pair) {
			p.Old.Tables[0].Column("code").JSONText = true
			p.Old.Tables[0].Column("code").Collation = "utf8mb4_bin"
			p.Old.Programs = append(p.Old.Programs, inspect.Program{Kind: inspect.Check, Schema: "shop", Table: "t", Name: "code", Body: "json_valid(`code`)"})
		}, want: []string{"warning column_type:shop.t.code both"}},
		{name: "primary key makes a column NOT NULL", do: func(p *inspect.Pair) {
			p.Old.Tables[0].Column("at").Nullable, newColumn(p, "at").Nullable = true, false
			newTable(p).Keys[0].Parts = append(newTable(p).Keys[0].Parts, cluster.KeyPart{Column: "at"})
		}, want: []string{"lossy primary_key:shop.t both"}},
		table("bounds of partitions", func(t *inspect.Table) { t.Scheme = []string{"RANGE (`id`)", "p0 10", "p1 15"} }, "warning table_partitions:shop.t both"),
		table("method of partitions", func(t *inspect.Table) { t.Scheme = []string{"HASH (`id`)", "p0 10", "p1 20"} }, "warning table_partitions:shop.t both"),
		table("hidden index", func(t *inspect.Table) { t.Keys[2].Visible = false }, "warning index_invisible:shop.t.n new"),
		table("row format", func(t *inspect.Table) { t.RowFormat, t.CreateOptions = "Compressed", "row_format=COMPRESSED" }, "info table_row_format:shop.t both"),
		table("row format by default", func(t *inspect.Table) { t.RowFormat = "Compact" }),
		{name: "foreign key of another name", do: func(p *inspect.Pair) { p.New.ForeignKeys[0].Name = "fk2" }},
		{name: "foreign key of another column", do: func(p *inspect.Pair) { p.New.ForeignKeys[0].Columns = []string{"code"} }, want: []string{"lossy foreign_key_differs:shop.t.fk both"}},
		{name: "foreign key", do: func(p *inspect.Pair) { p.New.ForeignKeys = nil }, want: []string{"warning foreign_key_missing:shop.t.fk new"}},
		{name: "foreign key on new", do: func(p *inspect.Pair) { p.Old.ForeignKeys = nil }, want: []string{"warning foreign_key_missing:shop.t.fk old"}},
		{name: "foreign key differs", do: func(p *inspect.Pair) { p.New.ForeignKeys[0].OnDelete = "CASCADE" }, want: []string{"lossy foreign_key_differs:shop.t.fk both"}},
		{name: "cascade", do: cascade, want: []string{"warning foreign_key_cascade:shop.t.fk both"}},
		{name: "cascade, one way", path: RollingUpgrade, do: cascade, want: []string{"info foreign_key_cascade:shop.t.fk both"}},
	}
}

// generated makes one column computed, by another expression on either side.
func generated(old, new string) func(*inspect.Pair) {
	return func(p *inspect.Pair) {
		for s, e := range map[*inspect.Side]string{&p.Old: old, &p.New: new} {
			c := s.Tables[0].Column("at")
			c.Generated, c.GenerationExpr = cluster.GeneratedStored, e
		}
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
		{name: "parameters", do: func(p *inspect.Pair) { p.New.Programs[1].Detail = "(IN a bigint)" }, want: []string{"warning routine_differs:shop.f both"}},
		{name: "trigger of which names are known", do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				s.Sees[inspect.Trigger] = false
				s.Programs = append(s.Programs, inspect.Program{Kind: inspect.Trigger, Schema: "shop", Name: "tr"})
			}
		}, want: []string{"warning trigger_present:shop.tr both"}},
		{name: "trigger that new was asked for", do: func(p *inspect.Pair) {
			p.Old.Programs = append(p.Old.Programs, trigger)
			p.New.Sees[inspect.Trigger], p.New.NoTriggers = false, map[string]bool{"shop.tr": true}
		}, want: []string{"warning trigger_missing:shop.tr new"}},
		{name: "hidden events on both", do: hiddenEvents(inspect.QueueWaiting), want: []string{"info event_on_both:events both"}},
		{name: "a hidden event that has run on both", do: func(p *inspect.Pair) {
			hiddenEvents(inspect.QueueWaiting)(p)
			p.Old.UsedEvents, p.New.UsedEvents = map[string]bool{"shop.a": true, "shop.e": true}, map[string]bool{"shop.e": true}
		}, want: []string{"warning event_on_both:shop.e both"}},
		{name: "hidden events, none on new", do: hiddenEvents(inspect.QueueEmpty)},
		{name: "broken view", do: func(p *inspect.Pair) { p.New.Programs[0].Broken = "1356" }, want: []string{"warning view_broken:shop.v new"}},
		{name: "view broken on both", do: func(p *inspect.Pair) { p.Old.Programs[0].Broken, p.New.Programs[0].Broken = "1356", "1356" }, want: []string{"info view_broken:shop.v both"}},
		{name: "view broken by what is missing", do: func(p *inspect.Pair) {
			p.New.Programs = slices.DeleteFunc(p.New.Programs, func(x inspect.Program) bool { return x.Kind == inspect.Function })
			p.New.Programs[0].Broken = "1356"
		}, want: []string{"warning routine_missing:shop.f new"}},
		{name: "syntax", do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				s.Programs[0].Body = "select n from t group by n desc"
			}
			p.New.Refuses = map[inspect.Construct]bool{inspect.GroupByDirection: true}
		}, want: []string{"fatal syntax_removed:GROUP BY … ASC or DESC new"}},
		{name: "check of another name", old: maria(10, 11, 1), path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.Programs[3].Name, p.Old.Programs[3].Body = "n", "`n` > 0"
		}, want: []string{"fatal replication_unsupported:old→new new"}},
		{name: "function", do: func(p *inspect.Pair) { p.New.Lacks["crc32"] = true }, want: []string{"fatal function_removed:CRC32 new"}},
		{name: "function of what new lacks for it", do: func(p *inspect.Pair) {
			p.New.Lacks["crc32"] = true
			p.New.Programs = slices.DeleteFunc(p.New.Programs, func(x inspect.Program) bool { return x.Kind == inspect.Function })
		}, want: []string{"fatal function_removed:CRC32 new"}},
		{name: "function of a table that new lacks for it", do: func(p *inspect.Pair) {
			p.New.Lacks["md5"] = true
			p.Old.Tables[0].Column("at").Generated, p.Old.Tables[0].Column("at").GenerationExpr = cluster.GeneratedStored, "md5(`code`)"
			p.New.Tables, p.New.ForeignKeys = nil, nil
		}, want: []string{"fatal function_removed:MD5 new"}},
		{name: "word that is no function on old", do: func(p *inspect.Pair) {
			p.New.Lacks["crc32"], p.Old.Grammar = true, map[string]bool{"crc32": true}
		}},
		{name: "function that old lacks, too", do: func(p *inspect.Pair) { p.New.Lacks["crc32"], p.Old.Lacks["crc32"] = true, true }},
		{name: "reserved word", do: func(p *inspect.Pair) { p.New.Reserved["n"] = true }, want: []string{"warning reserved_word:shop.t.n new"}},
		{name: "reserved on both", do: func(p *inspect.Pair) { p.New.Reserved["n"], p.Old.Reserved["n"] = true, true }},
		{name: "plugin", do: func(p *inspect.Pair) {
			p.Old.Accounts = []inspect.Account{{User: "a", Host: "%", Plugins: []string{"mysql_native_password"}}, {User: "b", Host: "%", Plugins: []string{"mysql_native_password"}}}
		}, want: []string{"warning auth_plugin_missing:mysql_native_password new"}},
		{name: "accounts not seen", do: func(p *inspect.Pair) {
			p.Old.Accounts, p.Old.AccountsKnown = []inspect.Account{{User: "a", Host: "%", Plugins: []string{"x"}}}, false
		}},
	}
}

func hiddenEvents(onNew inspect.EventQueue) func(*inspect.Pair) {
	return func(p *inspect.Pair) {
		for _, s := range []*inspect.Side{&p.Old, &p.New} {
			s.Sees[inspect.Event], s.Queue = false, inspect.QueueWaiting
			s.Programs = slices.DeleteFunc(s.Programs, func(x inspect.Program) bool { return x.Kind == inspect.Event })
		}
		p.New.Queue = onNew
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
		wrong{name: "max_join_size brings sql_big_selects", do: func(p *inspect.Pair) {
			p.New.Variables["max_join_size"], p.New.Variables["sql_big_selects"] = "1", "OFF"
		}, want: []string{"warning config_max_join_size:max_join_size both"}},
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
