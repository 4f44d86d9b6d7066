package functionapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// sdkRefusal is the one Content-Type by which wx-server-sdk tells JSON from protobuf, letter by letter. What has it is
	// a refusal; an answer must never have it.
	sdkRefusal = "application/json; charset=utf-8"

	sdkAnswer = "application/octet-stream"
)

// actionWeChat is the action of calls of WeChat's API; the others are Tencent's cloud: database, storage, functions.
const actionWeChat = "wx.openApi"

// serveSDK is the dialect of the unmodified wx-server-sdk. All refusals have status 200: the SDK shows their errcode and
// errmsg then, while of another status it shows nothing but the number and the URL.
func (h *Handler) serveSDK(w http.ResponseWriter, r *http.Request) error {
	call, body, err := h.handleSDK(w, r)
	if err == nil {
		return write(w, http.StatusOK, sdkAnswer, body)
	}
	refused, ok := errors.AsType[*rejection](err)
	if !ok {
		return err
	}
	status, object := http.StatusOK, weChatError{refused.code, refused.reason}
	if refused.status == http.StatusMethodNotAllowed {
		status = refused.status // this is not the SDK
	}
	if call.isOpenAPI() {
		object.ErrCode = refused.errcode
	}
	if call.action == "" || call.action == actionWeChat {
		return writeJSON(w, status, sdkRefusal, object)
	}
	// The SDK's other parts know no errcode: without a code of Tencent's they take a refusal for success.
	return writeJSON(w, status, sdkRefusal, struct {
		weChatError
		Code    string `json:"code"`
		Message string `json:"message"`
	}{object, "INVALID_REQUEST_SOURCE", refused.reason})
}

func (h *Handler) handleSDK(w http.ResponseWriter, r *http.Request) (call sdkCall, answer []byte, err error) {
	if err = onlyPOST(w, r); err != nil {
		return call, nil, err
	}
	body, err := readBody(r)
	if err != nil {
		return call, nil, err
	}
	if isJSON(r.Header) {
		// How the SDK calls database and functions. None of that is served, and this is to be read in its words.
		args, err := parseJSON(body)
		if err != nil {
			return call, nil, err
		}
		call.action = args.Get("action").String()
		return call, nil, unsupported(call.name())
	}
	if call, err = readCall(r.Header.Get("Content-Type"), body); err != nil {
		return call, nil, err
	}
	if call.action != actionWeChat {
		return call, nil, unsupported(call.name())
	}
	switch call.apiName {
	case "ApiGetOpenDataByCloudId":
		answer, err = h.sdkOpenData(r, call)
	case "ApiVoipSign":
		answer, err = h.sdkVoIPSign(r, call)
	case "cloudbase.getOpenData":
		answer, err = h.sdkOpenAPI(r, call, h.weChatOpenData)
	case "cloudbase.getVoIPSign":
		answer, err = h.sdkOpenAPI(r, call, h.weChatVoIPSign)
	default:
		err = unsupported(call.name())
	}
	return call, answer, err
}

// isOpenAPI reports whether an API of WeChat's server API is called, as cloudbase.getOpenData; services within WeChat have
// names without a dot.
func (c sdkCall) isOpenAPI() bool { return strings.Contains(c.apiName, ".") }

// name names what is called, for a refusal.
func (c sdkCall) name() string {
	switch {
	case c.apiName != "":
		return c.apiName
	case c.action != "":
		return c.action
	default:
		return "a call without action and apiName"
	}
}

// sdkUser returns the openid of a call's user, given what its message says of one.
func (h *Handler) sdkUser(r *http.Request, call sdkCall, openid string) (string, error) {
	claims, err := parseClaims(r)
	if err != nil {
		return "", err
	}
	claims.tokens = append(claims.tokens, call.token)
	claims.openids = append(claims.openids, openid)
	if len(nonEmpty(claims.tokens)) == 0 && !h.isTrusted(r) {
		return "", unauthorized("the SDK sent no token of this call: the environment needs WX_API_TOKEN, " +
			"with the value of the header X-WX-CLOUDBASE-ACCESS-TOKEN, and WX_CONTEXT_KEYS, naming it")
	}
	return h.user(r, claims)
}

