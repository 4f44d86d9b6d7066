package command

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
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
other_type or timeout. A message or a response may be given as it is, in quotes.
--zh says codes in Chinese. Without a code it lists all that it knows.

The exit status is 2 when something is neither a code nor a word; a code that is
not in the table is explained by where to look it up.

  $ caddy cloudid explain 40164 -601006
  $ caddy cloudid explain '{"errcode":40164,"errmsg":"invalid ip ..."}'
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
			asked = append(asked, codesAndWords(arg)...)
		}
	}
	if len(asked) == 0 {
		return list(cmd.OutOrStdout(), say)
	}
	var texts []string
	var unknown error // the others are explained all the same
	for _, one := range asked {
		text, err := explainOne(one, say)
		if err != nil {
			unknown = cmp.Or(unknown, UsageError(err))
			continue
		}
		texts = append(texts, text)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), strings.Join(texts, "\n")); err != nil {
		return err
	}
	return unknown
}

// codeInText finds the codes in messages and responses: errcode 40164, {"errcode":40164,"errmsg":…}, errCode: -601006 | errMsg: …
var codeInText = regexp.MustCompile(`(?i)err_?code["':=\s]*(-?[0-9]+)`)

// codesAndWords returns what an argument asks for that may be copied from a log line, a message or {http.cloudid.codes}: -601006,
// (-601006), nested:, errcode:40164, weRunData=-601006,phone=-601005
func codesAndWords(arg string) []string {
	arg = strings.NewReplacer("\u2212", "-", "\u2013", "-", "，", ",").Replace(arg) // minus signs of documents, and a comma of Chinese
	var list []string
	for _, found := range codeInText.FindAllStringSubmatch(arg, -1) {
		list = append(list, found[1])
	}
	if list != nil {
		return list
	}
	for part := range strings.SplitSeq(strings.TrimRight(arg, ","), ",") {
		part = strings.Trim(part, " \"'.;:()（）：；。")
		list = append(list, part[strings.LastIndex(part, "=")+1:])
	}
	return list
}

// explainOne explains a code or a word.
func explainOne(asked string, say func(wechat.ErrorCode) words) (string, error) {
	number, err := strconv.Atoi(asked)
	if err != nil {
		text, err := explainWord(asked)
		if err != nil {
			return "", fmt.Errorf("%q is neither an error code, such as 40164 or -601006, nor a word of a log line, such as nested or timeout", asked)
		}
		return asked + "  " + text + "\n", nil
	}
	code, known := wechat.Explain(number)
	if negative, isOne := wechat.Explain(-number); !known && isOne { // whose sign was not copied
		code = negative
	}
	text := say(code)
	return fmt.Sprintf("%d  %s\n  %s%s\n  %s%s\n", code.Number, text.meaning, text.partyLabel, text.party, text.adviceLabel, text.advice), nil
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
