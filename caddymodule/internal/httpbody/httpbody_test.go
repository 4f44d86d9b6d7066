package httpbody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
)

// However a body arrives, and wherever that is against the sizes of buffers, it is read whole and not beyond its limit.
func TestBodiesAreReadWhole(t *testing.T) {
	const limit = 1 << 20
	for _, size := range []int{0, 1, 511, 512, 513, 2560, 2561, initialSize, initialSize + 512, initialSize + 513, 300_000, limit - 1, limit, limit + 1, limit + 100} {
		sent := bytes.Repeat([]byte("body "), size/5+1)[:size]
		for _, announced := range []int{-1, size, 10, limit} {
			for name, source := range map[string]io.Reader{
				"as fast as it can be read": bytes.NewReader(sent),
				"in halves":                 iotest.HalfReader(bytes.NewReader(sent)),
				"with its end":              iotest.DataErrReader(bytes.NewReader(sent)),
			} {
				got, err := readLimited(source, limit, int64(announced))
				if want := sent[:min(size, limit+1)]; err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, of which %d were announced, %s: %d bytes and %v", size, announced, name, len(got), err)
				}
				bufpool.Put(got)
			}
		}
	}
}

func TestWhatIsAllocatedIsBoundedByWhatArrived(t *testing.T) {
	for _, test := range []struct {
		size, announced, least, most int
	}{
		{2, 1 << 30, initialSize, 2 * initialSize},
		{2, 10_000, 10_001, 20_000}, // at once: a body as announced needs no second buffer
		{2, -1, 3, 4 << 10},
		{initialSize + 513, initialSize + 513, initialSize + 514, 3 * initialSize}, // and no more than that
	} {
		body, err := readLimited(bytes.NewReader(make([]byte, test.size)), 1<<30, int64(test.announced))
		if room := cap(body); err != nil || room < test.least || room > test.most {
			t.Errorf("for a body of %d bytes that announces %d: room for %d, %v", test.size, test.announced, room, err)
		}
	}
}

func TestEveryFailureHasItsStatus(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	late, end := context.WithTimeout(t.Context(), 0)
	defer end()
	of403 := caddyhttp.Error(http.StatusForbidden, errors.New("made up"))
	for _, c := range []struct {
		it     string
		body   io.Reader
		length int64
		ctx    context.Context
		status int
	}{
		{"a body as announced", strings.NewReader("12345"), 5, nil, 0},
		{"a body of unannounced length", strings.NewReader("12345"), -1, nil, 0},
		{"a body of just the limit", strings.NewReader("1234567890"), 10, nil, 0},
		{"one byte more than the limit", strings.NewReader("12345678901"), -1, nil, 413},
		{"one that announces more than the limit", strings.NewReader(""), 11, nil, 413},
		{"one that is shorter than announced", strings.NewReader("1234"), 5, nil, 400},
		{"one that is longer than announced", strings.NewReader("123456"), 5, nil, 400},
		{"one where none is announced", strings.NewReader("1"), 0, nil, 400},
		{"one that breaks off", iotest.ErrReader(io.ErrUnexpectedEOF), 5, nil, 400},
		{"one that breaks off, after which net/http ends the context", iotest.ErrReader(io.ErrUnexpectedEOF), 5, gone, 400},
		{"one that stalls", iotest.ErrReader(fmt.Errorf("read: %w", os.ErrDeadlineExceeded)), 5, gone, 408},
		{"one whose client goes away", iotest.ErrReader(errors.New("reset")), 5, gone, 499},
		{"one whose time is over", iotest.ErrReader(errors.New("reset")), 5, late, 504},
		{"one that fails without a reason", iotest.ErrReader(errors.New("reset")), 5, nil, 400},
		{"one that request_body limits", iotest.ErrReader(of403), 5, gone, 403},
		{"one that MaxBytesReader limits", iotest.ErrReader(&http.MaxBytesError{Limit: 3}), 5, nil, 413},
	} {
		t.Run(c.it, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(c.body))
			r.ContentLength = c.length
			if c.ctx != nil {
				r = r.WithContext(c.ctx)
			}
			body, err := Read(r, 10, "the event")
			if c.status == 0 {
				if err != nil || len(body) == 0 {
					t.Errorf("read %q, %v", body, err)
				}
				return
			}
			if err == nil || Status(err) != c.status || body != nil {
				t.Errorf("read %q, status %d, %v; want %d", body, Status(err), err, c.status)
			}
		})
	}
	if Status(errors.New("made up")) != 500 || Status(caddyhttp.HandlerError{}) != 500 {
		t.Error("an error without a status has 500, as with Caddy")
	}
}

