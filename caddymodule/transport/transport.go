// Package transport is `transport http1` for Caddy's reverse_proxy: requests to an upstream that speaks plain HTTP/1.1 leave on
// the goroutine that serves the client, head and body in one write. It does what `transport http` does, for less CPU.
package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/http1"
)

func init() {
	caddy.RegisterModule(Transport{})
}

// Transport is a transport for `reverse_proxy` that speaks HTTP/1.1 without TLS on the request's own goroutine, which takes
// about a quarter off the CPU time that plain Caddy needs for a small request with `transport http` (docs/performance.md). It has
// the options of `transport http`, in the Caddyfile and in JSON, with the same meanings and defaults.
//
// Requests go to upstreams as with `transport http`, byte for byte; responses are streamed, 1xx responses forwarded, and limits
// and time-outs are the same. A body of up to 64 KiB is waited for for a millisecond, so that it can leave in one piece with
// its request, and be sent again if the upstream had just closed the connection. A body that `cloudid` has read, of any size, is
// sent from where it is.
//
// What this transport is not made for it hands to the `transport http` that it contains: all requests when TLS, the PROXY
// protocol or a forward proxy (`network_proxy`, `HTTP_PROXY`) is in use, or where the system is no Unix; always those that
// upgrade (WebSocket), that expect `100-continue`, that have trailers, or a body of unknown length (chunked, gRPC) or, where
// `cloudid` has not read it, of more than 256 KiB. The two keep connections of their own, so `keepalive_idle_conns` and
// `keepalive_idle_conns_per_host` count for each of them; `max_conns_per_host` counts for both together, and where it is set,
// handed requests keep no connection.
//
// Since it is HTTP/1.1 that it speaks, `versions` can be `1.1` or `1.1 2` (the default: HTTP/2 is used only if TLS is, and the
// upstream offers it). Anything else, and an upstream `h2c://…`, is an error: use `transport http`.
type Transport struct {
	reverseproxy.HTTPTransport

	client       *http1.Client
	cleaned      *atomic.Bool // set by Cleanup
	keepsHeaders bool         // of requests that were sent: somebody reads them
}

// CaddyModule returns the Caddy module information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.http1",
		New: func() caddy.Module { return new(Transport) },
	}
}

// UnmarshalCaddyfile sets up the transport from Caddyfile tokens. Syntax:
//
//	transport http1 {
//		# the options of `transport http`
//	}
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if d.Next() && d.NextArg() { // transport http overlooks it
		return d.Errf("transport http1 takes no arguments, only a block with the options of transport http, not %q", d.Val())
	}
	d.Reset()
	if err := t.HTTPTransport.UnmarshalCaddyfile(d); err != nil {
		return err
	}
	if err := t.checkVersions(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// EnableH2C rejects upstreams of the form h2c://….
func (*Transport) EnableH2C() error {
	return errors.New("transport http1 speaks HTTP/1.1, not h2c: use transport http for upstreams h2c://…")
}

func (t *Transport) checkVersions() error {
	if len(t.Versions) == 0 {
		return nil
	}
	for _, version := range t.Versions {
		if version != "1.1" && version != "2" {
			return fmt.Errorf("transport http1 speaks HTTP/1.1: versions must be 1.1, or 1.1 2 with tls, not %s; use transport http", version)
		}
	}
	if !slices.Contains(t.Versions, "1.1") {
		return errors.New("transport http1 speaks HTTP/1.1: versions must include 1.1; use transport http")
	}
	return nil
}

// Provision sets up the transport.
func (t *Transport) Provision(ctx caddy.Context) error {
	if err := t.checkVersions(); err != nil {
		return err
	}
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	t.keepsHeaders = readsSentHeaders(ctx)
	inner := t.Transport
	t.cleaned = new(atomic.Bool)
	t.client = http1.New(http1.Options{
		Dial:                  inner.DialContext,
		MaxIdle:               inner.MaxIdleConns,
		MaxIdlePerHost:        inner.MaxIdleConnsPerHost,
		MaxPerHost:            inner.MaxConnsPerHost,
		IdleTimeout:           inner.IdleConnTimeout,
		ResponseHeaderTimeout: inner.ResponseHeaderTimeout,
		MaxResponseHeader:     inner.MaxResponseHeaderBytes,
		ReadBufferSize:        inner.ReadBufferSize,
		DisableKeepAlives:     inner.DisableKeepAlives,
		DisableCompression:    inner.DisableCompression,
	})
	if !t.handsAll() && inner.MaxConnsPerHost > 0 {
		inner.DialContext = t.dialInner
		inner.MaxIdleConnsPerHost = -1 // an idle connection would take the place of one in use
	}
	return nil
}

// dialInner opens a connection for a request that was handed over. It counts for max_conns_per_host like any other.
func (t *Transport) dialInner(ctx context.Context, network, address string) (net.Conn, error) {
	if info, ok := reverseproxy.GetDialInfo(ctx); ok && strings.HasPrefix(info.Network, "unix") {
		network, address = info.Network, info.Address // a URL cannot say that
	}
	return t.client.Dial(ctx, network, address)
}

// maxBody is the size in bytes of the largest body that is carried here, unless it is in memory. Larger ones cost net/http's
// Transport less: it copies them with a goroutine that is there already, in larger pieces.
const maxBody = 256 << 10

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	to, ok := reverseproxy.GetDialInfo(req.Context())
	if !ok || t.handsAll() || !http1.Carries(req) || t.hasProxy(req) {
		return t.handOver(req)
	}
	// req is reverse_proxy's copy of its request, made for this attempt alone.
	if body, ok := unwrap(req.Body).(lender); ok {
		if data, done, ok := body.Lend(); ok {
			req.Body = http1.NewInMemory(data, done)
		}
	} else if req.ContentLength > maxBody {
		return t.handOver(req)
	}
	res, err := t.client.RoundTrip(req, to.Network, to.Address)
	if !t.keepsHeaders {
		req.Header = nil
	}
	return res, err
}

