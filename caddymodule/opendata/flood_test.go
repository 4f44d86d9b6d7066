package opendata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// limited is a rig whose users may have n CloudIDs exchanged in a minute.
func limited(t *testing.T, fake *fakeWeChat, n int, change ...func(*opendata.Config)) *rig {
	t.Helper()
	return newRig(t, fake, append(change, func(c *opendata.Config) { c.Limiter = opendata.NewLimiter(n, time.Minute) })...)
}

func TestBeyondTheLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		ids      []string
		guesses  []bool
		rejected bool
		asked    []string // beside 27_a and 27_b, which were
		left     int      // guesses that were not asked for
	}{
		{"what is declared is rejected, and nothing is asked", []string{"27_c", "27_d"}, nil, true, nil, 0},
		{"as much as is left is not", []string{"27_c"}, nil, false, []string{"27_c"}, 0},
		{"the cache costs nothing", []string{"27_a", "27_b", "27_c"}, nil, false, []string{"27_c"}, 0},
		{"one id twice is one", []string{"27_c", "27_c"}, nil, false, []string{"27_c"}, 0},
		{"guesses are asked for as far as it goes", []string{"27_c", "27_d", "27_e"}, []bool{true, true, true}, false, []string{"27_c"}, 2},
		{"behind what is declared", []string{"27_c", "27_d"}, []bool{true, false}, false, []string{"27_d"}, 1},
		{"what is a guess in one place only is none", []string{"27_c", "27_d", "27_d"}, []bool{true, true, false}, false, []string{"27_d"}, 1},
		{"too much that is declared is rejected with its guesses", []string{"27_c", "27_d", "27_e"}, []bool{false, true, false}, true, nil, 0},
		{"more than the limit at once", []string{"27_c", "27_d", "27_e", "27_f"}, nil, true, nil, 0},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			var observed []opendata.Lookup
			r := limited(t, new(fakeWeChat), 3, func(c *opendata.Config) {
				c.Observe = func(l opendata.Lookup) { observed = append(observed, l) }
			})
			_ = r.resolve(t, "27_a", "27_b")
			result, err := r.Resolve(t.Context(), opendata.Request{OpenID: "o1", IDs: test.ids, Guesses: test.guesses})
			limit, rejected := errors.AsType[*opendata.LimitError](err)
			if rejected != test.rejected || !rejected && err != nil || result.Err != nil {
				t.Fatalf("%v, %v", err, result.Err)
			}
			if rejected && (limit.RetryAfter() <= 50*time.Second || limit.RetryAfter() > time.Minute || wechat.MetricLabel(err) != "limit" || wechat.Advice(err) == "") {
				t.Errorf("%v, again after %s", err, limit.RetryAfter())
			}
			if result.Limited != test.left {
				t.Errorf("%d guesses were left, want %d", result.Limited, test.left)
			}
			if len(observed) != 2 || observed[1] != result.Lookup {
				t.Errorf("observed are %+v, want %+v at last", observed, result.Lookup)
			}
			want := [][]string{{"27_a", "27_b"}}
			if test.asked != nil {
				want = append(want, test.asked)
			}
			r.wantCalls(t, want...)
			left := map[string]bool{}
			for i, id := range test.ids {
				if !rejected && result.OpenData[i].JSON == nil {
					left[id] = true
				}
			}
			if len(left) != test.left {
				t.Errorf("nothing stands in the place of %v", left)
			}
			if _, err := r.Resolve(t.Context(), opendata.Request{OpenID: "o2", IDs: []string{"27_c"}}); err != nil {
				t.Error("another user: ", err)
			}
		})
	}
}

