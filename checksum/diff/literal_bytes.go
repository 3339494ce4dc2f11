package diff

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster"
)

func (t *Target) bytesLiteral(c plan.Column, v stored) (lit, why string) {
	var content []byte
	switch raw := packet.Content; plan.ClassOf(c.Old) {
	case plan.ClassText, plan.ClassBytes, plan.ClassFixedBytes, plan.ClassGeometry:
		content = raw(v.Raw)
	case plan.ClassUUID, plan.ClassInet:
		text, _ := v.utf8(c.Old)
		if content = addressOf(c.Old, text); content == nil {
			return "", "the value cannot be read"
		}
	default:
		text, ok := v.utf8(c.Old)
		if content = text; !ok || plan.ClassOf(c.Old) == plan.ClassBit || plan.ClassOf(c.New) == plan.ClassFixedBytes && int64(len(content)) != c.New.OctetLen {
			return "", "the value has no form that it gives back"
		}
	}
	switch {
	case c.Same():
	case c.New.DataType == "vector":
		if len(content) == 0 || len(content)%4 != 0 || !vectorFits(t.facts, c.New, len(content)/4) {
			return "", "the value is no vector of its size"
		}
	case int64(len(content)) > c.New.OctetLen:
		return "", "the value is too long"
	}
	return hexLiteral(content), ""
}

// vectorFits reports whether a VECTOR column takes so many numbers.
func vectorFits(f cluster.Facts, c *cluster.Column, n int) bool {
	_, rest, _ := strings.Cut(c.ColumnType, "(")
	size, err := strconv.Atoi(strings.SplitN(rest, ")", 2)[0])
	if err != nil {
		return false
	}
	return n == size || n < size && f.Flavor != cluster.FlavorMariaDB
}

// memberLiteral writes a value of ENUM or SET as its number.
func memberLiteral(c plan.Column, v stored) (lit, why string) {
	if !v.numbered && plan.ClassOf(c.Old) == plan.ClassOf(c.New) { // compared by the bytes of one list of labels
		content := packet.Content(v.Raw)
		if plan.ClassOf(c.New) == plan.ClassEnum && len(content) == 0 && !slices.Contains(c.New.Labels, "") {
			return "0", "" // the value that is no label
		}
		return ownText(plan.Charset(c.New), content), ""
	}
	text, ok := v.utf8(c.Old)
	const none = "the value is none of its labels"
	if !ok {
		return "", none
	}
	if plan.ClassOf(c.New) == plan.ClassEnum {
		if plan.ClassOf(c.Old) == plan.ClassEnum && v.Value.Text == "0" {
			return "0", ""
		}
		if i := slices.Index(c.New.Labels, string(text)); i >= 0 {
			return strconv.Itoa(i + 1), ""
		}
		if len(text) == 0 && !slices.Contains(c.Old.Labels, "") {
			return "0", ""
		}
		return "", none
	}
	return setLiteral(c, v, string(text), none)
}

func setLiteral(c plan.Column, v stored, text, none string) (lit, why string) {
	var held []string
	switch {
	case plan.ClassOf(c.Old) == plan.ClassSet:
		all, err := strconv.ParseUint(v.Value.Text, 10, 64)
		if err != nil {
			return "", none
		}
		for i, l := range c.Old.Labels {
			if all&(1<<i) != 0 {
				held = append(held, l)
			}
		}
	case text != "":
		held = strings.Split(text, ",")
	}
	n := uint64(0)
	for _, l := range held {
		i := slices.Index(c.New.Labels, l)
		if i < 0 {
			return "", none
		}
		n |= 1 << i
	}
	number := strconv.FormatUint(n, 10)
	if plan.ClassOf(c.Old) != plan.ClassSet && plan.Labels(c.New.Labels, true, number) != text {
		return "", "it writes the members of the value in another order"
	}
	return number, ""
}

// ownText writes text in the bytes of a charset.
func ownText(cs string, content []byte) string {
	if cs == "" || plan.UTF8Bytes(cs) {
		cs = "utf8mb4"
	}
	return "_" + cs + " " + hexLiteral(content)
}

// addressLiteral writes a UUID or an address as text.
func (t *Target) addressLiteral(c plan.Column, v stored) (lit, why string) {
	content, ok := v.utf8(c.Old)
	if !ok {
		return "", "the value is no text of utf8mb4"
	}
	if k := plan.ClassOf(c.Old); k != plan.ClassBytes && k != plan.ClassFixedBytes {
		content = addressOf(c.New, content)
	}
	if c.New.DataType == "uuid" {
		if len(content) != 16 {
			return "", "the value is no UUID"
		}
		text := fmt.Sprintf("%x-%x-%x-%x-%x", content[:4], content[4:6], content[6:8], content[8:10], content[10:])
		if !c.Same() && !t.holds("CAST(CAST('"+text+"' AS UUID) AS CHAR)", []byte(text)) { // of some versions it takes only those of one variant
			return "", "new's server takes it for no UUID"
		}
		return "'" + text + "'", ""
	}
	a, ok := netip.AddrFromSlice(content)
	switch {
	case !ok:
		return "", "the value is no address"
	case c.New.DataType == "inet4":
		if a = a.Unmap(); !a.Is4() {
			return "", "the value is no IPv4 address"
		}
	case a.Is4():
		if k := plan.ClassOf(c.Old); k == plan.ClassBytes || k == plan.ClassFixedBytes {
			return "", "the value is no IPv6 address"
		}
		return "'::ffff:" + a.String() + "'", ""
	}
	return "'" + a.String() + "'", ""
}

// addressOf reads the text of a UUID or an address; nil if it is none.
func addressOf(c *cluster.Column, text []byte) []byte {
	if plan.ClassOf(c) == plan.ClassUUID {
		b, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
		if err != nil || len(b) != 16 {
			return nil
		}
		return b
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil || a.Zone() != "" {
		return nil
	}
	return a.AsSlice()
}

func geometryLiteral(c plan.Column, v stored) (lit, why string) {
	content := packet.Content(v.Raw)
	const head = 9 // the SRID, the order of bytes, the kind
	if plan.ClassOf(c.Old) != plan.ClassGeometry || len(content) < head || content[4] != 1 {
		return "", "the value is not known to be a geometry"
	}
	kinds := []string{"point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}
	kind := int(binary.LittleEndian.Uint32(content[5:])) - 1
	if srid := c.New.SRID; srid != nil && binary.LittleEndian.Uint32(content) != *srid {
		return "", "the value has another SRID"
	}
	if want := strings.Replace(c.New.DataType, "geomcollection", "geometrycollection", 1); want != "geometry" &&
		(kind < 0 || kind >= len(kinds) || kinds[kind] != want) {
		return "", "the value is of another kind"
	}
	return hexLiteral(content), ""
}
