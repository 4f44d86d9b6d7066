package system

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// large is the size of a body that no kernel takes whole before somebody reads it.
const large = 12 << 20

// hashing is a function that answers the hash of what it got, so that each caller can tell whether that was its own. Where
// the path is one of its moods, it does as that says instead.
type hashing struct {
	moods map[string]http.HandlerFunc
}

func (f hashing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if mood := f.moods[r.URL.Path]; mood != nil {
		mood(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, hashOf(string(body)))
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// newGatewayBefore starts a gateway that keeps its connections to a function. When the test has ended, nothing of it is left.
func newGatewayBefore(t *testing.T, function http.Handler) (gateway, *sandbox.Server) {
	t.Helper()
	leavesNothing(t)
	fake, wechat := startSandbox(t)
	address := freeport.Addr(t)
	account := fmt.Sprintf("secret %s\nendpoint %s\ntimeout %s", secret, wechat, timeout)
	config := caddyfileOf(address, account, "max_size 16MiB", startServer(t, function))
	load(t, strings.Replace(config, "keepalive off", "keepalive 1m", 1))
	t.Cleanup(func() { stop(t) })
	return gateway{t, "http://" + address}, fake
}

// leavesNothing has the test fail in its end for goroutines that it left running.
func leavesNothing(t *testing.T) {
	t.Helper()
	load(t, caddyfileOf(freeport.Addr(t), "secret "+secret, "", "127.0.0.1:1")) // what Caddy starts once and keeps
	stop(t)
	before := goleak.IgnoreCurrent()
	// Of a process's first config Caddy cleans the storage for certificates, with a lock that it looks after for some seconds.
	storage := goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh")
	t.Cleanup(func() {
		// net/http looks after a connection that it closes for half a second, which is as long as goleak has patience.
		for range 20 {
			if goleak.Find(before, storage) == nil {
				return
			}
		}
		goleak.VerifyNone(t, before, storage)
	})
}

// numbered returns an event of its own, of at least this size, and what is to become of it.
func numbered(t *testing.T, fake *sandbox.Server, n, size int) (sent, handedOn string) {
	t.Helper()
	data := fmt.Sprintf(`{"n":%d}`, n)
	id, err := fake.MintCloudID(sandbox.OpenData{OpenID: openid, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	event := fmt.Sprintf(`{"n":%d, "padding":"%s","weRunData":%%s}`, n, strings.Repeat("x", size))
	return fmt.Sprintf(event, `"`+id+`"`), fmt.Sprintf(event, `{"cloudID":"`+id+`","data":`+data+`}`)
}

// wantOwn fails unless the function got just this body.
func wantOwn(t *testing.T, got response, handedOn string) {
	t.Helper()
	if got.status != http.StatusOK || got.body != hashOf(handedOn) {
		t.Errorf("status %d, a response of %d bytes, which is not the hash of what the function was to get", got.status, len(got.body))
	}
}

// to is the same gateway with another path.
func (g gateway) to(path string) gateway { return gateway{g.t, g.url + path} }

// A function may answer before it has read the event, and that response counts. What is left of the event must not get into the
// next one, whatever becomes of the connection.
func TestAFunctionThatRespondsEarly(t *testing.T) {
	readingOn := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			_ = control.EnableFullDuplex()
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
			_ = control.Flush()
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}
	hangingUp := func(status int, text string) http.HandlerFunc { // net/http closes, but lets the other side read the response
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	rudely := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(text), text)
			conn.Close() // with bytes of the body unread, the kernel resets the connection
		}
	}
	half := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, large/2)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "too large")
	}
	cases := []struct {
		sentence string
		mood     http.HandlerFunc
		status   int
		body     string
		may502   bool // the response may be lost with the connection, as between any proxy and server
	}{
		{"it rejects, and reads on", readingOn(413, "too large"), 413, "too large", false},
		{"it rejects without a word, and reads on", readingOn(413, ""), 413, "", false},
		{"it succeeds, and reads on", readingOn(200, "done"), 200, "done", false},
		{"it rejects, and hangs up", hangingUp(413, "too large"), 413, "too large", false},
		{"it succeeds, and hangs up", hangingUp(200, "done"), 200, "done", false},
		{"it rejects half-way, and hangs up", half, 413, "too large", false},
		{"it rejects, and resets the connection", rudely(413, "too large"), 413, "too large", true},
		{"it succeeds, and resets the connection", rudely(200, "done"), 200, "done", true},
	}
	f := hashing{make(map[string]http.HandlerFunc)}
	for i, c := range cases {
		f.moods[fmt.Sprintf("/%d", i)] = c.mood
	}
	g, fake := newGatewayBefore(t, f)
	for i, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			sent, _ := numbered(t, fake, i, large)
			got := g.to(fmt.Sprintf("/%d", i)).post(sent)
			lost := c.may502 && got.status == http.StatusBadGateway
			if !lost && (got.status != c.status || got.body != c.body) {
				t.Errorf("the client got %d with %d bytes, want %d with %d", got.status, len(got.body), c.status, len(c.body))
			}
			for n := range 5 {
				sent, handedOn := numbered(t, fake, n, 100)
				wantOwn(t, g.post(sent), handedOn)
			}
		})
	}
}

