package functionapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

// serveWeChat is the dialect of code written for WeChat Cloud Run, which calls http://api.weixin.qq.com without a token of
// its own: WeChat's shapes, whatever the body's Content-Type says, and errors as errcode in a response with status 200.
func (h *Handler) serveWeChat(w http.ResponseWriter, r *http.Request, serve apiFunc) error {
	body, err := h.handleWeChat(w, r, serve)
	if err == nil {
		return write(w, http.StatusOK, weChatJSON, body)
	}
	rejected, ok := errors.AsType[*rejection](err)
	if !ok {
		return err
	}
	status := http.StatusOK
	switch rejected.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		status = rejected.status // the gateway's own word, which WeChat has no errcode for
	}
	return rejectWeChat(w, status, rejected)
}

// weChatJSON is the Content-Type of WeChat's responses; the parameter's odd name is theirs.
const weChatJSON = "application/json; encoding=utf-8"

func rejectWeChat(w http.ResponseWriter, status int, rejected *rejection) error {
	return writeJSON(w, status, weChatJSON, weChatError{rejected.errcode, rejected.reason})
}

type weChatError struct {
	ErrCode int    `json:"errcode"`
	ErrMsg  string `json:"errmsg"`
}

func (h *Handler) handleWeChat(w http.ResponseWriter, r *http.Request, serve apiFunc) ([]byte, error) {
	if err := onlyPOST(w, r); err != nil {
		return nil, err
	}
	claims, err := parseClaims(r)
	if err != nil {
		return nil, err
	}
	user, err := h.user(r, claims)
	if err != nil {
		return nil, err
	}
	if err := h.checkAppID(r.URL.Query().Get("from_appid")); err != nil {
		return nil, err
	}
	body, release, err := h.readBody(r, maxBody)
	if err != nil {
		return nil, err
	}
	defer release()
	args, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	return serve(r.Context(), user, args)
}

// weChatOpenData serves {"cloudid_list":["<CloudID>",…]} with a data_list. As with WeChat, an exchange that failed as a
// whole has an errcode instead.
func (h *Handler) weChatOpenData(ctx context.Context, user usertoken.User, args gjson.Result) ([]byte, error) {
	list := args.Get("cloudid_list")
	if !list.IsArray() {
		return nil, errNoCloudIDs()
	}
	ids, err := stringList(list, func(i int, id gjson.Result) error {
		return badRequest("cloudid_list[%d] must be a string, not %s", i, jsTypeOf(id))
	})
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, errNoCloudIDs()
	}
	result, err := h.resolve(ctx, user.OpenID, ids)
	if err != nil {
		return nil, err
	}
	if result.Err != nil {
		return nil, exchangeFailed(result.Err)
	}
	response := []byte(`{"errcode":0,"errmsg":"ok","data_list":[`)
	for i, one := range result.OpenData {
		if i > 0 {
			response = append(response, ',')
		}
		response = gjson.AppendJSONString(append(response, `{"cloud_id":`...), ids[i])
		response = gjson.AppendJSONString(append(response, `,"json":`...), string(one.JSON))
		response = append(response, '}')
	}
	return append(response, `]}`...), nil
}

func errNoCloudIDs() error {
	return badRequest("cloudid_list must be an array with at least one CloudID")
}

// weChatVoIPSign serves {"group_id","nonce","timestamp"}.
func (h *Handler) weChatVoIPSign(ctx context.Context, user usertoken.User, args gjson.Result) ([]byte, error) {
	request, err := signRequest(args.Get("group_id"), args.Get("nonce"), args.Get("timestamp"))
	if err != nil {
		return nil, err
	}
	signature, err := h.sign(ctx, user.OpenID, request)
	if err != nil {
		return nil, err
	}
	response := gjson.AppendJSONString([]byte(`{"errcode":0,"errmsg":"ok","signature":`), signature)
	return append(response, '}'), nil
}
