package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What is found in routes, of Caddy's JSON, in which C is a cloudid, P the proxy to its functions, and V a handler that only goes on.
func TestRequestsAreFollowedAsCaddyDoes(t *testing.T) {
	const (
		cloudid = `{"handler":"cloudid","fields":["a"],"openid":"{http.request.tls.client.subject}"}`
		proxy   = `{"handler":"reverse_proxy","upstreams":[{"dial":"function:1"}]}`
		goesOn  = `{"handler":"encode"}`
	)
	spell := strings.NewReplacer("C", cloudid, "P", proxy, "V", goesOn)
	const inFront = `[{"match":[{"path":["/x"]}],"handle":[HANDLER]},{"handle":[C,P]}]`
	for _, test := range []struct {
		sentence string
		routes   string
		errors   string // the error routes; "": none
		named    string // the named routes; "": none
		want     string // kinds
	}{
		{"one after the other", `[{"handle":[C]},{"handle":[P]}]`, "", "", ""},
		{"nothing follows a proxy", `[{"handle":[P,C]}]`, "", "", "unreachable"},
		{"of a group one route is taken", `[{"group":"g","match":[{"path":["/x"]}],"handle":[V]},{"group":"g","handle":[C]},{"handle":[P]}]`, "", "", "bypass"},
		{"of two groups both are", `[{"group":"g","match":[{"path":["/x"]}],"handle":[V]},{"group":"h","handle":[C]},{"handle":[P]}]`, "", "", ""},
		{"a route that does not match leaves its group to others", `[{"group":"g","match":[{"path":["/x"]}],"handle":[C]},{"group":"g","handle":[C]},{"handle":[P]}]`, "", "", ""},
		{"nothing follows a terminal route", `[{"match":[{"path":["/x"]}],"terminal":true,"handle":[V]},{"match":[{"not":[{"path":["/x"]}]}],"handle":[C]},{"handle":[P]}]`, "", "", ""},
		{"another is followed by the rest", `[{"match":[{"path":["/x"]}],"handle":[V]},{"match":[{"not":[{"path":["/x"]}]}],"handle":[C]},{"handle":[P]}]`, "", "", "bypass"},
		{"a subroute goes on", `[{"handle":[{"handler":"subroute","routes":[{"handle":[C]}]},P]}]`, "", "", ""},
		{"a subroute with error routes too", `[{"handle":[{"handler":"subroute","routes":[{"handle":[C]}],"errors":{"routes":[]}},P]}]`, "", "", ""},
		{"a subroute's error routes", `[{"handle":[{"handler":"subroute","routes":[{"match":[{"path":["/x"]}],"handle":[{"handler":"error"}]},{"handle":[C,P]}],"errors":{"routes":[{"handle":[P]}]}}]}]`, "", "", "error-route"},
		{"a named route", `[{"handle":[{"handler":"invoke","name":"n"},P]}]`, "", `{"n":{"handle":[C]}}`, ""},
		{"a named route around", `[{"match":[{"path":["/x"]}],"handle":[{"handler":"invoke","name":"n"}]},{"handle":[C,P]}]`, "", `{"n":{"handle":[P]}}`, "bypass"},
		{"a named route that is not there", `[{"handle":[{"handler":"invoke","name":"none"},C,P]}]`, "", "", ""},
		{"responses that are handled", `[{"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"auth:1"}],"handle_response":[{"routes":[{"match":[{"path":["/x"]}],"handle":[P]}]}]},C,P]}]`, "", "", "bypass"},
		{"responses that are intercepted", `[{"handle":[{"handler":"intercept","handle_response":[{"routes":[{"match":[{"path":["/x"]}],"handle":[P]}]}]},C,P]}]`, "", "", "bypass"},
		{"an intercept goes on", `[{"handle":[{"handler":"intercept"},C,P]}]`, "", "", ""},
		{"a path that is rewritten", `[{"handle":[{"handler":"rewrite","strip_path_prefix":"/api"}]},{"match":[{"path":["/fn/*"]}],"handle":[C,P]},{"match":[{"path":["/other/*"]}],"handle":[P]}]`, "", "", "bypass"},

		{"matchers that are alike take the same requests, however they are written", `[{"match":[{"header":{"A":["1"]}}],"handle":[C]},{"match":[{"header": {"A": ["1"]}}],"handle":[P]}]`, "", "", ""},
		{"matchers that differ do not", `[{"match":[{"header":{"A":["1"]}}],"handle":[C]},{"match":[{"header":{"A":["2"]}}],"handle":[P]}]`, "", "", "bypass"},

		{"what map has changed is asked anew", `[{"match":[{"vars":{"{m}":["1"]}}],"handle":[C]},{"handle":[{"handler":"map","destinations":["{m}"],"source":"x","defaults":["1"]}]},{"match":[{"vars":{"{m}":["1"]}}],"handle":[P]}]`, "", "", "bypass"},
		{"what another map sets is not", `[{"match":[{"vars":{"{m}":["1"]}}],"handle":[C]},{"handle":[{"handler":"map","destinations":["{other}"],"source":"x","defaults":["1"]}]},{"match":[{"vars":{"{m}":["1"]}}],"handle":[P]}]`, "", "", ""},

		{"a session reads Authorization, and takes it away", `[{"handle":[{"handler":"authentication","providers":{"wechat":{}}},{"handler":"authentication","providers":{"http_basic":{}}},C,P]}]`, "", "", "authorization"},
		{"either of two authenticators, in one handler", `[{"handle":[{"handler":"authentication","providers":{"wechat":{},"http_basic":{}}},C,P]}]`, "", "", ""},
		{"another plugin's authenticator may read something else", `[{"handle":[{"handler":"authentication","providers":{"jwt":{}}},{"handler":"authentication","providers":{"wechat":{}}},C,P]}]`, "", "", ""},
		{"one session after another", `[{"handle":[{"handler":"authentication","providers":{"wechat":{}}},{"handler":"authentication","providers":{"wechat":{}}},C,P]}]`, "", "", "authorization"},
		{"one password after another", `[{"handle":[{"handler":"authentication","providers":{"http_basic":{}}},{"handler":"authentication","providers":{"http_basic":{}}},C,P]}]`, "", "", ""},
		{"both on some paths, and the session alone on others", `[{"match":[{"path":["/x"]}],"handle":[{"handler":"authentication","providers":{"http_basic":{}}}]},{"handle":[{"handler":"authentication","providers":{"wechat":{}}},C,P]}]`, "", "", ""},
		{"Authorization is removed, and set from elsewhere", `[{"handle":[{"handler":"headers","request":{"delete":["Auth*"]}},{"handler":"headers","request":{"set":{"authorization":["Bearer {http.request.cookie.token}"]}}},{"handler":"authentication","providers":{"wechat":{}}},C,P]}]`, "", "", ""},
		{"Authorization is removed", `[{"handle":[{"handler":"headers","request":{"delete":["Auth*"]}},{"handler":"authentication","providers":{"wechat":{}}},C,P]}]`, "", "", "authorization"},

		{"the openid is what forward_auth answered", `[{"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"auth:1"}],"rewrite":{"method":"GET"},"handle_response":[{"routes":[{"handle":[{"handler":"vars"}]}]}]},{"handler":"cloudid","fields":["a"],"openid":"{http.reverse_proxy.header.X-User}"},P]}]`, "", "", ""},
		{"or what nobody answered", `[{"handle":[{"handler":"cloudid","fields":["a"],"openid":"{http.reverse_proxy.header.X-User}"},P]}]`, "", "", "unset-openid"},
		{"some requests set the openid", `[{"match":[{"path":["/x"]}],"handle":[{"handler":"vars","user":"{http.auth.user.id}"}]},{"handle":[{"handler":"cloudid","fields":["a"],"openid":"{http.vars.user}"},P]}]`, "", "", ""},
		{"cloudid asks for what the block around it does not let in", `[{"match":[{"path":["/x/*"]}],"handle":[{"handler":"subroute","routes":[{"match":[{"path":["/y/*"]}],"handle":[C]}]},P]}]`, "", "", "unreachable"},

		{"nobody is logged in", `[{"handle":[{"handler":"cloudid","fields":["a"]},P]}]`, "", "", "no-session"},
		{"a handler of another plugin may log in", `[{"handle":[{"handler":"of_another"},{"handler":"cloudid","fields":["a"]},P]}]`, "", "", ""},
		{"nothing sets the caller", `[{"handle":[{"handler":"cloudid","fields":["a"],"openid":"{http.jwt.openid}"},P]}]`, "", "", "unset-openid"},
		{"a handler of another plugin may set it", `[{"handle":[{"handler":"of_another"},{"handler":"cloudid","fields":["a"],"openid":"{http.jwt.openid}"},P]}]`, "", "", ""},
		{"a private range may call", `[{"handle":[{"handler":"cloudid_api","allow":["10.0.0.0/8"]}]}]`, "", "", ""},
		{"everybody beside it too", `[{"handle":[{"handler":"cloudid_api","allow":["10.0.0.0/8","0.0.0.0/0"]}]}]`, "", "", "public"},

		{"an error in front", strings.Replace(inFront, "HANDLER", `{"handler":"error"}`, 1), `[{"handle":[P]}]`, "", "error-route"},
		{"a file server that finds no file", strings.Replace(inFront, "HANDLER", `{"handler":"file_server"}`, 1), `[{"handle":[P]}]`, "", "error-route"},
		{"a body that is too large", strings.Replace(inFront, "HANDLER", `{"handler":"request_body"}`, 1), `[{"handle":[P]}]`, "", "error-route"},
		{"another's authenticator", strings.Replace(inFront, "HANDLER", `{"handler":"authentication","providers":{"http_basic":{}}}`, 1), `[{"handle":[P]}]`, "", "error-route"},
		{"a session removes the headers before it rejects", strings.Replace(inFront, "HANDLER", `{"handler":"authentication","providers":{"wechat":{}}}`, 1), `[{"handle":[P]}]`, "", ""},
		{"so does a login", strings.Replace(inFront, "HANDLER", `{"handler":"wechat_login"}`, 1), `[{"handle":[P]}]`, "", ""},
		{"a handler of another plugin may fail", strings.Replace(inFront, "HANDLER", `{"handler":"of_another"}`, 1), `[{"handle":[P]}]`, "", "error-route"},
		{"another upstream may be down", strings.Replace(inFront, "HANDLER", `{"handler":"reverse_proxy","upstreams":[{"dial":"other:1"}]}`, 1), `[{"handle":[P]}]`, "", "error-route"},
		{"what only goes on does not fail", strings.Replace(inFront, "HANDLER", "V", 1), `[{"handle":[P]}]`, "", ""},
		{"cloudid removes the headers before it rejects", `[{"handle":[C,P]}]`, `[{"handle":[P]}]`, "", ""},
		{"an error in an error route ends the request", strings.Replace(inFront, "HANDLER", `{"handler":"error"}`, 1), `[{"handle":[{"handler":"error"},P]}]`, "", ""},
		{"an error route finds the path as it was", `[{"match":[{"path":["/x"]}],"handle":[{"handler":"rewrite","uri":"/y"},{"handler":"error"}]},{"handle":[C,P]}]`, `[{"match":[{"path":["/x"]}],"handle":[P]}]`, "", "error-route"},
	} {
		server := `{"listen":[":443"],"routes":` + test.routes
		if test.errors != "" {
			server += `,"errors":{"routes":` + test.errors + `}`
		}
		if test.named != "" {
			server += `,"named_routes":` + test.named
		}
		found, err := Config([]byte(`{"apps":{"http":{"servers":{"s":` + spell.Replace(server) + `}}}}}`))
		if err != nil {
			t.Fatalf("%s: %v", test.sentence, err)
		}
		if got := kindsOf(found); got != test.want {
			t.Errorf("%s: found %q, want %q: %+v", test.sentence, got, test.want, found)
		}
	}
}

