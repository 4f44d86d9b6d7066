package http1

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

func TestWhichConnectionsAreKept(t *testing.T) {
	for _, test := range []struct {
		sentence, response string
		opened             int32 // by three requests, one after the other
	}{
		{"after a response of a known length", okResponse, 1},
		{"after a chunked one", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		{"after trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n2\r\nok\r\n0\r\nT: x\r\n\r\n", 1},
		{"after one that was announced", "HTTP/1.1 103 Early Hints\r\n\r\n" + okResponse, 1},
		{"also after an error", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nok", 1},
		{"with an old server that says so", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 1},
		{"not when the server says so", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 3},
		{"not with an old server", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3},
		{"not with a server of the future", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3},
		{"not when something stands behind the response, which the next request would take for its own", okResponse + "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", 3},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			u, c := startUpstream(t, rawserver.SayEach(test.response)), newClient(t, nil)
			for range 3 {
				if got, err := u.get(t.Context(), c); got != "ok" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if n := u.Accepted.Load(); n != test.opened {
				t.Errorf("%d connections were opened, want %d", n, test.opened)
			}
			c.CloseIdle()
			u.WantOpen(t, 0)
		})
	}
}

func TestResponsesWithoutABodyFreeTheirConnectionAtOnce(t *testing.T) {
	for response, method := range map[string]string{
		"HTTP/1.1 204 No Content\r\n\r\n":                               http.MethodGet,
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n":        http.MethodGet,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":                  http.MethodPost,
		"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n":                  http.MethodHead,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":         http.MethodHead,
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n": http.MethodGet,
	} {
		u, c := startUpstream(t, rawserver.SayEach(response)), newClient(t, nil)
		for range 3 {
			res, err := c.RoundTrip(newRequest(t.Context(), method, nil, 0), u.Network, u.Address)
			if err != nil {
				t.Fatal(err)
			}
			if res.Body != http.NoBody {
				t.Errorf("%q has a body", response)
			}
		}
		if n := u.Accepted.Load(); n != 1 {
			t.Errorf("%d connections were opened for %q", n, response)
		}
	}
}

// A connection is kept also where the end of the request comes a little after that of the response.
func TestTheEndOfARequestIsWaitedFor(t *testing.T) {
	opened := int32(0)
	for tries := 0; opened != 1 && tries < 20; tries++ { // a machine that has no time may take longer than writeWait
		u, c := startUpstream(t, func(c *rawserver.Conn) {
			for req := c.Head(); req != nil; req = c.Head() {
				c.Say(okResponse)
				_, _ = io.Copy(io.Discard, req.Body)
			}
		}), newClient(t, nil)
		for range 2 {
			slow := &slowly{strings.NewReader("body"), 1, writeWait / 5}
			if got, err := u.do(c, newRequest(t.Context(), http.MethodPost, slow, 4)); got != "ok" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		opened = u.Accepted.Load()
	}
	if opened != 1 {
		t.Errorf("%d connections were opened", opened)
	}
}

func TestAResponseThatIsNotReadCostsItsConnection(t *testing.T) {
	u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, nil)
	for range 2 {
		res, err := c.RoundTrip(newRequest(t.Context(), http.MethodGet, nil, 0), u.Network, u.Address)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if _, err := res.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("a read after Close: %v", err)
		}
	}
	if n := u.Accepted.Load(); n != 2 {
		t.Errorf("%d connections were opened, want 2", n)
	}
	u.WantOpen(t, 0)
}

// A server that says something unasked must not be believed to respond to the next request, which may be another user's.
func TestWhatComesUnaskedIsNoResponse(t *testing.T) {
	const unasked = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
	lent := func(body string) *http.Request {
		req, _ := inMemory(t.Context(), body, len(body))
		return req
	}
	large := strings.Repeat("x", maxHeld+1)
	requests := map[string]func() *http.Request{
		"without a body":             func() *http.Request { return newRequest(t.Context(), http.MethodGet, nil, 0) },
		"with a body":                func() *http.Request { return post(t.Context(), "body") },
		"with a large body":          func() *http.Request { return post(t.Context(), large) },
		"with one in memory":         func() *http.Request { return lent("body") },
		"with a large one in memory": func() *http.Request { return lent(large) },
	}
	for name, then := range map[string]func(*rawserver.Conn){
		"in the same packet": func(*rawserver.Conn) {},
		"later":              func(c *rawserver.Conn) { time.Sleep(5 * time.Millisecond); c.Say(unasked) },
		"a byte":             func(c *rawserver.Conn) { c.Say("\n") },
		"as it hangs up":     func(c *rawserver.Conn) { _ = c.Close() },
	} {
		for kind, request := range requests {
			t.Run(name+", "+kind, func(t *testing.T) {
				said := make(chan struct{}, 10)
				u, c := startUpstream(t, func(c *rawserver.Conn) {
					for c.Request() != nil {
						text := "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + strconv.Itoa(c.Number)
						if name == "in the same packet" {
							text += unasked
						}
						c.Say(text)
						then(c)
						said <- struct{}{}
					}
				}), newClient(t, nil)
				for _, want := range []string{"1", "2", "3"} {
					if got, err := u.do(c, request()); got != want || err != nil {
						t.Errorf("got %q, %v; want %q", got, err, want)
					}
					<-said // and on one machine, what was written has arrived
				}
			})
		}
	}
}

