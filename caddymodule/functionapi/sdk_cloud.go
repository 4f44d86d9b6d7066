package functionapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// The parts of Tencent's cloud that wx-server-sdk calls with JSON: functions, and what the gateway does not serve.

const (
	actionCallFunction  = "functions.invokeFunction"
	actionUpload        = "storage.getUploadMetadata"
	actionDownloadURL   = "storage.batchGetDownloadUrl"
	downloadFileMaxAge  = 600 // by which cloud.downloadFile shows, which asks for a single URL of this life
	firstThrowingMajor  = "4"
	sdkVersionHeader    = "X-Sdk-Version"
	sdkVersionOfOurKind = "wx-server-sdk/"
)

// handleCloud serves a call with JSON.
func (h *Handler) handleCloud(r *http.Request, body []byte) (call sdkCall, response []byte, err error) {
	args, err := parseJSON(body)
	if err != nil {
		return call, nil, err
	}
	call.action = args.Get("action").String()
	call.token = args.Get("wxCloudApiToken").String()
	switch {
	case call.action == actionCallFunction:
		response, err = h.sdkCallFunction(r, call, args)
	case call.action == actionUpload && !throwsErrors(r):
		response = uploadElsewhere(r)
	case call.action == actionDownloadURL && !throwsErrors(r) && isDownloadFile(args):
		response = noDownload(args)
	default:
		err = unsupported(unservedReason(call.action))
	}
	return call, response, err
}

// sdkCallFunction serves cloud.callFunction.
func (h *Handler) sdkCallFunction(r *http.Request, call sdkCall, args gjson.Result) ([]byte, error) {
	user, err := h.sdkCaller(r, call)
	if err != nil {
		return nil, err
	}
	event := []byte(args.Get("request_data").String())
	if len(event) == 0 {
		event = []byte("{}")
	}
	if jsonscan.Check(event) != nil {
		return nil, badRequest("request_data is no JSON text")
	}
	result, err := h.invoke(r.Context(), user, args.Get("function_name"), event)
	if err != nil {
		return nil, err
	}
	response := gjson.AppendJSONString([]byte(`{"requestId":`), requestID(r))
	response = append(response, `,"data":{"response_data":`...)
	response = gjson.AppendJSONString(response, string(result))
	return append(response, `}}`...), nil
}

// rejectCloud rejects a call with JSON. The SDK needs one of Tencent's codes: without it takes a rejection for success.
func rejectCloud(w http.ResponseWriter, r *http.Request, call sdkCall, rejected *rejection) error {
	number := cloudNumber(call.action, rejected)
	message := rejected.reason
	if throwsErrors(r) && !strings.HasPrefix(call.action, "database.") {
		// That SDK shows the message alone, except for the database.
		message = fmt.Sprintf("%d %s. %s", number, cloudCodes[number].message, message)
	}
	return writeJSON(w, http.StatusOK, sdkRejection, struct {
		weChatError
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"requestId"`
	}{weChatError{number, rejected.reason}, cloudCodes[number].code, message, requestID(r)})
}

// cloudCodes are Tencent's codes of failures, and the words that wx-server-sdk has for them.
var cloudCodes = map[int]struct{ code, message string }{
	-501001:              {"SYS_ERR", "resource system error"},
	codeFunctionTimeout:  {"SERVER_TIMEOUT", "resource server timeout"},
	codeInvalidParameter: {"INVALID_PARAM", "invalid parameters"},
	-501008:              {"INVALID_REQUEST_SOURCE", "invalid request source"},
	-502001:              {"DATABASE_REQUEST_FAILED", "database request fail"},
	-503001:              {"STORAGE_REQUEST_FAIL", "storage request fail"},
	codeFunctionRequest:  {"FUNCTIONS_REQUEST_FAIL", "functions request fail"},
	codeFunctionFailed:   {"FUNCTIONS_EXECUTE_FAIL", "functions execute fail"},
}

// cloudNumber returns the code of a rejection that the SDK shows for a call with JSON.
func cloudNumber(action string, rejected *rejection) int {
	family, _, _ := strings.Cut(action, ".")
	switch {
	case rejected.status == http.StatusUnauthorized:
		return -501008
	case cloudCodes[rejected.code].code != "":
		return rejected.code
	case family == "database":
		return -502001
	case family == "storage":
		return -503001
	case family == "functions":
		return codeFunctionRequest
	default:
		return -501001
	}
}

// throwsErrors reports whether a call comes from wx-server-sdk 4, or what is newer. Versions before do not look at the response of
// every call before they use it.
func throwsErrors(r *http.Request) bool {
	version, ok := strings.CutPrefix(r.Header.Get(sdkVersionHeader), sdkVersionOfOurKind)
	major, _, _ := strings.Cut(version, ".")
	return !ok || len(major) > 1 || major >= firstThrowingMajor
}

// uploadElsewhere sends an older SDK to where it can be told that storage is not served.
func uploadElsewhere(r *http.Request) []byte {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	url := gjson.AppendJSONString(nil, scheme+r.Host+uploadPath)
	return fmt.Appendf(nil, `{"requestId":%q,"data":{"url":%s,"token":"none","authorization":"none","fileId":"none","cosFileId":"none"}}`, requestID(r), url)
}

// isDownloadFile reports whether a call is the first half of cloud.downloadFile, which an older SDK reads no rejection of.
func isDownloadFile(args gjson.Result) bool {
	files := args.Get("file_list.#").Int()
	return files == 1 && args.Get("file_list.0.max_age").Int() == downloadFileMaxAge
}

// noDownload says of the one file that storage is not served.
func noDownload(args gjson.Result) []byte {
	file := gjson.AppendJSONString(nil, args.Get("file_list.0.fileid").String())
	message := gjson.AppendJSONString(nil, noStorage)
	return fmt.Appendf(nil, `{"data":{"download_list":[{"fileid":%s,"code":"STORAGE_REQUEST_FAIL","message":%s}]}}`, file, message)
}

// requestID names a request in Caddy's log and in what a function sees.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).GetString("http.request.uuid")
	return id
}