// sdkOpenData answers cloud.getOpenData. Whatever failed rides inside the list, which is how the SDK wants it.
func (h *Handler) sdkOpenData(r *http.Request, call sdkCall) ([]byte, error) {
	openid, reqData, err := h.readSvrkitCall(r, call)
	if err != nil {
		return nil, err
	}
	req, err := decodeOpenDataReq(reqData)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	if err := h.checkAppID(req.appid); err != nil {
		return nil, err
	}
	result, err := h.resolve(r.Context(), openid, req.cloudIDs)
	if err != nil {
		return nil, err
	}
	return encodeCommOpenAPIResp(encodeOpenDataResp(req.cloudIDs, result.OpenData), ""), nil
}

// sdkVoIPSign answers cloud.getVoIPSign.
func (h *Handler) sdkVoIPSign(r *http.Request, call sdkCall) ([]byte, error) {
	openid, reqData, err := h.readSvrkitCall(r, call)
	if err != nil {
		return nil, err
	}
	req, err := decodeVoIPSignReq(reqData)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	request := wechat.VoIPSignRequest{GroupID: req.groupID, Nonce: req.nonce, Timestamp: int64(req.timestamp)}
	if err := checkSign(request); err != nil {
		return nil, err
	}
	signature, err := h.sign(r.Context(), openid, request)
	if err != nil {
		return nil, err
	}
	return encodeCommOpenAPIResp(encodeVoIPSignResp(signature), ""), nil
}

// sdkOpenAPI answers cloud.openapi.cloudbase.*, whose arguments and answers are those of WeChat's server API.
func (h *Handler) sdkOpenAPI(r *http.Request, call sdkCall, answer apiFunc) ([]byte, error) {
	data, err := decodeCommAPIData(call.requestData)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	if err := h.checkAppID(data.appid); err != nil {
		return nil, err
	}
	args, err := arguments(data.pairs)
	if err != nil {
		return nil, err
	}
	openid, err := h.sdkUser(r, call, args.Get("openid").String())
	if err != nil {
		return nil, err
	}
	body, err := answer(r.Context(), openid, args)
	if err != nil {
		return nil, err
	}
	return encodeCommOpenAPIResp(body, "application/json"), nil
}

// readSvrkitCall reads a call of a service within WeChat, which names itself twice: who makes it, and what with.
func (h *Handler) readSvrkitCall(r *http.Request, call sdkCall) (openid string, reqData []byte, err error) {
	if openid, err = h.sdkUser(r, call, ""); err != nil {
		return "", nil, err
	}
	data, err := decodeCommAPIData(call.requestData)
	if err != nil {
		return "", nil, badRequest("%v", err)
	}
	if data.svrkit.apiName != call.apiName {
		return "", nil, badRequest("requestData is not a call of %s", call.apiName)
	}
	return openid, data.svrkit.reqData, h.checkAppID(data.appid)
}

// checkAppID refuses to act for another app than the account's: the answer would be this app's.
func (h *Handler) checkAppID(appid string) error {
	if appid != "" && appid != h.account.AppID() {
		return badRequest("the resources of another app are not served by this gateway; leave out its AppID")
	}
	return nil
}

// arguments makes one object of a call's arguments.
func arguments(pairs []keyValuePair) (gjson.Result, error) {
	object := []byte{'{'}
	for i, pair := range pairs {
		if jsonscan.Check(pair.value) != nil {
			return gjson.Result{}, badRequest("the argument %.100s is no JSON text", pair.key)
		}
		if i > 0 {
			object = append(object, ',')
		}
		object = append(gjson.AppendJSONString(object, pair.key), ':')
		object = append(object, pair.value...)
	}
	return gjson.ParseBytes(append(object, '}')), nil
}
