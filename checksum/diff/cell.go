package diff

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/zeebo/xxh3"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
)

// packetSpare is what a statement has besides its values.
const packetSpare = 64 << 10

// maxPlainGuard is the size in bytes from which a value is guarded by its SHA-256 instead of itself.
const maxPlainGuard = 256

// images writes a difference's rows as SQL for repairing the new side. Of a changed row there are the key, the columns
// that are marked in differs, and those that an UPDATE would set by itself; all columns where one that differs is of a
// unique key, since the row may have to make room for another one.
func images(p *plan.Table, t *Target, d *Difference, old, now []stored, differs []bool) error {
	all := differs == nil
	for i, c := range p.Columns {
		all = all || differs[i] && p.IsUnique(c.New)
	}
	for i := range p.Columns {
		c := &p.Columns[i]
		if !all && !differs[i] && !c.Key && c.New.OnUpdate == "" {
			continue
		}
		if old != nil {
			d.OldRow = append(d.OldRow, oldCell(p, t, c, old[i]))
		}
		if now != nil {
			d.NewRow = append(d.NewRow, newCell(p, t, c, now[i], d.Kind == Extra))
		}
	}
	if d.OldRow != nil {
		d.OldRow[0].Partial = p.NewOnly
		if d.Kind == Missing && p.Needs != "" {
			d.OldRow[0].Why = "new's column " + p.Needs + ", which old lacks, has no default"
		}
	}
	d.tooLarge(t.facts.MaxAllowedPacket)
	return t.err
}

// tooLarge takes the values out of rows whose statement would be larger than a server's limit.
func (d *Difference) tooLarge(limit int64) {
	size := int64(packetSpare)
	for _, c := range d.OldRow {
		size += int64(4*len(c.Column) + len(c.Literal)*(1+len(c.Unique)) + len(c.Guard))
	}
	for _, c := range d.NewRow {
		size += int64(len(c.Guard) * 2) // in an UPDATE of a unique key the key's stands twice
	}
	if limit == 0 || size <= limit {
		return
	}
	for _, row := range [][]Cell{d.OldRow, d.NewRow} {
		for i := range row {
			row[i].Literal, row[i].Guard = "", ""
			row[i].Why = "its statement would be larger than new's max_allowed_packet"
		}
	}
}

// oldCell is old's value to be stored.
func oldCell(p *plan.Table, t *Target, c *plan.Column, v stored) Cell {
	lit, lax, why := t.literal(*c, v)
	cell := Cell{
		Column: c.New.Name, Literal: lit, Key: c.Key, Lax: lax, Unique: unique(p, c.New, *c, v, lit),
		Generated: c.New.Generated != cluster.GeneratedNone,
	}
	if why != "" && !cell.Generated {
		cell.Why = fmt.Sprintf("new's column %s, %s, cannot hold it: %s", c.New.Name, c.New.ColumnType, why)
	}
	if p.New.Table.Kind == cluster.TableSequence {
		cell.Why = whySequence
	}
	if c.Key {
		cell.Guard = cluster.Quote(c.New.Name) + " = " + lit
	}
	return cell
}

const whySequence = "a sequence takes no rows: set it with SETVAL, or backwards with ALTER SEQUENCE ... RESTART"

// newCell is new's value as it is.
func newCell(p *plan.Table, t *Target, c *plan.Column, v stored, extra bool) Cell {
	own := plan.Column{Old: c.New, New: c.New, Key: c.Key}
	cell := Cell{
		Column: c.New.Name, Key: c.Key,
		Generated: c.New.Generated != cluster.GeneratedNone,
	}
	lit, why := "", ""
	switch k := plan.ClassOf(c.New); {
	case c.Key || p.IsUnique(c.New):
		lit, _, why = t.literal(own, v)
		cell.Literal, cell.Unique = lit, unique(p, c.New, own, v, lit)
	case k != plan.ClassText && k != plan.ClassJSON && k != plan.ClassBytes && k != plan.ClassFixedBytes && k != plan.ClassGeometry: // guarded by bytes
		lit, _, why = t.literal(own, v)
	}
	cell.Guard = guard(own, v, lit, why == "")
	switch {
	case p.New.Table.Kind == cluster.TableSequence:
		cell.Why = whySequence
	case extra && c.Key && plan.ClassOf(c.New) == plan.ClassText && why != "":
		cell.Why = fmt.Sprintf("its key %s holds bytes that are no text of %s, which may be how new has a row of old", c.New.Name, plan.Charset(c.New))
	case extra && c.Key && manySpellings(c):
		cell.Why = fmt.Sprintf("old's %s has characters more than once, so that a row of old may have this key in another form", plan.Charset(c.Old))
	}
	return cell
}

