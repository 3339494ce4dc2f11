package binlog

import (
	"fmt"
	"time"
)

// resume remembers the parts of a transaction that were delivered before its
// connection was lost. A server sends the whole transaction again.
type resume struct {
	mark  Mark
	file  string // where it began
	at    time.Time
	rows  int // row changes that were delivered
	parts int
}

// interrupted is called when a connection has ended: what was read of the
// current transaction and not delivered is dropped, to be read again.
func (a *assembler) interrupted() {
	if a.inner != nil {
		a.inner.close()
		a.inner = nil
	}
	if a.cur != nil && a.parts > 0 {
		a.resume = &resume{
			mark: a.cur.Mark, file: a.file, at: a.cur.CommitTime,
			rows: max(a.skip, a.rows-len(a.cur.Changes)), parts: a.parts,
		}
	}
	a.cur = nil
}

// connected is called before the first event of a new connection.
func (a *assembler) connected() {
	a.fmt = format{idSize: 6}
	a.file = ""
	clear(a.tables)
}

// match compares the first transaction of a connection with the one that was
// interrupted. If the server has another one in its place, it lost the former
// in a crash, and the parts delivered never became a transaction.
func (a *assembler) match() {
	r := a.resume
	if r == nil {
		return
	}
	a.resume = nil
	same := r.mark.MySQL == a.cur.Mark.MySQL && r.mark.MariaDB == a.cur.Mark.MariaDB
	if a.cur.Mark.MySQL.Number == 0 && a.cur.Mark.MariaDB.Seq == 0 {
		// Anonymous: it must stand where the other stood.
		same = same && r.file == a.file && r.at.Equal(a.cur.CommitTime)
	}
	if !same {
		a.ready = append(a.ready, &Transaction{Aborted: true})
		return
	}
	a.skip, a.parts = r.rows, r.parts
}

// sameFile notices a log file that was made anew under its old name, which is
// what a reset does.
func (a *assembler) sameFile(f format) error {
	if a.file == "" || f.created == 0 {
		return nil
	}
	was, known := a.created[a.file]
	if known && was != f.created {
		return &ResetError{Had: a.position(), Detail: fmt.Sprintf("%s was made anew", a.file)}
	}
	if len(a.created) > 64 { // only the files that a reconnect can meet matter
		clear(a.created)
	}
	a.created[a.file] = f.created
	return nil
}
