package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"
)

const (
	// maxRelayed bounds the body of a response that is relayed, in bytes: the largest file that WeChat's media API takes.
	maxRelayed = 10 << 20

	// maxErrorBody is the size in bytes up to which a response may be one of WeChat's errors.
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

// RelayResponse is WeChat's response to it.
type RelayResponse struct {
	Status      int    // 200 to 599
	ContentType string // may be empty
	Body        []byte
}

const reasonTooLarge = "more than 10 MiB"

// IsTooLarge reports whether a call failed because the response was larger than what is relayed.
func IsTooLarge(err error) bool {
	e, ok := errors.AsType[*ResponseError](err)
	return ok && e.reason == reasonTooLarge
}

// Relay makes a call with the token added to its query. Whatever WeChat responds is a response, with one exception: when it
// rejects the token, the response comes with an error for which IsTokenRejected is true.
//
// The response is read whole before any of it is passed on, so that one which breaks off or is too large never looks
// complete, and so that a token which it repeats can be made unreadable.
func (c *Client) Relay(ctx context.Context, token string, r RelayRequest) (RelayResponse, error) {
	start := time.Now()
	response, err := c.relay(ctx, token, r)
	if err == nil {
		err = errorIn(response.Body)
	}
	c.observe(Call{API: APIRelay, Duration: time.Since(start), Err: err})
	if response.Status != 0 && !IsTokenRejected(err) {
		return response, nil
	}
	return response, err
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
	// net/http passes 101 and numbers below 100 on, which are no responses: the body of 101 is the connection, without an end.
	if res.StatusCode < 200 || res.StatusCode > 599 {
		return RelayResponse{}, &ResponseError{API: APIRelay, reason: fmt.Sprintf("HTTP status %03d", res.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRelayed+1))
	switch {
	case err != nil:
		return RelayResponse{}, networkError(ctx, APIRelay, err)
	case len(body) > maxRelayed:
		return RelayResponse{}, &ResponseError{API: APIRelay, reason: reasonTooLarge}
	case res.Header.Get("Content-Encoding") != "":
		return RelayResponse{}, &ResponseError{API: APIRelay, reason: "a compression that was not asked for"}
	}
	return RelayResponse{
		Status:      res.StatusCode,
		ContentType: res.Header.Get("Content-Type"),
		Body:        withoutToken(body, token),
	}, nil
}

// withoutToken makes a token unreadable that a response repeats.
func withoutToken(body []byte, token string) []byte {
	for _, written := range []string{token, url.QueryEscape(token)} {
		if len(written) >= minTokenEcho && bytes.Contains(body, []byte(written)) {
			body = bytes.ReplaceAll(body, []byte(written), bytes.Repeat([]byte("*"), len(written)))
		}
	}
	return body
}

// errorIn returns the error that a relayed response is, whatever its Content-Type says, or nil.
func errorIn(body []byte) error {
	if len(body) > maxErrorBody || !gjson.ValidBytes(body) {
		return nil
	}
	response := gjson.ParseBytes(body)
	code := response.Get("errcode")
	if code.Type != gjson.Number || code.Int() == 0 {
		return nil
	}
	return newError(APIRelay, int(code.Int()), response.Get("errmsg").String())
}
