package http1

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// upstream is a server that a test plays by hand.
type upstream struct{ *rawserver.Server }

// startUpstream serves each connection by calling serve; then it reads until the client hangs up.
func startUpstream(t *testing.T, serve func(*rawserver.Conn)) *upstream {
	t.Helper()
	return startUpstreamOn(t, rawserver.ListenTCP(t), serve)
}

func startUpstreamOn(t *testing.T, listener net.Listener, serve func(*rawserver.Conn)) *upstream {
	t.Helper()
	return &upstream{rawserver.Start(t, listener, serve)}
}

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func newClient(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	options := Options{Dial: (&net.Dialer{}).DialContext, DisableCompression: true}
	if change != nil {
		change(&options)
	}
	c := New(options)
	t.Cleanup(c.CloseIdle)
	return c
}

// get makes a GET and returns what was responded, read to its end.
func (u *upstream) get(ctx context.Context, c *Client) (string, error) {
	return u.do(c, newRequest(ctx, http.MethodGet, nil, 0))
}

func (u *upstream) do(c *Client, req *http.Request) (string, error) {
	res, err := c.RoundTrip(req, u.Network, u.Address)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// newRequest makes a request whose body is not known to be in memory.
func newRequest(ctx context.Context, method string, body io.Reader, length int64) *http.Request {
	req := httptest.NewRequestWithContext(ctx, method, "http://upstream/path", nil)
	req.RequestURI, req.Body = "", nil
	if body != nil {
		req.Body, req.ContentLength = opaque{body}, length
	}
	return req
}

func post(ctx context.Context, body string) *http.Request {
	return newRequest(ctx, http.MethodPost, strings.NewReader(body), int64(len(body)))
}
