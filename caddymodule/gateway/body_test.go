package gateway_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

// verdict is a call and what is to become of it.
type verdict struct {
	name   string
	call   call
	status int    // 200: the request is forwarded
	body   string // what the function receives; default: what was sent
}

// check runs one subtest a verdict.
func (g *testGateway) check(verdicts []verdict) {
	g.t.Helper()
	for _, v := range verdicts {
		g.t.(*testing.T).Run(v.name, func(t *testing.T) {
			r := g.in(t).do(v.call)
			if v.status != http.StatusOK {
				r.rejected(v.status)
				return
			}
			if v.body == "" {
				v.body = v.call.body
			}
			r.forwarded(v.body)
		})
	}
}

func zipped(text string) string {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return buffer.String()
}

func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
}

func TestContentTypeDecidesWhatIsJSON(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	// Forwarded untouched for the one reason that it is no event: a CloudID in it stays a string.
	const form, text = "weRunData=" + steps, `"` + steps + `"`
	with := func(kind, body string) call { return call{kind: kind, body: body} }
	g.check([]verdict{
		{"application/json is JSON", with("application/json", example), 200, resolved},
		{"letter case and parameters do not matter", with("Application/JSON ; Charset=UTF-8", example), 200, resolved},
		{"text/json is JSON", with("text/json", example), 200, resolved},
		{"any +json is JSON", with("application/vnd.api+json; ext=x", example), 200, resolved},
		{"CloudEvents' structured mode is JSON", with("application/cloudevents+json", example), 200, resolved},
		{"without a Content-Type a brace makes it JSON", with("-", example), 200, resolved},
		{"without a Content-Type space before the brace does not hide it", with("-", " \t\r\n"+example), 200, " \t\r\n" + resolved},
		{"nor do a thousand spaces", with("-", strings.Repeat(" ", 1000)+example), 200, strings.Repeat(" ", 1000) + resolved},
		{"nor does a byte order mark, and that is rejected", with("-", "\xEF\xBB\xBF"+example), 400, ""},
		{"nor does UTF-16", with("-", "\xFF\xFE{\x00}\x00"), 400, ""},
		{"nor does UTF-32 without a mark", with("-", "\x00\x00\x00{\x00\x00\x00}"), 400, ""},
		{"nor does UTF-16 behind much space", with("-", strings.Repeat("\x00 ", 600)+"\x00{\x00}"), 400, ""},
		{"an empty Content-Type is none", call{kind: "-", header: map[string]string{"Content-Type": ""}, body: example}, 200, resolved},
		{"nor does gzip", call{kind: "-", body: zipped(" " + example), header: map[string]string{"Content-Encoding": "gzip"}}, 200, " " + resolved},
		{"without a Content-Type other text is none", with("-", text), 200, ""},
		{"nor is an array", with("-", "["+text+"]"), 200, ""},
		{"nor are zeros without end", with("-", strings.Repeat("\x00", 3<<20)), 200, ""},
		{"a form is not JSON", with("application/x-www-form-urlencoded", form), 200, ""},
		{"a multipart form is not JSON", with("multipart/form-data; boundary=b", "--b\r\n\r\n"+example+"\r\n--b--\r\n"), 200, ""},
		{"text/plain is not JSON", with("text/plain", example), 200, ""},
		{"octets are not JSON", with("application/octet-stream", example), 200, ""},
		{"lines of JSON are not JSON", with("application/x-ndjson", example+"\n"+example), 200, ""},
		{"other types have no limit", with("application/octet-stream", strings.Repeat("x", 3<<20)), 200, ""},
		{"other types may be damaged text", with("text/plain", "\xFF\xFE{"), 200, ""},
		{"other types may have any coding", call{kind: "text/plain", header: map[string]string{"Content-Encoding": "br"}, body: "x"}, 200, ""},
		{"a charset other than utf-8 is rejected", with("application/json; charset=utf-7", example), 415, ""},
		{"also one of the usual ones", with("application/json; charset=iso-8859-1", example), 415, ""},
		{"also in the extended notation", with("application/json; charset*=utf-8''utf-16", example), 415, ""},
		{"also if one of two is utf-8", with("application/json; charset=utf-8; charset=utf-7", example), 415, ""},
		{"an unreadable type that speaks of JSON is rejected", with("application/json, text/plain", example), 415, ""},
	})

	t.Run("two Content-Type fields are rejected", func(t *testing.T) {
		for _, other := range []string{"application/json", "text/plain", ""} {
			g.in(t).raw("POST /fn HTTP/1.1\nHost: 127.0.0.1\nContent-Type: text/plain\nContent-Type: "+other+"\nContent-Length: 2", "{}").rejected(400)
		}
	})
}

