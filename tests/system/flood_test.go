package system

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// counted is a WeChat that counts the connections to it.
type counted struct {
	*sandbox.Server
	mu        sync.Mutex
	now, most int
}

func startCounted(t *testing.T) (*counted, string) {
	t.Helper()
	c := &counted{Server: sandbox.New()}
	c.SetSecret(appid, secret)
	server := httptest.NewUnstartedServer(c.Server)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch state {
		case http.StateNew:
			c.now++
			c.most = max(c.most, c.now)
		case http.StateClosed:
			c.now--
		}
	}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return c, server.URL
}

func (c *counted) peak() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

// flooded starts a gateway with 16 calls in flight at the most, and returns a client with one HTTP/2 connection to it.
func flooded(t *testing.T, weChat, function string) (url string, client *http.Client) {
	t.Helper()
	address := freeport.Addr(t)
	load(t, fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	grace_period 1s
	servers {
		protocols h1 h2c
	}
	log {
		output memory
		format json
	}
	cloudid {
		account %s {
			secret %s
			endpoint %s
			timeout 2s
			limit off
			max_calls 16
		}
	}
}
http://%s {
	wechat_login /login
	handle /fn {
		cloudid {
			openid {http.request.header.X-User}
		}
		reverse_proxy %s
	}
}
`, appid, secret, weChat, address, function))
	t.Cleanup(func() { stop(t) })
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return "http://" + address, &http.Client{Transport: transport}
}

// abandon makes requests, each of which is reset after 3 ms.
func abandon(t *testing.T, client *http.Client, n int, request func(ctx context.Context, i int) (*http.Request, error)) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
			defer cancel()
			req, err := request(ctx, i)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			if res, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
		if i%50 == 49 {
			wg.Wait() // some at a time, so that all of them arrive
		}
	}
	wg.Wait()
}

// One session and one HTTP/2 connection, whose requests are reset at once, while WeChat is slow: few connections to WeChat come
// of it, and other users are served.
func TestAFloodOfResetRequests(t *testing.T) {
	weChat, weChatURL := startCounted(t)
	fn := startFunction(t)
	url, client := flooded(t, weChatURL, fn.url)
	honest := gateway{t, url + "/fn"}
	if got := honest.post(event(t, weChat.Server)); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if err := weChat.Fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 500 * time.Millisecond, Times: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	abandon(t, client, 1000, func(ctx context.Context, i int) (*http.Request, error) {
		body := fmt.Sprintf(`{"weRunData":"27_%060d"}`, i)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/fn", strings.NewReader(body))
		if err == nil {
			req.Header.Set("X-User", "o_hostile")
		}
		return req, err
	})
	if weChat.Calls().GetOpenData < 2 {
		t.Fatal("the flood did not arrive")
	}
	_ = fn.take()
	start := time.Now()
	if got := honest.post(event(t, weChat.Server)); got.status != http.StatusOK || fn.take()[0].keys != `{"keys":["weRunData"]}` {
		t.Errorf("an honest user is not served: %d after %s", got.status, time.Since(start))
	}
	if most := weChat.peak(); most > 1+2+2 { // the first user's, the flood's share, and the honest one beside it
		t.Errorf("%d connections to WeChat at once", most)
	}
}

// Logins that nobody waits for, without any session: at most half of the calls, and what has a session goes on.
func TestAFloodOfAbandonedLogins(t *testing.T) {
	weChat, weChatURL := startCounted(t)
	fn := startFunction(t)
	url, client := flooded(t, weChatURL, fn.url)
	honest := gateway{t, url + "/fn"}
	if got := honest.post(event(t, weChat.Server)); got.status != http.StatusOK {
		t.Fatal(got)
	}
	_ = fn.take()
	if err := weChat.Fault(sandbox.Fault{API: "jscode2session", Kind: "latency", Latency: 300 * time.Millisecond, Times: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	login := func(ctx context.Context, i int) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodPost, url+"/login", strings.NewReader(fmt.Sprintf(`{"code":"code-%d"}`, i)))
	}
	abandon(t, client, 1000, login)
	if weChat.Calls().JSCode2Session < 8 {
		t.Fatal("the flood did not arrive")
	}
	if got := honest.post(event(t, weChat.Server)); got.status != http.StatusOK || got.took > time.Second || fn.take()[0].keys != `{"keys":["weRunData"]}` {
		t.Errorf("a user with a session: %d after %s", got.status, got.took)
	}
	if most := weChat.peak(); most > 8+2 {
		t.Errorf("%d connections to WeChat at once", most)
	}
	// Who waits for a login when none can be made in time is told to come again.
	var wg sync.WaitGroup
	statuses := make(chan int, 200)
	for i := range 200 {
		wg.Go(func() {
			req, err := login(t.Context(), 10_000+i)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			statuses <- res.StatusCode
		})
	}
	wg.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	if count[http.StatusServiceUnavailable] == 0 || count[http.StatusBadRequest] == 0 || len(count) != 2 { // 400: no code of WeChat's
		t.Errorf("the logins ended with %v", count)
	}
	probe.Eventually(t, "the connections of logins are gone", func() bool {
		weChat.mu.Lock()
		defer weChat.mu.Unlock()
		return weChat.now <= 3
	})
}
