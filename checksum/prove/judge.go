package prove

import (
	"time"

	"github.com/zeebo/xxh3"

	"crosscheck/checksum/read"
)

// round is one pass of the fence rule over one row. With replication from a source to a replica, source was read
// before the source's position was taken, replica after that position had been applied, and source again after the
// source had committed all that the replica can have shown.
// For independent servers no position is taken, and both sides are read twice. Under two-way replication both
// positions are taken, and both sides are read twice around the fences.
type round struct {
	source, replica, sourceAgain, replicaAgain image
}

// blind reports whether one of the reads that count tells nothing.
func (r round) blind(bothSides bool) bool {
	return r.source.sight == unseen || r.replica.sight == unseen || r.sourceAgain.sight == unseen ||
		bothSides && r.replicaAgain.sight == unseen
}

// outcome is the judgement on a row after a round.
type outcome int

const (
	rowAgain     outcome = iota // not decided: another round is due
	rowSame                     // proven the same
	rowDifferent                // proven different, provided that a tail of the source's binlog, if there is one, agrees
	rowHot                      // changed too often to be judged by rounds alone
	rowUnseen                   // not judged: a read by its key tells nothing of the row
)

// rule is what a relation between the servers demands before a difference is proven.
type rule struct {
	agree     int           // rounds in a row that must show the same two images
	maxRounds int           // after so many rounds without a decision the row is hot
	bothSides bool          // the replica may change on its own: it must be stable as well
	pause     time.Duration // before the second round; it doubles from round to round
}

// ruleFor gives the rules of docs/design.md, "The fence rule". A round can be misled in two ways: a row becomes visible a
// moment before its transaction enters the executed set, and A → X → A between two reads looks like stillness. Two further
// rounds exclude the first. The second is excluded by the binlog; without it five rounds with growing delays make it
// improbable.
func ruleFor(tailed, bothSides bool) rule {
	r := rule{agree: 5, maxRounds: 24, bothSides: bothSides, pause: 100 * time.Millisecond}
	if tailed {
		r.agree, r.pause = 3, 20*time.Millisecond
	}
	return r
}

// fenceState is one row's way through the rounds.
type fenceState struct {
	rounds, agreed  int
	source, replica image // as the last round saw them
}

// judge adds a round and says what follows from it.
func (s *fenceState) judge(r rule, now round) outcome {
	if now.blind(r.bothSides) {
		return rowUnseen
	}
	s.rounds++
	same := now.replica == now.source || now.replica == now.sourceAgain
	if r.bothSides {
		same = same || now.replicaAgain == now.source || now.replicaAgain == now.sourceAgain
	}
	if same {
		return rowSame
	}
	still := now.source == now.sourceAgain && (!r.bothSides || now.replica == now.replicaAgain)
	switch {
	case !still:
		s.agreed = 0
	case s.agreed > 0 && now.source == s.source && now.replica == s.replica:
		s.agreed++
	default:
		s.agreed = 1
	}
	s.source, s.replica = now.source, now.replica
	if s.agreed >= r.agree {
		return rowDifferent
	}
	if s.rounds >= r.maxRounds {
		return rowHot
	}
	return rowAgain
}

// disturbed makes the row prove its stillness anew, after the binlog showed that it had changed between the rounds.
func (s *fenceState) disturbed() { s.agreed = 0 }

// restless reports whether the row has gone through so many rounds that only the binlog is likely to settle it.
func (s *fenceState) restless() bool { return s.rounds >= 5 && s.agreed <= 1 }

// delay is how long to wait before the row's next round: short at first, because most suspects are replication that
// is milliseconds away, then growing, so that without the binlog the rounds of a difference are spread over more than
// a second.
func (s *fenceState) delay(r rule) time.Duration {
	return min(r.pause<<min(max(s.rounds-1, 0), 6), time.Second)
}

// sight is what a read tells of a row.
type sight uint8

const (
	unseen  sight = iota // nothing: no row was found, by a key that need not find the row that it is of
	absent               // there was no row
	present              // the row was read
)

// image is what one read of one row saw: the hash of its packet, or that there was no row. Images of one row are the
// same exactly if they compare equal; one that is unseen says nothing.
type image struct {
	sight sight
	hash  xxh3.Uint128
}

// add takes in a row: of several that a key stands for the hashes are summed up.
func (im *image) add(more bool, h xxh3.Uint128) {
	if more {
		d := read.Digest{Hi: im.hash.Hi, Lo: im.hash.Lo}
		d.Add(h)
		h = xxh3.Uint128{Hi: d.Hi, Lo: d.Lo}
	}
	*im = image{sight: present, hash: h}
}
