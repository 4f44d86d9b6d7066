package sandbox

import (
	"testing"

	"github.com/tidwall/gjson"
)

// Each example belongs to an API that is played, under the name by which calls are counted, and is valid.
func TestExamples(t *testing.T) {
	played := make(map[string]bool)
	for _, api := range openAPIs {
		played[api.Name] = true
	}
	for name, members := range openAPIExamples {
		if !played[name] {
			t.Errorf("%s is not played", name)
		}
		if text := New().example(members, "wx1"); !gjson.ValidBytes(text) || gjson.GetBytes(text, "errcode").Raw != "0" {
			t.Errorf("%s: %s", name, text)
		}
	}
	if len(openAPIExamples) < 100 {
		t.Errorf("%d examples", len(openAPIExamples))
	}
}
