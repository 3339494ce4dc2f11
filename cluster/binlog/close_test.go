package binlog

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/packet"
)

// TestCloseUnconnected: a tail whose caller gave up while it connected again can be closed.
func TestCloseUnconnected(t *testing.T) {
	raw, other := net.Pipe()
	defer other.Close()
	s := &session{raw: raw, conn: &client.Conn{Conn: packet.NewConn(raw)}, done: make(chan struct{})}
	close(s.done)
	life, end := context.WithCancel(t.Context())
	tail := &Tailer{sess: s, life: life, end: end}
	if err := tail.resumable(t.Context(), errors.New("gone")); err != nil {
		t.Error(err)
	}
	tail.Close()
}

// countedConn tells when it is closed.
type countedConn struct {
	net.Conn
	closes chan struct{}
}

func (c countedConn) Close() error {
	c.closes <- struct{}{}
	return c.Conn.Close()
}

// TestCloseWhileReconnecting: a tail is closed when its stream has just broken, so that its reader closes the session,
// too. The race detector sees both.
func TestCloseWhileReconnecting(t *testing.T) {
	raw, other := net.Pipe()
	defer other.Close()
	c := countedConn{raw, make(chan struct{}, 8)}
	s := &session{raw: c, conn: &client.Conn{Conn: packet.NewConn(c)}, done: make(chan struct{})}
	life, end := context.WithCancel(t.Context())
	tail := &Tailer{sess: s, life: life, end: end, asm: &assembler{}}
	var both sync.WaitGroup
	both.Go(tail.Close)
	<-c.closes // which has ended the tail's life: the reader does not connect again
	both.Go(func() {
		if err := tail.reconnect(t.Context(), errors.New("gone")); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	<-c.closes
	close(s.done) // both have waited for the connection's goroutine
	both.Wait()
}
