package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// want fails unless WeChat was called so often.
func (g *testGateway) want(getopendata, ids, tokens int) {
	g.t.Helper()
	calls := g.wechat.Calls()
	if calls.GetOpenData != getopendata || calls.IDs != ids || calls.StableToken != tokens {
		g.t.Errorf("%d calls with %d ids and %d for tokens; want %d with %d and %d",
			calls.GetOpenData, calls.IDs, calls.StableToken, getopendata, ids, tokens)
	}
}

// status sends a call and returns the response's status; unlike do, it may be used by many goroutines at once.
func (g *testGateway) status(c call) int {
	res, err := g.client.Do(c.request(g.t.Context(), g.url))
	if err != nil {
		g.t.Error(err)
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// everyBody has the function respond 200 only for bodies that pass.
func everyBody(passes func(r *http.Request, body string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || !passes(r, string(body)) {
			w.WriteHeader(http.StatusTeapot)
		}
	})
}

func TestHowOftenWeChatIsCalled(t *testing.T) {
	t.Parallel()
	isResolved := everyBody(func(_ *http.Request, body string) bool { return body == resolved })
	t.Run("one CloudID in 100 parallel requests: once", func(t *testing.T) {
		for name, account := range map[string]string{"with a cache": "", "without": "cache off"} {
			t.Run(name, func(t *testing.T) {
				g := start(t, setup{account: account, upstream: isResolved})
				g.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 300 * time.Millisecond})
				inParallel(100, 100, func(int) {
					if status := g.status(call{body: example}); status != http.StatusOK {
						t.Errorf("status %d", status)
					}
				})
				g.want(1, 1, 1)
			})
		}
	})
	t.Run("five CloudIDs in one event: once", func(t *testing.T) {
		g := start(t, setup{})
		body, want := "{", "{"
		for i := range 5 {
			data := fmt.Sprintf(`{"n":%d}`, i)
			id := g.mint(sandbox.OpenData{OpenID: user, Data: []byte(data)})
			body += fmt.Sprintf(`"m%d":"%s",`, i, id)
			want += fmt.Sprintf(`"m%d":{"cloudID":"%s","data":%s},`, i, id, data)
		}
		g.post(body + `"n":1}`).forwarded(want + `"n":1}`)
		g.want(1, 5, 1)
	})
	t.Run("one CloudID in five members: once, with one id", func(t *testing.T) {
		g := start(t, setup{})
		g.post(`{"a":"` + steps + `","b":"` + steps + `","c":{"cloudID":"` + steps + `"}}`).
			forwarded(`{"a":` + stepsData + `,"b":` + stepsData + `,"c":` + stepsData + `}`)
		g.want(1, 1, 1)
	})
	t.Run("the second time: not at all", func(t *testing.T) {
		g := start(t, setup{})
		for range 3 {
			g.post(example).forwarded(resolved)
			g.post(`{"a":"` + unknownID + `"}`).forwarded(`{"a":"` + unknownID + `"}`)
		}
		g.want(2, 2, 1)
	})
	t.Run("what is known is not asked for again beside what is not", func(t *testing.T) {
		g := start(t, setup{})
		g.post(example).forwarded(resolved)
		g.post(`{"a":"` + steps + `","b":"` + group + `"}`).forwarded(`{"a":` + stepsData + `,"b":` + groupData + `}`)
		g.want(2, 2, 1)
	})
	t.Run("after the cache's time: again", func(t *testing.T) {
		g := start(t, setup{account: "cache 50ms"})
		g.post(example).forwarded(resolved)
		probe.Eventually(t, "it is asked for again", func() bool {
			g.post(example).forwarded(resolved)
			return g.wechat.Calls().GetOpenData == 2
		})
	})
	t.Run("without a cache: each time", func(t *testing.T) {
		g := start(t, setup{account: "cache off"})
		g.post(example).forwarded(resolved)
		g.post(example).forwarded(resolved)
		g.want(2, 2, 1)
	})
	t.Run("another user's open data is not mine", func(t *testing.T) {
		g := start(t, setup{cloudid: "openid {http.request.header.X-Test-User}"})
		id := g.mint(sandbox.OpenData{OpenID: user, Data: []byte(`1`)})
		as := func(who string) reply {
			return g.in(t).do(call{header: map[string]string{"X-Test-User": who}, body: `{"a":"` + id + `"}`})
		}
		as(user).forwarded(`{"a":{"cloudID":"` + id + `","data":1}}`)
		as("o-another").forwarded(`{"a":` + errorObject(id, -601007, "cloudID and calling user does not match") + `}`)
		g.want(2, 2, 1)
	})
	t.Run("200 parallel first requests of different users: one token", func(t *testing.T) {
		g := start(t, setup{cloudid: "openid {http.request.header.X-Test-User}", upstream: isResolved})
		g.fault(sandbox.Fault{API: "stable_token", Kind: "latency", Latency: 200 * time.Millisecond})
		inParallel(200, 200, func(i int) {
			c := call{header: map[string]string{"X-Test-User": fmt.Sprintf("o-user-%d", i)}, body: example}
			if status := g.status(c); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
		g.want(200, 200, 1)
	})
	t.Run("a token that died: one more, however many notice", func(t *testing.T) {
		g := start(t, setup{cloudid: "openid {http.request.header.X-Test-User}", upstream: isResolved})
		g.status(call{header: map[string]string{"X-Test-User": user}, body: example})
		if err := g.wechat.KillToken(appid); err != nil {
			t.Fatal(err)
		}
		inParallel(50, 50, func(i int) {
			c := call{header: map[string]string{"X-Test-User": fmt.Sprintf("o-user-%d", i)}, body: example}
			if status := g.status(c); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
		if tokens := g.wechat.Calls().StableToken; tokens != 2 {
			t.Errorf("%d tokens were fetched", tokens)
		}
	})
	t.Run("where it is busy: retries times more, and no longer than the timeout", func(t *testing.T) {
		g := start(t, setup{account: "retries 1\ncache off"})
		g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: -1})
		g.post(example).forwarded(resolved)
		g.want(2, 2, 1)
		g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: -1, Times: 2})
		g.post(example)
		g.want(4, 4, 1)
	})
}

