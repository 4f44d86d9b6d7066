package opendata_test

import (
	"context"
	"errors"
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
type tokenAfter func()

func (do tokenAfter) Token(context.Context) (string, error) {
	do()
	return "t1", nil
}
func (tokenAfter) Rejected(string) {}

// Nobody is told of the end of a request that never had to wait. Still no call begins after it, unless others wait for that.
func TestARequestThatEndsBeforeItsCall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		others   int
		calls    [][]string
	}{
		{"nobody else waits", 0, nil},
		{"another request waits", 1, [][]string{{"27_a"}}},
	} {
		r := newRig(t, new(fakeWeChat))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		others := make(chan opendata.Result, test.others)
		tokens := tokenAfter(func() {
			for range test.others {
				go func() { others <- r.resolve(t, "27_a") }()
			}
			probe.Eventually(t, "all wait", func() bool { return r.Waiting() == 1+test.others })
			leave()
		})
		r.Resolver = opendata.New(opendata.Config{AppID: appid, Timeout: time.Minute}, r.client, apicall.NewCaller(apicall.Config{
			API: wechat.APIGetOpenData, Tokens: tokens,
		}))
		if _, err := r.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: []string{"27_a"}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", test.sentence, err)
		}
		for range test.others {
			wantOpenData(t, <-others, goodJSON("27_a"))
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

func TestEachExchangeIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		response func(context.Context, call) string
		ids      []string
		want     string // the label of the error; "0" for none
	}{
		{"one that went well", nil, []string{"27_a", "27_b"}, "0"},
		{"one that failed", func(context.Context, call) string { return errcode(45009) }, []string{"27_a", "27_b"}, "45009"},
		{"one that took retries", func(context.Context, call) string { return errcode(-1) }, []string{"27_a"}, "-1"},
		{"one in many calls", func(_ context.Context, c call) string {
			if len(c.ids) > 1 {
				return errcode(40097)
			}
			return good(c.ids...)
		}, []string{"27_a", "27_b"}, "0"},
		{"one whose ids have errors of their own", func(_ context.Context, c call) string {
			return `{"errcode":0,"data_list":[` + item(c.ids[0], errorJSON(c.ids[0], -601006)) + `]}`
		}, []string{"27_a"}, "0"},
	} {
		r := newRig(t, &fakeWeChat{response: test.response})
		var mu sync.Mutex
		var reports []opendata.Exchange
		report := func(e opendata.Exchange) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, e)
		}
		request := opendata.Request{OpenID: "o1", IDs: test.ids, Report: report}
		if _, err := r.Resolve(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if len(reports) != 1 || reports[0].IDs != len(test.ids) || wechat.MetricLabel(reports[0].Err) != test.want || reports[0].Duration <= 0 {
			t.Errorf("%s: reported %+v", test.sentence, reports)
		}
	}
}

func TestOpenDataFromTheCacheIsNotReported(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat))
	_ = r.resolve(t, "27_a")
	_, err := r.Resolve(t.Context(), opendata.Request{
		OpenID: "o1", IDs: []string{"27_a"}, Report: func(opendata.Exchange) { t.Error("there was no exchange") },
	})
	if err != nil {
		t.Error(err)
	}
	r.Close()
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
