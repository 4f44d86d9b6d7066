package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// flaky is a function behind a network that drops connections: of each call the first attempt, or the first two, end
// before the body, within it, or behind it, without an answer.
type flaky struct {
	mu       sync.Mutex
	attempts map[string]int
	faults   []string
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("X-Call")
	f.mu.Lock()
	f.attempts[name]++
	attempt := f.attempts[name]
	f.mu.Unlock()

	drops := 1 + len(name)%2
	if attempt <= drops {
		switch (int(name[len(name)-1]) + attempt) % 3 {
		case 0: // before the body is read
		case 1:
			_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		case 2:
			_, _ = io.Copy(io.Discard, r.Body)
		}
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the gateway gave this attempt up itself, and says so over HTTP/2
	}
	if fault := checkBody(name, body, r.ContentLength); fault != "" {
		f.mu.Lock()
		f.faults = append(f.faults, name+": "+fault)
		f.mu.Unlock()
	}
}

func checkBody(name string, body []byte, announced int64) string {
	var event struct {
		Call, Text, Sum string
		Steps           struct{ CloudID string }
	}
	switch {
	case announced != int64(len(body)):
		return fmt.Sprintf("%d bytes, announced were %d", len(body), announced)
	case json.Unmarshal(body, &event) != nil:
		return "no JSON"
	case event.Call != name:
		return "the body of " + event.Call
	case event.Sum != sum(event.Text):
		return "a wrong checksum"
	case event.Steps.CloudID != steps:
		return "no open data"
	}
	return ""
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// TestRetriesSendTheWholeBodyAgain pins what a body that rewinds when it is closed gives: with one that does not,
// reverse_proxy answers 502 or, worse, sends a part.
func TestRetriesSendTheWholeBodyAgain(t *testing.T) {
	const retries = " {\nlb_retries 6\nlb_retry_match {\nmethod POST\n}\n}"
	ways := map[string]setup{
		"HTTP/1.1": {site: "$CLOUDID\nreverse_proxy $UPSTREAM" + retries},
		"HTTP/2":   {site: certificate + "$CLOUDID\nreverse_proxy $UPSTREAM" + retries, address: secure},
	}
	if h2Upstream {
		ways["HTTP/2 to the function"] = setup{site: "$CLOUDID\nreverse_proxy h2c://$UPSTREAM" + retries}
	}
	for protocol, s := range ways {
		for _, load := range []struct{ calls, size int }{{300, 2000}, {100, 200_000}} {
			t.Run(fmt.Sprintf("%s, %d calls of %d bytes", protocol, load.calls, load.size), func(t *testing.T) {
				function := &flaky{attempts: make(map[string]int)}
				s.upstream = function
				g := start(t, s)
				inParallel(8, load.calls, func(i int) {
					name := fmt.Sprintf("call-%d", i)
					text := strings.Repeat(name+" ", load.size/(len(name)+1))
					body := fmt.Sprintf(`{"call":"%s","steps":"%s","text":"%s","sum":"%s"}`, name, steps, text, sum(text))
					req := call{body: body, chunked: i%2 == 0, header: map[string]string{"X-Call": name}}.request(t.Context(), g.url)
					res, err := g.client.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					defer res.Body.Close()
					if res.StatusCode != http.StatusOK {
						t.Errorf("%s: status %d", name, res.StatusCode)
					}
				})
				for _, fault := range function.faults {
					t.Error(fault)
				}
				if len(function.attempts) != load.calls {
					t.Errorf("%d of %d calls reached the function", len(function.attempts), load.calls)
				}
			})
		}
	}
}

// inParallel runs n calls, so many at a time.
func inParallel(atATime, n int, run func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range atATime {
		wg.Go(func() {
			for i := range next {
				run(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
