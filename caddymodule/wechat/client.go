// Package wechat is a plain client of WeChat's server API: getopendata, getvoipsign, stable_token, jscode2session and the
// interfaces of cloud.openapi, with their error codes. It makes a call and reads the response; when to call, with whose token
// and whether to call again is decided by its callers (package apicall).
//
// No error of this package holds a URL, a secret, a token, an openid, a CloudID or open data: of what WeChat writes into
// its messages, only the request id and IP addresses are passed on.
package wechat

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/http1"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// DefaultEndpoint is where WeChat's API is.
const DefaultEndpoint = "https://api.weixin.qq.com"

// userAgent is what the gateway calls itself.
const userAgent = "caddy-cloudid"

// maxResponse is the size in bytes of the largest response that is read. Five CloudIDs with 31 days of steps take less than
// 20 KB.
const maxResponse = 2 << 20

// The APIs, as they are named in errors and metrics.
const (
	APIGetOpenData    = "getopendata"
	APIGetVoIPSign    = "getvoipsign"
	APIStableToken    = "stable_token"
	APIServiceToken   = "token_service"
	APIJSCode2Session = "jscode2session"
	APIRelay          = "relay"
)

// Call is what an observer learns of one call.
type Call struct {
	API      string
	IDs      int // how many CloudIDs were asked for; 0 with other APIs than getopendata
	Duration time.Duration
	Err      error
}

// Client calls one endpoint. It may be used by many goroutines at once.
type Client struct {
	endpoint  string
	http      *http.Client
	once      *http.Client // for what must not be sent twice: each request has a connection of its own
	transport transport    // for what may be sent twice
	observe   func(Call)
}

// New returns a client of the API at endpoint, an http or https URL without a query. After each call, observe is told of
// it; it must not block.
func New(endpoint string, observe func(Call)) (*Client, error) {
	if err := CheckEndpoint(endpoint); err != nil {
		return nil, fmt.Errorf("endpoint: the value %w", err)
	}
	c := &Client{
		endpoint: strings.TrimSuffix(endpoint, "/"),
		observe:  observe,
		http:     newHTTPClient(&http.Transport{MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: maxIdleTime}),
		once: newHTTPClient(&http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(0)}, // half the handshake
		}),
	}
	c.transport = netHTTPTransport{c.http, c.endpoint}
	if u, err := url.Parse(c.endpoint); err == nil && canUseDirectTransport(u) {
		c.transport = newDirectTransport(u)
	}
	return c, nil
}

// newHTTPClient completes a transport for WeChat's API.
func newHTTPClient(transport *http.Transport) *http.Client {
	transport.Proxy = http.ProxyFromEnvironment
	transport.DialContext = dialer.DialContext
	transport.TLSHandshakeTimeout = dialTimeout
	transport.DisableCompression = true // responses are small; a bound on plain bytes is a bound
	return &http.Client{
		Transport: transport,
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Observed returns a client that tells observe of its calls, and shares the connections of c. Only c is to be closed.
func (c *Client) Observed(observe func(Call)) *Client {
	other := *c
	other.observe = observe
	return &other
}

// canUseDirectTransport reports whether requests to u need nothing that only net/http does: a forward proxy, a password, a
// host name that is encoded on the wire.
func canUseDirectTransport(u *url.URL) bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	unusual := func(c rune) bool { return c >= utf8.RuneSelf || c == '%' }
	return http1.Supported && proxy == nil && err == nil && u.User == nil && !strings.ContainsFunc(u.Host, unusual)
}

// CheckEndpoint returns an error unless New takes a text as an endpoint. The error stands behind the text in a sentence and does not
// repeat it.
func CheckEndpoint(text string) error {
	if err := CheckURL(text); err != nil {
		return err
	}
	if strings.ContainsAny(text, "?#") {
		return errors.New("must have no query and no fragment")
	}
	return nil
}

// CheckURL returns an error unless a text is an absolute http or https URL. The error stands behind the text in a sentence and does
// not repeat it: a token service's URL may hold a secret.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("must be a URL such as https://api.weixin.qq.com")
	}
	return nil
}

// Close closes idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.transport.close()
}

// transport posts JSON to a path and query of the endpoint. A post may be made twice: a request that met a connection WeChat
// had just closed is sent again on another.
type transport interface {
	post(ctx context.Context, target string, body []byte) (*http.Response, error)
	close()
}

// netHTTPTransport posts as net/http does, through proxies too.
type netHTTPTransport struct {
	client   *http.Client
	endpoint string
}

// postHeader tells net/http, by an entry without a value, which is not sent, that the request may be made twice.
var postHeader = http.Header{"Content-Type": {"application/json"}, "User-Agent": {userAgent}, "Idempotency-Key": nil}

func (p netHTTPTransport) post(ctx context.Context, target string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.endpoint+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = postHeader
	return p.client.Do(req)
}

func (netHTTPTransport) close() {} // the client is not its own

