package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// traffic is requests that go on until they are stopped.
type traffic struct {
	name   string
	done   atomic.Int64 // requests that have ended
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu     sync.Mutex
	failed []failedRequest
}

type failedRequest struct {
	number     int64
	start, end time.Time
	err        error
}

// during reports whether the request was under way at a moment.
func (r failedRequest) during(m moment) bool { return r.start.Before(m.to) && r.end.After(m.from) }

// drive has clients send one request after the other, each with a number of its own, until the test ends.
func drive(t *testing.T, name string, clients int, send func(number int64) error) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &traffic{name: name, cancel: cancel}
	var number atomic.Int64
	for range clients {
		d.ended.Go(func() {
			for ctx.Err() == nil {
				n, start := number.Add(1), time.Now()
				if err := send(n); err != nil {
					d.mu.Lock()
					d.failed = append(d.failed, failedRequest{n, start, time.Now(), err})
					d.mu.Unlock()
				}
				d.done.Add(1)
			}
		})
	}
	t.Cleanup(d.stop)
	return d
}

// more waits until so many more requests have ended.
func (d *traffic) more(t *testing.T, requests int64) {
	t.Helper()
	goal := d.done.Load() + requests
	soon(t, fmt.Sprintf("%s: %d more requests", d.name, requests), func() bool { return d.done.Load() >= goal })
}

func (d *traffic) stop() {
	d.cancel()
	d.ended.Wait()
}

// moment is the time that something took to happen.
type moment struct{ from, to time.Time }

func during(happens func()) moment {
	from := time.Now()
	happens()
	return moment{from, time.Now()}
}

// allFine fails the test for every request that failed, but for those that are excused.
func (d *traffic) allFine(t *testing.T, excused func(failedRequest) bool) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	t.Logf("%s: %d requests, %d of them failed", d.name, d.done.Load(), len(d.failed))
	for _, r := range d.failed {
		if excused == nil || !excused(r) {
			t.Errorf("%s: the request from %s to %s failed: %v", d.name, r.start.Format("05.000"), r.end.Format("05.000"), r.err)
		}
	}
}

// event is what traffic consists of: a CloudID, and a number that comes back.
func event(number int64) string {
	return fmt.Sprintf(`{"weRunData":"%s","n":%d,"padding":"%s"}`, steps, number, strings.Repeat("x", 1000))
}

// echo is a function that takes its time, and responds with the number of the event if it had the open data with it.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	time.Sleep(5 * time.Millisecond)
	event, _ := strings.CutPrefix(string(body), `{"weRunData":`+stepsData+`,"n":`)
	number, rest, _ := strings.Cut(event, ",")
	if len(rest) != 1000+len(`"padding":""}`) {
		number = "none"
	}
	w.Header().Set("Invocation-Token", r.Header.Get("X-WX-CLOUDBASE-ACCESS-TOKEN"))
	_, _ = fmt.Fprintf(w, "%s for %s", number, r.Header.Get("X-WX-OPENID"))
}

// callEcho calls echo through a gateway with a session of alice's.
func callEcho(client *http.Client, url, session string, number int64) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(event(number)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+session)
	// Not sent: it lets net/http send the request again if the connection that it had kept is closed just then, as
	// browsers do.
	req.Header["Idempotency-Key"] = nil
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	response, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if want := fmt.Sprintf("%d for %s", number, alice); res.StatusCode != http.StatusOK || string(response) != want {
		return nil, fmt.Errorf("answered %d %.200q, want %q", res.StatusCode, response, want)
	}
	return res, nil
}
