package inspector_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func TestThePageBringsAllItNeeds(t *testing.T) {
	r := start(t, "")
	status, header, body := r.request(http.MethodGet, "/")
	if status != http.StatusOK || header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", status, header)
	}
	for _, outside := range []string{"src=", "href=", "@import", ": url(", "http-equiv", "innerHTML", "insertAdjacentHTML", "document.write", " style=", " onclick="} {
		if strings.Contains(body, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
	policy := header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || header.Get("Cache-Control") != "no-store" || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", header)
	}
}

// The words for a code are those of log lines and of the command explain, in both languages of the page.
func TestEveryCodeIsExplained(t *testing.T) {
	r := start(t, "")
	_, _, body := r.request(http.MethodGet, "/codes.json")
	var all struct {
		Codes map[string]map[string]string `json:"codes"`
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	for _, code := range wechat.Codes() {
		text := all.Codes[strconv.Itoa(code.Number)]
		if text["meaning"] != code.English.Meaning || text["advice"] != code.English.Advice || text["meaning_zh"] != code.Chinese.Meaning ||
			text["advice_zh"] != code.Chinese.Advice || text["party"] == "" || text["party_zh"] == "" {
			t.Errorf("%d: %v", code.Number, text)
		}
	}
}

// A page in Chinese has words of its own for every reason; the English ones come from the table that the log has too.
func TestReasonsInChinese(t *testing.T) {
	r := start(t, "")
	_, _, page := r.request(http.MethodGet, "/")
	_, chinese, _ := strings.Cut(page, "  zh: {")
	_, _, english := r.request(http.MethodGet, "/codes.json")
	for _, reason := range invocation.Reasons() {
		if !strings.Contains(chinese, " "+reason.String()+": '") || !strings.Contains(english, `"`+reason.String()+`":"`) {
			t.Errorf("the reason %s is not in both languages", reason)
		}
	}
	for _, skipped := range invocation.AllSkipped() {
		if !strings.Contains(chinese, " "+string(skipped)+": '") || !strings.Contains(english, `"`+string(skipped)+`":"`) {
			t.Errorf("the reason %s for not reading a body is not in both languages", skipped)
		}
	}
}
