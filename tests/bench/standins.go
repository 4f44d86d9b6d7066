package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The app and the user for whom WeChat is asked. Every proxy sends the token as it is; none fetches one.
const (
	appID  = "wxbench0123456789a"
	openID = "oBench-0123456789abcdefghijk"
	token  = "bench_token_0123456789"
)

// standIns are what stands behind the proxies: a function, which checks what it receives, and WeChat, which counts who asks.
type standIns struct {
	function, weChat string // addresses

	workers  [maxWorkers]worker
	latency  atomic.Int64 // of WeChat, in ns
	calls    atomic.Uint64
	asked    atomic.Uint64 // CloudIDs in those calls
	gate     sync.RWMutex  // held for writing: the function does not answer
	waiting  atomic.Int64  // requests that wait at the gate
	mistakes mistakes
}

func newStandIns() (*standIns, error) {
	s := new(standIns)
	var err error
	if s.function, err = serve(func() func(*wire, message) error { return s.respondCall }); err != nil {
		return nil, err
	}
	s.weChat, err = serve(func() func(*wire, message) error { return s.respondOpenData })
	return s, err
}

var functionResponse = []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")

// respondCall is the function.
func (s *standIns) respondCall(w *wire, m message) error {
	if m.worker < 0 || m.worker >= maxWorkers {
		s.mistakes.note("the function was called by nobody: the header X-Bench-Worker is missing")
	} else if worker := &s.workers[m.worker]; worker.received.Add(1) != 1 {
		s.mistakes.note("the function received a request twice")
	} else if err := worker.expected.Load().check(m.body); err != nil {
		s.mistakes.note(err.Error())
	}
	s.waiting.Add(1)
	s.gate.RLock()
	s.gate.RUnlock() //nolint:staticcheck // to pass the gate is all there is to do
	s.waiting.Add(-1)
	_, err := w.Write(functionResponse)
	return err
}

// respondOpenData is WeChat. It takes POST /wxa/getopendata and nothing else.
func (s *standIns) respondOpenData(w *wire, m message) error {
	s.calls.Add(1)
	if !bytes.HasPrefix(m.start[:], []byte("POST /wxa/getopendata?")) {
		s.mistakes.note("WeChat was sent " + string(bytes.TrimRight(m.start[:], "\x00")))
	}
	var items []string
	for rest := m.body; ; {
		at := bytes.Index(rest, []byte(idPrefix))
		if at < 0 || len(rest) < at+idLength {
			break
		}
		id := string(rest[at : at+idLength])
		rest = rest[at+idLength:]
		items = append(items, `{"cloud_id":"`+id+`","json":`+strconv.Quote(openData(id))+`}`)
	}
	s.asked.Add(uint64(len(items)))
	if len(items) == 0 {
		s.mistakes.note("WeChat was asked for nothing: " + string(m.body))
	}
	if latency := time.Duration(s.latency.Load()); latency > 0 {
		time.Sleep(latency)
	}
	response := `{"errcode":0,"errmsg":"ok","data_list":[` + strings.Join(items, ",") + `]}`
	_, err := fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json; encoding=utf-8\r\nContent-Length: %d\r\n\r\n%s", len(response), response)
	return err
}

// mistakes are what must not happen. One is enough for no figures to be printed.
type mistakes struct {
	mu    sync.Mutex
	first string
	count int
}

func (m *mistakes) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == 0 {
		m.first = what
	}
	m.count++
}

func (m *mistakes) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == 0 {
		return nil
	}
	return fmt.Errorf("%d mistakes, the first: %s", m.count, m.first)
}
