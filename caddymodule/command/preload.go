package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/functionapi"
)

func preloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "preload",
		Short: "Prints a file that Node.js functions with wx-server-sdk load first",
		Long: `
Prints a small CommonJS file without dependencies, to be loaded before a
Node.js function that uses wx-server-sdk.

The SDK reads who the user is from process.env, which all calls in a process
share, so two calls at the same time would act for one user. With the file
loaded, each HTTP request sees the variables of its own call (WX_OPENID,
WX_APPID, WX_UNIONID, WX_API_TOKEN, ...), made of the X-WX-* headers that the
cloudid directive sets. It works for plain http, https and http2 servers and for
what is built on them, such as @cloudbase/functions-framework.

CLOUDID_GATEWAY, the address at which functions reach the cloudid_api
directive, gives all other variables that the SDK needs a default:

  $ caddy cloudid preload > cloudid-preload.cjs
  $ CLOUDID_GATEWAY=http://127.0.0.1:9080 node --require ./cloudid-preload.cjs server.js

With the functions framework, or anything else that starts node itself:

  $ export CLOUDID_GATEWAY=http://127.0.0.1:9080
  $ npm install @cloudbase/functions-framework
  $ NODE_OPTIONS="--require $PWD/cloudid-preload.cjs" npx tcb-ff --port 3000
`,
		Args:         noArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), functionapi.Preload())
			return err
		},
	}
}
