package checksum

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"crosscheck/fixtures"
)

// weighing is a journal that notes the most memory that is held while a chunk is recorded.
type weighing struct {
	*memoryJournal
	mu   sync.Mutex
	most uint64
}

func held() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (j *weighing) Record(_ context.Context, _ string, c ProvenChunk) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(c.Differences) > 1000 { // what the last chunk adds to is small
		j.most = max(j.most, held())
	}
	return nil
}

// TestMemoryWhereAllRowsDiffer: rows that differ are held as they came, and not too many of them.
func TestMemoryWhereAllRowsDiffer(t *testing.T) {
	p := pair{name: "mariadb", old: pool.get(t, fixtures.MariaDB, "old"), new: pool.get(t, fixtures.MariaDB, "new")}
	const database = "alldiffer"
	for i, s := range []*fixtures.Server{p.old, p.new} {
		exec := dataSession(t, s, database)
		for _, q := range []string{
			"CREATE TABLE t (id INT PRIMARY KEY, a INT, name VARCHAR(40), d DECIMAL(12,2), n VARCHAR(30), dt DATETIME(6), f DOUBLE)",
			"SET @side = " + []string{"1", "2"}[i],
			"INSERT INTO t SELECT d*10000+n, n+@side, CONCAT('customer ',@side,n), n+@side/10, CONCAT('note ',@side), NOW()+INTERVAL @side SECOND, n/@side " +
				"FROM seq, zz_digits WHERE d < 3",
		} {
			if err := exec(q); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := held()
	j := &weighing{memoryJournal: newJournal()}
	r, err := checkPair(t, p, Options{Journal: j, Observer: quietObserver{}}, database+".t")
	if err != nil || r.Tables[0].Counts.Changed != 30000 {
		t.Fatal(err, r.Tables)
	}
	const most = 20 << 20
	if j.most == 0 || j.most > before+most {
		t.Errorf("%d KiB were held for rows that differ, want at most %d", (j.most-before)>>10, most>>10)
	}
	t.Logf("%d KiB were held", (j.most-before)>>10)
}
