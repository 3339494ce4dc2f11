package preflight_test

import "crosscheck/fixtures"

func (r *rig) schemaFlips() []flip {
	again := []string{"SET foreign_key_checks=0", "DROP TABLE IF EXISTS shop.t", sampleTable, "INSERT INTO shop.t (code, v) VALUES ('x', 'y')", "SET foreign_key_checks=1"}
	alter := func(name, what string, want ...string) flip {
		return flip{name: name, new: []string{"SET foreign_key_checks=0", "ALTER TABLE shop.t " + what, "SET foreign_key_checks=1"}, undoOld: again, undoNew: again, want: want}
	}
	return []flip{
		alter("column at the end", "ADD COLUMN x INT NULL", "lossy column_missing:shop.t.x old"),
		alter("column in the middle", "ADD COLUMN x INT NULL AFTER id", "fatal column_missing:shop.t.x old"),
		alter("column gone", "DROP COLUMN at", "lossy column_missing:shop.t.at new"),
		alter("longer text", "MODIFY v VARCHAR(60) NULL", "fatal column_type:shop.t.v both"),
		alter("unsigned", "MODIFY n INT UNSIGNED NOT NULL DEFAULT 1", "lossy column_type:shop.t.n both"),
		alter("labels", "MODIFY e ENUM('b','a') NOT NULL DEFAULT 'a'", "lossy column_type:shop.t.e both"),
		alter("null", "MODIFY n INT NULL DEFAULT 1", "lossy column_null:shop.t.n both"),
		alter("default", "ALTER COLUMN n SET DEFAULT 2", "warning column_default:shop.t.n both"),
		alter("on update", "MODIFY at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", "warning column_on_update:shop.t.at both"),
		alter("auto_increment", "MODIFY id INT NOT NULL", "lossy column_auto_increment:shop.t.id both"),
		alter("order", "MODIFY n INT NOT NULL DEFAULT 1 AFTER e", "fatal column_order:shop.t both"),
		alter("charset of a column", "MODIFY v VARCHAR(50) CHARACTER SET latin1 NULL", "fatal column_charset:shop.t.v both"),
		alter("charset of all", "CONVERT TO CHARACTER SET latin1", "fatal column_charset:shop.t both"),
		alter("collation", "MODIFY v VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL", "warning column_collation:shop.t.v both"),
		alter("collation of a key", "MODIFY code VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL", "lossy column_collation:shop.t.code both"),
		alter("default charset", "DEFAULT CHARACTER SET latin1", "warning table_charset:shop.t both"),
		alter("index gone", "DROP KEY n", "warning index_missing:shop.t.n new"),
		alter("unique key gone", "DROP KEY code", "lossy unique_key_missing:shop.t.code new"),
		alter("unique key more", "ADD UNIQUE KEY v (v)", "lossy unique_key_missing:shop.t.v old"),
		{name: "engine", new: []string{"ALTER TABLE shop.varchar_key ENGINE=MyISAM"}, undoNew: []string{"ALTER TABLE shop.varchar_key ENGINE=InnoDB"}, want: []string{"warning engine:shop.varchar_key new"}},
		alter("headroom", "AUTO_INCREMENT=1900000000", "warning auto_increment_headroom:shop.t new"),
		alter("no headroom", "AUTO_INCREMENT=2147480000", "fatal auto_increment_headroom:shop.t new"),
		{
			name: "primary key gone", new: []string{"SET foreign_key_checks=0", "DROP TABLE shop.child", "CREATE TABLE shop.child (id INT NOT NULL, t INT NULL, KEY t (t), CONSTRAINT child_t FOREIGN KEY (t) REFERENCES shop.t (id)) ENGINE=InnoDB", "SET foreign_key_checks=1"},
			undoNew: []string{"SET foreign_key_checks=0", "DROP TABLE shop.child", "CREATE TABLE shop.child (id INT NOT NULL PRIMARY KEY, t INT NULL, KEY t (t), CONSTRAINT child_t FOREIGN KEY (t) REFERENCES shop.t (id)) ENGINE=InnoDB", "SET foreign_key_checks=1"}, want: []string{"lossy primary_key:shop.child both"},
		},
		{name: "table gone", new: []string{"DROP TABLE shop.composite"}, undoNew: []string{"CREATE TABLE shop.composite LIKE shop.t"}, want: []string{"fatal table_missing:shop.composite new"}},
		{
			name: "table more", logged: []string{"DROP TABLE shop.composite"}, new: []string{"CREATE TABLE shop.more (id INT PRIMARY KEY) ENGINE=InnoDB"},
			undoNew: []string{"DROP TABLE shop.more"}, want: []string{"fatal table_missing:shop.more old"},
		},
		{name: "partitions", new: []string{"ALTER TABLE shop.partitioned REMOVE PARTITIONING"}, undoOld: []string{"DROP TABLE shop.partitioned"}, undoNew: []string{"DROP TABLE shop.partitioned"}, want: []string{"warning table_partitions:shop.partitioned both"}},
		{name: "schema", new: []string{"CREATE DATABASE extra", "CREATE TABLE extra.t (id INT PRIMARY KEY)"}, undoNew: []string{"DROP DATABASE extra"}, want: []string{"fatal schema_missing:extra old"}, keep: "its tables are to be copied"},
		{name: "schema charset", new: []string{"ALTER DATABASE shop CHARACTER SET latin1"}, undoNew: []string{"ALTER DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"}, want: []string{"warning schema_charset:shop both"}},
		{
			name: "no key", logged: []string{"CREATE TABLE shop.log (line VARCHAR(50)) ENGINE=InnoDB"}, undoOld: []string{"DROP TABLE shop.log"}, undoNew: []string{"DROP TABLE shop.log"},
			want: []string{"warning table_without_key:shop.log both"},
		},
		{
			name: "foreign key gone", new: []string{"ALTER TABLE shop.child DROP FOREIGN KEY child_t"},
			undoNew: []string{"ALTER TABLE shop.child ADD CONSTRAINT child_t FOREIGN KEY (t) REFERENCES shop.t (id)"}, want: []string{"warning foreign_key_missing:shop.child.child_t new"},
		},
		{
			name:    "cascade",
			logged:  []string{"CREATE TABLE shop.part (id INT PRIMARY KEY, t INT NULL, KEY t (t), CONSTRAINT part_t FOREIGN KEY (t) REFERENCES shop.t (id) ON DELETE CASCADE) ENGINE=InnoDB"},
			undoOld: []string{"DROP TABLE shop.part"}, undoNew: []string{"DROP TABLE shop.part"}, want: []string{"warning foreign_key_cascade:shop.part.part_t both"},
		},
	}
}

