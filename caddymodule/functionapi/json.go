package functionapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// apiFunc serves one API for a user, or for nobody, who has no openid: the arguments are a JSON object, the response is JSON.
type apiFunc func(ctx context.Context, user usertoken.User, args gjson.Result) ([]byte, error)

// jsonAPI is an API in the dialect for any language.
type jsonAPI struct {
	name    string // that of the SDK's function, whose arguments and responses it has
	maxBody int
	serve   apiFunc
}

// serveJSON is the dialect for any language.
func (h *Handler) serveJSON(w http.ResponseWriter, r *http.Request, api jsonAPI) error {
	body, err := h.handleJSON(w, r, api)
	if err == nil {
		return write(w, http.StatusOK, "application/json", body)
	}
	rejected, ok := errors.AsType[*rejection](err)
	if !ok {
		return err
	}
	message := rejected.reason
	if rejected.code != codeSDKArgs {
		message = fmt.Sprintf("%s:fail %d %s. %s", api.name, rejected.code, messageOf(rejected.code), rejected.reason)
	}
	httpbody.SetRetryAfter(w.Header(), rejected.retryAfter)
	return writeJSON(w, rejected.status, "application/json", struct {
		ErrCode int    `json:"errCode"`
		ErrMsg  string `json:"errMsg"`
	}{rejected.code, message})
}

// messageOf returns the errMsg that wx-server-sdk has for a code.
func messageOf(code int) string {
	if message := functionMessages[code]; message != "" {
		return message
	}
	return wechat.OpenDataMessage(code)
}

func (h *Handler) handleJSON(w http.ResponseWriter, r *http.Request, api jsonAPI) ([]byte, error) {
	if err := onlyPOST(w, r); err != nil {
		return nil, err
	}
	isJSON, err := readJSONType(r.Header)
	if err != nil {
		return nil, err
	}
	if !isJSON {
		return nil, unsupportedMediaType("the body must be JSON; send it with Content-Type: application/json")
	}
	claims, err := parseClaims(r)
	if err != nil {
		return nil, err
	}
	user, err := h.caller(r, claims)
	if err != nil {
		return nil, err
	}
	body, release, err := h.readBody(r, api.maxBody)
	if err != nil {
		return nil, err
	}
	defer release()
	args, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	if !args.IsObject() {
		return nil, badParameter(fmt.Sprintf("%s:fail Params for %[1]s must be an object instead of %s", api.name, jsTypeOf(args)))
	}
	return api.serve(r.Context(), user, args)
}

// getOpenData serves {"list":["<CloudID>",…]}.
func (h *Handler) getOpenData(ctx context.Context, user usertoken.User, args gjson.Result) ([]byte, error) {
	if user.OpenID == "" {
		return nil, noUser()
	}
	list := args.Get("list")
	if !list.Exists() || list.Type == gjson.Null {
		return nil, badParameter("getOpenData:fail list must be provided")
	}
	if !list.IsArray() {
		return nil, badParameter(fmt.Sprintf("parameter.list should be array instead of %s;", jsTypeOf(list)))
	}
	ids, err := stringList(list, func(i int, id gjson.Result) error {
		return badParameter(fmt.Sprintf("parameter.list[%d] should be string instead of %s;", i, jsTypeOf(id)))
	})
	if err != nil {
		return nil, err
	}
	result, err := h.resolve(ctx, user.OpenID, ids)
	if err != nil {
		return nil, err
	}
	response := []byte(`{"list":[`)
	for i, one := range result.OpenData {
		if i > 0 {
			response = append(response, ',')
		}
		response = append(response, one.JSON...) // as WeChat wrote it
	}
	return append(response, `],"errCode":0,"errMsg":"getOpenData:ok"}`...), nil
}

// getVoIPSign serves {"groupId","nonce","timestamp"}.
func (h *Handler) getVoIPSign(ctx context.Context, user usertoken.User, args gjson.Result) ([]byte, error) {
	if user.OpenID == "" {
		return nil, noUser()
	}
	// What is wrong is listed in the SDK's order and without a space between, as the SDK does.
	var wrong strings.Builder
	for _, parameter := range []struct{ name, kind string }{{"groupId", "string"}, {"timestamp", "number"}, {"nonce", "string"}} {
		if kind := jsTypeOf(args.Get(parameter.name)); kind != parameter.kind {
			fmt.Fprintf(&wrong, "parameter.%s should be %s instead of %s;", parameter.name, parameter.kind, kind)
		}
	}
	if wrong.Len() > 0 {
		return nil, badParameter(wrong.String())
	}
	request, err := signRequest(args.Get("groupId"), args.Get("nonce"), args.Get("timestamp"))
	if err != nil {
		return nil, err
	}
	signature, err := h.sign(ctx, user.OpenID, request)
	if err != nil {
		return nil, err
	}
	response := gjson.AppendJSONString([]byte(`{"signature":`), signature)
	return append(response, `,"errCode":0,"errMsg":"getVoIPSign:ok"}`...), nil
}
