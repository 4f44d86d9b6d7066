// Package rawserver is a server that a test plays by hand, connection by connection and byte by byte, to say what no HTTP
// server would.
package rawserver

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Server is a server that runs until its test ends.
type Server struct {
	Network, Address string
	Accepted         atomic.Int32 // connections so far
	Open             atomic.Int32 // connections that the client has not closed

	mu    sync.Mutex
	conns []net.Conn
}

// Start serves each connection by calling serve; then it reads until the client hangs up.
func Start(t testing.TB, listener net.Listener, serve func(*Conn)) *Server {
	t.Helper()
	s := &Server{Network: listener.Addr().Network(), Address: listener.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			number := int(s.Accepted.Add(1))
			s.Open.Add(1)
			wg.Go(func() {
				defer s.Open.Add(-1)
				defer conn.Close()
				serve(&Conn{Conn: conn, Reader: bufio.NewReader(conn), Number: number})
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.mu.Lock()
		for _, conn := range s.conns {
			_ = conn.Close()
		}
		s.mu.Unlock()
		wg.Wait()
	})
	return s
}

// ListenTCP returns a listener at a free port of 127.0.0.1.
func ListenTCP(t testing.TB) net.Listener {
	t.Helper()
	return Listen(t, "tcp", "127.0.0.1:0")
}

// Listen returns a listener, or skips the test where the machine lacks IPv6 and the address is of it.
func Listen(t testing.TB, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil && strings.HasPrefix(address, "[") {
		t.Skip("this machine has no IPv6")
	}
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// WantOpen waits until so many connections are open, and fails the test if that does not come: a server notices only after a
// while that its client has hung up.
func (s *Server) WantOpen(t testing.TB, want int32) {
	t.Helper()
	s.WantOpenBetween(t, want, want)
}

// WantOpenBetween is WantOpen of a number that is not exact.
func (s *Server) WantOpenBetween(t testing.TB, least, most int32) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		open := s.Open.Load()
		if least <= open && open <= most {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d connections to the server are open, want %d to %d", open, least, most)
			return
		}
	}
}

// Conn is a connection to the server.
type Conn struct {
	net.Conn
	Reader *bufio.Reader // of what the client sends
	Number int           // of the connection, from 1
}

// Say sends a text as it is.
func (c *Conn) Say(text string) { _, _ = io.WriteString(c.Conn, text) }

// Head reads a request's head; nil when there is none.
func (c *Conn) Head() *http.Request {
	req, err := http.ReadRequest(c.Reader)
	if err != nil {
		return nil
	}
	return req
}

// Request reads a request, body and all; nil when there is none.
func (c *Conn) Request() *http.Request {
	req := c.Head()
	if req == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil
	}
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	return req
}

// Body returns the body of what Request returned; "" of nil.
func Body(req *http.Request) string {
	if req == nil {
		return ""
	}
	body, _ := io.ReadAll(req.Body) // it is in memory
	return string(body)
}

// SayEach responds to every request with the same text.
func SayEach(text string) func(*Conn) {
	return func(c *Conn) {
		for c.Request() != nil {
			c.Say(text)
		}
	}
}
