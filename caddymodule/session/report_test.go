package session_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

// listener is shown what the inspector is shown.
type listener struct {
	mu   sync.Mutex
	seen []*invocation.Record
}

func (l *listener) Observe(r *invocation.Live, _ *invocation.Capture) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, r.Read())
}

func (l *listener) take() []*invocation.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = nil
	return seen
}

func (g *rig) listen() *listener {
	g.t.Helper()
	l := new(listener)
	g.t.Cleanup(g.caddy.App(g.t, "cloudid").(*account.App).Invocations().Subscribe(l, 0))
	return l
}

// Who watches the calls sees those that got no further than the session or the login too, and why.
func TestRejectionsAreShownToThoseWhoListen(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	l := g.listen()
	user, lost := usertoken.User{OpenID: openid}, g.code()
	me := func(path string, authorization ...string) func() reply {
		return func() reply { return g.me(path, authorization...) }
	}
	session := func(appid, key string, ttl time.Duration) string {
		return "Bearer " + sign(t, usertoken.Session, user, ttl, appid, key)
	}
	for _, c := range []struct {
		it        string
		do        func() reply
		directive string
		appid     string
		outcome   invocation.Outcome
		told      string // to the client
		cause     string // to the operator
	}{
		{"no token", me("/a/me"), "wechat_session", "", invocation.ClientError, "not authenticated", "no session token was sent"},
		{"a token of another account", me("/a/me", session(appB, key, time.Minute)), "wechat_session", appA, invocation.ClientError, "not authenticated", "for another account: wechat_login and wechat_session must name the same"},
		{"a token of another key", me("/a/me", session(appA, "another-key", time.Minute)), "wechat_session", appA, invocation.ClientError, "not authenticated", "signed with another key"},
		{"a token that has expired", me("/a/me", session(appA, key, -time.Second)), "wechat_session", appA, invocation.ClientError, "not authenticated", "has expired"},
		{"a wrong code", func() reply { return g.login("/a/login", "unknown-"+g.code()) }, "wechat_login", appA, invocation.ClientError, "the code is wrong", "errcode 40029"},
		{"no login at all", func() reply { return g.do(g.request("GET", "/a/login", "")) }, "wechat_login", appA, invocation.ClientError, "a login is a POST request", ""},
		{"a wrong secret", func() reply { g.fails(errcode(40125)); return g.login("/a/login", g.code()) }, "wechat_login", appA, invocation.UpstreamError, "its operator can tell from its log", "correct the AppID or the secret"},
		{"a WeChat that is gone", func() reply { g.fails(sandbox.Fault{Kind: "drop"}); return g.login("/a/login", lost) }, "wechat_login", appA, invocation.UpstreamError, "wechat gave no usable response", "jscode2session"},
		{"the same code once more", func() reply { return g.login("/a/login", lost) }, "wechat_login", appA, invocation.ClientError, "may be used up", "the code got no response before"},
	} {
		t.Run(c.it, func(t *testing.T) {
			r := c.do()
			seen := l.take()
			if len(seen) != 1 {
				t.Fatalf("%d records", len(seen))
			}
			record := seen[0]
			if record.Directive != c.directive || record.AppID != c.appid || record.Outcome != c.outcome || !record.Done || record.Status != r.status ||
				record.Rejection.Status != r.status || !strings.Contains(record.Rejection.Reason, c.told) || !strings.Contains(record.Cause, c.cause) || strings.HasSuffix(record.Cause, "; ") {
				t.Errorf("the record is %+v, %+v", record, record.Rejection)
			}
			if before := record.Timing.Before; before <= 0 || record.Timing.Total != before || record.Sizes.Forwarded != -1 || record.Time.IsZero() {
				t.Errorf("the times are %+v, the sizes %+v", record.Timing, record.Sizes)
			}
			if record.RequestID == "" || r.header.Get("X-Request-Id") != record.RequestID || record.Path == "" || record.Method == "" || record.Seq == 0 {
				t.Errorf("the request is %+v, the response's id %q", record, r.header.Get("X-Request-Id"))
			}
		})
	}
	g.me("/a/me", session(appA, key, time.Minute)).want(http.StatusOK, openid)
	g.login("/a/login", g.code()).want(http.StatusOK, "token")
	if seen := l.take(); len(seen) != 0 {
		t.Errorf("what succeeds is the business of others, but %d records are shown", len(seen))
	}
}
