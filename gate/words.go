package gate

import "fmt"

// Words are a server's words for replication.
type Words string

// The words. "" says that it is not known.
const (
	WordsReplica Words = "replica" // REPLICA in statements and variables
	WordsMixed   Words = "mixed"   // REPLICA in statements, slave in variables
	WordsSlave   Words = "slave"   // SLAVE in both
)

// start is the statement that starts replication.
func (w Words) start() string {
	if w == WordsSlave {
		return "START SLAVE"
	}
	return "START REPLICA"
}

// show is the statement that shows how replication is.
func (w Words) show() string {
	switch w {
	case WordsSlave:
		return "SHOW SLAVE STATUS"
	case WordsReplica, WordsMixed:
		return "SHOW REPLICA STATUS"
	}
	return "SHOW REPLICA STATUS (before MySQL 8.0.22: SHOW SLAVE STATUS)"
}

// variable is the name of a variable of replication, without its first word.
func (w Words) variable(name string) string {
	if w == WordsSlave || w == WordsMixed {
		return "slave_" + name
	}
	return "replica_" + name
}

// Many is a number with what there are so many of, in the singular or the plural.
func Many[N int | int64 | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
