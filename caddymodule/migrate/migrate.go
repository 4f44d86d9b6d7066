// Package migrate is the command `caddy cloudid migrate`: it reads a mini program made with cloud development, says what of it
// works behind the gateway and what is left to do, and writes a folder that runs.
//
// It brings a parser of JavaScript and TypeScript, some 7 MB of a binary, so the plugin does without it: only a Caddy whose
// main package imports this one, as caddymodule/cmd/caddy does, has the command.
package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/command"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
)

func init() {
	command.Migrate = migrateCommand
}

// The statuses with which the command ends, beside 0: everything runs.
const (
	statusLeft      = 1
	statusNoProject = 2
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate <project> [--out <folder>] [--json]",
		Short: "Says what of a cloud project works behind this server, and writes a folder that runs",
		Long: `
Reads a mini program made with cloud development: its project.config.json, its
functions and the sources of its client. It says for each function what it uses
and whether it runs unchanged, what the client uses of wx.cloud, and what is left
to do, in order. The project is not changed.

With --out, it also writes a folder that runs: a Caddyfile, the functions with
all that starts them in one process, the client module, units for systemd, and
MOVING.md with what is left. Files that are there already are never overwritten.

The exit status is 0 when all runs, 1 when something is left to do, and 2 when
the folder is no such project.

  $ caddy cloudid migrate ~/my-mini-program
  $ caddy cloudid migrate ~/my-mini-program --out ~/my-server
`,
		Args:         cobra.ExactArgs(1),
		SilenceUsage: true,
	}
	cmd.Flags().String("out", "", "The folder to write")
	cmd.Flags().Bool("json", false, "Print the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceErrors = true // but for wrong flags, the command itself says what is wrong
		out, _ := cmd.Flags().GetString("out")
		asJSON, _ := cmd.Flags().GetBool("json")
		status, err := run(cmd.OutOrStdout(), args[0], out, asJSON)
		if err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "Error:", err)
		}
		return exit(cmd, status)
	}
	return cmd
}

// exit ends a command with a status, as Caddy's own commands do.
func exit(cmd *cobra.Command, status int) error {
	if status == statusLeft {
		return errors.New("") // which Caddy makes 1 of
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return status, nil })(cmd, nil)
}

// run reads a project, prints the report, and writes the folder that was asked for.
func run(w io.Writer, folder, out string, asJSON bool) (status int, err error) {
	report, p, err := Analyze(folder)
	if errors.Is(err, project.ErrNoProject) {
		return statusNoProject, fmt.Errorf("%s: %w", folder, err)
	}
	if err != nil {
		return statusNoProject, err
	}
	defer p.Close()
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(report)
	} else {
		report.Print(w)
	}
	var kept []string
	if err == nil && out != "" {
		kept, err = writeOut(report, p, out)
	}
	switch {
	case err != nil:
		return statusLeft, err
	case out != "" && !asJSON:
		fmt.Fprintf(w, "\nWritten to %s: read MOVING.md there.\n", out)
		if len(kept) > 0 {
			fmt.Fprintf(w, "Left as they are, since they were there already: %s.\n", list(kept, 8))
		}
	}
	if !report.Complete() {
		return statusLeft, nil
	}
	return 0, nil
}
