package session

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// A call waits in the queue as long as one request waits for it.
func TestALoginIsQueuedAsLongAsSomebodyWaits(t *testing.T) {
	e := newExchanger()
	hash, other := codeHash{1}, codeHash{2}
	queue, leaveFirst := e.wait(hash)
	same, leaveSecond := e.wait(hash)
	another, leaveAnother := e.wait(other)
	if queue != same || queue == another || len(e.waiting) != 2 {
		t.Errorf("there are %d queues for two codes", len(e.waiting))
	}
	leaveAnother()
	leaveFirst()
	if queue.Err() != nil || another.Err() == nil || len(e.waiting) != 1 {
		t.Errorf("one of two left: %v; the only one left: %v; %d queues", queue.Err(), another.Err(), len(e.waiting))
	}
	leaveSecond()
	if queue.Err() == nil || len(e.waiting) != 0 {
		t.Errorf("both left: %v, %d queues", queue.Err(), len(e.waiting))
	}
	again, leave := e.wait(hash)
	defer leave()
	if again.Err() != nil {
		t.Error("who comes later finds a queue that has ended")
	}
}

// A call whose requests have all left ends without a response. One that comes just before it has ended makes a call of its own.
func TestALoginThatFindsTheCallOfThoseWhoLeft(t *testing.T) {
	t.Parallel()
	wechat := sandbox.New()
	api := httptest.NewServer(wechat)
	defer api.Close()
	code, err := wechat.MintCode(sandbox.Login{OpenID: "o1"})
	if err != nil {
		t.Fatal(err)
	}
	caddy := caddyrig.Start(t, fmt.Sprintf("{\nadmin off\npersist_config off\ncloudid {\naccount wx00000000000000aa {\nsecret s\nendpoint %s\n}\n}\n}", api.URL))
	a, err := caddy.App(t, "cloudid").(*account.App).Account("")
	if err != nil {
		t.Fatal(err)
	}

	e := newExchanger()
	hash, end := codeHash(sha256.Sum256([]byte(a.AppID()+"\x00"+code))), make(chan struct{})
	e.calls.DoChan(string(hash[:]), func() (any, error) {
		<-end
		return nil, context.Canceled
	})
	waiting := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.waiting)
	}
	go func() {
		probe.Eventually(t, "the login waits", func() bool { return waiting() == 1 })
		time.Sleep(10 * time.Millisecond) // for it to find the call
		close(end)
	}()
	session, err := e.login(t.Context(), a, code, func(error) {})
	if err != nil || session.OpenID != "o1" || waiting() != 0 {
		t.Errorf("the login is %q, %v, and %d wait", session.OpenID, err, waiting())
	}
}
