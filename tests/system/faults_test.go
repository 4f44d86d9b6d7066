package system

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

const (
	// timeout is the account's, for all that one invocation asks of WeChat.
	timeout = 700 * time.Millisecond

	// grace is what may come on top on a machine that is busy.
	grace = 3 * time.Second
)

// Faults between gateway and WeChat, with a token at hand: what the function and the client see, what log and metrics say.
func TestFaultsOfTheNetwork(t *testing.T) {
	for _, f := range faults {
		t.Run(f.sentence, func(t *testing.T) {
			g, fn, fake, line := newGateway(t, "")
			if got := g.post(event(t, fake)); got.status != http.StatusOK { // which also fetches the token
				t.Fatal(got)
			}
			_, _ = fn.take(), logged.take()
			line.breakDown(t, f)
			counted := f.counts(tally{"wechat_calls_total getopendata " + f.errcode(): 1}).from(t)

			id := mint(t, fake)
			got := g.post(eventOf(id))
			wantOutcome(t, f, id, got, fn)
			wantLog(t, f, id)
			counted()
			wantUnharmed(t, g, fn)
		})
	}
}

// The same before there is a token: the fault befalls its fetch.
func TestFaultsOfTheNetworkBeforeThereIsAToken(t *testing.T) {
	for _, f := range faults {
		t.Run(f.sentence, func(t *testing.T) {
			g, fn, fake, line := newGateway(t, "")
			line.breakDown(t, f)
			_ = logged.take()
			counted := f.counts(f.countsOfToken()).from(t)
			id := mint(t, fake)
			got := g.post(eventOf(id))
			wantOutcome(t, f, id, got, fn)
			wantLog(t, f, id)
			counted()
			wantUnharmed(t, g, fn)
		})
	}
}

func TestFaultsOfTheNetworkMayBeRejected(t *testing.T) {
	for _, f := range faults {
		t.Run(f.sentence, func(t *testing.T) {
			g, fn, fake, line := newGateway(t, "on_error reject")
			line.breakDown(t, f)
			_ = logged.take()
			counts := f.countsOfToken()
			if f.want == 0 {
				counts = f.counts(counts)
			} else {
				counts["invocations_total upstream_error"] = 1
			}
			counted := counts.from(t)
			id := mint(t, fake)
			got := g.post(eventOf(id))
			want := map[int]int{0: http.StatusOK, wechat.CodeTimeout: http.StatusGatewayTimeout, wechat.CodeNetworkError: http.StatusBadGateway}[f.want]
			if got.status != want || got.took > timeout+grace {
				t.Errorf("status %d after %s, want %d", got.status, got.took, want)
			}
			if called := len(fn.take()) == 1; called != (f.want == 0) {
				t.Errorf("called the function: %t", called)
			}
			wantLog(t, f, id)
			counted()
			wantUnharmed(t, g, fn)
		})
	}
}

// The timeout is for all that one invocation asks of WeChat: what is borne once, with a token at hand, is too long twice.
func TestOneTimeoutForTokenAndOpenData(t *testing.T) {
	slow := fault{toxics: toxics("latency", "", fmt.Sprintf(`"latency":%d`, (timeout*2/3).Milliseconds()))}
	tooSlow := slow
	tooSlow.want, tooSlow.label = wechat.CodeTimeout, "timeout"
	g, fn, fake, line := newGateway(t, "")
	line.breakDown(t, slow)
	id := mint(t, fake)
	wantOutcome(t, tooSlow, id, g.post(eventOf(id)), fn)
	// The fetch of the token belongs to nobody, and went on.
	probe.Eventually(t, "there is a token", func() bool { return fake.Calls().GetOpenData > 0 })
	probe.Eventually(t, "open data within the timeout", func() bool {
		_ = g.post(eventOf(id))
		return fn.take()[0].keys == `{"keys":["weRunData"]}`
	})
}

// tally is by how much metrics are to grow, each known by its name and its labels' values.
type tally map[string]float64

// from takes note of where the metrics are, and returns what compares them.
func (want tally) from(t *testing.T) (compare func()) {
	t.Helper()
	read := func(key string) float64 {
		fields := strings.Fields(key)
		return probe.Metric(t, fields[0], fields[1:]...)
	}
	before := make(tally)
	for key := range want {
		before[key] = read(key)
	}
	return func() {
		t.Helper()
		for key, n := range want {
			if grown := read(key) - before[key]; grown != n {
				t.Errorf("the metric %s grew by %g, want %g", key, grown, n)
			}
		}
	}
}