func TestWhatCannotBeReadIsNotForwarded(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	with := func(body string) call { return call{body: body} }
	g.check([]verdict{
		{"a byte order mark", with("\xEF\xBB\xBF" + example), 400, ""},
		{"UTF-16", with("\xFF\xFE{\x00}\x00"), 400, ""},
		{"UTF-32", with("\x00\x00\x00{\x00\x00\x00}"), 400, ""},
		{"invalid UTF-8", with("{\"a\":\"\xFF\"}"), 400, ""},
		{"an overlong character in a name", with("{\"\xC1\xA1\":1}"), 400, ""},
		{"512 levels may be nested", with(nested(512)), 200, ""},
		{"513 levels", with(nested(513)), 400, ""},
		{"a million levels", with(strings.Repeat("[", 1<<20)), 400, ""},
		{"text behind the value", with(example + "x"), 400, ""},
		{"a second value", with(example + example), 400, ""},
		{"space behind the value is fine", with(example + " \n"), 200, resolved + " \n"},
		{"a NUL behind the value", with(example + "\x00"), 400, ""},
		{"half a value", with(`{"a":`), 400, ""},
		{"a comment", with(`{/**/}`), 400, ""},
		{"a comma too many", with(`{"a":1,}`), 400, ""},
		{"single quotes", with(`{'a':1}`), 400, ""},
		{"NaN", with(`{"a":NaN}`), 400, ""},
		{"a leading zero", with(`{"a":01}`), 400, ""},
		{"a raw line break in a string", with("{\"a\":\"\n\"}"), 400, ""},
		{"only space", with("  "), 400, ""},
		{"__proto__", with(`{"__proto__":{"x":1}}`), 400, ""},
		{"__proto__ in escapes", with(`{"__proto\u005f_":{"x":1}}`), 400, ""},
		{"a member with a CloudID twice", with(`{"a":"` + steps + `","a":1}`), 400, ""},
		{"and in another letter case", with(`{"a":"` + steps + `","A":1}`), 400, ""},
		{"and in escapes", with(`{"a":"` + steps + `","\u0061":1}`), 400, ""},
		{"and in letters that fold to it", with(`{"risk":"` + steps + `","ri\u017f\u212a":1}`), 400, ""},
		{"and cut at NUL", with(`{"a":"` + steps + `","a\u0000b":1}`), 400, ""},
		{"half a surrogate pair in its name", with(`{"\ud800":"` + steps + `"}`), 400, ""},
		{"a name of 257 bytes", with(`{"` + strings.Repeat("n", 257) + `":"` + steps + `"}`), 400, ""},
		{"a name of 256 bytes is fine", with(`{"` + strings.Repeat("n", 256) + `":"` + steps + `"}`), 200, `{"` + strings.Repeat("n", 256) + `":` + stepsData + `}`},
		{"other members twice are fine", with(`{"a":1,"a":2,"A":3}`), 200, ""},
		{"so is half a pair elsewhere", with(`{"\ud800":"\udc00"}`), 200, ""},
		{"so is __proto__ further down", with(`{"a":{"__proto__":1}}`), 200, ""},
	})
}

func TestAnEmptyBodyAndOtherRootsAreForwarded(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	for _, body := range []string{"", `["` + steps + `"]`, `"` + steps + `"`, `null`, ` 1.10 `} {
		g.post(body).forwarded(body)
		g.do(call{body: body, chunked: true}).forwarded(body)
		g.do(call{header: map[string]string{"Content-Encoding": "gzip"}, body: zipped(body)}).forwarded(body)
	}
	if calls := g.wechat.Calls(); calls != (sandbox.Calls{}) {
		t.Errorf("WeChat was called: %+v", calls)
	}
}

func TestSizeIsLimited(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "max_size 1000B"})
	sized := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	inGzip := func(text string) call {
		return call{header: map[string]string{"Content-Encoding": "gzip"}, body: zipped(text)}
	}
	g.check([]verdict{
		{"max_size itself fits", call{body: sized(1000)}, 200, ""},
		{"also without a length", call{body: sized(1000), chunked: true}, 200, ""},
		{"also in gzip", inGzip(sized(1000)), 200, sized(1000)},
		{"a byte more is rejected", call{body: sized(1001)}, 413, ""},
		{"also without a length", call{body: sized(1001), chunked: true}, 413, ""},
		{"also without a Content-Type", call{kind: "-", body: sized(1001), chunked: true}, 413, ""},
		{"also in gzip", inGzip(sized(1001)), 413, ""},
		{"a bomb is rejected", inGzip(sized(50 << 20)), 413, ""},
	})

	t.Run("by default at 1 MiB", func(t *testing.T) {
		g := start(t, setup{})
		g.post(sized(1 << 20)).forwarded(sized(1 << 20))
		g.post(sized(1<<20 + 1)).rejected(413)
		g.do(call{body: sized(1<<20 + 1), chunked: true}).rejected(413)
	})
	t.Run("a limit in front counts too", func(t *testing.T) {
		g := start(t, setup{site: "request_body {\nmax_size 50B\n}\n$CLOUDID\nreverse_proxy $UPSTREAM"})
		g.post(sized(50)).forwarded(sized(50))
		g.post(sized(51)).rejected(413)
		g.do(call{body: sized(51), chunked: true}).rejected(413)
		g.do(call{kind: "-", body: sized(700), chunked: true}).rejected(413)
		g.do(inGzip(`{"a":"every good boy deserves fudge, and 1234567890 more"}`)).rejected(413)
	})
}

