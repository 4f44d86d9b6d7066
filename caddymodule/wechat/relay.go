package wechat

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"
)

const (
	// maxRelayed bounds the body of an answer that is relayed, in bytes.
	maxRelayed = 8 << 20

	// maxErrorBody is the size in bytes up to which an answer may be one of WeChat's errors.
	maxErrorBody = 4 << 10

	// minTokenEcho is the length in bytes below which a token is too short to look for: WeChat's have a hundred and more.
	minTokenEcho = 8
)

// RelayRequest is a call of any of WeChat's APIs, as somebody else wrote it.
type RelayRequest struct {
	Method      string
	Path        string // begins with a slash, and needs no escaping
	Query       string // as written, without an access token
	ContentType string
	Body        []byte
}

// RelayResponse is WeChat's answer to it.
type RelayResponse struct {
	Status      int
	ContentType string // may be empty
	Body        []byte
}

// APIRelay makes a call with the token added to its query. Whatever WeChat answers is an answer, with one exception: when it
// refuses the token, the answer comes with an error for which TokenRefused is true.
//
// The answer is read whole before any of it is handed on, so that one which breaks off or is too large never looks
// complete, and so that a token which it repeats can be made unreadable.
func (c *Client) Relay(ctx context.Context, token string, r RelayRequest) (RelayResponse, error) {
	start := time.Now()
	answer, err := c.relay(ctx, token, r)
	if err == nil {
		err = errorIn(answer.Body)
	}
	c.observe(Call{API: APIRelay, Duration: time.Since(start), Err: err})
	if answer.Status != 0 && !IsTokenRejected(err) {
		return answer, nil
	}
	return answer, err
}

func (c *Client) relay(ctx context.Context, token string, r RelayRequest) (RelayResponse, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, c.endpoint+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return RelayResponse{}, &ResponseError{API: APIRelay, reason: "the request could not be made"}
	}
	req.URL.RawQuery = r.Query
	if token != "" {
		if r.Query != "" {
			req.URL.RawQuery += "&"
		}
		req.URL.RawQuery += "access_token=" + url.QueryEscape(token)
	}
	req.Header.Set("User-Agent", userAgent)
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return RelayResponse{}, networkError(ctx, APIRelay, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRelayed+1))
	switch {
	case err != nil:
		return RelayResponse{}, networkError(ctx, APIRelay, err)
	case len(body) > maxRelayed:
		return RelayResponse{}, &ResponseError{API: APIRelay, reason: fmt.Sprintf("more than %d bytes", maxRelayed)}
	case res.Header.Get("Content-Encoding") != "":
		return RelayResponse{}, &ResponseError{API: APIRelay, reason: "it is compressed, although that was not asked for"}
	}
	for _, written := range []string{token, url.QueryEscape(token)} {
		if len(written) >= minTokenEcho {
			body = bytes.ReplaceAll(body, []byte(written), bytes.Repeat([]byte("*"), len(written)))
		}
	}
	return RelayResponse{Status: res.StatusCode, ContentType: res.Header.Get("Content-Type"), Body: body}, nil
}

// errorIn returns the error that a relayed answer is, or nil.
func errorIn(body []byte) error {
	if len(body) > maxErrorBody || !gjson.ValidBytes(body) {
		return nil
	}
	answer := gjson.ParseBytes(body)
	code := answer.Get("errcode")
	if code.Type != gjson.Number || code.Int() == 0 {
		return nil
	}
	return newError(APIRelay, int(code.Int()), answer.Get("errmsg").String())
}
