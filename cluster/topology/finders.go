package topology

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strconv"
	"strings"

	"crosscheck/cluster"
)

// Finder asks a server for others of its cluster. An error says what the server
// did not tell; peers that it returns all the same count.
type Finder func(ctx context.Context, s *cluster.Server) ([]cluster.Peer, error)

// Finders are the ways to ask besides asking for replicas, which Discover does itself.
func Finders() []Finder { return []Finder{sources, galeraNodes, groupMembers} }

func sources(ctx context.Context, s *cluster.Server) ([]cluster.Peer, error) {
	list, err := s.Channels(ctx)
	var out []cluster.Peer
	for _, c := range list {
		if c.SourceHost == "" { // a group's own channels
			continue
		}
		out = append(out, cluster.Peer{
			Kin: cluster.KinSource, Host: c.SourceHost, Port: c.SourcePort, UUID: c.SourceUUID, ServerID: c.SourceServerID,
		})
	}
	return out, err
}

func galeraNodes(ctx context.Context, s *cluster.Server) ([]cluster.Peer, error) {
	if !s.Facts().Galera {
		return nil, nil
	}
	var name, list string
	err := s.DB().QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_incoming_addresses'").Scan(&name, &list)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.Explain("list the nodes of the Galera cluster", err)
	}
	var out []cluster.Peer
	for addr := range strings.SplitSeq(list, ",") {
		host, port, err := net.SplitHostPort(strings.TrimSpace(addr))
		n, numErr := strconv.Atoi(port)
		switch {
		case strings.TrimSpace(addr) == "" || strings.EqualFold(strings.TrimSpace(addr), "AUTO"):
			// a node that does not say where it listens, or an arbiter
		case err != nil || numErr != nil || n == 0:
			// without a port: clients come by the usual one
			out = append(out, cluster.Peer{Kin: cluster.KinMember, Host: strings.TrimSpace(addr), Port: usualPort})
		default:
			out = append(out, cluster.Peer{Kin: cluster.KinMember, Host: host, Port: n})
		}
	}
	return out, nil
}

// usualPort is where servers listen unless told otherwise.
const usualPort = 3306

// groupRole is a node's part in Group Replication.
type groupRole string

const (
	groupPrimary   groupRole = "PRIMARY"
	groupSecondary groupRole = "SECONDARY"
)

func groupMembers(ctx context.Context, s *cluster.Server) ([]cluster.Peer, error) {
	if !s.Facts().GroupReplication {
		return nil, nil
	}
	rows, err := s.DB().QueryContext(ctx, "SELECT MEMBER_ID, MEMBER_HOST, MEMBER_PORT FROM performance_schema.replication_group_members")
	if err != nil {
		return nil, s.Explain("list the members of the replication group", err)
	}
	defer rows.Close()
	var out []cluster.Peer
	for rows.Next() {
		var id, host sql.NullString
		var port sql.NullInt64
		if err := rows.Scan(&id, &host, &port); err != nil {
			return nil, s.Explain("list the members of the replication group", err)
		}
		if host.String != "" && port.Int64 > 0 { // none while the member is offline
			out = append(out, cluster.Peer{Kin: cluster.KinMember, Host: host.String, Port: int(port.Int64), UUID: strings.ToLower(id.String)})
		}
	}
	return out, s.Explain("list the members of the replication group", rows.Err())
}

// roleInGroup asks a member for its own part; "" where it is in no group.
func roleInGroup(ctx context.Context, s *cluster.Server) groupRole {
	if !s.Facts().GroupReplication {
		return ""
	}
	var role string
	err := s.DB().QueryRowContext(ctx, "SELECT MEMBER_ROLE FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid").Scan(&role)
	if err != nil {
		return "" // before 8.0 it has no such column, and read_only tells as well
	}
	return groupRole(strings.ToUpper(role))
}

// describe says how a peer was found.
func describe(kin cluster.Kin, via string) string {
	switch kin {
	case cluster.KinSource:
		return "source of " + via
	case cluster.KinMember:
		return "in one group with " + via
	case cluster.KinReplica:
	}
	return "replica of " + via
}
