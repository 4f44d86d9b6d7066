package wechat

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// The codes of a CloudID that could not be exchanged, as functions know them from wx-server-sdk.
const (
	CodeSystemError     = -601001
	CodeArgsError       = -601002
	CodeNetworkError    = -601003
	CodeDenied          = -601004
	CodeInvalidCloudID  = -601005
	CodeExpiredCloudID  = -601006
	CodeUserMismatch    = -601007
	CodeTimeout         = -601008
	CodeNoPhoneOfMember = -601009
)

var openDataMessages = map[int]string{
	CodeSystemError:     "system error",
	CodeArgsError:       "system args error",
	CodeNetworkError:    "system network error",
	CodeDenied:          "api permission denied",
	CodeInvalidCloudID:  "invalid cloudID",
	CodeExpiredCloudID:  "cloudID expired.",
	CodeUserMismatch:    "cloudID and calling user does not match",
	CodeTimeout:         "server-side request timedout",
	CodeNoPhoneOfMember: "missing mobile phone",
}

// OpenDataMessage returns the errMsg that belongs to a -6010xx code, "" for other codes.
func OpenDataMessage(code int) string { return openDataMessages[code] }

// IsConclusive reports whether a code is about the CloudID itself, so that asking again does not change it.
func IsConclusive(code int) bool {
	switch code {
	case CodeInvalidCloudID, CodeExpiredCloudID, CodeUserMismatch, CodeNoPhoneOfMember:
		return true
	}
	return false
}

// OpenData is what WeChat said of one CloudID.
type OpenData struct {
	// 0, or a -6010xx code.
	Code int

	// {"cloudID":…,"data":…} or {"cloudID":…,"errCode":…,"errMsg":…}, as WeChat wrote it.
	JSON []byte
}

// OpenDataError is what stands in the place of a CloudID that could not be exchanged.
func OpenDataError(cloudID string, code int) OpenData {
	object := gjson.AppendJSONString([]byte(`{"cloudID":`), cloudID)
	object, _ = sjson.SetBytes(append(object, '}'), "errCode", code)
	object, _ = sjson.SetBytes(object, "errMsg", openDataMessages[code])
	return OpenData{Code: code, JSON: object}
}

// GetOpenData asks for the open data behind CloudIDs of one user, and returns one OpenData for each of them, in their
// order. An id that the response does not mention, or not in a usable way, has CodeSystemError.
//
// Source: WeChat's document of getopendata (POST /wxa/getopendata).
func (c *Client) GetOpenData(ctx context.Context, token, openid string, ids []string) ([]OpenData, error) {
	body := append(make([]byte, 0, 32+len(ids)*usualID), `{"cloudid_list":[`...)
	for i, id := range ids {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendString(body, id)
	}
	body = append(body, `]}`...)
	response, err := c.post(ctx, Call{API: APIGetOpenData, IDs: len(ids)}, withCredentials("/wxa/getopendata", token, openid), body)
	if err != nil {
		return nil, err
	}
	return matchItems(response.dataList, ids), nil
}

// appendString appends a text as a JSON string. A CloudID has only characters that are written as they are, in which case that takes
// a third of the time.
func appendString(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; (c|0x20)-'a' > 25 && c-'0' > 9 && c != '_' && c != '-' {
			return gjson.AppendJSONString(to, text)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

const (
	usualIDs = 5  // in a call at most
	usualID  = 80 // is more than a CloudID takes in a list, in bytes
)

// withCredentials returns a path with the query that says for which user a call is, and with which token; without a token, none
// is named: WeChat Cloud Run adds it.
func withCredentials(path, token, openid string) string {
	if token == "" {
		return path + "?openid=" + url.QueryEscape(openid)
	}
	return path + "?openid=" + url.QueryEscape(openid) + "&access_token=" + url.QueryEscape(token)
}

// appIDPath leads to the AppID in open data.
var appIDPath = []string{"data", "watermark", "appid"}

// IsFor reports whether no watermark of the open data names another AppID than this one. Open data without a watermark, as
// of a share, is for every app. Where a name stands twice, parsers differ in which they take, so that all must be right.
func (d OpenData) IsFor(appID string) bool {
	right := true
	eachValue(d.JSON, skipSpace(d.JSON, 0), appIDPath, func(named []byte) { right = right && isString(named, appID) })
	return right
}

// ErrCode translates the error of a whole call into the errCode that functions know.
func ErrCode(err error) int {
	code := Code(err)
	switch {
	case IsConclusive(code):
		return code
	case code == 40003:
		return CodeUserMismatch
	case code == 48001:
		return CodeDenied
	case IsTimeout(err):
		return CodeTimeout
	case IsNetwork(err) && !errors.Is(err, context.Canceled):
		return CodeNetworkError
	default:
		return CodeSystemError
	}
}

// MetricLabel names the result of one CloudID in a metric: "ok", a -6010xx code, or "other".
func (d OpenData) MetricLabel() string {
	switch {
	case d.Code == 0:
		return "ok"
	case OpenDataMessage(d.Code) != "":
		return strconv.Itoa(d.Code)
	default:
		return "other"
	}
}
