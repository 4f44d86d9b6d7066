package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const (
	mebibyte = 1 << 20

	// atOnce is how many requests are under way together.
	atOnce = 200

	// baseline is what Caddy holds with nothing to do, in MiB, and some more.
	baseline = 100
)

// What bodies cost: however many come at once and whatever is in them, no more than a few times their size. Of a body that
// is rewritten there are two copies for a moment, and Go collects garbage when the heap has doubled: that makes four.
func TestMemoryOfBodies(t *testing.T) {
	large := func(start string) []byte {
		return []byte(start + strings.Repeat("x", mebibyte-len(start)-len(`"}`)) + `"}`)
	}
	for _, test := range []struct {
		name   string
		body   []byte
		coding string
		status int
		bound  int // in MiB
	}{
		{"nothing to replace", large(`{"a":"`), "", http.StatusOK, 4*atOnce + baseline},
		{"a CloudID to replace", large(`{"weRunData":"` + steps + `","a":"`), "", http.StatusOK, 4*atOnce + baseline},
		{"as deep as it gets", bytes.Repeat([]byte("["), mebibyte), "", http.StatusBadRequest, 4*atOnce + baseline},
		{"as many members as it gets", manyMembers(), "", http.StatusOK, 4*atOnce + baseline},
		{"too large", bytes.Repeat([]byte(" "), 16*mebibyte), "", http.StatusRequestEntityTooLarge, baseline},
		{"too large when unpacked", zipped(20 * mebibyte), "gzip", http.StatusRequestEntityTooLarge, 4*atOnce + baseline},
	} {
		t.Run(test.name, func(t *testing.T) {
			crowd := newCrowd(atOnce)
			gateway, url, _ := startGateway(t, crowd, "")
			idle := gateway.memory(t, "VmRSS")
			crowd.call(t, url, test.body, test.coding, test.status)
			most := gateway.memory(t, "VmHWM")
			t.Logf("%d parallel bodies of %d KiB: at most %d MiB of memory, %d MiB before", atOnce, len(test.body)>>10, most, idle)
			if most > test.bound {
				t.Errorf("that is more than %d MiB", test.bound)
			}
		})
	}
}

// However many requests come, of however many users with however many CloudIDs: once the caches are full, nothing grows.
func TestMemoryDoesNotGrow(t *testing.T) {
	const (
		users  = 12000 // more than the gateway remembers invocation tokens of
		rounds = 3
	)
	wechat := sandbox.New()
	wechatServer := httptest.NewServer(wechat)
	t.Cleanup(wechatServer.Close)
	function := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	gateway, url, admin := startGateway(t, function, "endpoint "+wechatServer.URL+"\ncache 1m 1000")

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var user atomic.Int64
	send := func() error {
		openid := fmt.Sprintf("o-%d", user.Add(1)%users)
		id, err := wechat.MintCloudID(sandbox.OpenData{OpenID: openid, Kind: "phone"})
		if err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"phone":"`+id+`"}`))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("User", openid)
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	}
	var heap, goroutines [rounds]int
	for round := range rounds {
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for range users / 8 {
					if err := send(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		clients.Wait()
		client.CloseIdleConnections()
		get(t, admin+"/debug/pprof/heap?gc=1") // collects garbage first
		metrics := get(t, admin+"/metrics")
		heap[round], goroutines[round] = metric(t, metrics, "go_memstats_heap_alloc_bytes")>>10, metric(t, metrics, "go_goroutines")
		t.Logf("after %d requests: %d KiB in use, %d goroutines, %d MiB of memory",
			(round+1)*users, heap[round], goroutines[round], gateway.memory(t, "VmRSS"))
	}
	const noise = 2 << 10 // KiB: of what the runtime and the caches have at hand, some is counted and some not
	if grown := heap[rounds-1] - heap[0]; grown > noise {
		t.Errorf("%d KiB more are in use than when the caches were just full", grown)
	}
	if grown := goroutines[rounds-1] - goroutines[0]; grown > 20 {
		t.Errorf("%d goroutines more are running", grown)
	}
}

// startGateway runs a gateway in front of a function. The openid is what the header User says, and there is an admin API.
func startGateway(t *testing.T, function http.Handler, account string) (gateway *caddyProcess, url, admin string) {
	t.Helper()
	upstream := httptest.NewServer(function)
	t.Cleanup(upstream.Close)
	wechat := freeport.Addr(t)
	if account == "" {
		account = "endpoint http://" + wechat
	}
	url, admin = "http://"+freeport.Addr(t), "http://"+freeport.Addr(t)
	gateway = startCaddy(t, "gateway", fmt.Sprintf(`{
	admin %s
	persist_config off
	cloudid {
		account %s {
			secret made-up
			%s
		}
	}
}
%s {
	bind 127.0.0.1
	cloudid {
		openid {http.request.header.User}
	}
	reverse_proxy %s
}
http://%s {
	bind 127.0.0.1
	cloudid_sandbox
}
`, strings.TrimPrefix(admin, "http://"), appid, account, url, upstream.Listener.Addr(), wechat), admin+"/config/")
	return gateway, url, admin
}

// crowd is a function, and as many clients that call it at once: it reads no body before all have come.
type crowd struct {
	size    int
	waiting atomic.Int64
	all     chan struct{}
}

func newCrowd(size int) *crowd { return &crowd{size: size, all: make(chan struct{})} }

func (c *crowd) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	if c.waiting.Add(1) == int64(c.size) {
		close(c.all)
	}
	select {
	case <-c.all:
	case <-r.Context().Done():
	}
	_, _ = io.Copy(io.Discard, r.Body)
}

// call sends the same body as often as the crowd is large, all at once.
func (c *crowd) call(t *testing.T, url string, body []byte, coding string, status int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var clients sync.WaitGroup
	for range c.size {
		clients.Go(func() {
			req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("User", alice)
			if coding != "" {
				req.Header.Set("Content-Encoding", coding)
			}
			res, err := client.Do(req)
			if err != nil {
				if status != http.StatusRequestEntityTooLarge { // a server that answers early may hang up on the rest
					t.Error(err)
				}
				return
			}
			res.Body.Close()
			if res.StatusCode != status {
				t.Errorf("status %d, want %d", res.StatusCode, status)
			}
		})
	}
	clients.Wait()
}

// manyMembers is a body of as many members as fit, five of them CloudIDs.
func manyMembers() []byte {
	body := []byte(`{`)
	for i := range 5 {
		body = fmt.Appendf(body, `"id%d":"%s",`, i, steps)
	}
	for i := 0; len(body) < mebibyte-20; i++ {
		body = fmt.Appendf(body, `"%x":1,`, i)
	}
	return append(body, `"":1}`...)
}

func zipped(size int64) []byte {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	_, _ = io.Copy(w, io.LimitReader(spaces{}, size))
	w.Close()
	return buffer.Bytes()
}

// spaces is white space without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// metric returns the value of one metric.
func metric(t *testing.T, metrics, name string) int {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
