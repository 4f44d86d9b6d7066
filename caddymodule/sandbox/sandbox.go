// Package sandbox plays WeChat's server API (api.weixin.qq.com) for development and tests: an http.Handler with
// WeChat's paths, responses and errors, and with state, so that tokens end, login codes work once and CloudIDs belong
// to one user.
//
// From a Go test, start it and point the program under test at it:
//
//	wechat := sandbox.New()
//	srv := httptest.NewServer(wechat)
//	id, err := wechat.MintCloudID(sandbox.OpenData{OpenID: "o1", Kind: "werun"})
//
// Whatever is not Go does the same over HTTP, at the paths that begin with /sandbox/ (see control.go). In a Caddyfile
// it is the directive cloudid_sandbox.
//
// It gives made-up open data to anybody who asks and takes any secret: never let it run in production. It logs
// nothing of what it hands out or is sent. What it hands out stays in memory until Reset or the end of the process.
package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// maxBody is the most bytes of a request that are read; WeChat's own limits are far below.
	maxBody = 16 << 20

	// contentTypeJSON is what WeChat sends; the parameter's odd name is theirs.
	contentTypeJSON = "application/json; encoding=utf-8"
	contentTypeText = "text/plain"
	contentTypeHTML = "text/html; charset=utf-8"
)

// Server plays api.weixin.qq.com. Make one with New; it may be used by any number of goroutines at once.
type Server struct {
	// Now tells the time by which tokens, codes and CloudIDs end. The default is time.Now. A test that moves the
	// clock sets it before the first request and makes the function itself safe for parallel use. It is called with
	// the server's lock held, so it must not call back into the server.
	Now func() time.Time

	mu       sync.Mutex
	apps     map[string]*app   // by AppID
	tokens   map[string]token  // by access token, of all kinds; a killed one is simply not there
	cloudIDs map[string]minted // by CloudID
	codes    map[string]*code  // by login code
	sessions map[user]string   // the session_keys that logins gave out
	latest   map[string]string // the AppID of each openid's last login
	issued   map[Encrypted]encryptedFor
	unionIDs map[string]string // by openid, as login codes named them
	faults   map[string][]Fault
	calls    map[string]int // by API name, and "ids"
	files    []file         // the latest uploads
}

// New makes a server that has handed out nothing yet and knows only the CloudIDs of WeChat's documentation.
func New() *Server {
	s := &Server{Now: time.Now, apps: map[string]*app{}, tokens: map[string]token{}}
	s.Reset()
	return s
}

// Calls says how many calls of each API arrived, those that a fault replaced included.
type Calls struct {
	StableToken    int `json:"stable_token"`
	Token          int `json:"token"`
	GetOpenData    int `json:"getopendata"`
	GetVoIPSign    int `json:"getvoipsign"`
	JSCode2Session int `json:"jscode2session"`

	// IDs is how many CloudIDs all calls of getopendata asked for together.
	IDs int `json:"ids"`
}

// Calls returns the counts since New or the last Reset.
func (s *Server) Calls() Calls {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Calls{
		StableToken:    s.calls["stable_token"],
		Token:          s.calls["token"],
		GetOpenData:    s.calls["getopendata"],
		GetVoIPSign:    s.calls["getvoipsign"],
		JSCode2Session: s.calls["jscode2session"],
		IDs:            s.calls["ids"],
	}
}

// OpenAPICalls says how many calls of each API of cloud.openapi arrived, by name; of several names for one path by the first in the
// table. Names without a call are left out.
func (s *Server) OpenAPICalls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	byName := make(map[string]int)
	for name, n := range s.calls {
		if strings.Contains(name, ".") {
			byName[name] = n
		}
	}
	return byName
}

