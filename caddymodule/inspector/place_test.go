package inspector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// Where the page is, only the config tells: on a site of its own, or where matchers send requests.
func TestPathsOfTheInspector(t *testing.T) {
	const root, matcher, handle, handlePath, several = "cloudid_inspector", "cloudid_inspector /inspector/*", "handle /inspector* {\ncloudid_inspector\n}",
		"handle_path /a/inspector/* {\ncloudid_inspector\n}", "handle /fn/* {\nrespond fn\n}\n@insp path /x/* /y/*\nhandle @insp {\nroute {\ncloudid_inspector\n}\n}"
	const regexp, named = "@insp path_regexp ^/i[0-9]+\ncloudid_inspector @insp", "invoke insp"
	for _, test := range []struct {
		sentence, site, path string
		want                 int
		says                 string // the beginning of the body
	}{
		{"the root of its site", root, "/", 200, "<!doctype html>"},
		{"with a query", root, "/?seq=1", 200, "<!doctype html>"},
		{"what the page asks for", root, "/calls.json", 200, "{"},
		{"what else there is", root, "/codes.json", 200, "{"},
		{"for a terminal", root, "/calls.txt", 200, ""},
		{"what nobody serves", root, "/nothing", 404, "there is nothing at this path: the inspector has its page"},
		{"as a folder", root, "/nothing/", 404, "there is nothing"},
		{"what browsers look for", root, "/favicon.ico", 404, "there is nothing"},
		{"an endpoint below what nobody serves", root, "/nothing/calls.json", 404, "there is nothing"},
		{"a misspelt endpoint", root, "/call.json", 404, "there is nothing"},

		{"behind a matcher", matcher, "/inspector/", 200, "<!doctype html>"},
		{"what the page asks for", matcher, "/inspector/calls.json", 200, "{"},
		{"in other letters, as Caddy matches", matcher, "/Inspector/", 200, "<!doctype html>"},
		{"what nobody serves below it", matcher, "/inspector/nothing", 404, "there is nothing"},
		{"as a folder", matcher, "/inspector/nothing/", 404, "there is nothing"},
		{"an endpoint below that", matcher, "/inspector/nothing/calls.json", 404, "there is nothing"},

		{"in a handle", handle, "/inspector/", 200, "<!doctype html>"},
		{"without the slash, on the way to it", handle, "/inspector", 302, ""},
		{"what nobody serves below it", handle, "/inspector/nothing", 404, "there is nothing"},
		{"in a handle_path", handlePath, "/a/inspector/", 200, "<!doctype html>"},
		{"what the page asks for", handlePath, "/a/inspector/calls.json", 200, "{"},
		{"what nobody serves below it", handlePath, "/a/inspector/nothing", 404, "there is nothing"},
		{"at one of several paths", several, "/x/", 200, "<!doctype html>"},
		{"at another", several, "/y/calls.json", 200, "{"},
		{"what nobody serves below that", several, "/y/nothing", 404, "there is nothing"},
		{"where a pattern says it, anything may be the page", regexp, "/i42/", 200, "<!doctype html>"},
		{"in a named route", named, "/n/", 200, "<!doctype html>"},
		{"what nobody serves below it", named, "/n/nothing", 404, "there is nothing"},
	} {
		t.Run(test.sentence+" "+test.path, func(t *testing.T) {
			r := &rig{t, freeport.Addr(t)}
			config := strings.Replace(r.caddyfile(""), "\n	cloudid_inspector {\n		\n	}\n", "\n"+test.site+"\n", 1)
			if test.site == named {
				config = strings.Replace(config, "\nhttp://", "\n&(insp) {\ncloudid_inspector /n/*\n}\nhttp://", 1)
			}
			caddyrig.Load(t, config)
			status, header, body := r.request(http.MethodGet, test.path)
			if status != test.want || !strings.HasPrefix(body, test.says) {
				t.Errorf("%d, want %d: %.80s", status, test.want, body)
			}
			if status == http.StatusNotFound && header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("the type is %s", header.Get("Content-Type"))
			}
		})
	}
}
