package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const emptyList = `{"errcode":0,"data_list":[]}`

// raw is a response as bytes on the wire.
func raw(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestFaultsOfTheNetwork(t *testing.T) {
	for _, test := range []struct {
		sentence string
		client   func(t *testing.T) *wechat.Client
		want     string // the kind of error
		part     string // of its text
	}{
		{"nobody listens", func(t *testing.T) *wechat.Client {
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_ = listener.Close()
			client, _ := newClient(t, "http://"+listener.Addr().String())
			return client
		}, "network", "refused"},
		{"the connection is closed without a response", withFault("drop"), "network", "ended before"},
		{"half of the response comes", withFault("half"), "network", "ended before"},
		{"a body without its length ends with the connection, which is no end that can be told from a fault", func(t *testing.T) *wechat.Client {
			return withRaw(t, "HTTP/1.1 200 OK\r\n\r\n"+emptyList[:10])
		}, "response", "no valid JSON"},
		{"a chunk is cut", func(t *testing.T) *wechat.Client {
			return withRaw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n{\"errcode\"")
		}, "network", "ended before"},
		{"the response is no HTTP", func(t *testing.T) *wechat.Client { return withRaw(t, "SSH-2.0-OpenSSH_9.9\r\n\r\n") }, "network", "no HTTP"},
		{"a header is no header", func(t *testing.T) *wechat.Client {
			return withRaw(t, "HTTP/1.1 200 OK\r\nno header\r\n\r\n"+emptyList)
		}, "network", "no HTTP"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			err := ask(within(t), test.client(t))
			if kind(err) != test.want || wechat.IsNetwork(err) != (test.want == "network") || wechat.IsTimeout(err) {
				t.Errorf("got %v (%s), want %s", err, kind(err), test.want)
			}
			if wechat.MetricLabel(err) != test.want {
				t.Errorf("labelled %s", wechat.MetricLabel(err))
			}
			contains(t, "the error", err.Error(), wechat.APIGetOpenData, test.part)
			if wechat.Advice(err) == "" {
				t.Error("no advice")
			}
		})
	}
}

func withFault(kind string) func(*testing.T) *wechat.Client {
	return func(t *testing.T) *wechat.Client {
		t.Helper()
		fake := sandbox.New()
		// Twice: a connection that ends without a response is no reason not to ask again on another.
		if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: kind, Times: 2}); err != nil {
			t.Fatal(err)
		}
		return serve(t, fake.ServeHTTP)
	}
}

func withRaw(t *testing.T, response string) *wechat.Client {
	t.Helper()
	client, _ := newClient(t, rawServer(t, func(string) (string, bool) { return response, false }))
	return client
}

// A deadline counts for every part of a call: until there is a response, and until all of it has come.
func TestDeadlines(t *testing.T) {
	for sentence, handler := range map[string]http.HandlerFunc{
		"no response comes": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"the head comes and no body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"the body comes byte by byte": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Millisecond) // slower than the deadline, that is all
			}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body) // only then does net/http notice that the client is gone
				handler(w, r)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := ask(ctx, client)
			if kind(err) != "timeout" || !wechat.IsTimeout(err) || wechat.MetricLabel(err) != "timeout" {
				t.Errorf("got %v (%s)", err, kind(err))
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error("the error does not answer for the deadline")
			}
			contains(t, "the error", err.Error(), "no response in time")
			contains(t, "the advice", wechat.Advice(err), "timeout")
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestACallThatIsGivenUpIsNoTimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		cancel()
		<-r.Context().Done()
	})
	err := ask(ctx, client)
	if !errors.Is(err, context.Canceled) || wechat.IsTimeout(err) || kind(err) != "network" {
		t.Errorf("got %v (%s)", err, kind(err))
	}
	contains(t, "the error", err.Error(), "canceled")
}

// A redirect would carry the token, or the secret, to wherever it points.
func TestRedirectsAreNeverFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := start(t, func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, emptyList)
	})
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{other, "/wxa/getopendata", "//" + strings.TrimPrefix(other, "http://"), ""} {
			var arrived atomic.Int32
			endpoint := start(t, func(w http.ResponseWriter, _ *http.Request) {
				arrived.Add(1)
				if location != "" {
					w.Header().Set("Location", location)
				}
				w.WriteHeader(code)
				_, _ = io.WriteString(w, emptyList)
			})
			client, _ := newClient(t, endpoint)
			ctx := within(t)
			_, loginErr := client.JSCode2Session(ctx, "a", "s", "c")
			_, tokenErr := client.ServiceToken(ctx, endpoint+"/token")
			_, stableErr := client.StableToken(ctx, "a", "s")
			for _, err := range []error{ask(ctx, client), loginErr, tokenErr, stableErr} {
				if kind(err) != "response" || !strings.Contains(err.Error(), "HTTP status 30") {
					t.Errorf("%d to %q: got %v", code, location, err)
				}
			}
			if n := arrived.Load(); n != 4 {
				t.Errorf("%d to %q: 4 calls made %d requests", code, location, n)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// What is read of a response is bounded, and so is what a server can make the gateway spend on one.
func TestResponsesWithoutEnd(t *testing.T) {
	var sent atomic.Int64
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		space := []byte(strings.Repeat(" ", 64<<10))
		for r.Context().Err() == nil {
			n, err := w.Write(space)
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	})
	err := ask(within(t), client)
	if kind(err) != "response" {
		t.Fatalf("got %v", err)
	}
	contains(t, "the error", err.Error(), "more than 2097152 bytes")
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes were sent before the client hung up", n)
	}
}

