// Package account is the Caddy app `cloudid`: the mini programs that this gateway serves, what they need to call
// WeChat, and what of it lives on when a config is reloaded. Handlers ask it; it knows no HTTP request.
package account

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds the accounts of a gateway. Several are normal: owners of many mini programs serve them all from one.
type App struct {
	// The accounts, by AppID, which may be a placeholder such as {env.WECHAT_APPID}.
	Accounts map[string]*Account `json:"accounts,omitempty"`

	invocations invocation.Feed
	pooled      poolRefs
	unknown     *metrics.Account   // of requests that are about no account that is known
	metrics     []*metrics.Account // of all accounts, and unknown
}

// Invocations shows the calls through the `cloudid` handlers of this config.
func (a *App) Invocations() *invocation.Feed { return &a.invocations }

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "cloudid", New: func() caddy.Module { return new(App) }}
}

// Provision sets up the accounts. It makes no calls.
func (a *App) Provision(ctx caddy.Context) error {
	if a.pooled.pool == nil {
		a.pooled.pool = processPool
	}
	load(&a.pooled, "headroom", nil, newHeadroom)
	if err := a.resolveAppIDs(ctx.Logger()); err != nil {
		return err
	}
	for _, appid := range a.appids() {
		if err := a.Accounts[appid].provision(ctx); err != nil {
			return fmt.Errorf("account %s: %w", a.Accounts[appid].Name(), err)
		}
	}
	return a.showMetrics(ctx.GetMetricsRegistry())
}

// resolveAppIDs replaces the placeholders of AppIDs, and rejects what no account may be called.
func (a *App) resolveAppIDs(logger *zap.Logger) error {
	resolved := make(map[string]*Account, len(a.Accounts))
	for _, name := range a.appids() {
		if looksLikeSecret(name) {
			return errSwapped
		}
		if name == "" {
			return errors.New("an account has no AppID")
		}
		if a.Accounts[name] == nil {
			return fmt.Errorf("account %s has no settings; give it a secret", name)
		}
		appid, err := placeholder.Resolve("account "+name, name)
		switch {
		case err != nil:
			return err
		case looksLikeSecret(appid):
			return fmt.Errorf("account %s: %w", name, errSwapped)
		case resolved[appid] != nil:
			return fmt.Errorf("account %s is given twice, also as %s", resolved[appid].written, name)
		case !looksLikeAppID(appid):
			logger.Warn("this AppID does not look like one: WeChat's are wx and 16 hexadecimal digits", zap.String("appid", name))
		}
		resolved[appid] = a.Accounts[name]
		resolved[appid].appid, resolved[appid].written, resolved[appid].pooled.pool = appid, name, a.pooled.pool
	}
	a.Accounts = resolved
	return nil
}

// Start shows the state of the accounts in metrics. Access tokens are fetched when they are needed.
func (a *App) Start() error {
	for _, appid := range a.appids() {
		a.Accounts[appid].start()
	}
	return nil
}

// Stop ends what Start began.
func (a *App) Stop() error {
	for _, account := range a.Accounts {
		account.stop()
	}
	return nil
}

// Cleanup releases what the accounts share with other configs.
func (a *App) Cleanup() error {
	for _, account := range a.Accounts {
		if account != nil {
			account.retire()
		}
	}
	a.pooled.release()
	return nil
}

// Account returns the account of an AppID; for "" the only one there is. The error is for an operator.
func (a *App) Account(appid string) (*Account, error) { return a.find(appid, appid) }

// find is Account for an AppID that came from placeholders, as it is written.
func (a *App) find(appid, written string) (*Account, error) {
	if appid != "" {
		account, ok := a.Accounts[appid]
		switch {
		case ok:
			return account, nil
		case !looksLikeSecret(appid):
			return nil, fmt.Errorf("there is no account %s; %s", written, a.hint())
		case written == appid:
			return nil, errSwapped
		}
		return nil, fmt.Errorf("account %s: %w", written, errSwapped)
	}
	if len(a.Accounts) == 1 {
		for _, account := range a.Accounts {
			return account, nil
		}
	}
	return nil, fmt.Errorf("no account is named, and there is not exactly one; %s", a.hint())
}

func (a *App) hint() string {
	if len(a.Accounts) == 0 {
		return "add one to the global options: cloudid { account <appid> { secret <secret> } }"
	}
	var names []string
	for _, appid := range a.appids() {
		names = append(names, cmp.Or(a.Accounts[appid].Name(), appid)) // which a Caddyfile does not know yet
	}
	return "configured are: " + strings.Join(names, ", ")
}

func (a *App) appids() []string { return slices.Sorted(maps.Keys(a.Accounts)) }

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
