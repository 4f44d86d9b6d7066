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
		Use:   "explain [--zh] <errcode or word>...",
		Short: "Says what error codes mean, and who must do what",
		Long: `
Says what error codes mean, who must act, and what is to be done: the errcodes
of WeChat's server API, the errCodes that stand in the place of a CloudID
(-601001 to -601009), and those of the cloud that functions and clients know.
It knows the words of log lines and the inspector too, such as nested,
other_type or timeout. --zh says codes in Chinese. Without a code it lists all
that it knows.

  $ caddy cloudid explain 40164 -601006
`,
		SilenceUsage:       true,
		DisableFlagParsing: true, // -601006 is no flag
		RunE:               runExplain,
	}
}

func runExplain(cmd *cobra.Command, args []string) error {
	say := sayEnglish
	var asked []string
	for _, arg := range args {
		switch arg {
		case "-h", "--help":
			return cmd.Help()
		case "--zh":
			say = sayChinese
		case "--": // what others write in front of -601006
		default:
			asked = append(asked, arg)
		}
	}
	if len(asked) == 0 {
		return list(cmd.OutOrStdout(), say)
	}
	var texts []string
	for _, arg := range asked {
		text, err := explainOne(arg, say)
		if err != nil {
			return UsageError(err)
		}
		texts = append(texts, text)
	}
	_, err := io.WriteString(cmd.OutOrStdout(), strings.Join(texts, "\n"))
	return err
}

// explainOne explains a code or a word, as it is copied from a log line or a message: 40164, -601006, errcode:40164, (-601006), nested:
func explainOne(arg string, say func(wechat.ErrorCode) words) (string, error) {
	number, err := strconv.Atoi(strings.TrimLeft(strings.Trim(strings.ToLower(arg), `",.;()`), "ercod=:\""))
	if err != nil {
		word := strings.Trim(arg, `",.;:()`)
		text, err := explainWord(word)
		if err != nil {
			return "", fmt.Errorf("%q is neither an error code, such as 40164 or -601006, nor a word of a log line, such as nested or timeout", arg)
		}
		return word + "  " + text + "\n", nil
	}
	code, _ := wechat.Explain(number)
	text := say(code)
	return fmt.Sprintf("%d  %s\n  %s%s\n  %s%s\n", number, text.meaning, text.partyLabel, text.party, text.adviceLabel, text.advice), nil
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
