package e2e

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A thousand clients who stay connected when they have their response: the others notice nothing of them, each costs little
// (nothing of its event is kept), and when they have gone, so have their goroutines. Go itself raises the limit of open files
// as far as it may, here as in the gateway.
func TestIdleConnections(t *testing.T) {
	const (
		idle = 1000
		most = 48 << 10 // bytes that a connection may cost: two buffers of 4 KiB, a stack, and what net/http knows of it
		slow = 20 * time.Millisecond
	)
	event := `{"weRunData":"` + steps + `","padding":"` + strings.Repeat("x", 100<<10) + `"}`
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Replace(event, `"`+steps+`"`, stepsData, 1))))
	function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprintf(w, "%x", sha256.Sum256(body))
	})
	gateway, url, admin := startGateway(t, function, "")
	call := func(conn net.Conn) {
		t.Helper()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nUser: %s\r\nContent-Length: %d\r\n\r\n%s", alice, len(event), event)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, res); res.StatusCode != http.StatusOK || got != want {
			t.Fatalf("status %d, a response of %d bytes, which is not the hash of what the function was to get", res.StatusCode, len(got))
		}
	}
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	// latency is the usual time of a new client's request.
	latency := func() time.Duration {
		var took []time.Duration
		for range 101 {
			start := time.Now()
			conn := dial()
			call(conn)
			conn.Close()
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	// state is what the gateway holds when it has collected its garbage.
	state := func() (bytes, goroutines int) {
		get(t, admin+"/debug/pprof/heap?gc=1")
		metrics := get(t, admin+"/metrics")
		return metric(t, metrics, "go_memstats_heap_alloc_bytes") + metric(t, metrics, "go_memstats_stack_inuse_bytes"), metric(t, metrics, "go_goroutines")
	}
	alone := latency()
	bytesAlone, goroutinesAlone := state()
	rssAlone := gateway.memory(t, "VmRSS")

	conns := make([]net.Conn, idle)
	for i := range conns {
		conns[i] = dial()
		defer conns[i].Close()
		call(conns[i])
	}
	bytes, goroutines := state()
	each := (bytes - bytesAlone) / idle
	t.Logf("%d idle connections: %d bytes each, %d goroutines more, %d MiB of memory, %d MiB before", idle, each, goroutines-goroutinesAlone, gateway.memory(t, "VmRSS"), rssAlone)
	if each > most {
		t.Errorf("an idle connection costs %d bytes, more than %d", each, most)
	}
	if goroutines-goroutinesAlone < idle/2 {
		t.Errorf("%d goroutines more: are the connections open at all?", goroutines-goroutinesAlone)
	}
	among := latency()
	t.Logf("a new client's request takes %s, %s before", among, alone)
	if among > max(5*alone, slow) {
		t.Errorf("a request takes %s among them, and %s without", among, alone)
	}
	for _, conn := range conns[:idle/10] { // they are not forgotten
		call(conn)
	}

	for _, conn := range conns {
		conn.Close()
	}
	soon(t, "the goroutines are gone", func() bool {
		_, goroutines := state()
		return goroutines <= goroutinesAlone+20
	})
}
