package functionapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// The unmodified wx-server-sdk, in the versions that tests/functions/package.json names.
var versions = []string{"2.3", "2", "3", "4"}

// sdkRig is a function in @cloudbase/functions-framework behind the gateway.
type sdkRig struct {
	*rig
	gateway string
}

// startSDK runs the functions of tests/functions in one process. With the preload it is told nothing but the gateway's address;
// without, it gets the environment that WeChat's cloud would give it.
func startSDK(t *testing.T, withPreload bool) sdkRig { return startFunctions(t, withPreload, "") }

// startFunctions is startSDK with more options of cloudid_api.
func startFunctions(t *testing.T, withPreload bool, api string) sdkRig {
	t.Helper()
	folder := functions(t)
	framework := filepath.Join(folder, "node_modules", "@cloudbase", "functions-framework", "bin", "tcb-ff.js")
	if _, err := os.Stat(framework); err != nil {
		missing(t, "wx-server-sdk is not installed: run npm ci in tests/functions")
	}
	function, site := freeport.Addr(t), "http://"+freeport.Addr(t)
	g := start(t, setup{
		api:    "account " + appid + "\nopenapi *\nfunctions http://" + function + "/{name}\n" + api,
		global: officialAccount,
		sites: site + ` {
			cloudid {
				account ` + appid + `
				openid {http.request.header.X-Test-User}
			}
			reverse_proxy ` + function + `
		}`,
	})

	environment := []string{
		"TCB_CONTEXT_CNFG=" + `{"URL":"` + g.url + `/admin"}`, "TENCENTCLOUD=true", "TENCENTCLOUD_SECRETID=a",
		"TENCENTCLOUD_SECRETKEY=b", "SCF_NAMESPACE=myenv", "WX_CONTEXT_KEYS=WX_OPENID,WX_APPID,WX_API_TOKEN",
	}
	args := []string{"--require", filepath.Join(folder, "loopback.cjs")}
	if withPreload {
		preload, err := filepath.Abs("preload.cjs")
		if err != nil {
			t.Fatal(err)
		}
		environment = []string{"CLOUDID_GATEWAY=" + g.url, "CLOUDID_LISTEN=127.0.0.1"}
		args = []string{"--require", preload}
	}
	_, port, _ := net.SplitHostPort(function)
	args = append(args, framework, "--port="+port, "--source="+folder, "--logDirname="+t.TempDir())
	cmd := node(t, environment, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("what the function wrote: %s", output.String())
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", function); err == nil {
			conn.Close()
			return sdkRig{g, site}
		}
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("the function did not start: %s", output.String())
		}
	}
}

// invoke calls the function as a user, through the gateway.
func (g sdkRig) invoke(t *testing.T, openid string, event map[string]any) gjson.Result {
	t.Helper()
	return g.invokeFunction(t, "sdk", openid, event)
}

func (g sdkRig) invokeFunction(t *testing.T, name, openid string, event map[string]any) gjson.Result {
	t.Helper()
	status, body := g.call(t, name, openid, event)
	if status != http.StatusOK {
		t.Errorf("the function answered %d: %.300s", status, body)
	}
	return gjson.Parse(body)
}

