package wechat

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

func TestRelay(t *testing.T) {
	const token = "made-up token/+&7"
	var (
		got      string
		response http.HandlerFunc
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("User-Agent"), r.Header.Get("Accept-Encoding"), string(body)}, "|")
		response(w, r)
	}))
	defer server.Close()
	var calls []Call
	c, err := New(server.URL, func(call Call) { calls = append(calls, call) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const request = "|caddy-cloudid||"
	for _, test := range []struct {
		it       string
		token    string
		request  RelayRequest
		response http.HandlerFunc
		sent     string
		want     RelayResponse
		rejects  bool // the response comes with IsTokenRejected
		label    string
	}{
		{"a post with a query", token, RelayRequest{"POST", "/wxa/x", "a=%41", "text/x", []byte("body")}, respondWith(200, "image/png", "\x89"), "POST|/wxa/x?a=%41&access_token=made-up+token%2F%2B%267|text/x" + request + "body", RelayResponse{200, "image/png", []byte("\x89")}, false, "0"},
		{"a get without one", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(404, "text/html", "no"), "GET|/x?access_token=made-up+token%2F%2B%267|" + request, RelayResponse{404, "text/html", []byte("no")}, false, "0"},
		{"no token, where WeChat adds it", "", RelayRequest{Method: "GET", Path: "/x", Query: "a=b"}, respondWith(200, "", ""), "GET|/x?a=b|" + request, RelayResponse{200, "", []byte{}}, false, "0"},
		{"a token that is repeated in both spellings", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "text/plain", "made-up token/+&7 and made-up+token%2F%2B%267."), "", RelayResponse{200, "text/plain", []byte(strings.Repeat("*", 17) + " and " + strings.Repeat("*", 23) + ".")}, false, "0"},
		{"a token of eight bytes is looked for", "a-token8", RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "text/plain", "a-token8"), "", RelayResponse{200, "text/plain", []byte("********")}, false, "0"},
		{"a shorter token is not", "a-token", RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "text/plain", "a-token"), "", RelayResponse{200, "text/plain", []byte("a-token")}, false, "0"},
		{"the largest response", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(599, "text/plain", strings.Repeat("x", 10<<20)), "", RelayResponse{599, "text/plain", []byte(strings.Repeat("x", 10<<20))}, false, "0"},
		{"an error of WeChat's is a response", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "application/json", `{"errcode":45009}`), "", RelayResponse{200, "application/json", []byte(`{"errcode":45009}`)}, false, "45009"},
		{"a rejected token is an error too", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "image/png", ` {"errcode":42001}`), "", RelayResponse{200, "image/png", []byte(` {"errcode":42001}`)}, true, "42001"},
		{"a text in the place of a code is none", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "", `{"errcode":"42001"}`), "", RelayResponse{200, "", []byte(`{"errcode":"42001"}`)}, false, "0"},
		{"the largest error", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "", `{"errcode":42001,"x":"`+strings.Repeat("x", 4<<10-24)+`"}`), "", RelayResponse{200, "", []byte(`{"errcode":42001,"x":"` + strings.Repeat("x", 4<<10-24) + `"}`)}, true, "42001"},
		{"a large response is no error", token, RelayRequest{Method: "GET", Path: "/x"}, respondWith(200, "", `{"errcode":42001,"x":"`+strings.Repeat("x", 4<<10-23)+`"}`), "", RelayResponse{200, "", []byte(`{"errcode":42001,"x":"` + strings.Repeat("x", 4<<10-23) + `"}`)}, false, "0"},
	} {
		response, calls = test.response, nil
		response, err := c.Relay(t.Context(), test.token, test.request)
		if test.sent != "" && got != test.sent {
			t.Errorf("%s: WeChat got\n\t%q\nwant\n\t%q", test.it, got, test.sent)
		}
		if response.Status != test.want.Status || response.ContentType != test.want.ContentType || string(response.Body) != string(test.want.Body) {
			t.Errorf("%s: %d %q %q", test.it, response.Status, response.ContentType, response.Body)
		}
		if IsTokenRejected(err) != test.rejects || !test.rejects && err != nil {
			t.Errorf("%s: %v", test.it, err)
		}
		if len(calls) != 1 || calls[0].API != APIRelay || MetricLabel(calls[0].Err) != test.label || calls[0].Duration <= 0 {
			t.Errorf("%s: observed %+v, want %s", test.it, calls, test.label)
		}
	}
}

func TestRelayOfNoResponse(t *testing.T) {
	const token = "made-up token/+&7"
	for it, handler := range map[string]http.HandlerFunc{
		"more than 10 MiB": respondWith(200, "", strings.Repeat("x", 10<<20+1)),
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "x")
		},
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "x")
		},
		"a switch of protocols": respondRaw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
		"a status below 100":    respondRaw("HTTP/1.1 099 None\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
		"a status above 599":    respondRaw("HTTP/1.1 600 None\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
		"dropped":               func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		server := httptest.NewServer(handler)
		c, err := New(server.URL, func(Call) {})
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Relay(t.Context(), token, RelayRequest{Method: "POST", Path: "/x"})
		if err == nil || response.Status != 0 || strings.Contains(err.Error(), "made-up") {
			t.Errorf("%s: %+v, %v", it, response.Status, err)
		}
		if IsTooLarge(err) != (it == "more than 10 MiB") {
			t.Errorf("%s is too large: %t", it, IsTooLarge(err))
		}
		c.Close()
		server.Close()
	}
	if IsTooLarge(nil) || IsTooLarge(errors.New("x")) {
		t.Error("anything is too large")
	}
}

// respondRaw writes what no server of net/http would, and ends the connection.
func respondRaw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
	}
}

func respondWith(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Whatever a function sends as arguments, what WeChat is sent is what the API takes: a JSON object, a form, or a query.
func FuzzOpenAPIRequest(f *testing.F) {
	f.Add(uint16(0), "touser", `"x"`, "kid_list", `[{"a_b":1}]`, "")
	f.Add(uint16(53), "goods_info", `{"cover_img_url":{"price_type":[]}}`, "x", `null`, "a.png")
	apis := OpenAPIs()
	f.Fuzz(func(t *testing.T, which uint16, name1, value1, name2, value2, filename string) {
		if jsonscan.Check([]byte(value1)) != nil || jsonscan.Check([]byte(value2)) != nil && filename == "" {
			return
		}
		api := apis[int(which)%len(apis)]
		request, err := api.Request([]Argument{{Name: name1, Value: []byte(value1)}, {Name: name2, Value: []byte(value2), Filename: filename}})
		if err != nil {
			return
		}
		if request.ContentType == "application/json" && jsonscan.Check(request.Body) != nil {
			t.Errorf("%s is sent %q", api.Name, request.Body)
		}
		if strings.Contains(strings.ToLower(request.Query), "access_token=") && isTokenName(name1) {
			t.Errorf("%s is sent the query %q", api.Name, request.Query)
		}
	})
}
