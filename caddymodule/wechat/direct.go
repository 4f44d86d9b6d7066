package wechat

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/http1"
)

const (
	dialTimeout = 5 * time.Second // of TCP, and of TLS

	// maxIdle connections are kept, each for maxIdleTime after its latest call.
	maxIdle     = 128
	maxIdleTime = 50 * time.Second

	// maxResponseHeader bounds the head of a response, in bytes.
	maxResponseHeader = 64 << 10

	// readBufferSize is what most responses fit into, head and body, so that one system call reads them. A call has such a buffer only
	// while it reads.
	readBufferSize = 4 << 10
)

var dialer = &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}

// directTransport posts on the goroutine that makes the call, over connections to one server.
type directTransport struct {
	client  *http1.Client
	request *http.Request // what all have in common
	path    string        // of the endpoint
	address string
}

// newDirectTransport returns a transport to endpoint. It opens no connection before one is needed.
func newDirectTransport(endpoint *url.URL) *directTransport {
	dial := dialer.DialContext
	if endpoint.Scheme == "https" {
		dial = (&tls.Dialer{NetDialer: dialer}).DialContext
	}
	address := endpoint.Host
	if endpoint.Port() == "" {
		address = net.JoinHostPort(endpoint.Hostname(), endpoint.Scheme)
	}
	return &directTransport{
		client: http1.New(http1.Options{
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, dialTimeout)
				defer cancel()
				return dial(ctx, network, address)
			},
			MaxIdlePerHost:     maxIdle,
			IdleTimeout:        maxIdleTime,
			MaxResponseHeader:  maxResponseHeader,
			ReadBufferSize:     readBufferSize,
			DisableCompression: true, // the responses are small; a bound on plain bytes is a bound
		}),
		request: &http.Request{Method: http.MethodPost, URL: &url.URL{Scheme: endpoint.Scheme, Host: endpoint.Host}, Host: endpoint.Host, Header: postHeader},
		path:    endpoint.EscapedPath(),
		address: address,
	}
}

// post makes a call that may be made twice. Some servers say 408 as they close a connection that was idle, which is no
// response to what they had not read.
func (d *directTransport) post(ctx context.Context, target string, body []byte) (*http.Response, error) {
	res, err := d.client.RoundTrip(d.newRequest(ctx, target, body), "tcp", d.address)
	if err != nil || res.StatusCode != http.StatusRequestTimeout {
		return res, err
	}
	_ = res.Body.Close()
	return d.client.RoundTrip(d.newRequest(ctx, target, body), "tcp", d.address)
}

func (d *directTransport) newRequest(ctx context.Context, target string, body []byte) *http.Request {
	u := *d.request.URL
	u.Opaque = d.path + target // it is written as it is
	req := d.request.WithContext(ctx)
	req.URL, req.Body, req.ContentLength = &u, http1.NewInMemory(body, nil), int64(len(body))
	return req
}

func (d *directTransport) close() { d.client.CloseIdle() }
