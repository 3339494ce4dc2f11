package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Flavor is the family of a server's program.
type Flavor string

// The flavors. Percona Server counts as MySQL.
const (
	FlavorMySQL   Flavor = "mysql"
	FlavorMariaDB Flavor = "mariadb"
)

// Facts is what a server said about itself when Open connected to it. Fields
// that a version lacks are zero.
type Facts struct {
	Version             string // as the server gives it: "10.11.14-MariaDB-deb12-log"
	VersionComment      string
	Flavor              Flavor
	Major, Minor, Patch int
	// ServerUUID tells this server from every other. On MySQL it is
	// server_uuid. MariaDB has none: there it is "mariadb-" and 32 hexadecimal
	// digits of a hash of server_uid (from the machine's network card and the
	// port; newer versions only), server_id, hostname, port and datadir. It
	// survives restarts and changes when the server moves to another machine,
	// folder or port, or gets another server_id.
	ServerUUID             string
	ServerID               uint32
	Hostname               string
	Port                   int
	DataDir                string
	Account                string // CURRENT_USER(): "user@host" as granted
	TLS                    string // the connection's cipher, or ""
	GTIDMode               string // MySQL: OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON; "" on MariaDB
	EnforceGTIDConsistency string
	GTIDDomainID           uint32 // MariaDB
	LogBin                 bool
	BinlogFormat           string // ROW, MIXED, STATEMENT
	BinlogRowImage         string // FULL, MINIMAL, NOBLOB, FULL_NODUP
	BinlogRowMetadata      string
	BinlogChecksum         string
	BinlogExpireSeconds    int64 // 0: never
	LogReplicaUpdates      bool
	ReadOnly               bool
	SuperReadOnly          bool
	LowerCaseTableNames    int
	AutoIncrementIncrement int // global
	AutoIncrementOffset    int
	MaxAllowedPacket       int64
	SQLMode                string // global
	TimeZone               string // global; SystemTimeZone is what SYSTEM means
	SystemTimeZone         string
	CharsetServer          string
	CollationServer        string
	Isolation              string // global
	PerformanceSchema      bool
	Galera                 bool // wsrep is on
	GroupReplication       bool // a group is configured
}

// AtLeast compares the version. Mind the flavor: MariaDB's numbers are not
// MySQL's.
func (f Facts) AtLeast(major, minor, patch int) bool {
	if f.Major != major {
		return f.Major > major
	}
	if f.Minor != minor {
		return f.Minor > minor
	}
	return f.Patch >= patch
}

// IsMariaDB tells whether the server is a MariaDB.
func (f Facts) IsMariaDB() bool { return f.Flavor == FlavorMariaDB }

// String is a short description for people: "MySQL 9.7.4 (uuid…)".
func (f Facts) String() string {
	name := "MySQL"
	if f.IsMariaDB() {
		name = "MariaDB"
	}
	return fmt.Sprintf("%s %d.%d.%d (%s)", name, f.Major, f.Minor, f.Patch, f.ServerUUID)
}

// variables are a server's global variables, by lower-case name.
type variables map[string]string

func (v variables) has(name string) bool {
	_, ok := v[name]
	return ok
}

// first returns the value of the first name that the server has.
func (v variables) first(names ...string) string {
	for _, n := range names {
		if s, ok := v[n]; ok {
			return s
		}
	}
	return ""
}

func (v variables) number(names ...string) int64 {
	s := v.first(names...)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	// Some are written as decimals, as expire_logs_days on MariaDB.
	f, _ := strconv.ParseFloat(s, 64)
	return int64(f)
}

func (v variables) on(names ...string) bool {
	switch strings.ToUpper(v.first(names...)) {
	case "ON", "1", "YES", "TRUE":
		return true
	}
	return false
}

// factsFrom reads the facts out of the global variables; Account and TLS are
// not among them.
func factsFrom(v variables) Facts {
	f := Facts{
		Version:                v["version"],
		VersionComment:         v["version_comment"],
		Flavor:                 FlavorMySQL,
		ServerUUID:             strings.ToLower(v["server_uuid"]),
		ServerID:               uint32(v.number("server_id")),
		Hostname:               v["hostname"],
		Port:                   int(v.number("port")),
		DataDir:                v["datadir"],
		GTIDMode:               strings.ToUpper(v["gtid_mode"]),
		EnforceGTIDConsistency: strings.ToUpper(v["enforce_gtid_consistency"]),
		GTIDDomainID:           uint32(v.number("gtid_domain_id")),
		LogBin:                 v.on("log_bin"),
		BinlogFormat:           strings.ToUpper(v["binlog_format"]),
		BinlogRowImage:         strings.ToUpper(v["binlog_row_image"]),
		BinlogRowMetadata:      strings.ToUpper(v["binlog_row_metadata"]),
		BinlogChecksum:         strings.ToUpper(v["binlog_checksum"]),
		BinlogExpireSeconds:    v.number("binlog_expire_logs_seconds"),
		LogReplicaUpdates:      v.on("log_replica_updates", "log_slave_updates"),
		// MariaDB 12 spells read_only's values out.
		ReadOnly:               v.first("read_only") != "" && !strings.EqualFold(v["read_only"], "OFF") && v["read_only"] != "0",
		SuperReadOnly:          v.on("super_read_only"),
		LowerCaseTableNames:    int(v.number("lower_case_table_names")),
		AutoIncrementIncrement: int(v.number("auto_increment_increment")),
		AutoIncrementOffset:    int(v.number("auto_increment_offset")),
		MaxAllowedPacket:       v.number("max_allowed_packet"),
		SQLMode:                v["sql_mode"],
		TimeZone:               v["time_zone"],
		SystemTimeZone:         v["system_time_zone"],
		CharsetServer:          canonicalCharset(v["character_set_server"]),
		CollationServer:        v["collation_server"],
		Isolation:              v.first("transaction_isolation", "tx_isolation"),
		PerformanceSchema:      v.on("performance_schema"),
		Galera:                 v.on("wsrep_on"),
		GroupReplication:       v["group_replication_group_name"] != "",
	}
	if f.BinlogExpireSeconds == 0 {
		f.BinlogExpireSeconds = v.number("expire_logs_days") * 86400
	}
	if f.BinlogFormat == "" && f.LogBin {
		f.BinlogFormat = "ROW" // a server without the variable has no other format
	}
	if strings.Contains(strings.ToLower(f.Version+" "+f.VersionComment), "mariadb") {
		f.Flavor = FlavorMariaDB
	}
	f.Major, f.Minor, f.Patch = parseVersion(f.Version)
	if f.ServerUUID == "" {
		f.ServerUUID = madeIdentity(v)
	}
	return f
}

// parseVersion reads the leading numbers of "8.0.41-32-log" or of
// "5.5.5-10.11.14-MariaDB", where the first three are only for old clients.
func parseVersion(s string) (major, minor, patch int) {
	if rest, ok := strings.CutPrefix(s, "5.5.5-"); ok && strings.Contains(s, "MariaDB") {
		s = rest
	}
	// A short version leaves zeros.
	_, _ = fmt.Sscanf(s, "%d.%d.%d", &major, &minor, &patch)
	return major, minor, patch
}

// madeIdentity stands in for server_uuid; see Facts.ServerUUID.
func madeIdentity(v variables) string {
	h := sha256.New()
	for _, name := range []string{"server_uid", "server_id", "hostname", "port", "datadir"} {
		fmt.Fprintf(h, "%s=%q\n", name, v[name])
	}
	return "mariadb-" + hex.EncodeToString(h.Sum(nil)[:16])
}
