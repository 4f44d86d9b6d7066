package functionapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// sdkRejection is the one Content-Type by which wx-server-sdk tells JSON from protobuf, letter by letter. What has it is
	// a rejection; a response to wx.openApi must never have it.
	sdkRejection = "application/json; charset=utf-8"

	sdkResponse = "application/octet-stream"
)

// actionWeChat is the action of calls of WeChat's API; the others are Tencent's cloud: database, storage, functions.
const actionWeChat = "wx.openApi"

// serveSDK is the dialect of the unmodified wx-server-sdk. All rejections have status 200: the SDK shows their errcode and
// errmsg then, while of another status it shows nothing but the number and the URL.
func (h *Handler) serveSDK(w http.ResponseWriter, r *http.Request) error {
	call, body, err := h.handleSDK(w, r)
	if err == nil {
		contentType := sdkResponse
		if call.action != actionWeChat {
			contentType = sdkRejection
		}
		return write(w, http.StatusOK, contentType, body)
	}
	rejected, ok := errors.AsType[*rejection](err)
	if !ok {
		return err
	}
	if call.action != "" && call.action != actionWeChat {
		return rejectCloud(w, r, call, rejected)
	}
	status, object := http.StatusOK, weChatError{rejected.code, rejected.reason}
	if rejected.status == http.StatusMethodNotAllowed {
		status = rejected.status // this is not the SDK
	}
	if call.isOpenAPI() {
		object.ErrCode = openAPICode(rejected)
	}
	return writeJSON(w, status, sdkRejection, object)
}

// openAPICode is the errCode of a rejection for cloud.openapi: that of WeChat's cloud where it has one, else that of the API.
func openAPICode(r *rejection) int {
	switch {
	case r.status == http.StatusUnauthorized:
		return codeIllegalSource
	case r.errcode == -1 && r.status == http.StatusGatewayTimeout:
		return codeOpenAPITimeout
	case r.errcode == -1 && r.code != 0:
		return codeOpenAPIError
	default:
		return r.errcode
	}
}

func (h *Handler) handleSDK(w http.ResponseWriter, r *http.Request) (call sdkCall, response []byte, err error) {
	if err = onlyPOST(w, r); err != nil {
		return call, nil, err
	}
	body, release, err := h.readBody(r, maxSDKBody)
	if err != nil {
		return call, nil, err
	}
	defer release()
	isJSON, err := readJSONType(r.Header)
	if err != nil {
		return call, nil, err
	}
	if isJSON {
		return h.handleCloud(r, body)
	}
	if call, err = readCall(r.Header.Get("Content-Type"), body); err != nil {
		return call, nil, err
	}
	if call.action != actionWeChat {
		return call, nil, unsupported(unservedReason(call.action))
	}
	switch {
	case call.apiName == "ApiGetOpenDataByCloudId":
		response, err = h.sdkOpenData(r, call)
	case call.apiName == "ApiVoipSign":
		response, err = h.sdkVoIPSign(r, call)
	case call.apiName == "cloudbase.getOpenData":
		response, err = h.sdkBuiltin(r, call, h.weChatOpenData)
	case call.apiName == "cloudbase.getVoIPSign":
		response, err = h.sdkBuiltin(r, call, h.weChatVoIPSign)
	case call.isOpenAPI():
		response, err = h.sdkOpenAPI(r, call)
	default:
		err = unsupported(unservedReason(call.apiName))
	}
	return call, response, err
}

// isOpenAPI reports whether an API of WeChat's server API is called, as cloudbase.getOpenData; services within WeChat have
// names without a dot.
func (c sdkCall) isOpenAPI() bool { return strings.Contains(c.apiName, ".") }

// sdkClaims is what a call says of its user, given what its message says of one.
func (h *Handler) sdkClaims(r *http.Request, token, openid string) (claims, error) {
	claims, err := parseClaims(r)
	if err != nil {
		return claims, err
	}
	claims.tokens = append(claims.tokens, token)
	claims.openids = append(claims.openids, openid)
	if len(nonEmpty(claims.tokens)) == 0 && !h.isTrusted(r) {
		return claims, unauthorized("the SDK sent no token of this call: the environment needs WX_API_TOKEN, " +
			"with the value of the header X-WX-CLOUDBASE-ACCESS-TOKEN, and WX_CONTEXT_KEYS, naming it; the preload sets both")
	}
	return claims, nil
}

// sdkUser returns a call's user.
func (h *Handler) sdkUser(r *http.Request, call sdkCall, openid string) (usertoken.User, error) {
	claims, err := h.sdkClaims(r, call.token, openid)
	if err != nil {
		return usertoken.User{}, err
	}
	return h.user(r, claims)
}

// sdkCaller returns a call's user, or nobody, for what needs no user.
func (h *Handler) sdkCaller(r *http.Request, call sdkCall) (usertoken.User, error) {
	claims, err := h.sdkClaims(r, call.token, "")
	if err != nil {
		return usertoken.User{}, err
	}
	return h.caller(r, claims)
}

// sdkOpenData serves cloud.getOpenData. Whatever failed rides inside the list, which is how the SDK wants it.
func (h *Handler) sdkOpenData(r *http.Request, call sdkCall) ([]byte, error) {
	user, reqData, err := h.readSvrkitCall(r, call)
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
	result, err := h.resolve(r.Context(), user.OpenID, req.cloudIDs)
	if err != nil {
		return nil, err
	}
	return encodeCommOpenAPIResp(encodeOpenDataResp(req.cloudIDs, result.OpenData), ""), nil
}

// sdkVoIPSign serves cloud.getVoIPSign.
func (h *Handler) sdkVoIPSign(r *http.Request, call sdkCall) ([]byte, error) {
	user, reqData, err := h.readSvrkitCall(r, call)
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
	signature, err := h.sign(r.Context(), user.OpenID, request)
	if err != nil {
		return nil, err
	}
	return encodeCommOpenAPIResp(encodeVoIPSignResp(signature), ""), nil
}

// sdkBuiltin serves the APIs of cloud.openapi.cloudbase that the gateway has itself, whose arguments and responses are those of
// WeChat's server API.
func (h *Handler) sdkBuiltin(r *http.Request, call sdkCall, serve apiFunc) ([]byte, error) {
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
	user, err := h.sdkUser(r, call, args.Get("openid").String())
	if err != nil {
		return nil, err
	}
	body, err := serve(r.Context(), user, args)
	if err != nil {
		return nil, err
	}
	return encodeCommOpenAPIResp(body, "application/json"), nil
}

// readSvrkitCall reads a call of a service within WeChat, which names itself twice: who makes it, and what with.
func (h *Handler) readSvrkitCall(r *http.Request, call sdkCall) (user usertoken.User, reqData []byte, err error) {
	if user, err = h.sdkUser(r, call, ""); err != nil {
		return user, nil, err
	}
	data, err := decodeCommAPIData(call.requestData)
	if err != nil {
		return user, nil, badRequest("%v", err)
	}
	if data.svrkit.apiName != call.apiName {
		return user, nil, badRequest("requestData is not a call of %s", call.apiName)
	}
	return user, data.svrkit.reqData, h.checkAppID(data.appid)
}

// checkAppID rejects calls for another app than the account's: the response would be this app's.
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
			return gjson.Result{}, badRequest("the argument %s is no JSON text", wechat.PrintableName(pair.key))
		}
		if i > 0 {
			object = append(object, ',')
		}
		object = append(gjson.AppendJSONString(object, pair.key), ':')
		object = append(object, pair.value...)
	}
	return gjson.ParseBytes(append(object, '}')), nil
}
