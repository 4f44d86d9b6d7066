package inspector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

func TestWhoIsLetIn(t *testing.T) {
	r := start(t, "")
	with := func(name, value string) func(*http.Request) {
		return func(req *http.Request) {
			if name == "Host" {
				req.Host = value
			}
			req.Header.Set(name, value)
		}
	}
	for _, c := range []struct {
		sentence, method, path string
		change                 []func(*http.Request)
		want                   int
	}{
		{"this machine by its address", "GET", "/calls.json", nil, 200},
		{"the page's own fetch", "GET", "/calls.json", []func(*http.Request){with("Sec-Fetch-Site", "same-origin"), with("Sec-Fetch-Mode", "cors")}, 200},
		{"a link on another site that opens the page", "GET", "/", []func(*http.Request){with("Sec-Fetch-Site", "cross-site"), with("Sec-Fetch-Mode", "navigate")}, 200},
		{"a fetch by a page of another site", "GET", "/calls.json", []func(*http.Request){with("Sec-Fetch-Site", "cross-site"), with("Sec-Fetch-Mode", "cors")}, 403},
		{"a fetch by a page of another port of this machine", "GET", "/calls.json", []func(*http.Request){with("Sec-Fetch-Site", "same-site"), with("Sec-Fetch-Mode", "cors")}, 403},
		{"a form of another site", "POST", "/clear", []func(*http.Request){with("X-Inspector", "")}, 403},
		{"the page's own button", "POST", "/clear", nil, 204},
		{"the head of the page, as curl -I asks for it", "HEAD", "/", []func(*http.Request){with("X-Inspector", "")}, 200},
		{"a head of what only a POST may ask", "HEAD", "/clear", []func(*http.Request){with("X-Inspector", "")}, 405},
		{"a head, asked for by a page of another site", "HEAD", "/", []func(*http.Request){with("Sec-Fetch-Site", "cross-site"), with("Sec-Fetch-Mode", "navigate")}, 403},
		{"a wrong method", "GET", "/clear", nil, 405},
		{"a wrong method for the page", "PUT", "/", nil, 405},
		{"a call that is not kept", "GET", "/capture?seq=1", nil, 404},
		{"a call without a number", "GET", "/capture?seq=x", nil, 400},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if status, _, body := r.request(c.method, c.path, c.change...); status != c.want {
				t.Errorf("%d, want %d: %s", status, c.want, body)
			}
		})
	}
}

// Who is not let in, or asks wrongly, is told why.
func TestWhatTheInspectorRejectsHasWords(t *testing.T) {
	r := start(t, "")
	for _, test := range []struct {
		method, path string
		change       func(*http.Request)
		status       int
		says         string
	}{
		{"POST", "/clear", func(req *http.Request) { req.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "the inspector does not answer pages of other sites\n"},
		{"GET", "/clear", func(*http.Request) {}, 405, "this answers POST only\n"},
		{"GET", "/capture?seq=1", func(*http.Request) {}, 404, "this call is not kept any more\n"},
	} {
		if status, _, body := r.request(test.method, test.path, test.change); status != test.status || !strings.HasPrefix(body, test.says) {
			t.Errorf("%s %s: %d, %q", test.method, test.path, status, body)
		}
	}
}

func TestNamesOfTheSite(t *testing.T) {
	r := start(t, "")
	port := r.address[strings.LastIndexByte(r.address, ':'):]
	config := `{"admin":{"disabled":true},"apps":{"cloudid":{"accounts":{"wx3d289323f5900f8e":{"secret":"made-up-but-long-enough"}}},"http":{"servers":{"s":{"listen":["127.0.0.1` + port + `"],"automatic_https":{"disable":true},"routes":[
		{"match":[{"host":["inspector.example"]}],"handle":[{"handler":"cloudid_inspector"}]},
		{"handle":[{"handler":"cloudid_inspector"}]}]}}}}}`
	caddyrig.LoadJSON(t, []byte(config))
	for host, want := range map[string]int{
		"127.0.0.1" + port:             200,
		"[::1]" + port:                 200,
		"localhost" + port:             200,
		"LOCALHOST." + port:            200,
		"a.localhost" + port:           200,
		"inspector.example" + port:     200,
		"rebound.attacker" + port:      403,
		"127.0.0.1.attacker" + port:    403,
		"localhost.attacker" + port:    403,
		"attackerlocalhost" + port:     403,
		"sub.inspector.example" + port: 403,
	} {
		if status, _, _ := r.request(http.MethodGet, "/", func(req *http.Request) { req.Host = host }); status != want {
			t.Errorf("%s: %d, want %d", host, status, want)
		}
	}
}

func TestOtherMachinesAreKeptOut(t *testing.T) {
	r := start(t, "allow 192.0.2.0/24")
	for _, path := range []string{"/", "/calls.json", "/events", "/codes.json"} {
		status, _, body := r.request(http.MethodGet, path, func(req *http.Request) { req.Header.Set("X-Forwarded-For", "192.0.2.1") })
		if status != http.StatusForbidden || strings.Contains(body, "calls") {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestRangesMayBePlaceholders(t *testing.T) {
	t.Setenv("INSPECTOR_OFFICE", "192.0.2.0/24")
	r := start(t, "allow {env.INSPECTOR_OFFICE}")
	if status, _, _ := r.request(http.MethodGet, "/"); status != http.StatusForbidden {
		t.Errorf("%d: this machine is not among the ranges", status)
	}
}
