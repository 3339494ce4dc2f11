package plan

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/checksum/packet"
	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/onerow"
	"crosscheck/cluster/rowstream"
)

var (
	errKeyTwoWay = errors.New("the two sides write its values in different forms")
	errKeyFolded = errors.New("the two sides write its values in forms that no index leads from one to the other")
)

// EncodeKey writes a key as the plan's statements select it: the inverse of WatchKey.
func (p *Table) EncodeKey(k onerow.Key) ([]byte, error) {
	if len(k.Columns) != p.NKey || len(k.Values) != p.NKey {
		return nil, fmt.Errorf("rows are matched by (%s), not by (%s)", strings.Join(p.keyNames(), ", "), strings.Join(k.Columns, ", "))
	}
	var key []byte
	for i, wire := range p.KeyTypes() {
		c := &p.Columns[i]
		at := slices.IndexFunc(k.Columns, func(name string) bool { return strings.EqualFold(name, c.Old.Name) })
		if at < 0 {
			return nil, fmt.Errorf("rows are matched by (%s), not by (%s)", strings.Join(p.keyNames(), ", "), strings.Join(k.Columns, ", "))
		}
		v := k.Values[at]
		if v.IsNull() || !v.Known() {
			return nil, fmt.Errorf("key column %s: its value is not known", c.Old.Name)
		}
		raw, err := c.encode(wire, v.Text)
		if err != nil {
			return nil, fmt.Errorf("key column %s: %w", c.Old.Name, err)
		}
		key = append(key, raw...)
	}
	return key, nil
}

func (p *Table) keyNames() []string {
	names := make([]string, p.NKey)
	for i := range names {
		names[i] = p.Columns[i].Old.Name
	}
	return names
}

// encode writes a key value in the form of package binlog as it stands in a row packet.
func (c *Column) encode(wire rowstream.Column, text []byte) ([]byte, error) {
	co, cn := ClassOf(c.Old), ClassOf(c.New)
	if co != cn {
		return c.encodeMixed(wire, text)
	}
	switch {
	case c.Proj.folded:
		return nil, errKeyFolded
	case c.Proj.Bytes:
		stored, ok := binlog.StoredText(Charset(c.Old), text)
		if !ok {
			return nil, fmt.Errorf("text in %s cannot be looked up by what the log says of it", Charset(c.Old))
		}
		return packet.WithLength(stored), nil
	case c.Proj.Number && co == ClassBit:
		if len(text) > 8 {
			return nil, packet.ErrForm
		}
		var full [8]byte
		copy(full[8-len(text):], text)
		return packet.EncodeInteger(wire, binary.BigEndian.Uint64(full[:]))
	case c.Proj.Number:
		n, ok := memberNumber(c.Old.Labels, co == ClassSet, string(text))
		if !ok {
			return nil, fmt.Errorf("%w: no such label", packet.ErrForm)
		}
		return packet.EncodeInteger(wire, n)
	case co == ClassEnum || co == ClassSet:
		for _, side := range []*cluster.Column{c.Old, c.New} {
			if !UTF8Bytes(Charset(side)) && !IsASCII(text) {
				return nil, fmt.Errorf("labels in %s cannot be looked up", Charset(side))
			}
		}
	case co == ClassFloat && IsFloat32(c.Old) != IsFloat32(c.New), co == ClassInet && c.Old.DataType != c.New.DataType:
		return nil, errKeyTwoWay
	case co == ClassDecimal && ZeroFill(c.Old) && c.Proj.Old == cluster.Quote(c.Old.Name):
		whole, _, _ := strings.Cut(string(text), ".")
		text = append([]byte(strings.Repeat("0", max(0, integerDigits(c.Old)-len(whole)))), text...)
		return packet.WithLength(text), nil
	}
	return packet.Encode(wire, text)
}

// encodeMixed is encode for columns of two classes, where both sides' forms lead to one value.
func (c *Column) encodeMixed(wire rowstream.Column, text []byte) ([]byte, error) {
	co, cn := ClassOf(c.Old), ClassOf(c.New)
	switch [2]Class{min(co, cn), max(co, cn)} {
	case [2]Class{ClassInt, ClassDecimal}:
		return packet.Encode(wire, text)
	case [2]Class{ClassText, ClassUUID}: // as canonicalTexts does
		if !IsASCII(text) {
			return nil, packet.ErrForm
		}
		return packet.WithLength([]byte(strings.ReplaceAll(strings.ToLower(string(text)), "-", ""))), nil
	case [2]Class{ClassFixedBytes, ClassUUID}:
		if len(text) == 36 { // the UUID's side of the pair
			b, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
			if err != nil {
				return nil, packet.ErrForm
			}
			text = b
		}
		return packet.WithLength(text), nil
	}
	return nil, errKeyTwoWay
}

