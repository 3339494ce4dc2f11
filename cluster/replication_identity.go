package cluster

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// identity is who a server is in a replication topology.
type identity struct {
	maria      bool
	unique     string // Facts.ServerUUID
	uuid       string // server_uuid, which channels name; "" on MariaDB
	serverID   uint32
	hosts      []string // names and addresses it calls itself
	ports      []int
	gtidMode   string // MySQL
	domain     uint32 // MariaDB
	logBin     bool
	group      string // group_replication_group_name: what it is configured to be a member of
	view       *groupView
	galera     string // wsrep_cluster_name, "" when off
	galeraUUID string
	galeraGTID bool // wsrep_gtid_mode: all nodes number the cluster's transactions alike
	channels   []ReplicaChannel
}

func (r reader) identity(ctx context.Context) (identity, error) {
	vars, err := r.some(ctx, "server_uuid", "server_id", "hostname", "report_host", "port", "report_port",
		"bind_address", "gtid_mode", "gtid_domain_id", "log_bin", "group_replication_group_name", "wsrep_on", "wsrep_cluster_name", "wsrep_gtid_mode")
	if err != nil {
		return identity{}, err
	}
	id := identity{maria: r.facts.IsMariaDB(), unique: r.facts.ServerUUID, uuid: strings.ToLower(vars["server_uuid"]), gtidMode: strings.ToUpper(vars["gtid_mode"])}
	id.logBin = strings.EqualFold(vars["log_bin"], "ON")
	id.serverID = parseID(vars["server_id"])
	id.domain = parseID(vars["gtid_domain_id"])
	if id.maria {
		id.uuid = ""
	}
	// hostname stands first: answersAt compares machines by it.
	for _, h := range []string{vars["hostname"], vars["report_host"], vars["bind_address"], r.dialedHost()} {
		if h != "" && h != "*" && h != "::" && h != "0.0.0.0" && !slices.Contains(id.hosts, h) {
			id.hosts = append(id.hosts, h)
		}
	}
	for _, p := range []string{vars["port"], vars["report_port"]} {
		if n, numErr := strconv.Atoi(p); numErr == nil && n > 0 && !slices.Contains(id.ports, n) {
			id.ports = append(id.ports, n)
		}
	}
	id.group = vars["group_replication_group_name"]
	if strings.EqualFold(vars["wsrep_on"], "ON") {
		id.galera = vars["wsrep_cluster_name"]
		id.galeraGTID = isOn(vars["wsrep_gtid_mode"])
		// That of the cluster is empty while the node is outside of it.
		status, statusErr := r.strings(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_uuid'")
		if statusErr == nil && len(status) == 2 && strings.Trim(status[1], "0-") != "" {
			id.galeraUUID = status[1]
		}
	}
	if id.view, err = r.groupView(ctx); err != nil {
		return id, err
	}
	id.channels, err = r.Channels(ctx)
	id.channels = slices.DeleteFunc(id.channels, func(c ReplicaChannel) bool { return c.Name == galeraChannel && c.Group })
	return id, err
}

func parseID(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0 // the server lacks the variable
	}
	return uint32(n)
}

// dialedHost is the host that we reach the server at, "" for a socket's path.
func (r reader) dialedHost() string {
	if r.cfg.Net == "unix" {
		return ""
	}
	host, _, err := net.SplitHostPort(r.cfg.Addr)
	if err != nil {
		return ""
	}
	return host
}

// kinship is what a channel's description says about a possible source.
type kinship int

const (
	stranger kinship = iota
	likely           // the server_id fits, the address cannot be matched
	certain
)

// leadsTo tells whether a channel of replica goes straight to source. The UUID
// decides where there is one; MariaDB has none, neither to give nor to show.
// There a server_id alone is not enough: many servers keep the default 1, and
// a server in between may have the same as the one behind it. So the address
// must fit too; where it does not, as through a tunnel, sitsAtEnd decides.
func (c ReplicaChannel) leadsTo(ctx context.Context, source, replica identity) kinship {
	if c.SourceUUID != "" && source.uuid != "" {
		if c.SourceUUID == source.uuid {
			return certain
		}
		return stranger
	}
	if c.SourceServerID != 0 && c.SourceServerID != source.serverID {
		return stranger
	}
	if source.answersAt(ctx, c.SourceHost, c.SourcePort, replica) {
		return certain
	}
	if c.SourceServerID != 0 {
		return likely
	}
	return stranger
}

// answersAt tells whether host:port, as the replica sees it, is this server. A
// loopback address is this server's only if both are on one machine.
func (id identity) answersAt(ctx context.Context, host string, port int, replica identity) bool {
	if !slices.Contains(id.ports, port) {
		return false
	}
	if isLoopback(host) {
		return len(id.hosts) > 0 && len(replica.hosts) > 0 && strings.EqualFold(id.hosts[0], replica.hosts[0])
	}
	if slices.ContainsFunc(id.hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return true
	}
	wanted := addresses(ctx, host)
	return slices.ContainsFunc(id.hosts, func(h string) bool {
		return slices.ContainsFunc(addresses(ctx, h), func(a string) bool { return !isLoopback(a) && slices.Contains(wanted, a) })
	})
}

// addresses resolves a host's name, within a moment: it only confirms.
func addresses(ctx context.Context, host string) []string {
	if net.ParseIP(host) != nil {
		return []string{host}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	list, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil // names that only the servers know
	}
	return list
}

// sitsAtEnd tells whether a channel's receiver is exactly where source's
// binary log ends. Two servers with one server_id, one log name and one length
// of log, to the byte, are one server. On a busy source a look may miss.
func sitsAtEnd(ctx context.Context, source, replica *Server, name string) bool {
	const looks = 10
	for range looks {
		before, err1 := source.Position(ctx)
		list, err2 := replica.Channels(ctx)
		after, err3 := source.Position(ctx)
		if err1 != nil || err2 != nil || err3 != nil {
			return false
		}
		c, ok := findChannel(list, name)
		if !ok || !c.IORunning || before.File.IsZero() {
			return false
		}
		lo, errLo := c.Read.Compare(before.File)
		hi, errHi := c.Read.Compare(after.File)
		if errLo != nil || errHi != nil || hi > 0 {
			return false
		}
		if lo >= 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
