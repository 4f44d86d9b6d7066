package system

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// foreign is what no client may ever see: it stands where nobody asked for it.
const foreign = "FOREIGN"

// faultyFunction is an upstream that responds with what it was sent, and now and then does what upstreams do at their worst.
type faultyFunction struct {
	address string
	open    atomic.Int32
	posts   sync.Map // of the id of each POST that arrived whole: how often it did
	done    sync.WaitGroup
}

func startFaultyFunction(t *testing.T) *faultyFunction {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyFunction{address: listener.Addr().String()}
	f.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.open.Add(1)
			f.done.Go(func() {
				defer f.open.Add(-1)
				defer conn.Close()
				for reader := bufio.NewReader(conn); f.respond(conn, reader); {
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		f.done.Wait()
	})
	return f
}

// respond serves one request, and reports whether the connection goes on.
func (f *faultyFunction) respond(conn net.Conn, reader *bufio.Reader) bool {
	req, err := http.ReadRequest(reader)
	if err != nil {
		return false
	}
	id, fault := req.Header.Get("X-Id"), rand.IntN(40)
	say := func(text string) { _, _ = io.WriteString(conn, text) }
	head := "HTTP/1.1 200 OK\r\nX-Id: " + id + "\r\n"
	if fault == 0 { // an early response; whether the rest is read is chance
		say("HTTP/1.1 413 Content Too Large\r\nX-Id: " + id + "\r\nContent-Length: 0\r\n\r\n")
		return rand.IntN(2) == 0 && copyAll(req.Body)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return false
	}
	if req.Method == http.MethodPost {
		count, _ := f.posts.LoadOrStore(id, new(atomic.Int32))
		count.(*atomic.Int32).Add(1)
	}
	whole := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	switch fault {
	case 1: // the connection ends without a word
		return false
	case 2: // in the middle
		say(whole[:rand.IntN(len(whole))])
		return false
	case 3: // unasked, in the same packet: what comes after the next request was written, no client can tell from its response
		if len(body) > 8<<10 {
			return false
		}
		say(whole + "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + foreign)
	case 4: // behind chunks
		if len(body) > 8<<10 {
			return false
		}
		say(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%s", head, chunk(body), foreign))
	case 5: // behind the last response
		say(fmt.Sprintf("%sConnection: close\r\nContent-Length: %d\r\n\r\n%s%s", head, len(body), body, foreign))
		time.Sleep(time.Millisecond)
		return false
	case 6: // garbage
		say("what?\r\n\r\n" + foreign)
		return false
	case 7, 8: // hints first
		hints := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
		if raceDetector {
			// When its client leaves, the HTTP/2 server still reads the header of a 1xx response that reverse_proxy clears: a
			// race between these two, whatever the transport.
			hints = ""
		}
		say(hints + whole)
	case 9, 10, 11: // chunks
		half := len(body) / 2
		say(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n", head))
		say(chunk(body[:half]))
		say(chunk(body[half:]) + "0\r\n\r\n")
	case 12: // until the end
		say(head + "\r\n" + string(body))
		return false
	case 13: // slowly
		for rest := whole; rest != ""; {
			piece := rest[:min(len(rest), 1+len(whole)/4)]
			rest = rest[len(piece):]
			time.Sleep(time.Millisecond)
			say(piece)
		}
		return false
	case 14: // the last one
		say(whole)
		return false
	default:
		say(whole)
	}
	return true
}

func chunk(piece []byte) string {
	if len(piece) == 0 {
		return ""
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
}

func copyAll(body io.Reader) bool {
	_, err := io.Copy(io.Discard, body)
	return err == nil
}

// Under all that happens between a gateway and a function, each client gets its own response or an error, no POST is done
// twice, and nothing is left in the end. HTTP1_REQUESTS says how many requests are made.
func TestTransportHTTP1UnderFaults(t *testing.T) {
	total := 4000
	if text := os.Getenv("HTTP1_REQUESTS"); text != "" {
		total, _ = strconv.Atoi(text)
	}
	before := goleak.IgnoreCurrent()
	function := startFaultyFunction(t)
	address := freeport.Addr(t)
	loadConfig := func(version int) {
		_, port, _ := net.SplitHostPort(address)
		caddyrig.Reload(t, fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	default_bind 127.0.0.1
	grace_period 10s
	log {
		output discard
	}
	servers {
		protocols h1 h2c
	}
}
http://:%s {
	# version %d
	header X-Version %d
	reverse_proxy %s {
		lb_retries 2
		lb_try_interval 1ms
		transport http1 {
			keepalive_idle_conns_per_host 16
			response_header_timeout 5s
		}
	}
}
`, port, version, version, function.address))
	}
	loadConfig(0)

	var made, answered, failed, left atomic.Int64
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			transport := &http.Transport{DisableCompression: true}
			if i%2 == 0 {
				transport.Protocols = new(http.Protocols)
				transport.Protocols.SetUnencryptedHTTP2(true)
			}
			defer transport.CloseIdleConnections()
			for made.Add(1) <= int64(total) {
				switch err := oneRequest(t, transport, "http://"+address); {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, errLeft):
					left.Add(1)
				default:
					failed.Add(1)
				}
			}
		})
	}
	over := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for version := 1; ; version++ {
			select {
			case <-over:
				return
			case <-time.After(250 * time.Millisecond):
				loadConfig(version)
			}
		}
	})
	clients.Wait()
	close(over)
	reloads.Wait()

	t.Logf("%d responses, %d errors, %d clients that left", answered.Load(), failed.Load(), left.Load())
	if answered.Load() < int64(total)/2 {
		t.Error("most requests failed")
	}
	function.posts.Range(func(id, count any) bool {
		if n := count.(*atomic.Int32).Load(); n > 1 {
			t.Errorf("POST %s was done %d times", id, n)
		}
		return true
	})
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(20 * time.Second); function.open.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d connections to the function are open:\n%s", function.open.Load(), stacks[:runtime.Stack(stacks, true)])
		}
	}
	var err error
	for range 30 { // HTTP/2 takes a while to say goodbye
		err = goleak.Find(before, goleak.IgnoreAnyFunction("github.com/caddy-cloudid/caddy-cloudid/tests/system.startFaultyFunction.func1"),
			goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.(*Upstream).fillDynamicHost"))
		if err == nil {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Error(err)
}

var (
	ids     atomic.Int64
	errLeft = errors.New("the client has left")
)

// oneRequest makes a request of some kind, and fails the test if its response is not its own.
func oneRequest(t *testing.T, transport *http.Transport, url string) error {
	id := fmt.Sprintf("id-%d", ids.Add(1))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	method, body := http.MethodGet, ""
	switch rand.IntN(10) {
	case 0, 1, 2:
	case 3:
		method, body = http.MethodPost, strings.Repeat(id+" ", 20_000)
	default:
		method, body = http.MethodPost, strings.Repeat(id+" ", 1+rand.IntN(300))
	}
	var reader io.Reader = strings.NewReader(body)
	if rand.IntN(20) == 0 {
		reader = &halting{reader, 2}
	}
	req, err := http.NewRequestWithContext(ctx, method, url+"/"+id, io.NopCloser(reader))
	if err != nil {
		return err
	}
	req.Header.Set("X-Id", id)
	if req.ContentLength = int64(len(body)); body == "" {
		req.Body = nil
	} else if rand.IntN(20) == 0 {
		req.ContentLength = -1 // in chunks
	}
	leaves := rand.IntN(20) == 0
	if leaves {
		time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, cancel)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return gone(leaves, err)
	}
	defer res.Body.Close()
	if rand.IntN(20) == 0 {
		time.Sleep(5 * time.Millisecond) // a slow reader
	}
	text, err := io.ReadAll(res.Body)
	if strings.Contains(string(text), foreign) {
		t.Errorf("%s was sent what nobody asked for: %.200q", id, text)
	}
	if got := res.Header.Get("X-Id"); got != "" && got != id {
		t.Errorf("%s was sent the response to %s", id, got)
	}
	if err != nil {
		return gone(leaves, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	if string(text) != body {
		t.Errorf("%s sent %d bytes and got %d others: %.100q", id, len(body), len(text), text)
	}
	return nil
}

func gone(leaves bool, err error) error {
	if leaves {
		return errLeft
	}
	return err
}

// halting is a body that halts before each of its first reads.
type halting struct {
	io.Reader
	times int
}

func (h *halting) Read(p []byte) (int, error) {
	if h.times > 0 {
		h.times--
		time.Sleep(2 * time.Millisecond)
		p = p[:min(len(p), 100)]
	}
	return h.Reader.Read(p)
}