// call calls a function, whatever comes of it.
func (g sdkRig) call(t *testing.T, name, openid string, event map[string]any) (status int, response string) {
	t.Helper()
	body, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.gateway+"/"+name, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if openid != "" {
		req.Header.Set("X-Test-User", openid)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	read, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(read)
}

type object = map[string]any

func TestSDK(t *testing.T) {
	g := startSDK(t, true)
	g.logIn(user)
	voiceArgs := object{"groupId": "1559129713_672975982", "nonce": "8AP6DT9ybtniUJfb", "timestamp": 1559129714}
	for _, version := range versions {
		// want compares what the function got, as JavaScript writes it.
		want := func(method string, args any, path, text string) {
			t.Helper()
			response := g.invoke(t, user, object{"version": version, "method": method, "args": args})
			if got := response.Get(path); got.Raw != text {
				t.Errorf("%s of version %s:\n\t%s\nwant in %s\n\t%s", method, version, response.Raw, path, text)
			}
		}
		want("getOpenData", object{"list": []string{steps, unknown, group, steps}}, "result",
			`{"list":[`+stepsData+`,`+unknownError+`,`+groupData+`,`+stepsData+`],"errMsg":"getOpenData:ok","errCode":0}`)
		want("getOpenData", object{"list": []string{}}, "result", `{"list":[],"errMsg":"getOpenData:ok","errCode":0}`)
		want("getVoIPSign", voiceArgs, "result", `{"signature":"`+voiceSign+`","errMsg":"getVoIPSign:ok","errCode":0}`)
		want("openapi.cloudbase.getOpenData", object{"openid": user, "cloudidList": []string{steps}}, "result",
			`{"dataList":[{"json":`+quoted(stepsData)+`,"cloudId":"`+steps+`"}],"errMsg":"openapi.cloudbase.getOpenData:ok","errCode":0}`)
		want("openapi.cloudbase.getVoIPSign", voiceArgs, "result",
			`{"signature":"`+voiceSign+`","errMsg":"openapi.cloudbase.getVoIPSign:ok","errCode":0}`)
		want("getWXContext", nil, "result",
			`{"OPENID":"`+user+`","APPID":"`+appid+`","OPEN_DATA_INFO":"{\"keys\":[]}","ENV":"cloudid","SOURCE":"wx_client"}`)
	}
}

func TestSDKErrors(t *testing.T) {
	g := startSDK(t, true)
	for _, version := range versions {
		for _, c := range []struct {
			name, user, method string
			args               any
			errCode            int64
			says               string
		}{
			{"an API that nobody knows", user, "openapi.wxacode.got", object{}, -604100, "did you mean wxacode.get"},
			{"a service that is not served", user, "getCloudCallSign", object{}, -601004, "GetCloudCallSign is not served by this gateway"},
			{"the database", user, "database", object{"collection": "x"}, -502001, "cloud.database is not served by this gateway"},
			{"nobody called", "", "getOpenData", object{"list": []string{steps}}, -601004, "WX_API_TOKEN"},
			{"another user named", user, "openapi.cloudbase.getOpenData", object{"openid": other, "cloudidList": []string{steps}}, 40003, "the openid named is not the one"},
			{"a nonce too long", user, "getVoIPSign", object{"groupId": "g", "nonce": strings.Repeat("n", 128), "timestamp": 5}, -601002, "shorter than 128 characters"},
			{"milliseconds, where the SDK shows them", user, "openapi.cloudbase.getVoIPSign", object{"groupId": "g", "nonce": "n", "timestamp": 1559129714000}, 40097, "milliseconds"},
		} {
			response := g.invoke(t, c.user, object{"version": version, "method": c.method, "args": c.args})
			if got := response.Get("error"); got.Get("errCode").Int() != c.errCode || !strings.Contains(got.Get("errMsg").String(), c.says) {
				t.Errorf("%s, version %s: %s, want %d that says %q", c.name, version, response.Raw, c.errCode, c.says)
			}
		}
	}
}

// Arguments of wrong types get the same errCode and errMsg from our JSON API as from the SDK itself.
func TestJSONErrorsAreTheSDKs(t *testing.T) {
	g := startSDK(t, true)
	for _, c := range []struct {
		method string
		args   object
	}{
		{"getOpenData", object{}},
		{"getOpenData", object{"list": nil}},
		{"getVoIPSign", object{}},
		{"getVoIPSign", object{"groupId": 5, "nonce": "n", "timestamp": 5}},
		{"getVoIPSign", object{"groupId": "g", "nonce": nil, "timestamp": "5"}},
		{"getVoIPSign", object{"groupId": []int{}, "nonce": object{}, "timestamp": true}},
	} {
		body, _ := json.Marshal(c.args)
		ours := g.do(call{path: "/" + c.method, token: token(t, user), body: string(body)})
		for _, version := range versions[1:] { // 2.3.3 has other words
			theirs := g.invoke(t, user, object{"version": version, "method": c.method, "args": c.args})
			ours.is(400, theirs.Get("error").Raw)
		}
	}
}

// parallel calls the function for many users at once, each with a CloudID of its own, and returns how many of them got
// something else than their own data. The calls are sure to overlap: the function lets none go on before all have come.
func (g sdkRig) parallel(t *testing.T, version string, users int, copyHeaders bool) (mixed int) {
	t.Helper()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for i := range users {
		openid := fmt.Sprintf("o-user-%s-%d", strings.ReplaceAll(version, ".", "-"), i)
		id := g.mint(sandbox.OpenData{OpenID: openid, Data: fmt.Appendf(nil, `{"of":%q}`, openid)})
		wg.Go(func() {
			response := g.invoke(t, openid, object{
				"version": version, "method": "getOpenData", "args": object{"list": []string{id}}, "together": users, "copy": copyHeaders,
			})
			own := response.Get("result.list").Raw == `[{"cloudID":"`+id+`","data":{"of":"`+openid+`"}}]` &&
				response.Get("context.OPENID").String() == openid
			if !own {
				mu.Lock()
				defer mu.Unlock()
				mixed++
			}
		})
	}
	wg.Wait()
	return mixed
}

func TestSDKParallel(t *testing.T) {
	g := startSDK(t, true)
	for _, version := range versions {
		if mixed := g.parallel(t, version, 50, false); mixed != 0 {
			t.Errorf("version %s: %d of 50 users did not get their own data", version, mixed)
		}
		// A function that sets the variables itself is kept apart as well.
		if mixed := g.parallel(t, version, 50, true); mixed != 0 {
			t.Errorf("version %s: %d of 50 users of a function that sets the variables itself did not get their own data", version, mixed)
		}
	}
}

// Without the preload, a function that sets the variables itself acts for the user who came last.
func TestSDKMixesWithoutPreload(t *testing.T) {
	g := startSDK(t, false)
	for _, version := range versions {
		if mixed := g.parallel(t, version, 1, true); mixed != 0 {
			t.Errorf("version %s: a call alone is mixed up", version)
		}
		if mixed := g.parallel(t, version, 10, true); mixed != 9 {
			t.Errorf("version %s: %d of 10 users did not get their own data, want 9: all but the last", version, mixed)
		}
	}
}
