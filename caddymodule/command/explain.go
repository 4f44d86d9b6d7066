package command

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [--zh] <errcode>...",
		Short: "Says what error codes mean, and who must do what",
		Long: `
Says what error codes mean, who must act, and what is to be done: the errcodes
of WeChat's server API, the errCodes that stand in the place of a CloudID
(-601001 to -601009), and those of the cloud that functions and clients know.
--zh says it in Chinese. Without a code it lists all that it knows.

  $ caddy cloudid explain 40164 -601006
`,
		SilenceUsage:       true,
		DisableFlagParsing: true, // -601006 is no flag
		RunE:               runExplain,
	}
}

func runExplain(cmd *cobra.Command, args []string) error {
	say := sayEnglish
	var numbers []int
	for _, arg := range args {
		switch arg {
		case "-h", "--help":
			return cmd.Help()
		case "--zh":
			say = sayChinese
			continue
		}
		// As it is copied from a log line or a message: 40164, -601006, errcode:40164, (-601006),
		number, err := strconv.Atoi(strings.TrimLeft(strings.Trim(strings.ToLower(arg), `",.;()`), "ercod=:\""))
		if err != nil {
			return fmt.Errorf("%q is no error code; give numbers, such as 40164 or -601006", arg)
		}
		numbers = append(numbers, number)
	}
	out := cmd.OutOrStdout()
	if len(numbers) == 0 {
		return list(out, say)
	}
	for i, number := range numbers {
		if i > 0 {
			_, _ = fmt.Fprintln(out)
		}
		code, _ := wechat.Explain(number)
		text := say(code)
		if _, err := fmt.Fprintf(out, "%d  %s\n  %s%s\n  %s%s\n", number, text.meaning, text.partyLabel, text.party, text.adviceLabel, text.advice); err != nil {
			return err
		}
	}
	return nil
}

func list(out io.Writer, say func(wechat.ErrorCode) words) error {
	for _, code := range wechat.Codes() {
		if _, err := fmt.Fprintf(out, "%8d  %s\n", code.Number, say(code).meaning); err != nil {
			return err
		}
	}
	return nil
}

// words are what is said of a code, in one language.
type words struct{ meaning, partyLabel, party, adviceLabel, advice string }

func sayEnglish(code wechat.ErrorCode) words {
	return words{code.English.Meaning, "who acts:   ", code.Party.String(), "what to do: ", code.English.Advice}
}

func sayChinese(code wechat.ErrorCode) words {
	return words{code.Chinese.Meaning, "处理方：", code.Party.Chinese(), "怎么办：", code.Chinese.Advice}
}
