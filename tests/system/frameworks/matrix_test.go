package frameworks

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// listed are the members about which the gateway promises something where it is told to: what `fields` lists, and userInfo.
var listed = []string{"weRunData", "phone", "userInfo"}

// Behind the gateway no framework finds anything in a listed member, or in userInfo, that a client made up; and without
// fields, in no member that X-WX-OPEN-DATA-INFO names. The same requests without the gateway show that every framework can
// be told such things.
func TestFrameworks(t *testing.T) {
	frameworks := startFrameworks(t)
	c := startGateway(t, frameworks)
	groups := map[string][]request{
		"types": types(), "headers": headers(), "codings": codings(), "methods": methods(), "queries": queries(), "names": names(), "cloudEvents": cloudEvents(),
	}
	var wait sync.WaitGroup
	for _, f := range frameworks {
		wait.Go(func() {
			m := &matrix{t: t, client: c, framework: f}
			m.demandHonest()
			m.demandForged(groups["types"])
			for name, requests := range groups {
				for _, r := range requests {
					m.checkAll(name, r)
				}
			}
			t.Logf("%s: %d requests, %d of them reached it", f.name, m.sent, m.reached)
		})
	}
	wait.Wait()
}

// matrix sends requests to one framework.
type matrix struct {
	t         *testing.T
	client    *client
	framework framework

	sent, reached, forged int
}

// checkAll sends a request by way of each mode that has something to say about it.
func (m *matrix) checkAll(group string, r request) {
	if m.framework.seen != "" { // its functions read the event of a CloudEvent, wherever that is
		m.check("events", group, r, listed)
		return
	}
	m.check("promised", group, r, listed)
	if group != "queries" { // about which nothing is promised in the default mode
		m.check("default", group, r, nil)
	}
	if group == "types" || group == "names" {
		m.check("user", group, r, []string{"userInfo"})
	}
}

// check fails if the framework finds something made up in a member, by this request. Without promises the members are those
// that the gateway named.
func (m *matrix) check(mode, group string, r request, promised []string) {
	if m.forged > 40 {
		return // so many that the rest does not matter
	}
	res, err := m.send(mode, r)
	if err != nil {
		return // no response at all, as of a request that HTTP does not allow
	}
	if promised == nil {
		if err := json.Unmarshal([]byte(res.keys), &promised); err != nil {
			promised = nil // it did not come so far
		}
	}
	for _, found := range m.findForged(res, promised) {
		m.t.Errorf("%s, %s, %s: %s: status %d, %s", m.framework.name, mode, group, r.sentence, res.status, found)
		m.forged++
	}
}

func (m *matrix) send(mode string, r request) (response, error) {
	m.sent++
	if m.framework.seen != "" {
		_ = os.Remove(m.framework.seen)
	}
	res, err := m.client.send("/"+mode+"/"+m.framework.name, r)
	if m.framework.seen != "" {
		if seen, err := os.ReadFile(m.framework.seen); err == nil {
			res.body = seen
		}
	}
	return res, err
}

// findForged lists what was made up among the members with these names, as each of the framework's readers shows them.
func (m *matrix) findForged(res response, names []string) (found []string) {
	var readers [][2]json.RawMessage
	if json.Unmarshal(res.body, &readers) != nil {
		return nil // rejected, by the gateway or by the framework
	}
	m.reached++
	for _, reader := range readers {
		var members map[string]json.RawMessage
		if json.Unmarshal(reader[1], &members) != nil {
			continue
		}
		for key, value := range members {
			name := key
			if end := strings.IndexAny(key, ".["); end > 0 { // Form["weRunData[data]"], or a path
				name = key[:end]
			}
			if slices.Contains(names, name) && strings.Contains(string(value), "FORGED") {
				found = append(found, fmt.Sprintf("%s finds %s: %.200s", reader[0], key, value))
			}
		}
	}
	return found
}

// demandHonest fails unless an honest request reaches the framework and shows it open data and the caller.
func (m *matrix) demandHonest() {
	r := request{header: typeLine("application/json"), body: `{"weRunData":"` + cloudID + `","n":1.10}`}
	mode := "promised"
	if m.framework.seen != "" {
		mode = "events"
		r.header = []string{"Content-Type: application/cloudevents+json"}
		r.body = `{"specversion":"1.0","id":"1","type":"t","source":"/s","data":` + r.body + `}`
	}
	res, err := m.send(mode, r)
	if err != nil || !strings.Contains(string(res.body), "stepInfoList") || !strings.Contains(string(res.body), openid) {
		m.t.Errorf("%s: an honest event: %v, status %d, %.500s", m.framework.name, err, res.status, res.body)
	}
}

// demandForged fails unless the framework can be told things where no gateway stands in front: if it could not, all of
// this would show nothing.
func (m *matrix) demandForged(requests []request) {
	told := 0
	for _, r := range requests {
		if m.framework.seen != "" {
			r.header = append([]string{"ce-specversion: 1.0", "ce-id: 1", "ce-type: t", "ce-source: /s"}, r.header...)
		}
		if res, err := m.send("open", r); err == nil && len(m.findForged(res, listed)) > 0 {
			told++
		}
	}
	if told == 0 {
		m.t.Errorf("%s: without the gateway it was told nothing either", m.framework.name)
	}
	m.t.Logf("%s: without the gateway %d of %d media types and bodies make up members", m.framework.name, told, len(requests))
}
