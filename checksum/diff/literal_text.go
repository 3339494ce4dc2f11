package diff

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster"
)

// textLiteral writes a value for a column of characters or of JSON.
func (t *Target) textLiteral(c plan.Column, v stored) (lit, why string) {
	cs, content, text, why := t.textFor(c, v)
	switch {
	case why != "":
		return "", why
	case plan.ClassOf(c.New) == plan.ClassJSON:
		if why = jsonFits(c, text); why != "" {
			return "", why
		}
		if c.New.DataType == "json" {
			return "CAST(CONVERT(" + hexLiteral(text) + " USING utf8mb4) AS JSON)", ""
		}
	case !c.Same():
		if why = textFits(c.New, content, text); why != "" {
			return "", why
		}
	}
	return ownText(cs, content), ""
}

// textFor returns what is to be stored: content in the charset cs, and the same in utf8mb4 where that is known.
func (t *Target) textFor(c plan.Column, v stored) (cs string, content, text []byte, why string) {
	const invalid = "the value is no valid text of its charset"
	own := plan.Charset(c.New)
	if own == "" {
		own = "utf8mb4"
	}
	k := plan.ClassOf(c.Old)
	text, ok := v.utf8(c.Old)
	bytes := k == plan.ClassBytes || k == plan.ClassFixedBytes || k == plan.ClassGeometry || k == plan.ClassBit
	isText := k == plan.ClassText || k == plan.ClassJSON && c.Old.DataType != "json"
	if bytes || isText && plan.Charset(c.Old) == own && !plan.UTF8Bytes(own) {
		content = packet.Content(v.Raw)
		if !t.encodes(own, content) {
			return "", nil, nil, invalid
		}
		switch {
		case plan.UTF8Bytes(own):
			text = content
		case !ok || bytes:
			text = nil
		}
		return own, content, text, ""
	}
	if !ok {
		return "", nil, nil, "the value has characters that have no form in utf8mb4"
	}
	if !t.spells(own, text) {
		if !utf8.Valid(text) {
			return "", nil, nil, invalid
		}
		return "", nil, nil, "the value has characters that its charset lacks"
	}
	return "utf8mb4", text, text, ""
}

// textFits says why a column of characters does not give a text back.
func textFits(c *cluster.Column, content, text []byte) string {
	chars := len(content)
	if text != nil {
		chars = utf8.RuneCount(text)
	} else if plan.MultiByte(plan.Charset(c)) {
		chars = 0 // not known: there is more room than in old's column, or converted has it selected
	}
	switch c.DataType {
	case "char", "varchar":
		if int64(chars) > c.CharLen {
			return "the value is too long"
		}
		if c.DataType == "char" && strings.HasSuffix(string(text), " ") {
			return "CHAR drops the spaces at the end of the value"
		}
	default:
		if int64(max(chars, len(text)*octets(plan.Charset(c))/4)) > c.OctetLen {
			return "the value is too long"
		}
	}
	return ""
}

// octets returns how many bytes a charset needs for what takes four in utf8mb4, at most.
func octets(cs string) int {
	switch {
	case plan.UTF8Bytes(cs):
		return 4
	case cs == "utf32":
		return 16
	case strings.HasPrefix(cs, "utf16"), cs == "ucs2":
		return 8
	}
	return 0
}

// How deep the servers' JSON goes: MySQL's, and MariaDB's JSON_VALID.
const (
	depthMySQL   = 100
	depthMariaDB = 32
)

// jsonFits says why a text is no JSON for new's column.
func jsonFits(c plan.Column, text []byte) string {
	if c.Same() && c.Old.JSONText == c.New.JSONText {
		return ""
	}
	const invalid = "the value is no JSON that it takes"
	var any any
	if text == nil || json.Unmarshal(text, &any) != nil || loneSurrogate(text) {
		return invalid
	}
	limit := depthMySQL
	if c.New.JSONText {
		limit = depthMariaDB
	}
	if jsonDepth(any) >= limit {
		return invalid
	}
	return ""
}

func jsonDepth(v any) int {
	depth := 0
	switch v := v.(type) {
	case map[string]any:
		for _, m := range v {
			depth = max(depth, jsonDepth(m))
		}
	case []any:
		for _, m := range v {
			depth = max(depth, jsonDepth(m))
		}
	default:
		return 0
	}
	return depth + 1
}

// loneSurrogate reports whether a string of JSON text may have an escape that is half a character.
func loneSurrogate(text []byte) bool {
	s := strings.ToLower(string(text))
	for {
		i := strings.Index(s, `\ud`)
		if i < 0 || i+4 > len(s) {
			return false
		}
		switch c := s[i+3]; {
		case c >= 'c' && c <= 'f':
			return true
		case c >= '8' && c <= 'b':
			if len(s) < i+12 || s[i+6:i+9] != `\ud` || s[i+9] < 'c' {
				return true
			}
			s = s[i+12:]
		default:
			s = s[i+4:]
		}
	}
}

// timeLiteral writes a date or a time.
func (t *Target) timeLiteral(c plan.Column, v stored) (lit, why string) {
	text := v.Value.Text
	if k := plan.ClassOf(c.Old); k != plan.ClassOf(c.New) {
		content, ok := v.utf8(c.Old)
		if text = string(content); !ok || !timeText(c.New, text) {
			return "", "the value is not what the server writes there"
		}
	}
	if c.Same() {
		return "'" + text + "'", ""
	}
	whole, frac, _ := strings.Cut(text, ".")
	if len(strings.TrimRight(frac, "0")) > c.New.FracSeconds {
		return "", "the value has a finer fraction of a second"
	}
	switch c.New.DataType {
	case "date":
		if day, clock, ok := strings.Cut(whole, " "); ok {
			if clock != "00:00:00" {
				return "", "the value has a time of day"
			}
			text = day
		}
	case "datetime", "timestamp":
		if !strings.Contains(whole, " ") {
			whole += " 00:00:00"
			text = whole
		}
		if c.New.DataType == "timestamp" && !t.timestampFits(whole) {
			return "", "the value is out of its range"
		}
	}
	return "'" + text + "'", ""
}

// timeText reports whether text is written as a server writes a value of the column, whose limits timeLiteral knows.
func timeText(c *cluster.Column, text string) bool {
	layout := "2006-01-02 15:04:05"
	switch c.DataType {
	case "date":
		layout = "2006-01-02"
	case "time":
		layout = "15:04:05"
	}
	if c.FracSeconds > 0 {
		layout += "." + strings.Repeat("0", c.FracSeconds)
	}
	_, err := time.Parse(layout, text)
	return err == nil && len(text) == len(layout)
}

// timestampFits reports whether TIMESTAMP holds a time of UTC.
func (t *Target) timestampFits(text string) bool {
	const zero = "0000-00-00 00:00:00"
	if text == zero {
		return true
	}
	at, err := time.Parse(time.DateTime, text)
	last := time.Unix(1<<31-1, 0)
	if f := t.facts; f.Flavor == cluster.FlavorMariaDB && (f.Major > 11 || f.Major == 11 && f.Minor >= 5) {
		last = time.Unix(1<<32-1, 0)
	}
	return err == nil && at.Unix() > 0 && !at.After(last)
}
