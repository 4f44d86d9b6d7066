package gateway_test

import (
	"strconv"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	mint := func(g *testGateway) string { return g.mint(sandbox.OpenData{OpenID: user, Data: []byte(`1`)}) }
	t.Run("beyond it, an explicit declaration is rejected", func(t *testing.T) {
		g := start(t, setup{account: "limit 2 1m"})
		for range 2 {
			id := mint(g)
			g.post(`{"a":{"cloudID":"` + id + `"}}`).forwarded(`{"a":{"cloudID":"` + id + `","data":1}}`)
		}
		g.post(`{"a":{"cloudID":"` + steps + `"},"b":{"cloudID":"` + group + `"}}`).rejected(429)
		r := g.post(`{"a":{"cloudID":"` + mint(g) + `"}}`)
		r.rejected(429)
		if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
			t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
		}
		g.want(2, 2, 1)
	})
	t.Run("beyond it, a guess stays the string it was", func(t *testing.T) {
		g := start(t, setup{account: "limit 2 1m"})
		seen := observe(g, 0)
		a, b, c := mint(g), mint(g), mint(g)
		g.post(`{"a":"`+a+`","b":"`+b+`","c":"`+c+`"}`).
			forwarded(`{"a":{"cloudID":"`+a+`","data":1},"b":{"cloudID":"`+b+`","data":1},"c":"`+c+`"}`).
			has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["a","b"]}`)
		if m := seen.take(t, 2)[1].Members[2]; m.Result != invocation.Kept || m.Reason != invocation.OverLimit {
			t.Errorf("the record says %+v", m)
		}
		g.post(`{"a":"` + a + `"}`).forwarded(`{"a":{"cloudID":"` + a + `","data":1}}`) // known: it does not count
		g.want(1, 2, 1)
	})
	t.Run("in strict mode everything listed is explicit", func(t *testing.T) {
		g := start(t, setup{account: "limit 1 1m", cloudid: "fields a b"})
		g.post(`{"a":"` + mint(g) + `","b":"` + mint(g) + `"}`).rejected(429)
		g.want(0, 0, 0)
	})
	t.Run("it is each user's own", func(t *testing.T) {
		g := start(t, setup{account: "limit 1 1m", cloudid: "openid {http.request.header.X-Test-User}\nfields a"})
		for _, who := range []string{"o-one", "o-two"} {
			c := call{header: map[string]string{"X-Test-User": who}, body: `{"a":"` + unknownID + `"}`}
			if r := g.do(c); r.status != 200 {
				t.Errorf("%s: status %d", who, r.status)
			}
			c.body = `{"a":"` + steps + `"}`
			g.do(c).rejected(429)
		}
	})
}
