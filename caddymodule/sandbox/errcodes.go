package sandbox

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
)

// WeChat's global error codes that the sandbox responds with by itself; a fault may name any other.
const (
	errInvalidToken     = 40001
	errInvalidGrantType = 40002
	errInvalidOpenID    = 40003
	errInvalidAppID     = 40013
	errInvalidCode      = 40029
	errInvalidMediaID   = 40007
	errInvalidURL       = 40066
	errInvalidArgs      = 40097
	errInvalidSecret    = 40125
	errCodeUsed         = 40163
	errMissingToken     = 41001
	errMissingAppID     = 41002
	errMissingSecret    = 41004
	errMediaMissing     = 41005
	errMediaIDMissing   = 41006
	errMissingCode      = 41008
	errTokenExpired     = 42001
	errRequireGET       = 43001
	errRequirePOST      = 43002
	errQuota            = 45009
	errTooFrequent      = 45011
	errDataFormat       = 47001

	// These three stand in the place of one CloudID's open data.
	errInvalidCloudID = -601005
	errCloudIDEnded   = -601006
	errOtherUser      = -601007
)

// messages are WeChat's texts for its error codes, without the request id that follows them in a response. Those of
// -6010xx are exact (wx-server-sdk), the others as WeChat's documents and public reports print them.
var messages = map[int]string{
	-1:                  "system error",
	errInvalidToken:     "invalid credential, access_token is invalid or not latest",
	errInvalidGrantType: "invalid grant_type",
	errInvalidOpenID:    "invalid openid",
	errInvalidAppID:     "invalid appid",
	40014:               "invalid access_token",
	errInvalidCode:      "invalid code",
	errInvalidMediaID:   "invalid media_id",
	errInvalidURL:       "invalid url",
	errInvalidArgs:      "invalid args",
	errInvalidSecret:    "invalid appsecret",
	errCodeUsed:         "code been used",
	40164:               "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist",
	40226:               "code blocked",
	40243:               "appsecret is frozen",
	errMissingToken:     "access_token missing",
	errMissingAppID:     "appid missing",
	errMissingSecret:    "appsecret missing",
	errMediaMissing:     "media data missing",
	errMediaIDMissing:   "missing media_id",
	errMissingCode:      "missing code",
	errTokenExpired:     "access_token expired",
	errRequireGET:       "require GET method",
	errRequirePOST:      "require POST method",
	44002:               "empty post data",
	errQuota:            "reach max api daily quota limit",
	errTooFrequent:      "api minute-quota reach limit, must slower, retry next minute",
	errDataFormat:       "data format error",
	48001:               "api unauthorized",
	85088:               "no qbase privilege",
	-601001:             "system error",
	-601002:             "system args error",
	-601003:             "system network error",
	-601004:             "api permission denied",
	errInvalidCloudID:   "invalid cloudID",
	errCloudIDEnded:     "cloudID expired.",
	errOtherUser:        "cloudID and calling user does not match",
	-601008:             "server-side request timedout",
	-601009:             "missing mobile phone",
}

// fail is WeChat's response to a call that failed as a whole.
func fail(errcode int) []byte {
	message := cmp.Or(messages[errcode], "sandbox: no message known for this errcode")
	return mustJSON(struct {
		ErrCode int    `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
	}{errcode, message + " rid: " + requestID()})
}

// requestID makes the hexadecimal id that WeChat appends to its error messages.
func requestID() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails, says its documentation
	return hex.EncodeToString(b)
}

// randomString makes n unguessable base64url characters.
func randomString(n int) string {
	b := make([]byte, n*3/4+1)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}