// manySpellings reports whether a key of new may be one that old holds in other bytes than those that it converts to.
func manySpellings(c *plan.Column) bool {
	cs := plan.Charset(c.Old)
	return plan.ClassOf(c.Old) == plan.ClassText && cs != plan.Charset(c.New) && cs != "binary" && !plan.LosslessInUTF8(cs)
}

// guard writes a predicate that only new's present value passes. Strings are compared by their bytes, since collations
// call different ones equal; key columns are compared as such too, so that the index finds the row, but for those whose
// value cannot be written (valid).
func guard(c plan.Column, v stored, lit string, valid bool) string {
	col := cluster.Quote(c.New.Name)
	if v.Null {
		return col + " IS NULL"
	}
	if v.numbered {
		exact := plan.WholeNumber(c.New) + " <=> " + v.Value.Text
		if text, ok := v.utf8(c.New); c.Key && ok && v.Value.Text != "0" {
			return col + " = " + ownText("utf8mb4", text) + " AND " + exact
		}
		return exact
	}
	if v.wire.FixedSize() > 0 || !stringType(v.wire.Type) || plan.ClassOf(c.New) == plan.ClassBit {
		if c.Key && valid {
			return col + " = " + lit
		}
		return col + " <=> " + lit
	}
	expr := col
	switch plan.ClassOf(c.New) {
	case plan.ClassJSON: // as JSON, 1 and 1.0 would be equal
		if c.New.DataType == "json" {
			expr = "CAST(" + col + " AS CHAR CHARACTER SET utf8mb4)"
		}
	case plan.ClassUUID, plan.ClassInet: // as BINARY they would be something else than what was selected
		expr = "CAST(" + col + " AS CHAR)"
	default:
	}
	content := packet.Content(v.Raw)
	exact := fmt.Sprintf("CAST(%s AS BINARY) <=> X'%x'", expr, content)
	if len(content) > maxPlainGuard {
		exact = fmt.Sprintf("SHA2(CAST(%s AS BINARY), 256) = '%x'", expr, sha256.Sum256(content))
	}
	if c.Key && valid {
		return col + " = " + lit + " AND " + exact
	}
	return exact
}

// stringType reports whether values of a wire type are byte or character strings.
func stringType(t byte) bool {
	switch t {
	case mysql.MYSQL_TYPE_NEWDECIMAL, mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP,
		mysql.MYSQL_TYPE_TIME:
		return false
	}
	return true
}

// unique returns the parts that a value has in unique keys of new, but for the one that rows are matched by. c.old is the
// column that the value is of.
func unique(p *plan.Table, n *cluster.Column, c plan.Column, v stored, lit string) []UniquePart {
	of := p.Uniques[strings.ToLower(n.Name)]
	if of == nil {
		return nil
	}
	parts := make([]UniquePart, len(of))
	for i, u := range of {
		parts[i] = UniquePart{Key: u.Key, Prefix: u.Prefix}
		if !v.Null {
			parts[i].Like = likeness(c, v, lit, u.Prefix)
		}
	}
	return parts
}

// likeness hashes a value of a unique key so that values that new may call equal have one hash.
func likeness(c plan.Column, v stored, lit string, prefix int) string {
	same := lit
	switch plan.ClassOf(c.New) {
	case plan.ClassText:
		same = ""
		if text, ok := v.utf8(c.Old); ok && plan.UTF8Bytes(plan.Charset(c.New)) {
			if runes := []rune(string(text)); prefix > 0 && len(runes) > prefix {
				text = []byte(string(runes[:prefix]))
			}
			same = string(binlog.AppendFold(nil, text, binlog.KeepPlain))
		}
	case plan.ClassBytes, plan.ClassFixedBytes: // which may be padded, or a prefix
		if same = strings.TrimRight(lit, "0'"); prefix > 0 {
			same = ""
		}
	case plan.ClassDate, plan.ClassTime: // whose fractions may be longer
		same = strings.TrimRight(lit, "0'.: -")
	default:
	}
	return fmt.Sprintf("%x", xxh3.HashString(same))
}
