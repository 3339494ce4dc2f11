package plan

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// KindOf names what a table is; MariaDB's versioned tables count as tables: their current rows are compared.
func KindOf(t *cluster.Table) string {
	switch t.Kind {
	case cluster.TableView:
		return "view"
	case cluster.TableSequence:
		return "sequence"
	default:
		return "table"
	}
}

// Unreadable reports whether an engine's rows are somewhere else, or nowhere.
func Unreadable(engine string) bool {
	switch strings.ToUpper(engine) {
	case "BLACKHOLE", "FEDERATED", "CONNECT", "SPIDER", "MRG_MYISAM":
		return true
	}
	return false
}

// ViewColumns compares the columns of a view by name.
func ViewColumns(o, n *cluster.Table, sides [2]string) string {
	names := func(t *cluster.Table) []string {
		var out []string
		for _, c := range t.Columns {
			out = append(out, strings.ToLower(c.Name))
		}
		return out
	}
	if a, b := names(o), names(n); !slices.Equal(a, b) {
		return fmt.Sprintf("the view's columns differ: %s on %s, %s on %s", strings.Join(a, ", "), sides[0], strings.Join(b, ", "), sides[1])
	}
	return ""
}
