package e2e

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Whatever goes wrong, nobody is told a secret: no client and no log line, not the metrics and not the admin API.
func TestNothingSecretIsTold(t *testing.T) {
	c := newCampaign(t)
	c.goodTimes()
	c.badTokens()
	c.badRequests()
	c.badFunctions()
	c.badConfigs()
	for name, trick := range tricks(c.secrets.words()) {
		c.badWeChat(name, trick)
	}
	c.impatientClients()

	for _, response := range c.told.responses {
		for _, secret := range c.secrets.in(response[1]) {
			t.Errorf("%s tells the %s: %.600s", response[0], secret, response[1])
		}
	}
	for _, path := range []string{
		"/config/", "/cloudid/status", "/cloudid/health", "/metrics", "/reverse_proxy/upstreams", "/debug/vars", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline",
	} {
		for _, secret := range c.secrets.in(get(t, c.admin+path)) {
			t.Errorf("the admin API tells the %s at %s", secret, path)
		}
	}

	log := c.log()
	if len(c.secrets.in(log)) == 0 {
		t.Error("not even what Caddy itself logs of requests is found; this test looks in the wrong place")
	}
	messages := map[string]int{}
	for line := range strings.Lines(log) {
		messages[c.inspect(line)]++
	}
	t.Logf("%d secrets, %d responses, %d lines of log", c.secrets.count(), len(c.told.responses), strings.Count(log, "\n"))
	for _, message := range []string{"open data exchange failed", "login failed", "voice signature failed", "relayed call failed"} {
		t.Logf("%4d times %q", messages[message], message)
		if messages[message] == 0 {
			t.Errorf("nothing was logged as %q; the logs are not complete", message)
		}
	}
}

// inspect reports what a log line tells, and returns its message.
func (c *campaign) inspect(line string) (message string) {
	c.t.Helper()
	var entry map[string]any
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		c.t.Fatalf("a log line is no JSON: %s", line)
	}
	caddysOwn(entry)
	text, err := json.Marshal(entry)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, secret := range c.secrets.in(string(text)) {
		c.t.Errorf("the log tells the %s: %s", secret, text)
	}
	message, _ = entry["msg"].(string)
	return message
}

// caddysOwn takes out of a log line what Caddy itself writes of the requests that pass through it. The README says so, and
// how to leave it out.
func caddysOwn(entry map[string]any) {
	switch entry["logger"] {
	case "http.handlers.reverse_proxy": // at DEBUG alone: the headers that a function is sent, X-WX-* among them
		if entry["level"] == "debug" {
			delete(entry, "request")
		}
	case "http.log.access": // the openid, as {http.auth.user.id}; and the URL, in which functions may send tokens
		delete(entry, "user_id")
		request := entry["request"].(map[string]any)
		request["uri"], _, _ = strings.Cut(request["uri"].(string), "?")
	}
}

// secrets are what nobody may be told, by what they are.
type secrets struct {
	mu     sync.Mutex
	values map[string]string // label by value
}

func (s *secrets) keep(label, value string) {
	if value == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]string{}
	}
	s.values[value] = label
}

// in returns the labels of the secrets that a text holds, as they are, as part of a URL, or the better part of them.
func (s *secrets) in(text string) (found []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, label := range s.values {
		part := value
		if len(value) > 60 {
			part = value[len(value)-40 : len(value)-10] // of a token, where it differs from others
		}
		if strings.Contains(text, part) || strings.Contains(text, url.QueryEscape(part)) {
			found = append(found, label)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// words returns the secrets.
func (s *secrets) words() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.values))
}

// labelled returns the secrets that are of one kind.
func (s *secrets) labelled(label string) (values []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, l := range s.values {
		if l == label {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return values
}

func (s *secrets) count() int { return len(s.words()) }

// told is what callers were answered, and what they had asked.
type told struct {
	mu        sync.Mutex
	responses [][2]string
}

func (l *told) note(what, response string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.responses = append(l.responses, [2]string{what, response})
}
