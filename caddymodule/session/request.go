package session

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

const (
	// maxBody bounds the body of a login, in bytes.
	maxBody = 4 << 10

	// maxCode bounds a login code, in bytes. WeChat's have 32 characters, and no documented limit.
	maxCode = 512
)

// readCode returns the code that a login request brings. Its errors carry their HTTP status.
func readCode(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "", caddyhttp.Error(http.StatusMethodNotAllowed, errors.New("a login is a POST request"))
	}
	mediaType, err := httpbody.JSON.ContentType(r.Header)
	if err != nil {
		return "", err
	}
	if !mediaType.JSON || httpbody.Coding(r.Header) != "" {
		return "", caddyhttp.Error(http.StatusUnsupportedMediaType,
			errors.New("a login is plain JSON in utf-8; send it with Content-Type: application/json and no Content-Encoding"))
	}
	body, err := httpbody.Read(r, maxBody, "the body of a login")
	if err != nil {
		return "", err
	}
	defer bufpool.Put(body)
	code, err := codeIn(body)
	if err != nil {
		return "", caddyhttp.Error(http.StatusBadRequest, err)
	}
	return code, nil
}

func codeIn(body []byte) (string, error) {
	if err := jsonscan.Check(body); err != nil {
		return "", fmt.Errorf("%w; send an object with the code that wx.login gave as its member code", err)
	}
	code := gjson.GetBytes(body, "code")
	switch {
	case code.Type != gjson.String:
		return "", errors.New("the body has no member code that is a string; send an object with the code that wx.login gave")
	case code.Str == "":
		return "", errors.New("the code is empty; send the one that wx.login gave")
	case len(code.Str) > maxCode:
		return "", fmt.Errorf("the code is longer than %d bytes; send the one that wx.login gave", maxCode)
	}
	return code.Str, nil
}
