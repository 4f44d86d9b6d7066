package account_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// Caddy's admin endpoint is that of the config that was loaded last, also when that was rejected. Its metrics go on to be those of the
// accounts that run.
func TestMetricsOfTheAdminEndpointAfterAConfigThatWasRejected(t *testing.T) {
	other := httptest.NewServer(nil)
	defer other.Close()
	taken := strings.TrimPrefix(other.URL, "http://")
	for _, c := range []struct {
		sentence string
		apps     func(a *admin) string // of the config that is rejected
	}{
		{"in which an account is wrong", func(a *admin) string {
			return `"cloudid":{"accounts":{` + a.Account(appA, `"secret":"s"`) + `,` + a.Account(appB, `"secret":""`) + `}}`
		}},
		{"which has no such account", func(a *admin) string {
			return `"cloudid":{"accounts":{` + a.Account(appB, `"secret":""`) + `}}`
		}},
		{"which has it at another endpoint", func(*admin) string {
			return `"cloudid":{"accounts":{"` + appA + `":{"endpoint":"http://127.0.0.1:1","secret":""}}}`
		}},
		{"whose accounts are not looked at", func(*admin) string {
			return `"cloudid":{"accounts":{"":{}}}`
		}},
		{"which has no accounts at all", func(*admin) string {
			return `"http":{"servers":{"s":{"routes":[{"handle":[{"handler":"unknown"}]}]}}}`
		}},
		{"which cannot be started", func(a *admin) string {
			return `"cloudid":{"accounts":{` + a.Account(appB, `"secret":"s"`) + `}},"http":{"servers":{"s":{"listen":["` + taken + `"]}}}`
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			a := startAdmin(t)
			a.load(a.Account(appA, `"secret":"s"`))
			a.Resolve(appA, "o1")
			a.Address = freeport.Addr(t) // so that what responds there is not the endpoint of the config before
			if err := caddy.Load(a.Config(c.apps(a)), true); err == nil {
				t.Fatal("it was loaded")
			}
			status, body := a.do("GET", "/metrics")
			if status != 200 || !strings.Contains(body, `caddy_cloudid_wechat_calls_total{api="getopendata",appid="`+appA+`",errcode="0"} 1`) ||
				!strings.Contains(body, `caddy_cloudid_breaker_state{api="getopendata",appid="`+appA+`"} 0`) || strings.Contains(body, appB) {
				t.Errorf("the metrics are %d %s", status, body)
			}

			a.Address = freeport.Addr(t)
			a.load(a.Account(appB, `"secret":"s"`))
			if status, body := a.do("GET", "/metrics"); status != 200 || strings.Contains(body, appA) || !strings.Contains(body, appB) {
				t.Errorf("after the next config they are %d %s", status, body)
			}
		})
	}
}
