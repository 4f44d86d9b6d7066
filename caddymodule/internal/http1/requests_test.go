package http1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// writes is a connection that remembers what each Write was.
type writes struct {
	net.Conn
	mu   sync.Mutex
	each []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.each = append(w.each, string(p))
	w.mu.Unlock()
	return w.Conn.Write(p)
}

func (w *writes) SyscallConn() (syscall.RawConn, error) { return w.Conn.(syscall.Conn).SyscallConn() }

func TestHowARequestIsWritten(t *testing.T) {
	const head = "POST /path HTTP/1.1\r\nHost: upstream\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: %d\r\n\r\n"
	large := strings.Repeat("x", 200<<10)
	for _, test := range []struct {
		sentence string
		body     func() io.Reader
		length   int
		pieces   []string // of which the last may be many, if there is another
	}{
		{
			"head and body in one piece", func() io.Reader { return strings.NewReader("body") }, 4,
			[]string{fmt.Sprintf(head, 4) + "body"},
		},
		{
			"also a body that comes byte by byte", func() io.Reader { return iotest.OneByteReader(strings.NewReader("body")) }, 4,
			[]string{fmt.Sprintf(head, 4) + "body"},
		},
		{
			"also one whose reads bring nothing now and then", func() io.Reader { return &hesitant{strings.NewReader("body"), maxEmptyReads - 1} }, 4,
			[]string{fmt.Sprintf(head, 4) + "body"},
		},
		{
			"also one of 64 KiB", func() io.Reader { return strings.NewReader(large[:64<<10]) }, 64 << 10,
			[]string{fmt.Sprintf(head, 64<<10) + large[:64<<10]},
		},
		{
			"a larger one behind the head", func() io.Reader { return strings.NewReader(large) }, len(large),
			[]string{fmt.Sprintf(head, len(large)), large},
		},
		{
			"a slow one as it comes", func() io.Reader { return &slowly{strings.NewReader("body"), 1, 50 * time.Millisecond} }, 4,
			[]string{fmt.Sprintf(head, 4), "body"},
		},
		{
			"what has come of a slow one with the head", func() io.Reader {
				return io.MultiReader(strings.NewReader("bo"), &slowly{strings.NewReader("dy"), 1, 50 * time.Millisecond})
			}, 4,
			[]string{fmt.Sprintf(head, 4) + "bo", "dy"},
		},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			pieces := piecesOf(t, test.body(), test.length)
			// A machine that has no time may take longer than bodyWait to read the shortest body.
			for tries := 1; len(test.pieces) == 1 && len(pieces) > 1 && tries < 20; tries++ {
				pieces = piecesOf(t, test.body(), test.length)
			}
			if all := strings.Join(test.pieces, ""); strings.Join(pieces, "") != all {
				t.Fatalf("%.300q was written, want %.300q", pieces, all)
			}
			for i, want := range test.pieces[:len(test.pieces)-1] {
				if pieces[i] != want {
					t.Errorf("piece %d is %.200q, want %.200q", i, pieces[i], want)
				}
			}
			if len(test.pieces) == 1 && len(pieces) != 1 {
				t.Errorf("%d pieces", len(pieces))
			}
		})
	}
}

// piecesOf sends a request with a body, and returns each piece in which it is written. The server must receive them all.
func piecesOf(t *testing.T, body io.Reader, length int) []string {
	t.Helper()
	received := make(chan string, 1)
	u := startUpstream(t, func(c *rawserver.Conn) {
		req := c.Request()
		body, _ := io.ReadAll(req.Body)
		received <- string(body)
		c.Say(okResponse)
	})
	var conn *writes
	c := newClient(t, func(o *Options) {
		o.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
			raw, err := net.Dial(network, address)
			conn = &writes{Conn: raw}
			return conn, err
		}
	})
	if got, err := u.do(c, newRequest(t.Context(), http.MethodPost, body, int64(length))); got != "ok" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if got := <-received; !strings.HasSuffix(strings.Join(conn.each, ""), got) || len(got) != length {
		t.Errorf("the server got %.100q", got)
	}
	return conn.each
}

