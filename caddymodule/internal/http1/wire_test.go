package http1

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// certificate returns a server's TLS configuration, and a client's that trusts it.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	trusting := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trusting.ServerName = "example.com"
	return &tls.Config{Certificates: s.TLS.Certificates}, trusting
}

func overTLS(config *tls.Config) func(*Options) {
	return func(o *Options) { o.Dial = (&tls.Dialer{Config: config}).DialContext }
}

// Nothing of a request goes around TLS.
func TestBodiesOverTLS(t *testing.T) {
	serverConfig, config := certificate(t)
	for name, newRequest := range bodies {
		u, c := startUpstreamOn(t, tls.NewListener(rawserver.ListenTCP(t), serverConfig), rawserver.SayEach(okResponse)), newClient(t, overTLS(config))
		for range 2 { // the second time on a connection that is reused, where there is one
			if got, err := u.do(c, newRequest(t.Context())); got != "ok" || err != nil {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	}
}

func TestConnectionsOverTLSAreKept(t *testing.T) {
	serverConfig, config := certificate(t)
	u, c := startUpstreamOn(t, tls.NewListener(rawserver.ListenTCP(t), serverConfig), rawserver.SayEach(okResponse)), newClient(t, overTLS(config))
	for range 10 {
		if got, err := u.do(c, post(t.Context(), "body")); got != "ok" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		time.Sleep(2 * time.Millisecond) // session tickets come late
	}
	if n := u.Accepted.Load(); n != 1 {
		t.Errorf("%d connections were opened for 10 requests", n)
	}
	c.CloseIdle()
	u.WantOpen(t, 0)
}

func TestWhatComesUnaskedOverTLS(t *testing.T) {
	serverConfig, config := certificate(t)
	for name, then := range map[string]func(*rawserver.Conn){
		"a response": func(c *rawserver.Conn) { c.Say(okResponse) },
		"a byte":     func(c *rawserver.Conn) { c.Say("x") },
		"the end":    func(c *rawserver.Conn) { _ = c.Close() },
		"goodbye":    func(c *rawserver.Conn) { endWriting(c.Conn) },
		"no TLS":     func(c *rawserver.Conn) { _, _ = io.WriteString(c.Conn.(*tls.Conn).NetConn(), okResponse) },
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan struct{}, 10)
			u, c := startUpstreamOn(t, tls.NewListener(rawserver.ListenTCP(t), serverConfig), func(c *rawserver.Conn) {
				for c.Request() != nil {
					c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", c.Number))
					then(c)
					said <- struct{}{}
				}
			}), newClient(t, overTLS(config))
			for _, want := range []string{"1", "2", "3"} {
				if got, err := u.get(t.Context(), c); got != want || err != nil {
					t.Errorf("got %q, %v; want %q", got, err, want)
				}
				<-said
			}
		})
	}
}

