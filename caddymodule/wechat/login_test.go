package wechat_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// onceServer answers the first request of each connection, says that it keeps the connection, and resets it at the second: a
// WeChat, or a balancer before it, that forgets connections. It remembers the codes that came.
type onceServer struct {
	mu    sync.Mutex
	codes map[string]int
}

func (s *onceServer) serve(t *testing.T) (endpoint string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.handle(conn.(*net.TCPConn))
		}
	}()
	return "http://" + listener.Addr().String()
}

func (s *onceServer) handle(conn *net.TCPConn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	req, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	s.mu.Lock()
	s.codes[req.URL.Query().Get("js_code")]++
	s.mu.Unlock()
	const body = `{"errcode":0,"openid":"o","session_key":"k","data_list":[]}`
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	_, _ = reader.Peek(1) // the beginning of the next request, or the end
	_ = conn.SetLinger(0)
}

// Logins go well on a WeChat that resets connections, and no code is sent twice.
func TestLoginsMeetNoConnectionThatIsDead(t *testing.T) {
	t.Parallel()
	server := &onceServer{codes: map[string]int{}}
	client, _ := newClient(t, server.serve(t))
	if err := ask(within(t), client); err != nil { // which leaves a connection
		t.Fatal(err)
	}
	for i := range 6 {
		if _, err := client.JSCode2Session(within(t), "wx1", "s", fmt.Sprint("code-", i)); err != nil {
			t.Errorf("login %d: %v", i+1, err)
		}
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	for code, n := range server.codes {
		if n != 1 {
			t.Errorf("%q was sent %d times", code, n)
		}
	}
	if len(server.codes) != 7 {
		t.Errorf("%d different requests came", len(server.codes))
	}
}

// Close leaves no connection, of whatever kind of call.
func TestCloseClosesIdleConnections(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	open := map[string]bool{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"errcode":0,"data_list":[],"access_token":"t","expires_in":7200}`)
	}))
	server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateClosed {
			delete(open, conn.RemoteAddr().String())
		} else {
			open[conn.RemoteAddr().String()] = true
		}
	}
	server.Start()
	defer server.Close()
	client, _ := newClient(t, server.URL)
	if err := ask(within(t), client); err != nil { // by one transport
		t.Fatal(err)
	}
	if _, err := client.ServiceToken(within(t), server.URL); err != nil { // by the other
		t.Fatal(err)
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(open)
	}
	if n := count(); n != 2 {
		t.Fatalf("%d connections are kept, want one of each transport", n)
	}
	client.Close()
	probe.Eventually(t, "the connections are closed", func() bool { return count() == 0 })
}