// A function that takes its time to read holds up its own caller alone; the gateway has no patience to lose, least of all that
// which it has with WeChat.
func TestAFunctionThatReadsSlowly(t *testing.T) {
	reading := make(chan struct{})
	f := hashing{map[string]http.HandlerFunc{"/slow": func(w http.ResponseWriter, r *http.Request) {
		hash, pieces := sha256.New(), 0
		for start := time.Now(); ; pieces++ {
			if pieces == 1 {
				close(reading)
			}
			n, err := io.CopyN(hash, r.Body, large/64)
			if n == 0 || err != nil && err != io.EOF {
				break
			}
			// 64 pieces, in thrice the time that WeChat has.
			time.Sleep(time.Until(start.Add(time.Duration(pieces) * 3 * timeout / 64)))
		}
		_, _ = io.WriteString(w, hex.EncodeToString(hash.Sum(nil)))
	}}}
	g, fake := newGatewayBefore(t, f)
	sent, handedOn := numbered(t, fake, 0, large)
	done := make(chan response, 1)
	go func() { done <- g.to("/slow").post(sent) }()
	select {
	case <-reading:
	case got := <-done:
		t.Fatalf("answered %d before it was read", got.status)
	}
	others := 0
	for {
		select {
		case got := <-done:
			wantOwn(t, got, handedOn)
			if got.took < 2*timeout {
				t.Errorf("it took %s, which is not slow", got.took)
			}
			if others < 10 {
				t.Errorf("%d other requests were answered meanwhile", others)
			}
			return
		default:
		}
		others++
		sent, handedOn := numbered(t, fake, others, 100)
		got := g.post(sent)
		wantOwn(t, got, handedOn)
		if got.took > 2*timeout {
			t.Errorf("another request took %s", got.took)
		}
	}
}

// Many of them at once: what each is given is its own to the last byte.
func TestManyEventsToAFunctionThatReadsSlowly(t *testing.T) {
	const callers = 16
	f := hashing{map[string]http.HandlerFunc{"/slow": func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		for {
			n, err := io.CopyN(&body, r.Body, 32<<10)
			if n == 0 || err != nil && err != io.EOF {
				break
			}
			time.Sleep(time.Millisecond)
		}
		_, _ = io.WriteString(w, hashOf(body.String()))
	}}}
	g, fake := newGatewayBefore(t, f)
	var wg sync.WaitGroup
	for n := range callers {
		sent, handedOn := numbered(t, fake, n, 1<<20)
		wg.Go(func() { wantOwn(t, g.to("/slow").post(sent), handedOn) })
	}
	wg.Wait()
}