// A message is for people: it has neither the identifier nor the place in the code that Caddy's errors begin with.
func TestMessages(t *testing.T) {
	for want, err := range map[string]error{
		"":                                 nil,
		"made up":                          errors.New("made up"),
		"the event is larger than 5 bytes": fmt.Errorf("wrapped: %w", TooLarge("the event", 5)),
		": HTTP 404":                       caddyhttp.HandlerError{StatusCode: http.StatusNotFound}, // which has no words of its own
	} {
		if got := Message(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestContentType(t *testing.T) {
	for _, c := range []struct {
		fields []string
		types  JSONTypes
		want   MediaType
		status int
	}{
		{nil, AnyJSON, MediaType{}, 0},
		{[]string{""}, AnyJSON, MediaType{}, 0},
		{[]string{" \t"}, AnyJSON, MediaType{}, 0},
		{[]string{"application/json"}, AnyJSON, MediaType{"application/json", true, true}, 0},
		{[]string{"application/json"}, JSON, MediaType{"application/json", true, true}, 0},
		{[]string{"Application/JSON ; charset=UTF-8"}, AnyJSON, MediaType{"application/json", true, true}, 0},
		{[]string{`application/json; charset="utf8"`}, AnyJSON, MediaType{"application/json", true, true}, 0},
		{[]string{"text/json"}, AnyJSON, MediaType{"text/json", true, true}, 0},
		{[]string{"text/json"}, JSON, MediaType{"text/json", true, false}, 0},
		{[]string{"application/vnd.api+json; a=b"}, AnyJSON, MediaType{"application/vnd.api+json", true, true}, 0},
		{[]string{"application/vnd.api+json; a=b"}, JSON, MediaType{"application/vnd.api+json", true, false}, 0},
		{[]string{"image/svg+json"}, AnyJSON, MediaType{"image/svg+json", true, true}, 0},
		{[]string{"application/grpc+json"}, AnyJSON, MediaType{"application/grpc+json", true, false}, 0},
		{[]string{"application/grpc-web+json"}, AnyJSON, MediaType{"application/grpc-web+json", true, false}, 0},
		{[]string{"application/connect+json; a=b"}, AnyJSON, MediaType{"application/connect+json", true, false}, 0},
		{[]string{"application/jsonp"}, AnyJSON, MediaType{"application/jsonp", true, false}, 0},
		{[]string{"text/plain; charset=latin1"}, AnyJSON, MediaType{"text/plain", true, false}, 0},
		{[]string{`text/plain; x="application/json"`}, AnyJSON, MediaType{"text/plain", true, false}, 0},
		{[]string{"text/plain; x=application/json"}, AnyJSON, MediaType{}, 415},
		{[]string{"nonsense ; ; ="}, AnyJSON, MediaType{"", true, false}, 0},
		{[]string{"application/json; charset=utf-16"}, AnyJSON, MediaType{}, 415},
		{[]string{"application/json; charset=utf-7"}, JSON, MediaType{}, 415},
		{[]string{"application/json; charset="}, AnyJSON, MediaType{}, 415},
		{[]string{"application/json, text/plain"}, AnyJSON, MediaType{}, 415},
		{[]string{"text/plain, Application/JSON"}, AnyJSON, MediaType{}, 415},
		{[]string{"application/json", "application/json"}, AnyJSON, MediaType{}, 400},
		{[]string{"application/json", ""}, AnyJSON, MediaType{}, 400},
	} {
		got, err := c.types.ContentType(http.Header{"Content-Type": c.fields})
		status := 0
		if err != nil {
			status = Status(err)
		}
		if got != c.want || status != c.status {
			t.Errorf("%q is %+v, %v; want %+v, status %d", c.fields, got, err, c.want, c.status)
		}
	}
}

func TestCoding(t *testing.T) {
	for want, headers := range map[string][][]string{
		"":             {nil, {""}, {"identity"}, {" Identity "}, {"identity", "identity"}, {"identity, identity"}, {","}},
		"gzip":         {{"gzip"}, {"GZIP"}, {" gzip "}, {"gzip, identity"}, {"identity", "gzip"}},
		"gzip,deflate": {{"gzip, deflate"}, {"gzip", "deflate"}},
		"br":           {{"br"}},
		"x-gzip":       {{"x-gzip"}},
	} {
		for _, fields := range headers {
			if got := Coding(http.Header{"Content-Encoding": fields}); got != want {
				t.Errorf("%q is %q, want %q", fields, got, want)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{0, ""},
		{time.Millisecond, "1"},
		{time.Second, "1"},
		{time.Second + time.Nanosecond, "2"},
		{time.Minute, "60"},
	} {
		header := http.Header{}
		if SetRetryAfter(header, c.after); header.Get("Retry-After") != c.want {
			t.Errorf("%v: the header is %v", c.after, header)
		}
	}
}
