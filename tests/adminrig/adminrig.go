// Package adminrig runs accounts in the process of a test, with Caddy's admin endpoint and a sandbox for WeChat. No two tests
// that do so run at once.
package adminrig

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// Steps is a CloudID that is always valid in the sandbox.
const Steps = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"

// Rig is a Caddy with its admin endpoint, which runs nothing yet, and a sandbox for WeChat.
type Rig struct {
	WeChat  *sandbox.Server
	Address string // of the admin endpoint

	t   testing.TB
	api string // the sandbox's URL
}

// New returns a rig that lasts as long as the test.
func New(t testing.TB) *Rig {
	t.Helper()
	wechat := sandbox.New()
	api := httptest.NewServer(wechat)
	t.Cleanup(api.Close)
	return &Rig{WeChat: wechat, Address: freeport.Addr(t), t: t, api: api.URL}
}

// Account is a member of the accounts in a config: an account that calls the sandbox, with settings in JSON, such as "secret":"s".
func (r *Rig) Account(appid, settings string) string {
	return fmt.Sprintf(`%q:{"endpoint":%q,"timeout":"500ms",%s}`, appid, r.api, settings)
}

// Config is a config with these apps, in JSON.
func (r *Rig) Config(apps string) []byte {
	return fmt.Appendf(nil, `{"admin":{"listen":%q,"config":{"persist":false}},"logging":{"logs":{"default":{"level":"PANIC"}}},"apps":{%s}}`, r.Address, apps)
}

// Accounts is a config with these accounts.
func (r *Rig) Accounts(accounts string) []byte {
	return r.Config(`"cloudid":{"accounts":{` + accounts + `}}`)
}

// Load runs a config.
func (r *Rig) Load(config []byte) {
	r.t.Helper()
	caddyrig.LoadJSON(r.t, config)
}

// Resolve has Steps exchanged in the name of a user, by an account of the config that runs.
func (r *Rig) Resolve(appid, openid string) {
	r.t.Helper()
	ctx := caddy.ActiveContext()
	app, err := ctx.AppIfConfigured("cloudid")
	if err != nil {
		r.t.Fatal(err)
	}
	one, err := app.(*account.App).Account(appid)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := one.Resolve(context.WithoutCancel(r.t.Context()), openid, []string{Steps}, nil); err != nil {
		r.t.Error(err)
	}
}
