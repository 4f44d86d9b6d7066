package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestPathsMatchAsCaddysDo(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no string // paths
	}{
		{"*", "/ /a /a/b", ""},
		{"/fn", "/fn /FN", "/fn/ /fn/x /f"},
		{"/Fn/*", "/fn/ /fn/a /FN/a/b", "/fn /x/fn/a"},
		{"/fn*", "/fn /fnx /fn/a", "/f"},
		{"*.php", "/a.php /a/b.PHP", "/a.php/x /a.phpx"},
		{"*secret*", "/secret /a/secret/b /secrets", "/secre /a"},
		{"/a/*/c", "/a/b/c", "/a/b/b/c /a/c /a/b/c/d"},
		{"*/b/c*", "/b/c /a/b/c/d", "/b /c"},
		{"/a*b*", "/axbx", "/ax /xb"},
		{"/[", "", "/[ /"},
	} {
		for _, path := range strings.Fields(test.yes) {
			if !pathMatches(test.pattern, path) {
				t.Errorf("%s does not match %s", test.pattern, path)
			}
		}
		for _, path := range strings.Fields(test.no) {
			if pathMatches(test.pattern, path) {
				t.Errorf("%s matches %s", test.pattern, path)
			}
		}
	}
}

func TestHostsMatchAsCaddysDo(t *testing.T) {
	for _, test := range []struct {
		pattern, host string
		want          bool
	}{
		{"example.com", "example.com", true},
		{"Example.COM", "example.com", true},
		{"example.com", "a.example.com", false},
		{"example.com", "example.org", false},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", "example.com", false},
		{"x.example.com", "*.example.com", true}, // the request that was made up for a wildcard
		{"*", "a.b.c", true},
		{"*", "localhost", true},
		{"{env.HOST}", "anything.example", true},
	} {
		if got := hostMatches(test.pattern, test.host); got != test.want {
			t.Errorf("%s and %s: %t", test.pattern, test.host, got)
		}
	}
}

// A matcher that only a real request decides is maybe, whatever stands beside it, unless that says no.
func TestMatchersOfARoute(t *testing.T) {
	st := state{request: request{"POST", "example.com", "/fn/a"}, path: "/fn/a", pathKnown: true}
	unknownPath := st
	unknownPath.pathKnown = false
	for _, test := range []struct {
		match     string // of the route, as JSON
		st        state
		want      verdict
		undecided string // the first of what it depends on
	}{
		{`[]`, st, yes, ""},
		{`[{}]`, st, yes, ""},
		{`[{"path":["/x","/fn/*"]}]`, st, yes, ""},
		{`[{"path":["/x"]}]`, st, no, ""},
		{`[{"path":["/x"]}]`, unknownPath, maybe, "path"},
		{`[{"path":"a text"}]`, st, maybe, "path"},
		{`[{"method":["GET","POST"]}]`, st, yes, ""},
		{`[{"method":["GET"]}]`, st, no, ""},
		{`[{"method":1}]`, st, maybe, "method"},
		{`[{"host":["example.com"]}]`, st, yes, ""},
		{`[{"host":["example.org"]}]`, st, no, ""},
		{`[{"host":{}}]`, st, maybe, "host"},
		{`[{"expression":"x"}]`, st, maybe, "expression"},
		{`[{"path":["/fn/*"],"header":{},"expression":"x"}]`, st, maybe, "expression"},
		{`[{"path":["/x"],"header":{}}]`, st, no, ""},
		{`[{"path":["/x"]},{"header":{}}]`, st, maybe, "header"},
		{`[{"path":["/fn/*"]},{"header":{}}]`, st, yes, ""},
		{`[{"not":[{"path":["/x"]}]}]`, st, yes, ""},
		{`[{"not":[{"path":["/fn/*"]}]}]`, st, no, ""},
		{`[{"not":[{"path":["/x"]},{"method":["POST"]}]}]`, st, no, ""},
		{`[{"not":[{"path":["/x"]},{"header":{}}]}]`, st, maybe, "header"},
		{`[{"not":[{"method":["POST"]},{"header":{}}]}]`, st, no, ""},
		{`[{"not":"x"}]`, st, maybe, "not"},
	} {
		var r route
		if err := json.Unmarshal([]byte(`{"match":`+test.match+`}`), &r); err != nil {
			t.Fatal(err)
		}
		got, open := r.matches(test.st)
		if got != test.want || got == maybe && open.matcher != test.undecided {
			t.Errorf("%s: %d, for %+v; want %d, for %s", test.match, got, open, test.want, test.undecided)
		}
	}
}

