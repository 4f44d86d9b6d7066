package http1

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// endpoint is where connections lead, in the words of net.Dial.
type endpoint struct{ network, address string }

// conn carries one exchange at a time.
type conn struct {
	net.Conn
	socket syscall.RawConn // beneath it; nil if it has none of its own
	plain  bool            // it is its socket, and nothing besides
	to     endpoint
	reader *bufio.Reader // of the response; nil while none is being read
	limit  int64         // how many bytes may still be read of a head
	reused bool          // it carried a request before
	idleAt time.Time
	gone   atomic.Bool // it was discarded

	exchange *exchange          // that it carries
	turn     func(uintptr) bool // a turn of that at the socket
}

func newConn(raw net.Conn, to endpoint) *conn {
	c := &conn{Conn: raw, socket: socketOf(raw), to: to}
	switch raw.(type) {
	case *net.TCPConn, *net.UnixConn: // others have time-outs of their own, or have read already what is to come next
		c.plain = Supported && c.socket != nil
	}
	c.turn = func(fd uintptr) bool { return c.exchange.turn(fd) }
	return c
}

// socketOf returns the socket beneath a connection, in the clear or with TLS; nil where there is none.
func socketOf(connection net.Conn) syscall.RawConn {
	if secure, ok := connection.(*tls.Conn); ok {
		connection = secure.NetConn()
	}
	beneath, ok := connection.(syscall.Conn)
	if !ok {
		return nil
	}
	socket, err := beneath.SyscallConn()
	if err != nil {
		return nil
	}
	return socket
}

// writeAtOnce writes as much of a request as a connection takes without waiting. It writes nothing where a connection is more than its
// socket, as one with TLS is.
func (c *conn) writeAtOnce(head, data []byte) (n int, err error) {
	if _, ok := c.Conn.(syscall.Conn); !ok || c.socket == nil {
		return 0, nil
	}
	var writeErr error
	err = c.socket.Control(func(fd uintptr) { // not Write, which minds a deadline that was another request's
		n, writeErr = writeOnce(fd, head, data)
	})
	if writeErr != nil {
		return n, writeErr
	}
	return n, err
}

// source is what a connection's buffer reads from.
type source conn

func (s *source) Read(p []byte) (int, error) {
	if s.limit <= 0 {
		return 0, errors.New("the response's head is too large")
	}
	n, err := s.Conn.Read(p[:min(int64(len(p)), s.limit)])
	s.limit -= int64(n)
	return n, err
}

// quiet reports whether the connection is open and nothing has come on it since the last response. What a server says unasked,
// most often that it hangs up, must not be taken for the response to the next request. A new connection is.
func (c *conn) quiet() bool {
	if !c.reused {
		return true
	}
	if !silent(c.socket) {
		return false
	}
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return true
	}
	// Nothing is on the wire; with its deadline past, a read can only return what TLS has read already.
	if secure.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	n, err := secure.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && secure.SetReadDeadline(time.Time{}) == nil
}
