package http1

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
