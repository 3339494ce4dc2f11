package cluster

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster/rowstream"
)

const (
	// maxGreeting is far above any server's greeting; a larger first packet is
	// another protocol's.
	maxGreeting = 4096
)

// keepAlive finds a vanished machine, which answers nothing at all, within half a minute.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

// DialRaw returns a connection for reading packets as they come, with its
// session set up: like DB's, but with character_set_results NULL, and without
// the protocol's options that rowstream does not speak. ctx bounds the dial and
// the set-up only. The caller closes the connection, and calls Stream before it
// reads from it more than the answer to a question.
func (s *Server) DialRaw(ctx context.Context) (*client.Conn, error) {
	return s.dialRaw(ctx, func(c *client.Conn) error { return s.setUp(c, true) })
}

// DialSame is DialRaw for readers that must not meet another server than Open
// did: a *ServerChangedError says that one answered. The connection itself is
// asked, since behind a load balancer each may lead elsewhere.
func (s *Server) DialSame(ctx context.Context) (*client.Conn, error) {
	c, err := s.dialRaw(ctx, func(c *client.Conn) error {
		err := s.setUp(c, true)
		// Another server may refuse the set-up for its own version's sake: that it is another one is what counts.
		v, verr := pairs(c, identityQuery)
		if verr != nil {
			verr = fmt.Errorf("ask for the server's identity: %w", verr)
		} else {
			verr = s.same(v)
		}
		if err == nil || IsServerChanged(verr) {
			err = verr
		}
		return err
	})
	if err == nil {
		Stream(c)
		lowest(c).limits.unread = true
	}
	return c, err
}

// Stream allows a connection to bring any number of packets from here on.
func Stream(c *client.Conn) { lowest(c).limits.answer = 0 }

// lowest is the network connection below one that dial made.
func lowest(c *client.Conn) *conn {
	low := c.Conn.Conn
	if t, ok := low.(*tls.Conn); ok {
		low = t.NetConn()
	}
	return low.(*conn) //nolint:forcetypeassert // see openConn
}

// dialRaw dials and sets the connection up.
func (s *Server) dialRaw(ctx context.Context, setUp func(*client.Conn) error) (*client.Conn, error) {
	c, low, err := s.dial(ctx, s.life)
	if err != nil {
		return nil, s.Explain("connect", err)
	}
	stop := hangUp(ctx, c)
	_ = c.SetDeadline(time.Now().Add(s.setUpLimit()))
	err = low.explain(Parse(func() error { return setUp(c) }))
	if !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = c.Close()
		return nil, s.Explain("connect", err)
	}
	return c, nil
}

// hangUp closes the socket below a connection when ctx ends, which ends what runs on it. The connection's own Close is
// for whoever uses it: it writes to its state.
func hangUp(ctx context.Context, c *client.Conn) (stop func() bool) {
	socket := c.Conn.Conn
	return context.AfterFunc(ctx, func() { _ = socket.Close() })
}

// dial connects and authenticates, within twice the quiet time. It reads the
// server's greeting itself first, because the library wants to know about TLS
// before it reads it.
func (s *Server) dial(ctx context.Context, l *life) (*client.Conn, *conn, error) {
	var low *conn
	var greeting []byte
	var shake *handshake
	stop := func() bool { return true }
	dialer := func(ctx context.Context, network, addr string) (net.Conn, error) {
		var err error
		if low, err = openConn(ctx, network, addr, s.quiet(), l); err != nil {
			return nil, err
		}
		greeting, low.limits.answer = low.head, setUpAnswer
		stop = context.AfterFunc(ctx, func() { _ = low.Close() })
		// The handshake has no limit of its own: a stopped server would hang it.
		return low, low.SetDeadline(time.Now().Add(s.quiet()))
	}
	options := func(c *client.Conn) error {
		c.SetAttributes(map[string]string{"program_name": programName})
		if err := c.SetCollation("utf8mb4_general_ci"); err != nil {
			return err
		}
		if offered, isError := offersTLS(greeting); !offered {
			if s.tls.required && !isError {
				return ErrNoTLS
			}
		} else if s.tls.config != nil {
			shake = newHandshake(s.tls.config)
			c.SetTLSConfig(shake.config)
		}
		return rowstream.Configure(c)
	}
	var c *client.Conn
	err := noPanic(func() (err error) {
		c, err = client.ConnectWithDialer(ctx, s.cfg.Net, s.cfg.Addr, s.cfg.User, s.cfg.Password.Reveal(), "", dialer, options)
		return err
	})
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		if low != nil {
			_ = low.Close()
		}
		return nil, nil, shake.explain(low.explain(err))
	}
	return c, low, low.SetDeadline(time.Time{})
}

// readGreeting returns the server's first packet with its header.
func readGreeting(conn net.Conn) ([]byte, error) {
	packet := make([]byte, 4)
	if _, err := io.ReadFull(conn, packet); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGreeting, err)
	}
	n := int(binary.LittleEndian.Uint32(packet) & 0xffffff)
	if n == 0 || n > maxGreeting || packet[3] != 0 {
		return nil, ErrNotMySQL
	}
	packet = append(packet, make([]byte, n)...)
	if _, err := io.ReadFull(conn, packet[4:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGreeting, err)
	}
	if first := packet[4]; first != gomysql.ClassicProtocolVersion && first != gomysql.ERR_HEADER {
		return nil, ErrNotMySQL
	}
	return packet, nil
}

// offersTLS reads the capabilities of a greeting. An error packet in its place
// (too many connections, host blocked) has none.
func offersTLS(packet []byte) (offered, isError bool) {
	if len(packet) < 5 || packet[4] == gomysql.ERR_HEADER {
		return false, true
	}
	p := packet[5:] // behind header and protocol version: the version's text, up to a zero byte
	for i, b := range p {
		if b != 0 {
			continue
		}
		const behind = 1 + 4 + 8 + 1 // zero byte, connection id, scramble, filler
		if len(p) < i+behind+2 {
			return false, false
		}
		return uint32(binary.LittleEndian.Uint16(p[i+behind:]))&gomysql.CLIENT_SSL != 0, false
	}
	return false, false
}
