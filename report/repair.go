package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"crosscheck/checksum"
)

// DefaultRepairBatch is how many statements of a repair make one transaction: few enough to hold no row lock for long
// and to replicate without a bump, many enough not to pay a commit per row.
const DefaultRepairBatch = 500

// maxRepairSkips is how many differences that cannot be repaired are named; the others are only counted.
const maxRepairSkips = 1000

// RepairOptions describe the run whose differences are written as SQL.
type RepairOptions struct {
	Run       string // id in the ledger
	Checked   time.Time
	Written   time.Time
	Old, New  checksum.EndpointInfo
	TwoWay    bool   // old replicates from new, too or only
	Unread    []Node // nodes that nobody compared
	BatchSize int    // statements per transaction; 0 means DefaultRepairBatch

	// SplitTable gives the schema and the name of a table from "db.name"; ok is false if it does not know. nil splits at
	// the dot and refuses tables with more than one, since their name can be read in two ways.
	SplitTable func(table string) (schema, name string, ok bool)
}

// RepairSummary says what a repair holds. Statements are those that change rows.
type RepairSummary struct {
	Tables       int   `json:"tables"`
	Deletes      int64 `json:"deletes"`
	Updates      int64 `json:"updates"`
	Inserts      int64 `json:"inserts"`
	Transactions int64 `json:"transactions"`
	Unguarded    int64 `json:"unguarded"` // of them those of tables without a key, which must not be run twice
	Skipped      int64 `json:"skipped"`   // differing rows that no statement is written for, for these reasons:
	NoImage      int64 `json:"no_image"`  // the ledger has no image of the row
	NotWritable  int64 `json:"not_writable"`
	Ambiguous    int64 `json:"ambiguous"` // the table's name can be read in two ways
}

// Statements returns the number of statements that change rows.
func (s RepairSummary) Statements() int64 { return s.Deletes + s.Updates + s.Inserts }

// WriteRepair writes SQL that makes new like old, for a person to read and to run on new; nothing is executed. Each
// statement is conditional on the values that were proven, so that a row that has changed since is left alone. iterate
// must walk the differences with their row images, table by table, and is called up to five times: rows are deleted first,
// then updated, then inserted, so that a unique value is free before another row takes it. One difference is in memory
// at a time, and a hash for each unique value that a row is to get. Errors are those of w and of iterate.
func WriteRepair(w io.Writer, opts RepairOptions,
	iterate func(fn func(table string, d checksum.Difference) error) error,
) (RepairSummary, error) {
	if opts.BatchSize <= 0 {
		opts.BatchSize = DefaultRepairBatch
	}
	if opts.SplitTable == nil {
		opts.SplitTable = splitAtOnlyDot
	}
	r := &repair{w: bufio.NewWriterSize(w, 64<<10), opts: opts, tables: map[string]bool{}}
	r.header()
	if err := r.steps(iterate); err != nil {
		return r.sum, fmt.Errorf("write the repair: %w", err)
	}
	r.trailer()
	if err := errors.Join(r.err, r.w.Flush()); err != nil {
		return r.sum, fmt.Errorf("write the repair: %w", err)
	}
	r.sum.Tables = len(r.tables)
	return r.sum, nil
}

// steps writes the statements of what iterate walks.
func (r *repair) steps(iterate func(fn func(table string, d checksum.Difference) error) error) error {
	r.exchange = newExchange()
	for i, kind := range []checksum.Kind{checksum.Extra, checksum.Changed, checksum.Missing} {
		r.phase(i+1, kind)
		var err error
		if kind == checksum.Changed {
			err = r.exchangeRows(iterate)
		}
		if err == nil {
			err = iterate(func(table string, d checksum.Difference) error {
				if kind == checksum.Extra {
					r.exchange.note(table, d)
				}
				if d.Kind == kind && (!r.exchange.any || !r.exchange.holds(table, d)) {
					r.difference(table, d)
				}
				return r.err
			})
		}
		if err != nil {
			return err
		}
		r.commit()
	}
	return nil
}

// splitAtOnlyDot is RepairOptions.SplitTable for names that can be read in one way only.
func splitAtOnlyDot(table string) (schema, name string, ok bool) {
	schema, name, ok = strings.Cut(table, ".")
	return schema, name, ok && !strings.Contains(name, ".")
}

