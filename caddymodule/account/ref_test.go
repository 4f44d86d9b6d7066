package account

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestWhichAccountARequestIsAbout(t *testing.T) {
	t.Setenv("REF_TEST_APPID", "wx2")
	one := &App{Accounts: map[string]*Account{"wx1": {appid: "wx1"}}}
	two := &App{Accounts: map[string]*Account{"wx1": {appid: "wx1"}, "wx2": {appid: "wx2"}}}
	const host, user = "http.request.host", "http.auth.user.appid"
	for _, test := range []struct {
		sentence string
		app      *App
		name     string
		request  map[string]string // its placeholders
		want     string            // the AppID; "": none
		forUser  string            // the same of ResolveForUser
	}{
		{"the only account where none is named", one, "", nil, "wx1", "wx1"},
		{"the one that is named", two, "wx2", nil, "wx2", "wx2"},
		{"one that a variable names", two, "{env.REF_TEST_APPID}", nil, "wx2", "wx2"},
		{"one that the request names", two, "{http.request.host}", map[string]string{host: "wx2"}, "wx2", "wx2"},
		{"a part of whose name is the request's", two, "wx{http.request.host}", map[string]string{host: "1"}, "wx1", "wx1"},
		{"none if the request names one that is not there", two, "{http.request.host}", map[string]string{host: "wx3"}, "", ""},
		{"none if its placeholder is empty, also where there is only one account", one, "{http.request.host}", map[string]string{host: ""}, "", ""},
		{"none if its placeholder is unknown, also where there is only one account", one, "{http.request.host}", nil, "", ""},
		{"none if a part of its name is empty", one, "wx1{http.request.host}", map[string]string{host: ""}, "", ""},
		{"nobody serves those who logged in elsewhere", two, "wx2", map[string]string{user: "wx1"}, "wx2", ""},
		{"nor the only account", one, "", map[string]string{user: "wx2"}, "wx1", ""},
		{"those who logged in here are served", two, "wx2", map[string]string{user: "wx2"}, "wx2", "wx2"},
		{"and so are users of whom no AppID is known", two, "wx2", map[string]string{user: ""}, "wx2", "wx2"},
	} {
		ref, err := test.app.ref(test.name)
		if err != nil {
			t.Errorf("%s: %v", test.sentence, err)
			continue
		}
		replacer := caddy.NewReplacer()
		for key, value := range test.request {
			replacer.Set(key, value)
		}
		if got := appidOf(ref.Resolve(replacer)); got != test.want {
			t.Errorf("%s: Resolve: %q", test.sentence, got)
		}
		if got := appidOf(ref.ResolveForUser(replacer)); got != test.forUser {
			t.Errorf("%s: ResolveForUser: %q", test.sentence, got)
		}
		if fixed := ref.Fixed() != nil; fixed == strings.Contains(test.name, "{http") || ref.App() != test.app {
			t.Errorf("%s: fixed %t", test.sentence, fixed)
		}
	}
}

func appidOf(account *Account, ok bool) string {
	if !ok {
		return ""
	}
	return account.appid
}

func TestReferencesThatAreRejected(t *testing.T) {
	t.Setenv("REF_TEST_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
	one := &App{Accounts: map[string]*Account{"wx1": {appid: "wx1"}}}
	two := &App{Accounts: map[string]*Account{"wx1": {appid: "wx1"}, "wx2": {appid: "wx2"}}}
	for _, test := range []struct {
		sentence string
		app      *App
		name     string
		part     string
	}{
		{"no name, where there are several", two, "", "no account is named"},
		{"a name that is not there", one, "wx2", "there is no account wx2"},
		{"a variable that is not set", one, "{env.REF_TEST_NOT_SET}", "account: {env.REF_TEST_NOT_SET} is empty"},
		{"a variable that holds a secret", one, "{env.REF_TEST_SECRET}", "account {env.REF_TEST_SECRET}: what stands in the place of an AppID looks like a secret"},
		{"one beside what the request names", one, "{env.REF_TEST_NOT_SET}{http.request.host}", "account: {env.REF_TEST_NOT_SET} is empty"},
		{"what the request names, where there is no account at all", new(App), "{http.request.host}", "cloudid { account <appid>"},
	} {
		if _, err := test.app.ref(test.name); err == nil || !strings.Contains(err.Error(), test.part) {
			t.Errorf("%s: %v", test.sentence, err)
		}
	}
}