// Where what is known of each id came from, and how long a request waited before WeChat was asked.
func TestOrigins(t *testing.T) {
	t.Parallel()
	const (
		asked, cached, coalesced, limit = opendata.Asked, opendata.Cached, opendata.Coalesced, opendata.Limited
	)
	fake, open := gate()
	r := limited(t, fake, 3)
	first, second := make(chan opendata.Result), make(chan opendata.Result)
	go func() { first <- r.resolve(t, "27_a") }()
	probe.Eventually(t, "a call is under way", func() bool { return r.Waiting() == 1 })
	go func() { second <- r.resolve(t, "27_b", "27_a", "27_b") }()
	probe.Eventually(t, "another request waits for it, and for one of its own", func() bool { return r.Waiting() == 3 })
	open()
	if got := <-first; !slices.Equal(got.Origins, []opendata.Origin{asked}) {
		t.Errorf("the origins are %v", got.Origins)
	}
	if got := <-second; !slices.Equal(got.Origins, []opendata.Origin{asked, coalesced, asked}) {
		t.Errorf("the origins are %v", got.Origins)
	}
	got, err := r.Resolve(t.Context(), opendata.Request{
		OpenID: "o1", IDs: []string{"27_a", "27_x", "27_b", "27_y", "27_x"}, Guesses: []bool{false, true, false, true, true},
	})
	if err != nil || !slices.Equal(got.Origins, []opendata.Origin{cached, asked, cached, limit, asked}) || got.Lookup != (opendata.Lookup{Cached: 2, Limited: 1}) {
		t.Errorf("%v, the origins are %v, %+v", err, got.Origins, got.Lookup)
	}
	if got.Waited <= 0 || got.Waited > 10*time.Second {
		t.Errorf("waited %s before the call", got.Waited)
	}
}

// What WeChat was not asked for costs nothing: it was down, or the request did not wait.
func TestTheLimitIsForWhatWasAsked(t *testing.T) {
	t.Parallel()
	r := limited(t, &fakeWeChat{response: func(context.Context, call) string { return errcode(45009) }}, 3)
	for i := range 5 {
		_ = r.resolveAs(t, fmt.Sprint("other", i), "27_a")
	}
	for range 5 {
		result := r.resolve(t, "27_a", "27_b", "27_c")
		if _, open := errors.AsType[*apicall.BreakerOpenError](result.Err); !open {
			t.Fatal(result.Err)
		}
	}
	down := limited(t, &fakeWeChat{response: func(context.Context, call) string { return errcode(45009) }}, 3)
	_ = down.resolve(t, "27_a", "27_b")
	if _, err := down.Resolve(t.Context(), opendata.Request{OpenID: "o1", IDs: []string{"27_a", "27_b"}}); err == nil {
		t.Error("what was asked for in vain was asked for all the same")
	}
}

// One session, one HTTP/2 connection, and requests that are reset after 3 ms: calls to WeChat stay few, nothing waits for them
// any more, and other users are served.
func TestAFloodOfAbandonedRequests(t *testing.T) {
	t.Parallel()
	const maxCalls, flood = 16, 3000
	fake, open := gate()
	r := newRig(t, fake, func(c *opendata.Config) { c.Timeout = 10 * time.Second })
	r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: 10 * time.Second}, r.client, apicall.NewCaller(apicall.Config{
		API: wechat.APIGetOpenData, Tokens: r.tokens, Semaphore: apicall.NewSemaphore(maxCalls),
	}))
	defer r.Close()
	var wg sync.WaitGroup
	for i := range flood {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
			defer cancel()
			_, _ = r.Resolve(ctx, opendata.Request{OpenID: "hostile", IDs: []string{fmt.Sprint("27_", i)}})
		})
	}
	wg.Wait()
	probe.Eventually(t, "what nobody waits for leaves the queue", func() bool { return r.Exchanges() <= maxCalls/8 })
	if n := len(r.wechat.arrived()); n > maxCalls/8 {
		t.Errorf("%d calls, want at most %d", n, maxCalls/8)
	}
	open()
	start := time.Now()
	wantOpenData(t, r.resolveAs(t, "honest", "27_x"), goodJSON("27_x"))
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("another user waited for %s", took)
	}
}

// A call that waits for its turn longer than the timeout fails as a time-out, and the log says why.
func TestTooManyCallsInFlight(t *testing.T) {
	t.Parallel()
	fake, open := gate()
	r := newRig(t, fake)
	caller := apicall.NewCaller(apicall.Config{API: wechat.APIGetOpenData, Tokens: r.tokens, Semaphore: apicall.NewSemaphore(1)})
	slow := opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute}, r.client, caller)
	defer slow.Close()
	waiting := opendata.New(opendata.Config{AppID: appid, Timeout: 50 * time.Millisecond, Limiter: opendata.NewLimiter(1, time.Hour)}, r.client, caller)
	defer waiting.Close()
	first := make(chan opendata.Result)
	go func() {
		result, _ := slow.Resolve(t.Context(), opendata.Request{OpenID: "o1", IDs: []string{"27_a"}})
		first <- result
	}()
	probe.Eventually(t, "one call is under way", func() bool { return len(r.wechat.arrived()) == 1 })
	for range 2 { // not asked, and so not counted against the limit
		report := make(chan opendata.Exchange, 1)
		result, err := waiting.Resolve(t.Context(), opendata.Request{OpenID: "o2", IDs: []string{"27_b"}, Report: func(e opendata.Exchange) { report <- e }})
		if err != nil {
			t.Fatal(err)
		}
		wantOpenData(t, result, errorJSON("27_b", -601008))
		if e := <-report; wechat.MetricLabel(e.Err) != "max_calls" || e.Failed != 1 {
			t.Errorf("reported %+v", e)
		}
	}
	open()
	wantOpenData(t, <-first, goodJSON("27_a"))
	r.wantCalls(t, []string{"27_a"})
}

