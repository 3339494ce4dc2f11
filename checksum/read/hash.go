package read

import (
	"github.com/zeebo/xxh3"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster/rowstream"
)

// Hasher hashes whole rows, large ones piece by piece, JSON in canonical form where the plan asks for it.
type Hasher struct {
	plan   *plan.Table
	stream *xxh3.Hasher
	buf    []byte
}

func NewHasher(p *plan.Table) *Hasher { return &Hasher{plan: p} }

func (h *Hasher) Hash(head []byte, rows *rowstream.Rows) (xxh3.Uint128, int64, error) {
	switch {
	case len(h.plan.JSON) > 0:
		whole := head
		if rows.More() {
			var err error
			if whole, err = rows.Whole(head); err != nil {
				return xxh3.Uint128{}, 0, err
			}
		}
		var err error
		h.buf, err = packet.Canonical(h.buf[:0], whole, rows.Columns(), h.plan.JSON)
		return xxh3.Hash128(h.buf), int64(len(whole)), err
	case rows.More():
		if h.stream == nil {
			h.stream = xxh3.New()
		}
		h.stream.Reset()
		_, _ = h.stream.Write(head)
		size := int64(len(head))
		err := rows.Rest(func(part []byte) {
			size += int64(len(part))
			_, _ = h.stream.Write(part)
		})
		return h.stream.Sum128(), size, err
	default:
		return xxh3.Hash128(head), int64(len(head)), nil
	}
}

// HashKeep hashes a row and also returns its packet, or nil where that is larger than limit bytes.
func (h *Hasher) HashKeep(head []byte, rows *rowstream.Rows, limit int) (xxh3.Uint128, []byte, error) {
	if len(h.plan.JSON) > 0 || !rows.More() {
		whole, err := rows.Whole(head)
		if err != nil {
			return xxh3.Uint128{}, nil, err
		}
		if len(h.plan.JSON) == 0 {
			return xxh3.Hash128(whole), whole, nil
		}
		h.buf, err = packet.Canonical(h.buf[:0], whole, rows.Columns(), h.plan.JSON)
		return xxh3.Hash128(h.buf), whole, err
	}
	stream := xxh3.New()
	_, _ = stream.Write(head)
	keep := append([]byte{}, head...)
	err := rows.Rest(func(part []byte) {
		_, _ = stream.Write(part)
		if keep != nil && len(keep)+len(part) <= limit {
			keep = append(keep, part...)
		} else {
			keep = nil
		}
	})
	return stream.Sum128(), keep, err
}

// Projected hashes the compared columns of a packet that bare's plan selected.
func (h *Hasher) Projected(bare *plan.Table, row []byte, columns []rowstream.Column) (xxh3.Uint128, error) {
	n := len(bare.Columns)
	values, err := packet.Split(row, columns)
	if err != nil {
		return xxh3.Uint128{}, err
	}
	out := packet.Join(values[:n])
	if len(h.plan.JSON) > 0 {
		out, err = packet.Canonical(nil, out, columns[:n], h.plan.JSON)
	}
	return xxh3.Hash128(out), err
}