// A server that does not finish its half of the goodbye, or a write that hangs, must not hold up whoever gives up.
func TestCancelledOverTLS(t *testing.T) {
	serverConfig, config := certificate(t)
	u, c := startUpstreamOn(t, tls.NewListener(rawserver.ListenTCP(t), serverConfig), func(c *rawserver.Conn) { c.Request(); time.Sleep(300 * time.Millisecond) }), newClient(t, overTLS(config))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := u.do(c, newRequest(ctx, http.MethodPost, io.LimitReader(forever{}, 1<<30), 1<<30)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	u.WantOpen(t, 0)
}

func TestNetworks(t *testing.T) {
	for _, test := range []struct{ network, address string }{
		{"unix", filepath.Join(t.TempDir(), "socket")}, {"tcp", "[::1]:0"}, {"tcp6", "[::1]:0"}, {"tcp4", "127.0.0.1:0"},
	} {
		t.Run(test.network+" "+filepath.Base(test.address), func(t *testing.T) {
			u, c := startUpstreamOn(t, rawserver.Listen(t, test.network, test.address), rawserver.SayEach(okResponse)), newClient(t, nil)
			u.Network = test.network
			for range 3 {
				if got, err := u.do(c, post(t.Context(), "body")); got != "ok" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if n := u.Accepted.Load(); n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

func TestInformationalResponses(t *testing.T) {
	serve := func(c *rawserver.Conn) {
		for c.Request() != nil {
			c.Say("HTTP/1.1 100 Continue\r\n\r\n")
			c.Say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n" + okResponse)
		}
	}
	t.Run("are forwarded", func(t *testing.T) {
		u, c := startUpstream(t, serve), newClient(t, nil)
		var got []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				got = append(got, fmt.Sprint(code, header))
				return nil
			},
		})
		if text, err := u.get(ctx, c); text != "ok" || err != nil {
			t.Errorf("got %q, %v", text, err)
		}
		if all := strings.Join(got, "; "); all != "100 map[]; 103 map[Link:[</a> </b>]]; 199 map[]" {
			t.Errorf("got %s", all)
		}
	})
	t.Run("may be refused", func(t *testing.T) {
		u, c := startUpstream(t, serve), newClient(t, nil)
		refusal := errors.New("no more")
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(int, textproto.MIMEHeader) error { return refusal },
		})
		if _, err := u.get(ctx, c); err != refusal {
			t.Errorf("got %v", err)
		}
		u.WantOpen(t, 0)
	})
	t.Run("are skipped where nobody asks, and bounded", func(t *testing.T) {
		u, c := startUpstream(t, serve), newClient(t, nil)
		if text, err := u.get(t.Context(), c); text != "ok" || err != nil {
			t.Errorf("got %q, %v", text, err)
		}
		endless := startUpstream(t, func(c *rawserver.Conn) {
			c.Request()
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); err != nil {
					return
				}
			}
		})
		if _, err := endless.get(t.Context(), newClient(t, func(o *Options) { o.MaxResponseHeader = 4 << 10 })); err == nil {
			t.Error("there was a response")
		}
		endless.WantOpen(t, 0)
	})
}