// apart is a table shop.x that each side has in its own way.
func apart(name, onOld, onNew string, want ...string) flip {
	return flip{
		name: name, old: []string{"CREATE TABLE shop.x (" + onOld}, new: []string{"CREATE TABLE shop.x (" + onNew},
		undoOld: []string{"DROP TABLE shop.x"}, undoNew: []string{"DROP TABLE shop.x"}, want: want,
	}
}

// unlikeFlips are tables whose sides differ in what is easily taken for the same.
func unlikeFlips(family fixtures.Family) []flip {
	const key, parted = "id INT NOT NULL PRIMARY KEY, ", "id INT NOT NULL PRIMARY KEY) PARTITION BY "
	refers := func(what string) string {
		return key + "b INT, c INT, KEY b (b), KEY c (c), " + what + ") ENGINE=InnoDB"
	}
	out := []flip{
		apart("letter case of a default", key+"c VARCHAR(9) NOT NULL DEFAULT 'A b')", key+"c VARCHAR(9) NOT NULL DEFAULT 'a b')", "warning column_default:shop.x.c both"),
		apart("space in a default", key+"c VARCHAR(9) NOT NULL DEFAULT 'a b')", key+"c VARCHAR(9) NOT NULL DEFAULT '(ab)')", "warning column_default:shop.x.c both"),
		apart("charset unlike the table's", key+"c VARCHAR(9) CHARACTER SET utf8 NULL) CHARSET=utf8mb4", key+"c VARCHAR(9) NULL) CHARSET=utf8mb4", "fatal column_charset:shop.x.c both"),
		apart("longer primary key", "a INT, b INT, PRIMARY KEY (a))", "a INT, b INT NOT NULL, PRIMARY KEY (a, b))", "lossy primary_key:shop.x both"),
		apart("bounds of partitions", parted+"RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
			parted+"RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (15))", "warning table_partitions:shop.x both"),
		apart("method of partitions", parted+"HASH (id) PARTITIONS 2", parted+"KEY (id) PARTITIONS 2", "warning table_partitions:shop.x both"),
		apart("name of a foreign key", refers("CONSTRAINT x1 FOREIGN KEY (b) REFERENCES shop.t (id)"), refers("CONSTRAINT x2 FOREIGN KEY (b) REFERENCES shop.t (id)")),
		apart("column of a foreign key", refers("CONSTRAINT x1 FOREIGN KEY (b) REFERENCES shop.t (id)"), refers("CONSTRAINT x1 FOREIGN KEY (c) REFERENCES shop.t (id)"),
			"lossy foreign_key_differs:shop.x.x1 both"),
		apart("name of a key", key+"c INT, UNIQUE KEY c (c))", key+"c INT, UNIQUE KEY d (c))"),
		apart("remarks", key+"c INT NULL COMMENT 'x')", key+"c INT NULL)"),
	}
	if family == fixtures.MySQL56 {
		return out
	}
	out = append(out,
		apart("letter case in an expression", key+"g VARCHAR(20) AS (CONCAT(id, 'A')) STORED)", key+"g VARCHAR(20) AS (CONCAT(id, 'a')) STORED)", "lossy column_generated:shop.x.g both"),
		apart("parentheses in an expression", key+"g INT AS ((id + 1) * 2) STORED)", key+"g INT AS (id + 1 * 2) STORED)", "lossy column_generated:shop.x.g both"),
		apart("generated column gone", key+"g VARCHAR(20) AS (CONCAT(id, 'A')) STORED, z INT)", key+"z INT)", "fatal column_missing:shop.x.g new"),
		apart("invisible", key+"c INT)", key+"c INT INVISIBLE)", "warning column_invisible:shop.x.c both"))
	if family == fixtures.MariaDB {
		return append(out, apart("JSON and text", key+"c JSON)", key+"c LONGTEXT)", "warning column_type:shop.x.c both"),
			apart("ignored index", key+"c INT, KEY k (c))", key+"c INT, KEY k (c) IGNORED)", "warning index_invisible:shop.x.k new"))
	}
	return append(out, apart("JSON and text", key+"c JSON)", key+"c LONGTEXT)", "fatal column_type:shop.x.c both"),
		apart("invisible index", key+"c INT, KEY k (c))", key+"c INT, KEY k (c) INVISIBLE)", "warning index_invisible:shop.x.k new"),
		apart("SRID", key+"c POINT NOT NULL SRID 4326)", key+"c POINT NOT NULL)", "warning column_type:shop.x.c both"),
		apart("check that is not enforced", key+"CONSTRAINT ck CHECK (id > 1))", key+"CONSTRAINT ck CHECK (id > 1) NOT ENFORCED)", "warning check_differs:shop.x.ck both"))
}

