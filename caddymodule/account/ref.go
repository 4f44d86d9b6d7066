package account

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// Ref is the account that a handler's config names: one for all requests, or the one that the placeholders of each request
// name.
type Ref struct {
	app   *App
	name  string   // with placeholders of requests; "": the account is fixed
	fixed *Account // nil: it depends on the request
}

// NewRef finds the account that name stands for; "" stands for the only account. {env.*} and {file.*} are replaced now, other
// placeholders for each request.
func NewRef(ctx caddy.Context, name string) (Ref, error) {
	module, err := ctx.App("cloudid")
	if err != nil {
		return Ref{}, err
	}
	return module.(*App).ref(name)
}

func (a *App) ref(name string) (Ref, error) {
	if name != "" {
		known, err := placeholder.Known("account", name)
		if err != nil {
			return Ref{}, err
		}
		if placeholder.PerRequest(known) {
			if len(a.Accounts) == 0 {
				_, err = a.Account("") // says how to add one
			}
			return Ref{app: a, name: known}, err
		}
		fixed, err := a.find(known, name)
		return Ref{app: a, fixed: fixed}, err
	}
	fixed, err := a.Account("")
	return Ref{app: a, fixed: fixed}, err
}

// Fixed returns the account if it is the same for all requests, else nil.
func (r Ref) Fixed() *Account { return r.fixed }

// App returns the app that has the account.
func (r Ref) App() *App { return r.app }

// Resolve returns the account that a request is about, or false if a placeholder is unknown or empty, or no such account is
// configured.
func (r Ref) Resolve(replacer *caddy.Replacer) (*Account, bool) {
	if r.fixed != nil {
		return r.fixed, true
	}
	name, _ := replacer.ReplaceOrErr(r.name, true, true) // "", which no account is called, where it fails
	found, ok := r.app.Accounts[name]
	return found, ok
}

// ResolveForUser is Resolve for a request whose user an authenticator knows. It is also false if the user logged in to another
// account, {http.auth.user.appid}.
func (r Ref) ResolveForUser(replacer *caddy.Replacer) (*Account, bool) {
	found, ok := r.Resolve(replacer)
	if !ok {
		return nil, false
	}
	if appid, _ := replacer.GetString("http.auth.user.appid"); appid != "" && appid != found.appid {
		return nil, false
	}
	return found, true
}

// CheckNamed returns an error, which says the place in the Caddyfile, for a directive that names an account which the global option
// does not have, or none although it has several. Provisioning would reject it too, but no longer knows the line. Names with
// placeholders are left to it. example is a placeholder that the directive may name in an account's place; "": it takes none of
// requests.
func CheckNamed(h httpcaddyfile.Helper, name, example string) error {
	option, ok := h.Option("cloudid").(httpcaddyfile.App)
	if !ok {
		return nil
	}
	app := new(App)
	if err := json.Unmarshal(option.Value, app); err != nil {
		return nil //nolint:nilerr // the app itself was read before
	}
	h.Reset()
	h.Next()
	switch {
	case name == "" && len(app.Accounts) > 1:
		if example != "" {
			example = ", or a placeholder such as account " + example
		}
		return h.Errf("%s names no account, and there are several; add to it: account <appid>%s; %s", h.Val(), example, app.hint())
	case name == "" || strings.Contains(name+strings.Join(app.appids(), ""), "{"):
		return nil
	}
	if _, err := app.ref(name); err != nil {
		for h.Val() != name && h.Next() { // to the line that has it
		}
		return h.WrapErr(err)
	}
	return nil
}
