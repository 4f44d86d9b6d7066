// Package caddycloudid makes `xcaddy build --with github.com/caddy-cloudid/caddy-cloudid` find the plugin from the
// module's root. There is nothing else in it.
package caddycloudid

import _ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
