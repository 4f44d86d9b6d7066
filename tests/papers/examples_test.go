package papers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

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

	session := login(t, url, sandbox)
	for _, test := range []struct {
		what, method, path, token string
		status                    int
	}{
		{"the browser's question for a function is answered", http.MethodOptions, "/fn/steps", "", http.StatusNoContent},
		{"so is that for the login", http.MethodOptions, "/login", "", http.StatusNoContent},
		{"a call is answered", http.MethodPost, "/fn/steps", session, http.StatusOK},
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
	for _, file := range []string{"cloudbase-functions.json", "remind/index.js", "code/index.js", "steps.py"} {
		if code := strings.TrimSpace(read(t, "tests/functions/example/"+file)); !strings.Contains(text, "\n"+code+"\n```") {
			t.Errorf("docs/functions.md does not show tests/functions/example/%s as it is:\n%s", file, code)
		}
	}
}

// The function in Python that the page on functions shows, in the Caddyfile for several processes: it reads open data, calls a function
// in another process, and WeChat, each time for the user who called.
func TestExampleInPython(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `"%s %s %s for %s"`, r.URL.Path, r.Header.Get("X-WX-SOURCE"), bytes.ReplaceAll(body, []byte{'"'}, nil), r.Header.Get("X-WX-OPENID"))
	}))
	defer store.Close()
	python, api, functions := freeport.Addr(t), freeport.Addr(t), freeport.Addr(t)
	startFlask(t, python, "http://"+api)
	url, sandbox := serve(t, caddyfileOf(t, "docs/functions.md", "import functions"), map[string]string{
		"127.0.0.1:3000": python, "127.0.0.1:3001": store.Listener.Addr().String(), "127.0.0.1:9080": api, "127.0.0.1:9081": functions,
	})

	req := request(t, http.MethodPost, url+"/fn/steps", `{"weRunData":"27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"}`)
	req.Header.Set("Authorization", "Bearer "+login(t, url, sandbox))
	var got any
	fetch(t, req, &got)
	want := map[string]any{"stored": "/fn/store wx_client,scf {step: 9103} for o-alice", "sent": true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the function responds with %v; want %v", got, want)
	}
}

// startFlask runs the example in Python until the test ends, and waits until it listens.
func startFlask(t *testing.T, address, gateway string) {
	t.Helper()
	python := program(t, "python3")
	if exec.Command(python, "-c", "import flask").Run() != nil {
		python = "/usr/bin/python3" // that of the distribution's packages
	}
	if err := exec.Command(python, "-c", "import flask").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 with Flask is not installed")
		}
		t.Skip("python3 with Flask is not installed")
	}
	_, port, _ := strings.Cut(address, ":")
	cmd := exec.Command(python, "-m", "flask", "--app", "steps", "run", "--port", port)
	cmd.Dir = filepath.Join(root, "tests/functions/example")
	cmd.Env = append(os.Environ(), "CLOUDID_GATEWAY="+gateway, "PYTHONDONTWRITEBYTECODE=1")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Flask said:\n%s", output.String())
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.DefaultClient.Do(request(t, http.MethodGet, "http://"+address, ""))
		if err == nil {
			res.Body.Close()
			if strings.Contains(res.Header.Get("Server"), "Werkzeug") {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("Flask does not listen: %v", err)
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

// login returns a session token of o-alice.
func login(t *testing.T, url, sandbox string) string {
	t.Helper()
	var code, session struct{ Code, Token string }
	fetch(t, request(t, http.MethodPost, sandbox+"/sandbox/code", `{"openid":"o-alice"}`), &code)
	fetch(t, request(t, http.MethodPost, url+"/login", `{"code":"`+code.Code+`"}`), &session)
	return session.Token
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
