package directive_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/directive"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// values is what the options of the tests set.
type values struct {
	word   string
	words  []string
	flag   bool
	n      placeholder.Number
	life   placeholder.Duration
	size   placeholder.Size
	inner  string
	custom []string
}

func (v *values) options() directive.Options {
	return directive.Options{
		"word":  directive.String(&v.word, "word <w>", noX),
		"words": directive.Strings(&v.words, "words <w>...", noX),
		"flag":  directive.Flag(&v.flag),
		"n":     directive.Int(&v.n, 0, 10, "n <n>"),
		"life":  directive.Duration(&v.life, time.Second, "life <duration>"),
		"size":  directive.Size(&v.size, 1<<40, "size <size>"),
		"custom": directive.Args(func(args []string) error {
			v.custom = args
			return nil
		}),
		"block": func(d *caddyfile.Dispenser) error {
			d.NextArg()
			return directive.Block(d, "block "+d.Val(), directive.Options{"inner": directive.String(&v.inner, "inner <w>")})
		},
	}
}

func noX(word string) error {
	if word == "x" {
		return errors.New("an x is not allowed")
	}
	return nil
}

func TestWhatIsRead(t *testing.T) {
	for _, test := range []struct{ sentence, block, want string }{
		{"a name alone", ``, `{word: words:[] flag:false n: life: size: inner: custom:[]}`},
		{"an empty block", `{
		}`, `{word: words:[] flag:false n: life: size: inner: custom:[]}`},
		{"each kind of option", `{
			word  a
			words a "b c"
			flag
			n     10
			life  1d
			size  1MiB
			custom
		}`, `{word:a words:[a b c] flag:true n:10 life:1d size:1MiB inner: custom:[]}`},
		{"the smallest of each", `{
			n    0
			life 1s
			size 1
		}`, `{word: words:[] flag:false n:0 life:1s size:1 inner: custom:[]}`},
		{"what is known when the config is loaded", `{
			n    {env.N}
			life {env.LIFE}
			size {file./run/size}
		}`, `{word: words:[] flag:false n:{env.N} life:{env.LIFE} size:{file./run/size} inner: custom:[]}`},
		{"an option's own block, and what follows it", `{
			block b {
				inner a
			}
			word a
		}`, `{word:a words:[] flag:false n: life: size: inner:a custom:[]}`},
		{"a quoted brace is an argument", `{
			word "{"
		}`, `{word:{ words:[] flag:false n: life: size: inner: custom:[]}`},
	} {
		var v values
		err := directive.Parse(caddyfile.NewTestDispenser("test "+test.block), v.options())
		if got := fmt.Sprintf("%+v", v); err != nil || got != test.want {
			t.Errorf("%s: read\n\t%s, %v\nwant\n\t%s", test.sentence, got, err, test.want)
		}
	}
}

func TestWhatIsRejected(t *testing.T) {
	for _, test := range []struct{ option, want string }{
		{"wrd a", `unknown option "wrd" in test; allowed: block, custom, flag, life, n, size, word, words, at Testfile:2`},
		{`""`, `unknown option (a word that is no name) in test; allowed: block, custom, flag, life, n, size, word, words, at Testfile:2`},
		{"twenty_letters_or_so", `unknown option "twenty_letters_or_so" in test; allowed: block, custom, flag, life, n, size, word, words, at Testfile:2`},
		{"twentyone_letters_are", `unknown option (a word that is no name) in test; allowed: block, custom, flag, life, n, size, word, words, at Testfile:2`},
		{"flag\nword a\nflag", `flag is given twice in test; keep one of them, at Testfile:4`},
		{"word", `word: wrong number of arguments; the syntax is: word <w>, at Testfile:2`},
		{"word secret1 secret2", `word: wrong number of arguments; the syntax is: word <w>, at Testfile:2`},
		{`word ""`, `word: an argument is empty; the syntax is: word <w>, at Testfile:2`},
		{"word x", `word: an x is not allowed, at Testfile:2`},
		{"word a {\nn 1\n}", `word takes no block, at Testfile:2`},
		{"flag {\n}", `flag takes no block, at Testfile:2`},
		{"words", `words: wrong number of arguments; the syntax is: words <w>..., at Testfile:2`},
		{`words a ""`, `words: an argument is empty; the syntax is: words <w>..., at Testfile:2`},
		{"words a x", `words: an x is not allowed, at Testfile:2`},
		{"flag on", `flag: no arguments are allowed, at Testfile:2`},
		{"n -1", `n: "-1" is no number from 0 to 10, at Testfile:2`},
		{"n 11", `n: "11" is no number from 0 to 10, at Testfile:2`},
		{"n 1.5", `n: "1.5" is no number from 0 to 10, at Testfile:2`},
		{"n", `n: wrong number of arguments; the syntax is: n <n>, at Testfile:2`},
		{"life 3", `life: "3" is no duration of at least 1s; write it with a unit, as in 3s or 1m, at Testfile:2`},
		{"life 999ms", `life: "999ms" is no duration of at least 1s; write it with a unit, as in 3s or 1m, at Testfile:2`},
		{"life 1s 2s", `life: wrong number of arguments; the syntax is: life <duration>, at Testfile:2`},
		{"size 0", `size: "0" is no size above 0 and up to 1.0 TiB, such as 1MiB or 500KB, at Testfile:2`},
		{"size 2TiB", `size: "2TiB" is no size above 0 and up to 1.0 TiB, such as 1MiB or 500KB, at Testfile:2`},
		{"size big", `size: "big" is no size above 0 and up to 1.0 TiB, such as 1MiB or 500KB, at Testfile:2`},
		{"block b {\nword a\n}", `unknown option "word" in block b; allowed: inner, at Testfile:3`},
		{"block b {\ninner a\ninner a\n}", `inner is given twice in block b; keep one of them, at Testfile:4`},
	} {
		var v values
		err := directive.Parse(caddyfile.NewTestDispenser("test {\n"+test.option+"\n}"), v.options())
		if err == nil || err.Error() != test.want {
			t.Errorf("%s:\n\t%v\nwant\n\t%s", test.option, err, test.want)
		}
	}
	err := directive.Parse(caddyfile.NewTestDispenser("test a {\n}"), directive.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), `test takes no arguments behind the matcher, only a block: test { … }, not "a"`) {
		t.Errorf("an argument: %v", err)
	}
}

// What stands where a secret is expected may be one.
func TestErrorsRepeatNoWords(t *testing.T) {
	for _, option := range []string{"word secret1 secret2", `words secret1 ""`, "secret1", "secret1 secret1", "secret1secretsecretsecret"} {
		var v values
		err := directive.Parse(caddyfile.NewTestDispenser("test {\n"+option+"\n}"), v.options())
		if err == nil || strings.Contains(err.Error(), "secret1") {
			t.Errorf("%s: %v", option, err)
		}
	}
}
