package conflict

import (
	"bytes"
	"strings"

	"crosscheck/cluster/binlog"
)

// foldMode says how coarsely a key part is bucketed. Values that any server
// could call equal fall into one bucket; others may share it.
type foldMode uint8

const (
	foldExact   foldMode = iota // numbers, times, bytes
	foldPad                     // binary collations: only trailing spaces may not count
	foldSymbols                 // other collations, by what a fold may keep of their texts
	foldLetters
	foldLoose
	foldPeriod // an end of a period: any may overlap with any
)

func foldOf(t [2]textType) foldMode {
	mode := foldExact
	for _, x := range t {
		switch {
		case x.Charset == "":
		case strings.HasSuffix(x.Collation, "_bin"):
			mode = max(mode, foldPad)
		default:
			mode = max(mode, foldLoose-foldMode(binlog.KeepFor(x.Collation)))
		}
	}
	return mode
}

// appendFolded appends the bucket form of a value.
func appendFolded(out []byte, mode foldMode, s []byte) []byte {
	switch mode {
	case foldExact:
		if len(s) == 2 && s[0] == '-' && s[1] == '0' {
			return append(out, '0')
		}
		return append(out, s...)
	case foldPad:
		return append(out, bytes.TrimRight(s, " ")...)
	case foldPeriod:
		return out
	case foldSymbols, foldLetters, foldLoose:
	}
	return binlog.AppendFold(out, s, binlog.Keep(foldLoose-mode))
}

// surelyDifferent tells two values apart without asking a server.
func surelyDifferent(mode foldMode, a, b []byte) bool {
	switch mode {
	case foldExact:
		return !bytes.Equal(appendFolded(nil, mode, a), appendFolded(nil, mode, b))
	case foldPad:
		return !bytes.Equal(bytes.TrimRight(a, " "), bytes.TrimRight(b, " "))
	case foldPeriod:
		return false
	case foldSymbols, foldLetters, foldLoose:
	}
	return binlog.SurelyDifferent(a, b)
}