func TestRangesThatArePrivate(t *testing.T) {
	for text, want := range map[string]bool{
		"private_ranges": true, "127.0.0.1": true, "127.0.0.0/8": true, "127.1.0.0/16": true, "10.1.2.3/32": true, "10.0.0.0/8": true, "172.16.0.0/12": true,
		"192.168.1.1": true, "169.254.1.0/24": true, "::1": true, "::1/128": true, "fd00::/8": true, "fe80::/10": true, "localhost": true,
		"0.0.0.0/0": false, "10.0.0.0/7": false, "172.0.0.0/8": false, "172.32.0.0/16": false, "8.8.8.8": false, "192.0.2.0/24": false, "::/0": false,
		"2001:db8::/32": false, "example.com": false, "": false,
	} {
		if got := isPrivateRange(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestAddressesOfAServer(t *testing.T) {
	for _, test := range []struct {
		listen         []string
		private, local bool
	}{
		{nil, false, false},
		{[]string{":443"}, false, false},
		{[]string{"127.0.0.1:80"}, true, true},
		{[]string{"localhost:80", "[::1]:80"}, true, true},
		{[]string{"unix//run/x.sock"}, true, true},
		{[]string{"10.0.0.1:80"}, true, false},
		{[]string{"169.254.0.1:80"}, true, false},
		{[]string{"127.0.0.1:80", "8.8.8.8:80"}, false, false},
		{[]string{"127.0.0.1:80", "10.0.0.1:80"}, true, false},
		{[]string{"127.0.0.1:port"}, false, false},
	} {
		s := &server{Listen: test.listen}
		if s.isPrivate() != test.private || s.isLocal() != test.local {
			t.Errorf("%v: private %t, local %t", test.listen, s.isPrivate(), s.isLocal())
		}
	}
}

func TestUpstreamsByOneName(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "",
		`{"upstreams":[{"dial":"localhost:1"},{"dial":"[::1]:2"},{"dial":"127.0.0.1:3"},{"dial":"app:4"},{"dial":"unix//x"}]}`:                              "127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 app:4 unix//x",
		`{"upstreams":[{"dial":":1"},{"dial":"LocalHost:2"},{"dial":"[0:0:0:0:0:0:0:1]:3"},{"dial":"127.0.1.1:4"},{"dial":"0.0.0.0:5"},{"dial":"[::]:6"}]}`: "127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 127.0.0.1:4 127.0.0.1:5 127.0.0.1:6",
		`{"upstreams":[{"dial":"tcp/App:1"},{"dial":"[2001:db8::1]:2"},{"dial":"{http.vars.function}:3"}]}`:                                                 "app:1 [2001:db8::1]:2 {http.vars.function}:3",
		`{"upstreams":[{"dial":"{upstream}"},{"dial":"unix//run/a.sock|0222"}]}`:                                                                            "{upstream} unix//run/a.sock",
		`{"dynamic_upstreams":{"source":"a","name":"app","port":"4"}}`:                                                                                      "app:4",
		`{"dynamic_upstreams":{"source":"a"}}`:                                                                                                              `{"source":"a"}`,
		`{"dynamic_upstreams":{"source":"srv","name":"app"}}`:                                                                                               `{"source":"srv","name":"app"}`,
	} {
		var h handler
		if err := json.Unmarshal([]byte(config), &h); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(h.dials(), " "); got != want {
			t.Errorf("%s: %s, want %s", config, got, want)
		}
	}
}

func TestWordsOfACaddyfile(t *testing.T) {
	for config, want := range map[string]string{
		`{"handler":"reverse_proxy"}`:                                    "reverse_proxy",
		`{"handler":"reverse_proxy","transport":{"protocol":"fastcgi"}}`: "php_fastcgi",
		`{"handler":"reverse_proxy","transport":{"protocol":"http1"}}`:   "reverse_proxy",
		`{"handler":"other","transport":{"protocol":"fastcgi"}}`:         "other",
		`{"handler":"other","transport":["of","another","shape"]}`:       "other",
	} {
		var h handler
		if err := json.Unmarshal([]byte(config), &h); err != nil || h.directive() != want {
			t.Errorf("%s: %s, %v, want %s", config, h.directive(), err, want)
		}
	}
}

func TestAccountsOfASandbox(t *testing.T) {
	for accounts, want := range map[string]bool{
		`{}`:                                    false,
		`{"wx1":{}}`:                            false,
		`{"wx1":{"endpoint":"http://[::1]:1"}}`: true,
		`{"wx1":{"endpoint":"http://localhost"},"wx2":{"endpoint":"http://127.0.0.2:1/x"}}`: true,
		`{"wx1":{"endpoint":"http://localhost"},"wx2":{}}`:                                  false,
		`{"wx1":{"endpoint":"http://10.0.0.1"}}`:                                            false,
		`{"wx1":{"endpoint":"http://["}}`:                                                   false,
	} {
		for server, sandbox := range map[string]bool{
			`{}`: false,
			`{"routes":[{"handle":[{"handler":"cloudid"}]}]}`:                                                        false,
			`{"routes":[{"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"cloudid_sandbox"}]}]}]}]}`: true,
		} {
			config := `{"apps":{"http":{"servers":{"other":{},"s":` + server + `}},"cloudid":{"accounts":` + accounts + `}}}`
			if got := SpeaksToSandbox([]byte(config)); got != (want && sandbox) {
				t.Errorf("%s beside %s: %t", accounts, server, got)
			}
		}
	}
}

func TestRewrites(t *testing.T) {
	for _, test := range []struct{ rewrite, path, want string }{
		{`{"uri":"/b"}`, "/a", "POST /b true"},
		{`{"uri":"/b?x=1"}`, "/a", "POST /b true"},
		{`{"uri":"?x=1"}`, "/a", "POST /a true"},
		{`{"uri":"/b{http.request.uri.path}"}`, "/a", "POST /b/a true"},
		{`{"uri":"/{http.request.header.X}"}`, "/a", "POST /{http.request.header.X} false"},
		{`{"method":"get"}`, "/a", "GET /a true"},
		{`{"method":"{http.request.header.X}"}`, "/a", "POST /a true"},
		{`{"strip_path_prefix":"/api"}`, "/api/fn", "POST /fn true"},
		{`{"strip_path_prefix":"/api"}`, "/api", "POST / true"},
		{`{"strip_path_prefix":"/api/"}`, "/api/fn", "POST /fn true"},
		{`{"strip_path_prefix":"/api"}`, "/fn", "POST /fn true"},
		{`{"strip_path_suffix":".html"}`, "/a.html", "POST /a true"},
		{`{"uri_substring":[]}`, "/a", "POST /a false"},
		{`{"path_regexp":[]}`, "/a", "POST /a false"},
	} {
		var h handler
		if err := json.Unmarshal([]byte(test.rewrite), &h); err != nil {
			t.Fatal(err)
		}
		st := h.rewrite(state{request: request{"POST", "", test.path}, path: test.path, pathKnown: true})
		if got := fmt.Sprint(st.request.method, " ", st.path, " ", st.pathKnown); got != test.want {
			t.Errorf("%s of %s: %s, want %s", test.rewrite, test.path, got, test.want)
		}
	}
}

// What map sets is the client's where an output uses what a regular expression found, or a placeholder of the client's.
func TestOutputsOfMap(t *testing.T) {
	const uid, user = `{http.request.uri.query.uid}`, `{http.auth.user.id}`
	for _, test := range []struct{ sentence, table, clients string }{
		{"fixed outputs, whatever the source", `"source":"` + uid + `","mappings":[{"input":"a","outputs":["one","two"]}],"defaults":["none","none"]`, ""},
		{"no default", `"source":"` + uid + `","mappings":[{"input":"a","outputs":["one","two"]}]`, ""},
		{"a default of the client's", `"source":"` + user + `","defaults":["none","` + uid + `"]`, "b"},
		{"fewer outputs than names", `"source":"` + user + `","mappings":[{"input":"a","outputs":["` + uid + `"]}],"defaults":["none"]`, "a"},
		{"what an expression found in the client's text", `"source":"` + uid + `","mappings":[{"input_regexp":"^u-(.*)$","outputs":["${1}","x"]}]`, "a"},
		{"what it found in another's", `"source":"` + user + `","mappings":[{"input_regexp":"^u-(.*)$","outputs":["${1}","x"]}]`, ""},
		{"an output that is no text", `"source":"` + uid + `","mappings":[{"input_regexp":"^u-(.*)$","outputs":[1,null]}]`, ""},
	} {
		var h handler
		if err := json.Unmarshal([]byte(`{"handler":"map","destinations":["{a}","{b}"],`+test.table+`}`), &h); err != nil {
			t.Fatal(err)
		}
		st := h.mapValues(state{})
		if got := strings.Join(st.fromClient, " "); got != test.clients || len(st.fromClient)+len(st.placeholders) != 2 {
			t.Errorf("%s: the client's are %q, want %q; others are %q", test.sentence, got, test.clients, st.placeholders)
		}
	}
}

func TestChangedHeaders(t *testing.T) {
	for _, test := range []struct {
		request string
		set     string
		removed [3]bool
	}{
		{`null`, "", [3]bool{}},
		{`"x"`, "", [3]bool{}},
		{`{"set":{"X-User":["a"]}}`, "x-user", [3]bool{}},
		{`{"delete":["X-WX-*"]}`, "x-wx-*", [3]bool{true, false, false}},
		{`{"delete":["X-CloudID-*"]}`, "x-cloudid-*", [3]bool{false, true, false}},
		{`{"delete":["X-*"]}`, "x-*", [3]bool{true, true, true}},
		{`{"delete":["X-WX-*","X-CloudID-*","X-Functions-Extended-Context"]}`, "x-cloudid-* x-functions-extended-context x-wx-*", [3]bool{true, true, true}},
		{`{"delete":["X-WX-OPENID"]}`, "x-wx-openid", [3]bool{true, false, false}},
		{`{"delete":["X-Other"]}`, "x-other", [3]bool{}},
	} {
		st := (&handler{Request: json.RawMessage(test.request)}).changeHeaders(state{})
		slices.Sort(st.headers)
		all := test.removed == [3]bool{true, true, true}
		if got := strings.Join(st.headers, " "); got != test.set || st.removed != test.removed || st.stripped != all {
			t.Errorf("%s: headers %s, removed %v, stripped %t", test.request, got, st.removed, st.stripped)
		}
	}
	// One after the other, as a Caddyfile has them.
	st := state{}
	for _, name := range []string{"X-WX-*", "X-CloudID-*", "X-Functions-*"} {
		if st.stripped {
			t.Errorf("stripped before %s", name)
		}
		st = (&handler{Request: json.RawMessage(`{"delete":["` + name + `"]}`)}).changeHeaders(st)
	}
	if !st.stripped {
		t.Error("all three were removed")
	}
}

// Each matcher of a config meets a request that it takes, and one that it does not.
func TestPathsThatAreTried(t *testing.T) {
	for _, test := range []struct {
		patterns, stripped string
		want               string
	}{
		{"", "", "/ /x /anything-else"},
		{"/fn", "", "/ /x /fn /fn/x /anything-else"},
		{"/fn/*", "", "/ /x /fn/ /fn/x /anything-else"},
		{"*.png", "", "/ /x /x.png /anything-else"},
		{"*a*", "", "/ /x /xax /anything-else"},
		{"/a/*/c", "", "/ /x /a/ /a/x /x/c /a/x/c /anything-else"},
		{"*.php", "", "/ /x /x.php /anything-else /index.php/x"},
		{"/a", "/api", "/ /x /a /a/x /api/ /api/a /api/x /api/a/x /anything-else /api/anything-else"},
	} {
		got := samplePaths(strings.Fields(test.patterns), strings.Fields(test.stripped))
		want := strings.Fields(test.want)
		for i := 1; i < len(got); i++ {
			if len(got[i]) < len(got[i-1]) {
				t.Errorf("%s: %v does not begin with the shortest", test.patterns, got)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", test.patterns, got, want)
		}
	}
}

func TestRangesThatSomebodyHasNamed(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "private_ranges": true, "10.0.0.0/8 fc00::/7": true, "203.0.113.7": true, "203.0.0.0/16": true, "203.0.0.0/15": false, "0.0.0.0/1 128.0.0.0/1": false,
		"2001:db8::1": true, "2001:db8:1::/48": true, "2001:db8::/32": false, "::/0": false, "10.0.0.0/8 0.0.0.0/0": false, "anything": false,
	} {
		if got := areNamed(strings.Fields(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestFactsThatNameAddresses(t *testing.T) {
	for _, test := range []struct{ matcher, arguments, holds, fails string }{
		{"remote_ip", `{"ranges":["10.0.0.0/8","::1"]}`, "10.0.0.0/8 ::1", ""},
		{"client_ip", `{"ranges":["10.0.0.0/8"]}`, "10.0.0.0/8", ""},
		{"header", `{"ranges":["10.0.0.0/8"]}`, "", ""},
		{"expression", `"remote_ip('10.0.0.0/8', '::1')"`, "10.0.0.0/8 ::1", ""},
		{"expression", `{"expr":"path('/x') && client_ip('10.0.0.1')","name":"a"}`, "10.0.0.1", ""},
		{"expression", `"remote_ip(\"10.0.0.1\")"`, "10.0.0.1", ""},
		{"expression", `"!remote_ip('10.0.0.0/8')"`, "", "10.0.0.0/8"},
		{"expression", `{"expr":" ! client_ip('10.0.0.0/8', '::1') ","name":"strangers"}`, "", "10.0.0.0/8 ::1"},
		{"expression", `"!remote_ip('10.0.0.0/8') && path('/x')"`, "", ""},
		{"expression", `"remote_ip('10.0.0.0/8') || path('/x')"`, "", ""},
		{"expression", `"path('/x') || remote_ip('10.0.0.0/8')"`, "", ""},
		{"expression", `"path('/x')"`, "", ""},
	} {
		f := fact{matcher: test.matcher, arguments: test.arguments}
		if got := strings.Join(f.ranges(), " "); got != test.fails {
			t.Errorf("without %s %s: %q, want %q", test.matcher, test.arguments, got, test.fails)
		}
		f.holds = true
		if got := strings.Join(f.ranges(), " "); got != test.holds {
			t.Errorf("%s %s: %q, want %q", test.matcher, test.arguments, got, test.holds)
		}
	}
}
