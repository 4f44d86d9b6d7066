package system

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// raw is a connection on which a test writes bytes as it likes.
type raw struct {
	net.Conn
	responses *bufio.Reader
	t         *testing.T
}

func (g gateway) dial(t *testing.T) raw {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return raw{conn, bufio.NewReader(conn), t}
}

func (r raw) send(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r, text); err != nil {
		r.t.Fatal(err)
	}
}

// next reads one response, behind those that only say that the body may come: of these, a proxy may pass on the function's.
func (r raw) next() response {
	r.t.Helper()
	for {
		if got := r.nextOfAny(); got.status != http.StatusContinue {
			return got
		}
	}
}

func (r raw) nextOfAny() response {
	r.t.Helper()
	res, err := http.ReadResponse(r.responses, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Error(err)
	}
	return response{status: res.StatusCode, body: string(body)}
}

// request writes a request down as HTTP/1.1 has it.
func request(method, kind, more, body string) string {
	return fmt.Sprintf("%s / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n%s", method, kind, more, len(body), body)
}

// chunked writes a request down whose body comes in chunks, with lines behind the last.
func chunked(kind, more, body, trailer string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n%sTransfer-Encoding: chunked\r\n\r\n", kind, more)
	for i := 0; i < len(body); i += 50 {
		chunk := body[i:min(i+50, len(body))]
		fmt.Fprintf(&text, "%x\r\n%s\r\n", len(chunk), chunk)
	}
	return text.String() + "0\r\n" + trailer + "\r\n"
}

const jsonType = "application/json"

// Requests that a client writes down one behind the other, before it has read a response: the responses come in their order, each
// event has its own open data, and what is left of one that was rejected is not taken for the next.
func TestPipelinedRequests(t *testing.T) {
	g, fake := newGatewayBefore(t, hashing{})
	pipeline := func() (text string, want []response) {
		add := func(request string, status int, handedOn string) {
			text += request
			body := ""
			if status == http.StatusOK {
				body = hashOf(handedOn)
			}
			want = append(want, response{status: status, body: body})
		}
		for n := range 3 {
			event, resolved := numbered(t, fake, n, 200)
			add(request("POST", jsonType, "", event), 200, resolved)
			add(request("POST", jsonType, "", `{"n":1.10}`), 200, `{"n":1.10}`)
			event, resolved = numbered(t, fake, 10+n, 300)
			add(chunked(jsonType, "", event, ""), 200, resolved)
			add(request("POST", "text/plain", "", event), 200, event)
			add(request("GET", jsonType, "", ""), 200, "")
			inner, _ := numbered(t, fake, 20+n, 0)
			smuggled := request("POST", jsonType, "", inner)
			add(request("POST", "application/json; charset=utf-16", "", smuggled), 415, "")
			add(chunked("application/json; charset=utf-16", "", smuggled, ""), 415, "")
			add(request("POST", jsonType, "", "{"), 400, "")
			event, resolved = numbered(t, fake, 30+n, 100)
			add(chunked(jsonType, "Trailer: X-WX-OPENID, X-Sum\r\n", event, "X-WX-OPENID: forged\r\nX-Sum: 1\r\n"), 200, resolved)
			add(chunked("text/plain", "Trailer: X-Sum\r\n", event, "X-Sum: 1\r\n"), 200, event)
			add(request("POST", jsonType, "", ""), 200, "")
			event, resolved = numbered(t, fake, 40+n, 5000)
			add(request("POST", jsonType, "Expect: 100-continue\r\n", event), 200, resolved)
		}
		return text, want
	}
	for _, c := range []struct {
		sentence string
		size     int // of the pieces that are written
	}{
		{"in one piece", 1 << 20},
		{"in pieces which end anywhere", 997},
		{"a few bytes at a time", 7},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			text, want := pipeline()
			if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: timeout / 4, Times: 2}); err != nil {
				t.Fatal(err)
			}
			conn := g.dial(t)
			go func() {
				for rest := text; rest != ""; {
					n := min(c.size, len(rest))
					if _, err := io.WriteString(conn, rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
			}()
			for i, w := range want {
				if got := conn.next(); got != w {
					t.Errorf("request %d: status %d, want %d; the response is the right one: %t", i, got.status, w.status, got.body == w.body)
				}
			}
		})
	}
}