// Routes that no matcher of which can be decided double the ways with each: at some point there are enough.
func TestAWalkEndsSomewhere(t *testing.T) {
	undecided := func(expression string) *route {
		return &route{Match: []matcherSet{{"expression": []byte(expression)}}, Handle: []*handler{{Handler: "vars"}}}
	}
	for _, test := range []struct {
		steps int // that were taken before
		want  bool
	}{{0, false}, {maxSteps - 9, false}, {maxSteps - 8, true}, {maxSteps, true}} {
		routes := []*route{undecided(`"x"`), undecided(`"y"`)}
		w := newWalker(newReport(&config{}), &server{Routes: routes})
		w.steps = test.steps
		w.follow(request{"POST", "x", "/"}, routes, nil) // asks for x once and for y twice, and visits six lists of handlers
		if w.exhausted != test.want {
			t.Errorf("after %d steps it is exhausted: %t", test.steps, w.exhausted)
		}
	}
}

// Matchers of what no walk looks at cost it nothing.
func TestHeadersOfResponsesDoNotBranch(t *testing.T) {
	var routes []string
	for i := range 40 {
		routes = append(routes, fmt.Sprintf(`{"match":[{"query":{"a":["%d"]}}],"handle":[{"handler":"headers","response":{"set":{"A":["1"]}}}]}`, i))
	}
	found, err := Config([]byte(`{"apps":{"http":{"servers":{"s":{"listen":[":443"],"routes":[` + strings.Join(routes, ",") + `,{"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"f:1"}]}]}]}}}}}`))
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %+v", err, found)
	}
}

