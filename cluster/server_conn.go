package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Errors of a connection that is at its end, whatever a library makes of them.
var (
	// ErrSilent is a connection that stays open and on which nothing comes, although the server is not at work for it.
	ErrSilent = fmt.Errorf("the server fell silent: %w", os.ErrDeadlineExceeded)
	// ErrMalformed is an answer that breaks the protocol, or is larger than any honest one.
	ErrMalformed = errors.New("the server sent a malformed packet")
)

// conn is the network connection below every session. A read or write without a deadline of its caller's has one of its
// own: when nothing moves for a while, the server is asked over another connection whether it lives and is at work for
// this one (see life), and the connection is given up if not. A caller's deadline, set at any time, interrupts it.
type conn struct {
	net.Conn
	life *life // nil: callers set deadlines
	id   uint32
	head []byte // the greeting, for whoever reads first

	mu          sync.Mutex
	read, write time.Time // the caller's deadlines
	armed       time.Time // when our own for reading was set; zero if it is not
	closed      bool
	cause       error // why we gave up, first

	poke   chan struct{} // the caller's deadline changed, or the connection was closed
	limits limits
}

// openConn dials and reads the server's greeting, within the limit and while ctx lasts.
func openConn(ctx context.Context, network, addr string, limit time.Duration, l *life) (*conn, error) {
	d := net.Dialer{Timeout: limit, KeepAliveConfig: keepAlive}
	raw, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(limit))
	greeting, err := readGreeting(raw)
	if !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &conn{Conn: raw, life: l, id: connectionID(greeting), head: greeting, poke: make(chan struct{}, 1)}, nil
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	var wait silence
	for {
		c.arm()
		n, err := c.Conn.Read(p)
		if n > 0 {
			if lerr := c.limits.take(p[:n]); lerr != nil {
				return 0, c.giveUp(lerr)
			}
			return n, err
		}
		if err == nil || !c.ours(err, &c.read) {
			return n, err
		}
		c.disarm()
		if lost := wait.judge(c); lost != nil {
			return 0, c.giveUp(lost)
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	c.limits.sent(p)
	done := 0
	for {
		c.mu.Lock()
		if c.life != nil && c.write.IsZero() {
			_ = c.Conn.SetWriteDeadline(time.Now().Add(2 * c.life.quiet))
		}
		c.mu.Unlock()
		n, err := c.Conn.Write(p[done:])
		done += n
		if err == nil || !c.ours(err, &c.write) {
			return done, err
		}
		if n == 0 { // not even one byte has found room in all that time
			return done, c.giveUp(fmt.Errorf("nothing can be sent to it: %w", ErrSilent))
		}
	}
}

// ours tells whether an error is the end of a deadline that we set and not the caller.
func (c *conn) ours(err error, callers *time.Time) bool {
	if c.life == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return callers.IsZero()
}

// arm sets our own deadline for reading where the caller has none. It is set anew only now and then, since that costs
// more than a read: nothing came for between three quarters of the time and all of it.
func (c *conn) arm() {
	if c.life == nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read.IsZero() && now.Sub(c.armed) > c.life.quiet/4 {
		c.armed = now
		_ = c.Conn.SetReadDeadline(now.Add(c.life.quiet))
	}
}

func (c *conn) disarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = time.Time{}
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake()
	c.read, c.armed = t, time.Time{}
	if t.IsZero() && c.life != nil { // for a read that is under way
		c.armed = time.Now()
		t = c.armed.Add(c.life.quiet)
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = t
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake()
	c.closed = true
	return c.Conn.Close()
}

// wanted forgets earlier wakings and tells whether the caller still waits.
func (c *conn) wanted() bool {
	select {
	case <-c.poke:
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read.IsZero() && !c.closed
}

func (c *conn) wake() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// SyscallConn is what the driver looks for to see whether an idle connection was closed by the server.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	raw, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	c.disarm()
	c.arm() // a deadline of ours that passed while nobody read would look like the connection's end
	return raw.SyscallConn()
}

// giveUp closes the connection and keeps the cause.
func (c *conn) giveUp(err error) error {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = err
	}
	c.mu.Unlock()
	_ = c.Close()
	return err
}

