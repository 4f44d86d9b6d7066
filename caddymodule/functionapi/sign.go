package functionapi

import (
	"math"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// maxNonce is the number of characters that a nonce must stay below (WeChat's document of getvoipsign).
	maxNonce = 128

	// maxTimestamp is above what a timestamp in seconds reaches within three thousand years.
	maxTimestamp = 1e11
)

// signRequest reads the arguments of a voice signature.
func signRequest(group, nonce, timestamp gjson.Result) (wechat.VoIPSignRequest, error) {
	if group.Type != gjson.String || nonce.Type != gjson.String {
		return wechat.VoIPSignRequest{}, badRequest("the group id and the nonce must be strings")
	}
	seconds := timestamp.Float()
	switch {
	case timestamp.Type != gjson.Number:
		return wechat.VoIPSignRequest{}, badRequest("the timestamp must be a number of seconds")
	case seconds > maxTimestamp:
		return wechat.VoIPSignRequest{}, badRequest("the timestamp is in milliseconds; send seconds: Math.floor(Date.now() / 1000)")
	case seconds != math.Trunc(seconds) || seconds < 0 || seconds > math.MaxUint32:
		return wechat.VoIPSignRequest{}, badRequest("the timestamp must be a whole number of seconds")
	}
	request := wechat.VoIPSignRequest{GroupID: group.String(), Nonce: nonce.String(), Timestamp: int64(seconds)}
	return request, checkSign(request)
}

// checkSign checks what types alone do not. A timestamp in milliseconds cannot be seen here: where it comes from the SDK,
// that has cut it to 32 bits.
func checkSign(request wechat.VoIPSignRequest) error {
	switch {
	case request.GroupID == "" || request.Nonce == "":
		return badRequest("the group id and the nonce must not be empty")
	case !utf8.ValidString(request.GroupID) || !utf8.ValidString(request.Nonce):
		return badRequest("the group id and the nonce must be valid UTF-8")
	case utf8.RuneCountInString(request.Nonce) >= maxNonce:
		return badRequest("the nonce must be shorter than %d characters", maxNonce)
	case request.Timestamp == 0:
		return badRequest("the timestamp must not be 0; send seconds since 1970")
	}
	return nil
}
