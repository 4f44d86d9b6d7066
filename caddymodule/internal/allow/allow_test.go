package allow_test

import (
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
)

func TestWhoMayConnect(t *testing.T) {
	for _, c := range []struct {
		sentence string
		ranges   []string
		remote   string
		want     bool
	}{
		{"this machine", allow.Loopback(), "127.0.0.1:4000", true},
		{"this machine by any of its loopback addresses", allow.Loopback(), "127.8.9.1:4000", true},
		{"this machine by IPv6", allow.Loopback(), "[::1]:4000", true},
		{"an IPv4 address in the form of IPv6 is that IPv4 address", allow.Loopback(), "[::ffff:127.0.0.1]:4000", true},
		{"the private network is not this machine", allow.Loopback(), "192.168.1.2:4000", false},
		{"the private network", allow.Private(), "192.168.1.2:4000", true},
		{"a container's network", allow.Private(), "172.17.0.3:4000", true},
		{"172.32 is public", allow.Private(), "172.32.0.1:4000", false},
		{"a link-local address with a zone", allow.Private(), "[fe80::1%eth0]:4000", true},
		{"a public address", allow.Private(), "203.0.113.7:4000", false},
		{"Caddy's word for private ranges", []string{"private_ranges"}, "10.1.2.3:4000", true},
		{"a single address", []string{"203.0.113.7"}, "203.0.113.7:4000", true},
		{"a single IPv4 address in the form of IPv6", []string{"::ffff:203.0.113.7"}, "203.0.113.7:4000", true},
		{"its neighbour", []string{"203.0.113.7"}, "203.0.113.8:4000", false},
		{"a range whose text has host bits", []string{"203.0.113.7/24"}, "203.0.113.200:4000", true},
		{"nobody is named", nil, "127.0.0.1:4000", false},
		{"a Unix socket", nil, "@", true},
		{"a Unix socket with a name", nil, "/run/client.sock", true},
		{"what is no address", allow.Private(), "localhost", false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			ranges, err := allow.Load("allow", c.ranges, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := ranges.Contain(c.remote); got != c.want {
				t.Errorf("%s: %t", c.remote, got)
			}
		})
	}
}

func TestRangesThatAnOptionHasWhereNoneAreNamed(t *testing.T) {
	for _, c := range []struct {
		named []string
		want  bool
	}{{nil, true}, {[]string{}, true}, {[]string{"203.0.113.7"}, false}} {
		ranges, err := allow.Load("allow", c.named, allow.Loopback())
		if err != nil || ranges.Contain("127.0.0.1:4000") != c.want {
			t.Errorf("with %q named, this machine may connect: %t, %v", c.named, !c.want, err)
		}
	}
}

func TestWrongRanges(t *testing.T) {
	for _, text := range []string{"localhost", "10.0.0.0/33", "10.0.0.0/8,", "fe80::1%eth0", "::ffff:10.0.0.0/104"} {
		const want = "is no address and no range of addresses; write one as in 192.168.0.0/16"
		if _, err := allow.Load("allow", []string{text}, nil); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		if err := allow.Check(text); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q in a Caddyfile: %v", text, err)
		}
	}
}
