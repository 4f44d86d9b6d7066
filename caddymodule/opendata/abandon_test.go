package opendata_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// Who gives up takes nothing from those who wait for the same response, nor from those who come later.
func TestAnAbandonedRequestDoesNotCancelWhatOthersWaitFor(t *testing.T) {
	t.Parallel()
	fake, open := gate()
	r := newRig(t, fake)
	ctx, giveUp := context.WithCancel(t.Context())
	reported := make(chan opendata.Exchange, 1)
	gone := make(chan error)
	go func() {
		_, err := r.Resolve(ctx, opendata.Request{
			OpenID: "o1", IDs: []string{"27_a", "27_b"}, Report: func(e opendata.Exchange) { reported <- e },
		})
		gone <- err
	}()
	probe.Eventually(t, "the first request has called", func() bool { return len(r.wechat.arrived()) == 1 })
	waiting := make(chan opendata.Result)
	go func() { waiting <- r.resolve(t, "27_b") }()
	probe.Eventually(t, "the second request waits", func() bool { return r.Waiting() == 2 })

	giveUp()
	probe.Eventually(t, "it is known that the first request waits no more", func() bool { return r.Waiting() == 1 })
	open()
	wantOpenData(t, <-waiting, goodJSON("27_b"))
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up was told %v", err)
	}
	if e := <-reported; e.IDs != 2 || e.Err != nil || e.Duration <= 0 {
		t.Errorf("reported %+v", e)
	}
	result := r.resolve(t, "27_a", "27_b")
	wantOpenData(t, result, goodJSON("27_a"), goodJSON("27_b"))
	if result.Cached != 2 {
		t.Errorf("the response was wasted: %d cached", result.Cached)
	}
	r.wantCalls(t, []string{"27_a", "27_b"})
}

// Who has to wait, for another's call or for a turn, need not do so any longer than its context lasts. Only the one whose call
// was sent stays with it.
func TestWhoWaitsLeavesAtOnce(t *testing.T) {
	t.Parallel()
	fake, open := gate()
	r := newRig(t, fake)
	r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute}, r.client, apicall.NewCaller(apicall.Config{
		API: wechat.APIGetOpenData, Tokens: r.tokens, Semaphore: apicall.NewSemaphore(1),
	}))
	defer r.Close()
	first := make(chan opendata.Result)
	go func() { first <- r.resolve(t, "27_a") }()
	probe.Eventually(t, "a call is under way", func() bool { return len(r.wechat.arrived()) == 1 })
	for i, test := range []struct {
		sentence string
		ids      []string
		waiting  int // exchanges, of the two requests together
	}{
		{"for another's call", []string{"27_a"}, 2},
		{"for a turn", []string{"27_b"}, 2},
		{"for both", []string{"27_a", "27_c"}, 3},
	} {
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := r.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: test.ids})
			gone <- err
		}()
		probe.Eventually(t, "it waits "+test.sentence, func() bool { return r.Waiting() == test.waiting })
		leave()
		select {
		case err := <-gone:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("who waited %s was told %v", test.sentence, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("who waited %s still waits (%d)", test.sentence, i)
		}
		probe.Eventually(t, "nobody but the first waits", func() bool { return r.Waiting() == 1 })
	}
	open()
	wantOpenData(t, <-first, goodJSON("27_a"))
	r.wantCalls(t, []string{"27_a"})
}

// tokenAfter is a token source that does something first.
type tokenAfter func(context.Context)

func (do tokenAfter) Token(ctx context.Context) (string, error) {
	do(ctx)
	return "t1", nil
}
func (tokenAfter) Rejected(string) {}

// Nobody is told of the end of a request that never had to wait. Still no call begins after it, unless others wait for that, and
// what was not asked for does not count against the user's limit.
func TestARequestThatEndsBeforeItsCall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		others   int
		limited  bool // the user has had a CloudID exchanged
		calls    [][]string
	}{
		{"nobody else waits", 0, false, [][]string{{"27_b"}}},
		{"another request waits", 1, true, [][]string{{"27_a"}}},
	} {
		r := newRig(t, new(fakeWeChat))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		others := make(chan opendata.Result, test.others)
		var once sync.Once
		tokens := tokenAfter(func(context.Context) {
			once.Do(func() {
				for range test.others {
					go func() { others <- r.resolve(t, "27_a") }()
				}
				probe.Eventually(t, "all wait", func() bool { return r.Waiting() == 1+test.others })
				leave()
			})
		})
		r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute, Limiter: opendata.NewLimiter(1, time.Minute)}, r.client,
			apicall.NewCaller(apicall.Config{API: wechat.APIGetOpenData, Tokens: tokens}))
		if _, err := r.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: []string{"27_a"}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", test.sentence, err)
		}
		for range test.others {
			wantOpenData(t, <-others, goodJSON("27_a"))
		}
		_, err := r.Resolve(t.Context(), opendata.Request{OpenID: "o1", IDs: []string{"27_b"}})
		if _, limited := errors.AsType[*opendata.LimitError](err); limited != test.limited {
			t.Errorf("%s: the next request has the error %v", test.sentence, err)
		}
		r.wantCalls(t, test.calls...)
		r.Close()
	}
}

// For a request whose time is over before it begins nothing is asked.
func TestARequestThatHasEndedAsksForNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat))
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := r.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: []string{"27_a"}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	r.wantCalls(t)
}

func TestOpenDataThatNobodyWaitsForIsKept(t *testing.T) {
	t.Parallel()
	fake, open := gate()
	r := newRig(t, fake)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: []string{"27_a"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	open()
	wantOpenData(t, r.resolve(t, "27_a"), goodJSON("27_a"))
	r.wantCalls(t, []string{"27_a"})
}

// What waited in the name of an exchange ends with it: a timer, or an entry with the request's context, would stay for the whole of
// the timeout.
func TestTheContextOfAnExchangeEndsWithIt(t *testing.T) {
	t.Parallel()
	for sentence, wait := range map[string]func(context.Context){
		"somebody has waited": func(ctx context.Context) { ctx.Done() },
		"nobody has":          func(context.Context) {},
	} {
		r := newRig(t, new(fakeWeChat))
		var seen context.Context
		tokens := tokenAfter(func(ctx context.Context) {
			seen = ctx
			wait(ctx)
		})
		r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute}, r.client, apicall.NewCaller(apicall.Config{
			API: wechat.APIGetOpenData, Tokens: tokens,
		}))
		r.resolve(t, "27_a")
		if err := seen.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: its error is %v", sentence, err)
		}
		r.Close()
	}
}
