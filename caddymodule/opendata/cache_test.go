package opendata_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	const kept, notKept = true, false
	respondWith := func(code int) func(context.Context, call) string {
		return func(_ context.Context, c call) string {
			return `{"errcode":0,"data_list":[` + item(c.ids[0], errorJSON(c.ids[0], code)) + `]}`
		}
	}
	whole := func(code int) func(context.Context, call) string {
		return func(context.Context, call) string { return errcode(code) }
	}
	for _, test := range []struct {
		sentence string
		response func(context.Context, call) string
		want     bool
	}{
		{"open data is", nil, kept},
		{"an invalid CloudID is", respondWith(-601005), kept},
		{"an expired one is", respondWith(-601006), kept},
		{"another user's is", respondWith(-601007), kept},
		{"an expired one, said of the whole call, is", whole(-601006), kept},
		{"open data for another app is rejected for as long", func(_ context.Context, c call) string {
			return `{"errcode":0,"data_list":[` + item(c.ids[0], `{"cloudID":"27_a","data":{"watermark":{"appid":"wxother"}}}`) + `]}`
		}, kept},
		{"a system error is not", respondWith(-601001), notKept},
		{"WeChat's network is not", respondWith(-601003), notKept},
		{"a permission that is missing is not", respondWith(-601004), notKept},
		{"WeChat's time-out is not", respondWith(-601008), notKept},
		{"an error that nobody knows is not", respondWith(-604100), notKept},
		{"a missing item is not", func(context.Context, call) string { return good() }, notKept},
		{"a busy WeChat is not", whole(-1), notKept},
		{"a quota is not", whole(45009), notKept},
		{"an app without the permission is not", whole(48001), notKept},
		{"an openid that is none is not: the exchange failed, and must go on failing where that is rejected", whole(40003), notKept},
		{"a malformed call is not", whole(40097), notKept},
		{"a page is not", func(context.Context, call) string { return "<html>" }, notKept},
		{"a broken connection is not", func(context.Context, call) string { return "" }, notKept},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			r := newRig(t, &fakeWeChat{response: test.response})
			first := r.resolve(t, "27_a")
			calls := len(r.wechat.arrived())
			second := r.resolve(t, "27_a")
			again := len(r.wechat.arrived()) > calls
			if again == test.want || (second.Cached == 1) != test.want {
				t.Errorf("%d calls, then %d; %d cached", calls, len(r.wechat.arrived()), second.Cached)
			}
			wantOpenData(t, second, texts(first)...)
			if (first.Err == nil) != (second.Err == nil) {
				t.Errorf("the error was %v, and is %v", first.Err, second.Err)
			}
		})
	}
}

func TestOnlyWhatIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat))
	_ = r.resolve(t, "27_a", "27_b")
	result := r.resolve(t, "27_c", "27_a", "27_d", "27_b", "27_a")
	wantOpenData(t, result, goodJSON("27_c"), goodJSON("27_a"), goodJSON("27_d"), goodJSON("27_b"), goodJSON("27_a"))
	r.wantCalls(t, []string{"27_a", "27_b"}, []string{"27_c", "27_d"})
	if result.Cached != 2 {
		t.Errorf("%d cached, want 2", result.Cached)
	}
}

func TestOpenDataExpires(t *testing.T) {
	t.Parallel()
	const ttl = 150 * time.Millisecond
	r := newRig(t, new(fakeWeChat), func(c *opendata.Config) { c.Cache = opendata.NewCache(ttl, 1000) })
	start := time.Now()
	_ = r.resolve(t, "27_a")
	// Asking often must not make a response live longer.
	probe.Eventually(t, "the response ends", func() bool {
		cached := r.resolve(t, "27_a").Cached == 1
		if cached && time.Since(start) > ttl+2*time.Second {
			t.Fatal("the response outlives its time")
		}
		return !cached
	})
	if took := time.Since(start); took < ttl {
		t.Errorf("the response ended after %s", took)
	}
	r.wantCalls(t, []string{"27_a"}, []string{"27_a"})
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	const entries, share = 32, 4
	cache := opendata.NewCache(time.Minute, entries)
	r := newRig(t, new(fakeWeChat), func(c *opendata.Config) { c.Cache = cache })
	cached := func(openid string) (n int) {
		for i := range 10 {
			n += r.resolveAs(t, openid, fmt.Sprint("27_", i)).Cached
		}
		return n
	}
	for user := range 10 {
		if n := cached(fmt.Sprint("o", user)); n != 0 {
			t.Errorf("user %d: %d of the ids were cached before", user, n)
		}
		if n := cache.Len(); n != min(entries, (user+1)*share) {
			t.Errorf("%d entries after %d users", n, user+1)
		}
	}
}

