package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

// traitor is a WeChat that, when told to, answers with all that it knows: what it was asked, with the secret or token
// that came along, and whatever else there is to know.
type traitor struct {
	*sandbox.Server
	url  string
	keep func(label, secret string) // is told the secrets that WeChat hands out

	mu    sync.Mutex
	path  string // of the API whose calls suffer
	trick trick  // nil: none do
	knows string // beside what it is asked
}

// trick answers a call; told is all that can be told.
type trick func(w http.ResponseWriter, r *http.Request, told string)

func startTraitor(t *testing.T, keep func(label, secret string)) *traitor {
	t.Helper()
	w := &traitor{Server: sandbox.New(), keep: keep}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

// betray makes all calls of an API suffer a trick, until trusty.
func (w *traitor) betray(path string, t trick, knows string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.path, w.trick, w.knows = path, t, knows
}

func (w *traitor) trusty() { w.betray("", nil, "") }

func (w *traitor) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.mu.Lock()
	trick, knows := w.trick, w.knows
	if r.URL.Path != w.path {
		trick = nil
	}
	w.mu.Unlock()
	if trick != nil {
		trick(out, r, fmt.Sprintf("%s %s %v %s %s", r.Method, r.URL, r.Header, body, knows))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch r.URL.Path {
	case "/wxa/msg_sec_check":
		_, _ = io.WriteString(out, `{"errcode":0,"errmsg":"ok"}`)
		return
	case "/token": // a token service
		r = httptest.NewRequest(http.MethodPost, "/cgi-bin/stable_token", strings.NewReader(
			`{"grant_type":"client_credential","appid":"`+appid+`","secret":"any"}`))
	}
	response := httptest.NewRecorder()
	w.Server.ServeHTTP(response, r)
	var secrets struct {
		AccessToken string `json:"access_token"`
		SessionKey  string `json:"session_key"`
	}
	if json.Unmarshal(response.Body.Bytes(), &secrets) == nil {
		w.keep("access token", secrets.AccessToken)
		w.keep("session key", secrets.SessionKey)
	}
	for name, values := range response.Header() {
		out.Header()[name] = values
	}
	_, _ = out.Write(response.Body.Bytes())
}

// errcodes are those of WeChat's documents, and one that nobody knows.
var errcodes = []int{
	-1, 40001, 40003, 40013, 40014, 40029, 40097, 40125, 40163, 40164, 40226, 40243, 41001, 41002, 41004, 42001, 44002, 45009,
	45011, 47001, 48001, 85088, -601001, -601005, -601006, -601007, 99999,
}

// tricks are the ways to tell. words are secrets that are single words.
func tricks(words []string) map[string]trick {
	all := map[string]trick{
		"errcode as text":     answers(func(told string) any { return map[string]any{"errcode": "40001", "errmsg": told} }),
		"errcode as told":     answers(func(told string) any { return map[string]any{"errcode": told, "errmsg": told} }),
		"40164 with IP":       answers(func(told string) any { return failure(40164, "invalid ip 203.0.113.7 "+told+" rid: 5f3c-2a") }),
		"nothing known":       answers(func(told string) any { return map[string]any{told: told} }),
		"a list":              answers(func(told string) any { return []string{told} }),
		"a string":            answers(func(told string) any { return told }),
		"items about nothing": answers(func(told string) any { return items(told, `{"cloudID":"other"}`) }),
		"items of no JSON":    answers(func(told string) any { return items(told, told) }),
		"an error in items": answers(func(told string) any {
			text, _ := json.Marshal(map[string]any{"errCode": -601006, "errMsg": told})
			return items("", string(text))
		}),
		"wrong types": answers(func(told string) any {
			return map[string]any{"errcode": 0, "access_token": []string{told}, "expires_in": told, "openid": "", "data_list": told, "signature": 1}
		}),
		"no JSON":     status(http.StatusOK),
		"500":         status(http.StatusInternalServerError),
		"403":         status(http.StatusForbidden),
		"status line": raw("HTTP/1.1 500 TOLD\r\nContent-Length: 0\r\n\r\n"),
		"no status":   raw("HTTP/1.1 TOLD\r\n\r\n"),
		"no HTTP":     raw("TOLD\r\n\r\n"),
		"length":      raw("HTTP/1.1 200 OK\r\nContent-Length: TOLD\r\n\r\n"),
		"coding":      raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: TOLD\r\n\r\n"),
		"header":      raw("HTTP/1.1 200 OK\r\nTOLD\r\nContent-Length: 0\r\n\r\n"),
		"header name": raw("HTTP/1.1 200 OK\r\nTOLD : x\r\nContent-Length: 0\r\n\r\n"),
		"chunks":      raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nTOLD\r\n"),
		"half":        raw("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{\"errmsg\":\"TOLD"),
		"redirect": func(w http.ResponseWriter, r *http.Request, told string) {
			http.Redirect(w, r, "/elsewhere?"+strings.ReplaceAll(told, " ", "&"), http.StatusFound)
		},
		"too much": func(w http.ResponseWriter, _ *http.Request, told string) {
			_, _ = io.WriteString(w, strings.Repeat(told, 3<<20/len(told)))
		},
		"silence": func(_ http.ResponseWriter, r *http.Request, _ string) {
			select {
			case <-r.Context().Done():
			case <-time.After(600 * time.Millisecond): // longer than the accounts' timeout
			}
		},
		"hanging up": func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) },
	}
	for _, code := range errcodes {
		all[fmt.Sprint("errcode ", code)] = answers(func(told string) any { return failure(code, told) })
	}
	for i, word := range words { // where a request id or an IP address may stand
		all[fmt.Sprint("as rid ", i)] = unlessRelayed(func() any { return failure(40013, "no. rid: "+word) })
		all[fmt.Sprint("as IP ", i)] = unlessRelayed(func() any { return failure(40164, "invalid ip "+word+" ipv6 ::1%"+word) })
	}
	return all
}

func failure(errcode int, errmsg string) any {
	return map[string]any{"errcode": errcode, "errmsg": errmsg}
}

// items is a response to getopendata about five CloudIDs.
func items(id, text string) any {
	var list []map[string]string
	for range 5 {
		list = append(list, map[string]string{"cloud_id": id, "json": text})
	}
	return map[string]any{"errcode": 0, "errmsg": "ok", "data_list": list}
}

func answers(with func(told string) any) trick {
	return func(w http.ResponseWriter, _ *http.Request, told string) {
		_ = json.NewEncoder(w).Encode(with(told))
	}
}

// unlessRelayed answers with a secret, but where the response is handed on as it is.
func unlessRelayed(with func() any) trick {
	return func(w http.ResponseWriter, r *http.Request, _ string) {
		if r.URL.Path != "/wxa/msg_sec_check" {
			_ = json.NewEncoder(w).Encode(with())
		}
	}
}

func status(code int) trick {
	return func(w http.ResponseWriter, _ *http.Request, told string) {
		w.Header().Set("Told", told)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "<html>"+told)
	}
}

// raw responses with bytes that need not be HTTP, and hangs up.
func raw(text string) trick {
	return func(w http.ResponseWriter, _ *http.Request, told string) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, strings.ReplaceAll(text, "TOLD", strings.ReplaceAll(told, "\n", " ")))
		conn.Close()
	}
}
