package session

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tidwall/gjson"

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
		return "", caddyhttp.Error(http.StatusMethodNotAllowed, fmt.Errorf("a login is a POST, not a %.20q", r.Method))
	}
	if !plainJSON(r.Header) {
		return "", caddyhttp.Error(http.StatusUnsupportedMediaType,
			errors.New("a login is plain JSON in utf-8; send it with Content-Type: application/json and no Content-Encoding"))
	}
	body, err := readBody(r)
	if err != nil {
		return "", err
	}
	code, err := codeIn(body)
	if err != nil {
		return "", caddyhttp.Error(http.StatusBadRequest, err)
	}
	return code, nil
}

func plainJSON(header http.Header) bool {
	types := header.Values("Content-Type")
	if len(types) != 1 || header.Get("Content-Encoding") != "" {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	charset, named := params["charset"]
	return err == nil && mediaType == "application/json" && (!named || strings.EqualFold(charset, "utf-8"))
}

// readBody reads to the end: only then does net/http notice that a client goes away.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if len(body) > maxBody {
		return nil, caddyhttp.Error(http.StatusRequestEntityTooLarge, fmt.Errorf("the body of a login has at most %d bytes", maxBody))
	}
	if err == nil {
		return body, nil
	}
	if refused, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return nil, refused // by request_body, which has a limit of its own
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, caddyhttp.Error(http.StatusRequestTimeout, errors.New("the body did not arrive in time"))
	}
	return nil, caddyhttp.Error(http.StatusBadRequest, errors.New("the body broke off"))
}

func codeIn(body []byte) (string, error) {
	if err := jsonscan.Check(body); err != nil {
		return "", fmt.Errorf(`%w; send {"code":"<code>"}, with the code that wx.login gave`, err)
	}
	code := gjson.GetBytes(body, "code")
	switch {
	case code.Type != gjson.String:
		return "", errors.New(`the body has no string "code"; send {"code":"<code>"}, with the code that wx.login gave`)
	case code.Str == "":
		return "", errors.New("the code is empty; send the one that wx.login gave")
	case len(code.Str) > maxCode:
		return "", fmt.Errorf("the code is longer than %d bytes; send the one that wx.login gave", maxCode)
	}
	return code.Str, nil
}
