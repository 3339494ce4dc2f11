package report

import (
	"fmt"
	"hash/maphash"
	"strings"

	"crosscheck/checksum"
)

// exchange finds changed rows that hold a unique value which another changed row is to get: they may hold values in turn,
// and no order of updates frees them. Such rows are taken out and put back with old's values, in one transaction.
type exchange struct {
	seed   maphash.Seed
	wanted map[uint64]bool // hashes of table, key, column and the likeness of the value that a row is to get
	any    bool            // a row was taken out
}

func newExchange() *exchange { return &exchange{seed: maphash.MakeSeed(), wanted: map[uint64]bool{}} }

func (e *exchange) hash(table, column string, u checksum.UniquePart) uint64 {
	return maphash.String(e.seed, strings.Join([]string{table, u.Key, strings.ToLower(column), u.Like}, "\x00"))
}

// note remembers what a changed row is to get.
func (e *exchange) note(table string, d checksum.Difference) {
	if d.Kind != checksum.Changed {
		return
	}
	differs := differing(d)
	for _, c := range d.OldRow {
		for _, u := range c.Unique {
			if u.Like != "" && differs[strings.ToLower(c.Column)] {
				e.wanted[e.hash(table, c.Column, u)] = true
			}
		}
	}
}

// holds reports whether a changed row must make room for another one. Only a row that is known as a whole can be put back.
func (e *exchange) holds(table string, d checksum.Difference) bool {
	if len(e.wanted) == 0 || d.Kind != checksum.Changed || len(d.OldRow) == 0 || len(d.OldRow) != len(d.NewRow) || d.OldRow[0].Partial {
		return false
	}
	differs, holds := differing(d), false
	for i, c := range d.OldRow {
		if c.Why != "" || d.NewRow[i].Why != "" {
			return false
		}
		now := d.NewRow[i]
		for _, u := range now.Unique {
			holds = holds || u.Like != "" && differs[strings.ToLower(now.Column)] && e.wanted[e.hash(table, now.Column, u)]
		}
	}
	return holds
}

// exchangeRows writes the rows that must make room: first all of them go, then those that went come back.
func (r *repair) exchangeRows(iterate func(fn func(table string, d checksum.Difference) error) error) error {
	if len(r.exchange.wanted) == 0 {
		return nil
	}
	size := r.opts.BatchSize
	defer func() { r.opts.BatchSize = size }()
	for _, back := range []bool{false, true} {
		n := 0
		err := iterate(func(table string, d checksum.Difference) error {
			if !r.exchange.holds(table, d) {
				return r.err
			}
			schema, name, ok := r.opts.SplitTable(table)
			if !ok {
				return r.err
			}
			if !r.exchange.any {
				r.exchange.any = true
				r.printf("\n")
				r.comment("These rows hold unique values that others of them, or of the next ones, are to get. In one transaction they are\n" +
					"taken out if they are still as the check saw them, and those that were are put back with the values of old.")
				r.opts.BatchSize = int(^uint(0) >> 1)
			}
			n++
			r.tables[table] = true
			r.takeOrPut(quoteName(schema)+"."+quoteName(name), d, n, back)
			return r.err
		})
		if err != nil {
			return err
		}
	}
	r.commit()
	return nil
}

func (r *repair) takeOrPut(table string, d checksum.Difference, n int, back bool) {
	if !back {
		stmt, _, err := deleteRow(table, d)
		if err != nil {
			return
		}
		r.statement(stmt.sql)
		count := "ROW_COUNT()"
		if r.whole { // it was read already
			count = "@crosscheck_last"
		}
		r.printf("SET @crosscheck_%d = %s;\n", n, count)
		return
	}
	stmt, _, err := insertRow(table, d)
	if err != nil {
		return
	}
	r.relaxed(stmt.lax, func() { r.statement(fmt.Sprintf("%s AND @crosscheck_%d = 1", stmt.sql, n)) })
	r.sum.Updates++
}