// However many there are, fields are sorted by name, and the values of one stay in their order.
func TestFieldsAreSorted(t *testing.T) {
	for _, n := range []int{0, 1, 2, fewFields - 1, fewFields, fewFields + 1, 300} {
		header := make(http.Header)
		for i := range n {
			header[fmt.Sprintf("X-%d", i*7919%1000)] = []string{"b", "a"}
		}
		fields, err := checkedFields(nil, header)
		if err != nil || len(fields) != n || !slices.IsSortedFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) }) {
			t.Errorf("of %d fields there are %d, %v: %v", n, len(fields), err, fields)
		}
		for _, f := range fields {
			if !slices.Equal(f.values, header[f.name]) || f.values == nil {
				t.Errorf("%s has the values %q", f.name, f.values)
			}
		}
	}
}

// A field that frames messages is not in the header under another spelling; one with a name as long as that is none.
func TestNamesInDisguise(t *testing.T) {
	for name, want := range map[string]bool{
		"Host": false, "Content-Length": false, "Transfer-Encoding": false,
		"Date": false, "Accept-Charset": false, "X-Forwarded-Proto": false, "X": false,
		"host": true, "content-length": true, "Transfer-encoding": true,
	} {
		if got := disguised(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A body that is not what it is said to be never looks complete to a server. If nothing was sent, the connection lives on.
func TestBodiesThatAreWrong(t *testing.T) {
	broken := errors.New("the client broke off")
	for _, test := range []struct {
		sentence string
		body     func() io.Reader
		length   int64
		kept     bool
	}{
		{"too short", func() io.Reader { return strings.NewReader("bod") }, 4, true},
		{"too long", func() io.Reader { return strings.NewReader("bodys") }, 4, true},
		{"broken", func() io.Reader { return io.MultiReader(strings.NewReader("bo"), iotest.ErrReader(broken)) }, 4, true},
		{"broken at its end", func() io.Reader { return io.MultiReader(strings.NewReader("body"), iotest.ErrReader(broken)) }, 4, true},
		{"without progress", func() io.Reader { return stuck{} }, 4, true},
		{"too short and large", func() io.Reader { return strings.NewReader("bod") }, 1 << 20, false},
		{"broken and large", func() io.Reader {
			return io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<19)), iotest.ErrReader(broken))
		}, 1 << 20, false},
		{"broken and slow", func() io.Reader {
			return io.MultiReader(strings.NewReader("bo"), &slowly{iotest.ErrReader(broken), 1, 20 * time.Millisecond})
		}, 4, false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, nil)
			if _, err := u.get(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			closed := 0
			req := newRequest(t.Context(), http.MethodPost, test.body(), test.length)
			req.Body = onClose{req.Body, func() { closed++ }}
			_, err := u.do(c, req)
			if err == nil || strings.HasPrefix(test.sentence, "broken") && !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
			if closed != 1 {
				t.Errorf("the body was closed %d times", closed)
			}
			if got, err := u.get(t.Context(), c); got != "ok" || err != nil {
				t.Errorf("then %q, %v", got, err)
			}
			if kept := u.Accepted.Load() == 1; kept != test.kept {
				t.Errorf("the connection was kept: %v", kept)
			}
		})
	}
}

// A body belongs to its owner again when RoundTrip returned an error.
func TestAfterAnErrorTheBodyIsClosed(t *testing.T) {
	for _, length := range []int64{100, 1 << 20} {
		u, c := startUpstream(t, func(c *rawserver.Conn) {
			c.Head()
			c.Say("garbage\r\n\r\n")
		}), newClient(t, nil)
		closed := new(atomic.Bool)
		req := newRequest(t.Context(), http.MethodPost, nil, 0)
		req.Body, req.ContentLength = onClose{&slowly{forever{}, 1, 100 * time.Millisecond}, func() { closed.Store(true) }}, length
		if got, err := u.do(c, req); err == nil || !closed.Load() {
			t.Errorf("a body of %d bytes: %q, %v, and it is closed: %t", length, got, err, closed.Load())
		}
	}
}