// Wherever a response breaks off, it does not look complete.
func TestAResponseThatBreaksOff(t *testing.T) {
	for kind, text := range map[string]string{
		"with a length": withLength("0123456789"), "in chunks": inChunks("0123456789"), "that was announced": announcement + withLength("ok"),
	} {
		for end, with := range map[string]func(net.Conn){"closes": func(c net.Conn) { _ = c.Close() }, "resets": reset, "ends": endWriting} {
			t.Run(kind+", the server "+end, func(t *testing.T) {
				u, c := startUpstream(t, func(c *rawserver.Conn) {
					req := c.Request()
					said, _ := strconv.Atoi(strings.TrimPrefix(req.URL.Path, "/"))
					c.Say(text[:said])
					with(c.Conn)
				}), newClient(t, nil)
				for said := range len(text) {
					req := newRequest(t.Context(), http.MethodGet, nil, 0)
					req.URL.Path = "/" + strconv.Itoa(said)
					if got, err := u.do(c, req); err == nil {
						t.Errorf("after %q: %q", text[:said], got)
					}
				}
				u.WantOpen(t, 0)
			})
		}
	}
}

func TestARequestOnAConnectionThatEnded(t *testing.T) {
	const idempotent = "Idempotency-Key"
	for _, test := range []struct {
		sentence, method, header, body string
		end                            string // what the server says to the second request, before it hangs up
		again                          bool
	}{
		{"a GET is made again", http.MethodGet, "", "", "", true},
		{"a HEAD is made again", http.MethodHead, "", "", "", true},
		{"a GET with a body, which was kept, is made again", http.MethodGet, "", "body", "", true},
		{"a POST is not: the server may have done it", http.MethodPost, "", "body", "", false},
		{"a PUT is not, as with net/http", http.MethodPut, "", "body", "", false},
		{"a DELETE is not, as with net/http", http.MethodDelete, "", "", "", false},
		{"a POST whose sender says it may be is made again", http.MethodPost, idempotent, "body", "", true},
		{"nor is a GET when a byte of a response came", http.MethodGet, "", "", "H", false},
		{"nor when half a head came", http.MethodGet, "", "", "HTTP/1.1 200 OK\r\nContent-Le", false},
		{"nor when what came is no HTTP", http.MethodGet, "", "", "bye\r\n\r\n", false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			u, c := startUpstream(t, func(c *rawserver.Conn) {
				if c.Number > 1 {
					rawserver.SayEach("HTTP/1.1 200 OK\r\nX-Again: 1\r\nContent-Length: 0\r\n\r\n")(c)
					return
				}
				c.Request()
				c.Say("HTTP/1.1 204 No Content\r\n\r\n")
				c.Request()
				c.Say(test.end)
				_ = c.Close()
			}), newClient(t, nil)
			if _, err := u.get(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			req := newRequest(t.Context(), test.method, nil, 0)
			if test.body != "" {
				req = post(t.Context(), test.body)
				req.Method = test.method
			}
			if test.header != "" {
				req.Header[test.header] = nil
			}
			res, err := c.RoundTrip(req, u.Network, u.Address)
			if test.again && (err != nil || res.Header.Get("X-Again") == "") {
				t.Errorf("got %v", err)
			}
			if !test.again && err == nil {
				t.Error("the request was made again")
			}
			if n := u.Accepted.Load(); n == 2 != test.again {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

// On a connection of its own a request is made once: a server that hangs up does so because of it.
func TestARequestOnANewConnectionIsMadeOnce(t *testing.T) {
	u, c := startUpstream(t, func(c *rawserver.Conn) { c.Request(); _ = c.Close() }), newClient(t, nil)
	if _, err := u.get(t.Context(), c); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if n := u.Accepted.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}
