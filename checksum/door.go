package checksum

import "crosscheck/checksum/plan"

// RowKey names a row by the columns of its key.
type RowKey = plan.RowKey
