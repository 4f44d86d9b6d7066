package command

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

var update = flag.Bool("update", false, "write docs/errors.md and docs/errors.zh-CN.md")

func explain(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := explainCommand()
	command.SilenceErrors = true // as in Caddy, which shows the error that it is returned
	return execute(t, command, args...)
}

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		sentence string
		args     []string
		want     []string // parts of what is said
	}{
		{"an errcode of WeChat's", []string{"40164"}, []string{"40164  IP address not on the whitelist", "who acts:   the operator of the gateway", "what to do: put this gateway's"}},
		{"a frozen secret is no wrong one", []string{"40243", "40125"}, []string{"40243  secret frozen", "unfreeze", "\n\n40125  secret invalid", "correct the AppID or the secret"}},
		{"an errCode behind the sign that flags end", []string{"--", "-601006"}, []string{"-601006  cloudID expired."}},
		{"an errCode is no flag", []string{"-601006"}, []string{"-601006  cloudID expired.", "the developer of the mini program", "five minutes"}},
		{"one of the cloud's", []string{"-604101"}, []string{"permission", "openapi in cloudid_api"}},
		{"success, and where to look when open data did not arrive", []string{"0", "errcode:0"}, []string{"0  success: nothing failed\n  who acts:   nobody\n  what to do: where a function still got no open data", "X-WX-OPEN-DATA-INFO", "\n\n0  success"}},
		{"success in Chinese", []string{"--zh", "0"}, []string{"0  成功", "无需处理", "X-WX-OPEN-DATA-INFO"}},
		{"one that nobody has heard of, and where to look", []string{"31415926"}, []string{"31415926  unknown to this gateway", "errCode.html", "rid"}},
		{"as copied from a log or a message", []string{"errcode:40164", "errCode=-601006,", `"45009"`}, []string{"40164  IP", "-601006  cloudID", "45009  daily"}},
		{"what {http.cloudid.codes} says", []string{"weRunData=-601006,phone=-601005"}, []string{"-601006  cloudID", "\n\n-601005  invalid cloudID"}},
		{"several in one argument", []string{"40164, 40013，nested,"}, []string{"40164  IP", "\n\n40013  AppID", "\n\nnested  "}},
		{"a response of WeChat's", []string{`{"errcode":40164,"errmsg":"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 5f3c-1a"}`}, []string{"40164  IP"}},
		{"a message, whose other numbers are none", []string{"getopendata: errcode 45009 (daily quota used up), reach max api daily quota limit 1000"}, []string{"45009  daily"}},
		{"a message of the client's, with two", []string{"errCode: -504002 | errMsg: ... err_code=-601006"}, []string{"-504002  functions", "\n\n-601006  cloudID"}},
		{"without the sign, where only the code with one exists", []string{"601006", "504002", "(601005)"}, []string{"-601006  cloudID expired.", "\n\n-504002  functions", "\n\n-601005  invalid"}},
		{"signs and brackets of documents", []string{"\u2212601006", "\u2013601005", "（-601008）"}, []string{"-601006  cloudID", "\n\n-601005  invalid", "\n\n-601008  server-side"}},
		{"APIs that WeChat has shut down", []string{"45103", "45109"}, []string{"45103  API shut down", "subscribeMessage.send", "\n\n45109  API shut down"}},
		{"in Chinese, wherever the flag stands", []string{"40164", "--zh"}, []string{"40164  IP 不在白名单中", "处理方：网关运维人员", "怎么办：请把网关的出口 IP"}},
		{"an unknown one in Chinese", []string{"--zh", "7"}, []string{"未收录", "errCode.html"}},
		{"the words of a log line", []string{"nested:", `"timeout",`, "max_calls", "network", "response", "limit"}, []string{"nested  it looks like a CloudID, but only direct members", "timeout  WeChat did not respond within", "what to do: check the network", "raise the account's max_calls", "\n\nnetwork  WeChat could not be reached", "response  ", "limit  one user"}},
		{"why a body was not read", []string{"other_type"}, []string{"other_type  the body was not read as an event: the Content-Type is not JSON"}},
		{"all of them", nil, []string{"       0  success: nothing failed\n", "   40001  access token or secret invalid\n", " -601009  missing mobile phone\n", " -604104  illegal source"}},
		{"all of them in Chinese", []string{"--zh"}, []string{"       0  成功，没有出错\n   40001  access_token 或 AppSecret 无效\n"}},
		{"help, in short", []string{"-h"}, []string{"caddy cloudid explain 40164 -601006"}},
		{"help", []string{"--help"}, []string{"caddy cloudid explain 40164 -601006", "explain [--zh] <errcode or word>..."}},
	} {
		got, err := explain(t, test.args...)
		if err != nil {
			t.Errorf("%s: %v", test.sentence, err)
		}
		for _, part := range test.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: it does not say %q:\n%s", test.sentence, part, got)
			}
		}
	}
	for _, arg := range []string{"abc", "--no-such-flag", "", ",", "40164x", "4.5", "errcode", "the limit is 5"} {
		if got, err := explain(t, arg); err == nil || got != "" {
			t.Errorf("%q: %v, %s", arg, err, got)
		}
	}
	if got, err := explain(t, "40164", "abc", "xyz", "-601006"); err == nil || !strings.Contains(err.Error(), `"abc" is neither`) || !strings.HasPrefix(got, "40164  IP") || !strings.Contains(got, "\n\n-601006  cloudID") || strings.Contains(got, "\n\n\n") {
		t.Errorf("with what is neither a code nor a word among codes: %v, %s", err, got)
	}
}

