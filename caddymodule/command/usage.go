package command

import (
	"fmt"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// StatusUsage is the status of a command that was called wrongly: with a flag or an argument that it does not take, or with one that
// names nothing. 1 is for what a command found, or could not do.
const StatusUsage = 2

// UsageError returns the error of a command that was called wrongly, whose status is StatusUsage.
func UsageError(err error) error { return usageError{err, Exit(StatusUsage)} }

type usageError struct{ err, exit error }

func (u usageError) Error() string   { return u.err.Error() }
func (u usageError) Unwrap() []error { return []error{u.err, u.exit} }

// WrongUsage is UsageError for what the syntax of a command does not allow, which it repeats.
func WrongUsage(cmd *cobra.Command, wrong string) error {
	return UsageError(fmt.Errorf("%s; the syntax is: %s", wrong, strings.TrimSuffix(cmd.UseLine(), " [flags]")))
}

// Exit returns the error with which a command ends with a status above 1 and no more words, as Caddy's own commands do.
func Exit(status int) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return status, nil })(new(cobra.Command), nil)
}

// noArgs rejects arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return WrongUsage(cmd, fmt.Sprintf("%q is not expected here", args[0]))
}

// wrongFlag is the error of flags that cannot be read.
func wrongFlag(cmd *cobra.Command, err error) error { return WrongUsage(cmd, err.Error()) }

// knownCommand rejects what is none of a command's commands.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, known := range cmd.Commands() {
		names = append(names, known.Name())
	}
	return UsageError(fmt.Errorf("there is no command %q; those of %s are: %s", args[0], cmd.CommandPath(), strings.Join(names, ", ")))
}
