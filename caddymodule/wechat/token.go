package wechat

import (
	"context"
	"net/url"
	"time"

	"github.com/tidwall/sjson"
)

// Token is an access token.
type Token struct {
	Value   string
	Expires time.Duration // from when it was given
}

// StableToken asks for the account's token in normal mode, in which every caller is given the same one until five minutes
// before its end. It never forces a new one: that would kill the token that others use.
//
// Source: WeChat's document of stable_token (POST /cgi-bin/stable_token).
func (c *Client) StableToken(ctx context.Context, appid, secret string) (Token, error) {
	body := []byte(`{"grant_type":"client_credential"}`)
	body, _ = sjson.SetBytes(body, "appid", appid)
	body, _ = sjson.SetBytes(body, "secret", secret)
	body, _ = sjson.SetBytes(body, "force_refresh", false)
	response, err := c.post(ctx, Call{API: APIStableToken}, "/cgi-bin/stable_token", body)
	if err != nil {
		return Token{}, err
	}
	return response.token(), nil
}

// ServiceToken asks a token service at url, which responds to GET with {"access_token","expires_in"}.
func (c *Client) ServiceToken(ctx context.Context, url string) (Token, error) {
	response, err := c.get(ctx, c.http, APIServiceToken, url)
	if err != nil {
		return Token{}, err
	}
	return response.token(), nil
}

// token is the access token in a response.
func (r response) token() Token {
	return Token{
		Value:   r.get("access_token").String(),
		Expires: time.Duration(max(0, min(r.get("expires_in").Int(), 1<<31))) * time.Second,
	}
}

// VoIPSignRequest is what is signed for a call in a voice room.
type VoIPSignRequest struct {
	GroupID   string
	Nonce     string // shorter than 128 characters
	Timestamp int64  // in seconds
}

// GetVoIPSign asks for the signature with which a user joins a voice room.
//
// Source: WeChat's document of getvoipsign (POST /wxa/getvoipsign).
func (c *Client) GetVoIPSign(ctx context.Context, token, openid string, sign VoIPSignRequest) (string, error) {
	body, _ := sjson.SetBytes(nil, "group_id", sign.GroupID)
	body, _ = sjson.SetBytes(body, "nonce", sign.Nonce)
	body, _ = sjson.SetBytes(body, "timestamp", sign.Timestamp)
	response, err := c.post(ctx, Call{API: APIGetVoIPSign}, withCredentials("/wxa/getvoipsign", token, openid), body)
	if err != nil {
		return "", err
	}
	return response.get("signature").String(), nil
}

// Session is what WeChat knows of a user who logs in. The session key never leaves the gateway.
type Session struct {
	OpenID     string
	UnionID    string // may be empty
	SessionKey string
}

// JSCode2Session exchanges a code of wx.login. A code is good once, and a call that failed without a response may have used
// it up. So it has a connection of its own: on one that was used before, a failure might only mean that WeChat had closed it
// meanwhile, and net/http would send the code again.
//
// Source: WeChat's document of code2Session (GET /sns/jscode2session).
func (c *Client) JSCode2Session(ctx context.Context, appid, secret, code string) (Session, error) {
	query := url.Values{"appid": {appid}, "secret": {secret}, "js_code": {code}, "grant_type": {"authorization_code"}}
	response, err := c.get(ctx, c.once, APIJSCode2Session, c.endpoint+"/sns/jscode2session?"+query.Encode())
	if err != nil {
		return Session{}, err
	}
	return Session{
		OpenID:     response.get("openid").String(),
		UnionID:    response.get("unionid").String(),
		SessionKey: response.get("session_key").String(),
	}, nil
}
