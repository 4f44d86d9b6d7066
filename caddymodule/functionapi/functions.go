package functionapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// maxDepth is how many calls of one function by another may lie between a function and the user, or the timer, that began.
	maxDepth = 10

	// functionIdle is how long a connection to functions is kept. Node.js closes its side after five seconds.
	functionIdle = 3 * time.Second

	// nameInURL stands for the name in `functions <url>`.
	nameInURL = "{name}"

	// sourceOfUser and sourceOfNobody tell a function that another function called it, after a user's call or a timer's.
	sourceOfUser   = "wx_client,scf"
	sourceOfNobody = "scf"
)

// functionTimeout is how long a function may take: as long as the cloud lets the longest of them. Tests change it.
var functionTimeout = 60 * time.Second

// functionName is what a function may be called, so that its name is one segment of a path and nothing else.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)

// functionClient calls functions by name.
type functionClient struct {
	url  string // with nameInURL
	http *http.Client
}

func newFunctionClient(setting string) (*functionClient, error) {
	text, err := placeholder.Known("functions", setting, checkFunctionURL)
	if err != nil {
		return nil, err
	}
	return &functionClient{text, &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 32,
			IdleConnTimeout:     functionIdle,
		},
		// A redirect would carry the invocation token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// checkFunctionURL returns an error, for an operator, unless text is the URL of functions.
func checkFunctionURL(text string) error {
	const example = "such as http://127.0.0.1:3000/{name}"
	if !strings.Contains(text, nameInURL) {
		return fmt.Errorf("must have {name} in its path, which stands for the function's name, %s", example)
	}
	const name = "name-of-the-function"
	u, err := url.Parse(strings.ReplaceAll(text, nameInURL, name))
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsAny(u.Path, "{}"):
		return fmt.Errorf("must be a URL %s", example)
	case strings.Contains(u.Host, name) || !strings.Contains(u.Path, name):
		return fmt.Errorf("must have {name} in its path and not in its host, %s", example)
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("must have no user and no fragment, %s", example)
	}
	return nil
}

func (c *functionClient) close() { c.http.CloseIdleConnections() }

// callFunction serves {"name","data"}.
func (h *Handler) callFunction(ctx context.Context, user usertoken.User, args gjson.Result) ([]byte, error) {
	data := args.Get("data")
	event := data.Raw
	if !data.Exists() {
		event = "{}"
	}
	result, err := h.invoke(ctx, user, args.Get("name"), []byte(event))
	if err != nil {
		return nil, err
	}
	response := append([]byte(`{"result":`), result...)
	return append(response, `,"errCode":0,"errMsg":"callFunction:ok"}`...), nil
}

// invoke calls the function of a name with an event, and returns its result as a JSON text; null, if it has none.
func (h *Handler) invoke(ctx context.Context, user usertoken.User, name gjson.Result, event []byte) ([]byte, error) {
	switch {
	case h.functions == nil:
		return nil, reject(
			http.StatusNotImplemented, codeFunctionRequest, codeUnknownAPI,
			"cloud.callFunction is not served by this gateway: add the line `functions <url>` to cloudid_api, such as functions http://127.0.0.1:3000/{name}")
	case !functionName.MatchString(name.Str): // "" of what is no string
		return nil, reject(
			http.StatusBadRequest, codeInvalidParameter, 40097,
			"the name of the function must have 1 to 64 letters, digits, _ and -, and not begin with -")
	case user.Depth >= maxDepth:
		return nil, reject(
			http.StatusLoopDetected, codeFunctionRequest, 40097,
			fmt.Sprintf("functions have called each other %d times for this call, and no more are allowed", maxDepth))
	}
	user.Depth++
	header, err := h.functionHeader(user)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, functionTimeout)
	defer cancel()
	response, body, err := h.functions.post(ctx, name.Str, header, event) //nolint:bodyclose // post has read and closed it
	if err != nil {
		return nil, functionError(ctx, err)
	}
	return functionResult(response, body)
}