func TestWhatIsNoConfig(t *testing.T) {
	if _, err := Config([]byte(`{"apps":[]}`)); err == nil || !strings.Contains(err.Error(), "the config is not JSON as Caddy knows it") {
		t.Errorf("the error is %v", err)
	}
}

// What is found in two servers, of Caddy's JSON: one for everybody proxies to one of this machine.
func TestRequestsAreFollowedToServersOfTheSameConfig(t *testing.T) {
	const (
		cloudid = `{"handler":"cloudid","fields":["a"],"openid":"{http.request.tls.client.subject}"}`
		session = `{"handler":"authentication","providers":{"wechat":{}}}`
		proxy   = `{"handler":"reverse_proxy","upstreams":[{"dial":"function:1"}]}`
		through = `{"handle":[` + cloudid + `,` + proxy + `]}`
		enters  = `{"handler":"reverse_proxy","upstreams":[{"dial":"localhost:8081"}]}`
	)
	for _, test := range []struct {
		sentence string
		front    string // routes
		inner    string // routes; "": those of a proxy to the functions alone
		listens  string // the addresses of the inner one; "": 127.0.0.1:8081
		want     string // kinds
	}{
		{"a proxy to the functions", `{"handle":[` + enters + `]}`, "", "", "bypass"},
		{"by another spelling of the address", `{"handle":[` + enters + `]}`, "", "[::1]:8081", "bypass"},
		{"by all addresses of the machine, where the inner one is a bypass itself", `{"handle":[` + enters + `]}`, "", ":8081", "bypass"},
		{"cloudid in front", `{"handle":[` + cloudid + `,` + enters + `]}`, "", "", ""},
		{"cloudid behind", `{"handle":[` + enters + `]}`, through, "", ""},
		{"cloudid behind, for some paths", `{"handle":[` + enters + `]}`, `{"match":[{"path":["/fn/*"]}],"handle":[` + cloudid + `]},{"handle":[` + proxy + `]}`, "", "bypass"},
		{"the path of the request is the client's there too", `{"match":[{"path":["/a/*"]}],"handle":[` + enters + `]}`, `{"match":[{"path":["/fn/*"]}],"handle":[` + proxy + `]}`, "", ""},
		{"the host is the client's there too", `{"match":[{"host":["example.com"]}],"handle":[` + enters + `]}`, `{"match":[{"host":["127.0.0.1"]}],"handle":[` + proxy + `]}`, "", ""},
		{"unless the proxy sends another", `{"match":[{"host":["example.com"]}],"handle":[` + strings.Replace(enters, `{`, `{"headers":{"request":{"set":{"Host":["{http.reverse_proxy.upstream.hostport}"]}}},`, 1) + `]}`, `{"match":[{"host":["localhost"]}],"handle":[` + proxy + `]}`, "", "bypass"},
		{"or one of its own", `{"match":[{"host":["example.com"]}],"handle":[` + strings.Replace(enters, `{`, `{"headers":{"request":{"set":{"Host":["inner.example:80"]}}},`, 1) + `]}`, `{"match":[{"host":["inner.example"]}],"handle":[` + proxy + `]}`, "", "bypass"},
		{"who called is known in front alone", `{"handle":[` + session + `,` + enters + `]}`, `{"handle":[{"handler":"cloudid","fields":["a"]},` + proxy + `]}`, "", "no-session"},
		{"a header that is set in front arrives", `{"handle":[{"handler":"headers","request":{"set":{"X-User":["{http.auth.user.id}"]}}},` + enters + `]}`, `{"handle":[{"handler":"cloudid","fields":["a"],"openid":"{http.request.header.X-User}"},` + proxy + `]}`, "", ""},
		{"one that is not is the client's", `{"handle":[` + enters + `]}`, `{"handle":[{"handler":"cloudid","fields":["a"],"openid":"{http.request.header.X-User}"},` + proxy + `]}`, "", "client-openid"},
		{"trusted headers are the client's", `{"handle":[` + enters + `]}`, `{"handle":[{"handler":"cloudid","fields":["a"],"trust_headers":true},` + proxy + `]}`, "", "trust-headers"},
		{"an endpoint of this machine", `{"handle":[` + enters + `]}`, `{"handle":[{"handler":"cloudid_sandbox","allow":["127.0.0.1"]}]}`, "", "public"},
		{"for addresses that the front lets in", `{"match":[{"remote_ip":{"ranges":["203.0.113.0/24"]}}],"handle":[` + enters + `]}`, `{"handle":[{"handler":"cloudid_sandbox"}]}`, "", ""},
		{"the inner one sees no client's address", `{"handle":[` + enters + `]}`, `{"match":[{"remote_ip":{"ranges":["127.0.0.1"]}}],"handle":[{"handler":"cloudid_sandbox"}]}`, "", "public"},
		{"nor its X-Forwarded-For, which it trusts nobody to write", `{"handle":[` + enters + `]}`, `{"match":[{"client_ip":{"ranges":["203.0.113.0/24"]}}],"handle":[{"handler":"cloudid_sandbox"}]}`, "", "public"},
		{"a page behind a password", `{"handle":[{"handler":"authentication","providers":{"http_basic":{}}},` + enters + `]}`, `{"handle":[{"handler":"cloudid_inspector"}]}`, "", ""},
		{"an error route of the front", `{"match":[{"path":["/x"]}],"handle":[{"handler":"error"}]},` + through, "", "", "error-route"},
		{"two that proxy to each other", `{"handle":[` + enters + `]}`, `{"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"127.0.0.1:443"}]}]}`, "", ""},
	} {
		inner, listens, errors := test.inner, test.listens, ""
		if inner == "" {
			inner = `{"handle":[` + proxy + `]}`
		}
		if listens == "" {
			listens = "127.0.0.1:8081"
		}
		if test.want == "error-route" {
			errors = `,"errors":{"routes":[{"handle":[` + enters + `]}]}`
		}
		found, err := Config([]byte(`{"apps":{"http":{"servers":{` +
			`"a":{"listen":[":443"],"routes":[` + test.front + `]` + errors + `},` +
			`"b":{"listen":["` + listens + `"],"routes":[` + inner + `]},` +
			`"c":{"listen":["127.0.0.1:8082"],"routes":[` + through + `]}}}}}`))
		if err != nil {
			t.Fatalf("%s: %v", test.sentence, err)
		}
		if got := kindsOf(found); got != test.want {
			t.Errorf("%s: found %q, want %q: %+v", test.sentence, got, test.want, found)
		}
	}
}

