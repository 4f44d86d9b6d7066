package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// Twenty new configs by the admin API, in the midst of traffic: no request fails, and nothing is asked of WeChat again.
func TestReloads(t *testing.T) {
	const reloads = 20
	wechat := sandbox.New()
	wechatServer := httptest.NewServer(wechat)
	t.Cleanup(wechatServer.Close)
	function := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(function.Close)
	site, admin := "http://"+freeport.Addr(t), "http://"+freeport.Addr(t)
	version := func(n int) string {
		return fmt.Sprintf(`{
	admin %s
	persist_config off
	cloudid {
		account %s {
			secret made-up
			endpoint %s
			cache 10m
		}
	}
}
%s {
	bind 127.0.0.1
	header Version %d
	wechat_login /login
	handle /fn {
		wechat_session
		cloudid
		reverse_proxy %s
	}
}
`, strings.TrimPrefix(admin, "http://"), appid, wechatServer.URL, site, n, function.Listener.Addr())
	}
	startCaddy(t, "gateway", version(0), site)
	session := logIn(t, wechat, site)

	// With a config, Caddy also replaces the socket that listens, with this plugin or without. A connection that is just
	// being opened is reset then, before anything has read from it, and a client tries again.
	var reset atomic.Int64
	clients := drive(t, "clients", 8, func(number int64) error {
		_, err := callEcho(http.DefaultClient, site+"/fn", session, number)
		for errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			reset.Add(1)
			_, err = callEcho(http.DefaultClient, site+"/fn", session, number)
		}
		return err
	})
	for n := range reloads {
		clients.more(t, 50)
		res, err := http.Post(admin+"/load", "text/caddyfile", strings.NewReader(version(n+1)))
		if err != nil {
			t.Fatal(err)
		}
		if response := bodyOf(t, res); res.StatusCode != http.StatusOK {
			t.Fatalf("reload %d: %d %s", n+1, res.StatusCode, response)
		}
	}
	clients.more(t, 50)
	clients.stop()
	clients.allFine(t, nil)
	t.Logf("%d connections were reset while they were opened", reset.Load())

	res, err := callEcho(http.DefaultClient, site+"/fn", session, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("Version"); got != fmt.Sprint(reloads) {
		t.Errorf("version %s runs, want %d", got, reloads)
	}
	if calls := wechat.Calls(); calls.StableToken != 1 || calls.GetOpenData != 1 || calls.JSCode2Session != 1 {
		t.Errorf("WeChat was called for more than one token, one CloudID and one login: %+v", calls)
	}
	requests := clients.done.Load() + 1 // and not one more: none was begun and lost
	metrics := get(t, admin+"/metrics")
	for _, line := range []string{
		fmt.Sprintf(`caddy_cloudid_invocations_total{appid=%q,outcome="resolved"} %d`, appid, requests),
		fmt.Sprintf(`caddy_cloudid_token_fetches_total{appid=%q,result="ok"} 1`, appid),
		fmt.Sprintf(`caddy_cloudid_wechat_calls_total{api="getopendata",appid=%q,errcode="0"} 1`, appid),
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("the metrics have no line %s", line)
		}
	}
}