// functionHeader is what a function finds that another called: what the gateway gives those that users call, with a token of its
// own.
func (h *Handler) functionHeader(user usertoken.User) (http.Header, error) {
	header := http.Header{
		"Content-Type":        {"application/json"},
		"User-Agent":          {"caddy-cloudid"},
		"X-Wx-Appid":          {h.account.AppID()},
		"X-Wx-Source":         {sourceOfNobody},
		"X-Wx-Open-Data-Info": {`{"keys":[]}`},
	}
	sign := func() (string, error) { return h.account.UnattendedToken(user.Depth) }
	if user.OpenID != "" {
		header.Set("X-Wx-Source", sourceOfUser)
		header.Set("X-Wx-Openid", user.OpenID)
		sign = func() (string, error) { return h.account.InvocationToken(user) }
	}
	if user.UnionID != "" {
		header.Set("X-Wx-Unionid", user.UnionID)
	}
	token, err := sign()
	if err != nil {
		return nil, err
	}
	if token != "" {
		header.Set("X-Wx-Cloudbase-Access-Token", token)
	}
	return header, nil
}

func (c *functionClient) post(ctx context.Context, name string, header http.Header, event []byte) (*http.Response, []byte, error) {
	target := strings.ReplaceAll(c.url, nameInURL, name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(event))
	if err != nil {
		return nil, nil, err
	}
	req.Header = header
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return res, nil, nil // whose body is the connection, without an end
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRelayedBody+1))
	return res, body, err
}

// functionError rejects a call that got no response.
func functionError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return reject(http.StatusGatewayTimeout, codeFunctionTimeout, -1, "the function did not respond in time")
	}
	if ctx.Err() != nil {
		return contextError(ctx.Err())
	}
	reason := "the function's connection ended before its response did"
	if fault, ok := errors.AsType[*net.OpError](err); ok && fault.Op == "dial" {
		reason = "the function could not be reached; `functions` in cloudid_api says where functions are"
	}
	return reject(http.StatusBadGateway, codeFunctionRequest, -1, reason)
}

// functionResult makes a result, as a JSON text, of what a function responds: JSON is itself, a text is a string and never a
// number, an object or an array without a Content-Type is itself too, nothing is null.
func functionResult(response *http.Response, body []byte) ([]byte, error) {
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode < 200 || response.StatusCode > 299:
		return nil, functionFailed(fmt.Sprintf("the function responded with status %d%s", response.StatusCode, quoted(body)))
	case len(body) > maxRelayedBody:
		return nil, reject(http.StatusBadGateway, codeTooLarge, codeTooLarge, "the function's result is larger than 10 MiB")
	case len(body) == 0:
		return []byte("null"), nil
	case httpbody.AnyJSON.Match(mediaType):
		if jsonscan.Check(body) != nil {
			return nil, functionFailed("the function's result is called JSON and is none")
		}
		return body, nil
	case response.Header.Get("Content-Type") == "" && isObjectOrArray(body):
		return body, nil // Node's http sends no type by itself; the client module reads it so, too
	case !utf8.Valid(body):
		return nil, functionFailed("the function's result is neither JSON nor text")
	default:
		return gjson.AppendJSONString(nil, string(body)), nil
	}
}

func isObjectOrArray(body []byte) bool {
	text := bytes.TrimLeft(body, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[') && jsonscan.Check(body) == nil
}

func functionFailed(reason string) error {
	return reject(http.StatusBadGateway, codeFunctionFailed, -1, reason)
}

// quoted is the beginning of what a function said, for the function that called it: the message alone where there is one, which
// @cloudbase/functions-framework has in the first line of a stack.
func quoted(body []byte) string {
	const longest = 300
	if gjson.ValidBytes(body[:min(maxBody, len(body))]) {
		for _, name := range []string{"stack", "message"} {
			if message := gjson.GetBytes(body, name); message.Type == gjson.String {
				line, _, _ := strings.Cut(message.Str, "\n")
				body = []byte(line)
				break
			}
		}
	}
	text := strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == utf8.RuneError {
			return ' '
		}
		return c
	}, string(body[:min(longest, len(body))])))
	if text == "" {
		return ""
	}
	return ": " + text
}

// functionMessages are the errMsgs of wx-server-sdk for the codes of calls of functions.
var functionMessages = map[int]string{
	codeInvalidParameter: "invalid parameters",
	codeFunctionTimeout:  "resource server timeout",
	codeFunctionRequest:  "functions request fail",
	codeFunctionFailed:   "functions execute fail",
	codeTooLarge:         "cloudfunction result size exceed limit",
	wechat.CodeDenied:    "api permission denied",
}