// A keep-alive connection may die just when it is used again. A question may be asked again on another one; a login code may
// not, since it may be used up.
func TestConnectionsThatDie(t *testing.T) {
	login := func(ctx context.Context, c *wechat.Client) error {
		_, err := c.JSCode2Session(ctx, "wx1", "s", "c")
		return err
	}
	for _, test := range []struct {
		sentence string
		call     func(context.Context, *wechat.Client) error
		arrivals int32
		want     string
	}{
		{"getopendata is sent again", ask, 3, "success"},
		{"getvoipsign is sent again", func(ctx context.Context, c *wechat.Client) error {
			_, err := c.GetVoIPSign(ctx, "t", "o", wechat.VoIPSignRequest{GroupID: "g", Nonce: "n", Timestamp: 1})
			return err
		}, 3, "success"},
		{"stable_token is sent again", func(ctx context.Context, c *wechat.Client) error {
			_, err := c.StableToken(ctx, "wx1", "s")
			return err
		}, 3, "success"},
		{"jscode2session is not", login, 2, "network"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			var arrivals atomic.Int32
			endpoint := rawServer(t, func(string) (string, bool) {
				if arrivals.Add(1) == 2 {
					return "", false
				}
				return raw(`{"errcode":0,"data_list":[],"signature":"s","access_token":"t","expires_in":7200,"openid":"o"}`), true
			})
			client, seen := newClient(t, endpoint)
			if err := ask(within(t), client); err != nil {
				t.Fatal(err)
			}
			if err := test.call(within(t), client); kind(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if n := arrivals.Load(); n != test.arrivals {
				t.Errorf("%d requests arrived, want %d", n, test.arrivals)
			}
			if n := len(seen.all()); n != 2 {
				t.Errorf("the observer was told of %d calls, want 2", n)
			}
		})
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var mu sync.Mutex
	from := map[string]bool{}
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		from[r.RemoteAddr] = true
		mu.Unlock()
		_, _ = io.WriteString(w, emptyList)
	})
	for range 20 {
		if err := ask(within(t), client); err != nil {
			t.Fatal(err)
		}
	}
	if len(from) != 1 {
		t.Errorf("20 calls, one after the other, took %d connections", len(from))
	}
}

func TestTheObserverIsToldOfEachCallOnce(t *testing.T) {
	var fail atomic.Bool
	endpoint := start(t, func(w http.ResponseWriter, _ *http.Request) {
		if fail.Load() {
			_, _ = io.WriteString(w, `{"errcode":45009,"errmsg":"reach max api daily quota limit"}`)
			return
		}
		_, _ = io.WriteString(w, `{"errcode":0,"data_list":[],"signature":"s","access_token":"t","expires_in":7200,"openid":"o"}`)
	})
	client, seen := newClient(t, endpoint)
	for _, failing := range []bool{false, true} {
		fail.Store(failing)
		ctx := within(t)
		_ = ask(ctx, client)
		_, _ = client.GetVoIPSign(ctx, "t", "o", wechat.VoIPSignRequest{})
		_, _ = client.StableToken(ctx, "a", "s")
		_, _ = client.ServiceToken(ctx, endpoint)
		_, _ = client.JSCode2Session(ctx, "a", "s", "c")
	}
	apis := []string{wechat.APIGetOpenData, wechat.APIGetVoIPSign, wechat.APIStableToken, wechat.APIServiceToken, wechat.APIJSCode2Session}
	told := seen.all()
	if len(told) != 2*len(apis) {
		t.Fatalf("told of %d calls, want %d", len(told), 2*len(apis))
	}
	for i, call := range told {
		want := 0
		if i >= len(apis) {
			want = 45009
		}
		if call.API != apis[i%len(apis)] || wechat.Code(call.Err) != want || call.Duration <= 0 {
			t.Errorf("call %d: told %s, %s, %v", i, call.API, call.Duration, call.Err)
		}
	}
}
