package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// another returns the running Caddyfile with a change that has nothing to do with WeChat.
func (g *testGateway) another(i int) string {
	return strings.Replace(g.config, "admin off", fmt.Sprintf("admin off\nshutdown_delay %dns", i), 1)
}

// withOption returns a Caddyfile with one more option of the account.
func withOption(config, option string) string {
	return strings.Replace(config, "endpoint ", option+"\nendpoint ", 1)
}

func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(g *testGateway, i int) string{
		"of something else": (*testGateway).another,
		// This has each config open a resolver of its own, and the one before close it.
		"of the account's timeout": func(g *testGateway, i int) string { return withOption(g.another(i), fmt.Sprintf("timeout %ds", 3+i)) },
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, setup{
				cloudid:  "openid {http.request.header.X-Test-User}",
				upstream: everyBody(func(_ *http.Request, body string) bool { return body == resolved }),
			})
			var (
				users   atomic.Int64
				clients sync.WaitGroup
				stop    = make(chan struct{})
			)
			for range 8 {
				clients.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						c := call{header: map[string]string{"X-Test-User": fmt.Sprintf("o-user-%d", users.Add(1))}, body: example}
						res, err := g.client.Do(c.request(t.Context(), g.url))
						if err != nil {
							continue // a reload of Caddy closes connections it has not accepted yet, with us or without
						}
						res.Body.Close()
						if res.StatusCode != http.StatusOK {
							t.Errorf("status %d", res.StatusCode)
						}
					}
				})
			}
			probe.Eventually(t, "calls arrive", func() bool { return g.wechat.Calls().GetOpenData > 10 })
			for i := range 20 {
				before := g.wechat.Calls().GetOpenData
				g.caddy.Reload(t, next(g, i))
				probe.Eventually(t, "calls go on", func() bool { return g.wechat.Calls().GetOpenData > before+10 })
			}
			close(stop)
			clients.Wait()
			if tokens := g.wechat.Calls().StableToken; tokens != 1 {
				t.Errorf("%d tokens were fetched", tokens)
			}
			if lines := g.logLines(failedExchange); len(lines) != 0 {
				t.Errorf("exchanges failed:\n%s", strings.Join(lines, ""))
			}
		})
	}
}

// reload makes another Caddyfile the running one, at fresh addresses: on the old ones the old listener may accept for a
// moment still.
func (g *testGateway) reload(config string) {
	g.t.Helper()
	for _, address := range []*string{&g.url, &g.metrics} {
		_, port, _ := strings.Cut(strings.TrimPrefix(*address, "http://"), ":")
		_, fresh, _ := strings.Cut(freeport.Addr(g.t), ":")
		config = strings.Replace(config, ":"+port, ":"+fresh, 1)
		*address = strings.Replace(*address, ":"+port, ":"+fresh, 1)
	}
	g.config = config
	g.caddy.Reload(g.t, config)
}

func TestCacheAndMetricsSurviveAReload(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	const calls = `caddy_cloudid_wechat_calls_total{api="getopendata",appid="` + appid + `",errcode="0"}`
	g.post(example).forwarded(resolved)
	if got := g.metric(calls); got != 1 {
		t.Errorf("the metrics show %v calls instead of 1", got)
	}
	for _, options := range []string{"", "timeout 4s\nretries 1"} {
		g.reload(withOption(g.config, options))
		g.post(example).forwarded(resolved)
		g.want(1, 1, 1)
		if after := g.metric(calls); after != 1 {
			t.Errorf("after a reload the metrics show %v calls instead of 1", after)
		}
	}
	g.reload(withOption(g.config, "cache 2m"))
	g.post(example).forwarded(resolved)
	g.want(2, 2, 1) // a changed cache is another, but not another token
	if after := g.metric(calls); after != 2 {
		t.Errorf("after another reload the metrics show %v calls instead of 2", after)
	}
}

// Caddy cleans up a config while requests that came in by it are under way. They found the resolver closed.
func TestARequestOutlivesItsConfig(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	conn := g.dial()
	responses := bufio.NewReader(conn)
	_, _ = io.WriteString(conn, "POST /fn HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: "+length(example)+"\r\n\r\n")
	if line, err := responses.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("the gateway does not read: %q, %v", line, err)
	}
	g.reload(withOption(g.config, "timeout 4s\nkey another-key-of-16-bytes"))
	_, _ = responses.ReadString('\n')
	_, _ = io.WriteString(conn, example)
	res, err := http.ReadResponse(responses, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.read(res).forwarded(resolved)
}
