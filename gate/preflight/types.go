package preflight

import (
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// fit is how a value of one type goes into another.
type fit int

const (
	fitsSame    fit = iota // nothing is lost and nothing need be converted
	fitsMeaning            // it goes in without an error, and may mean something else
	fitsWider              // it goes in where the applier may convert
	fitsLossy              // it goes in, shortened, where the applier may lose
	fitsNever
)

// judgeType says how bad two types are, over the directions that the path
// needs. Row events carry values in the source's type; the applier converts
// only as far as replica_type_conversions allows, and stops otherwise (1677).
func (j *judge) judgeType(p pairOf) (Severity, string) {
	severity, why := j.direction(p.old, p.new, j.new)
	if j.twoWay() {
		s, w := j.direction(p.new, p.old, j.old)
		if worse(s, severity) == s && s != severity {
			severity, why = s, w
		}
	}
	return severity, why
}

func (j *judge) direction(from, to *cluster.Column, applier *inspect.Side) (Severity, string) {
	allowed := strings.ToUpper(text(applier, "replica_type_conversions", "slave_type_conversions"))
	switch fitOf(from, to) {
	case fitsSame:
		return Warning, ""
	case fitsMeaning:
		return Lossy, " (values go over as they are and mean something else)"
	case fitsWider:
		if strings.Contains(allowed, "ALL_NON_LOSSY") {
			return Warning, ""
		}
		return Fatal, " (replication to " + applier.Label + " stops, 1677)"
	case fitsLossy:
		if strings.Contains(allowed, "ALL_LOSSY") {
			return Lossy, " (" + applier.Label + " cuts values)"
		}
		return Fatal, " (replication to " + applier.Label + " stops, 1677)"
	default:
		return Fatal, " (replication to " + applier.Label + " stops, 1677)"
	}
}

// converts tells whether all appliers that the path needs may convert.
func (j *judge) converts(_ pairOf, lossy bool) bool {
	want := "ALL_NON_LOSSY"
	if lossy {
		want = "ALL_LOSSY"
	}
	for _, s := range j.sides() {
		if (s == j.new || j.twoWay()) && !strings.Contains(strings.ToUpper(text(s, "replica_type_conversions", "slave_type_conversions")), want) {
			return false
		}
	}
	return true
}

// sizes order the types of a family.
func sizes() [][]string {
	return [][]string{
		{"tinyint", "smallint", "mediumint", "int", "bigint"},
		{"tinytext", "text", "mediumtext", "longtext"},
		{"tinyblob", "blob", "mediumblob", "longblob"},
		{"float", "double"},
		{"char", "varchar"},
		{"binary", "varbinary"},
	}
}

func fitOf(from, to *cluster.Column) fit {
	if len(from.Labels)+len(to.Labels) > 0 {
		return fitOfLabels(from, to)
	}
	if from.DataType != to.DataType {
		for _, family := range sizes() {
			a, b := slices.Index(family, from.DataType), slices.Index(family, to.DataType)
			switch {
			case a < 0 || b < 0:
			case a < b && from.CharLen <= to.CharLen:
				return fitsWider
			default:
				return fitsLossy
			}
		}
		return fitsNever
	}
	if from.CharLen == to.CharLen && from.Precision == to.Precision && from.Scale == to.Scale && from.FracSeconds == to.FracSeconds {
		return signed(from, to, fitsSame) // something else differs, as a spatial reference
	}
	switch from.DataType {
	case "decimal":
		if from.Precision-from.Scale <= to.Precision-to.Scale && from.Scale <= to.Scale {
			return signed(from, to, fitsWider)
		}
		return fitsLossy
	case "datetime", "timestamp", "time":
		if from.FracSeconds <= to.FracSeconds {
			return fitsWider
		}
		return fitsLossy
	case "char", "varchar", "binary", "varbinary":
		if from.CharLen <= to.CharLen {
			return fitsWider
		}
		return fitsLossy
	case "bit":
		if from.Precision <= to.Precision {
			return fitsWider
		}
		return fitsLossy
	}
	return signed(from, to, fitsSame)
}

// signed: row events of most versions do not say whether a number has a sign.
func signed(from, to *cluster.Column, otherwise fit) fit {
	if from.Unsigned != to.Unsigned {
		return fitsMeaning
	}
	return otherwise
}

// fitOfLabels: members travel as numbers, so their order is their meaning.
func fitOfLabels(from, to *cluster.Column) fit {
	if from.DataType != to.DataType {
		return fitsNever
	}
	if len(to.Labels) >= len(from.Labels) && slices.Equal(from.Labels, to.Labels[:len(from.Labels)]) {
		return fitsSame
	}
	return fitsMeaning
}
