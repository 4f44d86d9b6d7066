package account

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("cloudid", parseGlobalOption)
}

// parseGlobalOption reads the global option. Syntax:
//
//	cloudid {
//		account <appid> {
//			secret   <secret>
//			token    stable <secret>|static <token>|service <url>|none
//			endpoint <url>
//			timeout  <duration>
//			retries  <n>
//			cache    <ttl> [<entries>]|off
//			key      <secret>...
//		}
//	}
//
// Given more than once, its accounts add up.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	app := App{Accounts: make(map[string]*Account)}
	if before, ok := existing.(httpcaddyfile.App); ok {
		if err := json.Unmarshal(before.Value, &app); err != nil {
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
		return d.Errf("cloudid takes no arguments here, only a block with accounts: cloudid { account <appid> { … } }, not %q", d.Val())
	}
	for d.NextBlock(0) {
		if d.Val() != "account" {
			return d.Errf("unknown option %q in cloudid; allowed is: account", d.Val())
		}
		var appid string
		if !d.AllArgs(&appid) || appid == "" {
			return d.Errf("account takes just an AppID: account <appid> { … }")
		}
		if a.Accounts[appid] != nil {
			return d.Errf("account %s is given twice", appid)
		}
		account := new(Account)
		if err := account.unmarshal(d); err != nil {
			return err
		}
		a.Accounts[appid] = account
	}
	return nil
}

// unmarshal reads the block of one account.
func (a *Account) unmarshal(d *caddyfile.Dispenser) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice in one account", option)
		}
		seen[option] = true
		if err := a.unmarshalOption(d, option); err != nil {
			return err
		}
	}
	return nil
}

func (a *Account) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "secret":
		return argument(d, "secret <secret>", &a.Secret)
	case "endpoint":
		return argument(d, "endpoint <url>", &a.Endpoint)
	case "token":
		return a.unmarshalToken(d)
	case "timeout":
		return positiveDuration(d, "timeout <duration>", &a.Timeout)
	case "retries":
		a.Retries = new(int)
		return number(d, "retries <n>", a.Retries)
	case "cache":
		return a.unmarshalCache(d)
	case "key":
		if a.Keys = d.RemainingArgs(); len(a.Keys) == 0 {
			return d.Errf("key takes at least one secret: key <secret>...")
		}
		return nil
	default:
		return d.Errf("unknown option %q in an account; allowed are: secret, token, endpoint, timeout, retries, cache, key", option)
	}
}

func (a *Account) unmarshalToken(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Errf("token takes a source: token stable|static|service|none …")
	}
	source := d.Val()
	module, err := caddyfile.UnmarshalModule(d, "cloudid.tokens."+source)
	if err != nil {
		if _, unknown := caddy.GetModule("cloudid.tokens." + source); unknown != nil {
			return d.Errf("unknown token source%s; allowed are: stable, static, service, none", quoteIfNotSecret(source))
		}
		return err
	}
	a.TokenRaw = caddyconfig.JSONModuleObject(module, "source", source, nil)
	return nil
}

// quoteIfNotSecret repeats a word for an error if it can be the name of a module, and not if it may be a secret in a name's place.
func quoteIfNotSecret(word string) string {
	const longest = 16
	if len(word) > longest || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return fmt.Sprintf(" %q", word)
}

func (a *Account) unmarshalCache(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	a.Cache = new(Cache)
	switch {
	case len(args) == 1 && args[0] == "off":
		a.Cache.Off = true
		return nil
	case len(args) == 0 || len(args) > 2:
		return d.Errf("cache takes a time, or off: cache <ttl> [<entries>]|off")
	}
	ttl, err := caddy.ParseDuration(args[0])
	if err != nil || ttl <= 0 {
		return d.Errf("cache: %q is no time above 0; write it as in: cache 1m 10000, or cache off", args[0])
	}
	a.Cache.TTL = caddy.Duration(ttl)
	if len(args) == 2 {
		if a.Cache.Entries, err = strconv.Atoi(args[1]); err != nil || a.Cache.Entries <= 0 {
			return d.Errf("cache: %q is no number of entries above 0; write it as in: cache 1m 10000", args[1])
		}
	}
	return nil
}

// argument reads the only argument of an option.
func argument(d *caddyfile.Dispenser, syntax string, to *string) error {
	if !d.AllArgs(to) {
		return d.Errf("wrong number of arguments; the syntax is: %s", syntax)
	}
	if *to == "" {
		return d.Errf("the argument is empty; the syntax is: %s", syntax)
	}
	return nil
}

func positiveDuration(d *caddyfile.Dispenser, syntax string, to *caddy.Duration) error {
	var text string
	if err := argument(d, syntax, &text); err != nil {
		return err
	}
	duration, err := caddy.ParseDuration(text)
	if err != nil || duration <= 0 {
		return d.Errf("%q is no duration above 0, such as 3s or 1m; the syntax is: %s", text, syntax)
	}
	*to = caddy.Duration(duration)
	return nil
}

func number(d *caddyfile.Dispenser, syntax string, to *int) error {
	var text string
	if err := argument(d, syntax, &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return d.Errf("%q is no number from 0 up; the syntax is: %s", text, syntax)
	}
	*to = n
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
)
