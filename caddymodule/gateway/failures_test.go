package gateway_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// failedExchange is the message of the one log line that a failed exchange has.
const failedExchange = "open data exchange failed"

// TestWhenWeChatDoesNotRespond drives every failure of a whole exchange: what the function finds in the CloudID's place,
// what the client is told where the gateway rejects, what the operator is told.
func TestWhenWeChatDoesNotRespond(t *testing.T) {
	t.Parallel()
	messages := map[int]string{
		-601001: "system error", -601003: "system network error", -601004: "api permission denied",
		-601007: "cloudID and calling user does not match", -601008: "server-side request timedout",
	}
	for _, c := range []struct {
		name    string
		fault   sandbox.Fault
		account string // an option of the account
		code    int    // in the CloudID's place
		status  int    // of on_error reject
		errcode string // in the log
		advice  string // in the log
	}{
		{"busy", errcode(-1, 3), "", -601001, 502, "-1", "retries or timeout"},
		{"token invalid", errcode(40001, 2), "", -601001, 502, "40001", "token stable everywhere"},
		{"token of another kind invalid", errcode(40014, 2), "", -601001, 502, "40014", "token stable everywhere"},
		{"token expired", errcode(42001, 2), "", -601001, 502, "42001", "check the token service"},
		{"openid invalid", errcode(40003, 1), "", -601007, 502, "40003", "authenticator"},
		{"address not on the whitelist", errcode(40164, 1), "", -601001, 502, "40164", "203.0.113.7"},
		{"AppID invalid", errcode(40013, 1), "", -601001, 502, "40013", "correct the AppID or the secret"},
		{"secret invalid", errcode(40125, 1), "", -601001, 502, "40125", "correct the AppID or the secret"},
		{"AppID missing", errcode(41002, 1), "", -601001, 502, "41002", "correct the AppID or the secret"},
		{"secret missing", errcode(41004, 1), "", -601001, 502, "41004", "correct the AppID or the secret"},
		{"secret frozen", errcode(40243, 1), "", -601001, 502, "40243", "unfreeze the secret"},
		{"quota used up", errcode(45009, 1), "", -601001, 502, "45009", "quota"},
		{"too often", errcode(45011, 1), "", -601001, 502, "45011", "ask less often"},
		{"not allowed", errcode(48001, 1), "", -601004, 502, "48001", "open cloud development"},
		{"no cloud development", errcode(85088, 1), "", -601001, 502, "85088", "open cloud development"},
		{"arguments malformed", errcode(40097, 1), "", -601001, 502, "40097", "rid"},
		{"body empty", errcode(44002, 1), "", -601001, 502, "44002", "rid"},
		{"body not understood", errcode(47001, 1), "", -601001, 502, "47001", "rid"},
		{"a code nobody knows", errcode(99999, 1), "", -601001, 502, "other", ""},
		{"a time-out", sandbox.Fault{Kind: "latency", Latency: time.Minute}, "timeout 200ms", -601008, 504, "timeout", "timeout"},
		{"a connection that ends", sandbox.Fault{Kind: "drop", Times: 9}, "", -601003, 502, "network", "network"},
		{"half a response", sandbox.Fault{Kind: "half"}, "", -601003, 502, "network", "network"},
		{"garbage", sandbox.Fault{Kind: "garbage", Body: "<html>" + steps + user + "13580006666</html>"}, "", -601001, 502, "response", "endpoint"},
		{"an empty response", sandbox.Fault{Kind: "garbage"}, "", -601001, 502, "response", "endpoint"},
		{"5 MB", sandbox.Fault{Kind: "huge"}, "", -601001, 502, "response", "endpoint"},
		{"success without data", sandbox.Fault{Kind: "null"}, "", -601001, 502, "response", "endpoint"},
		{"status 500", sandbox.Fault{Kind: "status", Code: 500}, "", -601001, 502, "response", "endpoint"},
		{"a redirect", sandbox.Fault{Kind: "status", Code: 302}, "", -601001, 502, "response", "endpoint"},
		{"no token: secret invalid", sandbox.Fault{API: "stable_token", Kind: "errcode", Code: 40125}, "", -601001, 502, "40125", "correct the AppID or the secret"},
		{"no token: not on the whitelist", sandbox.Fault{API: "stable_token", Kind: "errcode", Code: 40164}, "", -601001, 502, "40164", "203.0.113.7"},
		{"no token: a time-out", sandbox.Fault{API: "stable_token", Kind: "latency", Latency: time.Minute}, "timeout 200ms", -601008, 504, "timeout", "timeout"},
		{"no token: a connection that ends", sandbox.Fault{API: "stable_token", Kind: "drop", Times: 9}, "", -601003, 502, "network", "network"},
		{"no token: garbage", sandbox.Fault{API: "stable_token", Kind: "garbage", Body: secret}, "", -601001, 502, "response", "endpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.fault.API == "" {
				c.fault.API = "getopendata"
			}
			object := errorObject(steps, c.code, messages[c.code])

			g := start(t, setup{account: c.account})
			g.fault(c.fault)
			g.post(example).forwarded(strings.Replace(resolved, stepsData, object, 1)).
				has(t, "X-WX-OPEN-DATA-INFO", `{"keys":[]}`)
			g.wantOneLine(c.errcode, c.advice)
			g.wantNoSecrets()

			g = start(t, setup{account: c.account, cloudid: "on_error reject"})
			g.fault(c.fault)
			r := g.post(example)
			r.rejected(c.status)
			if strings.Contains(r.body, steps) || strings.Contains(r.body, user) {
				t.Error("the client is told more than it should")
			}
			g.wantOneLine(c.errcode, c.advice)
			g.wantNoSecrets()
		})
	}
}

