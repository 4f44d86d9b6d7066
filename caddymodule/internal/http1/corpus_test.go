package http1

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
	"github.com/caddy-cloudid/caddy-cloudid/tests/responses"
)

// verdict says what became of a response.
func verdict(res *http.Response, err error) string {
	if err != nil {
		return "error"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	got := fmt.Sprintf("%d %q", res.StatusCode, body)
	if err != nil {
		got += " error"
	}
	return got
}

func TestVectors(t *testing.T) {
	for _, r := range responses.Read(t, "testdata/responses") {
		t.Run(r.Name, func(t *testing.T) {
			serve := func(c *rawserver.Conn) {
				for c.Request() != nil {
					c.Say(r.Text)
					if r.Closes {
						_ = c.Close()
					}
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()

			u, c := startUpstream(t, serve), newClient(t, nil)
			roundTrip := func() string {
				return verdict(c.RoundTrip(newRequest(ctx, r.Method, nil, 0), u.Network, u.Address))
			}
			if got := roundTrip(); !sameVerdict(got, r.Want) {
				t.Errorf("the verdict is %s, want %s", got, r.Want)
			}
			roundTrip()
			if reused := u.Accepted.Load() == 1; reused != r.Reused {
				t.Errorf("the connection was reused: %v", reused)
			}

			other := startUpstream(t, serve)
			transport := &http.Transport{DisableCompression: true}
			defer transport.CloseIdleConnections()
			req := newRequest(ctx, r.Method, nil, 0)
			req.URL.Host = other.Address
			if got := verdict(transport.RoundTrip(req)); !sameVerdict(got, r.NetHTTP) {
				t.Errorf("net/http's verdict is %s, want %s", got, r.NetHTTP)
			}
			if ctx.Err() != nil {
				t.Error("it took too long")
			}
		})
	}
}

// sameVerdict compares two verdicts. How much was read of a body that breaks off is chance.
func sameVerdict(a, b string) bool {
	return a == b || strings.HasSuffix(a, " error") && strings.HasSuffix(b, " error") && a[:4] == b[:4]
}

// script is a connection to a server that says what it has to say when the request is complete.
type script struct {
	net.Conn
	text io.Reader
	end  string // of the request

	mu       sync.Mutex
	written  strings.Builder
	complete chan struct{} // closed when it is, and when the connection is
}

func (s *script) Read(p []byte) (int, error) {
	<-s.complete
	return s.text.Read(p)
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written.Write(p)
	if strings.HasSuffix(s.written.String(), s.end) {
		s.finish()
	}
	return len(p), nil
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
	return nil
}

func (s *script) finish() {
	select {
	case <-s.complete:
	default:
		close(s.complete)
	}
}

func (s *script) SetReadDeadline(time.Time) error { return nil }

func (s *script) request() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written.String()
}

func newScript(text, end string) *script {
	return &script{text: strings.NewReader(text), end: end, complete: make(chan struct{})}
}

func (s *script) dial(context.Context, string, string) (net.Conn, error) { return s, nil }

// FuzzResponse compares the verdicts on any bytes with those of http.ReadResponse and of net/http's Transport: they must be the
// same, except that statuses below 100, and 101, are errors here.
func FuzzResponse(f *testing.F) {
	for _, r := range responses.Read(f, "testdata/responses") {
		f.Add(r.Text, r.Method == http.MethodHead)
	}
	f.Fuzz(func(t *testing.T, text string, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ours := verdict(New(Options{Dial: newScript(text, "\r\n\r\n").dial, DisableCompression: true}).RoundTrip(newRequest(ctx, method, nil, 0), "tcp", "a"))
		if read := readVerdict(text, method); ours != read {
			t.Errorf("the verdict is %s, http.ReadResponse's %s", ours, read)
		}
		transport := &http.Transport{DialContext: newScript(text, "\r\n\r\n").dial, DisableCompression: true, DisableKeepAlives: true}
		res, err := transport.RoundTrip(newRequest(ctx, method, nil, 0))
		theirs := verdict(res, err)
		if err == nil && stricter(res) || ours == "error" && stricter1xx(text) {
			theirs = "error"
		}
		if !sameVerdict(ours, theirs) {
			t.Errorf("the verdict is %s, that of net/http's Transport %s", ours, theirs)
		}
	})
}

// stricter reports whether a response is an error here, but not to net/http.
func stricter(res *http.Response) bool {
	return res.StatusCode < 100 || res.StatusCode == http.StatusSwitchingProtocols || hasSpacedName(res.Header)
}

// stricter1xx reports whether that is so because of a 1xx response before the final one.
func stricter1xx(text string) bool {
	reader := bufio.NewReader(strings.NewReader(text))
	for {
		res, err := http.ReadResponse(reader, nil)
		if err != nil || res.StatusCode >= 200 {
			return false
		}
		if stricter(res) {
			return true
		}
	}
}

// readVerdict reads responses until one is final.
func readVerdict(text, method string) string {
	reader := bufio.NewReader(strings.NewReader(text))
	for {
		res, err := http.ReadResponse(reader, &http.Request{Method: method})
		switch {
		case err != nil, stricter(res):
			return "error"
		case res.StatusCode >= 200:
			return verdict(res, nil)
		}
	}
}

// FuzzRequest compares what is written with what net/http's Transport writes.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/path?query", "host:80", "Name", "value", "agent", "body", uint8(0))
	f.Add("POST", "/%20 //a?b=c&d#e", "[fe80::1%25en0]:80", "name", " value\t", "", "", uint8(1))
	f.Add("PUT", "*", "微信.example", "Range", "bytes=0-", " a ", "x", uint8(2))
	f.Add("", "/", "host", "Name", "", "", "", uint8(2))
	f.Add("HEAD", "", "/run/socket", "Accept-Encoding", "", "a", "", uint8(3))
	f.Add("OPTIONS", "//x", "a b", "Host", "other", "a", "", uint8(7))
	f.Fuzz(func(t *testing.T, method, uri, host, name, value, agent, body string, flags uint8) {
		if disguised(name) || method == http.MethodConnect {
			t.Skip("is refused, or not ours")
		}
		newRequest := func() *http.Request {
			req := newRequest(t.Context(), http.MethodGet, nil, 0)
			req.Method, req.Host = method, host
			path, query, _ := strings.Cut(uri, "?")
			req.URL.Path, req.URL.RawQuery = path, query
			if flags&1 != 0 {
				req.URL.Opaque, req.URL.Path = path, ""
			}
			req.Header[name] = []string{value, "second"}
			if flags&2 != 0 {
				req.Header["User-Agent"] = []string{agent}
			}
			if body != "" {
				req.Body, req.ContentLength = opaque{strings.NewReader(body)}, int64(len(body))
			}
			return req
		}
		req := newRequest()
		if !Carries(req) {
			t.Skip("not ours")
		}
		const none = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
		ours, theirs := newScript(none, "\r\n\r\n"+body), newScript(none, "\r\n\r\n"+body)
		_, err := New(Options{Dial: ours.dial, DisableKeepAlives: flags&4 != 0}).RoundTrip(req, "tcp", "a")
		transport := &http.Transport{DialContext: theirs.dial, DisableKeepAlives: flags&4 != 0}
		_, theirErr := transport.RoundTrip(newRequest())
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%v, but with net/http's Transport %v", err, theirErr)
		}
		if err == nil && ours.request() != theirs.request() {
			t.Errorf("%q is written, by net/http's Transport %q", ours.request(), theirs.request())
		}
	})
}
