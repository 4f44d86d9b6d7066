package command

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// execute runs a command with these arguments, and returns what it prints.
func execute(t *testing.T, command *cobra.Command, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(append([]string{}, args...)) // never nil, which stands for the arguments of the test
	err := command.ExecuteContext(t.Context())
	return out.String(), err
}
