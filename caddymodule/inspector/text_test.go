package inspector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// In a terminal, the calls are text that holds what the page does and nothing that a terminal obeys.
func TestCallsAsText(t *testing.T) {
	r := start(t, "")
	if _, _, body := r.request(http.MethodGet, "/calls.txt"); !strings.Contains(body, "No call yet") {
		t.Errorf("without calls it is %q", body)
	}
	r.publish(invocation.Record{
		Method: "POST", Path: "/fn/steps\x1b[2J\u202e", Done: true, Status: 200, Outcome: invocation.AllFailed, AppID: "wx0", Caller: invocation.Caller("o-1"), RequestID: "7c1e",
		Members: []invocation.Member{{Name: "weRunData", Declared: invocation.Field, Result: invocation.Failed, Code: -601006}, {Name: "x\n\r\x9b", Result: invocation.Kept, Reason: invocation.Nested}},
	})
	r.publish(invocation.Record{
		Method: "POST", Path: "/login", Done: true, Status: 502, Outcome: invocation.UpstreamError, Directive: "wechat_login",
		Rejection: &invocation.Rejection{Status: 502, Reason: "wechat rejects this service"}, Cause: "errcode 40125",
	})
	r.publish(invocation.Record{Method: "POST", Path: "/fn/up", Skipped: invocation.OtherType, ContentType: "text/plain", Outcome: invocation.Untouched})
	_, header, body := r.request(http.MethodGet, "/calls.txt")
	if got := header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("its type is %s", got)
	}
	for _, want := range []string{
		`POST /fn/steps\x1b[2J\u202e  200 failed  `, "account wx0  caller " + invocation.Caller("o-1").String() + "  request 7c1e\n",
		"    weRunData: field, error -601006; cloudID expired, the developer of the mini program: CloudIDs live for five minutes, and so does encryptedData",
		`    x\n\r\x9b: kept, nested: it looks like`,
		"POST /login  502 upstream_error", "    the client was told: wechat rejects this service\n    rejected by: wechat_login\n    cause: errcode 40125\n",
		"untouched (running)", "    the body was not read: the Content-Type is not JSON: the client must send application/json (text/plain)\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the text has no %q:\n%s", want, body)
		}
	}
	if strings.ContainsAny(strings.ReplaceAll(body, "\n", ""), "\x1b\r\u009b\u202e") {
		t.Error("a control character came through")
	}
}