// A client that asks before it sends the body is told to send it. Where the response is a rejection, it is not told so; but the
// rejection too waits for the body, or 256 KiB of it, since Caddy (v2.11.9, Server.ServeHTTP: read_idle_timeout) hides from
// net/http what kind of body it is, with this plugin or without.
func TestExpectContinue(t *testing.T) {
	g, fake := newGatewayBefore(t, hashing{})
	ask := func(t *testing.T, kind, more string) raw {
		conn := g.dial(t)
		conn.send("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Type: " + kind + "\r\n" + more + "\r\n\r\n")
		return conn
	}
	for _, c := range []struct {
		sentence, kind string
		chunked        bool
	}{
		{"an event", jsonType, false},
		{"an event without a length", jsonType, true},
		{"another body", "text/plain", false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			sent, handedOn := numbered(t, fake, 1, 1000)
			head, body := "Content-Length: "+strconv.Itoa(len(sent)), sent
			if c.chunked {
				head, body = "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(sent), sent)
			}
			if c.kind != jsonType {
				handedOn = sent
			}
			conn := ask(t, c.kind, head)
			if got := conn.nextOfAny(); got.status != http.StatusContinue {
				t.Fatalf("the client is told %d", got.status)
			}
			conn.send(body)
			wantOwn(t, conn.next(), handedOn)
		})
	}
	for _, c := range []struct {
		sentence, kind string
		length, body   int // the body's length as announced, and as far as it is sent
		status         int
	}{
		{"too large by its length", jsonType, 16<<20 + 1, 300 << 10, http.StatusRequestEntityTooLarge},
		{"of a charset that is not read", "application/json; charset=utf-16", 100, 100, http.StatusUnsupportedMediaType},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			conn := ask(t, c.kind, "Content-Length: "+strconv.Itoa(c.length))
			conn.send(strings.Repeat(" ", c.body))
			if got := conn.nextOfAny(); got.status != c.status {
				t.Errorf("the client is told %d, want %d", got.status, c.status)
			}
		})
	}
}

// An upload may take longer than WeChat has: that clock starts when the event is there.
func TestASlowUpload(t *testing.T) {
	g, fake := newGatewayBefore(t, hashing{})
	sent, handedOn := numbered(t, fake, 1, 2000)
	for sentence, text := range map[string]string{
		"with a length":    request("POST", jsonType, "", sent),
		"without a length": chunked(jsonType, "", sent, ""),
	} {
		t.Run(sentence, func(t *testing.T) {
			const pieces = 100
			conn := g.dial(t)
			start := time.Now()
			for i := range pieces {
				conn.send(text[i*len(text)/pieces : (i+1)*len(text)/pieces])
				time.Sleep(time.Until(start.Add(time.Duration(i) * 2 * timeout / pieces)))
				if i%10 == 0 {
					sent, handedOn := numbered(t, fake, i, 10)
					wantOwn(t, g.post(sent), handedOn)
				}
			}
			wantOwn(t, conn.next(), handedOn)
		})
	}
}

// Whoever goes away during his upload costs nothing: no call of WeChat, none of the function, no goroutine.
func TestAbortedUploads(t *testing.T) {
	called := make(chan struct{}, 100)
	g, fake := newGatewayBefore(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		called <- struct{}{}
	}))
	ended := func(t *testing.T) float64 {
		return probe.Metric(t, "invocations_total", "rejected") + probe.Metric(t, "invocations_total", "canceled")
	}
	sent, _ := numbered(t, fake, 1, 5000)
	for _, c := range []struct{ sentence, text string }{
		{"with a length", request("POST", jsonType, "", sent)},
		{"without a length", chunked(jsonType, "", sent, "")},
	} {
		for how, leave := range map[string]func(*net.TCPConn){
			"that ends": func(c *net.TCPConn) { c.Close() },
			"that is reset": func(c *net.TCPConn) {
				_ = c.SetLinger(0)
				c.Close()
			},
		} {
			t.Run(c.sentence+", by a connection "+how, func(t *testing.T) {
				before := ended(t)
				for _, length := range []int{len(c.text) / 5, len(c.text) / 2, len(c.text) - 2} {
					conn := g.dial(t)
					conn.send(c.text[:length])
					leave(conn.Conn.(*net.TCPConn))
				}
				probe.Eventually(t, "all are counted", func() bool { return ended(t) == before+3 })
			})
		}
	}
	if n := fake.Calls().GetOpenData; n != 0 || len(called) != 0 {
		t.Errorf("%d calls of WeChat, %d of the function", n, len(called))
	}
}
