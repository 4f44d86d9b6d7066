// Package caddymodule is the plugin as a whole: importing it registers all of its Caddy modules, directives and commands.
package caddymodule

import (
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/command"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/functionapi"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/gateway"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/inspector"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/session"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/transport"
)
