package transport_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
	"github.com/caddy-cloudid/caddy-cloudid/tests/responses"
)

// errorLog is a file with what Caddy logs at INFO and above, and how much of it was taken.
type errorLog struct {
	path  string
	taken int
}

func newErrorLog(t *testing.T) *errorLog { return &errorLog{path: filepath.Join(t.TempDir(), "log")} }

// option is the global option that makes a log of each transport.
func (l *errorLog) option() string {
	return "log spy {\noutput file " + l.path + ".$TRANSPORT\nformat json\nlevel INFO\ninclude http\n}"
}

// take returns the lines of a side since it was last asked, without what differs each time.
func (l *errorLog) take(s *side) []string {
	s.t.Helper()
	text, err := os.ReadFile(l.path + "." + s.name)
	if err != nil {
		s.t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(text[l.taken:])) {
		var entry struct{ Level, Logger, Msg, Error string }
		var status struct{ Status any }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		_ = json.Unmarshal([]byte(line), &status)
		if strings.HasPrefix(entry.Logger, "http.log.error") || entry.Logger == "http.handlers.reverse_proxy" {
			found = append(found, withoutPorts(s, fmt.Sprintf("%s %s %v: %s %s", entry.Level, entry.Logger, status.Status, entry.Msg, entry.Error)))
		}
	}
	l.taken = len(text)
	return found
}

var ports = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func withoutPorts(s *side, text string) string {
	return ports.ReplaceAllString(strings.ReplaceAll(text, s.upstream.Address, "upstream"), "caddy")
}

// outcome is what a client sees, and what is logged.
type outcome struct {
	seen   string   // statuses, body, and whether it is whole
	logged []string // lines
}

// outcomeOf makes a request and reads what comes until the final response is over.
func (s *side) outcomeOf(log *errorLog, method, request string) outcome {
	s.t.Helper()
	c := s.dial().say(request)
	var seen []string
	for {
		res, err := http.ReadResponse(c.reader, &http.Request{Method: method})
		if err != nil {
			seen = append(seen, "no response")
			break
		}
		seen = append(seen, fmt.Sprint(res.StatusCode))
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(res.Body)
		seen = append(seen, fmt.Sprintf("%.200q", body))
		if err != nil {
			seen = append(seen, "cut off")
		}
		break
	}
	_ = c.Close()
	return outcome{strings.Join(seen, " "), log.take(s)}
}

// What a client sees of garbage, and what is logged of it, is the same; or, where http1 is stricter, a 502.
func TestGarbage(t *testing.T) {
	t.Parallel()
	all := responses.Read(t, "../internal/http1/testdata/responses")
	outcomes := make(map[string]map[string]outcome)
	log := newErrorLog(t)
	bothTransports(t, setup{transport: "keepalive off\nresponse_header_timeout 2s", global: log.option()}, func(c *rawserver.Conn) {
		req := c.Request()
		for _, r := range all {
			if req != nil && req.URL.Path == "/"+r.Name {
				c.Say(r.Text)
				if r.Closes {
					_ = c.Close()
				}
			}
		}
	}, func(s *side) {
		log.taken = 0
		outcomes[s.name] = make(map[string]outcome)
		for _, r := range all {
			outcomes[s.name][r.Name] = s.outcomeOf(log, r.Method, fmt.Sprintf("%s /%s HTTP/1.1\r\nHost: site\r\n\r\n", r.Method, r.Name))
		}
	})
	for _, r := range all {
		want, got := outcomes["http"][r.Name], outcomes["http1"][r.Name]
		if r.Stricter {
			if got.seen != `502 ""` || len(got.logged) != 1 || !strings.HasPrefix(got.logged[0], "error http.log.error 502: the response ") {
				t.Errorf("%s: got %s, logged is %q", r.Name, got.seen, got.logged)
			}
			continue
		}
		got.logged = replaceAll(got.logged, "reading the response's head:", "net/http: HTTP/1.x transport connection broken:")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, logged is %q; with transport http %s, and %q", r.Name, got.seen, got.logged, want.seen, want.logged)
		}
	}
}

func replaceAll(lines []string, old, replacement string) []string {
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], old, replacement)
	}
	return lines
}

// hangsUp ends a connection, in order or not.
func hangsUp(c *rawserver.Conn, reset bool) {
	if reset {
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
	}
	_ = c.Close()
}