func TestMaxResponseHeader(t *testing.T) {
	for size, fits := range map[int]bool{900: true, 1100: false, 1 << 20: false} {
		u := startUpstream(t, rawserver.SayEach("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", size)+"\r\nContent-Length: 2\r\n\r\nok"))
		c := newClient(t, func(o *Options) { o.MaxResponseHeader, o.ReadBufferSize = 1000, 64 })
		got, err := u.get(t.Context(), c)
		if fits && (got != "ok" || err != nil) {
			t.Errorf("%d bytes: %q, %v", size, got, err)
		}
		if !fits && (err == nil || !strings.Contains(err.Error(), "larger than 1000 bytes")) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	u := startUpstream(t, rawserver.SayEach("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100000)))
	if got, err := u.get(t.Context(), newClient(t, func(o *Options) { o.MaxResponseHeader = 1000 })); len(got) != 100000 || err != nil {
		t.Errorf("the body is bounded, too: %d bytes, %v", len(got), err)
	}
}

func TestCompression(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, "the plain text")
	_ = w.Close()
	asked := make(chan string, 1)
	serve := func(c *rawserver.Conn) {
		for {
			req := c.Request()
			if req == nil {
				return
			}
			asked <- req.Header.Get("Accept-Encoding")
			text := zipped.String()
			switch req.URL.Path {
			case "/broken":
				text = text[:len(text)-5] + "xxxxx"
			case "/none":
				text = "the plain text"
			}
			c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
		}
	}
	for _, test := range []struct {
		sentence string
		change   func(*Options, *http.Request)
		asked    string
		decoded  bool
	}{
		{"is asked for, and undone", func(*Options, *http.Request) {}, "gzip", true},
		{"is the caller's where it asks", func(_ *Options, r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") }, "gzip", false},
		{"is not asked of a HEAD", func(_ *Options, r *http.Request) { r.Method = http.MethodHead }, "", false},
		{"is not asked of a range", func(_ *Options, r *http.Request) { r.Header.Set("Range", "bytes=0-1") }, "", false},
		{"can be turned off", func(o *Options, _ *http.Request) { o.DisableCompression = true }, "", false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			u := startUpstream(t, serve)
			req := newRequest(t.Context(), http.MethodGet, nil, 0)
			c := newClient(t, func(o *Options) { o.DisableCompression = false; test.change(o, req) })
			res, err := c.RoundTrip(req, u.Network, u.Address)
			if err != nil {
				t.Fatal(err)
			}
			if got := <-asked; got != test.asked {
				t.Errorf("the server was asked for %q", got)
			}
			body, err := io.ReadAll(res.Body)
			if decoded := string(body) == "the plain text" && res.Uncompressed && res.Header.Get("Content-Encoding") == "" && res.Header.Get("Content-Length") == "" && res.ContentLength == -1; decoded != test.decoded || err != nil {
				t.Errorf("got %q with %v, %v", body, res.Header, err)
			}
			_ = res.Body.Close()
		})
	}
	t.Run("that is broken, or none, is an error", func(t *testing.T) {
		u, c := startUpstream(t, serve), newClient(t, func(o *Options) { o.DisableCompression = false })
		for _, path := range []string{"/broken", "/none"} {
			req := newRequest(t.Context(), http.MethodGet, nil, 0)
			req.URL.Path = path
			res, err := c.RoundTrip(req, u.Network, u.Address)
			if err != nil {
				t.Fatal(err)
			}
			<-asked
			text, err := io.ReadAll(res.Body)
			if _, again := res.Body.Read(make([]byte, 1)); err == nil || again != err {
				t.Errorf("%s: got %q, %v, then %v", path, text, err, again)
			}
			_ = res.Body.Close()
		}
	})
	t.Run("does not outlive the body's end by Close", func(t *testing.T) {
		u, c := startUpstream(t, serve), newClient(t, func(o *Options) { o.DisableCompression = false })
		res, err := c.RoundTrip(newRequest(t.Context(), http.MethodGet, nil, 0), u.Network, u.Address)
		if err != nil {
			t.Fatal(err)
		}
		<-asked
		_, _ = io.ReadFull(res.Body, make([]byte, 3))
		_ = res.Body.Close()
		if n, err := res.Body.Read(make([]byte, 3)); n > 0 || err != http.ErrBodyReadAfterClose {
			t.Errorf("got %d more bytes, %v", n, err)
		}
	})
	t.Run("leaves the connection to the next request", func(t *testing.T) {
		u, c := startUpstream(t, serve), newClient(t, func(o *Options) { o.DisableCompression = false })
		for range 3 {
			if got, err := u.get(t.Context(), c); got != "the plain text" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			<-asked
		}
		if n := u.Accepted.Load(); n != 1 {
			t.Errorf("%d connections were opened", n)
		}
	})
}

func TestDisableKeepAlives(t *testing.T) {
	u := startUpstream(t, func(c *rawserver.Conn) {
		for req := c.Request(); req != nil; req = c.Request() {
			c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%v", req.Close))
		}
	})
	c := newClient(t, func(o *Options) { o.DisableKeepAlives = true })
	for range 3 {
		if got, err := u.get(t.Context(), c); got != "true" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if n := u.Accepted.Load(); n != 3 {
		t.Errorf("%d connections were opened", n)
	}
	u.WantOpen(t, 0)
}

func TestTrailers(t *testing.T) {
	u, c := startUpstream(t, rawserver.SayEach("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\nB: 2\r\n\r\n")), newClient(t, nil)
	res, err := c.RoundTrip(newRequest(t.Context(), http.MethodGet, nil, 0), u.Network, u.Address)
	if err != nil {
		t.Fatal(err)
	}
	if _, announced := res.Trailer["A"]; !announced || len(res.Trailer) != 1 {
		t.Errorf("announced are %v", res.Trailer)
	}
	_, _ = io.ReadAll(res.Body)
	if got := fmt.Sprint(res.Trailer); got != "map[A:[1] B:[2]]" {
		t.Errorf("got %v", got)
	}
}

// A response is read as it comes, not when it is complete.
func TestStreaming(t *testing.T) {
	next := make(chan struct{})
	u, c := startUpstream(t, func(c *rawserver.Conn) {
		c.Request()
		c.Say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 3 {
			<-next
			c.Say("5\r\nevent\r\n")
		}
		c.Say("0\r\n\r\n")
	}), newClient(t, nil)
	res, err := c.RoundTrip(newRequest(t.Context(), http.MethodGet, nil, 0), u.Network, u.Address)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next <- struct{}{}
		if n, err := io.ReadFull(res.Body, make([]byte, 5)); n != 5 || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
	}
	if rest, err := io.ReadAll(res.Body); len(rest) != 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
}