// repair is a file in the making.
type repair struct {
	w      *bufio.Writer
	opts   RepairOptions
	sum    RepairSummary
	tables map[string]bool // that have statements
	err    error           // of w, the first

	table string // of the block being written
	open  int    // statements in the open transaction
	skips []string

	exchange *exchange

	whole   bool // all is one transaction, which its owner begins and ends, and rows are counted
	counted int64
}

func (r *repair) printf(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.w, format, args...)
	}
}

// comment writes lines of comment. Everything in it that comes from a server must have gone through quoted: a line break
// would end the comment and begin a statement.
func (r *repair) comment(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		r.printf("%s\n", strings.TrimRight("-- "+line, " "))
	}
}

// quoted makes text of a server safe for a comment and readable.
func quoted(s string) string { return fmt.Sprintf("%q", s) }

func (r *repair) phase(n int, kind checksum.Kind) {
	r.table = ""
	if r.whole { // the words are of a check
		return
	}
	r.printf("\n")
	switch kind {
	case checksum.Extra:
		r.comment("Step %d of 3: rows that old has not are deleted.", n)
	case checksum.Changed:
		r.comment("Step %d of 3: rows that differ get the values of old.", n)
	case checksum.Missing:
		r.comment("Step %d of 3: rows that are missing are inserted.", n)
	}
}

// block begins a table's part of a step, in a transaction of its own.
func (r *repair) block(table string) {
	if r.table == table {
		return
	}
	r.commit()
	r.table = table
	r.tables[table] = true
	r.printf("\n")
	r.comment("%s", quoted(table))
}

// statement writes one statement and sees to the transactions.
func (r *repair) statement(sql string) {
	if r.open == 0 && !r.whole {
		r.printf("START TRANSACTION;\n")
		r.sum.Transactions++
	}
	r.printf("%s;\n", sql)
	if r.whole {
		r.counted++
		r.printf("SET @crosscheck_last = ROW_COUNT(), @crosscheck_rows = @crosscheck_rows + IF(ROW_COUNT() = 1, 1, 0);\n")
		return
	}
	if r.open++; r.open >= r.opts.BatchSize {
		r.commit()
	}
}

func (r *repair) commit() {
	if r.open > 0 {
		r.printf("COMMIT;\n")
	}
	r.open = 0
}

// difference writes what a difference needs, or notes why that cannot be.
func (r *repair) difference(table string, d checksum.Difference) {
	schema, name, ok := r.opts.SplitTable(table)
	if !ok {
		r.sum.Ambiguous += d.Count
		r.skip(table, d, "the table's name can be read in two ways")
		return
	}
	stmts, unguarded, err := repairStatements(quoteName(schema)+"."+quoteName(name), d)
	switch {
	case errors.Is(err, errNoImage):
		r.sum.NoImage += d.Count
		r.skip(table, d, err.Error())
		return
	case err != nil:
		r.sum.NotWritable += d.Count
		r.skip(table, d, err.Error())
		return
	}
	r.block(table)
	if unguarded {
		r.comment("This table has no key: the next statement finds its rows by their values only. Run it once.")
		r.sum.Unguarded += stmts.count
	}
	r.relaxed(stmts.lax, func() {
		for range stmts.count {
			r.statement(stmts.sql)
		}
	})
	switch d.Kind {
	case checksum.Extra:
		r.sum.Deletes += stmts.count
	case checksum.Changed:
		r.sum.Updates += stmts.count
	case checksum.Missing:
		r.sum.Inserts += stmts.count
	}
}

// relaxed lifts strict mode for what a value needs that it would refuse.
func (r *repair) relaxed(lax bool, write func()) {
	if lax {
		r.comment("A value that is none of an ENUM's labels, as old has it; strict mode refuses that.")
		r.printf("SET SESSION sql_mode = '%s';\n", laxMode)
	}
	write()
	if lax {
		r.printf("SET SESSION sql_mode = '%s';\n", strictMode)
	}
}

func (r *repair) skip(table string, d checksum.Difference, why string) {
	r.sum.Skipped += d.Count
	if len(r.skips) >= maxRepairSkips {
		return
	}
	key := make([]string, 0, len(d.Key))
	for _, f := range d.Key {
		text := quoted(f.Value.Text)
		if f.Value.Null {
			text = "NULL"
		}
		key = append(key, quoted(f.Column)+" = "+text)
	}
	r.skips = append(r.skips, fmt.Sprintf("%s: %s (%s): %s", quoted(table), d.Kind, strings.Join(key, ", "), why))
}
