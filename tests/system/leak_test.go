package system

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// oneToken is a source of one token.
type oneToken string

func (o oneToken) Token(context.Context) (string, error) { return string(o), nil }
func (oneToken) Rejected(string)                         {}

func TestOpenDataLeavesNothing(t *testing.T) {
	fake, url := startSandbox(t)
	before := goleak.IgnoreCurrent()
	observe := func(wechat.Call) {}
	for i := range 20 {
		client, err := wechat.New(url, observe)
		if err != nil {
			t.Fatal(err)
		}
		token, err := client.StableToken(t.Context(), appid, secret)
		if err != nil {
			t.Fatal(err)
		}
		config := opendata.Config{AppID: appid, Timeout: time.Minute}
		if i%2 == 0 {
			config.Cache = opendata.NewCache(time.Minute, 100)
		}
		resolver := opendata.New(config, client, apicall.NewCaller(apicall.Config{API: wechat.APIGetOpenData, Tokens: oneToken(token.Value), Retries: 2}))
		if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: time.Hour}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for j := range 20 { // some are answered, one hangs, some give up
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				_, _ = resolver.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: []string{fmt.Sprint("27_", j)}})
			})
		}
		wg.Wait()
		resolver.Close()
		client.Close()
	}
	goleak.VerifyNone(t, before)
}

// Load, requests, reload and stop while they are under way: everything returns to where it was.
func TestCaddyLeavesNothing(t *testing.T) {
	fake, url := startSandbox(t)
	fn := startFunction(t)
	address := freeport.Addr(t)
	g := gateway{t, "http://" + address + "/fn"}
	configs := []string{
		"secret " + secret + "\nendpoint " + url,
		"secret " + secret + "\nendpoint " + url + "\ntimeout 2s",
		"token stable " + secret + "\nendpoint " + url + "\ncache off",
		"token static t\nendpoint " + url,
		"token none\nkey key-of-16-bytes-\nendpoint " + url,
		"token service " + url + "/cgi-bin/token?grant_type=client_credential&appid=" + appid + "&secret=" + secret + "\nendpoint " + url,
	}
	const parallel = 10
	cycle := func() {
		var wg sync.WaitGroup
		var answered atomic.Int32
		for _, account := range configs {
			load(t, caddyfileOf(address, account, "", fn.url))
			if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 100 * time.Millisecond, Times: parallel}); err != nil {
				t.Fatal(err)
			}
			before := fake.Calls().GetOpenData
			for range parallel {
				wg.Go(func() {
					if got := g.insist(event(t, fake)); got.status != http.StatusOK {
						t.Errorf("%s: %d %s", account, got.status, got.body)
					}
					answered.Add(1)
				})
			}
			probe.Eventually(t, "all requests wait for WeChat", func() bool { return fake.Calls().GetOpenData >= before+parallel })
		}
		probe.Eventually(t, "only those of the last config wait", func() bool { return int(answered.Load()) >= parallel*(len(configs)-1) })
		stop(t)
		wg.Wait()
	}
	cycle() // what Caddy starts once and keeps
	before := goleak.IgnoreCurrent()
	baseline := heap()
	for range 5 {
		cycle()
	}
	goleak.VerifyNone(t, before)
	if grown := int64(heap()) - int64(baseline); grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestReloadsUnderLoad(t *testing.T) {
	fake, url := startSandbox(t)
	fn := startFunction(t)
	address := freeport.Addr(t)
	g := gateway{t, "http://" + address + "/fn"}
	config := caddyfileOf(address, "secret "+secret+"\nendpoint "+url, "", fn.url)
	load(t, config)
	t.Cleanup(func() { stop(t) })

	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got := g.insist(event(t, fake)); got.status != http.StatusOK {
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	kept := mint(t, fake)
	_ = g.insist(eventOf(kept))
	hits := probe.Metric(t, "cache_hits_total")
	for range 20 {
		load(t, config)
	}
	_ = g.insist(eventOf(kept))
	close(done)
	wg.Wait()
	if n := fake.Calls().StableToken; n != 1 {
		t.Errorf("%d tokens fetched", n)
	}
	if probe.Metric(t, "cache_hits_total")-hits != 1 {
		t.Error("what was cached is gone")
	}
	for _, call := range fn.take() {
		if call.keys != `{"keys":["weRunData"]}` {
			t.Errorf("the function got %s, keys %s", call.body, call.keys)
		}
	}
}
