package gateway_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// call is a request of a client.
type call struct {
	method  string // default: POST
	path    string // default: /fn
	kind    string // the Content-Type; default: application/json; "-": none
	header  map[string]string
	body    string
	chunked bool // sent without a length
}

// reply is what the client got, and what the function did.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
	got    *received // nil: the function was not called
}

func (c call) request(ctx context.Context, url string) *http.Request {
	if c.method == "" {
		c.method = http.MethodPost
	}
	if c.path == "" {
		c.path = "/fn"
	}
	var body io.Reader = strings.NewReader(c.body)
	if c.chunked {
		body = io.MultiReader(body) // of a type whose length net/http does not know
	}
	req, err := http.NewRequestWithContext(ctx, c.method, url+c.path, body)
	if err != nil {
		panic(err)
	}
	switch c.kind {
	case "":
		req.Header.Set("Content-Type", "application/json")
	case "-":
	default:
		req.Header.Set("Content-Type", c.kind)
	}
	for name, value := range c.header {
		req.Header[name] = []string{value}
	}
	return req
}

// do sends a call and returns what came of it.
func (g *testGateway) do(c call) reply {
	g.t.Helper()
	g.upstream.take()
	res, err := g.client.Do(c.request(g.t.Context(), g.url))
	if err != nil {
		g.t.Fatalf("call: %v", err)
	}
	return g.read(res)
}

// post sends a JSON event.
func (g *testGateway) post(body string) reply {
	g.t.Helper()
	return g.do(call{body: body})
}

func (g *testGateway) read(res *http.Response) reply {
	g.t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatalf("response: %v", err)
	}
	return reply{g.t, res.StatusCode, res.Header, string(body), g.upstream.take()}
}

// dial opens a connection on which a test writes bytes as it likes.
func (g *testGateway) dial() net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// raw sends bytes on a connection of their own and reads one response. The lines of the head end in \n here.
func (g *testGateway) raw(head, body string) reply {
	g.t.Helper()
	g.upstream.take()
	conn := g.dial()
	message := strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
	if _, err := io.WriteString(conn, message); err != nil {
		g.t.Fatal(err)
	}
	method, _, _ := strings.Cut(head, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		g.t.Fatalf("response: %v", err)
	}
	return g.read(res)
}

// forwarded fails unless the function was called, with this body.
func (r reply) forwarded(body string) *received {
	r.t.Helper()
	if r.status != http.StatusOK || r.got == nil {
		r.t.Fatalf("status %d, function called: %v, response %q; want the request forwarded", r.status, r.got != nil, r.body)
	}
	if r.got.err != nil {
		r.t.Fatalf("the function could not read the body: %v", r.got.err)
	}
	if r.got.body != body {
		r.t.Fatalf("the function received\n\t%.600q\nwant\n\t%.600q", r.got.body, body)
	}
	return r.got
}

// rejected fails unless the client got this status and the function nothing.
func (r reply) rejected(status int) {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d (function called: %v; response %.300q)", r.status, status, r.got != nil, r.body)
	}
	if r.got != nil {
		r.t.Fatal("the function was called")
	}
	if status >= 400 && r.body == "" {
		r.t.Error("the rejection says nothing")
	}
}

// has fails unless the function got a header with just this value; "" stands for no such header.
func (got *received) has(t *testing.T, name, value string) {
	t.Helper()
	values := got.header[http.CanonicalHeaderKey(name)]
	if value == "" && len(values) == 0 || len(values) == 1 && values[0] == value {
		return
	}
	t.Errorf("%s is %q, want %q", name, values, value)
}
