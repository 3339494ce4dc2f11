package inspect

import (
	"context"
	"database/sql"
	"fmt"

	"crosscheck/cluster"
)

// Zone is a named time zone as a server's tables have it.
type Zone struct {
	Transitions int    // of the years that TIMESTAMP has
	Sum         string // of when they are and of the offsets that they lead to
}

// readZones reads the named time zones, and which of them are used.
func (r *reader) readZones(ctx context.Context) error {
	user, host := cutAccount(r.side.Facts.Account)
	var lacking []string
	for _, t := range []string{"time_zone_name", "time_zone_transition", "time_zone_transition_type"} {
		_, err := r.columnsOf(ctx, "mysql."+t)
		switch {
		case cluster.IsPermission(err):
			lacking = append(lacking, fmt.Sprintf("GRANT SELECT ON mysql.%s TO %s@%s", t, quote(user), quote(host)))
		case err != nil:
			return err
		}
	}
	if len(lacking) > 0 {
		r.side.Unknown = append(r.side.Unknown, Gap{
			What: TimeZones, Why: "the account may not read all tables of mysql that hold time zones", Grant: lacking[0], More: lacking[1:],
		})
		return nil
	}
	zones := map[string]Zone{}
	err := r.each(ctx, "SELECT n.Name, COUNT(t.Transition_time), COALESCE(SUM(CRC32(CONCAT_WS('/', t.Transition_time, y.Offset))), 0) FROM mysql.time_zone_name n "+
		"LEFT JOIN mysql.time_zone_transition t ON t.Time_zone_id = n.Time_zone_id AND t.Transition_time BETWEEN 0 AND 2147483647 "+
		"LEFT JOIN mysql.time_zone_transition_type y ON y.Time_zone_id = t.Time_zone_id AND y.Transition_type_id = t.Transition_type_id "+
		"WHERE n.Name NOT LIKE 'posix/%' AND n.Name NOT LIKE 'right/%' GROUP BY n.Name", // these are the same zones once more
		func(rows *sql.Rows) error {
			var name string
			var z Zone
			err := rows.Scan(&name, &z.Transitions, &z.Sum)
			zones[name] = z
			return err
		})
	if err != nil {
		return err
	}
	r.side.Zones, r.side.ZonesKnown = zones, true
	if len(zones) == 0 {
		return nil
	}
	r.side.UsedZones = []string{r.side.Variables["time_zone"]}
	for _, q := range []string{ // as far as the server shows them: where it does not, a zone is one that may be used
		"SELECT DISTINCT TIME_ZONE FROM information_schema.EVENTS",
		"SELECT DISTINCT VARIABLE_VALUE FROM performance_schema.variables_by_thread WHERE VARIABLE_NAME = 'time_zone'",
	} {
		list, err := r.strings(ctx, q)
		if err != nil && cluster.ErrorNumber(err) == 0 {
			return err
		}
		r.side.UsedZones = append(r.side.UsedZones, list...)
	}
	return nil
}
