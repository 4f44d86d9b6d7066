package functionapi

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// readOn is where people find what to do about what the gateway does not serve.
const readOn = "see https://github.com/caddy-cloudid/caddy-cloudid/blob/main/docs/functions.md"

// What of WeChat's cloud is not served, in words that say so first.
const (
	noDatabase = "cloud.database is not served by this gateway: the database stays in WeChat's cloud, or its collections move to a database of your own; " + readOn
	noStorage  = "cloud storage is not served by this gateway: files stay in WeChat's cloud, or move to an object store of your own; " + readOn
	noPayment  = "cloud.cloudPay is not served by this gateway: call the API of WeChat Pay with a merchant's certificate; " + readOn
)

// unservedReason says that something of WeChat's cloud is not served.
func unservedReason(name string) string {
	switch family, _, _ := strings.Cut(name, "."); {
	case family == "database":
		return noDatabase
	case family == "storage":
		return noStorage
	case name == "wx.wxPayApi":
		return noPayment
	case name == "":
		return "a call without action and apiName is not served by this gateway"
	default:
		return wechat.PrintableName(name) + " is not served by this gateway; " + readOn
	}
}

// serveNothing rejects a request for a path where nothing is: with the line that opens it, or with what there is.
func (h *Handler) serveNothing(w http.ResponseWriter, path string) error {
	code, reason := codeUnknownAPI, "nothing is served at this path; served are POST /getOpenData, /getVoIPSign, /callFunction, "+
		"/wxa/getopendata, /wxa/getvoipsign and /admin, and the paths that `openapi <name>...` and `relay <path>...` in cloudid_api open"
	known := wechat.OpenAPIs()
	if i := slices.IndexFunc(known, func(api wechat.OpenAPI) bool { return api.Path == path }); i >= 0 {
		code, reason = codeNotPermitted, path+" is not open to functions: add the line `openapi "+known[i].Name+"` to cloudid_api"
	}
	return writeJSON(w, http.StatusNotFound, weChatJSON, weChatError{code, reason})
}

// uploadPath is where wx-server-sdk before version 4 sends the file of cloud.uploadFile. Only there can it be told that storage is
// not served: it takes any other rejection for the place to send the file to.
const uploadPath = "/admin/upload"

// serveUpload responds to an upload as Tencent's object store does, with an error that the SDK shows.
func serveUpload(w http.ResponseWriter, r *http.Request) error {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxRelayedBody)) // else the SDK would see a broken connection
	const body = "<Error><Code>NotServed</Code><Message>" + noStorage + "</Message><RequestId>none</RequestId><TraceId>none</TraceId></Error>"
	return write(w, http.StatusOK, "application/xml", []byte(body))
}
