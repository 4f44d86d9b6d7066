package papers

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/check"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

// Every Caddyfile of a page is one, formatted as `caddy fmt` would. What directives alone stand for is a site.
func TestCaddyfiles(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			if b.language != "caddyfile" {
				continue
			}
			found++
			if _, err := adapt(b.text); err != nil {
				t.Errorf("%s:%d: %v\n%s", p.path, b.line, err, b.text)
			}
			if formatted := string(caddyfile.Format([]byte(b.text))); strings.TrimSpace(formatted) != strings.TrimSpace(b.text) {
				t.Errorf("%s:%d: `caddy fmt` writes it\n%s", p.path, b.line, formatted)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d Caddyfiles found", found)
	}
}

// `caddy cloudid check` finds nothing in the example, and in the sites that the documents show whole.
func TestCheckFindsNothing(t *testing.T) {
	all := []page{{"Caddyfile.example", "```caddyfile\n" + read(t, "Caddyfile.example") + "```"}}
	checked := 0
	for _, p := range append(all, pages(t)...) {
		for _, b := range p.blocks() {
			if b.language != "caddyfile" {
				continue
			}
			config, err := caddyrig.Adapt(b.text)
			if err != nil {
				continue // directives without their site
			}
			checked++
			findings, err := check.Config(config)
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range findings {
				t.Errorf("%s:%d: %s: %s", p.path, b.line, finding.Place, finding.Problem)
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d whole Caddyfiles found", checked)
	}
}

// Where JSON follows a Caddyfile, it is a part of what the Caddyfile becomes.
func TestJSONBesideCaddyfiles(t *testing.T) {
	reference := page{"docs/reference.md", read(t, "docs/reference.md")}
	pairs, before := 0, block{}
	for _, b := range reference.blocks() {
		if b.language == "json" && before.language == "caddyfile" {
			pairs++
			checkPair(t, fmt.Sprintf("%s:%d", reference.path, b.line), before.text, b.text)
		}
		before = b
	}
	if sections := strings.Count(reference.text, "\n```text\n"); pairs < sections-1 {
		t.Errorf("the reference has %d blocks of syntax and %d pairs of Caddyfile and JSON", sections, pairs)
	}
}

func checkPair(t *testing.T, place, config, text string) {
	t.Helper()
	adapted, err := adapt(config)
	if err != nil {
		t.Errorf("%s: %v", place, err)
		return
	}
	var whole, part any
	if err := json.Unmarshal(adapted, &whole); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &part); err != nil {
		t.Errorf("%s: %v", place, err)
		return
	}
	if !holds(whole, part) {
		t.Errorf("%s: the JSON is no part of what the Caddyfile above it becomes:\n%s", place, adapted)
	}
}

// holds reports whether a part is somewhere in a JSON value, whole.
func holds(value, part any) bool {
	if reflect.DeepEqual(value, part) {
		return true
	}
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if holds(member, part) {
				return true
			}
		}
	case []any:
		for _, element := range value {
			if holds(element, part) {
				return true
			}
		}
	}
	return false
}

// adapt reads a Caddyfile, or directives as they stand in a site.
func adapt(text string) ([]byte, error) {
	adapted, err := caddyrig.Adapt(text)
	if err == nil {
		return adapted, nil
	}
	adapted, inSite := caddyrig.Adapt("http://example.com {\n" + text + "\n}")
	if inSite != nil {
		return nil, fmt.Errorf("%w; and within a site: %w", err, inSite)
	}
	return adapted, nil
}
