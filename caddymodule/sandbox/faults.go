package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hugeSize is how many bytes the fault "huge" adds to a response.
const hugeSize = 5 << 20

// htmlPage is what a server in front of WeChat's might send.
const htmlPage = "<html><head><title>error</title></head><body><h1>error</h1></body></html>\n"

var (
	apiNames = []string{"stable_token", "token", "getopendata", "getvoipsign", "jscode2session"}

	// faultKinds are the kinds for every API, listKinds those that corrupt the data_list of getopendata.
	faultKinds = []string{"errcode", "status", "latency", "garbage", "drop", "half", "huge", "null"}
	listKinds  = []string{"wrong_ids", "swap", "duplicate", "missing", "empty", "object"}
)

// Fault says how the next calls of one API go wrong. Names are the same as in the control surface.
//
// Kinds that replace the call, which then changes nothing: "errcode", "status", "garbage", "drop" (the connection is
// closed without a response), "null" (errcode 0 and no other member). Kinds that change the real response: "latency" (it
// comes late), "half" (its Content-Length is announced, half of it sent, and the connection closed), "huge" (5 MiB
// longer, and still valid JSON). Kinds for getopendata only, which leave a response that is an error as it is:
// "wrong_ids" (each cloud_id is one that nobody asked for), "swap" (items in reverse order), "duplicate" (the first item
// twice), "missing" (no last item), "empty" (the first item's json is ""), "object" (json is an object, not a string).
type Fault struct {
	// API is "stable_token", "token", "getopendata", "getvoipsign", "jscode2session", or a name of cloud.openapi such as
	// "wxacode.get". Names that share a path, since WeChat has renamed the API, share their faults.
	API string

	// Kind is one of those above.
	Kind string

	// Times is how many calls suffer it; the default is 1.
	Times int

	// Code is the errcode of an "errcode" (any but 0) and the HTTP status of a "status" (200 to 599).
	Code int

	// Latency is how long a "latency" makes a call wait before it goes on.
	Latency time.Duration

	// Body is the body of a "garbage", sent with HTTP status 200 as it is.
	Body string
}

// Fault makes the next calls of an API fail. Faults of one API queue up: each call suffers one, the oldest first.
func (s *Server) Fault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := canonicalName(f.API)
	s.faults[name] = append(s.faults[name], f)
	return nil
}

func (f Fault) check() error {
	if canonicalName(f.API) == "" {
		return fmt.Errorf("api is %q, which must be one of %s, or a name of cloud.openapi such as wxacode.get", f.API, strings.Join(apiNames, ", "))
	}
	if !slices.Contains(faultKinds, f.Kind) && !slices.Contains(listKinds, f.Kind) {
		return fmt.Errorf("%q is no kind of fault; it must be one of %s, %s",
			f.Kind, strings.Join(faultKinds, ", "), strings.Join(listKinds, ", "))
	}
	if f.API != "getopendata" && slices.Contains(listKinds, f.Kind) {
		return fmt.Errorf("%s is a fault of getopendata only; for %s use one of %s",
			f.Kind, f.API, strings.Join(faultKinds, ", "))
	}
	if f.Times < 0 {
		return fmt.Errorf("times is %d, which must be at least 1", f.Times)
	}
	if f.Kind == "errcode" && f.Code == 0 {
		return errors.New("errcode must be another number than 0, which means success")
	}
	if f.Kind == "status" && (f.Code < 200 || f.Code > 599) {
		return fmt.Errorf("status is %d, which must be 200 to 599", f.Code)
	}
	if f.Kind == "latency" && f.Latency <= 0 {
		return errors.New("latency must be more than 0")
	}
	return nil
}

// nextFault takes the oldest fault of an API off its queue, one time of it; the zero Fault is none.
func (s *Server) nextFault(name string) Fault {
	queue := s.faults[name]
	if len(queue) == 0 {
		return Fault{}
	}
	f := queue[0]
	queue[0].Times--
	if queue[0].Times == 0 {
		s.faults[name] = queue[1:]
	}
	return f
}

// replaceResponse plays what happens before or in the place of the real response, and reports whether the call is over.
func (f Fault) replaceResponse(w http.ResponseWriter, r *http.Request) bool {
	switch f.Kind {
	case "errcode":
		_, _ = w.Write(fail(f.Code))
	case "null":
		_, _ = w.Write([]byte(`{"errcode":0,"errmsg":"ok"}`))
	case "status":
		w.Header().Set("Content-Type", contentTypeHTML)
		w.WriteHeader(f.Code)
		_, _ = w.Write([]byte(htmlPage))
	case "garbage":
		w.Header().Set("Content-Type", contentTypeHTML)
		_, _ = w.Write([]byte(f.Body))
	case "drop":
		panic(http.ErrAbortHandler) // net/http's way to close a connection without a response
	case "latency":
		return !sleep(r, f.Latency)
	default:
		return false
	}
	return true
}

// sleep waits and reports whether the client is still there.
func sleep(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// send writes the real response, or what the fault makes of it.
func (f Fault) send(w http.ResponseWriter, response []byte) {
	switch f.Kind {
	case "huge":
		if !bytes.HasPrefix(response, []byte("{")) { // a picture, which ignores what follows it
			_, _ = w.Write(response)
			_, _ = w.Write(make([]byte, hugeSize))
			return
		}
		// Every other response is an object with members, so one more fits in front.
		_, _ = w.Write([]byte(`{"padding":"` + strings.Repeat("x", hugeSize) + `",`))
		_, _ = w.Write(response[1:])
	case "half":
		w.Header().Set("Content-Length", strconv.Itoa(len(response)))
		_, _ = w.Write(response[:len(response)/2])
		// Without the flush the half would be lost with the connection.
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write(response)
	}
}

// distortItems corrupts the items of a getopendata response. There is at least one.
func distortItems(items []item, kind string) []item {
	switch kind {
	case "wrong_ids":
		for i := range items {
			items[i].cloudID = newCloudID()
		}
	case "swap":
		slices.Reverse(items)
	case "duplicate":
		return slices.Insert(items, 0, items[0])
	case "missing":
		return items[:len(items)-1]
	case "empty":
		items[0].json = ""
	case "object":
		for i := range items {
			items[i].object = true
		}
	}
	return items
}
