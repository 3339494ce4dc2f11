package conflict

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"crosscheck/cluster/binlog"
)

// crowdHeap is what a detector may hold of its heap in TestCrowdsStayBounded: far below the 256 MiB that a watch may take
// in all, of which the collector's share and the reading of two logs are parts, too.
const crowdHeap = 16 << 20

// However many values the prefilter throws together while nothing arrives, memory stays bounded, all pairs that servers
// call equal are found, and no others.
func TestCrowdsStayBounded(t *testing.T) {
	arabic, emoji, ethiopic := []rune("ابتثجحخدذرزسشصضط"), []rune("😀😁😂😃😄😅🐟🍀🚲🚗🏠🌍"), []rune("ሀለሐመሠረሰቀበተኀነ")
	for _, c := range []struct {
		name, collation string
		letters         []rune
		old, new        int
	}{
		{"arabic", "utf8mb4_unicode_ci", arabic, 1500, 1500},
		{"many against one", "utf8mb4_unicode_ci", arabic, 6000, 1},
		{"one bucket", "utf8mb4_persian_ci", arabic, 1500, 1500},
		{"one bucket against one", "utf8mb4_persian_ci", arabic, 6000, 1},
		{"emoji", "utf8mb4_unicode_ci", emoji, 600, 600},
		{"ethiopic", "utf8mb4_unicode_ci", ethiopic, 1500, 1500},
	} {
		t.Run(c.name, func(t *testing.T) {
			word := func(n int) string {
				out := []rune{c.letters[0]}
				for ; n > 0 || len(out) < 5; n /= len(c.letters) {
					out = append(out, c.letters[n%len(c.letters)])
				}
				return string(out)
			}
			d := NewDetector(Config{})
			heap := heapOver()
			def := simTable("t")
			def.Columns[1].Collation = c.collation
			plain := binlog.TableOf(def)
			for s := range 2 {
				d.Feed(Side(s), Definition{Table: def})
			}
			number := [2]uint64{}
			feed := func(s Side, text string) {
				number[s]++
				row := insertOf(plain, 2*int(number[s])+int(s))
				row.After[1] = binlog.Value{Text: []byte(text)}
				d.Feed(s, localTx(s, s, number[s], row))
			}
			for i := range c.old {
				feed(Old, word(i))
			}
			for i := range c.new - 1 {
				feed(New, word(c.old+i))
			}
			const mark = "\u064e" // which the servers do not look at
			feed(New, word(7)+mark)
			peak := heap()
			asked := 0
			for list := d.Pending(1); len(list) > 0; list = d.Pending(1) {
				asked++
				d.Answer(Answer{ID: list[0].ID, Pairs: list[0].pairs(func(_, x, y string) bool { return x == strings.TrimSuffix(y, mark) })})
				if asked%16 == 1 {
					peak = max(peak, heap())
				}
			}
			peak = max(peak, heap())
			found := d.Take()
			t.Logf("%d questions, %d MiB", asked, peak>>20)
			if len(found) != 1 || found[0].Kind != InsertInsertUnique || string(found[0].Key[0].Text) != word(7) {
				t.Errorf("found %d: %.300s", len(found), fmt.Sprint(found))
			}
			if peak > crowdHeap {
				t.Errorf("the detector holds %d MiB", peak>>20)
			}
			if asked > 100 {
				t.Errorf("the servers were asked %d times", asked)
			}
		})
	}
	t.Run("children", func(t *testing.T) {
		d := NewDetector(Config{})
		heap := heapOver()
		parent, child := simTable("t"), simTable("c")
		p, c := binlog.TableOf(parent), binlog.TableOf(child)
		for s := range 2 {
			d.Feed(Side(s), Definition{Table: parent})
			d.Feed(Side(s), Definition{Table: child, ForeignKeys: []ForeignKey{{Name: "fk", Columns: []string{"n"}, RefSchema: "s", RefTable: "t", RefColumns: []string{"id"}}}})
		}
		refers := func(id int) binlog.Change {
			row := insertOf(c, id)
			row.After[3] = binlog.Value{Text: []byte("1")}
			return row
		}
		gone := func(row binlog.Change) binlog.Change {
			row.Kind, row.Before, row.After = binlog.Delete, row.After, nil
			return row
		}
		n := uint64(0)
		for _, act := range []func(int) binlog.Change{refers, func(id int) binlog.Change { return gone(refers(id)) }} {
			for id := range 5000 {
				n++
				d.Feed(Old, localTx(Old, Old, n, act(id+2)))
			}
		}
		d.Feed(Old, localTx(Old, Old, n+1, gone(insertOf(p, 1))))
		d.Feed(New, localTx(New, New, 1, refers(9999)))
		found := d.Take()
		if len(found) != 1 || found[0].Kind != ForeignKeyOrphan {
			t.Errorf("found %d: %.300s", len(found), fmt.Sprint(found))
		}
		if held := heap(); held > crowdHeap {
			t.Errorf("the detector holds %d MiB", held>>20)
		}
	})
}

// heapOver tells how much of the heap is held beyond what is now.
func heapOver() func() uint64 {
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	base := live()
	return func() uint64 { return max(live(), base) - base }
}