func errcode(code, times int) sandbox.Fault {
	return sandbox.Fault{Kind: "errcode", Code: code, Times: times}
}

// wantOneLine fails unless the log has one line on one failed exchange, which says what to do.
func (g *testGateway) wantOneLine(errcode, advice string) {
	g.t.Helper()
	// The line is written when the exchange ends, which those who wait for it may notice first.
	probe.Eventually(g.t, "a line is in the log", func() bool { return len(g.logLines(failedExchange)) > 0 })
	lines := g.logLines(failedExchange)
	if len(lines) != 1 {
		g.t.Fatalf("the log has %d lines on it:\n%s", len(lines), strings.Join(lines, ""))
	}
	var line struct{ Level, Logger, AppID, Errcode, Error, Advice string }
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		g.t.Fatal(err)
	}
	if line.Level != "error" || line.Logger != "cloudid" || line.AppID != appid || line.Errcode != errcode || line.Error == "" ||
		!strings.Contains(line.Advice, advice) {
		g.t.Errorf("the log says %s; want errcode %s and advice with %q", lines[0], errcode, advice)
	}
}

// wantNoSecrets fails if the log shows what must never be in one.
func (g *testGateway) wantNoSecrets() {
	g.t.Helper()
	g.wechat.Reset() // of faults that are left
	res, err := http.Post(g.sandbox+"/cgi-bin/stable_token", "application/json",
		strings.NewReader(`{"grant_type":"client_credential","appid":"`+appid+`","secret":"s"}`))
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&token); err != nil {
		g.t.Fatal(err)
	}
	log := g.log.Text(g.t)
	for what, text := range map[string]string{
		"the secret": secret, "the openid": user, "a CloudID": steps, "part of a CloudID": steps[3:20],
		"an access token": token.AccessToken, "open data": "13580006666", "an invocation token": "eyJ",
	} {
		if text != "" && strings.Contains(log, text) {
			g.t.Errorf("the log shows %s", what)
		}
	}
}

