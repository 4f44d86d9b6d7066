package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// control is one path of the control surface: a thin layer over the methods of Server. An error has HTTP
// status 400 and {"error":"..."}.
type control struct {
	method string
	takes  string // what the body may hold, for error messages
	serve  func(*Server, []byte) (any, error)
}

var controls = map[string]control{
	"/sandbox/cloudid": {
		http.MethodPost,
		`{"openid":string,"kind":"werun"|"phone"|"userinfo"|"share","data"?:any JSON,"ttl"?:seconds or "1s"}, or {"like":CloudID}`,
		mintCloudID,
	},
	"/sandbox/encrypted": {
		http.MethodPost,
		`{"openid":string,"kind":"werun"|"phone"|"userinfo"|"share","data"?:any JSON}, or {"like":{"encryptedData","iv"}}`,
		encrypt,
	},
	"/sandbox/code": {
		http.MethodPost,
		`{"openid":string,"unionid"?:string,"session_key"?:string}`,
		mintCode,
	},
	"/sandbox/fault": {
		http.MethodPost,
		`{"api":string,"errcode":number|"status":number|"latency":seconds or "1s"|"garbage":true or string|` +
			`another kind:true,"times"?:number}`,
		addFault,
	},
	"/sandbox/token": {http.MethodPost, `{"appid":string,"ends_in"?:seconds or "1s"}`, changeToken},
	"/sandbox/reset": {http.MethodPost, `{} or no body`, reset},
	"/sandbox/calls": {http.MethodGet, "no body", countCalls},
}

// emptyReply is the response of a control path that has nothing to tell.
type emptyReply struct{}

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, c control, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	response, err := c.handle(s, r.Method, body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		response = map[string]string{"error": fmt.Sprintf("%v (%s %s takes %s)", err, c.method, r.URL.Path, c.takes)}
	}
	// Unlike mustJSON this leaves the quotes and angle brackets of messages readable.
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(response)
}

func (c control) handle(s *Server, method string, body []byte) (any, error) {
	if method != c.method {
		return nil, fmt.Errorf("method is %s, which must be %s", method, c.method)
	}
	return c.serve(s, body)
}