func TestContentEncoding(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	coded := func(coding, body string) call {
		return call{header: map[string]string{"Content-Encoding": coding}, body: body}
	}
	t.Run("gzip is decoded and forwarded plain", func(t *testing.T) {
		g.in(t).do(coded("gzip", zipped(example))).forwarded(resolved).has(t, "Content-Encoding", "")
		g.in(t).do(coded("GZIP", zipped(`{"a":1}`))).forwarded(`{"a":1}`).has(t, "Content-Encoding", "")
		g.in(t).do(coded("gzip", zipped(`{"a"`)+zipped(`:1}`))).forwarded(`{"a":1}`)
	})
	g.check([]verdict{
		{"gzip over plain JSON is rejected", coded("gzip", example), 400, ""},
		{"half a gzip is rejected", coded("gzip", zipped(example)[:60]), 400, ""},
		{"gzip with something behind it is rejected", coded("gzip", zipped(example)+example), 400, ""},
		{"gzip with a wrong checksum is rejected", coded("gzip", zipped(example)[:len(zipped(example))-8]+"12345678"), 400, ""},
		{"br", coded("br", example), 415, ""},
		{"deflate", coded("deflate", example), 415, ""},
		{"gzip twice", coded("gzip, gzip", zipped(zipped(example))), 415, ""},
		{"identity, which is none", coded("identity", example), 200, resolved},
		{"identity beside gzip", coded("identity, gzip", zipped(example)), 200, resolved},
		{"an empty coding is none", coded("", example), 200, resolved},
	})
	t.Run("two fields", func(t *testing.T) {
		g.in(t).raw("POST /fn HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json\nContent-Encoding: gzip\nContent-Encoding: br\nContent-Length: 2", "{}").rejected(415)
	})
}

func TestMethodsWithoutEvents(t *testing.T) {
	t.Parallel()
	const broken = `{"a":`
	t.Run("their bodies are not touched", func(t *testing.T) {
		g := start(t, setup{}).in(t)
		for _, method := range []string{"GET", "HEAD", "CONNECT"} {
			for _, body := range []string{example, broken} {
				r := g.raw(method+" /fn HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nContent-Type: application/json\nContent-Length: "+length(body), body)
				if r.got == nil || r.got.method != method {
					t.Fatalf("%s did not reach the function (status %d)", method, r.status)
				}
				// Go's client has no CONNECT with a body.
				if method != "CONNECT" && r.got.body != body {
					t.Errorf("the body of %s became %q", method, r.got.body)
				}
			}
		}
		for _, body := range []string{example, broken} {
			g.do(call{header: map[string]string{"Connection": "Upgrade", "Upgrade": "x"}, body: body}).forwarded(body)
		}
		for _, method := range []string{"PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "get"} {
			g.do(call{method: method, body: example}).forwarded(resolved)
			g.do(call{method: method, body: broken}).rejected(400)
		}
	})
	t.Run("strict mode reads them, since some function does", func(t *testing.T) {
		g := start(t, setup{cloudid: "fields weRunData"}).in(t)
		for _, header := range []map[string]string{nil, {"Connection": "Upgrade", "Upgrade": "x"}} {
			g.do(call{method: "GET", header: header, body: example}).forwarded(resolved)
			g.do(call{method: "GET", header: header, body: broken}).rejected(400)
			g.do(call{header: header, body: example}).forwarded(resolved)
			g.do(call{header: header, body: broken}).rejected(400)
		}
		g.do(call{method: "GET"}).forwarded("")
		g.do(call{method: "GET", kind: "-"}).forwarded("")
	})
}

// longHeader is gzip whose header is longer than what is looked at of a body without a type.
func longHeader(text string) string {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	w.Extra = make([]byte, 600)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return buffer.String()
}

// emptyBlocks is gzip that begins with more empty blocks than what is looked at of a body without a type.
func emptyBlocks(text string) string {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	for range 300 {
		_ = w.Flush()
	}
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return buffer.String()
}
