package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/check"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// liveTimeout bounds what WeChat is asked, for all accounts together.
const liveTimeout = 20 * time.Second

// errFindings ends the command with status 1 when everything that it has to say is printed.
var errFindings = errors.New("")

func checkCommand() *cobra.Command {
	var configFile, adapter string
	var offline bool
	cmd := &cobra.Command{
		Use:   "check [--config <path>] [--adapter <name>] [--offline]",
		Short: "Says what in a config is wrong or dangerous, and what to write",
		Long: `
Reads a config as Caddy would, with all that it imports, and says what in it is
wrong or dangerous for functions behind this server: a proxy that can be reached
around the directive cloudid, a caller without proof, cloudid_api or the
sandbox on a public address, and so on. Each finding has its place and the line
to write.

Unless --offline is given, it also asks WeChat for an access token of each
account and says how WeChat responded: a wrong secret (40125), an IP address
that is not on the whitelist (40164, with the address), and so on. Nothing is
started or changed.

The exit status is 0 when nothing is wrong, 1 with findings, and 2 when there is
no config to check or a flag is wrong.

  $ caddy cloudid check
  $ caddy cloudid check --config /etc/caddy/Caddyfile --offline
`,
		Args:         noArgs,
		SilenceUsage: true,
	}
	cmd.Flags().StringVarP(&configFile, "config", "c", "", "The config file (default: the Caddyfile of this folder)")
	cmd.Flags().StringVarP(&adapter, "adapter", "a", "", "The name of the config's adapter, such as caddyfile")
	cmd.Flags().BoolVar(&offline, "offline", false, "Do not ask WeChat for tokens")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceErrors = true // but for wrong flags, the command itself says what is wrong
		c := &configCheck{out: cmd.OutOrStdout()}
		if err := c.load(configFile, adapter); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "Error:", err)
			return UsageError(err)
		}
		c.config()
		if !offline {
			c.live(cmd.Context())
		}
		return c.end()
	}
	return cmd
}

// configCheck is one run of the command.
type configCheck struct {
	out     io.Writer
	file    string
	json    []byte
	invalid bool
	found   int
}

// load reads a config and adapts it, as `caddy run` does. The error is that of a config that cannot be read; one that is wrong is a
// finding.
func (c *configCheck) load(file, adapter string) (err error) {
	var used string
	c.json, c.file, used, err = caddycmd.LoadConfig(file, adapter)
	if err != nil && isWrong(err) {
		c.reject(err)
		return nil
	}
	if err != nil {
		return err
	}
	if len(c.json) == 0 {
		return errors.New("there is no config: name it with --config, or go to the folder of the Caddyfile")
	}
	if used != "caddyfile" {
		c.file = "" // places have no lines: there is nothing to read
	}
	c.json = caddy.RemoveMetaFields(c.json) // "@id", as caddy validate does
	return nil
}

// isWrong reports whether an error of caddycmd.LoadConfig is about what a config says; Caddy has no type for it.
func isWrong(err error) bool {
	return strings.HasPrefix(err.Error(), "adapting config") || strings.HasPrefix(err.Error(), "config is not valid JSON")
}

// reject notes that Caddy does not take the config.
func (c *configCheck) reject(err error) {
	c.invalid = true
	c.say("config", "Caddy does not take this config: "+err.Error(), "mend what it says first; nothing behind it was checked")
}

// config says what the config itself tells.
func (c *configCheck) config() {
	if c.invalid {
		return
	}
	var parsed caddy.Config
	err := json.Unmarshal(c.json, &parsed)
	if err == nil {
		err = caddy.Validate(&parsed)
	}
	if err != nil {
		c.reject(err)
		return
	}
	findings, err := check.Config(c.json)
	if err != nil {
		c.say("config", err.Error(), "")
		return
	}
	if text, err := os.ReadFile(c.file); err == nil {
		check.Locate(findings, c.file, text)
	}
	for _, f := range findings {
		c.say(f.Place, f.Problem, f.Fix)
	}
}

// say prints a finding.
func (c *configCheck) say(place, problem, fix string) {
	c.found++
	fmt.Fprintf(c.out, "%s\n    %s\n", place, problem)
	if fix != "" {
		fmt.Fprintf(c.out, "    -> %s\n", fix)
	}
	fmt.Fprintln(c.out)
}

// live asks WeChat for a token of each account, all at once, and says what became of it.
func (c *configCheck) live(ctx context.Context) {
	raw := gjson.GetBytes(c.json, "apps.cloudid").Raw
	if raw == "" || c.invalid {
		return
	}
	app, unload, err := loadAccounts([]byte(raw))
	if err != nil {
		c.say("accounts", err.Error(), "")
		return
	}
	defer unload()
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	appids := slices.Sorted(maps.Keys(app.Accounts))
	results := make([]error, len(appids))
	var wg sync.WaitGroup
	for i, appid := range appids {
		wg.Go(func() { results[i] = app.Accounts[appid].CheckToken(ctx) })
	}
	wg.Wait()
	status := app.Status().Accounts // in the same order
	for i, appid := range appids {
		if _, network := errors.AsType[*wechat.NetworkError](results[i]); network && check.SpeaksToSandbox(c.json) {
			fmt.Fprintf(c.out, "account %s: not asked, since its endpoint is the sandbox of this config, which does not run\n\n", app.Accounts[appid].Name())
			continue
		}
		if results[i] != nil {
			c.say("account "+app.Accounts[appid].Name(), results[i].Error(), wechat.Advice(results[i]))
			continue
		}
		fmt.Fprintf(c.out, "account %s: %s\n\n", app.Accounts[appid].Name(), tokenResult(status[i].Token.Source))
	}
}

// tokenResult says where an account's access token came from.
func tokenResult(source string) string {
	switch source {
	case "stable":
		return "WeChat gave an access token"
	case "static":
		return "not asked, since its access token is fixed (token static)"
	case "none":
		return "not asked, since it sends no access token (token none)"
	}
	return "token " + source + " gave an access token"
}

// loadAccounts provisions the app of accounts alone.
func loadAccounts(raw []byte) (app *account.App, unload func(), err error) {
	off := false
	base, err := caddy.ProvisionContext(&caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &off}},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "PANIC"}}}},
	})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := caddy.NewContext(base)
	module, err := ctx.LoadModuleByID("cloudid", raw)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return module.(*account.App), cancel, nil
}

// end says how it went.
func (c *configCheck) end() error {
	switch c.found {
	case 0:
		fmt.Fprintln(c.out, "nothing is wrong, as far as a config tells")
		return nil
	case 1:
		fmt.Fprintln(c.out, "1 finding")
	default:
		fmt.Fprintf(c.out, "%d findings\n", c.found)
	}
	return errFindings
}