// TestWhenOneIDFails drives what can be wrong with a single CloudID, or a single item of a response.
func TestWhenOneIDFails(t *testing.T) {
	t.Parallel()
	const body = `{"a":"` + steps + `","b":{"cloudID":"` + group + `"}}`
	system := func(id string) string { return errorObject(id, -601001, "system error") }
	for _, c := range []struct {
		kind, a, b, keys string
	}{
		{"wrong_ids", system(steps), system(group), ``},
		{"swap", stepsData, groupData, `"a","b"`},
		{"duplicate", stepsData, groupData, `"a","b"`},
		{"missing", stepsData, system(group), `"a"`},
		{"empty", system(steps), groupData, `"b"`},
		{"object", stepsData, groupData, `"a","b"`},
	} {
		t.Run(c.kind, func(t *testing.T) {
			for _, onError := range []string{"embed", "reject"} {
				g := start(t, setup{cloudid: "on_error " + onError})
				g.fault(sandbox.Fault{API: "getopendata", Kind: c.kind})
				g.post(body).forwarded(`{"a":`+c.a+`,"b":`+c.b+`}`).has(t, "X-WX-OPEN-DATA-INFO", `{"keys":[`+c.keys+`]}`)
				// What was no definite word is asked again.
				g.post(body).forwarded(`{"a":` + stepsData + `,"b":` + groupData + `}`)
			}
		})
	}
	t.Run("expired, another user's, unknown", func(t *testing.T) {
		g := start(t, setup{cloudid: "on_error reject"})
		old := g.mint(sandbox.OpenData{OpenID: user, Kind: "phone", TTL: -1})
		theirs := g.mint(sandbox.OpenData{OpenID: "o-another", Kind: "phone"})
		g.post(`{"a":"`+old+`","b":"`+theirs+`","c":"`+unknownID+`","d":{"cloudID":"`+unknownID+`"},"e":"`+steps+`"}`).
			forwarded(`{"a":`+errorObject(old, -601006, "cloudID expired.")+`,"b":`+
				errorObject(theirs, -601007, "cloudID and calling user does not match")+`,"c":"`+unknownID+`","d":`+invalid+`,"e":`+stepsData+`}`).
			has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["e"]}`)
	})
	t.Run("one bad id that fails the whole call does not cost the others", func(t *testing.T) {
		for _, code := range []int{-601006, 40097} {
			g := start(t, setup{})
			g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: code})
			g.post(body).forwarded(`{"a":` + stepsData + `,"b":` + groupData + `}`)
			if calls := g.wechat.Calls(); calls.GetOpenData != 3 || len(g.logLines(failedExchange)) != 0 {
				t.Errorf("%d calls, log %v", calls.GetOpenData, g.logLines(failedExchange))
			}
		}
	})
	t.Run("made out for another app", func(t *testing.T) {
		g := start(t, setup{})
		id := g.mint(sandbox.OpenData{OpenID: user, Data: []byte(`{"phoneNumber":"1","watermark":{"appid":"wxother"}}`)})
		g.post(`{"a":"` + id + `"}`).forwarded(`{"a":` + errorObject(id, -601007, "cloudID and calling user does not match") + `}`)
	})
	t.Run("open data is carried byte for byte", func(t *testing.T) {
		g := start(t, setup{})
		const data = `{ "n":1.10,"big":12345678901234567890,"a":1,"a":2,"é":"\u00e9\/","__proto__":{} }`
		id := g.mint(sandbox.OpenData{OpenID: user, Data: []byte(data)})
		g.post(`{"a":"` + id + `"}`).forwarded(`{"a":{"cloudID":"` + id + `","data":` + data + `}}`)
	})
}

// Whoever waits for a failing exchange learns of it, but the operator is told once.
func TestOneLineHoweverManyWait(t *testing.T) {
	t.Parallel()
	g := start(t, setup{account: "timeout 1s", cloudid: "on_error reject"})
	g.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: time.Minute})
	inParallel(50, 50, func(int) {
		if status := g.status(call{body: example}); status != http.StatusGatewayTimeout {
			t.Errorf("status %d", status)
		}
	})
	g.want(1, 1, 1)
	g.wantOneLine("timeout", "timeout")
}

// TestAResponseThatIsNoHTTP has WeChat's place taken by something that shows net/http what it must not repeat in a log.
func TestAResponseThatIsNoHTTP(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"no HTTP":           `{"phoneNumber":"13580006666"}` + "\r\n\r\n",
		"a broken head":     "HTTP/1.1 200 OK\r\n13580006666 \r\n\r\n",
		"a broken status":   "HTTP/1.1 13580006666\r\n\r\n",
		"a broken length":   "HTTP/1.1 200 OK\r\nContent-Length: 13580006666x\r\n\r\n",
		"a broken coding":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: 13580006666\r\n\r\n",
		"a broken trailer":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n13580006666\r\n\r\n",
		"a broken redirect": "HTTP/1.1 302 Found\r\nLocation: http://%zz13580006666\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			raw := rawServer(t, response)
			g := start(t, setup{account: "token none", endpoint: raw})
			got := g.post(example).got
			if got == nil || !strings.Contains(got.body, `"errCode":-60100`) {
				t.Fatalf("the function received %+v", got)
			}
			probe.Eventually(t, "a line is in the log", func() bool { return len(g.logLines(failedExchange)) > 0 })
			g.wantNoSecrets()
		})
	}
}

// rawServer responds to every request with the same bytes.
func rawServer(t *testing.T, response string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(conn, response)
			}
			conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}
