package wechat_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// What must never be seen in an error, in the shapes that WeChat gives them.
const (
	secretValue  = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	tokenValue   = "88_TokenTokenTokenTokenTokenTokenTokenTokenTokenTokenTokenTokenToken-A1b2C3"
	openidValue  = "oOpenidOpenidOpenidOpenidOpe"
	cloudIDValue = "27_CloudidCloudidCloudidCloudidCloudidCloudidCloudidCloudidClo"
	codeValue    = "0c1CodeCodeCodeCodeCodeCodeCode0"
	dataValue    = "13580006666"
)

var needles = []string{secretValue, tokenValue, openidValue, cloudIDValue, codeValue, dataValue}

// hostileCalls are all calls that hold something to keep.
var hostileCalls = map[string]func(context.Context, *wechat.Client, string) error{
	wechat.APIGetOpenData: func(ctx context.Context, c *wechat.Client, _ string) error {
		_, err := c.GetOpenData(ctx, tokenValue, openidValue, []string{cloudIDValue})
		return err
	},
	wechat.APIGetVoIPSign: func(ctx context.Context, c *wechat.Client, _ string) error {
		_, err := c.GetVoIPSign(ctx, tokenValue, openidValue, wechat.VoIPSignRequest{GroupID: "g", Nonce: "n", Timestamp: 1})
		return err
	},
	wechat.APIStableToken: func(ctx context.Context, c *wechat.Client, _ string) error {
		_, err := c.StableToken(ctx, "wx1", secretValue)
		return err
	},
	wechat.APIServiceToken: func(ctx context.Context, c *wechat.Client, endpoint string) error {
		withUser := strings.Replace(endpoint, "http://", "http://me:"+codeValue+"@", 1)
		_, err := c.ServiceToken(ctx, withUser+"/"+tokenValue+"?secret="+secretValue)
		return err
	},
	wechat.APIJSCode2Session: func(ctx context.Context, c *wechat.Client, _ string) error {
		_, err := c.JSCode2Session(ctx, "wx1", secretValue, codeValue)
		return err
	},
	wechat.APIRelay: func(ctx context.Context, c *wechat.Client, _ string) error {
		_, err := c.Relay(ctx, tokenValue, wechat.RelayRequest{
			Method: "POST", Path: "/wxa/msg_sec_check", Query: "openid=" + openidValue, Body: []byte(dataValue),
		})
		return err
	},
}

// A server may say back all that it was told, anywhere. ECHO stands for the request's line and body in one line, URL for the
// URL it asked for, WORDS for everything secret as separate words, DEEP for whole JSON.
var echoes = map[string]string{
	"errmsg":                         "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errcode\":40001,\"errmsg\":\"invalid credential, ECHO\"}",
	"errmsg, as the request id":      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errcode\":40003,\"errmsg\":\"invalid openid rid: SECRET\"}",
	"errmsg, as a request id's head": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errcode\":40003,\"errmsg\":\"invalid openid rid: TOKEN\"}",
	"errmsg, as the zone of an IP":   "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errcode\":40164,\"errmsg\":\"invalid ip fe80::1%TOKEN, not in whitelist\"}",
	"errmsg of an unknown errcode":   "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errcode\":99999,\"errmsg\":\"ECHO\"}",
	"errcode":                        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errcode\":\"ECHO\",\"errmsg\":\"\"}",
	"a page":                         "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>ECHO</html>",
	"a page with status 500":         "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\n<html>ECHO</html>",
	"the status text":                "HTTP/1.1 502 ECHO\r\nConnection: close\r\n\r\n",
	"a bad status":                   "HTTP/1.1 ECHO\r\n\r\n",
	"a bad status code":              "HTTP/1.1 TOKEN OK\r\n\r\n",
	"the protocol":                   "ECHO\r\n\r\n",
	"a header":                       "HTTP/1.1 500 X\r\nX-Echo: ECHO\r\nConnection: close\r\n\r\n",
	"a line that is no header":       "HTTP/1.1 200 OK\r\nTOKEN SECRET CLOUDID OPENID\r\n\r\n",
	"a bad header name":              "HTTP/1.1 200 OK\r\nTOKEN\x01SECRET: x\r\n\r\n",
	"a bad Content-Length":           "HTTP/1.1 200 OK\r\nContent-Length: ECHO\r\n\r\n",
	"two Content-Lengths":            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: TOKEN\r\n\r\n",
	"an unknown Transfer-Encoding":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n",
	"a bad chunk":                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nTOKEN\r\n",
	"a redirect":                     "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/?ECHO\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"a redirect to nowhere":          "HTTP/1.1 302 Found\r\nLocation: http://[TOKEN%zz/SECRET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"a redirect to no scheme":        "HTTP/1.1 307 X\r\nLocation: :OPENID CLOUDID DATA SECRET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"a cookie":                       "HTTP/1.1 403 X\r\nSet-Cookie: a=TOKEN\r\nConnection: close\r\n\r\n",
	"a trailer":                      "HTTP/1.1 200 OK\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTOKEN SECRET\r\n\r\n",
	"half a response":                "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"errmsg\":\"ECHO",
	"open data in a broken response": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errcode\":0,\"data_list\":{\"CLOUDID\":\"DATA\"}}",
	"nothing":                        "",
}

