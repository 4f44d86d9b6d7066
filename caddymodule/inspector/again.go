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
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// sent is what a page is told of a call that was sent again.
type sent struct {
	Status int `json:"status"`

	// Whether its CloudIDs and encrypted data were replaced by fresh ones of the sandbox.
	Fresh bool `json:"fresh"`

	// Why it was not forwarded, or got no response; "" if neither.
	Reason string `json:"reason,omitempty"`
}

// serveAgain sends a call again: through the same cloudid handler and what lies behind it, with the body of the first time,
// in the name of the same caller and with the session_key of that time. In the sandbox its CloudIDs and encrypted data are replaced
// by fresh ones; WeChat's own end after five minutes.
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
	reason := ""
	if err := call.Capture.Again(response, again); err != nil {
		response.WriteHeader(httpbody.Status(err))
		reason = httpbody.Message(err)
	}
	return writeJSON(w, sent{max(response.status, http.StatusOK), fresh, reason})
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

// maxFresh bounds how many CloudIDs of one call are replaced, and how much encrypted data.
const maxFresh = 10

// freshen replaces the CloudIDs and encrypted data of a call by fresh ones of the same users, if its account asks a sandbox on this
// machine.
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
	return freshenEncrypted(ctx, account.Endpoint, body, fresh)
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
	var minted struct {
		CloudID string `json:"cloudID"`
	}
	if !askSandbox(ctx, endpoint+"/sandbox/cloudid", id, &minted) || !cloudIDs.MatchString(minted.CloudID) {
		return ""
	}
	return minted.CloudID
}

// encrypted is what a client sends where it was given no CloudID.
type encrypted struct {
	Data string `json:"encryptedData"`
	IV   string `json:"iv"`
}

// freshenEncrypted replaces encrypted data, wherever in the body it is.
func freshenEncrypted(ctx context.Context, endpoint string, body []byte, fresh bool) ([]byte, bool) {
	for _, old := range encryptedIn(gjson.ParseBytes(body), nil) {
		var like encrypted
		known := encrypted{old.Get("encryptedData").Str, old.Get("iv").Str}
		if !askSandbox(ctx, endpoint+"/sandbox/encrypted", known, &like) {
			continue
		}
		object := old.Raw
		for name, value := range map[string]string{"encryptedData": like.Data, "iv": like.IV} {
			object = strings.ReplaceAll(object, old.Get(name).Raw, strconv.Quote(value)) // base64, so that no other text is meant
		}
		body, fresh = bytes.ReplaceAll(body, []byte(old.Raw), []byte(object)), true
	}
	return body, fresh
}

// encryptedIn returns the objects of a JSON value that hold encrypted data, the first few of them.
func encryptedIn(value gjson.Result, found []gjson.Result) []gjson.Result {
	if value.Get("encryptedData").Type == gjson.String && value.Get("iv").Type == gjson.String {
		return append(found, value)
	}
	if value.IsObject() || value.IsArray() {
		value.ForEach(func(_, inner gjson.Result) bool {
			found = encryptedIn(inner, found)
			return len(found) < maxFresh
		})
	}
	return found
}

// askSandbox asks for something like what the sandbox gave out before, and reports whether there was such a thing.
func askSandbox(ctx context.Context, url string, like, response any) bool {
	order, err := json.Marshal(map[string]any{"like": like})
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(order))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := sandboxClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK && json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(response) == nil
}
