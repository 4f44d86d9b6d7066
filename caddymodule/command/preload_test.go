package command

import (
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/functionapi"
)

func TestPreloadCommand(t *testing.T) {
	out, err := execute(t, preloadCommand())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "AsyncLocalStorage") || out != functionapi.Preload() {
		t.Error("the command does not print the preload")
	}
}