func TestNoErrorSaysWhatMustBeKept(t *testing.T) {
	for where, template := range echoes {
		for api, call := range hostileCalls {
			t.Run(where+"/"+api, func(t *testing.T) {
				var heard atomic.Value // each connection has a goroutine, and one that only ends orders nothing
				endpoint := rawServer(t, func(request string) (string, bool) {
					heard.Store(request)
					return fill(template, request), false
				})
				client, seen := newClient(t, endpoint)
				err := call(within(t), client, endpoint)
				if err == nil && api != wechat.APIRelay { // to which most responses are responses
					t.Fatal("this should fail")
				}
				if text, _ := heard.Load().(string); !saysAny(text) {
					t.Fatal("the server was told nothing to keep: the test is blind")
				}
				keepsQuiet(t, err)
				for _, told := range seen.all() {
					keepsQuiet(t, told.Err)
				}
			})
		}
	}
}

// fill puts what the server heard into a response.
func fill(template, request string) string {
	oneLine := strings.NewReplacer("\r", " ", "\n", " ", `"`, `'`).Replace(request)
	oneLine, _ = url.PathUnescape(oneLine)
	return strings.NewReplacer("ECHO", strings.Join(append(needles, oneLine), " "), "SECRET", secretValue, "TOKEN", tokenValue,
		"OPENID", openidValue, "CLOUDID", cloudIDValue, "DATA", dataValue).Replace(template)
}

func TestNoErrorOfTheNetworkSaysWhatMustBeKept(t *testing.T) {
	for sentence, endpoint := range map[string]string{
		"nobody listens":         "http://127.0.0.1:1",
		"nobody has that name":   "http://nobody.invalid",
		"that is no port":        "http://127.0.0.1:99999",
		"that speaks no TLS":     "https" + strings.TrimPrefix(rawServer(t, func(r string) (string, bool) { return r, false }), "http"),
		"that never answers":     rawServer(t, func(string) (string, bool) { time.Sleep(200 * time.Millisecond); return "", false }),
		"that is no host at all": "http://a b",
	} {
		for api, call := range hostileCalls {
			t.Run(sentence+"/"+api, func(t *testing.T) {
				client, err := wechat.New(endpoint, func(call wechat.Call) { keepsQuiet(t, call.Err) })
				if err != nil {
					keepsQuiet(t, err)
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				err = call(ctx, client, endpoint)
				if err == nil {
					t.Fatal("this should fail")
				}
				keepsQuiet(t, err)
			})
		}
	}
}

// keepsQuiet looks for what must be kept in all that an error can be made to say.
func keepsQuiet(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	said := []string{wechat.Advice(err), wechat.MetricLabel(err)}
	for e := err; e != nil; e = errors.Unwrap(e) {
		said = append(said, e.Error(), fmt.Sprintf("%v", e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e), fmt.Sprintf("%q", e))
	}
	for _, text := range said {
		if saysAny(text) {
			t.Errorf("it says too much: %s", text)
		}
		if len(text) > 1000 {
			t.Errorf("it says far too much: %d bytes", len(text))
		}
	}
}

// saysAny reports whether a text holds one of the needles, a good part of it, or another spelling.
func saysAny(text string) bool {
	for _, needle := range needles {
		const part = 10
		for i := 0; i+part <= len(needle); i++ {
			if strings.Contains(text, needle[i:i+part]) {
				return true
			}
		}
		if strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("me:"+needle))) {
			return true
		}
	}
	return false
}
