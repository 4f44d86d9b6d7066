package inspector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// sent is what a page is told of a call that was sent again.
type sent struct {
	Status int `json:"status"`

	// Whether its CloudIDs were replaced by fresh ones of the sandbox.
	Fresh bool `json:"fresh"`
}

// serveAgain sends a call again: through the same cloudid handler and what lies behind it, with the body of the first time,
// in the name of the same caller. In the sandbox its CloudIDs are replaced by fresh ones; WeChat's own end after five
// minutes.
func (h *Handler) serveAgain(w http.ResponseWriter, r *http.Request) error {
	call, err := h.capturedCall(r)
	if err != nil {
		return err
	}
	switch {
	case call.Capture.Again == nil:
		return caddyhttp.Error(http.StatusConflict, errors.New("the config was reloaded since; send the call from the client"))
	case call.Capture.Truncated:
		return caddyhttp.Error(http.StatusConflict, errors.New("only the first 64 KiB of this call are kept; send it from the client"))
	}
	body, fresh := h.freshen(r.Context(), call)
	again, err := prepare(r, call, body)
	if err != nil {
		return caddyhttp.Error(http.StatusConflict, errors.New("this call cannot be made again"))
	}
	response := &discard{header: http.Header{}}
	if err := call.Capture.Again(response, again); err != nil {
		response.WriteHeader(statusOf(err))
	}
	return writeJSON(w, sent{max(response.status, http.StatusOK), fresh})
}

func statusOf(err error) int {
	if failed, ok := errors.AsType[caddyhttp.HandlerError](err); ok && failed.StatusCode != 0 {
		return failed.StatusCode
	}
	return http.StatusInternalServerError
}

// prepare makes the request, as Caddy prepares one that came in.
func prepare(r *http.Request, call *invocation.Record, body []byte) (*http.Request, error) {
	again, err := http.NewRequestWithContext(r.Context(), call.Method, "http://"+call.Host+call.Capture.URI, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	again.Host, again.RequestURI, again.RemoteAddr = call.Host, call.Capture.URI, r.RemoteAddr
	if call.Capture.ContentType != "" {
		again.Header.Set("Content-Type", call.Capture.ContentType)
	}
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	again = caddyhttp.PrepareRequest(again, caddy.NewReplacer(), nil, server)
	caller := invocation.Credentials{AppID: call.AppID, OpenID: call.Capture.OpenID, UnionID: call.Capture.UnionID}
	return again.WithContext(invocation.WithCaller(again.Context(), caller)), nil
}

// discard is a response that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header { return d.header }

func (d *discard) WriteHeader(status int) {
	if d.status == 0 && status >= http.StatusOK {
		d.status = status
	}
}

func (d *discard) Write(p []byte) (int, error) {
	d.WriteHeader(http.StatusOK)
	return len(p), nil
}

func (d *discard) Flush() {}

// cloudIDs finds what looks like a CloudID in a body.
var cloudIDs = regexp.MustCompile(`[0-9]{1,4}_[A-Za-z0-9_-]{40,128}`)

// maxFresh bounds how many CloudIDs of one call are replaced.
const maxFresh = 10

// freshen replaces the CloudIDs of a call by fresh ones of the same users, if its account asks a sandbox on this machine.
func (h *Handler) freshen(ctx context.Context, call *invocation.Record) (body []byte, fresh bool) {
	body = call.Capture.Received
	account, err := h.app.Account(call.AppID)
	if err != nil || !isLoopback(account.Endpoint) {
		return body, false
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	replaced := map[string]string{}
	for _, id := range cloudIDs.FindAll(body, maxFresh) {
		if _, known := replaced[string(id)]; known {
			continue
		}
		replaced[string(id)] = mintLike(ctx, account.Endpoint, string(id))
	}
	body = cloudIDs.ReplaceAllFunc(body, func(id []byte) []byte {
		if minted := replaced[string(id)]; minted != "" {
			fresh = true
			return []byte(minted)
		}
		return id
	})
	return body, fresh
}

func isLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

// sandboxClient calls the sandbox: directly, whatever proxy the environment names.
var sandboxClient = &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, DisableKeepAlives: true}}

// mintLike asks the sandbox for a CloudID like another; "" if there is none to be had.
func mintLike(ctx context.Context, endpoint, id string) string {
	order, err := json.Marshal(map[string]string{"like": id})
	if err != nil {
		return ""
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/sandbox/cloudid", bytes.NewReader(order))
	if err != nil {
		return ""
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := sandboxClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	var minted struct {
		CloudID string `json:"cloudID"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&minted); err != nil || res.StatusCode != http.StatusOK {
		return ""
	}
	if !cloudIDs.MatchString(minted.CloudID) {
		return ""
	}
	return minted.CloudID
}
