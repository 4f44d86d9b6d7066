package functionapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/tidwall/gjson"
)

// serveWeChat is the dialect of code written for WeChat Cloud Run, which calls http://api.weixin.qq.com without a token of
// its own: WeChat's shapes, whatever the body's Content-Type says, and errors as errcode in an answer with status 200.
func (h *Handler) serveWeChat(w http.ResponseWriter, r *http.Request, answer apiFunc) error {
	body, err := h.handleWeChat(w, r, answer)
	if err == nil {
		return write(w, http.StatusOK, weChatJSON, body)
	}
	refused, ok := errors.AsType[*rejection](err)
	if !ok {
		return err
	}
	status := http.StatusOK
	switch refused.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		status = refused.status // the gateway's own word, which WeChat has no errcode for
	}
	return rejectWeChat(w, status, refused)
}

// weChatJSON is the Content-Type of WeChat's answers; the parameter's odd name is theirs.
const weChatJSON = "application/json; encoding=utf-8"

func rejectWeChat(w http.ResponseWriter, status int, refused *rejection) error {
	return writeJSON(w, status, weChatJSON, weChatError{refused.errcode, refused.reason})
}

type weChatError struct {
	ErrCode int    `json:"errcode"`
	ErrMsg  string `json:"errmsg"`
}

func (h *Handler) handleWeChat(w http.ResponseWriter, r *http.Request, answer apiFunc) ([]byte, error) {
	if err := onlyPOST(w, r); err != nil {
		return nil, err
	}
	claims, err := parseClaims(r)
	if err != nil {
		return nil, err
	}
	openid, err := h.user(r, claims)
	if err != nil {
		return nil, err
	}
	if err := h.checkAppID(r.URL.Query().Get("from_appid")); err != nil {
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
	return answer(r.Context(), openid, args)
}

// weChatOpenData answers {"cloudid_list":["<CloudID>",…]} with a data_list. As with WeChat, an exchange that failed as a
// whole has an errcode instead.
func (h *Handler) weChatOpenData(ctx context.Context, openid string, args gjson.Result) ([]byte, error) {
	list := args.Get("cloudid_list").Array()
	if len(list) == 0 || !args.Get("cloudid_list").IsArray() {
		return nil, badRequest("cloudid_list must be an array with at least one CloudID")
	}
	var ids []string
	for i, id := range list {
		if id.Type != gjson.String {
			return nil, badRequest("cloudid_list[%d] must be a string, not %s", i, jsTypeOf(id))
		}
		ids = append(ids, id.String())
	}
	result, err := h.resolve(ctx, openid, ids)
	if err != nil {
		return nil, err
	}
	if result.Err != nil {
		return nil, exchangeFailed(result.Err)
	}
	answer := []byte(`{"errcode":0,"errmsg":"ok","data_list":[`)
	for i, one := range result.OpenData {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = gjson.AppendJSONString(append(answer, `{"cloud_id":`...), ids[i])
		answer = gjson.AppendJSONString(append(answer, `,"json":`...), string(one.JSON))
		answer = append(answer, '}')
	}
	return append(answer, `]}`...), nil
}

// weChatVoIPSign answers {"group_id","nonce","timestamp"}.
func (h *Handler) weChatVoIPSign(ctx context.Context, openid string, args gjson.Result) ([]byte, error) {
	request, err := signRequest(args.Get("group_id"), args.Get("nonce"), args.Get("timestamp"))
	if err != nil {
		return nil, err
	}
	signature, err := h.sign(ctx, openid, request)
	if err != nil {
		return nil, err
	}
	answer := gjson.AppendJSONString([]byte(`{"errcode":0,"errmsg":"ok","signature":`), signature)
	return append(answer, '}'), nil
}
