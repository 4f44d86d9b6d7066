package command

import (
	"errors"

	"github.com/spf13/cobra"
)

// Migrate makes the command `migrate`. Package migrate sets it where it is compiled in: it brings a parser that most servers
// have no use for.
var Migrate = func() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Says what of a cloud project works behind this server (not in this build)",
		Args:  cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error {
			return UsageError(errors.New("this Caddy was built without the command migrate; build one that has it with ./xcaddy.sh build, or with xcaddy build --with github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate"))
		},
		SilenceUsage: true,
	}
}