func kindsOf(found []Finding) string {
	var kinds []string
	for _, f := range found {
		kinds = append(kinds, f.Kind)
	}
	slices.Sort(kinds)
	return strings.Join(slices.Compact(kinds), " ")
}

// Named routes of JSON may invoke each other, which those of a Caddyfile cannot.
func TestRoutesThatInvokeEachOtherEnd(t *testing.T) {
	const proxy = `{"handler":"reverse_proxy","upstreams":[{"dial":"f:1"}]}`
	found, err := Config([]byte(`{"apps":{"http":{"servers":{"s":{"listen":[":443"],"routes":[{"handle":[{"handler":"invoke","name":"a"}]}],` +
		`"named_routes":{"a":{"handle":[{"handler":"invoke","name":"b"}]},"b":{"handle":[{"handler":"invoke","name":"a"},` + proxy + `]}}}}}}}`))
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %+v", err, found)
	}
}

// Who runs many small apps has a site for each, perhaps behind one that ends TLS for all.
func TestManySitesCostLittle(t *testing.T) {
	var sites, fronts []string
	for i := range 200 {
		site := func(routes string) string {
			return strings.ReplaceAll(`{"match":[{"host":["appN.example.com"]}],"terminal":true,"handle":[{"handler":"subroute","routes":[`+routes+`]}]}`, "N", fmt.Sprint(i))
		}
		fronts = append(fronts, site(`{"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"127.0.0.1:8080"}]}]}`))
		sites = append(sites, site(`{"match":[{"path":["/login"]}],"handle":[{"handler":"wechat_login"}]},`+
			`{"group":"g","match":[{"path":["/appN/*"]}],"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"rewrite","strip_path_prefix":"/appN"}]},`+
			`{"handle":[{"handler":"authentication","providers":{"wechat":{}}},{"handler":"cloudid","fields":["a"]},{"handler":"reverse_proxy","upstreams":[{"dial":"f:1"}]}]}]}]},`+
			`{"group":"g","match":[{"path":["*.png","*.jpg"]}],"handle":[{"handler":"file_server"}]}`))
	}
	for _, listens := range []string{":443", "127.0.0.1:8080"} {
		var c config
		err := json.Unmarshal([]byte(`{"apps":{"http":{"servers":{"front":{"listen":[":444"],"routes":[`+strings.Join(fronts, ",")+`]},`+
			`"sites":{"listen":["`+listens+`"],"routes":[`+strings.Join(sites, ",")+`]}}}}}`), &c)
		if err != nil {
			t.Fatal(err)
		}
		r := newReport(&c)
		for _, s := range c.servers() {
			if hosts, requests := c.hosts(s), c.requestsFor(s, "app7.example.com"); len(hosts) != 201 || len(requests) > 200 {
				t.Errorf("%d hosts, and %d requests for one of them", len(hosts), len(requests))
			}
			if part := s.forHost("app7.example.com"); len(part.Routes) != 1 {
				t.Errorf("one site of many has %d routes", len(part.Routes))
			}
			r.noteGateways(s)
		}
		for _, s := range c.servers() {
			r.server(s)
		}
		if found := r.findings(); len(found) > 0 {
			t.Errorf("found %+v", found)
		}
	}
}
