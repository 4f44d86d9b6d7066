package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/zapcore"
)

func init() {
	caddy.RegisterModule(new(spyEncoder))
	caddy.RegisterModule(new(heldBody))
	httpcaddyfile.RegisterDirectiveOrder("held_body", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterHandlerDirective("held_body", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return &heldBody{Wrapped: h.NextArg()}, nil
	})
}

// spyEncoder is a log's encoder that notes how many header fields it encoded of each request that was given to it.
type spyEncoder struct{ logging.JSONEncoder }

var encoded struct {
	sync.Mutex
	fields []int
}

func (*spyEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.spy", New: func() caddy.Module { return new(spyEncoder) }}
}

func (*spyEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return nil }

func (e *spyEncoder) Clone() zapcore.Encoder {
	return &spyEncoder{logging.JSONEncoder{Encoder: e.Encoder.Clone()}}
}

func (e *spyEncoder) AddObject(key string, value zapcore.ObjectMarshaler) error {
	if key == "request" {
		seen := zapcore.NewMapObjectEncoder()
		_ = value.MarshalLogObject(seen)
		headers, _ := seen.Fields["headers"].(map[string]any)
		encoded.Lock()
		encoded.fields = append(encoded.fields, len(headers))
		encoded.Unlock()
	}
	return e.Encoder.AddObject(key, value)
}

// What reverse_proxy encodes of a request for a line that nobody wants is, with http1, not its header.
func TestTheHeaderIsEncodedOnlyWhereItIsLogged(t *testing.T) {
	for _, test := range []struct {
		sentence, level, proxy string
		http1                  bool // encodes the header too
	}{
		{"nobody wants DEBUG lines", "INFO", "", false},
		{"somebody does", "DEBUG", "", true},
		{"lb_retry_match may look at it", "INFO", "lb_retry_match expression `{rp.status_code} == 503`", true},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			bothTransports(t, setup{
				global: "log spy {\noutput file " + path + "\nformat spy\nlevel " + test.level + "\ninclude http.handlers.reverse_proxy\n}",
				proxy:  test.proxy,
			}, echo, func(s *side) {
				encoded.fields = nil
				s.dial().say("POST / HTTP/1.1\r\nHost: site\r\nX-Seen: yes\r\nContent-Length: 4\r\n\r\nbody").wantResponse(http.StatusOK, "POST / body")
				encoded.Lock()
				defer encoded.Unlock()
				if len(encoded.fields) == 0 {
					t.Fatal("no request was encoded")
				}
				want := s.name == "http" || test.http1
				if got := encoded.fields[0] > 0; got != want {
					t.Errorf("%d header fields were encoded", encoded.fields[0])
				}
			})
		})
	}
}

// heldBody is a handler that reads a request's body and puts one in its place that is in memory, as `cloudid` does.
type heldBody struct {
	Wrapped bool `json:"wrapped,omitempty"` // in a reader of its own, which wants to see what is read
}

func (*heldBody) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.held_body", New: func() caddy.Module { return new(heldBody) }}
}

var held struct{ lent, returned, read, seen atomic.Int64 }

func (h *heldBody) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = &lentBody{data: data}
	if h.Wrapped {
		r.Body = &watchedBody{r.Body}
	}
	return next.ServeHTTP(w, r)
}

// lentBody is read again from its beginning when it was closed at its end, and else fails once.
type lentBody struct {
	data []byte

	mu     sync.Mutex
	offset int
	atEnd  bool
	broken bool // somebody read a part
}

func (b *lentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := copy(p, b.data[b.offset:])
	b.offset += n
	held.read.Add(int64(n))
	switch {
	case b.broken:
		b.atEnd = true
		return 0, errors.New("a part of the body was read before")
	case n == 0:
		b.atEnd = true
		return 0, io.EOF
	}
	return n, nil
}

func (b *lentBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = b.offset > 0 && !b.atEnd
	b.offset, b.atEnd = 0, false
	return nil
}

func (b *lentBody) Lend() ([]byte, func(), bool) {
	held.lent.Add(1)
	return b.data, func() { held.returned.Add(1) }, true
}

type watchedBody struct{ io.ReadCloser }

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	held.seen.Add(int64(n))
	return n, err
}

// A body that a handler holds in memory is sent from there, unless another handler wants to see what is read of it.
func TestABodyThatAHandlerHolds(t *testing.T) {
	for _, size := range []int{4, 100 << 10, 1 << 20} {
		body := strings.Repeat("body", size/4)
		for site, lends := range map[string]bool{"held_body": true, "held_body wrapped": false} {
			for proxy, buffered := range map[string]bool{"": false, "request_buffers 4MiB": true, "header_up X-Y z": false} {
				t.Run(fmt.Sprintf("%d bytes, %s, %s", size, site, proxy), func(t *testing.T) {
					bothTransports(t, setup{site: site, proxy: proxy}, echo, func(s *side) {
						held.lent.Store(0)
						held.returned.Store(0)
						held.read.Store(0)
						held.seen.Store(0)
						c := s.dial()
						for range 3 {
							c.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
							c.wantResponse(http.StatusOK, "POST / "+body)
						}
						if want := lends && !buffered && s.name == "http1"; (held.lent.Load() == 3) != want || want && held.read.Load() > 0 {
							t.Errorf("lent %d times, %d bytes read", held.lent.Load(), held.read.Load())
						}
						if held.lent.Load() != held.returned.Load() {
							t.Errorf("lent %d times, returned %d times", held.lent.Load(), held.returned.Load())
						}
						if !lends && held.seen.Load() != int64(3*len(body)) {
							t.Errorf("the handler around it saw %d bytes", held.seen.Load())
						}
					})
				})
			}
		}
	}
}
