package cluster

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
)

// identity is who a server is in a replication topology.
type identity struct {
	vocabulary
	uuid       string
	serverID   uint32
	hosts      []string // names and addresses it calls itself
	ports      []int
	gtidMode   string // MySQL
	domain     uint32 // MariaDB
	logBin     bool
	group      string // group_replication_group_name, "" when not a member
	galera     string // wsrep_cluster_name, "" when off
	galeraUUID string
	channels   []ReplicaChannel
	replicas   []registered
	denied     bool // the list of replicas could not be read
}

// registered is a replica that is connected to a source right now.
type registered struct {
	serverID uint32
	uuid     string
}

func (r reader) identity(ctx context.Context) (identity, error) {
	v, err := r.vocabulary(ctx)
	if err != nil {
		return identity{}, err
	}
	vars, err := r.variables(ctx, v, "server_uuid", "server_id", "hostname", "report_host", "port", "report_port",
		"bind_address", "gtid_mode", "gtid_domain_id", "log_bin", "group_replication_group_name", "wsrep_on", "wsrep_cluster_name")
	if err != nil {
		return identity{}, err
	}
	id := identity{vocabulary: v, uuid: strings.ToLower(vars["server_uuid"]), gtidMode: strings.ToUpper(vars["gtid_mode"])}
	id.logBin = strings.EqualFold(vars["log_bin"], "ON")
	id.serverID = parseID(vars["server_id"])
	id.domain = parseID(vars["gtid_domain_id"])
	for _, h := range []string{vars["hostname"], vars["report_host"], vars["bind_address"]} {
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
		status, statusErr := r.strings(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_state_uuid'")
		if statusErr == nil && len(status) == 2 {
			id.galeraUUID = status[1]
		}
	}
	if id.channels, err = readChannels(ctx, r, v); err != nil {
		return identity{}, err
	}
	// Only a confirmation; MariaDB wants a privilege for it that we do not ask for.
	hosts, err := r.rows(ctx, v.replicas())
	id.denied = err != nil
	for _, h := range hosts {
		id.replicas = append(id.replicas, registered{uint32(h.uint("server_id")), strings.ToLower(h.str("slave_uuid"))})
	}
	return id, nil
}

func parseID(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0 // the server lacks the variable
	}
	return uint32(n)
}

// same tells whether two identities are of one server.
func (id identity) same(other identity) bool {
	if id.uuid != "" || other.uuid != "" {
		return id.uuid == other.uuid
	}
	// MariaDB has no UUID, but one host has one server on a port.
	return id.serverID == other.serverID && slices.Equal(id.hosts, other.hosts) && slices.Equal(id.ports, other.ports)
}

// leadsTo tells whether a channel of replica goes straight to the server
// source. The UUID decides where there is one. A server_id alone is not
// enough: many servers keep the default 1, and a server in between may have
// the same as the one behind it. So the address must fit too, or the source
// must list the replica as connected, which also sees through tunnels and
// proxies.
func (c ReplicaChannel) leadsTo(source, replica identity) bool {
	if c.SourceUUID != "" && source.uuid != "" {
		return c.SourceUUID == source.uuid
	}
	if c.SourceServerID != 0 && c.SourceServerID != source.serverID {
		return false
	}
	if source.answersAt(c.SourceHost, c.SourcePort, replica) {
		return true
	}
	return c.SourceServerID != 0 && c.IORunning && slices.ContainsFunc(source.replicas, func(x registered) bool {
		return x.serverID == replica.serverID && (x.uuid == "" || replica.uuid == "" || x.uuid == replica.uuid)
	})
}

// answersAt tells whether host:port, as the replica sees it, is this server. A
// loopback address is this server's only if both are on one machine.
func (id identity) answersAt(host string, port int, replica identity) bool {
	if !slices.Contains(id.ports, port) {
		return false
	}
	if slices.ContainsFunc(id.hosts, func(h string) bool { return strings.EqualFold(h, host) && !isLoopback(h) }) {
		return true
	}
	if isLoopback(host) {
		return len(id.hosts) > 0 && len(replica.hosts) > 0 && strings.EqualFold(id.hosts[0], replica.hosts[0])
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
