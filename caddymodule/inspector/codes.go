package inspector

import (
	"strconv"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// codeText is what a page says of an error code, in both of its languages.
type codeText struct {
	Meaning   string `json:"meaning"`
	Party     string `json:"party"` // who must act
	Advice    string `json:"advice"`
	MeaningZH string `json:"meaning_zh"`
	PartyZH   string `json:"party_zh"`
	AdviceZH  string `json:"advice_zh"`
}

// codeTexts is the table of error codes that log lines and the command explain have too.
func codeTexts() map[string]codeText {
	texts := map[string]codeText{}
	for _, code := range wechat.Codes() {
		texts[strconv.Itoa(code.Number)] = codeText{
			code.English.Meaning, code.Party.String(), code.English.Advice,
			code.Chinese.Meaning, code.Party.Chinese(), code.Chinese.Advice,
		}
	}
	return texts
}
