package callerheaders_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/callerheaders"
)

func TestReserved(t *testing.T) {
	for name, want := range map[string]bool{
		"X-Wx-Openid":                   true,
		"X-WX-OPENID":                   true,
		"x-wx-anything":                 true,
		"X_wx_openid":                   true,
		"X.WX-openid":                   true,
		"X-Wx-":                         true,
		"X-Cloudid-Keys":                true,
		"x_cloudid_keys":                true,
		"X-Functions-Extended-Context":  true,
		"x_functions_extended_context":  true,
		"X-Functions-Extended-Context2": false,
		"X-Functions-Extended":          false,
		"X-Wxopenid":                    false,
		"X-Wy-Openid":                   false,
		"X-Wx":                          false,
		"Authorization":                 false,
		"":                              false,
	} {
		if got := callerheaders.Reserved(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestStrip(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	r.Header = http.Header{"X-Wx-Openid": {"a"}, "x_wx_openid": {"a"}, "X-Functions-Extended-Context": {"a"}, "X-Other": {"a"}}
	callerheaders.Strip(r)
	if len(r.Header) != 1 || r.Header.Get("X-Other") != "a" {
		t.Errorf("left is %v", r.Header)
	}
}

// A real server announces trailers before the body and knows their values after it.
func TestStripTrailers(t *testing.T) {
	for _, body := range []string{"0\r\nX-Wx-Openid: a\r\nX-Other: b\r\n\r\n", "1\r\nx\r\n0\r\nX-Wx-Openid: a\r\nX-Other: b\r\n\r\n"} {
		got := make(chan http.Header, 2)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			callerheaders.StripTrailers(r)
			got <- r.Trailer.Clone()
			_, _ = io.Copy(io.Discard, r.Body)
			got <- r.Trailer.Clone()
		}))
		reader := strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Wx-Openid, X-Other\r\n\r\n" + body)
		send(t, server.Listener.Addr().String(), reader)
		server.Close()
		if before := <-got; len(before) != 1 || !has(before, "X-Other") {
			t.Errorf("announced: %v", before)
		}
		if after := <-got; len(after) != 1 || after.Get("X-Other") != "b" {
			t.Errorf("arrived: %v", after)
		}
	}
}

func send(t *testing.T, address string, request io.Reader) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.Copy(connection, request); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, connection)
}

func has(header http.Header, name string) bool {
	_, ok := header[name]
	return ok
}
