package account

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/directive"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("cloudid", parseGlobalOption)
}

// parseGlobalOption reads the global option. Syntax:
//
//	cloudid {
//		account <appid> {
//			secret    <secret>
//			token     stable <secret>|static <token>|service <url>|none
//			endpoint  <url>
//			timeout   <duration>
//			retries   <n>
//			cache     <ttl> [<entries>]|off
//			key       <secret>...
//			limit     <n> [<duration>]|off
//			max_calls <n>
//		}
//	}
//
// Given more than once, its accounts add up.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	app := &App{Accounts: make(map[string]*Account)}
	if before, ok := existing.(httpcaddyfile.App); ok {
		if err := json.Unmarshal(before.Value, app); err != nil {
			return nil, err
		}
	}
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "cloudid", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile adds the accounts of one global option.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.Errf("cloudid takes no arguments here, only a block with accounts: cloudid { account <appid> { … } }")
	}
	for d.NextBlock(0) {
		if d.Val() != "account" {
			return d.Errf("unknown option%s in cloudid; allowed: account", directive.Quote(d.Val()))
		}
		if err := a.unmarshalAccount(d); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) unmarshalAccount(d *caddyfile.Dispenser) error {
	var appid string
	if !d.AllArgs(&appid) || appid == "" {
		return d.Errf("account takes just an AppID: account <appid> { … }")
	}
	if looksLikeSecret(appid) {
		return d.WrapErr(errSwapped)
	}
	if a.Accounts[appid] != nil {
		return d.Errf("account %s is given twice", appid)
	}
	account := new(Account)
	a.Accounts[appid] = account
	return directive.Block(d, "account "+appid, directive.Options{
		"secret":    directive.String(&account.Secret, "secret <secret>", placeholder.Check(checkSecret).CheckSecretWord),
		"token":     account.unmarshalToken,
		"endpoint":  directive.String(&account.Endpoint, "endpoint <url>", placeholder.Check(wechat.CheckEndpoint).CheckSecretWord),
		"timeout":   directive.Duration(&account.Timeout, minDuration, "timeout <duration>"),
		"retries":   directive.Int(&account.Retries, 0, maxRetries, "retries <n>"),
		"cache":     directive.Args(account.readCache),
		"key":       directive.Strings(&account.Keys, "key <secret>...", placeholder.Check(checkKey).CheckSecretWord),
		"limit":     directive.Args(account.readLimit),
		"max_calls": directive.Int(&account.MaxCalls, 1, maxMaxCalls, "max_calls <n>"),
	})
}

func (a *Account) unmarshalToken(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Errf("token takes a source: token stable|static|service|none …")
	}
	source := d.Val()
	if _, err := caddy.GetModule(tokenNamespace + "." + source); err != nil {
		var allowed []string
		for _, module := range caddy.GetModules(tokenNamespace) {
			allowed = append(allowed, module.ID.Name())
		}
		return d.Errf("unknown token source%s; allowed: %s", directive.Quote(source), strings.Join(allowed, ", "))
	}
	module, err := caddyfile.UnmarshalModule(d, tokenNamespace+"."+source)
	if err != nil {
		return err
	}
	a.TokenRaw = caddyconfig.JSONModuleObject(module, "source", source, nil)
	return nil
}

func (a *Account) readCache(args []string) error {
	c := new(Cache)
	a.Cache = c
	return readBounds(args, "cache <ttl> [<entries>]|off", &c.Off,
		func(arg string) error {
			c.TTL = placeholder.Duration(arg)
			return c.TTL.Check(minDuration)
		},
		func(arg string) error {
			c.Entries = placeholder.Number(arg)
			return c.Entries.Check(1, maxCacheEntries)
		})
}

func (a *Account) readLimit(args []string) error {
	l := new(Limit)
	a.Limit = l
	return readBounds(args, "limit <n> [<duration>]|off", &l.Off,
		func(arg string) error {
			l.CloudIDs = placeholder.Number(arg)
			return l.CloudIDs.Check(1, maxLimit)
		},
		func(arg string) error {
			l.Window = placeholder.Duration(arg)
			return l.Window.Check(time.Second)
		})
}

// readBounds reads off, or one or two arguments.
func readBounds(args []string, syntax string, off *bool, first, second func(arg string) error) error {
	switch {
	case len(args) == 1 && args[0] == "off":
		*off = true
		return nil
	case len(args) == 0 || len(args) > 2:
		return directive.WrongArguments(syntax)
	}
	err := first(args[0])
	if err == nil && len(args) == 2 {
		err = second(args[1])
	}
	if err != nil {
		return fmt.Errorf("%w; the syntax is: %s", err, syntax)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
