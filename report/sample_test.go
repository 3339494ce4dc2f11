package report

import (
	"fmt"
	"strings"
	"time"

	"crosscheck/checksum"
)

var started = time.Date(2026, 5, 1, 10, 0, 0, 123456789, time.FixedZone("CEST", 7200))

// sampleResult is a result of two servers without tables.
func sampleResult(v checksum.Verdict) checksum.Result {
	return checksum.Result{
		Verdict: v,
		Old: checksum.EndpointInfo{
			Addr: "db-old.example:3306", ServerUUID: "8a94f357-aab4-11df-86ab-c80aa9429562", Version: "5.6.24-log",
			Flavor: "mysql", Position: "mysql-bin.000042:98765432",
		},
		New: checksum.EndpointInfo{
			Addr: "db-new.example:3306", ServerUUID: "3e11fa47-71ca-11e1-9e33-c80aa9429562", Version: "9.7.4",
			Flavor: "mysql", TLS: "TLS_AES_256_GCM_SHA384",
			Position: "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-204187,8a94f357-aab4-11df-86ab-c80aa9429562:1-98234871:99000000-99000412",
		},
		Relation: "old → new", Started: started, Elapsed: 14200 * time.Millisecond, FirstChunk: 412 * time.Millisecond,
	}
}

func sameTable(name string, rows int64) checksum.TableResult {
	return checksum.TableResult{
		Table: name, Verdict: checksum.Same, Method: "key chunks", Elapsed: 2500 * time.Millisecond,
		Counts: checksum.Counts{RowsOld: rows, RowsNew: rows, BytesOld: rows * 145, BytesNew: rows * 145, Chunks: 1 + rows/50_000},
	}
}

func field(column, text string) checksum.Field {
	return checksum.Field{Column: column, Value: checksum.Value{Text: text}}
}

func diff(column, old, new_ string) checksum.ColumnDiff {
	return checksum.ColumnDiff{Column: column, Old: checksum.Value{Text: old}, New: checksum.Value{Text: new_}}
}

func changed(key []checksum.Field, columns ...checksum.ColumnDiff) checksum.Difference {
	return checksum.Difference{Kind: checksum.Changed, Key: key, Columns: columns, Proof: checksum.ProofBinlog, Count: 1}
}

func resultSame() checksum.Result {
	r := sampleResult(checksum.Same)
	r.Tables = []checksum.TableResult{
		sameTable("shop.customers", 120_000), sameTable("shop.orders", 1_536_000), sameTable("shop.order_items", 48_210_993),
		sameTable("audit.events", 1_204_118_337), sameTable("shop.empty", 0),
	}
	r.Tables[1].Counts.InFlight = 17
	return r
}

// longPair are two values of 10 KB that differ in one character in the middle.
func longPair() (string, string) {
	base := strings.Repeat("The quick brown fox jumps over it. ", 293)
	return base, base[:5000] + "#" + base[5001:]
}

func resultDifferent() checksum.Result {
	r := sampleResult(checksum.Different)
	long, other := longPair()
	orders := sameTable("shop.orders", 1_536_000)
	orders.Verdict = checksum.Different
	orders.Counts.RowsNew, orders.Counts.Missing, orders.Counts.Extra, orders.Counts.Changed = 1_535_999, 2, 1, 12
	orders.Counts.InFlight = 17
	null := diff("paid_at", "2026-04-30 23:59:59.000001", "")
	null.New.Null = true
	orders.Differences = []checksum.Difference{
		{Kind: checksum.Missing, Key: []checksum.Field{field("id", "42")}, Proof: checksum.ProofBinlog, Count: 1},
		{Kind: checksum.Missing, Key: []checksum.Field{field("id", "43")}, Proof: checksum.ProofBinlog, Count: 1},
		{Kind: checksum.Extra, Key: []checksum.Field{field("id", "1536001")}, Proof: checksum.ProofBinlog, Count: 1},
		changed([]checksum.Field{field("id", "77")}, diff("status", "shipped", "SHIPPED"), diff("total", "1024.50", "1042.50"), null),
		changed([]checksum.Field{field("id", "78")}, diff("remark", long, other), diff("photo", "0x89504E470D0A", "0x89504E470D0B")),
		changed([]checksum.Field{field("id", "79")}, diff("city", "Zürich", "Zu\u0308rich"), diff("名前", "山田太郎", "山田次郎"), diff("note", "", "NULL")),
		changed([]checksum.Field{field("id", "80")}, diff("balance", "-0", "0"), diff("code", "A1 ", "A1"), diff("rate", "0.1", "0.1")),
	}
	keyless := sameTable("shop.import_log", 9_120)
	keyless.Verdict, keyless.Method = checksum.Different, "row multiset"
	keyless.Counts.Missing = 3
	keyless.Differences = []checksum.Difference{{Kind: checksum.Missing, Proof: checksum.ProofRounds, Count: 3}}
	composite := sameTable("shop.stock", 88_000)
	composite.Verdict = checksum.Different
	composite.Counts.Changed = 1
	composite.Lossy = []string{"weight DOUBLE → FLOAT: compared after rounding old's value to FLOAT"}
	composite.Differences = []checksum.Difference{changed(
		[]checksum.Field{field("region", "eu west"), field("sku", "Ä-17")}, diff("qty", "5", "6"))}
	gone := checksum.TableResult{Table: "shop.coupons", Verdict: checksum.Different, Method: "definition", Reason: "the table does not exist on new"}
	customers := sameTable("shop.customers", 120_000)
	customers.Notes = []string{"column loyalty_tier exists on new only and was not compared"}
	r.Tables = []checksum.TableResult{customers, orders, keyless, composite, gone, sameTable("shop.kunden_größe_日本語", 1_200)}
	r.Notes = []string{"the account cannot see the schema mysql_secrets on old: tables there were not compared"}
	return r
}

