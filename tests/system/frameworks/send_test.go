package frameworks

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// request is what a client sends.
type request struct {
	sentence string
	version  string // of HTTP: 1.1 (the default), 2 or 3
	method   string // default: POST
	query    string // with its question mark
	header   []string
	body     string
	chunked  bool   // HTTP/1.1 without a Content-Length
	protocol string // the :protocol of an extended CONNECT, in HTTP/3
}

// patience is how long a framework may take. Some never answer what they do not understand.
const patience = 2 * time.Second

// response is what comes back.
type response struct {
	status int
	keys   string // {http.cloudid.keys}
	body   []byte
}

// client speaks each version of HTTP to a gateway.
type client struct {
	plain, secure string // addresses
	h2            *http.Transport
	h3            *http3.Transport
}

func newClient(plain, secure string) *client {
	trusting := func(protocols ...string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols} //nolint:gosec // the gateway made its certificate itself
	}
	return &client{
		plain: plain, secure: secure,
		h2: &http.Transport{TLSClientConfig: trusting("h2"), ForceAttemptHTTP2: true, DisableCompression: true},
		h3: &http3.Transport{TLSClientConfig: trusting("h3"), DisableCompression: true},
	}
}

func (c *client) close() {
	c.h2.CloseIdleConnections()
	_ = c.h3.Close()
}

func (c *client) send(path string, r request) (response, error) {
	if r.method == "" {
		r.method = http.MethodPost
	}
	switch r.version {
	case "2":
		return c.roundTrip(c.h2, path, r)
	case "3":
		return c.roundTrip(c.h3, path, r)
	default:
		return c.sendRaw(path, r)
	}
}

// sendRaw writes a request of HTTP/1.1 byte for byte.
func (c *client) sendRaw(path string, r request) (response, error) {
	conn, err := net.Dial("tcp", c.plain)
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, path, r.query, c.plain)
	for _, line := range r.header {
		text.WriteString(line + "\r\n")
	}
	switch {
	case r.chunked:
		fmt.Fprintf(&text, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(r.body), r.body)
	case r.body != "":
		fmt.Fprintf(&text, "Content-Length: %d\r\n\r\n%s", len(r.body), r.body)
	default:
		text.WriteString("\r\n")
	}
	if _, err := io.WriteString(conn, text.String()); err != nil {
		return response{}, err
	}
	method := r.method
	if method == http.MethodConnect { // whose response is read like any other
		method = http.MethodPost
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return response{}, err
	}
	return read(res)
}

func (c *client) roundTrip(transport http.RoundTripper, path string, r request) (response, error) {
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, "https://"+c.secure+path+r.query, body)
	if err != nil {
		return response{}, err
	}
	for _, line := range r.header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header[name] = append(req.Header[name], value)
	}
	if r.protocol != "" {
		req.Proto = r.protocol
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return response{}, err
	}
	return read(res)
}

func read(res *http.Response) (response, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header.Get("Keys"), body}, err
}
