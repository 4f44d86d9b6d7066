package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/inspector"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// BenchmarkCall is what the handler itself costs a call, without a network: of 2 KB without a CloudID and with one from the cache,
// in a config without an inspector and in one with it, which is to cost one allocation, for the texts of the call's record, and
// about half a microsecond, where a call through reverse_proxy takes some 70 µs of CPU in all. The inspector is on an address of its own, as
// in Caddyfile.example, and its list is full after 200 calls: from then on each pushes one out.
func BenchmarkCall(b *testing.B) {
	for name, body := range map[string]string{
		"no CloudID":      `{"n":1,"rows":["` + strings.Repeat("x", 2000) + `"]}`,
		"a known CloudID": `{"weRunData":"` + steps + `","rows":["` + strings.Repeat("x", 2000) + `"]}`,
	} {
		for inspector, sites := range map[string]string{"without an inspector": "", "with an inspector": "http://" + freeport.Addr(b) + " {\ncloudid_inspector\n}"} {
			b.Run(name+"/"+inspector, func(b *testing.B) {
				g := start(b, setup{sites: sites, site: "$CLOUDID\nrespond ok", cloudid: "fields weRunData"})
				seen := observe(g, 1)
				g.status(call{body: body})
				record := seen.all(b)[0]
				seen.cancel()
				calls(b, record, body)
			})
		}
	}
}

func calls(b *testing.B, record *invocation.Record, body string) {
	b.ReportAllocs()
	server := new(caddyhttp.Server)
	for b.Loop() {
		r, _ := http.NewRequestWithContext(invocation.WithCaller(b.Context(), invocation.Credentials{AppID: appid, OpenID: user}), http.MethodPost, "http://127.0.0.1/fn", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := newRecorder()
		if err := record.Capture.Again(w, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, server)); err != nil {
			b.Fatal(err)
		}
	}
}
