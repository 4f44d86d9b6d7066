package functionapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// api answers one question of a user's: the arguments are a JSON object, the answer is JSON.
type apiFunc func(ctx context.Context, openid string, args gjson.Result) ([]byte, error)

// serveJSON is the dialect for any language: arguments and answers are those of the SDK's function of that name.
func (h *Handler) serveJSON(w http.ResponseWriter, r *http.Request, name string, answer apiFunc) error {
	body, err := h.handleJSON(w, r, name, answer)
	if err == nil {
		return write(w, http.StatusOK, "application/json", body)
	}
	refused, ok := errors.AsType[*rejection](err)
	if !ok {
		return err
	}
	message := refused.reason
	if refused.code != codeSDKArgs {
		message = fmt.Sprintf("%s:fail %d %s. %s", name, refused.code, wechat.OpenDataMessage(refused.code), refused.reason)
	}
	return writeJSON(w, refused.status, "application/json", struct {
		ErrCode int    `json:"errCode"`
		ErrMsg  string `json:"errMsg"`
	}{refused.code, message})
}

func (h *Handler) handleJSON(w http.ResponseWriter, r *http.Request, name string, answer apiFunc) ([]byte, error) {
	if err := onlyPOST(w, r); err != nil {
		return nil, err
	}
	if !isJSON(r.Header) {
		return nil, unsupportedMediaType("the body must be JSON; send it with Content-Type: application/json")
	}
	claims, err := parseClaims(r)
	if err != nil {
		return nil, err
	}
	openid, err := h.user(r, claims)
	if err != nil {
		return nil, err
	}
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	args, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	if !args.IsObject() {
		return nil, badParameter(fmt.Sprintf("%s:fail Params for %[1]s must be an object instead of %s", name, jsTypeOf(args)))
	}
	return answer(r.Context(), openid, args)
}

// getOpenData answers {"list":["<CloudID>",…]}.
func (h *Handler) getOpenData(ctx context.Context, openid string, args gjson.Result) ([]byte, error) {
	list := args.Get("list")
	if !list.Exists() || list.Type == gjson.Null {
		return nil, badParameter("getOpenData:fail list must be provided")
	}
	if !list.IsArray() {
		return nil, badParameter(fmt.Sprintf("parameter.list should be array instead of %s;", jsTypeOf(list)))
	}
	var ids []string
	for i, id := range list.Array() {
		if id.Type != gjson.String {
			return nil, badParameter(fmt.Sprintf("parameter.list[%d] should be string instead of %s;", i, jsTypeOf(id)))
		}
		ids = append(ids, id.String())
	}
	result, err := h.resolve(ctx, openid, ids)
	if err != nil {
		return nil, err
	}
	answer := []byte(`{"list":[`)
	for i, one := range result.OpenData {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = append(answer, one.JSON...) // as WeChat wrote it
	}
	return append(answer, `],"errCode":0,"errMsg":"getOpenData:ok"}`...), nil
}

// getVoIPSign answers {"groupId","nonce","timestamp"}.
func (h *Handler) getVoIPSign(ctx context.Context, openid string, args gjson.Result) ([]byte, error) {
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
	signature, err := h.sign(ctx, openid, request)
	if err != nil {
		return nil, err
	}
	answer := gjson.AppendJSONString([]byte(`{"signature":`), signature)
	return append(answer, `,"errCode":0,"errMsg":"getVoIPSign:ok"}`...), nil
}
