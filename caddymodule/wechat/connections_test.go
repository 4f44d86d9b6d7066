package wechat

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes are connections to a server in the same process. Each is served by a goroutine of its own until it is closed.
type pipes struct {
	*connPool
	serve func(conn net.Conn, number int)

	mu     sync.Mutex
	opened int
	open   int
}

func newPipes(t *testing.T, serve func(conn net.Conn, number int)) *pipes {
	t.Helper()
	p := &pipes{serve: serve}
	p.connPool = &connPool{head: requestHead("wechat"), dial: func(context.Context) (net.Conn, error) {
		client, server := net.Pipe()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.opened++
		p.open++
		number := p.opened
		go func() {
			p.serve(server, number)
			_, _ = io.Copy(io.Discard, server)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.open--
		}()
		return client, nil
	}}
	t.Cleanup(p.close)
	return p
}

func (p *pipes) counts() (opened, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened, p.open
}

// ask makes a call and returns what was answered, read to its end.
func (p *pipes) ask(ctx context.Context) (string, error) {
	res, err := p.post(ctx, "/wxa/getopendata", []byte("{}"))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// answerEach answers every request on a connection with the same bytes.
func answerEach(answer string) func(net.Conn, int) {
	return func(conn net.Conn, _ int) {
		reader := bufio.NewReader(conn)
		for readRequest(reader) == nil {
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	}
}

func readRequest(reader *bufio.Reader) error {
	req, err := http.ReadRequest(reader)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err
}

func TestWhichConnectionsAreKept(t *testing.T) {
	for _, test := range []struct {
		sentence, answer string
		opened           int // by three calls, one after the other
	}{
		{"after an answer of a known length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1},
		{"after a chunked one", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		{"after one that was announced", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1},
		{"also after an error", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nok", 1},
		{"not when the server says so", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 3},
		{"not with an old server", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3},
		{"not when something stands behind the answer, which the next call would take for its own", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", 3},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			p := newPipes(t, answerEach(test.answer))
			for range 3 {
				if got, err := p.ask(t.Context()); got != "ok" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if opened, _ := p.counts(); opened != test.opened {
				t.Errorf("%d connections were opened, want %d", opened, test.opened)
			}
		})
	}
}

func TestAnAnswerThatIsNotReadCostsItsConnection(t *testing.T) {
	p := newPipes(t, answerEach("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	for range 2 {
		res, err := p.post(t.Context(), "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if opened, _ := p.counts(); opened != 2 {
		t.Errorf("%d connections were opened, want 2", opened)
	}
}

// Servers end idle connections, some with a word, and a client meets that only when it asks again.
func TestAConnectionThatEndedWhileIdleIsReplaced(t *testing.T) {
	for sentence, farewell := range map[string]string{
		"without a word":            "",
		"with a request timeout":    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"with what cannot be read":  "bye\r\n\r\n",
		"with half of an answer":    "HTTP/1.1 200 OK\r\nContent-Le",
		"with an answer cut in two": "HTTP/1.1 100 Continue\r\n\r\n",
	} {
		t.Run(sentence, func(t *testing.T) {
			p := newPipes(t, func(conn net.Conn, number int) {
				reader := bufio.NewReader(conn)
				if readRequest(reader) != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"+fmt.Sprint(number))
				if readRequest(reader) == nil {
					_, _ = io.WriteString(conn, farewell)
					_ = conn.Close()
				}
			})
			for _, want := range []string{"1", "2"} {
				if got, err := p.ask(t.Context()); got != want || err != nil {
					t.Errorf("got %q, %v; want %q", got, err, want)
				}
			}
		})
	}
}

func TestConnectionsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t, answerEach("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		var wg sync.WaitGroup
		for range maxIdle + 10 {
			wg.Go(func() {
				if _, err := p.ask(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantOpen := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if _, open := p.counts(); open != want {
				t.Errorf("%s: %d connections are open, want %d", when, open, want)
			}
		}
		kept := len(p.idle)
		if kept == 0 || kept > maxIdle {
			t.Fatalf("%d connections were kept", kept)
		}
		wantOpen("at first", kept)
		time.Sleep(maxIdleTime / 2)
		if _, err := p.ask(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(maxIdleTime/2 + time.Second)
		wantOpen("when all but one are old", 1)
		time.Sleep(maxIdleTime)
		wantOpen("when all are", 0)
		if _, err := p.ask(t.Context()); err != nil {
			t.Error(err)
		}
		wantOpen("when one was needed again", 1)
		p.close()
		wantOpen("after the end", 0)
	})
}

func TestACallThatIsOverIsNotMade(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := newPipes(t, answerEach("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	if _, err := p.ask(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if opened, _ := p.counts(); opened != 0 {
		t.Errorf("%d connections were opened", opened)
	}
}

// A proxy, a password in the endpoint, and a host that is written in another way on the wire are what net/http's client knows
// to deal with.
func TestWhatIsNotPlainGoesByNetHTTP(t *testing.T) {
	for endpoint, direct := range map[string]bool{
		"https://api.weixin.qq.com":         true,
		"http://127.0.0.1:9080/prefix":      true,
		"https://user:pass@gateway.example": false,
		"https://微信.example":                false,
		"http://[fe80::1%25eth0]:8080":      false,
	} {
		client, err := New(endpoint, func(Call) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, ours := client.transport.(*connPool); ours != direct {
			t.Errorf("%s: direct is %v", endpoint, ours)
		}
	}
}

// A server that says something unasked must not be believed to answer the next call, which may be another user's.
func TestWhatComesUnaskedIsNoAnswer(t *testing.T) {
	const answer, unasked = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS() // for its certificate
	defer server.Close()
	listen := map[string]func(net.Listener) net.Listener{
		"over TCP": func(l net.Listener) net.Listener { return l },
		"over TLS": func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: server.TLS.Certificates})
		},
	}
	for name, serve := range map[string]func(conn net.Conn, number int){
		"behind the answer": func(conn net.Conn, number int) { _, _ = fmt.Fprintf(conn, answer+unasked, number) },
		"after the answer": func(conn net.Conn, number int) {
			_, _ = fmt.Fprintf(conn, answer, number)
			_, _ = io.WriteString(conn, unasked)
		},
		"as it hangs up": func(conn net.Conn, number int) {
			_, _ = fmt.Fprintf(conn, answer, number)
			_ = conn.Close()
		},
	} {
		for kind, wrap := range listen {
			t.Run(name+" "+kind, func(t *testing.T) {
				tcp, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer tcp.Close()
				var arrived atomic.Int32
				said := make(chan struct{}, 10)
				go func() {
					listener := wrap(tcp)
					for number := 1; ; number++ {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						go func() {
							reader := bufio.NewReader(conn)
							for readRequest(reader) == nil {
								arrived.Add(1)
								serve(conn, number)
								said <- struct{}{}
							}
							_ = conn.Close()
						}()
					}
				}()
				p := newConnPool(&url.URL{Scheme: "http", Host: tcp.Addr().String()})
				if kind == "over TLS" {
					p.dial = func(ctx context.Context) (net.Conn, error) {
						return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", tcp.Addr().String())
					}
				}
				defer p.close()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				for _, want := range []string{"1", "2", "3"} {
					if got, err := (&pipes{connPool: p}).ask(ctx); got != want || err != nil {
						t.Errorf("got %q, %v; want %q", got, err, want)
					}
					select {
					case <-said: // and on one machine, what was written has arrived
					case <-ctx.Done():
						t.Fatal("the server was not asked")
					}
				}
				if n := arrived.Load(); n != 3 {
					t.Errorf("3 calls made %d requests", n)
				}
			})
		}
	}
}

func TestNoneIsKeptAfterTheEnd(t *testing.T) {
	p := newPipes(t, answerEach("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	p.close()
	for range 2 {
		if got, err := p.ask(t.Context()); got != "ok" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if opened, _ := p.counts(); opened != 2 || len(p.idle) != 0 {
		t.Errorf("%d connections were opened and %d kept, want 2 and none", opened, len(p.idle))
	}
}
