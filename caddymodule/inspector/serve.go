package inspector

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// page is the whole of it: markup, style and script, without any outside resource.
//
//go:embed page.html
var page []byte

// policy lets the browser run the page's own script and style, known by their hashes, speak to this server, and do nothing
// else. So text of a call could do nothing even if it ever became markup.
var policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	hashOf("script"), hashOf("style"))

// hashOf returns the source expression of the page's only element of a name.
func hashOf(element string) string {
	_, after, _ := bytes.Cut(page, []byte("<"+element+">"))
	content, _, _ := bytes.Cut(after, []byte("</"+element+">"))
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return caddyhttp.Error(http.StatusMethodNotAllowed, errors.New("the page is there for GET"))
	}
	if !strings.HasSuffix(r.URL.Path, "/") {
		// Its own requests are relative to it.
		original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
		if !strings.HasSuffix(original.URL.Path, "/") {
			http.Redirect(w, r, "./"+original.URL.Path[strings.LastIndexByte(original.URL.Path, '/')+1:]+"/", http.StatusFound)
			return nil
		}
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Frame-Options", "DENY")
	_, _ = w.Write(page) // a browser that went away cannot be told
	return nil
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // as above
	return nil
}

func (h *Handler) serveCalls(w http.ResponseWriter, _ *http.Request) error {
	all := h.store.snapshot()
	all.Capture = h.Capture
	return writeJSON(w, all)
}

func (h *Handler) serveClear(w http.ResponseWriter, _ *http.Request) error {
	h.store.clear()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// reasons are the words of a page for why something was not done, by their stable names.
type reasons struct {
	Codes   map[string]codeText `json:"codes"`
	Reasons map[string]string   `json:"reasons"`
	Skipped map[string]string   `json:"skipped"`
}

// serveCodes responds with the meaning of every code and reason.
func (h *Handler) serveCodes(w http.ResponseWriter, _ *http.Request) error {
	all := reasons{Codes: codeTexts(), Reasons: map[string]string{}, Skipped: map[string]string{}}
	for _, reason := range invocation.Reasons() {
		all.Reasons[reason.String()] = reason.Text()
	}
	for _, skipped := range invocation.AllSkipped() {
		all.Skipped[string(skipped)] = skipped.Text()
	}
	return writeJSON(w, all)
}

// captured is the bodies of a call.
type captured struct {
	URI         string `json:"uri"`
	ContentType string `json:"content_type"`
	Received    string `json:"received"`
	Forwarded   string `json:"forwarded"`
	Truncated   bool   `json:"truncated"`
}

func (h *Handler) serveCapture(w http.ResponseWriter, r *http.Request) error {
	call, err := h.capturedCall(r)
	if err != nil {
		return err
	}
	c := call.Capture
	return writeJSON(w, captured{c.URI, c.ContentType, string(c.Received), string(c.Forwarded), c.Truncated})
}

// capturedCall returns the call that a request names by seq, with its bodies.
func (h *Handler) capturedCall(r *http.Request) (*invocation.Record, error) {
	seq, err := strconv.ParseUint(r.URL.Query().Get("seq"), 10, 64)
	if err != nil {
		return nil, caddyhttp.Error(http.StatusBadRequest, errors.New("seq must be the number of a call"))
	}
	call := h.store.call(seq)
	if call == nil || call.Capture == nil {
		return nil, errCallGone
	}
	return call, nil
}

const (
	// A page that does not take what it is sent for this long is left.
	writeTimeout = 10 * time.Second

	// How often a stream looks whether its config is still the one that runs.
	lookAround = 500 * time.Millisecond
)

// serveEvents streams what happens to a page, as server-sent events.
func (h *Handler) serveEvents(w http.ResponseWriter, r *http.Request) error {
	reader := h.store.read()
	if reader == nil {
		w.Header().Set("Retry-After", "5")
		return caddyhttp.Error(http.StatusServiceUnavailable, fmt.Errorf("%d pages are open already; close one", maxReaders))
	}
	defer h.store.leave(reader)
	w.Header().Set("Content-Type", "text/event-stream")
	stream := &stream{w: w, control: http.NewResponseController(w)}
	defer stream.end()
	if err := stream.send("hello", []byte("{}")); err != nil {
		return nil // the page went away
	}
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case e, open := <-reader.events:
			if !open {
				return nil
			}
			if err := stream.send(e.name, e.data); err != nil {
				return nil // the page went away
			}
		case <-tick.C:
			if !h.isRunning() {
				return nil
			}
			if err := stream.tick(h.store, reader); err != nil {
				return nil // the page went away
			}
		}
	}
}

// isRunning reports whether this config is the one that Caddy runs: the servers of another wait for streams to end.
func (h *Handler) isRunning() bool {
	active := caddy.ActiveContext()
	app, err := active.AppIfConfigured("cloudid")
	return err == nil && app == h.app && !caddy.Exiting()
}

// stream is the response to a page.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stats   time.Time // when the timeline was last sent
}

// tick says what is due without anything having happened: the timeline each bucketWidth, by which both ends also notice when the
// other is gone.
func (s *stream) tick(calls *store, reader *reader) error {
	if calls.caughtUp(reader) {
		return s.send("missed", []byte("{}"))
	}
	if now := time.Now(); now.Sub(s.stats) >= bucketWidth {
		s.stats = now
		data, err := json.Marshal(calls.timelineNow())
		if err != nil {
			return err
		}
		return s.send("timeline", data)
	}
	return nil
}

// end lets the connection serve other requests.
func (s *stream) end() { _ = s.control.SetWriteDeadline(time.Time{}) }

func (s *stream) send(name string, data []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, data); err != nil {
		return err
	}
	return s.control.Flush()
}
