package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

func TestCaddyfile(t *testing.T) {
	const (
		respond = `{"body":"x","handler":"static_response"}`
		handler = `{"handler":"cloudid_sandbox"}`
	)
	for _, c := range []struct {
		it, caddyfile string
		routes, says  string // the adapted routes or a part of the error
	}{
		{
			it: "it stands alone", caddyfile: ":80\ncloudid_sandbox",
			routes: `[{"handle":[` + handler + `]}]`,
		},
		{
			it: "an empty block is none", caddyfile: ":80\ncloudid_sandbox {\n}",
			routes: `[{"handle":[` + handler + `]}]`,
		},
		{
			it: "it comes before respond", caddyfile: ":80\nrespond x\ncloudid_sandbox",
			routes: `[{"handle":[` + handler + `,` + respond + `]}]`,
		},
		{
			it: "it takes a matcher", caddyfile: ":80\ncloudid_sandbox /wxa/*",
			routes: `[{"match":[{"path":["/wxa/*"]}],"handle":[` + handler + `]}]`,
		},
		{it: "and no argument", caddyfile: ":80\ncloudid_sandbox fast", says: `cloudid_sandbox takes no arguments behind the matcher, only a block: cloudid_sandbox { … }, not "fast"`},
		{it: "not after a matcher either", caddyfile: ":80\ncloudid_sandbox /wxa/* fast", says: `cloudid_sandbox takes no arguments behind the matcher, only a block: cloudid_sandbox { … }, not "fast"`},
		{it: "and no other option", caddyfile: ":80\ncloudid_sandbox {\n\tttl 5m\n}", says: `unknown option "ttl"`},
		{
			it: "it takes who may connect", caddyfile: ":80\ncloudid_sandbox {\n\tallow 10.0.0.0/8 private_ranges\n}",
			routes: `[{"handle":[{"allow":["10.0.0.0/8","private_ranges"],"handler":"cloudid_sandbox"}]}]`,
		},
		{it: "but no names", caddyfile: ":80\ncloudid_sandbox {\n\tallow example.com\n}", says: `allow: "example.com" is no address`},
	} {
		t.Run(c.it, func(t *testing.T) {
			config, err := caddyrig.Adapt(c.caddyfile)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error is %v, which should say %s", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Apps struct {
					HTTP struct {
						Servers map[string]struct{ Routes json.RawMessage }
					}
				}
			}
			if err := json.Unmarshal(config, &got); err != nil {
				t.Fatal(err)
			}
			wantText(t, "the list of routes", string(got.Apps.HTTP.Servers["srv0"].Routes), c.routes)
		})
	}
}

// load runs a Caddyfile with one site in this process and returns its URL. Each has an address of its own: Caddy closes
// the old config's listener in the background, and what that one accepts meanwhile gets no response.
func load(t *testing.T, log caddyrig.Log, site string) (string, error) {
	t.Helper()
	addr := freeport.Addr(t)
	config, err := caddyrig.Adapt(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		output file %s
	}
}
http://%s {
	%s
}`, log, addr, site))
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + addr, caddy.Load(config, true)
}

func TestInCaddy(t *testing.T) {
	log := caddyrig.NewLog(t)
	url, err := load(t, log, "cloudid_sandbox")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	g := rig{t: t, url: url}

	id := g.post("/sandbox/cloudid", `{"openid":"o1","kind":"werun"}`).text("cloudID")
	token := g.token()
	for _, c := range []struct {
		it, site string
		well     bool
	}{
		{"a reload", "cloudid_sandbox\nheader X-Reloaded 1", true},
		{"two handlers", "cloudid_sandbox /wxa/*\ncloudid_sandbox", true},
		{"a reload that fails after provisioning", "route {\n\tcloudid_sandbox\n\tbasic_auth {\n\t\tbob x\n\t}\n}", false},
		{"one handler less", "cloudid_sandbox", true},
	} {
		t.Run("its state survives "+c.it, func(t *testing.T) {
			url, err := load(t, log, c.site)
			if (err == nil) != c.well {
				t.Fatalf("loading ended with %v", err)
			}
			if c.well {
				g.url = url
			}
			g := g.in(t)
			wantText(t, "the token", g.token(), token)
			if text := g.ask("o1", id).one(); !strings.Contains(text, "stepInfoList") {
				t.Errorf("the CloudID's response is %s", text)
			}
		})
	}

	t.Run("unknown paths do not go on to the next handler", func(t *testing.T) {
		if r := g.in(t).get("/"); r.status != http.StatusNotFound || r.number("errcode") != 40066 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("drop closes the connection", func(t *testing.T) {
		g := g.in(t)
		g.order(`"drop":true`)
		if r, err := g.do("POST", "/wxa/getopendata"+query(token, "o1"), `{"cloudid_list":["x"]}`); err == nil {
			t.Errorf("the call was answered: %d %s", r.status, r.body)
		}
	})
	t.Run("half breaks off", func(t *testing.T) {
		g := g.in(t)
		g.order(`"half":true`)
		_, err := g.do("POST", "/wxa/getopendata"+query(token, "o1"), `{"cloudid_list":["x"]}`)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("reading ended with %v", err)
		}
	})

	t.Run("the log warns once a handler, and holds nothing that was handed out", func(t *testing.T) {
		caddyrig.Stop(t)
		text := log.Text(t)
		const warning = `"msg":"this is the sandbox, not WeChat: it gives made-up open data to anybody; never run it in production"`
		warnings := len(log.Lines(t, warning, `"level":"warn"`))
		if warnings != 6 {
			t.Errorf("%d warnings, want 6:\n%s", warnings, text)
		}
		for _, secret := range []string{token, id, "stepInfoList", `"o1"`, "panic"} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q:\n%s", secret, text)
			}
		}
	})
}

func TestCleanupWithoutProvisionTakesNothingFromOthers(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	provision := func() *sandbox.Handler {
		h := new(sandbox.Handler)
		if err := h.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		return h
	}
	ask := func(h *sandbox.Handler) rig {
		return rig{t: t, url: serve(t, func(w http.ResponseWriter, r *http.Request) { _ = h.ServeHTTP(w, r, nil) })}
	}
	cleanup := func(h *sandbox.Handler) {
		if err := h.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	first := provision()
	token := ask(first).token()
	cleanup(new(sandbox.Handler))
	second := provision()
	cleanup(first)
	cleanup(first)
	third := provision()
	wantText(t, "the token of a later handler", ask(third).token(), token)
	wantText(t, "the token of a handler that was let go", ask(first).token(), token)
	cleanup(second)
	cleanup(third)
	fourth := provision()
	if ask(fourth).token() == token {
		t.Error("the state outlived its last handler")
	}
	cleanup(fourth)
}
