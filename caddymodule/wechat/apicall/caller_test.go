package apicall_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

var (
	busy        = &wechat.Error{API: "test", Code: -1}
	rejected    = &wechat.Error{API: "test", Code: 40001}
	networkDown = &wechat.NetworkError{API: "test"}
	tooLate     = &wechat.NetworkError{API: "test", Timeout: true}
	notWeChats  = &wechat.ResponseError{API: "test"}
)

// newCaller returns a caller with a breaker and slots of its own.
func newCaller(tokens apicall.TokenSource, retries int) *apicall.Caller {
	return apicall.NewCaller(apicall.Config{API: "test", Tokens: tokens, Retries: retries})
}

// script is a WeChat that fails as it is told: its first call with the first error, and so on; then all is well.
type script struct {
	errors []error
	calls  []time.Time
	tokens []string
}

func (s *script) call(_ context.Context, token string) (string, error) {
	n := len(s.calls)
	s.calls = append(s.calls, time.Now())
	s.tokens = append(s.tokens, token)
	if n < len(s.errors) {
		return "", s.errors[n]
	}
	return "fine", nil
}

func codes(list ...int) []error {
	errs := make([]error, 0, len(list))
	for _, code := range list {
		errs = append(errs, &wechat.Error{API: "test", Code: code})
	}
	return errs
}

// What is asked again, and how often (WECHAT.md, section 5; DESIGN.md, retries).
func TestWhatIsAskedAgain(t *testing.T) {
	for _, test := range []struct {
		sentence string
		retries  int
		errors   []error
		calls    int
		want     int // the errcode that the caller sees
		rejected []string
	}{
		{"what goes well is asked once", 2, nil, 1, 0, nil},
		{"a busy WeChat is asked again", 2, codes(-1), 2, 0, nil},
		{"as often as retries says", 2, codes(-1, -1), 3, 0, nil},
		{"and not more often", 2, codes(-1, -1, -1), 3, -1, nil},
		{"retries 0 means not at all", 0, codes(-1), 1, -1, nil},
		{"a token that is invalid is replaced, and the call made again", 2, codes(40001), 2, 0, []string{"t1"}},
		{"the same with the other name for that", 2, codes(40014), 2, 0, []string{"t1"}},
		{"and with a token that has expired", 2, codes(42001), 2, 0, []string{"t1"}},
		{"also without retries, since this is none", 0, codes(42001), 2, 0, []string{"t1"}},
		{"but once only", 2, codes(40001, 42001), 2, 42001, []string{"t1"}},
		{"a new token and a busy WeChat are different matters", 2, codes(-1, 40001, -1), 4, 0, []string{"t1"}},
		{"in any order", 1, codes(40001, -1, -1), 3, -1, []string{"t1"}},
		{"a bad openid is not asked for again", 2, codes(40003), 1, 40003, nil},
		{"nor what is not on the whitelist", 2, codes(40164), 1, 40164, nil},
		{"nor with a wrong AppID", 2, codes(40013), 1, 40013, nil},
		{"nor with a wrong secret", 2, codes(40125), 1, 40125, nil},
		{"nor beyond a quota", 2, codes(45009), 1, 45009, nil},
		{"nor too frequently", 2, codes(45011), 1, 45011, nil},
		{"nor without the permission", 2, codes(48001), 1, 48001, nil},
		{"nor what is malformed", 2, codes(40097), 1, 40097, nil},
		{"nor what WeChat has said of a CloudID", 2, codes(-601006), 1, -601006, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{errors: test.errors}
			tokens := new(fakeTokens)
			got, err := apicall.Do(t.Context(), newCaller(tokens, test.retries), apicall.Call{}, s.call)
			if wechat.Code(err) != test.want || (err == nil) != (test.want == 0) || (got == "fine") != (err == nil) {
				t.Errorf("%s: got %q, %v", test.sentence, got, err)
			}
			if len(s.calls) != test.calls || !slices.Equal(tokens.rejected, test.rejected) {
				t.Errorf("%s: %d calls, want %d; rejected %s", test.sentence, len(s.calls), test.calls, tokens.rejected)
			}
			if len(tokens.rejected) > 0 && s.tokens[len(s.tokens)-1] != "t2" {
				t.Errorf("%s: the last call had the token %s", test.sentence, s.tokens[len(s.tokens)-1])
			}
		})
	}
}

func TestFaultsOfTheNetworkAreNotAskedAgain(t *testing.T) {
	for _, failure := range []error{networkDown, tooLate, notWeChats} {
		s := &script{errors: []error{failure}}
		_, err := apicall.Do(t.Context(), newCaller(new(fakeTokens), 2), apicall.Call{}, s.call)
		if !errors.Is(err, failure) || len(s.calls) != 1 {
			t.Errorf("%v: %d calls", err, len(s.calls))
		}
	}
}

func TestPausesGrowAndDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			s := &script{errors: codes(-1, -1, -1, -1)}
			if _, err := apicall.Do(t.Context(), newCaller(new(fakeTokens), 4), apicall.Call{}, s.call); err != nil {
				t.Fatal(err)
			}
			for i, longest := range []time.Duration{100, 200, 400, 800} {
				longest *= time.Millisecond
				pause := s.calls[i+1].Sub(s.calls[i])
				if pause < longest/2 || pause > longest {
					t.Errorf("pause %d was %s, want %s to %s", i+1, pause, longest/2, longest)
				}
				seen[pause] = true
			}
		}
		if len(seen) < 40 {
			t.Error("the pauses hardly differ: callers would come back all at once")
		}
	})
}

// timeout is for all that one invocation asks of WeChat, retries included.
func TestRetriesKeepTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, timeout := range []time.Duration{20 * time.Millisecond, 120 * time.Millisecond, 500 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			s := &script{errors: slices.Repeat([]error{busy}, 100)}
			start := time.Now()
			_, err := apicall.Do(ctx, newCaller(new(fakeTokens), 10), apicall.Call{}, s.call)
			if wechat.Code(err) != -1 || ctx.Err() != nil {
				t.Errorf("timeout %s: %v after %s: what cannot be in time should not be waited for", timeout, err, time.Since(start))
			}
			cancel()
		}
	})
}

func TestAPauseEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		start := time.Now()
		s := &script{errors: slices.Repeat([]error{busy}, 100)}
		_, err := apicall.Do(ctx, newCaller(new(fakeTokens), 10), apicall.Call{}, s.call)
		if err == nil || len(s.calls) != 1 || time.Since(start) != 10*time.Millisecond {
			t.Errorf("%v after %s and %d calls", err, time.Since(start), len(s.calls))
		}
	})
}

func TestWithoutATokenNothingIsCalled(t *testing.T) {
	tokens := &fakeTokens{err: &wechat.Error{API: wechat.APIStableToken, Code: 40125}}
	s := new(script)
	_, err := apicall.Do(t.Context(), newCaller(tokens, 2), apicall.Call{}, s.call)
	if wechat.Code(err) != 40125 || len(s.calls) != 0 || len(tokens.rejected) != 0 {
		t.Errorf("%v, %d calls, rejected %s", err, len(s.calls), tokens.rejected)
	}
	tokens.err = &wechat.Error{API: wechat.APIStableToken, Code: 40001} // said of the secret, not of a token
	if _, err = apicall.Do(t.Context(), newCaller(tokens, 2), apicall.Call{}, s.call); len(tokens.rejected) != 0 {
		t.Errorf("%v, rejected %s", err, tokens.rejected)
	}
}

// The breaker, on a clock of its own.

func TestTheBreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller := newCaller(new(fakeTokens), 0)
		state := caller.Breaker.State
		s := &script{errors: slices.Repeat([]error{tooLate}, 6)} // five that open it, and one trial
		ask := func() error {
			_, err := apicall.Do(t.Context(), caller, apicall.Call{}, s.call)
			return err
		}
		for i := range 5 {
			if state() != apicall.Closed {
				t.Fatalf("open after %d failures", i)
			}
			if err := ask(); !errors.Is(err, tooLate) || isOpen(err) {
				t.Fatalf("failure %d: %v", i+1, err)
			}
		}
		for range 100 {
			start := time.Now()
			err := ask()
			if !isOpen(err) || time.Since(start) != 0 {
				t.Fatalf("an open breaker must answer at once: %v after %s", err, time.Since(start))
			}
			if !wechat.IsTimeout(err) || wechat.MetricLabel(err) != "timeout" || wechat.ErrCode(err) != wechat.CodeTimeout {
				t.Errorf("it must answer for the failure that opened it: %v", err)
			}
			if !strings.Contains(err.Error(), "5 failures") || wechat.Advice(err) == "" {
				t.Errorf("it must say what goes on: %v; advice %q", err, wechat.Advice(err))
			}
		}
		if len(s.calls) != 5 || state() != apicall.Open {
			t.Fatalf("%d calls while open, state %s", len(s.calls), state())
		}
		time.Sleep(5*time.Second + 1)
		if err := ask(); isOpen(err) || !errors.Is(err, tooLate) || state() != apicall.Open {
			t.Errorf("the first trial: %v, state %s", err, state())
		}
		if err := ask(); !isOpen(err) {
			t.Errorf("a trial that failed opens it again: %v", err)
		}
		time.Sleep(5*time.Second + 1)
		if err := ask(); err != nil || state() != apicall.Closed {
			t.Errorf("the second trial: %v, state %s", err, state())
		}
		for range 10 {
			if err := ask(); err != nil {
				t.Error("closed again, ", err)
			}
		}
	})
}

func isOpen(err error) bool {
	_, open := errors.AsType[*apicall.BreakerOpenError](err)
	return open
}

func TestOneCallTriesAgainAndTheOthersDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller := newCaller(new(fakeTokens), 0)
		fail := &script{errors: slices.Repeat([]error{networkDown}, 5)}
		for range 5 {
			_, _ = apicall.Do(t.Context(), caller, apicall.Call{}, fail.call)
		}
		time.Sleep(5*time.Second + 1)
		trial := make(chan error)
		release := make(chan struct{})
		go func() {
			_, err := apicall.Do(t.Context(), caller, apicall.Call{}, func(context.Context, string) (string, error) {
				<-release
				return "fine", nil
			})
			trial <- err
		}()
		synctest.Wait()
		if got := caller.Breaker.State(); got != apicall.HalfOpen {
			t.Errorf("state %s on trial", got)
		}
		if _, err := apicall.Do(t.Context(), caller, apicall.Call{}, fail.call); !isOpen(err) || wechat.ErrCode(err) != wechat.CodeNetworkError {
			t.Errorf("beside a trial: %v", err)
		}
		close(release)
		if err := <-trial; err != nil {
			t.Error(err)
		}
		if _, err := apicall.Do(t.Context(), caller, apicall.Call{}, fail.call); err != nil {
			t.Error("behind a trial that went well: ", err)
		}
	})
}

func TestWhatOpensTheBreaker(t *testing.T) {
	const never, opens = false, true
	for _, test := range []struct {
		sentence string
		err      error
		want     bool
	}{
		{"time-outs do", tooLate, opens},
		{"a deadline before the token was there does", context.DeadlineExceeded, opens},
		{"faults of the network do", networkDown, opens},
		{"answers that are not WeChat's do", notWeChats, opens},
		{"a WeChat that stays busy does", busy, opens},
		{"tokens that are rejected do", rejected, opens},
		{"a wrong secret does", codes(40125)[0], opens},
		{"an address that is not on the whitelist does", codes(40164)[0], opens},
		{"a quota does", codes(45009)[0], opens},
		{"an app without the permission does", codes(48001)[0], opens},
		{"a bad openid does not: one user must not stop all others", codes(40003)[0], never},
		{"a bad id does not", codes(40097)[0], never},
		{"an empty request does not", codes(44002)[0], never},
		{"a malformed request does not", codes(47001)[0], never},
		{"an invalid CloudID does not", codes(-601005)[0], never},
		{"an expired CloudID does not", codes(-601006)[0], never},
		{"another user's CloudID does not", codes(-601007)[0], never},
		{"a user without a phone does not", codes(-601009)[0], never},
		{"who gives up does not", context.Canceled, never},
	} {
		synctest.Test(t, func(t *testing.T) {
			caller := newCaller(new(fakeTokens), 0)
			s := &script{errors: slices.Repeat([]error{test.err}, 1000)}
			for range 50 {
				_, _ = apicall.Do(t.Context(), caller, apicall.Call{}, s.call)
			}
			_, err := apicall.Do(t.Context(), caller, apicall.Call{}, s.call)
			if isOpen(err) != test.want {
				t.Errorf("%s: got %v", test.sentence, err)
			}
			if test.want != never {
				return
			}
			// And between failures that do, it neither helps nor hurts.
			mixed := newCaller(new(fakeTokens), 0)
			for range 4 {
				_, _ = apicall.Do(t.Context(), mixed, apicall.Call{}, (&script{errors: []error{tooLate}}).call)
				_, _ = apicall.Do(t.Context(), mixed, apicall.Call{}, (&script{errors: []error{test.err}}).call)
			}
			if _, err := apicall.Do(t.Context(), mixed, apicall.Call{}, new(script).call); err != nil {
				t.Errorf("%s: after four time-outs: %v", test.sentence, err)
			}
		})
	}
}

func TestASuccessEndsARunOfFailures(t *testing.T) {
	caller := newCaller(new(fakeTokens), 0)
	for round := range 5 {
		s := &script{errors: slices.Repeat([]error{networkDown}, 4)}
		for i := range 5 {
			if _, err := apicall.Do(t.Context(), caller, apicall.Call{}, s.call); isOpen(err) {
				t.Fatal("round " + strconv.Itoa(round) + ", call " + strconv.Itoa(i) + ": it is open")
			}
		}
	}
}

func TestATrialThatSaysNothingOfWeChatIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller := newCaller(new(fakeTokens), 0)
		s := &script{errors: append(slices.Repeat([]error{tooLate}, 5), context.Canceled, codes(40003)[0])}
		for range 5 {
			_, _ = apicall.Do(t.Context(), caller, apicall.Call{}, s.call)
		}
		time.Sleep(5*time.Second + 1)
		for _, want := range []string{"context canceled", "40003", ""} {
			_, err := apicall.Do(t.Context(), caller, apicall.Call{}, s.call)
			if isOpen(err) || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	})
}