// says reads a request, says something, and hangs up when that has arrived.
func says(text string) func(c *rawserver.Conn, reset bool) {
	return func(c *rawserver.Conn, reset bool) {
		c.Request()
		c.Say(text)
		time.Sleep(20 * time.Millisecond) // a reset would take what is under way with it
		hangsUp(c, reset)
	}
}

// What a client sees of faults between Caddy and the upstream is the same, and so are level and logger of what is logged.
func TestFaultsOnTheWire(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	for _, test := range []struct {
		sentence  string
		transport string
		serve     func(c *rawserver.Conn, reset bool)
	}{
		{"hangs up at once", "", hangsUp},
		{"hangs up when it has read", "", func(c *rawserver.Conn, reset bool) { c.Request(); hangsUp(c, reset) }},
		{"hangs up within the head", "", says(head[:20])},
		{"hangs up behind a hint", "", says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")},
		{"hangs up behind the head", "", says(head)},
		{"hangs up within the body", "", says(head + "half")},
		{"hangs up within a chunk", "", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf")},
		{"hangs up before the last chunk", "", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")},
		{"hangs up at the end of a body that lasts until then", "", says("HTTP/1.1 200 OK\r\n\r\nhalf")},
		{"says all byte by byte", "", func(c *rawserver.Conn, _ bool) {
			for c.Request() != nil {
				for _, b := range []byte(head + "0123456789") {
					c.Say(string(b))
					time.Sleep(time.Millisecond)
				}
			}
		}},
		{"stands still before the head", "response_header_timeout 500ms", func(c *rawserver.Conn, _ bool) { c.Request() }},
		{"stands still within the head", "response_header_timeout 500ms", func(c *rawserver.Conn, _ bool) { c.Request(); c.Say(head[:20]) }},
		{"stands still within the head, and reads have a time-out", "read_timeout 500ms", func(c *rawserver.Conn, _ bool) { c.Request(); c.Say(head[:20]) }},
		{"stands still within the body, and reads have a time-out", "read_timeout 500ms", func(c *rawserver.Conn, _ bool) { c.Request(); c.Say(head + "half") }},
	} {
		resets, sites := []bool{false, true}, []string{"", "held_body"}
		requests := []string{get("/"), post("body"), post(strings.Repeat("x", 100_000)), post(strings.Repeat("x", 1_000_000))}
		if test.transport != "" { // nobody hangs up, and a busy machine may take long for a large body
			resets, sites, requests = resets[:1], sites[:1], requests[:2]
		}
		for _, reset := range resets {
			t.Run(fmt.Sprintf("%s, reset %v", test.sentence, reset), func(t *testing.T) {
				t.Parallel()
				for _, site := range sites {
					outcomes, log := make(map[string][]outcome), newErrorLog(t)
					bothTransports(t, setup{transport: test.transport, global: log.option(), site: site}, func(c *rawserver.Conn) { test.serve(c, reset) }, func(s *side) {
						log.taken = 0
						for _, request := range requests {
							method, _, _ := strings.Cut(request, " ")
							outcomes[s.name] = append(outcomes[s.name], s.outcomeOf(log, method, request))
							s.upstream.WantOpenBetween(s.t, 0, 2) // those that are idle, also in the transport that http1 hands bodies to
						}
					})
					for i, got := range outcomes["http1"] {
						want := outcomes["http"][i]
						if got.seen != want.seen || !reflect.DeepEqual(kinds(got.logged), kinds(want.logged)) {
							t.Errorf("request %d, %s: got %s, logged is %q; with transport http %s, and %q", i, site, got.seen, got.logged, want.seen, want.logged)
						}
						handed := i == 3 && site == "" // to net/http, whose words these may be
						if !handed && strings.Contains(fmt.Sprint(got.logged), net.ErrClosed.Error()) {
							t.Errorf("request %d, %s: what is logged is not why: %q", i, site, got.logged)
						}
					}
				}
			})
		}
	}
}

// kinds returns of lines level, logger and status. In which words a connection ends is chance with both transports.
func kinds(lines []string) []string {
	var kinds []string
	for _, line := range lines {
		kind, _, _ := strings.Cut(line, ": ")
		kinds = append(kinds, kind)
	}
	return kinds
}
