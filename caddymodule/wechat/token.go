package wechat

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Token is an access token.
type Token struct {
	Value   string
	Expires time.Duration // from when it was given
}

// APIStableToken asks for the account's token in normal mode, in which every caller is given the same one until five minutes
// before its end. It never forces a new one: that would kill the token that others use.
//
// Source: WeChat's document of stable_token (POST /cgi-bin/stable_token).
func (c *Client) StableToken(ctx context.Context, appid, secret string) (Token, error) {
	body := []byte(`{"grant_type":"client_credential"}`)
	body, _ = sjson.SetBytes(body, "appid", appid)
	body, _ = sjson.SetBytes(body, "secret", secret)
	body, _ = sjson.SetBytes(body, "force_refresh", false)
	answer, err := c.post(ctx, Call{API: APIStableToken}, "/cgi-bin/stable_token", body)
	if err != nil {
		return Token{}, err
	}
	return readToken(APIStableToken, answer)
}

// APIServiceToken asks a token service at url, which answers GET with {"access_token","expires_in"}.
func (c *Client) ServiceToken(ctx context.Context, url string) (Token, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return Token{}, &ResponseError{API: APIServiceToken, reason: "the request could not be made"}
	}
	answer, err := c.send(APIServiceToken, req)
	if err != nil {
		return Token{}, err
	}
	return readToken(APIServiceToken, answer)
}

func readToken(api string, answer gjson.Result) (Token, error) {
	token := Token{
		Value:   answer.Get("access_token").String(),
		Expires: time.Duration(max(0, min(answer.Get("expires_in").Int(), 1<<31))) * time.Second,
	}
	if token.Value == "" || token.Expires <= 0 {
		return Token{}, &ResponseError{API: api, reason: "it has no access_token or no expires_in"}
	}
	return token, nil
}

// VoIPSignRequest is what is signed for a call in a voice room.
type VoIPSignRequest struct {
	GroupID   string
	Nonce     string // shorter than 128 characters
	Timestamp int64  // in seconds
}

// APIGetVoIPSign asks for the signature with which a user joins a voice room.
//
// Source: WeChat's document of getvoipsign (POST /wxa/getvoipsign).
func (c *Client) GetVoIPSign(ctx context.Context, token, openid string, sign VoIPSignRequest) (string, error) {
	body, _ := sjson.SetBytes(nil, "group_id", sign.GroupID)
	body, _ = sjson.SetBytes(body, "nonce", sign.Nonce)
	body, _ = sjson.SetBytes(body, "timestamp", sign.Timestamp)
	answer, err := c.post(ctx, Call{API: APIGetVoIPSign}, "/wxa/getvoipsign"+credentials(token, openid), body)
	if err != nil {
		return "", err
	}
	signature := answer.Get("signature").String()
	if signature == "" {
		return "", &ResponseError{API: APIGetVoIPSign, reason: "it has no signature"}
	}
	return signature, nil
}

// Session is what WeChat knows of a user who logs in. The session key never leaves the gateway.
type Session struct {
	OpenID     string
	UnionID    string // may be empty
	SessionKey string
}

// APIJSCode2Session exchanges a code of wx.login. A code is good once: a call that failed without an answer may have used it
// up, so it is not repeated, not even by net/http on a connection that WeChat had closed.
//
// Source: WeChat's document of code2Session (GET /sns/jscode2session).
func (c *Client) JSCode2Session(ctx context.Context, appid, secret, code string) (Session, error) {
	// A body whose length net/http is not told, and which it cannot get again, forbids it to send the request twice; as it
	// is empty, none is sent.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+"/sns/jscode2session", struct{ *bytes.Reader }{bytes.NewReader(nil)})
	if err != nil {
		return Session{}, &ResponseError{API: APIJSCode2Session, reason: "the request could not be made"}
	}
	query := req.URL.Query()
	query.Set("appid", appid)
	query.Set("secret", secret)
	query.Set("js_code", code)
	query.Set("grant_type", "authorization_code")
	req.URL.RawQuery = query.Encode()
	answer, err := c.send(APIJSCode2Session, req)
	if err != nil {
		return Session{}, err
	}
	session := Session{
		OpenID:     answer.Get("openid").String(),
		UnionID:    answer.Get("unionid").String(),
		SessionKey: answer.Get("session_key").String(),
	}
	if session.OpenID == "" {
		return Session{}, &ResponseError{API: APIJSCode2Session, reason: "it has no openid"}
	}
	return session, nil
}
