package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// WeChat's documented example: what a client sends, and what its function receives.
const (
	exampleSent = `{"weRunData":"27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g",` +
		`"obj":{"shareInfo":"39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ"}}`
	exampleReceived = `{"weRunData":` + stepsData + `,` +
		`"obj":{"shareInfo":"39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ"}}`

	appid     = "wx3d289323f5900f8e"
	steps     = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"
	stepsData = `{"cloudID":"` + steps + `","data":{"stepInfoList":[{"timestamp":1571673600,"step":9103}],` +
		`"watermark":{"appid":"` + appid + `","timestamp":1574338655}}}`
)

// given is what a function of tests/system/e2e/node/functions.js says that it was given.
type given struct {
	Event           json.RawMessage   `json:"event"` // parsed, and written again by JSON.stringify
	Raw             string            `json:"raw"`   // the body's bytes
	Headers         map[string]string `json:"headers"`
	ExtendedContext json.RawMessage   `json:"extendedContext"`
}

// The built binary in front of functions in two frameworks for Node.js, the sandbox playing WeChat.
func TestFunctions(t *testing.T) {
	frameworks := startFrameworks(t)
	gateway := freeport.Addr(t)
	startCaddy(t, "gateway", functionsCaddyfile(t, gateway, frameworks), "http://"+gateway+"/up")

	// Where the framework parses the body, and where it hands its bytes to the function.
	parsed := map[string]string{"tcb-ff": "application/json", "google": "application/json"}
	raw := map[string]string{"tcb-ff": "application/x+json", "google": "application/json"}

	for _, name := range []string{"tcb-ff", "google"} {
		call := func(t *testing.T, kind, event string) given {
			t.Helper()
			return callFunction(t, "http://"+gateway+"/"+name, kind, event)
		}
		t.Run(name+" receives the event of WeChat's example as documented", func(t *testing.T) {
			got := call(t, parsed[name], exampleSent)
			if string(got.Event) != exampleReceived {
				t.Errorf("the function received\n\t%s\nwant\n\t%s", got.Event, exampleReceived)
			}
		})
		t.Run(name+" receives all other bytes as they were sent", func(t *testing.T) {
			const before, after = "{ \"z\":1.10,\t\"dup\":1,\"n\":12345678901234567890, \"weRunData\" : ",
				" ,\"dup\":2,\"\\u0061\":\"\\u00e9\\/é\",\"e\":1E+2,\"nested\":[{\"cloudID\":\"" + steps + "\"},\"" + steps + "\"] }\r\n"
			got := call(t, raw[name], before+`"`+steps+`"`+after)
			if want := before + stepsData + after; got.Raw != want {
				t.Errorf("the function received\n\t%q\nwant\n\t%q", got.Raw, want)
			}
		})
		t.Run(name+" learns who calls", func(t *testing.T) {
			got := call(t, parsed[name], exampleSent)
			for header, want := range map[string]string{
				"x-wx-openid": "o-alice", "x-wx-appid": appid, "x-wx-source": "wx_client", "x-wx-open-data-info": `{"keys":["weRunData"]}`,
			} {
				if got.Headers[header] != want {
					t.Errorf("%s is %q, want %q", header, got.Headers[header], want)
				}
			}
			if strings.Count(got.Headers["x-wx-cloudbase-access-token"], ".") != 2 {
				t.Errorf("the invocation token is %q", got.Headers["x-wx-cloudbase-access-token"])
			}
		})
	}

	t.Run("tcb-ff finds wechatContext in context.extendedContext", func(t *testing.T) {
		got := callFunction(t, "http://"+gateway+"/tcb-ff", "application/json", exampleSent)
		var extended struct {
			WeChatContext map[string]string `json:"wechatContext"`
		}
		if err := json.Unmarshal(got.ExtendedContext, &extended); err != nil {
			t.Fatalf("extendedContext is %s: %v", got.ExtendedContext, err)
		}
		context := extended.WeChatContext
		if context["callId"] == "" {
			t.Error("callId is empty")
		}
		delete(context, "callId")
		want := map[string]string{"source": "wx_client", "appId": appid, "openId": "o-alice", "unionId": "u-alice"}
		if fmt.Sprint(context) != fmt.Sprint(want) {
			t.Errorf("wechatContext is %v, want %v", context, want)
		}
	})
}

// startFrameworks runs the function in each framework, and returns where they listen.
func startFrameworks(t *testing.T) map[string]string {
	t.Helper()
	folder := npmFolder(t)
	programs := map[string][]string{
		"tcb-ff": {
			"node_modules/@cloudbase/functions-framework/bin/tcb-ff.js", "--extendedContextKey=X-Functions-Extended-Context",
			"--logDirname=" + t.TempDir(),
		},
		"google": {"node_modules/@google-cloud/functions-framework/build/src/main.js", "--target=http", "--signature-type=http"},
	}
	addrs := map[string]string{}
	started := map[string]*process{}
	for name, args := range programs {
		addrs[name] = freeport.Addr(t)
		_, port, _ := net.SplitHostPort(addrs[name])
		preload := filepath.Join(root(), "caddymodule", "functionapi", "preload.cjs")
		args = append([]string{"--require", preload}, append(args, "--source=functions.js", "--port="+port)...)
		cmd := exec.Command("node", args...)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "CLOUDID_LISTEN=127.0.0.1")
		started[name] = start(t, name, cmd)
	}
	for name, p := range started {
		p.serves(t, "http://"+addrs[name])
	}
	return addrs
}

