package ledger

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/zeebo/xxh3"

	"crosscheck/checksum"
)

// differenceIdentity is the same for two differences of one kind and key.
func differenceIdentity(d checksum.Difference) (xxh3.Uint128, error) {
	text, err := json.Marshal(orEmptyList(d.Key))
	if err != nil {
		return xxh3.Uint128{}, err
	}
	return xxh3.Hash128(append(append([]byte(d.Kind), 0), text...)), nil
}

// storedIdentities counts the stored differences of a table by identity. Hashes, because a table may have a million.
func storedIdentities(ctx context.Context, tx *sql.Tx, table int64) (map[xxh3.Uint128]int, error) {
	rows, err := tx.QueryContext(ctx, `SELECT kind, key_json FROM differences WHERE table_id = ?`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := map[xxh3.Uint128]int{}
	for rows.Next() {
		var d checksum.Difference
		var key any
		if err := rows.Scan(&d.Kind, &key); err != nil {
			return nil, err
		}
		if err := decodeJSON(key, &d.Key); err != nil {
			return nil, err
		}
		id, err := differenceIdentity(d)
		if err != nil {
			return nil, err
		}
		have[id]++
	}
	return have, rows.Err()
}
