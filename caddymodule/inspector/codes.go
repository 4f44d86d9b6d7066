package inspector

import (
	"strconv"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// codeText is what a page says of a code.
type codeText struct {
	Meaning string `json:"meaning"`
	Advice  string `json:"advice,omitempty"`
}

func codeTexts() map[string]codeText {
	texts := map[string]codeText{}
	for code := wechat.CodeNoPhoneOfMember; code <= wechat.CodeSystemError; code++ {
		texts[strconv.Itoa(code)] = codeText{Meaning: wechat.OpenDataMessage(code)}
	}
	return texts
}