// handOver lets `transport http` carry a request.
func (t *Transport) handOver(req *http.Request) (*http.Response, error) {
	context.AfterFunc(req.Context(), t.closeLate)
	return t.HTTPTransport.RoundTrip(req)
}

// readsSentHeaders reports whether the header of a request is read after it was sent. reverse_proxy gives RoundTrip a copy of its
// request, whose fields it then encodes for a DEBUG line, although mostly nobody wants that line: half of that work, a
// twentieth of what a small request costs, is the header. Where the line is not wanted, and nothing else reads the copy, which
// a lb_retry_match that looks at responses does, RoundTrip takes the header out of it. Caddy 2.11.9.
func readsSentHeaders(ctx caddy.Context) bool {
	modules := ctx.Modules()
	if len(modules) < 2 {
		return true
	}
	proxy, ok := modules[len(modules)-2].(*reverseproxy.Handler)
	if !ok {
		return true
	}
	return proxy.LoadBalancing != nil && len(proxy.LoadBalancing.RetryMatchRaw) > 0 ||
		ctx.Logger(proxy).Core().Enabled(zapcore.DebugLevel)
}

// closeLate closes the idle connections of handed requests that ended after Cleanup, which happens while requests of the old
// configuration are under way. net/http would keep them until their time-out.
func (t *Transport) closeLate() {
	if t.cleaned.Load() {
		t.Transport.CloseIdleConnections()
	}
}

// handsAll reports whether no request is for this transport.
func (t *Transport) handsAll() bool {
	return t.TLS != nil || t.ProxyProtocol != "" || !http1.Supported
}

// hasProxy reports whether a forward proxy stands before the upstream, or cannot be told to, which `transport http` explains.
func (t *Transport) hasProxy(req *http.Request) bool {
	t.SetScheme(req) // proxies are chosen by it
	proxy, err := t.Transport.Proxy(req)
	return proxy != nil || err != nil
}

// Cleanup closes idle connections. Requests that are under way keep theirs.
func (t *Transport) Cleanup() error {
	if t.client != nil {
		t.client.CloseIdle()
		t.cleaned.Store(true)
	}
	return t.HTTPTransport.Cleanup()
}

// Interface guards
var (
	_ caddy.Provisioner                                = (*Transport)(nil)
	_ caddy.CleanerUpper                               = (*Transport)(nil)
	_ caddyfile.Unmarshaler                            = (*Transport)(nil)
	_ http.RoundTripper                                = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
	_ reverseproxy.H2CTransport                        = (*Transport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*Transport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
)
