package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// codeLife is how long a login code can be used (WeChat's document of wx.login).
	codeLife = 5 * time.Minute

	// maxNonce is the number of characters that a nonce must stay below (WeChat's document of getvoipsign).
	maxNonce = 128
)

// Login says which login code to mint.
type Login struct {
	// OpenID is the user who logs in: 1 to 64 of the characters A-Z a-z 0-9 _ -.
	OpenID string

	// UnionID is who the user is across the apps of one owner. Left out, the response has none.
	UnionID string

	// SessionKey is the key that the login gives to the server. The default is the one the user has already, or else
	// one that follows from AppID and openid.
	SessionKey string
}

// code is a login code that was handed out.
type code struct {
	login   Login
	expires time.Time
	used    bool
}

// user is a user within one app.
type user struct {
	appid  string
	openid string
}

// MintCode makes a login code, as wx.login gives one to a client, to be exchanged once by jscode2session. It lives
// five minutes and works for every AppID.
func (s *Server) MintCode(l Login) (string, error) {
	if !usableOpenID.MatchString(l.OpenID) {
		return "", errOpenID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := randomString(32)
	s.codes[name] = &code{login: l, expires: s.Now().Add(codeLife)}
	return name, nil
}

// jsCode2Session plays GET /sns/jscode2session.
func (s *Server) jsCode2Session(c call) []byte {
	if c.query.Get("grant_type") != "authorization_code" {
		return fail(errInvalidGrantType)
	}
	appid := c.query.Get("appid")
	if errcode := s.checkApp(appid, c.query.Get("secret")); errcode != 0 {
		return fail(errcode)
	}
	name := c.query.Get("js_code")
	if name == "" {
		return fail(errMissingCode)
	}
	found, ok := s.codes[name]
	if !ok {
		return fail(errInvalidCode)
	}
	if found.used {
		return fail(errCodeUsed)
	}
	if !s.Now().Before(found.expires) {
		return fail(errInvalidCode)
	}
	found.used = true
	l := found.login
	s.latest[l.OpenID] = appid
	if l.SessionKey != "" {
		s.sessions[user{appid, l.OpenID}] = l.SessionKey
	}
	if l.UnionID != "" {
		s.unionIDs[l.OpenID] = l.UnionID
	}
	return mustJSON(struct {
		SessionKey string `json:"session_key"`
		OpenID     string `json:"openid"`
		UnionID    string `json:"unionid,omitempty"`
	}{s.sessionKey(user{appid, l.OpenID}), l.OpenID, l.UnionID})
}

// sessionKey returns the session_key of a user: the one a login gave out, else one that follows from who it is, so that
// a signature can be checked without a login.
func (s *Server) sessionKey(u user) string {
	if key, ok := s.sessions[u]; ok {
		return key
	}
	sum := sha256.Sum256([]byte(u.appid + "\x00" + u.openid))
	return base64.StdEncoding.EncodeToString(sum[:16])
}

// getVoIPSign plays POST /wxa/getvoipsign.
func (s *Server) getVoIPSign(c call) []byte {
	appid, openid, errcode := s.caller(c)
	if errcode != 0 {
		return fail(errcode)
	}
	var (
		groupID, nonce string
		timestamp      json.RawMessage
	)
	errcode = members(c.body, map[string]any{"group_id": &groupID, "nonce": &nonce, "timestamp": &timestamp})
	if errcode != 0 {
		return fail(errcode)
	}
	if groupID == "" || nonce == "" || utf8.RuneCountInString(nonce) >= maxNonce {
		return fail(errInvalidArgs)
	}
	// WeChat's own message has 32 bits for the seconds, which also keeps milliseconds out.
	seconds, err := strconv.ParseUint(string(timestamp), 10, 32)
	if err != nil || seconds == 0 {
		return fail(errInvalidArgs)
	}
	return mustJSON(struct {
		ErrCode   int    `json:"errcode"`
		ErrMsg    string `json:"errmsg"`
		Signature string `json:"signature"`
	}{0, "ok", voIPSign(s.sessionKey(user{appid, openid}), appid, groupID, nonce, string(timestamp))})
}

// voIPSign signs as WeChat does: the strings sorted bytewise and joined with nothing between, keyed with the text of the
// session_key, not with the bytes that it encodes.
func voIPSign(sessionKey string, parts ...string) string {
	slices.Sort(parts)
	mac := hmac.New(sha256.New, []byte(sessionKey))
	mac.Write([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(mac.Sum(nil))
}
