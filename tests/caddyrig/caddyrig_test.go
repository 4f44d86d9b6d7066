package caddyrig_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

func caddyfile(log caddyrig.Log, addr, says string) string {
	return "{\nadmin off\npersist_config off\nlog {\noutput file " + string(log) + "\nformat json\n}\n}\nhttp://" + addr + " {\nlog\nrespond " + says + "\n}\n"
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

// wantGone waits until nothing responds at a URL, on a connection of its own, and fails the test if that does not come: a server that
// is stopped closes idle connections a moment later.
func wantGone(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		res, err := client.Get(url + "/gone")
		if err != nil {
			return
		}
		_ = res.Body.Close()
	}
	t.Errorf("%s still responds", url)
}

// handled finds the requests of get in a log.
func handled(t *testing.T, log caddyrig.Log) []string {
	t.Helper()
	return log.Lines(t, `"level":"info"`, `"msg":"handled request"`, `"uri":"/"`)
}

func TestCaddyRunsUntilTheTestEnds(t *testing.T) {
	log, first, second := caddyrig.NewLog(t), "http://"+freeport.Addr(t), "http://"+freeport.Addr(t)
	t.Run("loaded", func(t *testing.T) {
		caddyrig.Load(t, caddyfile(log, strings.TrimPrefix(first, "http://"), "one"))
		if got := get(t, first); got != "one" {
			t.Errorf("the site responds %q", got)
		}
		t.Run("reloaded by a subtest", func(t *testing.T) {
			caddyrig.Reload(t, caddyfile(log, strings.TrimPrefix(second, "http://"), "two"))
		})
		if got := get(t, second); got != "two" {
			t.Errorf("after the subtest the site responds %q", got)
		}
	})
	wantGone(t, second)
	all := log.Lines(t)
	if text := log.Text(t); strings.Join(all, "") != text {
		t.Errorf("the lines are not those of the text:\n%q\n%s", all, text)
	}
	if lines := handled(t, log); len(lines) != 2 || !slices.Contains(all, lines[0]) {
		t.Errorf("of two requests the log has %q", lines)
	}
	if none := log.Lines(t, `"level":"warn"`, `"msg":"handled request"`); len(none) != 0 {
		t.Errorf("lines that lack one of the texts: %q", none)
	}
}

func TestInstances(t *testing.T) {
	t.Parallel()
	addrs, logs := []string{freeport.Addr(t), freeport.Addr(t)}, []caddyrig.Log{caddyrig.NewLog(t), caddyrig.NewLog(t)}
	want := func(i int, says string) {
		t.Helper()
		if got := get(t, "http://"+addrs[i]); got != says {
			t.Errorf("instance %d responds %q, want %q", i, got, says)
		}
	}
	first := caddyrig.Start(t, caddyfile(logs[0], addrs[0], "one"))
	second := caddyrig.Start(t, caddyfile(logs[1], addrs[1], "two"))
	want(0, "one")
	want(1, "two")
	if first.Metrics() == second.Metrics() {
		t.Error("the two share a registry")
	}

	before := addrs[0]
	addrs[0] = freeport.Addr(t)
	first.Reload(t, caddyfile(logs[0], addrs[0], "three"))
	want(0, "three")
	wantGone(t, "http://"+before)
	if err := first.ReloadJSON([]byte(`{"apps":{"http":{"servers":{"a":{"listen":["no-such-host.invalid:1"]}}}}}`)); err == nil {
		t.Error("a config that cannot listen is run")
	}
	want(0, "three")

	second.Stop(t)
	wantGone(t, "http://"+addrs[1])
	want(0, "three")
	if lines := handled(t, logs[1]); len(lines) != 1 {
		t.Errorf("the second's log has %d requests, want its own", len(lines))
	}
	if lines := handled(t, logs[0]); len(lines) != 4 {
		t.Errorf("the first's log has %d requests, want its own", len(lines))
	}
}

func TestAdapt(t *testing.T) {
	t.Parallel()
	if config, err := caddyrig.Adapt(":80\nrespond x"); err != nil || !strings.Contains(string(config), "static_response") {
		t.Errorf("%s, %v", config, err)
	}
	if _, err := caddyrig.Adapt(":80\nrespnod x"); err == nil || !strings.Contains(err.Error(), "Caddyfile:2") {
		t.Errorf("a wrong directive: the error is %v", err)
	}
}
