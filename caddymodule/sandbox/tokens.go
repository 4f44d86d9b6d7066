package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The facts of WeChat's documents of stable_token and token.
const (
	// tokenLife is how long an access token works.
	tokenLife = 7200 * time.Second

	// renewBefore is how long before its end a stable token gets its successor; both work in between.
	renewBefore = 5 * time.Minute

	// forcedPerDay and forcedApart limit force_refresh. The day is the last 24 hours here.
	forcedPerDay = 20
	forcedApart  = 30 * time.Second
)

// app is what the sandbox knows of one AppID.
type app struct {
	secret      string      // "": any will do
	stable      string      // the current stable token, "" before the first and after a kill
	previous    []string    // the stable tokens before it, which work until their own end
	legacyToken string      // the token that GET /cgi-bin/token gave last
	forced      []time.Time // the forced refreshes of the last day
}

// token is an access token that was not killed. It works until it expires.
type token struct {
	appid   string
	expires time.Time
}

// SetSecret makes secret the only one that is right for appid: calls with another get 40125 from then on. Without it,
// and with an empty secret, any will do.
func (s *Server) SetSecret(appid, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app(appid).secret = secret
}

// EndTokenIn sets the time that is left to the current stable token of appid; calls with it get 42001 from then on. Zero
// and less end it at once. A token with less than five minutes left gets its successor at the next stable_token call.
// It is an error if there is no such token.
func (s *Server) EndTokenIn(appid string, left time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appid)
	if a.stable == "" {
		return noToken(appid)
	}
	s.tokens[a.stable] = token{appid: appid, expires: s.Now().Add(left)}
	return nil
}

// KillToken makes the current stable token of appid invalid: calls with it get 40001 from now on, and the next
// stable_token call gets a new one. It is an error if there is no such token.
func (s *Server) KillToken(appid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appid)
	if a.stable == "" {
		return noToken(appid)
	}
	delete(s.tokens, a.stable)
	a.stable = ""
	return nil
}

func noToken(appid string) error {
	return fmt.Errorf("appid %q has no stable token: get one from /cgi-bin/stable_token first", appid)
}

func (s *Server) app(appid string) *app {
	a, ok := s.apps[appid]
	if !ok {
		a = new(app)
		s.apps[appid] = a
	}
	return a
}

// newToken makes a token of the look and length of WeChat's, whose documents reserve 512 characters for it.
func (s *Server) newToken(appid string) string {
	name := "88_" + randomString(133)
	s.tokens[name] = token{appid: appid, expires: s.Now().Add(tokenLife)}
	return name
}

// checkApp returns 0 or the errcode for an AppID or secret that is missing or wrong.
func (s *Server) checkApp(appid, secret string) int {
	if appid == "" {
		return errMissingAppID
	}
	if secret == "" {
		return errMissingSecret
	}
	if !strings.HasPrefix(appid, "wx") {
		return errInvalidAppID
	}
	if want := s.app(appid).secret; want != "" && secret != want {
		return errInvalidSecret
	}
	return 0
}

// tokenApp returns the AppID that an access token stands for, or the errcode for one that is missing, unknown, killed
// or expired.
func (s *Server) tokenApp(name string) (string, int) {
	if name == "" {
		return "", errMissingToken
	}
	t, ok := s.tokens[name]
	if !ok {
		return "", errInvalidToken
	}
	if !s.Now().Before(t.expires) {
		return "", errTokenExpired
	}
	return t.appid, 0
}

// stableToken plays POST /cgi-bin/stable_token.
func (s *Server) stableToken(c call) []byte {
	var (
		grantType, appid, secret string
		force                    bool
	)
	errcode := members(c.body, map[string]any{
		"grant_type": &grantType, "appid": &appid, "secret": &secret, "force_refresh": &force,
	})
	if errcode != 0 {
		return fail(errcode)
	}
	if grantType != "client_credential" {
		return fail(errInvalidGrantType)
	}
	if errcode := s.checkApp(appid, secret); errcode != 0 {
		return fail(errcode)
	}
	a := s.app(appid)
	if force {
		if errcode := s.forceRefresh(a); errcode != 0 {
			return fail(errcode)
		}
	}
	// A token that was killed or never given is not in the map, and so without any time left.
	if s.tokens[a.stable].expires.Sub(s.Now()) < renewBefore {
		a.previous = append(a.previous, a.stable)
		a.stable = s.newToken(appid)
	}
	return s.tokenResponse(a.stable)
}

// forceRefresh kills all stable tokens of an app, or returns the errcode for doing so too often.
func (s *Server) forceRefresh(a *app) int {
	now := s.Now()
	a.forced = slices.DeleteFunc(a.forced, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
	if len(a.forced) >= forcedPerDay {
		return errQuota
	}
	if n := len(a.forced); n > 0 && now.Sub(a.forced[n-1]) < forcedApart {
		return errTooFrequent
	}
	a.forced = append(a.forced, now)
	for _, name := range append(a.previous, a.stable) {
		delete(s.tokens, name)
	}
	a.stable, a.previous = "", nil
	return 0
}

// token plays GET /cgi-bin/token, whose every call invalidates the token it gave before.
func (s *Server) token(c call) []byte {
	if c.query.Get("grant_type") != "client_credential" {
		return fail(errInvalidGrantType)
	}
	appid := c.query.Get("appid")
	if errcode := s.checkApp(appid, c.query.Get("secret")); errcode != 0 {
		return fail(errcode)
	}
	a := s.app(appid)
	delete(s.tokens, a.legacyToken)
	a.legacyToken = s.newToken(appid)
	return s.tokenResponse(a.legacyToken)
}

func (s *Server) tokenResponse(name string) []byte {
	return mustJSON(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}{name, int(s.tokens[name].expires.Sub(s.Now()).Seconds())})
}
