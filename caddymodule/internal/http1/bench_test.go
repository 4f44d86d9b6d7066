package http1

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// opaque hides from a transport that a body is in memory, as Caddy's wrappers do.
type opaque struct{ io.Reader }

func (opaque) Close() error { return nil }

// BenchmarkClient measures a request and its response over loopback, server and all, one after the other.
func BenchmarkClient(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, 200))
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	client := New(Options{Dial: (&net.Dialer{}).DialContext})
	defer client.CloseIdle()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	sendHTTP1 := func(req *http.Request) (*http.Response, error) { return client.RoundTrip(req, "tcp", address) }
	read := func(data []byte) io.ReadCloser { return opaque{bytes.NewReader(data)} }
	inMemory := func(data []byte) io.ReadCloser { return NewInMemory(data, nil) }
	for _, size := range []int{0, 200, 2 << 10, 100 << 10} {
		for _, way := range []struct {
			name      string
			roundTrip func(*http.Request) (*http.Response, error)
			body      func([]byte) io.ReadCloser
		}{{"net,http", transport.RoundTrip, read}, {"http1", sendHTTP1, read}, {"http1,in_memory", sendHTTP1, inMemory}} {
			b.Run(way.name+"/"+byteSize(size), func(b *testing.B) {
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				body := bytes.Repeat([]byte("x"), size)
				b.ReportAllocs()
				for b.Loop() {
					req, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/path?query", nil)
					if size > 0 {
						req.Body, req.ContentLength = way.body(body), int64(size)
					}
					for _, name := range strings.Fields("Accept Accept-Language Content-Type X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host Via User-Agent") {
						req.Header[name] = []string{"value of " + name}
					}
					res, err := way.roundTrip(req)
					if err != nil {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			})
		}
	}
}

func byteSize(n int) string {
	switch {
	case n == 0:
		return "no_body"
	case n < 1<<10:
		return "200_B"
	case n < 10<<10:
		return "2_KB"
	default:
		return "100_KB"
	}
}

// usual is a head of a response such as Node.js servers say, and a body of 200 bytes.
var usual = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 28 Nov 2026 14:35:00 GMT\r\nConnection: keep-alive\r\n" +
	"Keep-Alive: timeout=5\r\nContent-Length: 200\r\n\r\n" + strings.Repeat("x", 200)

// BenchmarkExchange measures a request in memory and its response with a server that costs next to nothing and allocates nothing:
// what is allocated is the client's.
func BenchmarkExchange(b *testing.B) {
	u := rawserver.Start(b, rawserver.ListenTCP(b), func(c *rawserver.Conn) {
		response, request := []byte(usual), make([]byte, 16<<10)
		for {
			if _, err := c.Read(request); err != nil { // head and body come at once
				return
			}
			_, _ = c.Write(response)
		}
	})
	client := New(Options{Dial: (&net.Dialer{}).DialContext})
	defer client.CloseIdle()
	for _, size := range []int{0, 200, 2 << 10} {
		b.Run(byteSize(size), func(b *testing.B) {
			req, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://upstream/path", nil)
			for name := range strings.FieldsSeq("Accept Accept-Encoding Content-Type X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host Via User-Agent X-Wx-Openid X-Wx-Appid X-Wx-Source X-Wx-Env") {
				req.Header[name] = []string{"value of " + name}
			}
			data, text := bytes.Repeat([]byte("x"), size), make([]byte, 512)
			body := NewInMemory(data, nil)
			b.ReportAllocs()
			for b.Loop() {
				if size > 0 {
					body.Reset(data)
					req.Body, req.ContentLength = body, int64(size)
				}
				res, err := client.RoundTrip(req, u.Network, u.Address)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := res.Body.Read(text); n != 200 || err != io.EOF {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkResponseHead compares the two that read heads of responses.
func BenchmarkResponseHead(b *testing.B) {
	req, text := new(http.Request), strings.NewReader("")
	reader := bufio.NewReader(text)
	for name, read := range map[string]func() *http.Response{
		"net,http": func() *http.Response { res, _ := http.ReadResponse(reader, req); return res },
		"http1":    func() *http.Response { return readUsual(reader, req) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				text.Reset(usual)
				reader.Reset(text)
				_, _ = reader.Peek(1)
				if read() == nil {
					b.Fatal("it was not read")
				}
			}
		})
	}
}