// docs/errors.md is the table, in words for readers: go test ./caddymodule/command -update writes it.
func TestThePagesOfErrorCodesAreTheTable(t *testing.T) {
	for path, page := range map[string]string{"../../docs/errors.md": englishPage(), "../../docs/errors.zh-CN.md": chinesePage()} {
		if *update {
			if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != page {
			t.Errorf("%s is not what the table says; run go test ./caddymodule/command -update", path)
		}
	}
}

// families are the parts of the table, by the numbers in them.
var families = []struct {
	title, titleZH, intro, introZH string
	lowest, highest                int
}{
	{
		"In the place of a CloudID", "代替开放数据的错误",
		"What a function finds as `{\"cloudID\",\"errCode\",\"errMsg\"}` where open data was to be.",
		"云函数在开放数据的位置上得到的 `{\"cloudID\",\"errCode\",\"errMsg\"}`。",
		-601009, -601001,
	},
	{
		"Of WeChat's server API", "微信服务端接口",
		"What WeChat answers to the gateway, as log lines and metrics name it, and to what functions relay.",
		"微信对网关（见日志与指标）以及云函数所转发调用的返回码。",
		-1, 1 << 30,
	},
	{
		"Of the cloud: `cloud.openapi`", "云调用 `cloud.openapi`",
		"What a function finds when it calls `cloud.openapi`.",
		"云函数调用 `cloud.openapi` 时得到的错误。",
		-604104, -604001,
	},
	{
		"Of the cloud: `callFunction`", "云函数调用 `callFunction`",
		"What a client of the mini program, or a function that calls another, finds.",
		"小程序端调用云函数，或云函数之间互相调用时得到的错误。",
		-504003, -401002,
	},
}

func englishPage() string {
	var b strings.Builder
	b.WriteString("<!-- Written by go test ./caddymodule/command -update, from the table in caddymodule/wechat/codetable.go. -->\n\n" +
		"# Error codes\n\n[中文](errors.zh-CN.md)\n\n" +
		"The same as `caddy cloudid explain <errcode>...` says. A code that is not here is in [WeChat's own list](" + wechat.CodesPage + "); " +
		"its diagnosis tool takes the `rid` that stands in the log line.\n")
	for _, family := range families {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| code | meaning | who acts | what to do |\n|---|---|---|---|\n", family.title, family.intro)
		for _, code := range codesIn(family.lowest, family.highest) {
			fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", code.Number, code.English.Meaning, code.Party, code.English.Advice)
		}
	}
	return b.String()
}

func chinesePage() string {
	var b strings.Builder
	b.WriteString("<!-- 由 go test ./caddymodule/command -update 根据 caddymodule/wechat/codetable.go 中的表生成。 -->\n\n" +
		"# 错误码\n\n[English](errors.md)\n\n" +
		"内容与 `caddy cloudid explain --zh <errcode>...` 相同。未收录的错误码请查阅[微信官方列表](" + wechat.CodesPage + ")；" +
		"日志中的 `rid` 可用于微信开发者平台的 API 诊断工具。\n")
	for _, family := range families {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| 错误码 | 含义 | 处理方 | 怎么办 |\n|---|---|---|---|\n", family.titleZH, family.introZH)
		for _, code := range codesIn(family.lowest, family.highest) {
			fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", code.Number, code.Chinese.Meaning, code.Party.Chinese(), code.Chinese.Advice)
		}
	}
	return b.String()
}

func codesIn(lowest, highest int) (list []wechat.ErrorCode) {
	for _, code := range wechat.Codes() {
		if lowest <= code.Number && code.Number <= highest {
			list = append(list, code)
		}
	}
	return list
}

func TestEveryCodeIsInOneFamily(t *testing.T) {
	n := 0
	for _, family := range families {
		n += len(codesIn(family.lowest, family.highest))
	}
	if n != len(wechat.Codes()) {
		t.Errorf("%d of %d codes are on the page", n, len(wechat.Codes()))
	}
}
