// Package command is the command `caddy cloudid` and its subcommands, one file each. They read what other packages know; no
// package needs this one.
package command

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "cloudid",
		Usage: "<command>",
		Short: "Tools for WeChat mini-program functions behind this server",
		Long: `
Tools for functions of WeChat mini programs that run behind this server. See
the help of each command. The exit status is 2 for a wrong flag or argument.
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(
				checkCommand(),
				explainCommand(),
				Migrate(),
				preloadCommand(),
				statusCommand(),
			)
			cmd.SetFlagErrorFunc(wrongFlag) // of the commands too
			cmd.Args = knownCommand         // which cobra checks only of commands that run
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		},
	})
}
