package wechat

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Party is who must act on an error code.
type Party int

// The parties.
const (
	PartyNobody   Party = iota // it passes, or it is about one user or one call
	PartyOperator              // who runs this gateway and WeChat's admin console
	PartyClient                // who writes the mini program
	PartyFunction              // who writes the function
)

// String returns the party in English.
func (p Party) String() string {
	return [...]string{"nobody", "the operator of the gateway", "the developer of the mini program", "the developer of the function"}[p]
}

// Chinese returns the party in Chinese.
func (p Party) Chinese() string {
	return [...]string{"无需处理", "网关运维人员", "小程序开发者", "云函数开发者"}[p]
}

// Text is what an error code means, and what is to be done.
type Text struct{ Meaning, Advice string }

// ErrorCode is an error code that an operator or a developer may meet: of WeChat's server API, of its cloud, or in the place of a
// CloudID.
type ErrorCode struct {
	Number  int
	Party   Party // who must act
	English Text
	Chinese Text

	everybody bool // every call of the account fails so, for any user
}

// CodesPage is WeChat's list of error codes. Those of the cloud's SDK are not in it.
const CodesPage = "https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html"

// Explain returns what is known of an error code. known is false, and the text says where to look, for a code that is not in
// the table.
func Explain(number int) (code ErrorCode, known bool) {
	if code, known = codes[number]; known {
		code.Number = number
		return code, true
	}
	return ErrorCode{
		Number: number,
		Party:  PartyOperator,
		English: Text{
			"unknown to this gateway",
			"look it up in WeChat's list, " + CodesPage + ", or give the rid of the message to the diagnosis tool of WeChat's developer platform",
		},
		Chinese: Text{
			"本网关未收录的错误码",
			"请查阅微信官方错误码列表 " + CodesPage + "，或用报错信息里的 rid 在微信开发者平台的 API 诊断工具中查询",
		},
	}, false
}

// ExplainMember adds what a code means and who must do what to a sentence about a member that has it; 0 is no code.
func ExplainMember(sentence string, number int) string {
	if number == 0 {
		return sentence
	}
	code, _ := Explain(number)
	return sentence + "; " + strings.TrimSuffix(code.English.Meaning, ".") + ", " + code.Party.String() + ": " + code.English.Advice
}

// Codes returns the whole table: the codes of WeChat's server API first, then the negative ones, each in order.
func Codes() []ErrorCode {
	numbers := slices.SortedFunc(maps.Keys(codes), func(a, b int) int {
		if (a >= 0) != (b >= 0) {
			return b - a
		}
		return max(a, -a) - max(b, -b)
	})
	list := make([]ErrorCode, 0, len(numbers))
	for _, number := range numbers {
		code, _ := Explain(number)
		list = append(list, code)
	}
	return list
}

func meaningOf(number int) string {
	code, _ := Explain(number)
	return code.English.Meaning
}

// adviceFor says what the operator should do about an error. Where the secret is wrong, WeChat's error code depends on the API.
func adviceFor(e *Error) string {
	switch {
	case e.Code == 40164 && e.IP.IsValid():
		return fmt.Sprintf("put the IP address %s on the IP whitelist of this AppID (WeChat's admin console, development settings)", e.IP)
	case e.Code == 40001 && (e.API == APIStableToken || e.API == APIJSCode2Session):
		return adviceSecret // where no token was sent, it is about the secret
	}
	code, _ := Explain(e.Code)
	return code.English.Advice
}
