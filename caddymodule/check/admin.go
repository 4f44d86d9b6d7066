package check

import "fmt"

// admin reports an admin API that others than this machine and its private network reach. Where no address is written it is a local one.
func (r *report) admin() {
	admin := r.config.Admin
	listens := &server{Listen: []string{loaded(admin.Listen)}}
	if admin.Disabled || admin.Listen == "" || len(r.config.Apps.CloudID.Accounts) == 0 || listens.isPrivate() {
		return
	}
	r.add(Finding{
		Kind: "admin", Place: "admin " + admin.Listen,
		Problem:   fmt.Sprintf("Caddy's admin API is at %s, which is not a private address: anybody who reaches it reads the accounts' secrets and replaces the config", admin.Listen),
		Fix:       "write admin localhost:2019, or a socket such as unix//run/caddy-admin.sock, or an address of your private network",
		directive: "admin", argument: admin.Listen,
	})
}