func mintCloudID(s *Server, body []byte) (any, error) {
	var q struct {
		OpenID string           `json:"openid"`
		Kind   string           `json:"kind"`
		Data   json.RawMessage  `json:"data"`
		TTL    *json.RawMessage `json:"ttl"` // null is as good as none
		Like   *string          `json:"like"`
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if q.Like != nil {
		if q.OpenID != "" || q.Kind != "" || q.Data != nil || q.TTL != nil {
			return nil, errors.New("like is given beside other members; a CloudID like another has all of them from that one")
		}
		id, err := s.MintLike(*q.Like)
		return map[string]string{"cloudID": id}, err
	}
	d := OpenData{OpenID: q.OpenID, Kind: q.Kind, Data: q.Data}
	if q.TTL != nil {
		ttl, err := duration("ttl", *q.TTL)
		if err != nil {
			return nil, err
		}
		d.TTL = ttl
		if ttl == 0 {
			d.TTL = -1 // written out, no time at all is meant and not the default
		}
	}
	id, err := s.MintCloudID(d)
	if err != nil {
		return nil, err
	}
	return map[string]string{"cloudID": id}, nil
}

func encrypt(s *Server, body []byte) (any, error) {
	var q struct {
		OpenID string          `json:"openid"`
		Kind   string          `json:"kind"`
		Data   json.RawMessage `json:"data"`
		Like   *Encrypted      `json:"like"`
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if q.Like == nil {
		return s.Encrypt(OpenData{OpenID: q.OpenID, Kind: q.Kind, Data: q.Data})
	}
	if q.OpenID != "" || q.Kind != "" || q.Data != nil {
		return nil, errors.New("like is given beside other members; encrypted data like other has all of them from that one")
	}
	return s.EncryptLike(*q.Like)
}

func mintCode(s *Server, body []byte) (any, error) {
	var q struct {
		OpenID     string `json:"openid"`
		UnionID    string `json:"unionid"`
		SessionKey string `json:"session_key"`
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	name, err := s.MintCode(Login(q))
	if err != nil {
		return nil, err
	}
	return map[string]string{"code": name}, nil
}

func changeToken(s *Server, body []byte) (any, error) {
	var q struct {
		AppID  string           `json:"appid"`
		EndsIn *json.RawMessage `json:"ends_in"` // null is as good as none
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	var left time.Duration
	if q.EndsIn != nil {
		var err error
		if left, err = duration("ends_in", *q.EndsIn); err != nil {
			return nil, err
		}
	}
	if left == 0 {
		return emptyReply{}, s.KillToken(q.AppID)
	}
	return emptyReply{}, s.EndTokenIn(q.AppID, left)
}

func reset(s *Server, body []byte) (any, error) {
	if len(bytes.TrimSpace(body)) > 0 {
		if err := decode(body, &struct{}{}); err != nil {
			return nil, err
		}
	}
	s.Reset()
	return emptyReply{}, nil
}

func countCalls(s *Server, _ []byte) (any, error) {
	return struct {
		Calls
		OpenAPI map[string]int `json:"openapi,omitempty"`
	}{s.Calls(), s.OpenAPICalls()}, nil
}

func addFault(s *Server, body []byte) (any, error) {
	var q map[string]json.RawMessage
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	var f Fault
	for name, raw := range q {
		if err := f.set(name, raw); err != nil {
			return nil, err
		}
	}
	if f.Kind == "" {
		return nil, fmt.Errorf("no kind of fault is named; name one of %s, %s",
			strings.Join(faultKinds, ", "), strings.Join(listKinds, ", "))
	}
	return emptyReply{}, s.Fault(f)
}

// set takes over one member of a fault's JSON.
func (f *Fault) set(name string, raw json.RawMessage) error {
	switch name {
	case "api":
		return value(name, raw, &f.API)
	case "times":
		if err := value(name, raw, &f.Times); err != nil {
			return err
		}
		if f.Times == 0 { // in Go the default, but here somebody wrote it
			return errors.New("times is 0, which must be at least 1")
		}
		return nil
	}
	if !slices.Contains(faultKinds, name) && !slices.Contains(listKinds, name) {
		return fmt.Errorf("unknown member %q; kinds of fault are %s, %s",
			name, strings.Join(faultKinds, ", "), strings.Join(listKinds, ", "))
	}
	if f.Kind != "" {
		return errors.New("two kinds of fault are named; name one, and post the other as a fault of its own")
	}
	f.Kind = name
	switch name {
	case "errcode", "status":
		return value(name, raw, &f.Code)
	case "latency":
		var err error
		f.Latency, err = duration(name, raw)
		return err
	case "garbage":
		if value(name, raw, &f.Body) == nil {
			return nil
		}
		f.Body = htmlPage
	}
	if string(raw) != "true" {
		return fmt.Errorf("%s is %s, which must be true; leave it out for no such fault", name, raw)
	}
	return nil
}

// value reads one member. Null, which encoding/json takes for anything, is rejected.
func value(name string, raw json.RawMessage, pointer any) error {
	if string(raw) == "null" || json.Unmarshal(raw, pointer) != nil {
		return fmt.Errorf("%s is %s, which is of the wrong type", name, raw)
	}
	return nil
}

// decode reads a body that is one JSON value and, for structs, rejects members that they do not have, so that typos show.
func decode(body []byte, pointer any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(pointer); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the body is empty, which must be a JSON object")
		}
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field == "" {
			return fmt.Errorf("the body is of type %s, which must be a JSON object", wrong.Value)
		} else if ok {
			return fmt.Errorf("%s is of type %s, which is wrong", wrong.Field, wrong.Value)
		}
		return fmt.Errorf("the body cannot be read: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body goes on after its JSON object")
	}
	return nil
}

// duration reads a number of seconds, or a text such as "1.5s".
func duration(name string, raw json.RawMessage) (time.Duration, error) {
	const most = 1e9 // some 31 years
	var number float64
	var text string
	if value(name, raw, &number) == nil && math.Abs(number) <= most {
		return time.Duration(number * float64(time.Second)), nil
	}
	if value(name, raw, &text) == nil {
		if d, err := time.ParseDuration(text); err == nil {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%s is %s, which must be a number of seconds up to %g, or a duration such as \"1.5s\"", name, raw, most)
}
