package functionapi

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// openPaths are the paths of WeChat's server API that functions may call.
type openPaths map[string]bool

// addAPI opens the path of an API, or of all for *. What is the gateway's own needs no opening. The error says why a name that is
// known is of no use.
func (o openPaths) addAPI(name string) error {
	if name == "*" {
		for _, api := range wechat.OpenAPIs() {
			o[api.Path] = true
		}
	} else {
		api, err := wechat.FindOpenAPI(name)
		if err != nil {
			return err
		}
		o[api.Path] = true
	}
	for _, path := range builtinPaths {
		delete(o, path)
	}
	return nil
}

// checkOpenAPI returns an error, for an operator, unless a name is * or one that WeChat's cloud has or had. What was retired may
// stand in the list, as it does in the config.json of old functions; calls are rejected then.
func checkOpenAPI(name string) error {
	if name == "*" {
		return nil
	}
	_, err := wechat.FindOpenAPI(name)
	if unknown, ok := errors.AsType[*wechat.UnknownOpenAPIError](err); ok {
		return errors.New("is not in this gateway's table of cloud.openapi" + unknown.Hint() + "; relay <path> opens the path of an API that WeChat has and the table has not")
	}
	return nil
}

// sdkOpenAPI serves cloud.openapi.<name>.
func (h *Handler) sdkOpenAPI(r *http.Request, call sdkCall) ([]byte, error) {
	user, err := h.sdkCaller(r, call)
	if err != nil {
		return nil, err
	}
	api, err := h.findOpenAPI(call.apiName)
	if err != nil {
		return nil, err
	}
	data, err := decodeCommAPIData(call.requestData)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	account, err := h.accountOf(data.appid)
	if err != nil {
		return nil, err
	}
	args, err := openAPIArguments(data.pairs)
	if err != nil {
		return nil, err
	}
	request, err := api.Request(args)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	response, err := callWeChat(r.Context(), account, user.OpenID, request)
	if err != nil {
		return nil, err
	}
	contentType, err := sdkContentType(api, response)
	if err != nil {
		return nil, err
	}
	return encodeCommOpenAPIResp(response.Body, contentType), nil
}

// findOpenAPI returns an API that functions may call.
func (h *Handler) findOpenAPI(name string) (wechat.OpenAPI, error) {
	api, err := wechat.FindOpenAPI(name)
	if unknown, ok := errors.AsType[*wechat.UnknownOpenAPIError](err); ok {
		return api, unsupported(unknown.Error() + "; if WeChat has it, `relay <path>` in cloudid_api opens its path, for the function to call by HTTP")
	}
	if err != nil {
		return api, unsupported(err.Error())
	}
	if !h.open[api.Path] {
		return api, reject(
			http.StatusForbidden, wechat.CodeDenied, codeNotPermitted,
			"function has no permission to call this API: add the line `openapi "+name+"` to cloudid_api")
	}
	return api, nil
}

// accountOf returns the account that cloud.openapi({appid}) names: the function's own, or another of this gateway's.
func (h *Handler) accountOf(appid string) (*account.Account, error) {
	if appid == "" {
		return h.account, nil
	}
	account, err := h.ref.App().Account(appid)
	if err != nil {
		return nil, reject(
			http.StatusForbidden, wechat.CodeDenied, codeNotPermitted,
			"the AppID given to cloud.openapi is no account of this gateway: add an account to the global option cloudid")
	}
	return account, nil
}

// maxArguments bounds what a call may have at its top level. WeChat's longest has some twenty.
const maxArguments = 100

// openAPIArguments checks the arguments of a call.
func openAPIArguments(pairs []keyValuePair) ([]wechat.Argument, error) {
	args := make([]wechat.Argument, 0, len(pairs))
	for _, pair := range pairs {
		if pair.filename == "" && jsonscan.Check(pair.value) != nil {
			return nil, badRequest("an argument is no JSON text, and no file such as {contentType: 'image/png', value: buffer}")
		}
		args = append(args, wechat.Argument{Name: pair.key, Value: pair.value, Filename: pair.filename})
	}
	return args, nil
}

// sdkContentType returns the Content-Type by which the SDK tells JSON from files, whatever WeChat says: it has sent JSON as text, and
// errors as pictures.
func sdkContentType(api wechat.OpenAPI, response wechat.RelayResponse) (string, error) {
	said := strings.ToLower(response.ContentType)
	saysText := strings.HasPrefix(said, "application/json") || strings.HasPrefix(said, "text/")
	object := isJSONObject(response.Body)
	switch {
	case object && (saysText || api.Response == wechat.JSONResponse || gjson.GetBytes(response.Body, "errcode").Int() != 0):
		return "application/json", nil
	case api.Response == wechat.JSONResponse, response.Status != http.StatusOK:
		return "", reject(http.StatusBadGateway, wechat.CodeSystemError, codeOpenAPIError, "WeChat's response is no JSON object")
	case saysText || response.ContentType == "":
		return http.DetectContentType(response.Body), nil
	default:
		return response.ContentType, nil
	}
}

// isJSONObject reports whether a body is a JSON object, of any length.
func isJSONObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && jsonscan.Check(body) == nil
}