func TestTheBreaker(t *testing.T) {
	t.Parallel()
	const state = `caddy_cloudid_breaker_state{api="getopendata",appid="` + appid + `"}`
	for onError, want := range map[string]int{"embed": http.StatusOK, "reject": http.StatusBadGateway} {
		t.Run(onError, func(t *testing.T) {
			t.Parallel()
			g := start(t, setup{account: "cache off", cloudid: "openid {http.request.header.X-User}\non_error " + onError})
			calls := 0
			post := func() reply { // in turn for one of two users: one alone does not open the breaker
				calls++
				return g.in(t).do(call{body: example, header: map[string]string{"X-User": fmt.Sprint("o", calls%2)}})
			}
			g.fault(sandbox.Fault{API: "getopendata", Kind: "status", Code: 500, Times: 5})
			failed := func() {
				t.Helper()
				r := post()
				if r.status != want || want == http.StatusOK && !strings.Contains(r.got.body, `"errCode":-601001`) {
					t.Fatalf("status %d: %s", r.status, r.body)
				}
			}
			for range 5 {
				failed()
			}
			g.want(5, 5, 1)
			if got := g.metric(state); got != 2 {
				t.Errorf("the breaker's state is %v after five failures", got)
			}
			for range 10 {
				failed()
			}
			g.want(5, 5, 1)
			if lines := g.logLines(failedExchange); len(lines) != 5 {
				t.Errorf("%d lines in the log", len(lines))
			}
			probe.Eventually(t, "WeChat is asked again", func() bool { return post().got != nil && g.metric(state) == 0 })
			post().forwarded(resolved)
		})
	}
	t.Run("one user's faults do not open it", func(t *testing.T) {
		g := start(t, setup{account: "cache off"})
		for _, code := range []int{40003, 40097, -601006} {
			g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: code, Times: 6})
			for range 6 {
				g.post(example)
			}
		}
		g.post(example).forwarded(resolved)
		g.want(19, 19, 1)
	})
}

func TestAnAbandonedClientDoesNotWasteTheResponse(t *testing.T) {
	t.Parallel()
	g := start(t, setup{account: "cache off", upstream: everyBody(func(_ *http.Request, body string) bool { return body == resolved })})
	g.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 500 * time.Millisecond})
	ctx, leave := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() {
		if _, err := g.client.Do(call{body: example}.request(ctx, g.url)); err == nil {
			t.Error("the abandoned call got a response")
		}
	})
	probe.Eventually(t, "WeChat is asked", func() bool { return g.wechat.Calls().GetOpenData == 1 })
	for range 5 {
		others.Go(func() {
			if status := g.status(call{body: example}); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
	}
	probe.Eventually(t, "the others wait", func() bool { return g.metric(`caddy_cloudid_coalesced_ids_total{appid="`+appid+`"}`) == 5 })
	leave()
	others.Wait()
	g.want(1, 1, 1)
}
