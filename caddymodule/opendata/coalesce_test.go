package opendata_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// gate is a WeChat that answers when the test lets it.
func gate() (fake *fakeWeChat, open func()) {
	lifted := make(chan struct{})
	fake = &fakeWeChat{response: func(ctx context.Context, c call) string {
		select {
		case <-lifted:
			return good(c.ids...)
		case <-ctx.Done():
			return ""
		}
	}}
	return fake, sync.OnceFunc(func() { close(lifted) })
}

func TestAHundredParallelRequestsForOneIDAreOneCall(t *testing.T) {
	t.Parallel()
	for _, change := range [][]func(*opendata.Config){nil, {noCache}} {
		fake, open := gate()
		r := newRig(t, fake, change...)
		var reports atomic.Int32
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				result, err := r.Resolve(t.Context(), opendata.Request{
					OpenID: "o1", IDs: []string{"27_a"}, Report: func(opendata.Exchange) { reports.Add(1) },
				})
				if err != nil || result.Err != nil || !slices.Equal(texts(result), []string{goodJSON("27_a")}) {
					t.Errorf("%v, %v", result, err)
				}
			})
		}
		probe.Eventually(t, "99 requests wait for the call of one", func() bool { return r.Waiting() == 100 })
		open()
		wg.Wait()
		r.wantCalls(t, []string{"27_a"})
		probe.Eventually(t, "a report", func() bool { return reports.Load() > 0 })
		r.Close() // after which no report is under way
		if n := reports.Load(); n != 1 {
			t.Errorf("one exchange, %d reports", n)
		}
	}
}

func TestOverlappingRequestsAskForEachIDOnce(t *testing.T) {
	t.Parallel()
	fake, open := gate()
	r := newRig(t, fake)
	const n = 40
	id := func(i int) string { return fmt.Sprint("27_", i%n) }
	var notAsked atomic.Int32
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ids := []string{id(i), id(i + 1), id(i + 2), id(i + 3), id(i + 4)}
			want := make([]string, 0, len(ids))
			for _, id := range ids {
				want = append(want, goodJSON(id))
			}
			result, err := r.Resolve(t.Context(), opendata.Request{OpenID: "o1", IDs: ids})
			if err != nil || result.Err != nil || !slices.Equal(texts(result), want) {
				t.Errorf("request %d: %q, %v, %v", i, texts(result), result.Err, err)
			}
			notAsked.Add(int32(result.Coalesced + result.Cached))
		})
	}
	probe.Eventually(t, "all ids are asked for", func() bool { return len(r.wechat.asked()) == n })
	open()
	wg.Wait()
	if got := notAsked.Load(); got != 4*n {
		t.Errorf("%d ids were answered by calls of others, want %d", got, 4*n)
	}
	asked := r.wechat.asked()
	for i := range n {
		if asked[id(i)] != 1 {
			t.Errorf("%s was asked for %d times", id(i), asked[id(i)])
		}
	}
}

func TestUsersDoNotShareOpenData(t *testing.T) {
	t.Parallel()
	fake, open := gate()
	r := newRig(t, fake)
	open()
	for _, openid := range []string{"o1", "o2", "O1"} {
		if _, err := r.Resolve(t.Context(), opendata.Request{OpenID: openid, IDs: []string{"27_a"}}); err != nil {
			t.Fatal(err)
		}
	}
	r.wantCalls(t, []string{"27_a"}, []string{"27_a"}, []string{"27_a"})
}

func TestAFailureIsSharedToo(t *testing.T) {
	t.Parallel()
	lifted := make(chan struct{})
	r := newRig(t, &fakeWeChat{response: func(ctx context.Context, _ call) string {
		select {
		case <-lifted:
		case <-ctx.Done():
		}
		return errcode(45009)
	}})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			ids := []string{"27_a", "27_b"}
			result, err := r.Resolve(t.Context(), opendata.Request{OpenID: "o1", IDs: ids[i%2:]})
			if err != nil || wechat.Code(result.Err) != 45009 || result.OpenData[0].Code != -601001 {
				t.Errorf("%v, %v", result, err)
			}
		})
	}
	probe.Eventually(t, "all wait", func() bool {
		switch waiting := r.Waiting(); len(r.wechat.arrived()) {
		case 1: // for both ids
			return waiting == 10
		case 2: // for 27_b, and then for 27_a, which half of the requests want as well
			return waiting == 15
		default:
			return false
		}
	})
	close(lifted)
	wg.Wait()
	if asked := r.wechat.asked(); asked["27_a"] != 1 || asked["27_b"] != 1 {
		t.Errorf("asked %v", asked)
	}
}

// panicking is a token source that panics when the test says so.
type panicking struct{ now chan struct{} }

func (p panicking) Token(context.Context) (string, error) {
	<-p.now
	panic("a fault of the token source")
}
func (panicking) Rejected(string) {}

// What panics in the middle of an exchange leaves nobody waiting, and nothing behind that WeChat did not say.
func TestAnExchangeThatPanics(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat))
	now := make(chan struct{})
	r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute}, r.client, apicall.NewCaller(apicall.Config{
		API: wechat.APIGetOpenData, Tokens: panicking{now},
	}))
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		r.resolve(t, "27_a")
	})
	probe.Eventually(t, "an exchange is under way", func() bool { return r.Waiting() == 1 })
	wg.Go(func() {
		result := r.resolve(t, "27_a")
		wantOpenData(t, result, errorJSON("27_a", -601001))
		if result.Err == nil {
			t.Error("no error")
		}
	})
	probe.Eventually(t, "another request waits for it", func() bool { return r.Waiting() == 2 })
	close(now)
	wg.Wait()
	r.Close() // returns: no exchange is left
	if n := r.Exchanges(); n != 0 {
		t.Errorf("%d exchanges can still be joined", n)
	}
}

// A request may need two exchanges, of which the first fails and the second does not: it has the error of the one, and the
// longer of the two waits.
func TestARequestThatNeedsTwoExchanges(t *testing.T) {
	t.Parallel()
	lifted := make(chan struct{})
	r := newRig(t, &fakeWeChat{response: func(ctx context.Context, c call) string {
		select {
		case <-lifted:
		case <-ctx.Done():
		}
		if c.ids[0] == "27_a" {
			return errcode(45009)
		}
		return good(c.ids...)
	}})
	r.tokens.delay.Store(int64(200 * time.Millisecond))
	go r.resolve(t, "27_a")
	probe.Eventually(t, "one exchange is under way", func() bool { return len(r.wechat.arrived()) == 1 })
	r.tokens.delay.Store(0)
	results := make(chan opendata.Result)
	go func() { results <- r.resolve(t, "27_a", "27_b") }()
	probe.Eventually(t, "both are", func() bool { return len(r.wechat.arrived()) == 2 })
	close(lifted)
	result := <-results
	wantOpenData(t, result, errorJSON("27_a", -601001), goodJSON("27_b"))
	if wechat.Code(result.Err) != 45009 {
		t.Errorf("the error is %v", result.Err)
	}
	if result.Waited < 200*time.Millisecond || result.Waited > 10*time.Second {
		t.Errorf("waited %s for the token", result.Waited)
	}
}
