package conflict

import (
	"bytes"
	"encoding/binary"

	"crosscheck/cluster/binlog"
)

// sameAsBefore stands in a stored after-image for a value equal to that before.
const sameAsBefore = 0xff

// appendImages stores a change's images: per value its state and, if it has a
// text, the length and the text. The first byte says which images there are.
func appendImages(out []byte, c *binlog.Change) []byte {
	flags := byte(0)
	if c.Before != nil {
		flags |= hasBefore
	}
	if c.After != nil {
		flags |= hasAfter
	}
	out = append(out, flags)
	for _, v := range c.Before {
		out = appendValue(out, v)
	}
	for i, v := range c.After {
		if i < len(c.Before) && c.Before[i].State == v.State && bytes.Equal(c.Before[i].Text, v.Text) {
			out = append(out, sameAsBefore)
			continue
		}
		out = appendValue(out, v)
	}
	return out
}

func appendValue(out []byte, v binlog.Value) []byte {
	out = append(out, byte(v.State))
	if v.State == binlog.Present || v.State == binlog.Opaque {
		out = binary.AppendUvarint(out, uint64(len(v.Text)))
		out = append(out, v.Text...)
	}
	return out
}

// readImages reads them back, with their own memory.
func readImages(data []byte, columns int) (before, after binlog.Row) {
	flags, data := data[0], data[1:]
	if flags&hasBefore != 0 {
		before, data = readRow(data, columns, nil)
	}
	if flags&hasAfter != 0 {
		after, _ = readRow(data, columns, before)
	}
	return before, after
}

func readRow(data []byte, columns int, before binlog.Row) (binlog.Row, []byte) {
	row := make(binlog.Row, columns)
	for i := range row {
		state := data[0]
		data = data[1:]
		if state == sameAsBefore {
			row[i] = before[i]
			continue
		}
		row[i].State = binlog.State(state)
		if row[i].State == binlog.Present || row[i].State == binlog.Opaque {
			n, size := binary.Uvarint(data)
			row[i].Text = append([]byte{}, data[size:size+int(n)]...)
			data = data[size+int(n):]
		}
	}
	return row, data
}
