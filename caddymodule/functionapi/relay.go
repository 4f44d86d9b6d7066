package functionapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// serveRelay passes a call on to WeChat with the account's token added, and WeChat's response back as it is.
func (h *Handler) serveRelay(w http.ResponseWriter, r *http.Request) error {
	response, err := h.relay(w, r)
	if err == nil {
		return write(w, response.Status, response.ContentType, response.Body)
	}
	if rejected, ok := errors.AsType[*rejection](err); ok {
		return rejectWeChat(w, rejected.status, rejected)
	}
	return err
}

func (h *Handler) relay(w http.ResponseWriter, r *http.Request) (wechat.RelayResponse, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return wechat.RelayResponse{}, methodNotAllowed(w, "GET, POST")
	}
	claims, err := parseClaims(r)
	if err != nil {
		return wechat.RelayResponse{}, err
	}
	if openIDIsArgument(r.URL.Path) && len(nonEmpty(claims.tokens)) > 0 {
		claims.openids = nil
	}
	user, err := h.caller(r, claims)
	if err != nil {
		return wechat.RelayResponse{}, err
	}
	request := wechat.RelayRequest{
		Method:      r.Method,
		Path:        r.URL.Path,
		Query:       withoutTokens(r.URL.RawQuery),
		ContentType: r.Header.Get("Content-Type"),
	}
	if r.Method == http.MethodPost {
		body, release, err := h.readBody(r, maxRelayedBody)
		if err != nil {
			return wechat.RelayResponse{}, err
		}
		defer release()
		request.Body = body
	}
	return callWeChat(r.Context(), h.account, user.OpenID, request)
}

// callWeChat makes a call in the name of an account. A response that says that WeChat rejected the account's token a second time is
// passed on like any other: nobody can put it better.
func callWeChat(ctx context.Context, account *account.Account, openid string, request wechat.RelayRequest) (wechat.RelayResponse, error) {
	response, err := account.Relay(ctx, openid, request)
	if err != nil && ctx.Err() != nil {
		return wechat.RelayResponse{}, contextError(ctx.Err())
	}
	if err != nil && response.Status == 0 {
		return wechat.RelayResponse{}, exchangeFailed(err)
	}
	return response, nil
}

// openIDIsArgument reports whether a path is that of a GET in the table, whose openid in the query may be any user's, of an official
// account too. Elsewhere openid names the user that the call is made for.
func openIDIsArgument(path string) bool {
	return slices.ContainsFunc(wechat.OpenAPIs(), func(api wechat.OpenAPI) bool {
		return api.Path == path && api.Method == http.MethodGet
	})
}

// withoutTokens returns a query without the tokens in it, and otherwise as it was written.
func withoutTokens(query string) string {
	pairs := strings.Split(query, "&")
	return strings.Join(slices.DeleteFunc(pairs, func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		return err != nil || pair == "" || strings.EqualFold(name, "access_token") || strings.EqualFold(name, "cloudbase_access_token")
	}), "&")
}

var (
	exactPath = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$`)

	// builtinPaths are served here: relayed, they would bypass the checks.
	builtinPaths = []string{"/getopendata", "/getvoipsign", "/callfunction", "/wxa/getopendata", "/wxa/getvoipsign", "/admin", uploadPath}

	// forbiddenPaths are the APIs that take or give an app's secrets, tokens and session keys.
	forbiddenPaths = []string{"/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/component/", "/sns/", "/wxa/resetusersessionkey", "/tcb/getqcloudtoken"}
)

// checkRelay returns an error, for an operator, unless a path may be relayed.
func checkRelay(path string) error {
	if !exactPath.MatchString(path) {
		return errors.New("is no exact path of WeChat's API, such as /wxa/some_new_api")
	}
	lower := strings.ToLower(path)
	if slices.Contains(builtinPaths, lower) {
		return errors.New("is served by the gateway itself; leave it out")
	}
	for _, one := range forbiddenPaths {
		if lower == one || strings.HasSuffix(one, "/") && strings.HasPrefix(lower, one) {
			return errors.New("would give out tokens or secrets, which functions never hold; leave it out")
		}
	}
	return nil
}
