package sandbox_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

// fail makes the next getopendata call suffer a fault, posted as JSON, and returns what that call got.
func (g rig) fail(fault string) reply {
	g.t.Helper()
	g.order(fault)
	return g.ask("o1", steps, group, phone)
}

func (g rig) order(fault string) {
	g.t.Helper()
	r := g.post("/sandbox/fault", `{"api":"getopendata",`+fault+`}`)
	if r.status != http.StatusOK {
		g.t.Fatalf("the fault was rejected: %s", r.body)
	}
}

func (g rig) wantWell() {
	g.t.Helper()
	if r := g.ask("o1", steps, group, phone); r.status != 200 || r.number("errcode") != 0 || len(r.items()) != 3 {
		g.t.Errorf("the call after the fault did not go well: %.200s", r.body)
	}
}

func TestErrcodeFaultHasWeChatsMessage(t *testing.T) {
	g := newRig(t)
	for errcode, message := range map[int]string{
		-1:      "system error",
		40001:   "invalid credential, access_token is invalid or not latest",
		40164:   "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist",
		45009:   "reach max api daily quota limit",
		-601006: "cloudID expired.",
		12345:   "sandbox: no message known for this errcode",
	} {
		r := g.fail(`"errcode":` + strconv.Itoa(errcode))
		r.wantErrcode(errcode)
		got, _, _ := strings.Cut(r.text("errmsg"), " rid: ")
		wantText(t, "errmsg", got, message)
		g.wantWell()
	}
}

func TestFaultsInPlaceOfTheResponse(t *testing.T) {
	g := newRig(t)
	t.Run("status: that status and a page of HTML", func(t *testing.T) {
		g := g.in(t)
		r := g.fail(`"status":502`)
		if r.status != 502 || !strings.HasPrefix(r.body, "<html>") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("garbage: a page of HTML with 200, or the given text", func(t *testing.T) {
		g := g.in(t)
		if r := g.fail(`"garbage":true`); r.status != 200 || !strings.HasPrefix(r.body, "<html>") {
			t.Errorf("%d %s", r.status, r.body)
		}
		wantText(t, "the body", g.fail(`"garbage":"{\"errcode\":"`).body, `{"errcode":`)
		wantText(t, "the body", g.fail(`"garbage":""`).body, ``)
	})
	t.Run("null: success without data", func(t *testing.T) {
		g := g.in(t)
		wantText(t, "the body", g.fail(`"null":true`).body, `{"errcode":0,"errmsg":"ok"}`)
	})
	t.Run("drop: no response", func(t *testing.T) {
		g := g.in(t)
		g.order(`"drop":true`)
		if r, err := g.do("POST", "/wxa/getopendata"+query(g.token(), "o1"), `{"cloudid_list":["x"]}`); err == nil {
			t.Errorf("the call was answered: %d %s", r.status, r.body)
		}
	})
	g.wantWell()
}

func TestFaultsThatHappenToTheRealResponse(t *testing.T) {
	g := newRig(t)
	well := g.ask("o1", steps, group, phone)
	t.Run("half: the Content-Length of all, the bytes of half", func(t *testing.T) {
		g := g.in(t)
		g.order(`"half":true`)
		r, err := g.do("POST", "/wxa/getopendata"+query(g.token(), "o1"), `{"cloudid_list":["`+steps+`","`+group+`","`+phone+`"]}`)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("reading ended with %v", err)
		}
		wantText(t, "the body", r.body, well.body[:len(well.body)/2])
	})
	t.Run("huge: more than 5 MB, well otherwise", func(t *testing.T) {
		g := g.in(t)
		r := g.fail(`"huge":true`)
		if len(r.body) < 5_000_000 || len(r.items()) != 3 {
			t.Errorf("%d bytes, %d items", len(r.body), len(r.items()))
		}
	})
	t.Run("latency: late, then well", func(t *testing.T) {
		g := g.in(t)
		for _, latency := range []string{`0.02`, `"20ms"`} {
			start := time.Now()
			wantText(t, "the body", g.fail(`"latency":`+latency).body, well.body)
			if took := time.Since(start); took < 20*time.Millisecond {
				t.Errorf("took %v", took)
			}
		}
	})
	g.wantWell()
}

func TestFaultsOfTheList(t *testing.T) {
	g := newRig(t)
	order := func(r reply) string {
		names := map[string]string{steps: "steps", group: "group", phone: "phone"}
		var got []string
		for _, it := range r.items() {
			name, ok := names[it.CloudID]
			if !ok {
				name = "other"
			}
			got = append(got, name)
		}
		return strings.Join(got, " ")
	}
	for fault, want := range map[string]string{
		"wrong_ids": "other other other",
		"swap":      "phone group steps",
		"duplicate": "steps steps group phone",
		"missing":   "steps group",
	} {
		wantText(t, fault, order(g.fail(`"`+fault+`":true`)), want)
		g.wantWell()
	}
	if items := g.fail(`"empty":true`).items(); string(items[0].JSON) != `""` || items[1].Text == "" {
		t.Errorf("empty: items are %v", items)
	}
	if items := g.fail(`"object":true`).items(); items[0].JSON[0] != '{' || items[2].JSON[0] != '{' {
		t.Errorf("object: items are %s", items)
	}
	g.wantWell()

	g.order(`"missing":true`)
	if r := g.ask("o1", steps); len(r.items()) != 0 || !strings.HasSuffix(r.body, `"data_list":[]}`) {
		t.Errorf("missing: the only item is still there: %s", r.body)
	}
	g.order(`"swap":true`)
	g.ask("o 1", steps).wantErrcode(40003)
	g.wantWell()
}

func TestFaultsQueueUpAndCount(t *testing.T) {
	g := newRig(t)
	g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: -1, Times: 2})
	g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: 45009})
	g.fault(sandbox.Fault{API: "stable_token", Kind: "errcode", Code: 40125})
	g.stable("").wantErrcode(40125)
	for _, errcode := range []int{-1, -1, 45009, 0} {
		g.ask("o1", steps).wantErrcode(errcode)
	}
}

