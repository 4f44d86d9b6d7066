package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// held is a WeChat and a function that make their callers wait until they are released.
type held struct {
	wechat           *sandbox.Server
	released         chan struct{}
	asked, called    chan struct{} // closed when a call has come in
	wechatURL, fnURL string
}

const halfResponse = 1 << 20

func hold(t *testing.T) *held {
	t.Helper()
	h := &held{wechat: sandbox.New(), released: make(chan struct{}), asked: make(chan struct{}), called: make(chan struct{})}
	wait := func(r *http.Request) {
		select {
		case <-h.released:
		case <-r.Context().Done():
		}
	}
	wechat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/getopendata") {
			// Only behind the body's end does net/http notice that the gateway has gone.
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			close(h.asked)
			wait(r)
		}
		h.wechat.ServeHTTP(w, r)
	}))
	t.Cleanup(wechat.Close)
	// The function answers with what it got. At /half one half of the response comes before it is released.
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/half" {
			_, _ = io.WriteString(w, strings.Repeat("1", halfResponse))
			_ = http.NewResponseController(w).Flush()
			close(h.called)
			wait(r)
			_, _ = io.WriteString(w, strings.Repeat("2", halfResponse))
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(function.Close)
	h.wechatURL, h.fnURL = wechat.URL, function.URL
	return h
}

func (h *held) startCaddy(t *testing.T, option string) (*caddyProcess, string) {
	t.Helper()
	site := "http://" + freeport.Addr(t)
	return startCaddy(t, "gateway", fmt.Sprintf(`{
	admin off
	persist_config off
	%s
	cloudid {
		account %s {
			secret made-up
			endpoint %s
			timeout 1m
		}
	}
}
%s {
	bind 127.0.0.1
	handle /up {
		respond ok
	}
	handle {
		cloudid {
			openid %s
		}
		reverse_proxy %s
	}
}
`, option, appid, h.wechatURL, site, alice, strings.TrimPrefix(h.fnURL, "http://")), site+"/up"), site
}

// ending is what a client gets in the end.
type ending struct {
	status int
	body   string
	err    error
}

func send(url, body string) <-chan ending {
	done := make(chan ending, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		res, err := client.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			done <- ending{err: err}
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		done <- ending{res.StatusCode, string(text), err}
	}()
	return done
}

// What a gateway has begun when it is told to end, it brings to its end: a request that waits for WeChat, and one that waits
// for the function, half of whose response is there. Nobody new is let in meanwhile.
func TestShutdownDrains(t *testing.T) {
	const plain = `{"n":1.10}`
	for name, option := range map[string]string{"by default": "", "with a grace period": "grace_period 1m"} {
		t.Run(name, func(t *testing.T) {
			h := hold(t)
			gateway, site := h.startCaddy(t, option)
			atWeChat := send(site+"/fn", `{"weRunData":"`+steps+`","n":1.10}`)
			<-h.asked
			atFunction := send(site+"/half", plain)
			<-h.called

			if err := gateway.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			soon(t, "new connections are refused", func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(site, "http://"))
				if err != nil {
					return true
				}
				conn.Close()
				return false
			})
			select {
			case <-gateway.Ended:
				t.Error("it ended although two requests are under way")
			case <-atWeChat:
				t.Error("a response came before WeChat's")
			case <-atFunction:
				t.Error("a response came before the function's")
			default:
			}
			close(h.released)

			for what, c := range map[string]struct {
				done <-chan ending
				want string
			}{
				"waited for WeChat":       {atWeChat, `{"weRunData":` + stepsData + `,"n":1.10}`},
				"waited for the function": {atFunction, strings.Repeat("1", halfResponse) + strings.Repeat("2", halfResponse) + plain},
			} {
				got := <-c.done
				if got.err != nil || got.status != http.StatusOK || got.body != c.want {
					t.Errorf("the request that %s: status %d, %d bytes instead of %d, %v", what, got.status, len(got.body), len(c.want), got.err)
				}
			}
			wantEnd(t, gateway)
		})
	}
}

// A grace period bounds that, whoever does not answer.
func TestShutdownIsBoundedByTheGracePeriod(t *testing.T) {
	h := hold(t)
	gateway, site := h.startCaddy(t, "grace_period 500ms")
	atWeChat := send(site+"/fn", `{"weRunData":"`+steps+`"}`)
	<-h.asked
	atFunction := send(site+"/half", `{}`)
	<-h.called
	if err := gateway.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, gateway)
	for _, done := range []<-chan ending{atWeChat, atFunction} {
		if got := <-done; got.err == nil {
			t.Errorf("status %d and %d bytes, as if they were all", got.status, len(got.body))
		}
	}
}

// wantEnd fails unless a process ends, and in order.
func wantEnd(t *testing.T, p *caddyProcess) {
	t.Helper()
	select {
	case <-p.Ended:
		if code := p.Cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("it ended with %d", code)
		}
	case <-time.After(patience):
		t.Error("it has not ended")
	}
}
