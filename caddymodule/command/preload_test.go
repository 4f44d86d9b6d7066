package command

import (
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/functionapi"
)

func TestPreloadCommand(t *testing.T) {
	var out strings.Builder
	command := preloadCommand()
	command.SetOut(&out)
	command.SetArgs([]string{})
	if err := command.Execute(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "AsyncLocalStorage") || out.String() != functionapi.Preload() {
		t.Error("the command does not print the preload")
	}
}