// hesitant is a body of which so many reads bring nothing, before each that does.
type hesitant struct {
	io.Reader
	times int
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.times--; h.times >= 0 {
		return 0, nil
	}
	h.times = maxEmptyReads - 1
	return h.Reader.Read(p[:1])
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// A server may respond before it has the whole request, and hang up or not.
func TestEarlyResponses(t *testing.T) {
	const tooLarge = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
	for name, end := range map[string]func(*rawserver.Conn){
		"the server reads no more": func(*rawserver.Conn) { time.Sleep(100 * time.Millisecond) },
		"the server hangs up":      func(c *rawserver.Conn) { time.Sleep(20 * time.Millisecond); _ = c.Close() },
	} {
		for kind, body := range map[string]func(context.Context) (io.Reader, int64){
			"a body that is large":           func(context.Context) (io.Reader, int64) { return io.LimitReader(forever{}, 1<<26), 1 << 26 },
			"a small body that stops short":  func(ctx context.Context) (io.Reader, int64) { return &until{ctx: ctx, first: "some"}, 100 },
			"a large body that stops short":  func(ctx context.Context) (io.Reader, int64) { return &until{ctx: ctx, first: "some"}, 1 << 20 },
			"a small body that never begins": func(ctx context.Context) (io.Reader, int64) { return &until{ctx: ctx}, 100 },
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				u, c := startUpstream(t, func(c *rawserver.Conn) {
					if _, err := http.ReadRequest(c.Reader); err == nil {
						c.Say(tooLarge)
						end(c)
					}
				}), newClient(t, nil)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				r, length := body(ctx)
				res, err := c.RoundTrip(newRequest(ctx, http.MethodPost, r, length), u.Network, u.Address)
				if err != nil {
					t.Fatal(err)
				}
				if text, err := io.ReadAll(res.Body); res.StatusCode != http.StatusRequestEntityTooLarge || string(text) != "big" || err != nil {
					t.Errorf("got %d %q, %v", res.StatusCode, text, err)
				}
				_ = res.Body.Close()
				cancel()
				u.WantOpen(t, 0) // half a request is on it: it is not kept
			})
		}
	}
}

// Where the server says why and hangs up before the request could be written, its words are the response.
func TestLastWordsAreHeard(t *testing.T) {
	u, c := startUpstream(t, func(c *rawserver.Conn) {
		c.Request()
		c.Say(okResponse)
		_, _ = c.Reader.Peek(1) // the next request begins
		c.Say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
		_ = c.Close()
	}), newClient(t, nil)
	if got, err := u.get(t.Context(), c); got != "ok" || err != nil {
		t.Fatal(got, err)
	}
	if got, err := u.do(c, newRequest(t.Context(), http.MethodPost, io.LimitReader(forever{}, 1<<24), 1<<24)); got != "busy" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// Whether a body is read on a goroutine of its own or not, all of it arrives, and nothing of another's.
func TestManyBodiesAtOnce(t *testing.T) {
	u, c := startUpstream(t, func(c *rawserver.Conn) {
		for {
			req := c.Request()
			if req == nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		}
	}), newClient(t, func(o *Options) { o.MaxIdlePerHost = 8 })
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				text := strings.Repeat(fmt.Sprintf("%d-%d ", i, j), 1+j*j*j/4)
				var body io.Reader = bytes.NewReader([]byte(text))
				if j%5 == 0 {
					body = &slowly{body, 1, 2 * time.Millisecond}
				}
				if got, err := u.do(c, newRequest(t.Context(), http.MethodPost, body, int64(len(text)))); got != text || err != nil {
					t.Errorf("a body of %d bytes became %d bytes: %v", len(text), len(got), err)
				}
			}
		})
	}
	wg.Wait()
	c.CloseIdle()
	u.WantOpen(t, 0)
}