// Reset drops all minted CloudIDs and login codes, the session_keys and unionids that came of them, faults and counts,
// the count of forced token refreshes included. Access tokens and secrets stay, so that a running gateway does not
// notice; the documented CloudIDs stay as well.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cloudIDs = map[string]minted{}
	s.codes = map[string]*code{}
	s.sessions = map[user]string{}
	s.latest = map[string]string{}
	s.issued = map[Encrypted]encryptedFor{}
	s.unionIDs = map[string]string{}
	s.faults = map[string][]Fault{}
	s.calls = map[string]int{}
	s.files = nil
	for _, a := range s.apps {
		a.forced = nil
	}
}

// api is one of WeChat's APIs. Its response is computed with the server's lock held and sent with HTTP status 200.
type api struct {
	name        string
	method      string
	contentType string
	serve       func(*Server, call) []byte
}

// call is a request to an API.
type call struct {
	query url.Values
	body  []byte
	fault string // the kind of the fault this call suffers, "" for none
}

var apis = map[string]api{
	"/cgi-bin/stable_token": {"stable_token", http.MethodPost, contentTypeJSON, (*Server).stableToken},
	"/cgi-bin/token":        {"token", http.MethodGet, contentTypeJSON, (*Server).token},
	"/wxa/getopendata":      {"getopendata", http.MethodPost, contentTypeJSON, (*Server).getOpenData},
	"/wxa/getvoipsign":      {"getvoipsign", http.MethodPost, contentTypeJSON, (*Server).getVoIPSign},
	"/sns/jscode2session":   {"jscode2session", http.MethodGet, contentTypeText, (*Server).jsCode2Session},
}

// ServeHTTP responds as api.weixin.qq.com would, and at /sandbox/... as this package's control surface.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Everything is read first: only then does net/http notice that a client went away.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, fmt.Sprintf("the request body broke off or is larger than %d bytes", maxBody), http.StatusBadRequest)
		return
	}
	if a, ok := apis[r.URL.Path]; ok {
		s.serveAPI(w, r, a, body)
		return
	}
	if a, ok := openAPIs[r.URL.Path]; ok {
		s.serveOpenAPI(w, r, a, body)
		return
	}
	if r.URL.Path == "/sandbox" || r.URL.Path == "/sandbox/" {
		servePage(w, r)
		return
	}
	if c, ok := controls[r.URL.Path]; ok {
		s.serveControl(w, r, c, body)
		return
	}
	w.Header().Set("Content-Type", contentTypeJSON)
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(fail(errInvalidURL))
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, a api, body []byte) {
	f := s.recordCall(a.name, body)
	w.Header().Set("Content-Type", a.contentType)
	if f.replaceResponse(w, r) {
		return
	}
	f.send(w, s.dispatch(a, r.Method, call{query: r.URL.Query(), body: body, fault: f.Kind}))
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, r *http.Request, a wechat.OpenAPI, body []byte) {
	f := s.recordCall(a.Name, nil)
	w.Header().Set("Content-Type", contentTypeJSON)
	if f.replaceResponse(w, r) {
		return
	}
	response := s.playOpenAPI(a, r, body)
	w.Header().Set("Content-Type", response.contentType)
	f.send(w, response.body)
}

// recordCall counts a call and returns the fault that it is to suffer; the zero Fault is none.
func (s *Server) recordCall(name string, body []byte) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
	if name == "getopendata" {
		ids, _ := cloudIDList(body)
		s.calls["ids"] += len(ids)
	}
	return s.nextFault(name)
}

func (s *Server) dispatch(a api, method string, c call) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method == a.method {
		return a.serve(s, c)
	}
	if a.method == http.MethodGet {
		return fail(errRequireGET)
	}
	return fail(errRequirePOST)
}

// members reads the named members of a JSON object into the pointers given with them; a member that is missing or null
// leaves its pointer alone. Names must match exactly, which encoding/json would not insist on, so that a client's
// slip shows here and not first at WeChat. It returns 0 or the errcode to respond with.
func members(body []byte, into map[string]any) int {
	if !json.Valid(body) {
		return errDataFormat
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		return errInvalidArgs
	}
	for name, pointer := range into {
		raw, ok := object[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, pointer); err != nil {
			return errInvalidArgs
		}
	}
	return 0
}

// mustJSON encodes values that are made of strings and numbers only, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
