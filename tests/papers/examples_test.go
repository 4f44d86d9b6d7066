package papers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// An error page that is proxied, as the page on security writes it, receives nothing that a client wrote into X-WX-*.
func TestProxiedErrorPage(t *testing.T) {
	received := make(chan http.Header, 1)
	page := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.Header }))
	defer page.Close()
	url, _ := serve(t, caddyfileOf(t, "docs/security.md", "handle_errors"), map[string]string{"127.0.0.1:3100": page.Listener.Addr().String()})

	req := request(t, http.MethodPost, url+"/fn/steps", "{}")
	req.Header.Set("X-WX-OPENID", "forged")
	req.Header.Set("X-CloudID-Anything", "forged")
	req.Header.Set("X-Functions-Extended-Context", "forged")
	do(t, req)
	for name, values := range <-received {
		if strings.Contains(strings.Join(values, ""), "forged") {
			t.Errorf("the error page receives %s: %v", name, values)
		}
	}
}

// A page on another origin may call functions, and read why a call failed, with the Caddyfile of the page on clients.
func TestOtherOrigin(t *testing.T) {
	const allowed, origin = "Access-Control-Allow-Origin", "https://h5.example.com"
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(allowed, "*") }))
	defer function.Close()
	url, sandbox := serve(t, caddyfileOf(t, "docs/client.md", "@preflight"), map[string]string{"127.0.0.1:3000": function.Listener.Addr().String()})

	var code, session struct{ Code, Token string }
	fetch(t, request(t, http.MethodPost, sandbox+"/sandbox/code", `{"openid":"o-alice"}`), &code)
	fetch(t, request(t, http.MethodPost, url+"/login", `{"code":"`+code.Code+`"}`), &session)
	for _, test := range []struct {
		what, method, path, token string
		status                    int
	}{
		{"the browser's question for a function is answered", http.MethodOptions, "/fn/steps", "", http.StatusNoContent},
		{"so is that for the login", http.MethodOptions, "/login", "", http.StatusNoContent},
		{"a call is answered", http.MethodPost, "/fn/steps", session.Token, http.StatusOK},
		{"a call without a token is rejected, readably", http.MethodPost, "/fn/steps", "", http.StatusUnauthorized},
	} {
		req := request(t, test.method, url+test.path, "{}")
		req.Header.Set("Origin", origin)
		if test.token != "" {
			req.Header.Set("Authorization", "Bearer "+test.token)
		}
		res := do(t, req)
		if res.StatusCode != test.status || strings.Join(res.Header.Values(allowed), "|") != origin {
			t.Errorf("%s: %d, %s %v", test.what, res.StatusCode, allowed, res.Header.Values(allowed))
		}
	}
}

// The functions that the page on functions shows are those that tests run.
func TestExampleFunctions(t *testing.T) {
	text := read(t, "docs/functions.md")
	for _, file := range []string{"cloudbase-functions.json", "remind/index.js", "code/index.js"} {
		if code := strings.TrimSpace(read(t, "tests/functions/example/"+file)); !strings.Contains(text, "\n"+code+"\n```") {
			t.Errorf("docs/functions.md does not show tests/functions/example/%s as it is:\n%s", file, code)
		}
	}
}

// The reports that the page on moving shows are those that the command prints: golden files pin them.
func TestReportsOfMigrate(t *testing.T) {
	text := read(t, "docs/moving.md")
	for _, project := range []string{"quickstart", "shared"} {
		if report := strings.TrimSpace(read(t, "caddymodule/migrate/testdata/"+project+".txt")); !strings.Contains(text, "```text\n"+report+"\n```") {
			t.Errorf("docs/moving.md does not show the report on %s as it is:\n%s", project, report)
		}
	}
}

// caddyfileOf returns the Caddyfile of a page that has this in it.
func caddyfileOf(t *testing.T, path, with string) string {
	t.Helper()
	for _, b := range (page{path, read(t, path)}).blocks() {
		if b.language == "caddyfile" && strings.Contains(b.text, with) {
			return b.text
		}
	}
	t.Fatalf("%s has no Caddyfile with %s", path, with)
	return ""
}

// serve runs the site example.com of a page, with other upstreams, beside a sandbox. It returns the URLs of both.
func serve(t *testing.T, caddyfile string, upstreams map[string]string) (url, sandbox string) {
	t.Helper()
	url, sandbox = "http://"+freeport.Addr(t), "http://"+freeport.Addr(t)
	caddyfile = strings.Replace(caddyfile, "example.com {", url+" {\n\tbind 127.0.0.1", 1)
	for from, to := range upstreams {
		caddyfile = strings.ReplaceAll(caddyfile, from, to)
	}
	caddyrig.Load(t, `{
	admin off
	persist_config off
	cloudid {
		account wx0123456789abcdef {
			secret made-up-for-this-test
			endpoint `+sandbox+`
		}
	}
}
`+sandbox+` {
	bind 127.0.0.1
	cloudid_sandbox
}
`+caddyfile)
	return url, sandbox
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

func do(t *testing.T, req *http.Request) *http.Response {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// fetch reads the JSON of a response.
func fetch(t *testing.T, req *http.Request, into any) {
	t.Helper()
	res := do(t, req)
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", req.URL.Path, res.StatusCode, err)
	}
}