// explain puts the cause in the place of what a library made of it.
func (c *conn) explain(err error) error {
	if err == nil || c == nil {
		return err
	}
	if cause := c.given(); cause != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return cause
	}
	return err
}

// given is why the connection was given up, nil if it was not.
func (c *conn) given() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// limits bound what is held in memory of what a server sends, and refuse what would make a library ask for more memory
// than there is. A TLS session's bytes are counted only: its packets are not seen here.
type limits struct {
	answer int64 // how many bytes may come as answer to one packet of ours; 0: any number
	left   atomic.Int64
	unread bool // the caller looks at each packet itself, and holds none

	begun  bool // something was sent
	sealed bool // the rest is TLS
	frame  frame
}

const (
	setUpAnswer = 64 << 20  // the variables, with sets of GTIDs that may be large
	poolAnswer  = 512 << 20 // what an information_schema of a hundred thousand tables has
	sslRequest  = 36
	maxPacket   = 1<<24 - 1 // a full packet is continued in the next; servers go up to a gigabyte
)

// sent notes a packet of ours: the server's count begins anew.
func (l *limits) sent(p []byte) {
	if !l.begun {
		l.begun = true
		// A client that goes on in TLS says so in a packet of this size, with this bit of its capabilities.
		l.sealed = len(p) == sslRequest && p[5]&(1<<3) != 0
	}
	l.left.Store(l.answer)
	l.frame.head = true
}

// take notes what came.
func (l *limits) take(p []byte) error {
	if l.answer > 0 && l.left.Add(-int64(len(p))) < 0 {
		return fmt.Errorf("%w: an answer of more than %d MiB to a question that has a short one", ErrMalformed, l.answer>>20)
	}
	if l.sealed || l.unread {
		return nil
	}
	return l.frame.take(p)
}

// frame follows the packets of a stream. The first one behind a command may be a count of columns; one of more than two
// bytes is refused, because libraries make room for so many before they look further. No server has tables so wide.
type frame struct {
	head   bool    // the next packet is the first behind one of ours
	header [5]byte // with the payload's first byte
	have   int
	chain  int // full packets before, which this one continues
	rest   int // bytes of the packet that are still to come
}

func (f *frame) take(p []byte) error {
	for len(p) > 0 {
		if f.rest > 0 {
			n := min(f.rest, len(p))
			p, f.rest = p[n:], f.rest-n
			continue
		}
		f.header[f.have] = p[0]
		p = p[1:]
		f.have++
		if f.have < 4 {
			continue
		}
		size := int(binary.LittleEndian.Uint32(f.header[:]) & maxPacket)
		if f.have == 4 && size > 0 {
			continue
		}
		// The answers to a command begin with packet 1; those of a login do not.
		if first := f.header[4]; size > 0 && f.head && f.header[3] == 1 && (first == 0xfd || first == 0xfe && size >= 9) {
			return fmt.Errorf("%w: an answer of more columns than a table can have", ErrMalformed)
		}
		if f.chain++; size < maxPacket {
			f.chain = 0
		}
		if f.chain > 1<<30/maxPacket+1 {
			return fmt.Errorf("%w: it is larger than any that a server sends", ErrMalformed)
		}
		f.have, f.rest, f.head = 0, max(size-1, 0), false
	}
	return nil
}

// connectionID reads the server's id of a connection from its greeting; 0 if there is none.
func connectionID(packet []byte) uint32 {
	if len(packet) < 5 || packet[4] == 0xff {
		return 0
	}
	for i, b := range packet[5:] {
		if b == 0 && len(packet) >= 5+i+5 {
			return binary.LittleEndian.Uint32(packet[5+i+1:])
		}
	}
	return 0
}
