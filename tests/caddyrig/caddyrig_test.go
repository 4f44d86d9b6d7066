package caddyrig_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

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
	if res, err := http.Get(second); err == nil {
		_ = res.Body.Close()
		t.Error("Caddy still runs")
	}
	all := log.Lines(t)
	if text := log.Text(t); strings.Join(all, "") != text {
		t.Errorf("the lines are not those of the text:\n%q\n%s", all, text)
	}
	if handled := log.Lines(t, `"level":"info"`, `"msg":"handled request"`); len(handled) != 2 || !slices.Contains(all, handled[0]) {
		t.Errorf("of two requests the log has %q", handled)
	}
	if none := log.Lines(t, `"level":"warn"`, `"msg":"handled request"`); len(none) != 0 {
		t.Errorf("lines that lack one of the texts: %q", none)
	}
}

func TestAdapt(t *testing.T) {
	if config, err := caddyrig.Adapt(":80\nrespond x"); err != nil || !strings.Contains(string(config), "static_response") {
		t.Errorf("%s, %v", config, err)
	}
	if _, err := caddyrig.Adapt(":80\nrespnod x"); err == nil || !strings.Contains(err.Error(), "Caddyfile:2") {
		t.Errorf("a wrong directive: the error is %v", err)
	}
}