func (r *rig) programFlips(family fixtures.Family) []flip {
	out := []flip{
		{name: "view gone", new: []string{"DROP VIEW shop.busy"}, undoNew: []string{"CREATE VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5"}, want: []string{"warning view_missing:shop.busy new"}},
		{
			name: "view differs", root: true, new: []string{"ALTER VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 6"},
			undoNew: []string{"ALTER VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5"}, want: []string{"warning view_differs:shop.busy both"},
		},
		{
			name: "trigger", root: true, logged: []string{"CREATE TRIGGER shop.tr BEFORE INSERT ON shop.t FOR EACH ROW SET NEW.n = 2"},
			undoOld: []string{"DROP TRIGGER shop.tr"}, undoNew: []string{"DROP TRIGGER shop.tr"}, want: []string{"warning trigger_present:shop.tr both"},
		},
		{
			name: "trigger on new", root: true, new: []string{"CREATE TRIGGER shop.tr BEFORE INSERT ON shop.t FOR EACH ROW SET NEW.n = 2"},
			undoNew: []string{"DROP TRIGGER shop.tr"}, want: []string{"warning trigger_missing:shop.tr old"},
		},
		{
			name: "event on both", root: true, logged: []string{"CREATE EVENT shop.ev ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t WHERE id < 0"}, new: []string{"ALTER EVENT shop.ev ENABLE"},
			undoOld: []string{"DROP EVENT shop.ev"}, undoNew: []string{"DROP EVENT shop.ev"}, want: []string{"warning event_on_both:shop.ev both"},
		},
		{
			name: "procedure on old", old: []string{"CREATE PROCEDURE shop.p() SELECT 1"}, undoOld: []string{"DROP PROCEDURE shop.p"}, want: []string{"warning routine_missing:shop.p new"},
		},
		{
			name: "procedure differs", old: []string{"CREATE PROCEDURE shop.p() SELECT 1"}, new: []string{"CREATE PROCEDURE shop.p() SELECT 2"},
			undoOld: []string{"DROP PROCEDURE shop.p"}, undoNew: []string{"DROP PROCEDURE shop.p"}, want: []string{"warning routine_differs:shop.p both"},
		},
	}
	out = append(out, flip{
		name: "parameters", old: []string{"CREATE FUNCTION shop.f(a INT) RETURNS INT DETERMINISTIC RETURN 1"}, new: []string{"CREATE FUNCTION shop.f(a BIGINT) RETURNS INT DETERMINISTIC RETURN 1"},
		undoOld: []string{"DROP FUNCTION shop.f"}, undoNew: []string{"DROP FUNCTION shop.f"}, want: []string{"warning routine_differs:shop.f both"},
	}, flip{
		name: "check option", new: []string{"ALTER VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5 WITH CHECK OPTION"},
		undoNew: []string{"ALTER VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5"}, want: []string{"warning view_differs:shop.busy both"},
	}, flip{
		name: "definer of a view", new: []string{"ALTER DEFINER='nobody'@'localhost' VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5"},
		undoNew: []string{"ALTER DEFINER=CURRENT_USER VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5"}, want: []string{"warning view_broken:shop.busy new"},
	})
	if family == fixtures.MySQL { // its scheduler runs by default
		out[4].want = []string{"lossy event_on_both:shop.ev both"}
	}
	if family != fixtures.MySQL56 {
		out = append(out, flip{
			name: "check on new", new: []string{"ALTER TABLE shop.t ADD CONSTRAINT few CHECK (n < 1000)"}, undoNew: []string{"ALTER TABLE shop.t DROP CONSTRAINT few"},
			want: []string{"warning check_missing:shop.t.few old"},
		}, flip{
			name: "generated", old: []string{"ALTER TABLE shop.t ADD COLUMN g INT AS (n + 1)"}, new: []string{"ALTER TABLE shop.t ADD COLUMN g INT AS (n + 2)"},
			undoOld: []string{"ALTER TABLE shop.t DROP COLUMN g"}, undoNew: []string{"ALTER TABLE shop.t DROP COLUMN g"}, want: []string{"lossy column_generated:shop.t.g both"},
		})
	}
	return out
}
