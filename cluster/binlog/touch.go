package binlog

// Harmless tells whether the statement never changes a table's columns or keys.
func (d DDL) Harmless() bool { return harmless(d.Statement) }

// MayTouch tells whether the statement may have changed a table's definition.
// It may say so of tables that it did not touch, never the other way round.
func (d DDL) MayTouch(schema, table string) bool {
	return !harmless(d.Statement) && mayTouch(d, schema, table)
}