func resultUndecided() checksum.Result {
	r := sampleResult(checksum.Undecided)
	t := sameTable("shop.orders", 1_536_000)
	t.Verdict, t.Counts.Undecided = checksum.Undecided, 4
	t.Reason = "replication to new stopped: error 1062 on the applier; 4 rows differ and no fence arrived within 30 s"
	r.Tables = []checksum.TableResult{sameTable("shop.customers", 120_000), t}
	return r
}

func resultInterrupted() checksum.Result {
	r := sampleResult(checksum.Undecided)
	r.Interrupted, r.ResumedFrom, r.Reason = true, "20260501-0958-7f3a", "stopped by the user"
	t := sameTable("shop.orders", 700_000)
	t.Verdict, t.Reason, t.Resumed = checksum.Undecided, "not read to its end", 9
	r.Tables = []checksum.TableResult{sameTable("shop.customers", 120_000), t, {Table: "shop.zones", Reason: "not reached"}}
	return r
}

func resultNoTables() checksum.Result {
	r := sampleResult(checksum.Undecided)
	r.Reason = "no table matches --table 'shopp.*'"
	return r
}

func resultMany() checksum.Result {
	r := sampleResult(checksum.Different)
	for i := range 200 {
		t := sameTable(fmt.Sprintf("app_%02d.a_table_with_quite_a_long_name_%03d", i%7, i), int64(i)*7_919)
		if i%67 == 3 {
			t.Verdict, t.Counts.Changed = checksum.Different, int64(i)
		}
		r.Tables = append(r.Tables, t)
	}
	return r
}

// hostile is text that tries to break out of each format.
const hostile = "<script>alert(1)</script>|`x`*b*\x1b[31m\x1b]0;owned\x07\n# h\u202egnp\u009b2J\x00]]>&\xff"

func resultHostile() checksum.Result {
	r := sampleResult(checksum.Different)
	r.Old.Addr, r.Old.Version, r.Relation, r.Reason = hostile, hostile, hostile, hostile
	r.Notes = []string{hostile}
	t := sameTable("db."+hostile, 5)
	t.Verdict, t.Counts.Changed, t.Reason, t.Notes, t.Lossy = checksum.Different, 1, hostile, []string{hostile}, []string{hostile}
	t.Differences = []checksum.Difference{changed([]checksum.Field{field(hostile, hostile)}, diff(hostile, strings.ToValidUTF8(hostile, ""), hostile))}
	r.Tables = []checksum.TableResult{t}
	return r
}

// samples are the documents each renderer is tried with.
func samples() map[string]CheckDocument {
	shown, masked := Options{ShowValues: true, MaxDifferences: 20}, Options{MaxDifferences: 20}
	return map[string]CheckDocument{
		"same":             NewCheck(Pair(resultSame()), masked),
		"different-masked": NewCheck(Pair(resultDifferent()), masked),
		"different-shown":  NewCheck(Pair(resultDifferent()), shown),
		"undecided":        NewCheck(Pair(resultUndecided()), masked),
		"interrupted":      NewCheck(Pair(resultInterrupted()), masked),
		"no-tables":        NewCheck(Pair(resultNoTables()), masked),
		"many":             NewCheck(Pair(resultMany()), masked),
		"nodes":            NewCheck(checkOfNodes(), shown),
		"nodes-masked":     NewCheck(checkOfNodes(), masked),
		"nodes-many":       NewCheck(manyNodes(), masked),
		"nodes-pair":       NewCheck(pairOfClusters(), masked),
		"nodes-same":       NewCheck(sameNodes(), masked),
		"hostile-nodes":    NewCheck(hostileNodes(), shown),
		"hostile":          NewCheck(Pair(resultHostile()), shown),
	}
}
