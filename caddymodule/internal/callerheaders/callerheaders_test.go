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

// What is neither letter nor digit is a dash to CGI, and nothing else is.
func TestEverySeparatorIsADash(t *testing.T) {
	for c := range 256 {
		separator := string([]byte{byte(c)})
		isSeparator := !strings.ContainsAny(separator, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
		if got := callerheaders.Reserved("X" + separator + "Wx-Openid"); got != isSeparator {
			t.Errorf("with %q for the first dash: %t", separator, got)
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

// A body is looked at only where trailers can come behind it: they were announced, as HTTP/2 does also beside a length, or its
// length is not known, since HTTP/1.1 has some that were not announced.
func TestBodiesBehindWhichTrailersCanCome(t *testing.T) {
	for _, test := range []struct {
		it      string
		length  int64
		trailer http.Header
		watched bool
	}{
		{"of known length", 4, nil, false},
		{"of no length", 0, nil, false},
		{"of unknown length", -1, nil, true},
		{"of known length, with trailers", 4, http.Header{"X-Other": nil}, true},
		{"of unknown length, with trailers", -1, http.Header{"X-Other": nil}, true},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		body := io.NopCloser(strings.NewReader("body"))
		r.Body, r.ContentLength, r.Trailer = body, test.length, test.trailer
		callerheaders.StripTrailers(r)
		if watched := r.Body != body; watched != test.watched {
			t.Errorf("a body %s is looked at: %t", test.it, watched)
		}
		if text, err := io.ReadAll(r.Body); string(text) != "body" || err != nil {
			t.Errorf("a body %s is %q, %v", test.it, text, err)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	r.Body, r.ContentLength = nil, -1
	if callerheaders.StripTrailers(r); r.Body != nil {
		t.Error("a request without a body has one")
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
