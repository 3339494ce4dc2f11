package binlog

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/internal/fault"
)

// session is one connection on which the server sends its log. The dump is
// started by hand rather than through the library's syncer, for two reasons:
// the connection is dialled like every other one (TLS, prompts, set-up), and
// the syncer sends KILL for its last connection id when it closes, which after
// a server's restart may be the id of a connection of somebody else.
type session struct {
	srv   *cluster.Server
	conn  *client.Conn
	raw   net.Conn
	queue queue
	done  chan struct{}
	over  sync.Once // see close
	// patient is when the limit of the wait for the server was last set.
	patient time.Time
}

// dial opens a connection and leaves it ready for statements.
func dial(ctx context.Context, srv *cluster.Server) (*session, error) {
	conn, err := srv.DialRaw(ctx)
	if err != nil {
		return nil, err
	}
	return &session{srv: srv, conn: conn, raw: conn.Conn.Conn, done: make(chan struct{})}, nil
}

// bound makes ctx's end interrupt what runs on the connection.
func (s *session) bound(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, func() { _ = s.raw.SetDeadline(time.Unix(1, 0)) })
}

// rows runs a statement and copies its result.
func (s *session) rows(query string) (out [][]string, err error) {
	err = cluster.Parse(func() error {
		out, err = s.execute(query)
		return err
	})
	return out, err
}

func (s *session) execute(query string) ([][]string, error) {
	r, err := s.conn.Execute(query)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !r.HasResultset() {
		return nil, nil
	}
	out := make([][]string, r.RowNumber())
	for i := range out {
		out[i] = make([]string, r.ColumnNumber())
		for j := range out[i] {
			v, err := r.GetString(i, j)
			if err != nil {
				return nil, err
			}
			out[i][j] = strings.Clone(v) // the result's memory is reused
		}
	}
	return out, nil
}

// one is the first row of a result.
func (s *session) one(query string) ([]string, error) {
	rows, err := s.rows(query)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%q gave no row", query)
	}
	return rows[0], nil
}

func (s *session) maria() bool { return s.srv.Facts().IsMariaDB() }

// identity asks who the server is, in a form that outlives restarts.
func (s *session) identity() (string, error) {
	q := "SELECT @@server_uuid"
	if s.maria() {
		q = "SELECT @@server_id, @@hostname, @@port, @@datadir"
	}
	row, err := s.one(q)
	return strings.Join(row, " "), err
}

// logged leaves out of a position the domains that the server applied without
// logging them: it refuses to look for them in its log.
func (s *session) logged(p gtid.MariaPos) (gtid.MariaPos, error) {
	has, _, err := s.mariaPositions()
	if err != nil {
		return p, err
	}
	for _, d := range p.Domains() {
		if _, ok := has.Last(d); !ok {
			p = p.Without(d)
		}
	}
	return p, nil
}

// now is the server's present position: on MariaDB with what it has applied
// without logging, which cluster's positions hold, too.
func (s *session) now() (gtid.Position, error) {
	if s.maria() {
		binlog, applied, err := s.mariaPositions()
		return gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: binlog.Union(applied)}, err
	}
	status, err := s.status()
	if err != nil {
		return gtid.Position{}, err
	}
	p := gtid.Position{Kind: gtid.File, File: status}
	if strings.EqualFold(s.srv.Facts().GTIDMode, "ON") {
		p.Kind = gtid.MySQLGTID
		if p.MySQL, err = s.set("gtid_executed"); err != nil {
			return gtid.Position{}, err
		}
		// The set is read after the place and may be ahead of it; the place must
		// not claim more than the set.
	}
	return p, nil
}

func (s *session) mariaPositions() (binlog, applied gtid.MariaPos, err error) {
	row, err := s.one("SELECT @@global.gtid_binlog_pos, @@global.gtid_slave_pos")
	if err != nil {
		return binlog, applied, err
	}
	if binlog, err = gtid.ParseMariaPos(row[0]); err == nil {
		applied, err = gtid.ParseMariaPos(row[1])
	}
	return binlog, applied, err
}

func (s *session) set(variable string) (gtid.Set, error) {
	row, err := s.one("SELECT @@global." + variable)
	if err != nil {
		return gtid.Set{}, err
	}
	return gtid.ParseSet(row[0])
}

// status is the end of the server's log.
func (s *session) status() (gtid.FilePos, error) {
	row, err := s.one(s.srv.Facts().Words().ShowLogEnd)
	if err != nil {
		return gtid.FilePos{}, err
	}
	return gtid.ParseFilePos(row[0] + ":" + row[1])
}

// start prepares the connection and asks for the log from a position.
func (s *session) start(from gtid.Position, opt Options, serverID uint32) error {
	settings := []string{
		// Events keep the checksums that their file has; what the server makes up
		// for this connection before it tells the file's format must have none.
		"SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'",
		fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %[1]d", opt.HeartbeatPeriod.Nanoseconds()),
	}
	uuid := randomUUID()
	settings = append(settings, fmt.Sprintf("SET @slave_uuid = '%s', @replica_uuid = '%[1]s'", uuid))
	if s.maria() {
		state, err := s.logged(from.MariaDB)
		if err != nil {
			return err
		}
		settings = append(settings, "SET @mariadb_slave_capability = 4", "SET @slave_connect_state = '"+state.String()+"'", "SET @slave_gtid_strict_mode = 1")
	}
	for _, q := range settings {
		if _, err := s.rows(q); err != nil {
			return fmt.Errorf("prepare the session with %q: %w", q, err)
		}
	}
	if err := s.register(serverID); err != nil {
		return err
	}
	cluster.Stream(s.conn)
	if from.Kind == gtid.MySQLGTID {
		return s.dumpGTID(from.MySQL, serverID)
	}
	return s.dumpFile(from.File, from.Kind == gtid.MariaDBGTID, serverID)
}