// post calls a JSON API.
func (c *Client) post(ctx context.Context, call Call, target string, body []byte) (response, error) {
	return c.do(ctx, call, func() (*http.Response, error) { return c.transport.post(ctx, target, body) })
}

// get calls a JSON API by GET, by way of client.
func (c *Client) get(ctx context.Context, client *http.Client, api, url string) (response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return response{}, &ResponseError{API: api, reason: "the request could not be made"}
	}
	req.Header.Set("User-Agent", userAgent)
	return c.do(ctx, Call{API: api}, func() (*http.Response, error) { return client.Do(req) })
}

// do makes a call and reads its response, which has no errcode other than 0.
func (c *Client) do(ctx context.Context, call Call, send func() (*http.Response, error)) (read response, err error) {
	api, start := call.API, time.Now()
	defer func() {
		call.Duration, call.Err = time.Since(start), err
		c.observe(call)
	}()

	res, err := send()
	if err != nil {
		return response{}, networkError(ctx, api, err)
	}
	defer res.Body.Close()
	body, err := readBody(res)
	if err != nil {
		return response{}, networkError(ctx, api, err)
	}
	switch {
	case res.StatusCode != http.StatusOK:
		return response{}, &ResponseError{API: api, reason: fmt.Sprintf("HTTP status %d instead of 200", res.StatusCode), outage: res.StatusCode >= http.StatusInternalServerError}
	case len(body) > maxResponse:
		return response{}, &ResponseError{API: api, reason: fmt.Sprintf("more than %d bytes", maxResponse)}
	}
	if read, err = readResponse(api, body); err != nil {
		return response{}, err
	}
	if missing := read.lacks(api); missing != "" {
		return response{}, &ResponseError{API: api, reason: "no " + missing}
	}
	return read, nil
}

// response is a response of WeChat's, a valid JSON object: its text, and the values of members that count, as they are written
// where they stand first; nil where there is none.
type response struct{ text, errCode, errMsg, dataList []byte }

// readResponse reads the body of a response, mended if that must be.
func readResponse(api string, body []byte) (response, error) {
	read, err := findMembers(body)
	if err != nil {
		if read, err = findMembers(mend(body)); err != nil {
			return response{}, &ResponseError{API: api, reason: "no valid JSON", unreadable: bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))}
		}
	}
	if start := skipSpace(read.text, 0); read.text[start] != '{' {
		return response{}, &ResponseError{API: api, reason: "no JSON object"}
	}
	if code := gjson.ParseBytes(read.errCode).Int(); code != 0 {
		return response{}, newError(api, int(code), gjson.ParseBytes(read.errMsg).String())
	}
	return read, nil
}

func findMembers(text []byte) (response, error) {
	read := response{text: text}
	err := jsonscan.Walk(text, func(m jsonscan.Member) {
		value := text[m.ValueStart:m.ValueEnd]
		switch string(textOf(text[m.NameStart:m.NameEnd])) {
		case "errcode":
			setFirst(&read.errCode, value)
		case "errmsg":
			setFirst(&read.errMsg, value)
		case "data_list":
			setFirst(&read.dataList, value)
		}
	})
	return read, err
}

// lacks names what a response does not have of what the API was asked for; "" if it has all of it.
func (r response) lacks(api string) string {
	switch api {
	case APIGetOpenData:
		if len(r.dataList) == 0 || r.dataList[0] != '[' {
			return "data_list"
		}
	case APIStableToken, APIServiceToken:
		if token := r.token(); token.Value == "" || token.Expires <= 0 {
			return "access_token or expires_in"
		}
	case APIGetVoIPSign:
		if r.get("signature").String() == "" {
			return "signature"
		}
	case APIJSCode2Session:
		if r.get("openid").String() == "" {
			return "openid"
		}
	}
	return ""
}

// get returns a member.
func (r response) get(name string) gjson.Result { return gjson.GetBytes(r.text, name) }

// readBody reads a response's body, at most one byte more than maxResponse. It allocates the announced length at once only
// where that is little.
func readBody(res *http.Response) ([]byte, error) {
	if announced := res.ContentLength; announced >= 0 && announced <= 64<<10 {
		body := make([]byte, announced)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
}

func networkError(ctx context.Context, api string, err error) error {
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded)
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		timeout = true
	}
	return &NetworkError{API: api, Timeout: timeout, fault: describeNetworkError(err), ctxErr: ctx.Err()}
}

// isRecordHeader reports whether a server's first words were not those of TLS.
func isRecordHeader(err error) bool {
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

// describeNetworkError says what went wrong on the network. It passes nothing on of net/http's own errors: *url.Error shows the
// whole URL, with the token or secret in its query, and others quote the status line or header that they could not read.
func describeNetworkError(err error) string {
	if fault, ok := errors.AsType[*net.OpError](err); ok {
		return fault.Error()
	}
	if fault, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Error() // of a server that was told nothing yet
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was canceled"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before the response did"
	case errors.Is(err, http.ErrSchemeMismatch), isRecordHeader(err):
		return "the server speaks http, not https"
	default:
		return "the connection broke, or what came is no HTTP"
	}
}
