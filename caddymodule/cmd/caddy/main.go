// Command caddy is Caddy with the cloudid plugin: the standard modules and ours, nothing else.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate"
)

func main() {
	caddycmd.Main()
}