func (s *session) command(payload []byte) error {
	s.conn.ResetSequence()
	return s.conn.WritePacket(append(make([]byte, 4, 4+len(payload)), payload...))
}

// register names us in the server's list of replicas.
func (s *session) register(serverID uint32) error {
	host, _ := os.Hostname() // only for people
	host = host[:min(len(host), 60)]
	b := binary.LittleEndian.AppendUint32([]byte{mysql.COM_REGISTER_SLAVE}, serverID)
	b = append(append(b, byte(len(host))), host...)
	b = append(b, 0, 0)                        // no user and password of ours
	b = binary.LittleEndian.AppendUint16(b, 0) // no port
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)      // rank, source id: unused
	if err := s.command(b); err != nil {
		return err
	}
	return cluster.Parse(func() error {
		_, err := s.conn.ReadOKPacket()
		return err
	})
}

func (s *session) dumpGTID(set gtid.Set, serverID uint32) error {
	parsed, err := mysql.ParseMysqlGTIDSet(set.String())
	if err != nil {
		return err
	}
	encoded := parsed.Encode()
	b := []byte{mysql.COM_BINLOG_DUMP_GTID, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, serverID)
	b = binary.LittleEndian.AppendUint32(b, 0) // no file
	b = binary.LittleEndian.AppendUint64(b, 4)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(encoded)))
	return s.command(append(b, encoded...))
}

func (s *session) dumpFile(at gtid.FilePos, byState bool, serverID uint32) error {
	if byState {
		at = gtid.FilePos{} // @slave_connect_state says where
	} else if at.Pos > 1<<32-1 {
		return fmt.Errorf("position %s is beyond what the protocol can ask for", at)
	}
	b := binary.LittleEndian.AppendUint32([]byte{mysql.COM_BINLOG_DUMP}, uint32(max(at.Pos, 4)))
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, serverID)
	return s.command(append(b, at.File...))
}

// errSilent is a connection on which not even heartbeats come.
var errSilent = errors.New("the server sent nothing, not even a heartbeat")

// run moves events from the connection to the queue until it ends. The limit
// counts only while we wait for the server, so that a slow consumer does not
// look like a dead server.
func (s *session) run(limit time.Duration) {
	defer fault.Guard()
	defer close(s.done)
	var err error
	for err == nil {
		err = cluster.Parse(func() error { return s.receive(limit) })
	}
	s.queue.close(err)
}

func (s *session) receive(limit time.Duration) error {
	if now := time.Now(); now.Sub(s.patient) > limit/10 { // for each event it would cost as much as reading it
		if err := s.raw.SetReadDeadline(now.Add(limit)); err != nil {
			return err
		}
		s.patient = now
	}
	data, err := s.conn.ReadPacket()
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w for %s: %w", errSilent, limit, mysql.ErrBadConn)
	case err != nil:
		return err
	case len(data) == 0:
		return fmt.Errorf("empty packet: %w", mysql.ErrBadConn)
	}
	switch data[0] {
	case mysql.OK_HEADER:
		return s.queue.push(data[1:])
	case mysql.ERR_HEADER:
		return s.conn.HandleErrorPacket(data)
	case mysql.EOF_HEADER:
		return fmt.Errorf("the server ended the stream: %w", mysql.ErrBadConn)
	}
	return fmt.Errorf("a packet begins with %#x: %w", data[0], mysql.ErrBadConn)
}

// close ends the session and waits for its goroutine, if it was started. The tail's reader, whose stream has ended, and
// whoever closes the tail may call it at the same time.
func (s *session) close(started bool) {
	s.queue.close(ErrClosed)
	if s.conn == nil {
		return
	}
	if started {
		// The connection's own Close writes to its state, so the goroutine must have let go of it.
		_ = s.raw.Close()
		<-s.done
	}
	s.over.Do(func() { _ = s.conn.Close() }) // its end is what is wanted
}

// closed stands in the place of a session that was closed; its stream ends by cause.
func closed(cause error) *session {
	s := &session{done: make(chan struct{})}
	close(s.done)
	s.queue.close(cause)
	return s
}

// serverIDs picks an id that no known replica has, high, where people seldom
// put theirs. The list needs a privilege on MariaDB that we do not ask for;
// without it chance has to do.
func (s *session) pickServerID() uint32 {
	taken := map[string]bool{fmt.Sprint(s.srv.Facts().ServerID): true}
	rows, _ := s.rows(s.srv.Facts().Words().ShowReplicas)
	for _, r := range rows {
		if len(r) > 0 {
			taken[r[0]] = true
		}
	}
	for {
		id := 1<<31 + rand.Uint32N(1<<31-2)
		if !taken[fmt.Sprint(id)] {
			return id
		}
	}
}

func randomUUID() gtid.UUID {
	var u gtid.UUID
	_, _ = crand.Read(u[:]) // documented never to fail
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}
