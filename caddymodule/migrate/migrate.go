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

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/command"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
)

func init() {
	command.Migrate = migrateCommand
}

// The statuses with which the command ends, beside 0: everything runs.
const (
	statusLeft      = 1
	statusNoProject = command.StatusUsage
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
the folder is no such project, the folder to write cannot be written, or a flag
or an argument is wrong.

  $ caddy cloudid migrate ~/my-mini-program
  $ caddy cloudid migrate ~/my-mini-program --out ~/my-server
`,
		Args:         oneProject,
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
		switch status {
		case 0:
			return nil
		case statusLeft:
			return errors.New("") // which Caddy makes 1 of
		}
		return command.Exit(status)
	}
	return cmd
}

// oneProject accepts one argument, the folder.
func oneProject(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	wrong := "name the folder of the mini program, in which project.config.json is"
	if len(args) > 1 {
		wrong = fmt.Sprintf("%q is one folder too many; quote a name with spaces", args[1])
	}
	return command.WrongUsage(cmd, wrong)
}

// run reads a project, prints the report, and writes the folder that was asked for.
func run(w io.Writer, folder, to string, asJSON bool) (status int, err error) {
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
	var written *out
	if err == nil && to != "" {
		written, err = writeOut(report, p, to)
	}
	switch {
	case err != nil:
		return statusNoProject, err
	case written != nil && !asJSON:
		fmt.Fprintf(w, "\nWritten to %s: read MOVING.md there.\n", to)
		if len(written.kept) > 0 {
			fmt.Fprintf(w, "Left as they are, since they were there already: %s.\n", list(written.kept, 8))
		}
		for _, text := range written.missing {
			fmt.Fprintf(w, "Not copied: %s\n", text)
		}
	}
	if !report.Complete() {
		return statusLeft, nil
	}
	return 0, nil
}
