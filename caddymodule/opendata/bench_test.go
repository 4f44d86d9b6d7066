package opendata_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// benchResolver returns a resolver that asks at a URL, with a cache and a limit that nobody reaches.
func benchResolver(b *testing.B, url string) *opendata.Resolver {
	b.Helper()
	client, err := wechat.New(url, func(wechat.Call) {})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	resolver := opendata.New(opendata.Config{
		AppID: appid, Timeout: time.Minute,
		Cache:   opendata.NewCache(time.Hour, 10_000),
		Limiter: opendata.NewLimiter(1<<30, time.Second),
	}, client, apicall.NewCaller(apicall.Config{API: wechat.APIGetOpenData, Tokens: new(fakeTokens)}))
	b.Cleanup(resolver.Close)
	return resolver
}

// BenchmarkResolve has CloudIDs resolved: three from the cache, and one by a call over loopback, server and all: 41 µs, where
// one with a goroutine of its own takes 54 (the least of some runs).
func BenchmarkResolve(b *testing.B) {
	server := httptest.NewServer(new(fakeWeChat))
	defer server.Close()
	resolver := benchResolver(b, server.URL)
	resolve := func(b *testing.B, ids ...string) {
		result, err := resolver.Resolve(context.Background(), opendata.Request{OpenID: "o1", IDs: ids})
		if err != nil || result.Err != nil {
			b.Fatal(err, result.Err)
		}
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			resolve(b, "27_a", "27_b", "27_c")
		}
	})
	b.Run("asked", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			resolve(b, fmt.Sprint("27_", n))
		}
	})
}
