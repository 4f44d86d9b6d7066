package session_test

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// timeout is for the accounts whose calls are to run into it.
const timeout = 500 * time.Millisecond

// slow makes the next login take long enough for others to come in.
var slow = sandbox.Fault{Kind: "latency", Latency: 500 * time.Millisecond}

func TestEqualCodesInFlightShareOneCall(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, ""), "wechat_login /one\n wechat_login /two")
	g.fails(slow)
	code := g.code()
	var waiting sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() { g.login([]string{"/one", "/two"}[i%2], code).want(http.StatusOK, "token") })
	}
	waiting.Wait()
	g.wantCalls(1)
}

func TestFailureOfASharedCallIsLoggedOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, "timeout "+timeout.String()), "wechat_login")
	g.fails(sandbox.Fault{Kind: "latency", Latency: 10 * timeout})
	code := g.code()
	var waiting sync.WaitGroup
	for range 5 {
		waiting.Go(func() { g.login("/", code).want(http.StatusGatewayTimeout, "call wx.login again") })
	}
	waiting.Wait()
	g.wantCalls(1)
	if n := count(g.logged(), `"msg":"login failed"`); n != 1 {
		t.Errorf("the operator reads %d lines, want 1", n)
	}
}

func TestTwoAccountsShareNoCall(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	code := g.code()
	g.login("/a/login", code).want(http.StatusOK, "token")
	g.login("/b/login", code)
	g.wantCalls(2)
}

func TestClientThatGoesAwayTakesNothingFromOthers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	l := g.listen()
	g.fails(slow)
	code := g.code()

	ctx, goAway := context.WithCancel(t.Context())
	first := g.request("POST", "/a/login", `{"code":"`+code+`"}`, "Content-Type: application/json").WithContext(ctx)
	gone := make(chan error)
	go func() {
		response, err := http.DefaultClient.Do(first)
		if err == nil {
			_ = response.Body.Close()
		}
		gone <- err
	}()
	probe.Eventually(t, "the first client's call reaches WeChat", func() bool { return g.calls() == 1 })
	goAway()
	if err := <-gone; err == nil {
		t.Error("the first client got a response")
	}

	g.login("/a/login", code).want(http.StatusOK, "token")
	g.wantCalls(1)
	probe.Eventually(t, "the client's going away is counted", func() bool { return probe.Sum(t, g.caddy.Metrics(), "logins_total", appA, "canceled") == 1 })
	var seen []*invocation.Record
	probe.Eventually(t, "it is shown", func() bool { seen = append(seen, l.take()...); return len(seen) > 0 })
	if len(seen) != 1 || seen[0].Outcome != invocation.Canceled || seen[0].Status != 499 {
		t.Errorf("%d records, the first is %+v", len(seen), seen[0])
	}
	if logs := g.logged(); count(logs, `"msg":"the client went away"`) != 1 {
		t.Errorf("the access log does not have one client that is gone:\n%s", logs)
	}
}

func TestLostCodeIsNotSentAgain(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	accounts := g.accounts("timeout " + timeout.String())
	g.mustLoad(accounts, site)
	g.fails(sandbox.Fault{Kind: "latency", Latency: 10 * timeout})
	code := g.code()
	g.login("/a/login", code).want(http.StatusGatewayTimeout, "call wx.login again")

	again := func(t *testing.T) {
		g := g.in(t)
		g.login("/a/login", code).want(http.StatusBadRequest, "may be used up")
		g.wantCalls(1)
	}
	t.Run("by the same handler", again)
	g.mustLoad(accounts, site+"header X-Reloaded 1")
	t.Run("after a reload", again)
	t.Run("but a fresh one is", func(t *testing.T) {
		g := g.in(t)
		g.login("/a/login", g.code()).want(http.StatusOK, "token")
	})
	t.Run("and so is the same one of another account", func(t *testing.T) {
		g := g.in(t)
		g.login("/b/login", code).want(http.StatusOK, "token")
	})
}

func TestNothingIsLeftRunning(t *testing.T) {
	cycle := func(t *testing.T) {
		g := newRig(t)
		g.run()
		g.fails(slow)
		ctx, goAway := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer goAway()
		abandoned := g.request("POST", "/a/login", `{"code":"`+g.code()+`"}`, "Content-Type: application/json").WithContext(ctx)
		if response, err := http.DefaultClient.Do(abandoned); err == nil {
			_ = response.Body.Close()
			t.Error("the login was not slow")
		}
		g.caddy.Stop(t)
		http.DefaultClient.CloseIdleConnections()
	}
	for range 2 { // what Caddy starts once and keeps
		t.Run("first", cycle)
	}
	time.Sleep(2 * slow.Latency)
	before := runtime.NumGoroutine()
	for range 5 {
		t.Run("more", cycle)
	}
	probe.Eventually(t, "the goroutines of five more configs end", func() bool { return runtime.NumGoroutine() <= before })
}
