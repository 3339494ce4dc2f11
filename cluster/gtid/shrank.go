package gtid

// Shrank tells whether a server's position does not hold all that an earlier one of the same server held: its log began anew in
// between. What cannot be compared did not shrink.
//
// A place in the log only moves on. A MySQL set only grows. In a MariaDB domain several servers' numbers may come in any order,
// but those of one server rise.
func (p Position) Shrank(before Position) bool {
	if !p.File.IsZero() && !before.File.IsZero() {
		if order, err := p.File.Compare(before.File); err == nil && order < 0 {
			return true
		}
	}
	hasSet := p.Kind == MySQLGTID || !p.MySQL.IsEmpty()
	if hasSet && !p.MySQL.Contains(before.MySQL) {
		return true
	}
	if p.Kind != MariaDBGTID && p.MariaDB.IsEmpty() {
		return false
	}
	for _, d := range before.MariaDB.Domains() {
		was, _ := before.MariaDB.Last(d)
		if is, ok := p.MariaDB.Last(d); !ok || is.Server == was.Server && is.Seq < was.Seq {
			return true
		}
	}
	return false
}
