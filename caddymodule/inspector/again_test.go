package inspector_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const appid = "wx3d289323f5900f8e"

// startAt runs an inspector that captures, and whose account asks WeChat at an endpoint.
func startAt(t *testing.T, endpoint string) *rig {
	t.Helper()
	r := &rig{t, freeport.Addr(t)}
	caddyrig.Load(t, strings.Replace(r.caddyfile("capture"), "secret made-up", "endpoint "+endpoint+"\nsecret made-up", 1))
	return r
}

// handled is a call that was sent again, as the handlers behind the inspector see it.
type handled struct {
	line, contentType, body string
	caller                  invocation.Credentials
}

// again publishes a call, sends it again, and returns what a page is told and what was handled. respond responds to it.
func (r *rig) again(record invocation.Record, respond func(http.ResponseWriter) error) (status int, told string, got *handled) {
	r.Helper()
	record.Done = true
	record.Capture.Again = func(w http.ResponseWriter, req *http.Request) error {
		body, _ := io.ReadAll(req.Body)
		caller, _ := invocation.CallerOf(req.Context())
		got = &handled{fmt.Sprint(req.Method, " ", req.Host, " ", req.RequestURI, " ", req.URL.RawQuery), strings.Join(req.Header["Content-Type"], " and "), string(body), caller}
		if types, ok := req.Header["Content-Type"]; ok && types[0] == "" {
			got.contentType = "an empty one"
		}
		return respond(w)
	}
	status, _, told = r.request(http.MethodPost, fmt.Sprint("/again?seq=", r.publish(record)))
	return status, strings.TrimSpace(told), got
}

func respondNothing(http.ResponseWriter) error { return nil }

func TestACallIsSentAgainAsItCame(t *testing.T) {
	r := startAt(t, "http://127.0.0.1:1")
	record := invocation.Record{Method: "PUT", Host: "fn.example", AppID: appid, Capture: &invocation.Capture{
		URI: "/fn/a%2Fb?x=%20", ContentType: "application/json", OpenID: "o-1", UnionID: "u-1", Received: []byte(`{"n" : 1.10}`),
	}}
	status, told, got := r.again(record, respondNothing)
	want := handled{"PUT fn.example /fn/a%2Fb?x=%20 x=%20", "application/json", `{"n" : 1.10}`, invocation.Credentials{AppID: appid, OpenID: "o-1", UnionID: "u-1"}}
	if status != http.StatusOK || got == nil || *got != want || told != `{"status":200,"fresh":false}` {
		t.Errorf("%d %s, handled %+v", status, told, got)
	}
	record.Capture.ContentType = ""
	if _, _, got := r.again(record, respondNothing); got.contentType != "" {
		t.Errorf("a Content-Type was made up: %s", got.contentType)
	}
}

func TestAPageIsToldTheStatusOfACallThatIsSentAgain(t *testing.T) {
	r := startAt(t, "http://127.0.0.1:1")
	for _, test := range []struct {
		it      string
		respond func(http.ResponseWriter) error
		want    string
	}{
		{"a body alone", func(w http.ResponseWriter) error { _, err := io.WriteString(w, "x"); return err }, `{"status":200,"fresh":false}`},
		{"hints, and then the response", func(w http.ResponseWriter) error {
			w.Header().Set("Link", "x")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
			w.WriteHeader(http.StatusInternalServerError) // too late
			return nil
		}, `{"status":201,"fresh":false}`},
		{"a rejection", func(http.ResponseWriter) error { return caddyhttp.Error(413, errors.New("too large")) }, `{"status":413,"fresh":false,"reason":"too large"}`},
	} {
		status, told, _ := r.again(invocation.Record{Method: "POST", Host: "x", AppID: appid, Capture: &invocation.Capture{URI: "/"}}, test.respond)
		if status != http.StatusOK || told != test.want {
			t.Errorf("%s: %d %s, want %s", test.it, status, told, test.want)
		}
	}
}

