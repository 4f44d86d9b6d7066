package transport_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// TestKeepaliveProbes looks at the sockets themselves, which this process has: Caddy runs in it.
func TestKeepaliveProbes(t *testing.T) {
	t.Parallel()
	chunked := "POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
	runBehaviours(t, []behaviour{
		{"keepalive_interval is 30s by default", setup{}, nil, func(s *side) {
			s.dial().say(post("body")).wantResponse(http.StatusOK, "POST / body")
			s.wantProbes("1 30")
		}},
		{"keepalive_interval", setup{transport: "keepalive_interval 7s"}, nil, func(s *side) {
			s.dial().say(post("body")).wantResponse(http.StatusOK, "POST / body")
			s.wantProbes("1 7")
		}},
		{"keepalive_interval of what http1 hands over", setup{transport: "keepalive_interval 8s"}, nil, func(s *side) {
			s.dial().say(chunked).wantResponse(http.StatusOK, "POST / body")
			s.wantProbes("1 8")
		}},
	})
}

// wantProbes compares whether the connections to the upstream have probes, and each how many seconds.
func (s *side) wantProbes(want string) {
	s.t.Helper()
	found := 0
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		fd, err := strconv.Atoi(file.Name())
		if err != nil {
			continue
		}
		peer, err := syscall.Getpeername(fd)
		address, ok := peer.(*syscall.SockaddrInet4)
		if err != nil || !ok || fmt.Sprintf("127.0.0.1:%d", address.Port) != s.upstream.Address {
			continue
		}
		found++
		enabled, errEnabled := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		interval, errInterval := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL)
		if got := fmt.Sprint(enabled, interval); errEnabled != nil || errInterval != nil || got != want {
			s.t.Errorf("probes and seconds are %s, want %s; %v, %v", got, want, errEnabled, errInterval)
		}
	}
	if found == 0 {
		s.t.Error("no connection to the upstream is open")
	}
}