// memberNumber is the number of an ENUM's label or of a SET's labels: the inverse of labels.
func memberNumber(all []string, set bool, text string) (uint64, bool) {
	if !set {
		i := slices.Index(all, text)
		return uint64(i + 1), i >= 0 || text == ""
	}
	var n uint64
	if text == "" {
		return 0, true
	}
	for l := range strings.SplitSeq(text, ",") {
		i := slices.Index(all, l)
		if i < 0 {
			return 0, false
		}
		n |= 1 << i
	}
	return n, true
}

// WatchKey writes a sliced key in the form of package binlog. ok is false where the key is selected through a
// conversion that cannot be undone here.
func (p *Table) WatchKey(key []byte, newSide bool) ([]binlog.Value, bool) {
	out := make([]binlog.Value, 0, p.NKey)
	for i, wire := range p.KeyTypes() {
		size := wire.Size(key)
		text, ok := p.logText(i, newSide, wire, key[:size])
		if !ok {
			return nil, false
		}
		out = append(out, binlog.Value{Text: text})
		key = key[size:]
	}
	return out, true
}

// logText writes an encoded value of a column as package binlog writes it.
func (p *Table) logText(i int, newSide bool, wire rowstream.Column, raw []byte) ([]byte, bool) {
	c, expr := p.Columns[i].Old, p.Columns[i].Proj.Old
	if newSide {
		c, expr = p.Columns[i].New, p.Columns[i].Proj.New
	}
	bare := expr == cluster.Quote(c.Name)
	text, _ := packet.Decode(wire, raw)
	switch k := ClassOf(c); {
	case (k == ClassEnum || k == ClassSet) && p.Columns[i].Proj.Number:
		return []byte(Labels(c.Labels, k == ClassSet, text)), true
	case (k == ClassEnum || k == ClassSet) && bare:
		if !labelsTold(c) {
			return nil, false
		}
		return binlog.LogText(Charset(c), packet.Content(raw))
	case k == ClassBit && p.Columns[i].Proj.Number:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, false
		}
		full := binary.BigEndian.AppendUint64(nil, n)
		return full[8-(c.Precision+7)/8:], true
	case wire.Type == mysql.MYSQL_TYPE_FLOAT:
		return []byte(binlog.FormatFloat32(math.Float32frombits(binary.LittleEndian.Uint32(raw)))), true
	case wire.Type == mysql.MYSQL_TYPE_DOUBLE && bare:
		return []byte(binlog.FormatFloat64(math.Float64frombits(binary.LittleEndian.Uint64(raw)))), true
	case k == ClassBytes || k == ClassFixedBytes || k == ClassGeometry || k == ClassBit:
		return packet.Content(raw), bare
	case k == ClassText:
		if cs := Charset(c); bare && !UTF8Bytes(cs) { // stands in the column's own charset
			return binlog.LogText(cs, packet.Content(raw))
		}
		return packet.Content(raw), true
	case !bare && k != ClassInt:
		return nil, false
	}
	normal, err := binlog.NormalizeText(c, []byte(text))
	return normal, err == nil
}

// Matches reports whether a row image equals what a change left behind; nil stands for no row. known is false where
// a value of either cannot be compared.
func (p *Table) Matches(newSide bool, columns []rowstream.Column, values []packet.Value, ch binlog.Change) (same, known bool) {
	if values == nil || ch.After == nil {
		return values == nil && ch.After == nil, true
	}
	if ch.Partial || ch.Uncertain {
		return false, false
	}
	for i, v := range values {
		name := p.Columns[i].Old.Name
		if newSide {
			name = p.Columns[i].New.Name
		}
		at := ch.Def.Index(name)
		if at < 0 || at >= len(ch.After) {
			return false, false
		}
		logged := ch.After[at]
		if v.Null || logged.IsNull() {
			if v.Null != logged.IsNull() {
				return false, true
			}
			continue
		}
		text, ok := p.logText(i, newSide, columns[i], v.Raw)
		if !ok || !logged.Known() {
			return false, false
		}
		if string(text) != string(logged.Text) {
			return false, true
		}
	}
	return true, true
}

// Labels writes the number of an ENUM or SET value as its label or labels.
func Labels(all []string, set bool, number string) string {
	var n uint64
	for _, r := range number {
		if r < '0' || r > '9' {
			return number
		}
		n = n*10 + uint64(r-'0')
	}
	if !set {
		if n == 0 || n > uint64(len(all)) {
			return ""
		}
		return all[n-1]
	}
	var held []string
	for i, l := range all {
		if n&(1<<i) != 0 {
			held = append(held, l)
		}
	}
	return strings.Join(held, ",")
}