// errcode is the label of the call of WeChat that the fault befalls.
func (f fault) errcode() string {
	if f.want == 0 {
		return "0"
	}
	return f.label
}

// counts is what an invocation adds to the metrics, with what its calls of WeChat do.
func (f fault) counts(calls tally) tally {
	outcome, result := "failed", fmt.Sprint(f.want)
	if f.want == 0 {
		outcome, result = "resolved", "ok"
	}
	calls["invocations_total "+outcome] = 1
	calls["ids_total "+result] = 1
	return calls
}

// countsOfToken is what the calls of WeChat add where there is no token yet.
func (f fault) countsOfToken() tally {
	const fetched, failed = "token_fetches_total " + appid + " ok", "token_fetches_total " + appid + " failed"
	switch f.label {
	case "":
		return tally{fetched: 1, failed: 0, "wechat_calls_total stable_token 0": 1, "wechat_calls_total getopendata 0": 1}
	case "network":
		return tally{fetched: 0, failed: 1, "wechat_calls_total stable_token network": 1, "wechat_calls_total getopendata network": 0}
	default: // a fetch that is too slow for one invocation goes on for others, and is not counted by then
		return tally{failed: 0, "wechat_calls_total stable_token network": 0, "wechat_calls_total getopendata network": 0}
	}
}

// newGateway starts a gateway with a network to a WeChat, and a function behind it.
func newGateway(t *testing.T, directive string) (gateway, *function, *sandbox.Server, network) {
	t.Helper()
	fake, url := startSandbox(t)
	line := newNetwork(t, url)
	fn := startFunction(t)
	address := freeport.Addr(t)
	account := fmt.Sprintf("secret %s\nendpoint http://%s\ntimeout %s\ncache off", secret, line.Listen, timeout)
	load(t, caddyfileOf(address, account, directive, fn.url))
	t.Cleanup(func() { stop(t) })
	return gateway{t, "http://" + address + "/fn"}, fn, fake, line
}

