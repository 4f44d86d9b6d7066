package command

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [--address <interface>] [--config <path> [--adapter <name>]] [--json]",
		Short: "Shows the state of the accounts of a running server",
		Long: `
Asks a running server, by its admin API, for the state of its accounts: age and
end of each access token, the breakers that stop calls to WeChat while they
would fail, the calls, the cache, and the latest failure with what to do about
it. No secret, token, openid or open data is shown.

--address says where the admin API is, if not at its default, localhost:2019;
with --config it is read from that config. --json prints what the API says, the
same as GET /cloudid/status.

  $ caddy cloudid status
`,
		SilenceUsage: true,
		Args:         noArgs,
		RunE:         runStatus,
	}
	cmd.Flags().String("address", "", "The address of the admin API")
	cmd.Flags().StringP("config", "c", "", "A config to read the address from")
	cmd.Flags().StringP("adapter", "a", "", "The name of the config adapter, for --config")
	cmd.Flags().Bool("json", false, "Print JSON")
	return cmd
}

func runStatus(cmd *cobra.Command, _ []string) error {
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	written := strings.TrimSuffix(strings.TrimPrefix(flag("address"), "http://"), "/") // as it is copied from a browser
	address, err := caddycmd.DetermineAdminAPIAddress(written, nil, flag("config"), flag("adapter"))
	if err != nil {
		found := fmt.Errorf("finding the address of the admin API: %w", err)
		if isWrong(err) {
			return found
		}
		return UsageError(found)
	}
	body, err := getStatus(address)
	if err != nil {
		return err
	}
	if flag("json") == "true" {
		_, err := cmd.OutOrStdout().Write(body)
		return err
	}
	var status account.Status
	if err := json.Unmarshal(body, &status); err != nil {
		return fmt.Errorf("the admin API at %s gave no status: %w", address, err)
	}
	return printStatus(cmd.OutOrStdout(), status, time.Now())
}

func getStatus(address string) ([]byte, error) {
	res, err := caddycmd.AdminAPIRequest(address, http.MethodGet, "/cloudid/status", nil, nil)
	switch {
	case err == nil:
		defer res.Body.Close()
		return io.ReadAll(res.Body)
	case strings.Contains(err.Error(), "HTTP 404"): // Caddy has no type for it
		return nil, fmt.Errorf("the server at %s has no status of accounts: it runs without this plugin", address)
	case strings.Contains(err.Error(), "performing request"):
		return nil, fmt.Errorf("asking the admin API: %w; is the server running, and its admin API at %s, not off (admin off)? If it is elsewhere, say so with --address", err, address)
	}
	return nil, fmt.Errorf("asking the admin API at %s: %w", address, err)
}

// printStatus writes a table with a row for each account, and below a line for each latest failure.
func printStatus(out io.Writer, status account.Status, now time.Time) error {
	if len(status.Accounts) == 0 {
		_, err := fmt.Fprintln(out, "no accounts are configured")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "ACCOUNT\tTOKEN\tBREAKERS\tCALLS (FAILED)\tCACHE")
	for _, a := range status.Accounts {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.AppID, tokenText(a.Token), breakersText(a.Breakers), callsText(a.Calls), cacheText(a.Cache))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, a := range status.Accounts {
		if f := a.LastFailure; f != nil {
			if _, err := fmt.Fprintf(out, "\n%s failed %s ago: %s\n  %s\n", a.AppID, short(now.Sub(f.Time)), f.Error, f.Advice); err != nil {
				return err
			}
		}
	}
	return nil
}

func tokenText(token account.TokenStatus) string {
	if token.Fetched == nil {
		return token.Source
	}
	return fmt.Sprintf("%s, %s old, ends in %s", token.Source, short(time.Duration(token.Age)*time.Second), short(time.Duration(token.ExpiresIn)*time.Second))
}

// breakersText names the breakers that are not closed.
func breakersText(breakers map[string]string) string {
	var others []string
	for _, api := range slices.Sorted(maps.Keys(breakers)) {
		if state := breakers[api]; state != "closed" {
			others = append(others, api+" "+state)
		}
	}
	if len(others) == 0 {
		return "closed"
	}
	return strings.Join(others, ", ")
}

func callsText(calls map[string]account.Calls) string {
	var texts []string
	for _, api := range slices.Sorted(maps.Keys(calls)) {
		text := fmt.Sprintf("%s %d", api, calls[api].OK+calls[api].Failed)
		if failed := calls[api].Failed; failed > 0 {
			text += fmt.Sprintf(" (%d)", failed)
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return "none yet"
	}
	return strings.Join(texts, ", ")
}

func cacheText(cache account.CacheStatus) string {
	if cache.MaxEntries == 0 {
		return "off"
	}
	return fmt.Sprintf("%d of %d", cache.Entries, cache.MaxEntries)
}

// short writes a duration in its largest unit or two, such as 45s, 12m or 1h48m.
func short(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
}