func functionsCaddyfile(t *testing.T, gateway string, frameworks map[string]string) string {
	t.Helper()
	wechat := freeport.Addr(t)
	var routes strings.Builder
	for name, addr := range frameworks {
		fmt.Fprintf(&routes, "handle /%s {\n reverse_proxy %s\n }\n", name, addr)
	}
	return fmt.Sprintf(`{
	admin off
	cloudid {
		account %s {
			secret made-up
			endpoint http://%s
		}
	}
}
http://%s {
	bind 127.0.0.1
	cloudid {
		openid o-alice
		unionid u-alice
		extended_context
	}
	%s
}
http://%s {
	bind 127.0.0.1
	cloudid_sandbox
}
`, appid, wechat, gateway, routes.String(), wechat)
}

func callFunction(t *testing.T, url, kind, event string) given {
	t.Helper()
	res, err := http.Post(url, kind, strings.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	body := bodyOf(t, res)
	var got given
	if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the function answered %d %q: %v", res.StatusCode, body, err)
	}
	return got
}

// The worked example of the documentation, as it is run there: the built binary prints the preload, two functions run in one process
// behind it, one calls the other, and both WeChat; a user calls them through the gateway, and a timer without one.
func TestExampleOfTwoFunctions(t *testing.T) {
	folder := filepath.Join(root(), "tests", "functions")
	program(t, "node")
	framework := filepath.Join(folder, "node_modules", "@cloudbase", "functions-framework", "bin", "tcb-ff.js")
	if _, err := os.Stat(framework); err != nil {
		missing(t, "the functions' packages are not installed: run `npm ci` in tests/functions")
	}
	preload, err := exec.Command(caddyBinary(t), "cloudid", "preload").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cloudid-preload.cjs")
	if err := os.WriteFile(file, preload, 0o600); err != nil {
		t.Fatal(err)
	}
	gateway, api, wechat, functions := freeport.Addr(t), freeport.Addr(t), freeport.Addr(t), freeport.Addr(t)
	startCaddy(t, "gateway", fmt.Sprintf(`{
	admin off
	cloudid {
		account %[1]s {
			secret made-up
			endpoint http://%[4]s
		}
	}
}
http://%[2]s {
	bind 127.0.0.1
	cloudid {
		openid o-alice
	}
	reverse_proxy %[5]s
}
http://%[3]s {
	bind 127.0.0.1
	cloudid_api {
		trust     127.0.0.1
		openapi   subscribeMessage.send wxacode.getUnlimited
		functions http://%[5]s/{name}
	}
}
http://%[4]s {
	bind 127.0.0.1
	cloudid_sandbox
}
`, appid, gateway, api, wechat, functions), "http://"+wechat+"/sandbox")

	_, port, _ := net.SplitHostPort(functions)
	cmd := exec.Command("node", framework, "--port="+port, "--logDirname="+t.TempDir())
	cmd.Dir = filepath.Join(folder, "example")
	cmd.Env = append(os.Environ(), "CLOUDID_GATEWAY=http://"+api, "CLOUDID_LISTEN=127.0.0.1", "NODE_OPTIONS=--require "+file)
	start(t, "tcb-ff", cmd)
	waitFor(t, functions)

	type response struct {
		SentTo string
		Code   struct{ ContentType, Base64 string }
	}
	for _, c := range []struct{ it, url, event, sentTo string }{
		{"a user", "http://" + gateway + "/remind", `{"order":"1234"}`, "o-alice"},
		{"a timer", "http://" + functions + "/remind", `{"order":"1234","touser":"o-bob"}`, "o-bob"},
	} {
		status, body := post(t, c.url, c.event)
		var got response
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || got.SentTo != c.sentTo ||
			got.Code.ContentType != "image/png" || !strings.HasPrefix(got.Code.Base64, "iVBOR") {
			t.Errorf("%s: %d %.500s", c.it, status, body)
		}
	}
	var calls struct{ OpenAPI map[string]int }
	if err := json.Unmarshal([]byte(get(t, "http://"+wechat+"/sandbox/calls")), &calls); err != nil || calls.OpenAPI["subscribeMessage.send"] != 2 || calls.OpenAPI["wxacode.getUnlimited"] != 2 {
		t.Errorf("WeChat was called %v, %v", calls.OpenAPI, err)
	}
}
