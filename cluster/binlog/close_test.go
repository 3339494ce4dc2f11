package binlog

import (
	"context"
	"errors"
	"net"
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
