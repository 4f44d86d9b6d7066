package system

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// network is what lies between the gateway and WeChat: a real TCP proxy.
type network struct{ *toxiproxy.Proxy }

func newNetwork(t *testing.T, upstream string) network {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := network{toxiproxy.NewProxy(server, "wechat", "127.0.0.1:0", strings.TrimPrefix(upstream, "http://"))}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// breakDown makes the fault befall all connections from now on, and ends those there are.
func (n network) breakDown(t *testing.T, f fault) {
	t.Helper()
	n.Stop()
	for _, toxic := range f.toxics {
		if _, err := n.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			t.Fatal(err)
		}
	}
	if f.rejected {
		return
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
}

// fault is what befalls the network, and what comes of it.
type fault struct {
	sentence string
	toxics   []string // as toxiproxy's API takes them; its default direction is from WeChat
	rejected bool     // nobody listens
	want     int      // the errCode that the function finds; 0: open data
	label    string   // of the failure, in log and metric
}

var faults = []fault{
	{"latency within the timeout is borne", toxics("latency", "", `"latency":100,"jitter":20`), false, 0, ""},
	{"latency beyond it is not", toxics("latency", "", `"latency":5000`), false, wechat.CodeTimeout, "timeout"},
	{"nor on the way there", toxics("latency", "upstream", `"latency":5000`), false, wechat.CodeTimeout, "timeout"},
	{"a black hole swallows responses", toxics("timeout", "", `"timeout":0`), false, wechat.CodeTimeout, "timeout"},
	{"a black hole swallows questions", toxics("timeout", "upstream", `"timeout":0`), false, wechat.CodeTimeout, "timeout"},
	{"a black hole that closes in the end", toxics("timeout", "", `"timeout":200`), false, wechat.CodeNetworkError, "network"},
	{"the connection is reset", toxics("reset_peer", "", `"timeout":0`), false, wechat.CodeNetworkError, "network"},
	{"the connection is reset after a while", toxics("reset_peer", "", `"timeout":200`), false, wechat.CodeNetworkError, "network"},
	{"half a response", toxics("limit_data", "", `"bytes":200`), false, wechat.CodeNetworkError, "network"},
	{"half a head", toxics("limit_data", "", `"bytes":40`), false, wechat.CodeNetworkError, "network"},
	{"half a question", toxics("limit_data", "upstream", `"bytes":100`), false, wechat.CodeNetworkError, "network"},
	{"a response in small pieces is put together", toxics("slicer", "", `"average_size":16,"size_variation":8,"delay":500`), false, 0, ""},
	{"slow bytes that come to an end too late", toxics("slicer", "", `"average_size":16,"size_variation":8,"delay":50000`), false, wechat.CodeTimeout, "timeout"},
	{"a narrow line that is wide enough", toxics("bandwidth", "", `"rate":200`), false, 0, ""},
	{"one that is not", toxics("bandwidth", "", `"rate":1`), false, wechat.CodeTimeout, "timeout"},
	{"a connection that lingers when it is closed", toxics("slow_close", "", `"delay":2000`), false, 0, ""},
	{"nobody listens", nil, true, wechat.CodeNetworkError, "network"},
}

func toxics(kind, stream, attributes string) []string {
	if stream == "" {
		stream = "downstream"
	}
	return []string{fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":{%s}}`, kind, stream, attributes)}
}
