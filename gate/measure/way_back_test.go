package measure

import (
	"slices"
	"testing"

	"crosscheck/cluster"
)

// TestOldCannotRead: what a version lacks, of types and of what settings of new bring.
func TestOldCannotRead(t *testing.T) {
	maria := func(major, minor int) cluster.Facts {
		return cluster.Facts{Flavor: cluster.FlavorMariaDB, Major: major, Minor: minor}
	}
	mysql := func(major, minor, patch int) cluster.Facts {
		return cluster.Facts{Major: major, Minor: minor, Patch: patch}
	}
	for _, c := range []struct {
		of    cluster.Facts
		lacks []string
	}{
		{maria(10, 5), []string{"inet4", "uuid", "vector"}},
		{maria(10, 7), []string{"inet4", "vector"}},
		{maria(10, 11), []string{"vector"}},
		{maria(11, 8), nil},
		{mysql(5, 6, 51), []string{"json", "vector"}},
		{mysql(8, 4, 0), []string{"vector"}},
		{mysql(9, 7, 0), nil},
	} {
		var got []string
		types := []string{"inet4", "uuid", "vector", "int", "varchar", "inet6"}
		if !c.of.IsMariaDB() {
			types = []string{"json", "vector", "int"}
		}
		for _, name := range types {
			if !hasType(c.of, name) {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, c.lacks) {
			t.Errorf("%s lacks %v, want %v", c.of, got, c.lacks)
		}
	}
	known := map[string]bool{"utf8mb4_general_ci": true, "latin1_swedish_ci": true}
	for _, c := range []struct {
		of   cluster.Facts
		vars map[string]string
		n    int
	}{
		{maria(10, 5), map[string]string{"collation_server": "utf8mb4_uca1400_ai_ci", "character_set_collations": "utf8mb3=utf8mb3_uca1400_ai_ci,utf8mb4=utf8mb4_uca1400_ai_ci"}, 2},
		{maria(10, 5), map[string]string{"collation_server": "utf8mb4_general_ci", "character_set_collations": ""}, 0},
		{mysql(5, 7, 44), map[string]string{"collation_server": "utf8mb4_0900_ai_ci", "binlog_transaction_compression": "ON"}, 2},
		{mysql(8, 0, 20), map[string]string{"collation_server": "latin1_swedish_ci", "binlog_transaction_compression": "ON", "binlog_row_value_options": "PARTIAL_JSON"}, 0},
		{mysql(5, 7, 44), map[string]string{"binlog_row_value_options": "PARTIAL_JSON"}, 1},
	} {
		if got := risksOf(known, c.vars, c.of); len(got) != c.n {
			t.Errorf("%s: %v: %v", c.of, c.vars, got)
		}
	}
}
