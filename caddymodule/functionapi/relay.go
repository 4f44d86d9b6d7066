package functionapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// serveRelay hands a call on to WeChat with the account's token added, and WeChat's answer back as it is.
func (h *Handler) serveRelay(w http.ResponseWriter, r *http.Request) error {
	answer, err := h.relay(w, r)
	if err == nil {
		return write(w, answer.Status, answer.ContentType, answer.Body)
	}
	if refused, ok := errors.AsType[*rejection](err); ok {
		return rejectWeChat(w, refused.status, refused)
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
	// Most calls are in nobody's name: a caller that could name any user need not name one.
	anonymous := len(nonEmpty(claims.tokens)) == 0 && len(nonEmpty(claims.openids)) == 0
	if !anonymous || !h.isTrusted(r) {
		if _, err := h.user(r, claims); err != nil {
			return wechat.RelayResponse{}, err
		}
	}
	request := wechat.RelayRequest{
		Method:      r.Method,
		Path:        r.URL.Path,
		Query:       withoutTokens(r.URL.RawQuery),
		ContentType: r.Header.Get("Content-Type"),
	}
	if r.Method == http.MethodPost {
		if request.Body, err = readBody(r); err != nil {
			return wechat.RelayResponse{}, err
		}
	}
	answer, err := h.account.Relay(r.Context(), request)
	if err != nil && r.Context().Err() != nil {
		return wechat.RelayResponse{}, contextError(r.Context().Err())
	}
	if err != nil && answer.Status == 0 {
		return wechat.RelayResponse{}, exchangeFailed(err)
	}
	return answer, nil // with an error: WeChat's own refusal of our token, which nobody can put better
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

	// served are answered here: relayed, they would bypass the checks.
	builtinPaths = []string{"/getopendata", "/getvoipsign", "/wxa/getopendata", "/wxa/getvoipsign", "/admin"}

	// secret are the APIs that take or give an app's secrets, tokens and session keys.
	forbiddenPaths = []string{"/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/component/", "/sns/", "/wxa/resetusersessionkey", "/tcb/getqcloudtoken"}
)

// checkRelay returns an error, for an operator, unless a path may be relayed.
func checkRelay(path string) error {
	if !exactPath.MatchString(path) {
		return fmt.Errorf("relay: %q is no exact path of WeChat's API, such as /wxa/msg_sec_check", path)
	}
	lower := strings.ToLower(path)
	if slices.Contains(builtinPaths, lower) {
		return fmt.Errorf("relay: %s is answered by the gateway itself; leave it out", path)
	}
	for _, one := range forbiddenPaths {
		if lower == one || strings.HasSuffix(one, "/") && strings.HasPrefix(lower, one) {
			return fmt.Errorf("relay: %s would hand out tokens or secrets, which functions never hold; leave it out", path)
		}
	}
	return nil
}
