package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Channels of MySQL Group Replication, which SHOW REPLICA STATUS does not list, or not always.
const (
	groupApplier  = "group_replication_applier"
	groupRecovery = "group_replication_recovery"
)

// States of a member of a replication group.
const (
	memberOnline      = "ONLINE"
	memberOffline     = "OFFLINE"
	memberUnreachable = "UNREACHABLE"
	memberUnknown     = "unknown"
	memberPrimary     = "PRIMARY"
)

// groupMember is a member of a replication group, as one of them sees it.
type groupMember struct{ uuid, state, role string }

// groupView is a replication group as one server sees it. Only a member that is online sees all of it, and what a server is
// configured to be says nothing of what it is.
type groupView struct {
	self    string
	members []groupMember
}

// groupView asks a server for its group; nil where it has none, or does not show it.
func (r reader) groupView(ctx context.Context) (*groupView, error) {
	if !r.facts.GroupReplication {
		return nil, nil
	}
	list, err := r.rows(ctx, "SELECT * FROM performance_schema.replication_group_members")
	switch {
	case isDenied(err) || !r.facts.PerformanceSchema:
		return nil, nil // nothing is known of it, so nothing is said by it
	case err != nil:
		return nil, r.fail(opChannels, err)
	}
	v := &groupView{self: r.facts.ServerUUID}
	for _, x := range list {
		v.members = append(v.members, groupMember{
			uuid: strings.ToLower(x.str("member_id")), state: strings.ToUpper(x.str("member_state")), role: strings.ToUpper(x.str("member_role")),
		})
	}
	return v, nil
}

// member finds a member by its UUID; the zero one where it is none.
func (v *groupView) member(uuid string) groupMember {
	if v != nil {
		for _, m := range v.members {
			if uuid != "" && m.uuid == uuid {
				return m
			}
		}
	}
	return groupMember{}
}

// state is the server's own state, as it sees itself.
func (v *groupView) state() string {
	if v != nil {
		if s := v.member(v.self).state; s != "" {
			return s
		}
	}
	return memberOffline // one that was never started has a row without an id
}

// GroupMembers are the server_uuids of the members of a server's replication group, as it sees them now; false where it does not
// show them. A server that is of no group now, and one without the plugin, has none.
func (s *Server) GroupMembers(ctx context.Context) (uuids []string, shown bool, err error) {
	if !s.facts.GroupReplication {
		return nil, true, nil
	}
	v, err := reader{s}.groupView(ctx)
	if v == nil || err != nil {
		return nil, false, err
	}
	for _, m := range v.members {
		if m.uuid != "" {
			uuids = append(uuids, m.uuid)
		}
	}
	return uuids, true, nil
}

// otherPrimaries are the members whose writes the group brings to the server.
func (v *groupView) otherPrimaries() []string {
	var out []string
	if v != nil {
		for _, m := range v.members {
			if m.role == memberPrimary && m.uuid != v.self {
				out = append(out, m.uuid)
			}
		}
	}
	return out
}

// trouble says what keeps the group from bringing changes to the server; "" if nothing does.
func (v *groupView) trouble() string {
	if s := v.state(); s != memberOnline {
		return "its state in its replication group is " + s
	}
	lost := 0
	for _, m := range v.members {
		if m.state == memberUnreachable {
			lost++
		}
	}
	if 2*lost >= len(v.members) {
		return fmt.Sprintf("it does not reach %d of %d members of its replication group, so there is no majority", lost, len(v.members))
	}
	return ""
}

// together says by what a member's changes get to another server through their group: one of the two must see the other as
// a member now, and the changes must enter at the first. "" where they do not.
func together(from, to identity) string {
	if from.maria || to.maria || from.gtidMode != gtidOn || to.gtidMode != gtidOn {
		return ""
	}
	for _, v := range []*groupView{to.view, from.view} {
		if v == nil || v.state() == memberOffline {
			continue
		}
		source, target := v.member(from.uuid), v.member(to.uuid)
		// Before 8.0 the view has no roles: then any member may take writes.
		if source.uuid != "" && target.uuid != "" && (source.role == memberPrimary || source.role == "") {
			return from.group
		}
	}
	return ""
}

