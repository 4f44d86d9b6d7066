package inspector_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/inspector"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// rig is a Caddy with an inspector, to which a test publishes calls.
type rig struct {
	*testing.T
	address string
}

// start runs a Caddy whose only site is an inspector with these options.
func start(t *testing.T, options string) *rig {
	t.Helper()
	r := &rig{t, freeport.Addr(t)}
	caddyrig.Load(t, r.caddyfile(options))
	return r
}

// caddyfile is a site of an inspector with these options.
func (r *rig) caddyfile(options string) string {
	return `{
	admin off
	cloudid {
		account wx3d289323f5900f8e {
			secret made-up-but-long-enough
		}
	}
}
http://` + r.address + `, http://inspector.example:` + r.address[strings.LastIndexByte(r.address, ':')+1:] + ` {
	bind 127.0.0.1
	cloudid_inspector {
		` + options + `
	}
}
`
}

// publish shows a call to the inspector, as a cloudid handler of the running config does.
func (r *rig) publish(record invocation.Record) uint64 {
	r.Helper()
	ctx := caddy.ActiveContext()
	app, err := ctx.App("cloudid")
	if err != nil {
		r.Fatal(err)
	}
	if record.Seq == 0 {
		record.Seq = invocation.NextSeq()
	}
	if record.Time.IsZero() {
		record.Time = time.Now()
	}
	bodies := record.Capture
	record.Capture = nil
	app.(*account.App).Invocations().Publish(&invocation.Live{Record: record}, bodies)
	return record.Seq
}

// request makes a request of the inspector, as its own page does.
func (r *rig) request(method, path string, change ...func(*http.Request)) (status int, header http.Header, body string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, "http://"+r.address+path, http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	if method != http.MethodGet {
		req.Header.Set("X-Inspector", "1")
	}
	for _, c := range change {
		c(req)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

// keptCall is what a test reads of a call that is kept.
type keptCall struct {
	Path string `json:"path"`
	Done bool   `json:"done"`
}

// calls returns the calls that are kept, oldest first.
func (r *rig) calls() []keptCall {
	r.Helper()
	status, _, body := r.request(http.MethodGet, "/calls.json")
	var all struct {
		Calls []keptCall `json:"calls"`
	}
	if err := json.Unmarshal([]byte(body), &all); status != http.StatusOK || err != nil {
		r.Fatalf("%d: %v: %s", status, err, body)
	}
	return all.Calls
}

// stream opens the event stream and returns what reads its next event of a name.
func (r *rig) stream() (next func(name string) string, closed func() bool) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	r.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+"/events", http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { res.Body.Close() })
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(res.Body)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
	}()
	line := func() (string, bool) {
		select {
		case text, open := <-lines:
			return text, open
		case <-time.After(15 * time.Second):
			r.Fatal("nothing came on the stream")
			return "", false
		}
	}
	next = func(name string) string {
		r.Helper()
		for deadline := time.Now().Add(15 * time.Second); ; {
			text, open := line()
			if time.Now().After(deadline) {
				r.Fatalf("%s did not come on the stream", name)
			}
			if !open {
				r.Fatalf("the stream ended without %s", name)
			}
			if text == "event: "+name {
				data, _ := line()
				return strings.TrimPrefix(data, "data: ")
			}
		}
	}
	closed = func() bool {
		for {
			if _, open := line(); !open {
				return true
			}
		}
	}
	next("hello")
	return next, closed
}
