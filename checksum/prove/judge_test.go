package prove

import (
	"testing"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
	"crosscheck/chunker"
)

// nothing stands for a read that tells nothing.
const nothing = 99

func im(v uint64) image {
	switch v {
	case 0:
		return image{sight: absent}
	case nothing:
		return image{}
	}
	return image{sight: present, hash: xxh3.Uint128{Lo: v}}
}

// quiet is a round in which nothing changed: old holds o, new holds n. 0 stands for no row.
func quiet(o, n uint64) round {
	return round{source: im(o), replica: im(n), sourceAgain: im(o), replicaAgain: im(n)}
}

func TestJudge(t *testing.T) {
	hot := func(a, b, c uint64) round { return round{source: im(a), replica: im(b), sourceAgain: im(c)} }
	tests := []struct {
		name   string
		rule   rule
		rounds []round
		want   outcome
	}{
		{"equal at once", ruleFor(true, false), []round{quiet(1, 1)}, rowSame},
		{"gone on both", ruleFor(true, false), []round{quiet(0, 0)}, rowSame},
		{"a lookup that finds nothing on either side", ruleFor(true, false), []round{quiet(nothing, nothing)}, rowUnseen},
		{"a lookup that finds nothing on new", ruleFor(true, false), []round{quiet(1, 2), quiet(1, nothing)}, rowUnseen},
		{"one that finds nothing at the second reading of old", ruleFor(true, false), []round{hot(1, 1, nothing)}, rowUnseen},
		{"new is ahead of the first read", ruleFor(true, false), []round{hot(1, 2, 2)}, rowSame},
		{"one look is no proof", ruleFor(true, false), []round{quiet(1, 2)}, rowAgain},
		{"two looks are no proof", ruleFor(true, false), []round{quiet(1, 2), quiet(1, 2)}, rowAgain},
		{"three looks and the log", ruleFor(true, false), []round{quiet(1, 2), quiet(1, 2), quiet(1, 2)}, rowDifferent},
		{"missing", ruleFor(true, false), []round{quiet(1, 0), quiet(1, 0), quiet(1, 0)}, rowDifferent},
		{"without the log three are too few", ruleFor(false, false), []round{quiet(1, 2), quiet(1, 2), quiet(1, 2)}, rowAgain},
		{"without the log five", ruleFor(false, false), []round{quiet(1, 2), quiet(1, 2), quiet(1, 2), quiet(1, 2), quiet(1, 2)}, rowDifferent},
		{"arrives late", ruleFor(true, false), []round{quiet(1, 2), quiet(1, 2), quiet(1, 1)}, rowSame},
		{"a change of old starts the count anew", ruleFor(true, false), []round{quiet(1, 2), quiet(1, 2), quiet(3, 2)}, rowAgain},
		{"a change of new starts the count anew", ruleFor(true, false), []round{quiet(1, 2), quiet(1, 2), quiet(1, 3)}, rowAgain},
		{"a change between the reads starts it anew", ruleFor(true, false), []round{quiet(1, 9), quiet(1, 9), hot(1, 9, 2), quiet(1, 9), quiet(1, 9)}, rowAgain},
		{
			"two-way: new must be still as well", ruleFor(true, true),
			[]round{quiet(1, 2), quiet(1, 2), {source: im(1), sourceAgain: im(1), replica: im(2), replicaAgain: im(3)}},
			rowAgain,
		},
		{
			"two-way: old takes new's value", ruleFor(true, true),
			[]round{{source: im(1), sourceAgain: im(2), replica: im(2), replicaAgain: im(2)}},
			rowSame,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s fenceState
			var got outcome
			for i, r := range tt.rounds {
				got = s.judge(tt.rule, r)
				if i < len(tt.rounds)-1 && got != rowAgain {
					t.Fatalf("decided %d in round %d", got, i+1)
				}
			}
			if got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// Whatever is seen: different needs as many equal rounds in a row as the rule asks for, with old still in each, and a
// row never stays open for longer than the rule allows.
func TestJudgeNeverCallsDifferentWithoutProof(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ruleFor(rapid.Bool().Draw(t, "tailed"), rapid.Bool().Draw(t, "two-way"))
		var s fenceState
		var history []round
		for {
			v := rapid.SampledFrom([]uint64{0, 1, 2, 0, 1, 2, 0, 1, 2, nothing})
			now := round{source: im(v.Draw(t, "a")), replica: im(v.Draw(t, "b")), sourceAgain: im(v.Draw(t, "a2")), replicaAgain: im(v.Draw(t, "b2"))}
			if len(history) > 0 && rapid.IntRange(0, 3).Draw(t, "repeat") > 0 {
				now = history[len(history)-1]
			}
			history = append(history, now)
			got := s.judge(r, now)
			if got != rowUnseen && now.blind(r.bothSides) {
				t.Fatalf("%d of a row that was not seen: %+v", got, now)
			}
			switch got {
			case rowAgain:
				continue
			case rowSame:
				if now.replica != now.source && now.replica != now.sourceAgain && !r.bothSides {
					t.Fatalf("same without an equal image: %+v", now)
				}
			case rowDifferent:
				for _, h := range history[len(history)-r.agree:] {
					if h.source != now.source || h.replica != now.replica || h.source != h.sourceAgain || h.source == h.replica {
						t.Fatalf("different on %+v", history)
					}
				}
			case rowUnseen:
				if !now.blind(r.bothSides) {
					t.Fatalf("not judged although all was seen: %+v", now)
				}
			case rowHot:
				if len(history) != r.maxRounds {
					t.Fatalf("hot after %d rounds", len(history))
				}
			}
			return
		}
	})
}

// A row that neither side's read has found is not alike for that: where the source's commits hang, it stays open.
func TestUnseenIsApart(t *testing.T) {
	row, other := image{sight: present}, image{sight: present}
	other.hash.Lo = 1
	gone := image{sight: absent}
	for _, c := range []struct {
		name            string
		source, replica image
		doubted, apart  bool
	}{
		{"equal", row, row, true, false},
		{"different", row, other, false, true},
		{"seen by nobody", image{}, image{}, false, true},
		{"on neither side, by a sure key", gone, gone, false, false},
		{"on neither side, by a key in doubt", gone, gone, true, true},
	} {
		s := &Settler{fence: unreplicated{}}
		b := &batch{
			plan: &plan.Table{Doubted: c.doubted}, suspects: []*suspect{{kind: diff.Missing, rng: &chunker.Range{}}},
			rounds: []round{{source: c.source, replica: c.replica}},
		}
		if s.apart(b, 0) != c.apart {
			t.Errorf("%s: apart %v", c.name, !c.apart)
		}
	}
}
