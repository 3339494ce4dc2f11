package cluster

import (
	"context"
	"strings"

	"crosscheck/cluster/gtid"
)

// Kin is what one server is to another that names it.
type Kin string

// The kinds.
const (
	KinReplica Kin = "replica" // it replicates from the one that names it
	KinSource  Kin = "source"  // the one that names it replicates from it
	KinMember  Kin = "member"  // both are of one group
)

// Peer is another server, as far as a server that has to do with it knows it.
type Peer struct {
	Kin      Kin
	Host     string // as that server sees it; "" where it does not say
	Port     int    // 0 where it does not say
	UUID     string // server_uuid; "" where it does not say, as on MariaDB
	ServerID uint32 // 0 where it does not say
}

// Replicas lists the servers that fetch this one's binary log, as they named
// themselves. MySQL gives no host but the one of a replica's report_host.
// Programs that read the log are left out where they say that they are no
// server. Errors are *PrivilegeError and *ServerError.
func (s *Server) Replicas(ctx context.Context) ([]Peer, error) {
	r := reader{s}
	list, err := r.rows(ctx, r.facts.Words().ShowReplicas)
	if err != nil {
		return nil, r.fail(opReplicas, err)
	}
	var out []Peer
	for _, x := range list {
		p := Peer{
			Kin: KinReplica, Host: x.str("host"), Port: int(x.uint("port")),
			UUID: strings.ToLower(x.str("slave_uuid")), ServerID: uint32(x.uint("server_id")),
		}
		if p.Port != 0 { // readers of logs, ours among them, serve nobody
			out = append(out, p)
		}
	}
	return out, nil
}

// LogReaders are the sessions that fetch the binary log, but for those that are
// known to be crosscheck's. Without PROCESS it returns those that it sees, and a
// *PrivilegeError; other errors are those of Sessions.
func (s *Server) LogReaders(ctx context.Context) ([]Session, error) {
	list, err := s.Sessions(ctx)
	if err == nil { // without it a server shows the account's own sessions, and no error
		err = s.CheckPrivileges(ctx, PrivProcess)
	}
	var out []Session
	for _, x := range list {
		if x.FetchesLog() {
			out = append(out, x)
		}
	}
	return out, err
}

// FetchesLog tells whether a session is a replica's, or of another reader of
// the binary log.
func (c Session) FetchesLog() bool { return strings.HasPrefix(c.Command, "Binlog Dump") }

// LogState is, of a MariaDB, the last transaction of each server in each domain
// that its binary log has ever held. Errors are *ServerError.
func (s *Server) LogState(ctx context.Context) (gtid.MariaState, error) {
	return reader{s}.binlogState(ctx)
}

// IsLoopback tells whether a host's name means the machine of whoever says it.
func IsLoopback(host string) bool { return isLoopback(host) }