// One user who has a thousand CloudIDs exchanged takes nothing from the others.
func TestNoUserPushesOutTheOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat), func(c *opendata.Config) { c.Cache = opendata.NewCache(time.Minute, 80) })
	_ = r.resolveAs(t, "o_honest", "27_a", "27_b")
	for i := range 200 {
		_ = r.resolveAs(t, "o_hostile", fmt.Sprint("27_", i))
	}
	if n := r.resolveAs(t, "o_honest", "27_a", "27_b").Cached; n != 2 {
		t.Errorf("%d of 2 answers are left", n)
	}
	if n := r.resolveAs(t, "o_hostile", "27_199").Cached; n != 1 {
		t.Error("the latest response of a user who has their share is not kept")
	}
	if n := r.resolveAs(t, "o_hostile", "27_189").Cached; n != 0 {
		t.Error("a user has more than their share")
	}
}

func TestWhatIsHugeIsNotKept(t *testing.T) {
	t.Parallel()
	const empty = `{"cloudID":"27_a","data":""}`
	for size, want := range map[int]int{64 << 10: 1, 64<<10 + 1: 0} {
		r := newRig(t, &fakeWeChat{response: func(context.Context, call) string {
			text := `{"cloudID":"27_a","data":"` + strings.Repeat("x", size-len(empty)) + `"}`
			return `{"errcode":0,"data_list":[` + item("27_a", text) + `]}`
		}})
		_ = r.resolve(t, "27_a")
		if again := r.resolve(t, "27_a"); again.Cached != want || len(again.OpenData[0].JSON) != size || again.OpenData[0].Code != 0 {
			t.Errorf("%d cached, %d bytes", again.Cached, len(again.OpenData[0].JSON))
		}
	}
}

func TestWithoutACacheNothingIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat), noCache)
	_ = r.resolve(t, "27_a")
	if got := r.resolve(t, "27_a").Cached; got != 0 {
		t.Errorf("%d cached", got)
	}
	r.wantCalls(t, []string{"27_a"}, []string{"27_a"})
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	for _, change := range [][]func(*opendata.Config){nil, {noCache}} {
		fake, _ := gate() // which never opens
		r := newRig(t, fake, change...)
		var reports sync.WaitGroup
		reports.Add(1)
		openData := make(chan opendata.Result)
		go func() {
			result, _ := r.Resolve(t.Context(), opendata.Request{
				OpenID: "o1", IDs: []string{"27_a"}, Report: func(opendata.Exchange) { reports.Done() },
			})
			openData <- result
		}()
		probe.Eventually(t, "a call under way", func() bool { return len(r.wechat.arrived()) == 1 })
		start := time.Now()
		r.Close()
		reports.Wait()
		result := <-openData
		wantOpenData(t, result, errorJSON("27_a", -601001))
		if result.Err == nil || time.Since(start) > 5*time.Second {
			t.Errorf("%v after %s", result.Err, time.Since(start))
		}
		late := r.resolve(t, "27_a", "27_b")
		wantOpenData(t, late, errorJSON("27_a", -601001), errorJSON("27_b", -601001))
		if late.Err == nil || len(r.wechat.arrived()) != 1 {
			t.Errorf("behind Close: %v, %d calls", late.Err, len(r.wechat.arrived()))
		}
		r.Close() // twice does no harm
	}
}

// Requests may still arrive while a config is taken down.
func TestCloseMayMeetRequests(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := newRig(t, new(fakeWeChat))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 20 {
					result := r.resolve(t, fmt.Sprint("27_", i, "_", j))
					if code := result.OpenData[0].Code; code != 0 && code != -601001 {
						t.Errorf("code %d", code)
					}
				}
			})
		}
		probe.Eventually(t, "calls under way", func() bool { return len(r.wechat.arrived()) > 3 })
		r.Close()
		wg.Wait()
	}
}