func TestRequestsThatAreRejected(t *testing.T) {
	u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, nil)
	for name, change := range map[string]func(*http.Request){
		"a method of two lines":    func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\n\r\nGET" },
		"a method with a space":    func(r *http.Request) { r.Method = "GET /" },
		"a URL of two lines":       func(r *http.Request) { r.URL.Opaque = "/a\r\nX: y" },
		"a query of two lines":     func(r *http.Request) { r.URL.RawQuery = "a\r\nX: y" },
		"a NUL in a query":         func(r *http.Request) { r.URL.RawQuery = "a\x00" },
		"a field of two lines":     func(r *http.Request) { r.Header["X"] = []string{"a\r\nContent-Length: 9"} },
		"a field with a line feed": func(r *http.Request) { r.Header["X"] = []string{"a\nb"} },
		"a field with a NUL":       func(r *http.Request) { r.Header["X"] = []string{"a\x00"} },
		"an agent of two lines":    func(r *http.Request) { r.Header["User-Agent"] = []string{"a\r\nX: y"} },
		"a name of two lines":      func(r *http.Request) { r.Header["X: y\r\nZ"] = []string{"a"} },
		"a name with a colon":      func(r *http.Request) { r.Header["X:"] = []string{"a"} },
		"an empty name":            func(r *http.Request) { r.Header[""] = []string{"a"} },
		"a length in disguise":     func(r *http.Request) { r.Header["content-length"] = []string{"5"} },
		"an encoding in disguise":  func(r *http.Request) { r.Header["transfer-encoding"] = []string{"chunked"} },
		"a host in disguise":       func(r *http.Request) { r.Header["HOST"] = []string{"other"} },
		"no host":                  func(r *http.Request) { r.Host, r.URL.Host = "", "" },
		"a body that is not there": func(r *http.Request) { r.ContentLength = 5 },
	} {
		req := newRequest(t.Context(), http.MethodGet, nil, 0)
		change(req)
		if got, err := u.do(c, req); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if n := u.Accepted.Load(); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
	secret := newRequest(t.Context(), http.MethodGet, nil, 0)
	secret.Header.Set("Authorization", "secret\n")
	if _, err := u.do(c, secret); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the value: %v", err)
	}
}

func TestCarries(t *testing.T) {
	for sentence, test := range map[string]struct {
		change  func(*http.Request)
		carries bool
	}{
		"a GET":                   {func(*http.Request) {}, true},
		"a body of known length":  {func(r *http.Request) { r.Body, r.ContentLength = opaque{strings.NewReader("x")}, 1 }, true},
		"no URL":                  {func(r *http.Request) { r.URL = nil }, false},
		"no header":               {func(r *http.Request) { r.Header = nil }, false},
		"no body":                 {func(r *http.Request) { r.Body = http.NoBody }, true},
		"no body of any length":   {func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, -1 }, false},
		"a body of any length":    {func(r *http.Request) { r.Body, r.ContentLength = opaque{strings.NewReader("x")}, -1 }, false},
		"a body that may be none": {func(r *http.Request) { r.Body = opaque{strings.NewReader("")} }, false},
		"trailers":                {func(r *http.Request) { r.Trailer = http.Header{"X": nil} }, false},
		"no trailers":             {func(r *http.Request) { r.Trailer = http.Header{} }, true},
		"a transfer encoding":     {func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, false},
		"a wish to close":         {func(r *http.Request) { r.Close = true }, false},
		"CONNECT":                 {func(r *http.Request) { r.Method = http.MethodConnect }, false},
		"an upgrade": {func(r *http.Request) {
			r.Header["Connection"], r.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		}, false},
		"an expectation": {func(r *http.Request) { r.Header["Expect"] = []string{"100-continue"} }, false},
	} {
		req := newRequest(t.Context(), http.MethodGet, nil, 0)
		test.change(req)
		if Carries(req) != test.carries {
			t.Errorf("%s: %v", sentence, !test.carries)
		}
	}
}