func TestCallsThatCannotBeSentAgain(t *testing.T) {
	r := startAt(t, "http://127.0.0.1:1")
	handle := func(http.ResponseWriter, *http.Request) error { t.Error("it was sent"); return nil }
	for _, test := range []struct {
		it     string
		record invocation.Record
		status int
	}{
		{"no bodies were kept", invocation.Record{Method: "POST", Host: "x"}, 404},
		{"the config was reloaded", invocation.Record{Method: "POST", Host: "x", Capture: &invocation.Capture{URI: "/"}}, 409},
		{"a part of the body is missing", invocation.Record{Method: "POST", Host: "x", Capture: &invocation.Capture{URI: "/", Truncated: true, Again: handle}}, 409},
		{"its method is none", invocation.Record{Method: "P T", Host: "x", Capture: &invocation.Capture{URI: "/", Again: handle}}, 409},
	} {
		test.record.Done = true
		if status, _, body := r.request(http.MethodPost, fmt.Sprint("/again?seq=", r.publish(test.record))); status != test.status {
			t.Errorf("%s: %d %s, want %d", test.it, status, body, test.status)
		}
	}
	for _, path := range []string{"/again", "/again?seq=x", "/capture?seq=-1"} {
		if status, _, body := r.request(map[bool]string{true: "POST", false: "GET"}[strings.HasPrefix(path, "/again")], path); status != 400 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, _ := r.request(http.MethodPost, "/again?seq=18446744073709551615"); status != 404 {
		t.Errorf("a call that never was: %d", status)
	}
}

// The sandbox's CloudIDs and encrypted data end as WeChat's do, so those of a call that is sent again are fresh.
func TestInTheSandboxWhatIsSentAgainIsFresh(t *testing.T) {
	fake := sandbox.New()
	server := httptest.NewServer(fake)
	defer server.Close()
	mint := func() string {
		id, err := fake.MintCloudID(sandbox.OpenData{OpenID: "o-1", Kind: "werun"})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	login, err := http.Get(server.URL + "/sns/jscode2session?grant_type=authorization_code&appid=" + appid + "&secret=s&js_code=" + mintCode(t, fake))
	if err != nil {
		t.Fatal(err)
	}
	_ = login.Body.Close()
	sealed, err := fake.Encrypt(sandbox.OpenData{OpenID: "o-1", Kind: "phone"})
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := mint(), "27_"+strings.Repeat("Unknown", 8)
	object, _ := json.Marshal(sealed)
	send := func(endpoint, body string) (told, sent string) {
		t.Helper()
		record := invocation.Record{Method: "POST", Host: "x", AppID: appid, Capture: &invocation.Capture{URI: "/", Received: []byte(body)}}
		_, told, got := startAt(t, endpoint).again(record, respondNothing)
		return told, got.body
	}

	body := `{"a":"` + known + `","b":{"cloudID":"` + known + `"},"c":"` + unknown + `"}`
	told, sent := send(server.URL, body)
	var event struct {
		A, C string
		B    struct{ CloudID string }
	}
	if err := json.Unmarshal([]byte(sent), &event); err != nil || event.A == known || event.A != event.B.CloudID || event.C != unknown || told != `{"status":200,"fresh":true}` {
		t.Errorf("CloudIDs: %s, sent %s", told, sent)
	}
	if told, sent := send(server.URL, `{"c":"`+unknown+`"}`); sent != `{"c":"`+unknown+`"}` || told != `{"status":200,"fresh":false}` {
		t.Errorf("what the sandbox does not know: %s, sent %s", told, sent)
	}

	body = `{"x":[{"phone":` + string(object) + `}],"iv":1}`
	told, sent = send(server.URL, body)
	var nested struct {
		X []struct{ Phone sandbox.Encrypted }
	}
	if err := json.Unmarshal([]byte(sent), &nested); err != nil || nested.X[0].Phone.Data == sealed.Data || nested.X[0].Phone.Data == "" || nested.X[0].Phone.IV == sealed.IV ||
		told != `{"status":200,"fresh":true}` {
		t.Errorf("encrypted data: %s, sent %s", told, sent)
	}

	// WeChat itself is asked for nothing of the kind.
	var ids []string
	for range 12 {
		ids = append(ids, mint())
	}
	many := strings.Join(ids, ",")
	if _, sent := send(server.URL, many); sent == many || strings.Contains(sent, ids[9]) || !strings.HasSuffix(sent, ids[10]+","+ids[11]) {
		t.Error("ten CloudIDs of a call are replaced, and no more")
	}
	if told, sent := send("https://api.weixin.qq.com", many); sent != many || told != `{"status":200,"fresh":false}` {
		t.Errorf("outside of a sandbox: %s", told)
	}
}

func mintCode(t *testing.T, fake *sandbox.Server) string {
	t.Helper()
	code, err := fake.MintCode(sandbox.Login{OpenID: "o-1"})
	if err != nil {
		t.Fatal(err)
	}
	return code
}