func TestFaultInPlaceOfTheResponseChangesNothing(t *testing.T) {
	g := newRig(t)
	code := g.code(sandbox.Login{OpenID: "o1"})
	g.fault(sandbox.Fault{API: "jscode2session", Kind: "errcode", Code: -1})
	g.login(code).wantErrcode(-1)
	g.login(code).wantErrcode(0)

	token := g.token()
	g.fault(sandbox.Fault{API: "stable_token", Kind: "status", Code: 500})
	g.stable(`,"force_refresh":true`)
	wantText(t, "the token", g.token(), token)
}

func TestLatencyEndsWhenTheClientGoesAway(t *testing.T) {
	over := make(chan struct{})
	wechat := sandbox.New()
	g := newRig(t)
	g.url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		wechat.ServeHTTP(w, r)
		close(over)
	})
	if err := wechat.Fault(sandbox.Fault{API: "token", Kind: "latency", Latency: time.Hour}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/cgi-bin/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the call ended with %v", err)
	}
	select {
	case <-over:
	case <-time.After(10 * time.Second):
		t.Error("the handler still waits")
	}
}

func TestFaultRejects(t *testing.T) {
	for _, c := range []struct {
		it string
		f  sandbox.Fault
	}{
		{"an unknown api", sandbox.Fault{API: "/wxa/getopendata", Kind: "drop"}},
		{"an unknown kind", sandbox.Fault{API: "token", Kind: "explode"}},
		{"no kind", sandbox.Fault{API: "token"}},
		{"a fault of the list for an api without one", sandbox.Fault{API: "token", Kind: "swap"}},
		{"a negative number of times", sandbox.Fault{API: "token", Kind: "drop", Times: -1}},
		{"errcode 0", sandbox.Fault{API: "token", Kind: "errcode"}},
		{"a status that ends no response", sandbox.Fault{API: "token", Kind: "status", Code: 100}},
		{"a status below all", sandbox.Fault{API: "token", Kind: "status", Code: 199}},
		{"a status beyond all", sandbox.Fault{API: "token", Kind: "status", Code: 600}},
		{"no latency", sandbox.Fault{API: "token", Kind: "latency"}},
		{"a latency below none", sandbox.Fault{API: "token", Kind: "latency", Latency: -1}},
	} {
		t.Run(c.it, func(t *testing.T) {
			if sandbox.New().Fault(c.f) == nil {
				t.Error("no error")
			}
		})
	}
	for _, code := range []int{200, 599} {
		if err := sandbox.New().Fault(sandbox.Fault{API: "token", Kind: "status", Code: code}); err != nil {
			t.Errorf("status %d: %v", code, err)
		}
	}
}
