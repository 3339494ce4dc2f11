package conflict

import "fmt"

// Kind is what a finding says. The first operation is always old's:
//
//	kind                  when
//	insert_insert_pk      both sides inserted one primary key. Also: an insert on one side and an
//	                      update on the other of one primary key, where no earlier collision of
//	                      the two, and no statement that took the table's rows beside the update,
//	                      explains how one side could have the row and the other not
//	insert_insert_unique  two inserts of different rows take one value of one unique key
//	update_unique         the same, where at least one is an update that changes the unique key
//	multiple_unique       two different rows take one value each of two or more unique keys
//	update_pk             an update moves a row to a primary key which the other side inserts,
//	                      moves another row to, or moves a row away from
//	update_update         both updated one row, with different results
//	update_update_same    both updated one row, with the same result (benign)
//	update_delete         old updated the row that new deleted
//	delete_update         old deleted the row that new updated
//	delete_delete         both deleted one row (benign)
//	insert_delete         one side inserted (or moved a row to) a primary key that the other deleted
//	foreign_key_orphan    one side deleted a referenced key, or changed it, while the other inserted
//	                      a reference to it, or changed one to it
//	ddl_race              a schema change on one side, and rows or another schema change of the
//	                      same table on the other, concurrent; one finding per statement and table
//	wrong_step_key        an insert gave an AUTO_INCREMENT column a value that does not fit its
//	                      side's step
//	stale_session         a live session's step is not its server's global one
//	echo_mismatch         a replica's before-image is not that of the original, or a row of the
//	                      original is missing in its echo: the row had already diverged, and no
//	                      collision that is known explains it
//	missing_echo          a transaction was passed by the other side's applier without a trace, and
//	                      no collision explains it
//	unjudged              something could not be judged: Reason says what, and from where to where
type Kind uint8

// The kinds.
const (
	InsertInsertPK Kind = iota + 1
	InsertInsertUnique
	UpdateUnique
	MultipleUnique
	UpdatePK
	UpdateUpdate
	UpdateUpdateSame
	UpdateDelete
	DeleteUpdate
	DeleteDelete
	InsertDelete
	ForeignKeyOrphan
	DDLRace
	WrongStepKey
	StaleSession
	EchoMismatch
	MissingEcho
	Unjudged
	kinds // count of the above, plus one
)

var kindNames = [kinds]string{
	"", "insert_insert_pk", "insert_insert_unique", "update_unique", "multiple_unique", "update_pk",
	"update_update", "update_update_same", "update_delete", "delete_update", "delete_delete", "insert_delete",
	"foreign_key_orphan", "ddl_race", "wrong_step_key", "stale_session", "echo_mismatch", "missing_echo", "unjudged",
}

// String is the kind's stable name.
func (k Kind) String() string {
	if k == 0 || k >= kinds {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Benign tells kinds apart that leave the two sides equal.
func (k Kind) Benign() bool { return k == UpdateUpdateSame || k == DeleteDelete }

// MarshalText is the stable name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a stable name.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, name := range kindNames {
		if i > 0 && name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("conflict: no kind of finding is called %q", b)
}

// Kinds lists all kinds in the order of reports.
func Kinds() []Kind {
	out := make([]Kind, 0, kinds-1)
	for k := InsertInsertPK; k < kinds; k++ {
		out = append(out, k)
	}
	return out
}

// Reason says why something is unjudged.
type Reason string

// The reasons of unjudged findings.
const (
	ReasonNoTable     Reason = "table_unknown"     // rows of a table whose definition was not given
	ReasonNoKey       Reason = "no_key"            // rows of a table without a primary or non-null unique key
	ReasonImage       Reason = "partial_image"     // the image lacks a part of a key (MINIMAL, NOBLOB)
	ReasonCharset     Reason = "charset"           // a key's text is in a character set that cannot be read from the log
	ReasonExpression  Reason = "expression_key"    // a unique key with an expression
	ReasonCrowded     Reason = "crowded"           // more concurrent changes touch one key than are compared
	ReasonCollation   Reason = "collation"         // no server could say whether two values are equal
	ReasonStatement   Reason = "statement"         // logged as its statement: the rows are unknown
	ReasonIncident    Reason = "incident"          // other incidents of the log
	ReasonGap         Reason = "gap"               // a piece of the log was not read
	ReasonWindowFull  Reason = "window_full"       // keys were dropped to stay within memory
	ReasonThirdSource Reason = "third_source"      // rows written by a server that is on neither side
	ReasonNoOriginal  Reason = "echo_without_orig" // an echo whose original is not in the other log
	ReasonMisfit      Reason = "unknown_columns"   // the log's rows do not fit the definition that the server shows
	ReasonUncertain   Reason = "uncertain_schema"  // decoded with a definition that may not be valid there
)

// Reasons lists all reasons in the order of reports.
func Reasons() []Reason {
	return []Reason{
		ReasonNoTable, ReasonNoKey, ReasonImage, ReasonCharset, ReasonExpression, ReasonCollation, ReasonCrowded, ReasonStatement, ReasonIncident, ReasonGap,
		ReasonWindowFull, ReasonThirdSource, ReasonNoOriginal, ReasonMisfit, ReasonUncertain,
	}
}