// mint returns a CloudID with 31 days of steps behind it.
func mint(t *testing.T, fake *sandbox.Server) string {
	t.Helper()
	id, err := fake.MintCloudID(sandbox.OpenData{OpenID: openid, Kind: "werun"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func eventOf(id string) string { return `{"n":1.10, "weRunData":"` + id + `" ,"z":[]}` }

func event(t *testing.T, fake *sandbox.Server) string {
	t.Helper()
	return eventOf(mint(t, fake))
}

func wantOutcome(t *testing.T, f fault, id string, got response, fn *function) {
	t.Helper()
	if got.status != http.StatusOK || got.body != "the function's response" || got.took > timeout+grace {
		t.Errorf("the client got %d %q after %s", got.status, got.body, got.took)
	}
	if f.label == "timeout" && got.took < timeout {
		t.Errorf("given up after %s", got.took)
	}
	calls := fn.take()
	if len(calls) != 1 {
		t.Fatalf("%d calls of the function", len(calls))
	}
	if f.want != 0 {
		object := fmt.Sprintf(`{"cloudID":%q,"errCode":%d,"errMsg":%q}`, id, f.want, wechat.OpenDataMessage(f.want))
		if want := strings.Replace(eventOf(id), `"`+id+`"`, object, 1); calls[0].body != want || calls[0].keys != `{"keys":[]}` {
			t.Errorf("the function got %s, keys %s, want %s", calls[0].body, calls[0].keys, want)
		}
		return
	}
	head, tail := `{"n":1.10, "weRunData":{"cloudID":"`+id+`","data":{"stepInfoList":[{`, `"watermark":{"appid":"`+appid+`"`
	if !strings.HasPrefix(calls[0].body, head) || !strings.Contains(calls[0].body, tail) || !strings.HasSuffix(calls[0].body, `}}} ,"z":[]}`) ||
		strings.Count(calls[0].body, `"step":`) != 31 || calls[0].keys != `{"keys":["weRunData"]}` {
		t.Errorf("the function got %s, keys %s", calls[0].body, calls[0].keys)
	}
}

// wantLog wants one line for an exchange that failed, with what to do about it and nothing to keep.
func wantLog(t *testing.T, f fault, id string) {
	t.Helper()
	text := logged.take()
	const message = "open data exchange failed"
	if f.want != 0 { // the line may come a little behind the response
		probe.Eventually(t, "the log line", func() bool {
			text += logged.take()
			return len(entries(t, text, message)) > 0
		})
	}
	lines := entries(t, text, message)
	if (len(lines) == 1) != (f.want != 0) {
		t.Errorf("logged %d lines: %s", len(lines), text)
	}
	for _, line := range lines {
		if line["level"] != "error" || line["logger"] != "cloudid" || line["appid"] != appid || line["errcode"] != f.label || line["cloudids"] != 1.0 {
			t.Errorf("logged %v", line)
		}
		if advice, _ := line["advice"].(string); !strings.Contains(advice, "network") {
			t.Errorf("advised %q", advice)
		}
	}
	for _, kept := range []string{id, id[3:20], openid, secret, "access_token", "88_"} {
		if strings.Contains(text, kept) {
			t.Errorf("the log says %q: %s", kept, text)
		}
	}
}

// wantUnharmed wants requests that need no WeChat to notice nothing of its absence.
func wantUnharmed(t *testing.T, g gateway, fn *function) {
	t.Helper()
	_ = fn.take()
	const plain = `{"n":1.10,"s":"no CloudID"}`
	got := g.post(plain)
	calls := fn.take()
	if got.status != http.StatusOK || got.took > timeout || len(calls) != 1 || calls[0].body != plain {
		t.Errorf("a request without CloudIDs: %d after %s, the function got %v", got.status, got.took, calls)
	}
}

// A black hole may not hold up more than the first few.
func TestTheBreaker(t *testing.T) {
	g, fn, fake, line := newGateway(t, "")
	if got := g.post(event(t, fake)); got.status != http.StatusOK {
		t.Fatal(got)
	}
	hole := fault{toxics: toxics("timeout", "", `"timeout":0`)}
	line.breakDown(t, hole)
	state := func() float64 { return probe.Metric(t, "breaker_state", appid, wechat.APIGetOpenData) }
	for i := range 5 { // of two users: one alone could not stop the others
		if got := g.postAs(fmt.Sprint(openid, i%2), event(t, fake)); got.took < timeout {
			t.Errorf("answered after %s", got.took)
		}
	}
	if state() != 2 {
		t.Fatalf("the breaker's state is %g after five failures", state())
	}
	_, _ = fn.take(), logged.take()
	for range 20 {
		id := mint(t, fake)
		got := g.post(eventOf(id))
		wantOutcome(t, fault{want: wechat.CodeTimeout}, id, got, fn)
		if got.took > timeout {
			t.Errorf("answered after %s although the breaker is open", got.took)
		}
	}
	if lines := entries(t, logged.take(), "open data exchange failed"); len(lines) != 0 {
		t.Errorf("logged %v, which is nothing new", lines)
	}

	line.Stop()
	line.Toxics.ResetToxics(t.Context())
	if err := line.Start(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	probe.Eventually(t, "the breaker closes by itself", func() bool {
		_ = fn.take()
		_ = g.post(event(t, fake))
		return fn.take()[0].keys == `{"keys":["weRunData"]}`
	})
	if took := time.Since(start); took > 10*time.Second || state() != 0 {
		t.Errorf("closed after %s, state %g", took, state())
	}
}

// A response that nobody waits for any more still arrives for the others.
func TestAClientThatHangsUp(t *testing.T) {
	g, fn, fake, line := newGateway(t, "")
	if got := g.post(event(t, fake)); got.status != http.StatusOK {
		t.Fatal(got)
	}
	_ = fn.take()
	line.breakDown(t, fault{toxics: toxics("latency", "", `"latency":500`)})
	before, asked := probe.Metric(t, "invocations_total", "canceled"), fake.Calls().GetOpenData
	id := mint(t, fake)
	client := &http.Client{Timeout: 100 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url, strings.NewReader(eventOf(id)))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-User", openid)
		res, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			t.Error("answered before it could hang up")
		}
	}()
	probe.Eventually(t, "the exchange is under way", func() bool { return fake.Calls().GetOpenData == asked+1 })
	got := g.post(eventOf(id))
	wantOutcome(t, fault{}, id, got, fn)
	if n := fake.Calls().GetOpenData - asked; n != 1 {
		t.Errorf("%d calls", n)
	}
	probe.Eventually(t, "the first invocation is counted as abandoned", func() bool { return probe.Metric(t, "invocations_total", "canceled") == before+1 })
}