// groupChannel is the channel by which a group brings changes to a server; ok is false where it brings none: to the only
// primary, as long as it is that.
func (r reader) groupChannel(ctx context.Context) (c ReplicaChannel, ok bool, err error) {
	v, err := r.groupView(ctx)
	if v == nil || err != nil {
		return c, false, err
	}
	trouble := v.trouble()
	if trouble == "" && v.member(v.self).role == memberPrimary && len(v.otherPrimaries()) == 0 {
		return c, false, nil
	}
	c = ReplicaChannel{Name: groupApplier, AutoPosition: true, Group: true, GroupTrouble: trouble, IOConnecting: v.state() == "RECOVERING"}
	lag := "NULL"
	if r.facts.AtLeast(8, 0, 1) {
		lag = "GREATEST(0, TIMESTAMPDIFF(SECOND, MIN(NULLIF(APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, 0)), NOW()))"
	}
	list, err := r.rows(ctx, "SELECT a.SERVICE_STATE AS applier, c.RECEIVED_TRANSACTION_SET AS received, c.LAST_ERROR_NUMBER AS io_errno, "+
		"c.LAST_ERROR_MESSAGE AS io_error, @@global.gtid_executed AS executed, w.sql_errno, w.sql_error, w.late "+
		"FROM performance_schema.replication_connection_status c "+
		"JOIN performance_schema.replication_applier_status a ON a.CHANNEL_NAME = c.CHANNEL_NAME "+
		"JOIN (SELECT MAX(LAST_ERROR_NUMBER) AS sql_errno, MAX(LAST_ERROR_MESSAGE) AS sql_error, COALESCE("+lag+", 0) AS late "+
		"FROM performance_schema.replication_applier_status_by_worker WHERE CHANNEL_NAME = '"+groupApplier+"') w "+
		"WHERE c.CHANNEL_NAME = '"+groupApplier+"'")
	if err != nil {
		return c, false, r.fail(opChannels, err)
	}
	for _, x := range list {
		c.IORunning, c.SQLRunning = trouble == "", trouble == "" && strings.EqualFold(x.str("applier"), "ON")
		c.Retrieved, c.Executed = mysqlPosition(x.str("received")), mysqlPosition(x.str("executed"))
		c.IOErrno, c.IOError, c.SQLErrno, c.SQLError = int(x.uint("io_errno")), x.str("io_error"), int(x.uint("sql_errno")), x.str("sql_error")
		if c.Running() {
			c.LagSeconds = x.optInt("late")
		}
	}
	return c, true, nil
}

// withGroup adds the group's channel to those of SHOW REPLICA STATUS, in place of what that shows of it.
func (r reader) withGroup(ctx context.Context, status []row) ([]row, []ReplicaChannel, error) {
	if !r.facts.GroupReplication {
		return status, nil, nil
	}
	status = slices.DeleteFunc(status, func(x row) bool {
		name := x.str("channel_name")
		return name == groupApplier || name == groupRecovery
	})
	c, ok, err := r.groupChannel(ctx)
	if err != nil || !ok {
		return status, nil, err
	}
	return status, []ReplicaChannel{c}, nil
}

// fromGroup is the state of the channel of a link through a group: it runs as long as each of the two servers is a member
// that is online, as the other end sees it.
func (l *Link) fromGroup(ctx context.Context) (ReplicaChannel, error) {
	c, listed, err := l.to.groupChannel(ctx)
	if err != nil {
		return c, err
	}
	v, err := l.to.groupView(ctx)
	if err != nil {
		return c, err
	}
	c.Name, c.Group = groupApplier, true
	state := v.member(l.fromID.uuid).state
	if v == nil {
		state = memberUnknown
	} else if state == "" {
		state = "that of no member"
	}
	if c.GroupTrouble == "" && state != memberOnline {
		c.IORunning, c.SQLRunning = false, false
		c.GroupTrouble = fmt.Sprintf("the state of %s in its replication group is %s", l.From(), state)
	} else if !listed && v.trouble() == "" {
		c.IORunning, c.SQLRunning = true, true // it has become the primary, and has all that the group has certified
	}
	return c, nil
}
