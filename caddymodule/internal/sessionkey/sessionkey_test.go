package sessionkey_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/sessionkey"
)

func TestASessionKeyIsItsUsers(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	held := r // as a handler in front holds it
	if _, ok := sessionkey.Of(r.Context(), "wx1", "o1"); ok {
		t.Error("a request without a session has a session_key")
	}
	sessionkey.Set(r, "wx1", "o1", "KEY")
	for _, test := range []struct {
		appid, openid string
		want          bool
	}{{"wx1", "o1", true}, {"wx1", "o2", false}, {"wx2", "o1", false}, {"", "", false}} {
		if key, ok := sessionkey.Of(held.Context(), test.appid, test.openid); ok != test.want || (key == "KEY") != test.want {
			t.Errorf("%s of %s: %q, %t", test.openid, test.appid, key, ok)
		}
	}
	if text := fmt.Sprintf("%v %+v %s", r.Context(), r.Context(), r.Context()); strings.Contains(text, "KEY") {
		t.Errorf("a printed context shows it: %s", text)
	}
}
