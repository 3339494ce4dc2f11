package watch

import (
	"strconv"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/conflict"
)

// origins tells which side made a transaction: by the UUID in its GTID, on MariaDB and without GTIDs by the server id
// that every event keeps on its way.
type origins struct {
	uuids map[string]conflict.Origin
	ids   map[uint32]conflict.Origin
}

// originsOf knows the two servers themselves and the further members of their sides.
func originsOf(servers Sides, members [2][]string) origins {
	o := origins{uuids: map[string]conflict.Origin{}, ids: map[uint32]conflict.Origin{}}
	for s, list := range members {
		for _, m := range list {
			if id, err := strconv.ParseUint(m, 10, 32); err == nil {
				o.ids[uint32(id)] = conflict.Origin(s)
			} else {
				o.uuids[strings.ToLower(m)] = conflict.Origin(s)
			}
		}
	}
	for s, server := range servers {
		f := server.Facts()
		o.ids[f.ServerID] = conflict.Origin(s)
		if f.Flavor == cluster.FlavorMySQL {
			o.uuids[strings.ToLower(f.ServerUUID)] = conflict.Origin(s)
		}
	}
	return o
}

func (o origins) of(tx *binlog.Transaction) conflict.Origin {
	if tx.OriginUUID != "" {
		if x, ok := o.uuids[tx.OriginUUID]; ok {
			return x
		}
		if x, ok := o.uuids[strings.ToLower(tx.OriginUUID)]; ok {
			return x
		}
		// A side's server whose UUID changed, or a group's view: its id still tells.
	}
	id := tx.ServerID
	if tx.Mark.MariaDB.Seq > 0 {
		id = tx.Mark.MariaDB.Server
	}
	if x, ok := o.ids[id]; ok {
		return x
	}
	return conflict.FromOther
}
