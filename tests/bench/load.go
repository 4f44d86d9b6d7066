package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const maxWorkers = 512

// worker is one connection of the load generator and the client behind it, which sends its next request when it has the
// response to the one before.
type worker struct {
	expected atomic.Pointer[expectation]
	received atomic.Int32 // how often the function was called for this request
}

// nextID numbers CloudIDs, so that a new one was never seen before by any proxy.
var nextID atomic.Uint64

// load keeps a proxy busy with one case.
type load struct {
	standIns *standIns
	address  string
	forms    *forms
	limit    int // requests of each worker; 0: until stop

	ids      []string // the same for all requests; nil: new ones each time
	requests atomic.Uint64
	stopping atomic.Bool
	running  sync.WaitGroup
}

// start sets off the workers. The address is that of the proxy.
func (s *standIns) start(address string, f *forms, connections, limit int, ids []string) *load {
	l := &load{standIns: s, address: address, forms: f, limit: limit, ids: ids}
	s.latency.Store(int64(f.work.latency))
	for i := range connections {
		l.running.Go(func() {
			if err := l.work(i); err != nil {
				s.mistakes.note(err.Error())
			}
		})
	}
	return l
}

// stop ends the load after the requests under way.
func (l *load) stop() {
	l.stopping.Store(true)
	l.running.Wait()
}

func (l *load) work(index int) error {
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	w, me := newWire(conn), &l.standIns.workers[index]
	work := l.forms.work
	ids := l.ids
	if ids == nil {
		ids = newIDs(work.ids)
	}
	request, numbers := work.request(l.address, index, ids)
	for sent := 0; !l.stopping.Load() && (l.limit == 0 || sent < l.limit); sent++ {
		if l.ids == nil && sent > 0 {
			ids = newIDs(work.ids)
			for i, at := range numbers {
				copy(request[at:], ids[i][len(idPrefix):])
			}
		}
		me.received.Store(0)
		me.expected.Store(&expectation{ids, l.forms})
		if err := roundTrip(w, request); err != nil {
			return err
		}
		if me.received.Load() != 1 {
			return errors.New("a proxy answered without calling the function")
		}
		l.requests.Add(1)
	}
	return nil
}

func newIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = cloudID(nextID.Add(1))
	}
	return ids
}

func roundTrip(w *wire, request []byte) error {
	if err := w.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := w.Write(request); err != nil {
		return err
	}
	response, err := w.read()
	if err != nil {
		return err
	}
	if status := response.start[:]; !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) || string(response.body) != `{"ok":true}` {
		return fmt.Errorf("a proxy answered %s with %.300q", bytes.TrimRight(status, "\x00"), response.body)
	}
	return nil
}
