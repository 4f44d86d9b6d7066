package session

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
)

// accountRef is the account that a handler's config names: one for all requests, or one that each request's placeholders
// name.
type accountRef struct {
	app   *account.App
	name  string
	fixed *account.Account // nil: the name depends on the request
}

// newAccountRef finds out what name stands for; "" is the only account. What is known when the config is loaded is
// checked then.
func newAccountRef(ctx caddy.Context, name string, check func(*account.Account) error) (accountRef, error) {
	module, err := ctx.App("cloudid")
	if err != nil {
		return accountRef{}, err
	}
	app, ok := module.(*account.App)
	if !ok {
		return accountRef{}, fmt.Errorf("the app cloudid is a %T, which is not this plugin's", module)
	}
	known := caddy.NewReplacer().ReplaceKnown(name, "")
	if known == "" && name != "" {
		return accountRef{}, fmt.Errorf("account: %s is empty; check that the environment variable is set, or that the file is there and readable", name)
	}
	if strings.Contains(known, "{") {
		return accountRef{app: app, name: known}, nil
	}
	fixed, err := app.Account(known)
	if err != nil {
		return accountRef{}, err
	}
	return accountRef{fixed: fixed}, check(fixed)
}

// Resolve returns the account that a request is about, or false.
func (a accountRef) Resolve(r *http.Request) (*account.Account, bool) {
	if a.fixed != nil {
		return a.fixed, true
	}
	replacer := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	name := replacer.ReplaceAll(a.name, "")
	if name == "" {
		return nil, false // to App.Account it would mean the only account
	}
	found, err := a.app.Account(name)
	return found, err == nil
}
