package command

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/gateway"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/session"
)

// run runs `caddy cloudid check` for a Caddyfile.
func run(t *testing.T, caddyfile string, args ...string) (out string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = execute(t, checkCommand(), append([]string{"--config", file, "--adapter", "caddyfile"}, args...)...)
	return strings.ReplaceAll(out, file, "Caddyfile"), err
}

func config(endpoint, site string) string {
	return `{
	admin off
	cloudid {
		account wx3d289323f5900f8e {
			secret made-up-but-long-enough
			endpoint ` + endpoint + `
		}
	}
}
` + site
}

const right = `http://127.0.0.1:18080 {
	wechat_session
	cloudid {
		fields weRunData
	}
	reverse_proxy 127.0.0.1:3000
}
`

const wrong = `http://127.0.0.1:18080, http://example.com:18080 {
	wechat_session
	cloudid /fn/* {
		fields weRunData
	}
	reverse_proxy 127.0.0.1:3000
}
`

func TestCheckPrintsFindingsWithTheirLines(t *testing.T) {
	out, err := run(t, config("http://127.0.0.1:1", wrong), "--offline")
	for _, want := range []string{"Caddyfile:15: ", "reaches the functions at 127.0.0.1:3000 without passing cloudid", "    -> put cloudid in front", "1 finding\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if err == nil {
		t.Error("with findings it must fail")
	}
}

func TestPlacesInJSONHaveNoLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "caddy.json")
	text := `{
	"admin": {
		"listen": "0.0.0.0:2019"
	},
	"apps": {
		"cloudid": {
			"accounts": {
				"wx3d289323f5900f8e": {
					"secret": "made-up-but-long-enough"
				}
			}
		}
	}
}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t, checkCommand(), "--config", file, "--offline")
	if err == nil || !strings.HasPrefix(out, "admin 0.0.0.0:2019\n    Caddy's admin API is at") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestCheckOfARightConfig(t *testing.T) {
	if out, err := run(t, config("http://127.0.0.1:1", right), "--offline"); err != nil || out != "nothing is wrong, as far as a config tells\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWrongArgumentsOfCheckHaveWords(t *testing.T) {
	for _, argument := range []string{"--nope", "Caddyfile"} {
		if out, err := run(t, config("http://127.0.0.1:1", right), argument); err == nil || strings.Count(out, "Error: ") != 1 {
			t.Errorf("%s: %v, %q", argument, err, out)
		}
	}
}

func TestCheckOfWhatIsNoConfig(t *testing.T) {
	for _, c := range []struct{ sentence, caddyfile, want string }{
		{"an unknown option", config("http://127.0.0.1:1", "http://127.0.0.1:1 {\n\tcloudid {\n\t\tfoo\n\t}\n}\n"), `unknown option "foo"`},
		{"what only loading shows", strings.Replace(config("http://127.0.0.1:1", right), "made-up-but-long-enough", "{env.NOT_SET_ANYWHERE}", 1), "Caddy does not take this config"},
		{"nothing", "", "EOF"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if out, err := run(t, c.caddyfile); err == nil || !strings.Contains(out, c.want) || !strings.HasSuffix(out, "\n\n1 finding\n") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestCheckAsksWeChatForATokenOfEachAccount(t *testing.T) {
	fake := sandbox.New()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	t.Run("all is well", func(t *testing.T) {
		out, err := run(t, config(server.URL, right))
		if err != nil || !strings.Contains(out, "account wx3d289323f5900f8e: WeChat gave an access token") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("only a token that WeChat gave is said to be WeChat's", func(t *testing.T) {
		service := serve(t, http.StatusOK, `{"access_token":"made-up","expires_in":7200}`)
		for token, want := range map[string]string{
			"static made-up":            "not asked, since its access token is fixed (token static)",
			"none":                      "not asked, since it sends no access token (token none)",
			"service http://" + service: "token service gave an access token",
		} {
			out, err := run(t, strings.Replace(config(server.URL, right), "\t\t\tendpoint", "\t\t\ttoken "+token+"\n\t\t\tendpoint", 1))
			if err != nil || out != "account wx3d289323f5900f8e: "+want+"\n\nnothing is wrong, as far as a config tells\n" {
				t.Errorf("token %s: %v: %s", token, err, out)
			}
		}
	})
	t.Run("WeChat names the address that is not on the whitelist", func(t *testing.T) {
		reject := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"errcode":40164,"errmsg":"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 5f3c-1a"}`))
		}))
		t.Cleanup(reject.Close)
		out, err := run(t, config(reject.URL, right))
		if err == nil || !strings.Contains(out, "40164") || !strings.Contains(out, "-> put the IP address 203.0.113.7 on the IP whitelist") {
			t.Errorf("%v: %s", err, out)
		}
		if strings.Contains(out, "made-up") {
			t.Error("it shows the secret")
		}
	})
	t.Run("each of two accounts gets its own words, in the order of their AppIDs", func(t *testing.T) {
		both := strings.Replace(config(server.URL, right), "\t\taccount", "\t\taccount wx00000000000000aa {\n\t\t\tsecret made-up-but-long-enough\n\t\t\tendpoint http://127.0.0.1:1\n\t\t}\n\t\taccount", 1)
		both = strings.ReplaceAll(both, "wechat_session\n\tcloudid {", "wechat_session {\n\t\taccount wx3d289323f5900f8e\n\t}\n\tcloudid {\n\t\taccount wx3d289323f5900f8e")
		out, err := run(t, both)
		first, second, _ := strings.Cut(out, "\n\n")
		if err == nil || !strings.HasPrefix(first, "account wx00000000000000aa\n    ") || second != "account wx3d289323f5900f8e: WeChat gave an access token\n\n1 finding\n" {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("the sandbox of the config runs", func(t *testing.T) {
		out, err := run(t, config(server.URL, right+server.URL+" {\n\tbind 127.0.0.1\n\tcloudid_sandbox\n}\n"))
		if err != nil || !strings.Contains(out, "account wx3d289323f5900f8e: WeChat gave an access token") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("the sandbox of the config does not run", func(t *testing.T) {
		out, err := run(t, config("http://127.0.0.1:1", right+"http://127.0.0.1:1 {\n\tbind 127.0.0.1\n\tcloudid_sandbox\n}\n"))
		if err != nil || !strings.Contains(out, "account wx3d289323f5900f8e: not asked, since its endpoint is the sandbox of this config") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("nobody is there", func(t *testing.T) {
		out, err := run(t, config("http://127.0.0.1:1", right))
		if err == nil || !strings.Contains(out, "network") {
			t.Errorf("%v: %s", err, out)
		}
	})
}