// Somebody who joins a call that was abandoned, but is under way, gets its response; one that had not begun is made anew.
func TestAnAbandonedCallThatIsWantedAgain(t *testing.T) {
	t.Parallel()
	fake, open := gate()
	r := newRig(t, fake)
	var gone sync.WaitGroup
	for _, id := range []string{"27_a", "27_b"} { // 27_a has the only slot, 27_b waits for it
		ctx, leave := context.WithCancel(t.Context())
		var caller *apicall.Caller
		if id == "27_a" {
			caller = apicall.NewCaller(apicall.Config{API: wechat.APIGetOpenData, Tokens: r.tokens, Semaphore: apicall.NewSemaphore(1)})
			r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute}, r.client, caller)
			defer r.Close()
		}
		gone.Go(func() {
			if _, err := r.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: []string{id}}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		probe.Eventually(t, "it waits", func() bool { return r.Waiting() == 1 && len(r.wechat.arrived()) == 1 })
		leave()
		probe.Eventually(t, "nobody waits any more", func() bool { return r.Waiting() == 0 })
	}
	if n := r.Exchanges(); n != 1 {
		t.Errorf("%d exchanges are under way, want that for 27_a", n)
	}
	results := make(chan opendata.Result)
	go func() { results <- r.resolve(t, "27_a", "27_b") }()
	probe.Eventually(t, "somebody waits for both", func() bool { return r.Waiting() == 2 })
	open()
	wantOpenData(t, <-results, goodJSON("27_a"), goodJSON("27_b"))
	gone.Wait()
	r.wantCalls(t, []string{"27_a"}, []string{"27_b"})
}

// An exchange whose list is being taken apart leaves the queue like any other when nobody waits for it any more.
func TestAnAbandonedListLeavesTheQueue(t *testing.T) {
	t.Parallel()
	first, hang := make(chan struct{}), make(chan struct{})
	r := newRig(t, &fakeWeChat{response: func(ctx context.Context, c call) string {
		wait := first
		if c.openid == "o2" {
			wait = hang
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
		return errcode(40097)
	}})
	r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute}, r.client, apicall.NewCaller(apicall.Config{
		API: wechat.APIGetOpenData, Tokens: r.tokens, Semaphore: apicall.NewSemaphore(1),
	}))
	defer r.Close()
	ctx, leave := context.WithCancel(t.Context())
	report := make(chan opendata.Exchange, 1)
	resolve := func(ctx context.Context, openid string, report func(opendata.Exchange)) {
		_, _ = r.Resolve(ctx, opendata.Request{OpenID: openid, IDs: []string{"27_a", "27_b"}, Report: report})
	}
	go resolve(ctx, "o1", func(e opendata.Exchange) { report <- e })
	probe.Eventually(t, "o1 has the only slot", func() bool { return len(r.wechat.arrived()) == 1 })
	go resolve(t.Context(), "o2", nil)
	probe.Eventually(t, "o2 waits for it", func() bool { return r.Waiting() == 2 })
	time.Sleep(20 * time.Millisecond) // o2's exchange joins the queue on a goroutine of its own
	close(first)
	probe.Eventually(t, "o2 has it", func() bool { return len(r.wechat.arrived()) == 2 })
	leave()
	select {
	case e := <-report:
		if !errors.Is(e.Err, context.Canceled) || e.Failed != 2 {
			t.Errorf("reported %+v", e)
		}
	case <-time.After(10 * time.Second):
		t.Error("what nobody waits for is still in the queue")
	}
	close(hang)
}
