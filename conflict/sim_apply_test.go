package conflict

import "slices"

// apply lets a side's applier execute one transaction of the other side: the next
// one, or with parallel workers one of the next that depends on none before it.
func (s *sim) apply(side Side) {
	srv := s.srv[side]
	if len(srv.inbox) == 0 {
		return
	}
	at := 0
	if !s.mode.inOrder || s.mode.domains > 1 {
		for try := s.rng.IntN(min(8, len(srv.inbox))); try > 0; try-- {
			if s.mayOvertake(srv.inbox[:try], srv.inbox[try]) {
				at = try
				break
			}
		}
	}
	if s.opts.inject && s.mode.flavor == "mysql" && s.rng.IntN(40) == 0 { // an empty transaction of that name, ahead of its turn
		at = s.rng.IntN(len(srv.inbox))
		tx := srv.inbox[at]
		srv.inbox = slices.Delete(slices.Clone(srv.inbox), at, at+1)
		srv.append(&simTx{origin: tx.origin, seq: tx.seq})
		s.injected++
		s.tangled = s.tangled || tx.ddl != nil
		srv.reach()
		return
	}
	tx := srv.inbox[at]
	srv.inbox = slices.Delete(slices.Clone(srv.inbox), at, at+1)
	echo := &simTx{origin: tx.origin, seq: tx.seq, ddl: tx.ddl}
	if tx.ddl != nil && !srv.execute(tx.ddl) {
		echo.ddl = nil
		s.skips++
		s.tangled = true
	}
	for _, op := range tx.ops {
		logged := srv.idempotent(op)
		if len(logged) == 0 {
			s.skips++
		}
		echo.ops = append(echo.ops, logged...)
	}
	if !echo.empty() || s.mode.flavor == "mysql" {
		srv.append(echo)
	}
	srv.reach()
}

// mayOvertake tells whether a transaction may be applied before earlier ones.
func (s *sim) mayOvertake(earlier []*simTx, tx *simTx) bool {
	same := func(e *simTx) bool { return s.mode.domain(e.seq) == s.mode.domain(tx.seq) }
	return free(earlier, tx) && (!s.mode.inOrder || !slices.ContainsFunc(earlier, same))
}

// free tells whether a transaction shares no key with earlier ones.
func free(earlier []*simTx, tx *simTx) bool {
	for _, e := range earlier {
		if e.ddl != nil || tx.ddl != nil {
			return false
		}
		for _, a := range e.ops {
			for _, b := range tx.ops {
				if depends(a, b) {
					return false
				}
			}
		}
	}
	return true
}

func depends(a, b simOp) bool {
	for _, x := range []*simRow{a.before, a.after} {
		for _, y := range []*simRow{b.before, b.after} {
			if x == nil || y == nil {
				continue
			}
			if a.table != b.table && (a.table == "c" && x.n == y.id || b.table == "c" && y.n == x.id) ||
				a.table == b.table && (x.id == y.id || simEqual(x.email, y.email) || x.code != "" && x.code == y.code) {
				return true
			}
		}
	}
	return false
}

// idempotent applies a change as slave_exec_mode=IDEMPOTENT does, and returns
// what is logged.
func (srv *simServer) idempotent(op simOp) []simOp {
	var logged []simOp
	run := func(o simOp) {
		srv.do(o)
		logged = append(logged, o)
	}
	if op.table == "c" && srv.gone {
		return nil
	}
	if op.before == nil {
		if op.table == "t" {
			for _, id := range srv.clash(*op.after, op.after.id) {
				gone := srv.rows["t"][id]
				run(simOp{table: "t", before: &gone})
			}
		}
		o := simOp{table: op.table, after: op.after}
		if have, ok := srv.rows[op.table][op.after.id]; ok {
			o.before = &have
		}
		run(o)
		return logged
	}
	have, ok := srv.rows[op.table][op.before.id]
	if !ok {
		return nil
	}
	if op.after != nil {
		if _, taken := srv.rows[op.table][op.after.id]; taken && op.after.id != op.before.id {
			return nil
		}
		if op.table == "t" && len(srv.clash(*op.after, op.before.id)) > 0 {
			return nil
		}
	}
	run(simOp{table: op.table, before: &have, after: op.after})
	return logged
}
