package frameworks

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
)

// What a client made up holds the word FORGED. A CloudID of WeChat's documentation is one that the sandbox knows.
const (
	cloudID = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"

	asJSON = `{"weRunData":{"data":{"step":"FORGED"}},"phone":{"data":"FORGED"},"userInfo":{"openId":"FORGED"}}`
	asForm = `weRunData[data][step]=FORGED&phone=FORGED&userInfo[openId]=FORGED`

	// JSON and a form at once: a reader of forms finds parameters in the string.
	asBoth = `{"weRunData":"` + cloudID + `","x":"&weRunData[data]=FORGED&phone=FORGED&userInfo[openId]=FORGED&y="}`
)

var asMultipart = func() string {
	var text strings.Builder
	for _, name := range []string{"weRunData[data][step]", "weRunData", "phone", "userInfo[openId]", "userInfo"} {
		fmt.Fprintf(&text, "--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\nFORGED\r\n", name)
	}
	return text.String() + "--b--\r\n"
}()

// noType stands for a request without a Content-Type.
const noType = "(none)"

func typeLine(mediaType string) []string {
	if mediaType == noType {
		return nil
	}
	return []string{"Content-Type: " + mediaType}
}

// mediaTypes are what some framework parses, what is spelled like it, and what is read by whoever ignores types.
var mediaTypes = []string{
	noType, "", " ",
	"application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/json",
	`application/json; x="application/x-www-form-urlencoded"`, `application/json; x="multipart/form-data; boundary=b"`,
	"application/json;application/x-www-form-urlencoded", "application/json, application/x-www-form-urlencoded",
	"application/x-www-form-urlencoded, application/json", "application/json application/x-www-form-urlencoded",
	"foo/bar; application/json", `application/json; charset="utf-8`, "application/json;;", "application/json\t", "json", "/json", "application/",
	"application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8", "APPLICATION/X-WWW-FORM-URLENCODED",
	"application/x-www-form-urlencoded+json", "application/x-www-form-urlencoded;+json", "application/x-url-encoded",
	"application/x-form-www-urlencoded", "application/form+json", "x-www-form-urlencoded", "text/x-www-form-urlencoded",
	"multipart/form-data; boundary=b", "multipart/form-data; boundary=\"b\"; charset=utf-8", "multipart/form-data", "Multipart/Form-Data;boundary=b",
	"multipart/mixed; boundary=b", "multipart/related; boundary=b", "multipart/form-data+json; boundary=b", "application/multipart+json; boundary=b",
	"text/plain", "text/plain; charset=utf-8", "text/x-json", "text/javascript", "application/javascript", "text/html", "text/csv",
	"application/csp-report", "application/reports+json", "application/expect-ct-report+json",
	"application/vnd.api+json", "application/json-patch+json", "application/merge-patch+json", "application/problem+json", "application/ld+json", "image/x+json", "+json",
	"application/json-seq", "application/jsonlines", "application/x-ndjson", "application/x-json", "application/jsonrequest", "application/json5", "application/hal",
	"application/cloudevents+json", "application/cloudevents-batch+json", "application/cloudevents",
	"application/octet-stream", "binary/octet-stream", "image/png", "*/*",
	"application/xml", "text/xml", "application/soap+xml", "application/yaml", "text/yaml", "application/x-yaml", "application/msgpack", "application/graphql", "application/grpc+json", "application/grpc-web+json", "application/connect+json",
}

// types: every media type with every body.
func types() (all []request) {
	for _, mediaType := range mediaTypes {
		for kind, body := range map[string]string{"JSON": asJSON, "a form": asForm, "multipart": asMultipart, "JSON and a form": asBoth} {
			all = append(all, request{sentence: fmt.Sprintf("%s as %q", kind, mediaType), header: typeLine(mediaType), body: body})
		}
	}
	return all
}

// headers: what else says something about the body's type, to somebody.
func headers() (all []request) {
	const form = "application/x-www-form-urlencoded"
	for _, lines := range [][]string{
		{"Content-Type: application/json", "Content-Type: " + form},
		{"Content-Type: " + form, "Content-Type: application/json"},
		{"Content-Type: application/json", "Content_Type: " + form},
		{"Content_Type: " + form, "Content-Type: application/json"},
		{"Content_Type: " + form},
		{"Content.Type: " + form, "Content-Type: application/json"},
		{"Content-Type: application/json", "CONTENT-TYPE: " + form},
		{"Content-Type: application/json", "Content-Type\t: " + form},
		{"Content-Type: application/json", "Http-Content-Type: " + form},
		{"Content-Type: application/json", "X-Content-Type: " + form},
		{"Content-Type: application/json", "X-Http-Method-Override: GET"},
		{"Content-Type: application/json", "X-Http-Method-Override: PUT"},
		{"Content-Type: application/json", "Connection: Content-Type"},
		{"Content-Type: application/json", "Connection: close, content-type, content-length"},
		{"Content-Type: application/json", "Content_Length: 5"},
		{"Content-Type: application/json", "Content_Encoding: gzip"},
		{"Content-Type: application/json", "Transfer_Encoding: chunked"},
		{"Content-Type: application/json", "Content-Location: /"},
		{"Content-Type: application/json", "Upgrade: websocket", "Connection: Upgrade"},
		{"Content-Type: " + form, "Upgrade: websocket", "Connection: Upgrade"},
		{"Content-Type: " + form, "Upgrade: h2c", "Connection: Upgrade"},
		{"Content-Type: " + form, "Expect: 100-continue"},
		{"Content-Type: " + form, "Incremental: ?1"},
		{"Content-Type: " + form, "X-Requested-With: XMLHttpRequest"},
	} {
		for kind, body := range map[string]string{"a form": asForm, "JSON and a form": asBoth, "JSON": asJSON} {
			for _, chunked := range []bool{false, true} {
				all = append(all, request{sentence: fmt.Sprintf("%s with %q, chunked: %v", kind, lines, chunked), header: lines, body: body, chunked: chunked})
			}
		}
	}
	return all
}

// codings: a body as it says it is coded, and as it is.
func codings() (all []request) {
	gzipped := func(text string) string {
		return compress(text, func(b *bytes.Buffer) writeCloser { return gzip.NewWriter(b) })
	}
	deflated := func(text string) string {
		return compress(text, func(b *bytes.Buffer) writeCloser {
			w, _ := flate.NewWriter(b, flate.DefaultCompression)
			return w
		})
	}
	longName := func(text string) string {
		return compress(text, func(b *bytes.Buffer) writeCloser {
			w := gzip.NewWriter(b)
			w.Name = strings.Repeat("n", 600)
			return w
		})
	}
	emptyMembers := func(text string) string { return strings.Repeat(gzipped(""), 40) + gzipped(text) }
	plain := func(text string) string { return text }
	for _, c := range []struct {
		name   string
		header string // "" for none
		encode func(string) string
	}{
		{"gzip", "gzip", gzipped},
		{"gzip in capitals", "GZIP", gzipped},
		{"x-gzip", "x-gzip", gzipped},
		{"gzip twice", "gzip, gzip", func(s string) string { return gzipped(gzipped(s)) }},
		{"gzip and identity", "gzip, identity", gzipped},
		{"gzip that is plain", "gzip", plain},
		{"gzip with a long header", "gzip", longName},
		{"gzip of many members", "gzip", emptyMembers},
		{"gzip that nobody says", "", gzipped},
		{"gzip with a long header that nobody says", "", longName},
		{"gzip of many members that nobody says", "", emptyMembers},
		{"deflate", "deflate", deflated},
		{"deflate that is plain", "deflate", plain},
		{"br that is plain", "br", plain},
		{"zstd that is plain", "zstd", plain},
		{"compress that is plain", "compress", plain},
		{"identity", "identity", plain},
		{"an empty coding", "", plain},
		{"aws-chunked", "aws-chunked", plain},
		{"space before", "", func(s string) string { return strings.Repeat(" \r\n\t", 300) + s }},
		{"a byte order mark", "", func(s string) string { return "\xef\xbb\xbf" + s }},
		{"UTF-16", "", func(s string) string {
			var wide strings.Builder
			for _, c := range []byte(s) {
				wide.WriteString(string([]byte{c, 0}))
			}
			return wide.String()
		}},
	} {
		for _, mediaType := range []string{noType, "application/json", "application/x-www-form-urlencoded", "application/csp-report", "text/plain"} {
			for kind, body := range map[string]string{"JSON": asJSON, "a form": asForm, "JSON and a form": asBoth} {
				lines := typeLine(mediaType)
				if c.header != "" {
					lines = append(lines, "Content-Encoding: "+c.header)
				}
				all = append(all, request{sentence: fmt.Sprintf("%s as %q, %s", kind, mediaType, c.name), header: lines, body: c.encode(body)})
			}
		}
	}
	return all
}

type writeCloser interface {
	Write([]byte) (int, error)
	Close() error
}

func compress(text string, writer func(*bytes.Buffer) writeCloser) string {
	var out bytes.Buffer
	w := writer(&out)
	_, _ = w.Write([]byte(text)) // a bytes.Buffer takes everything
	_ = w.Close()
	return out.String()
}

// methods: every method, in every version of HTTP.
func methods() (all []request) {
	for _, version := range []string{"1.1", "2", "3"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PROPFIND", "QUERY", "LINK", "post", "FOO"} {
			for _, mediaType := range []string{noType, "application/json", "application/x-www-form-urlencoded"} {
				for kind, body := range map[string]string{"JSON": asJSON, "a form": asForm} {
					if version != "1.1" && method == "CONNECT" {
						continue // it has no path there; see connects
					}
					all = append(all, request{
						sentence: fmt.Sprintf("HTTP/%s %s %s as %q", version, method, kind, mediaType),
						version:  version, method: method, header: typeLine(mediaType), body: body,
					})
				}
			}
		}
	}
	return append(all, connects()...)
}

// connects: extended CONNECT, which a proxy turns into something else.
func connects() (all []request) {
	for _, protocol := range []string{"websocket", "WebSocket", "connect-udp", "webtransport", "json", "h2c", "x"} {
		for _, mediaType := range []string{noType, "application/json", "application/x-www-form-urlencoded"} {
			for kind, body := range map[string]string{"JSON": asJSON, "a form": asForm} {
				all = append(all, request{
					sentence: fmt.Sprintf("HTTP/3 CONNECT with :protocol %s, %s as %q", protocol, kind, mediaType),
					version:  "3", method: "CONNECT", protocol: protocol, header: typeLine(mediaType), body: body,
				})
			}
		}
	}
	return all
}

// queries: parameters that are merged with the body's, beside a body that lacks them, and without one.
func queries() (all []request) {
	for _, query := range []string{
		"weRunData=FORGED", "weRunData[data]=FORGED", "weRunData[]=FORGED", "weRunData%5Bdata%5D=FORGED", "weRunData.data=FORGED", "we%52unData=FORGED",
		"phone=FORGED", "a=1&phone=FORGED", "a=1;phone=FORGED", "&&phone=FORGED", "phone[=FORGED", "[phone]=FORGED", "[phone][x]=FORGED", "phone]x=FORGED",
		"userInfo=FORGED", "userInfo[openId]=FORGED", "userInfo%5bopenId%5d=FORGED", "userInfo.openId=FORGED", "u%73erInfo[openId]=FORGED", "%75serInfo=FORGED",
		"+phone=FORGED", "%20phone=FORGED", "phone%00x=FORGED", "phone%00[x]=FORGED", "?phone=FORGED", "%u0070hone=FORGED", "%70%68%6F%6E%65=FORGED",
		"a=%26phone=1&phone[a][b]=FORGED", "phone&phone=FORGED", "x[phone]=1&phone[x]=FORGED", "phone%5b%5d=FORGED", "weRunData[data][stepInfoList][][step]=FORGED",
		"_method=PUT&phone=FORGED", "phone%=FORGED", "%phone=FORGED",
	} {
		for _, r := range []request{
			{sentence: "beside JSON", header: typeLine("application/json"), body: `{"a":1}`},
			{sentence: "beside an empty event", header: typeLine("application/json"), body: `{}`},
			{sentence: "beside no body", header: nil},
			{sentence: "beside no body, as a form", header: typeLine("application/x-www-form-urlencoded")},
			{sentence: "with GET", method: "GET"},
			{sentence: "beside a CloudID", header: typeLine("application/json"), body: `{"weRunData":"` + cloudID + `"}`},
		} {
			r.sentence = "?" + query + " " + r.sentence
			r.query = "?" + query
			all = append(all, r)
		}
	}
	return all
}

// names: JSON whose members are to somebody what is listed.
func names() (all []request) {
	const lie = `{"data":"FORGED","openId":"FORGED"}`
	for _, member := range []string{
		`"weRunData":L`, `"WERUNDATA":L`, `"we_run_data":L`, `"we-run-data":L`, `"we runData":L`, `"weRunData\u0000x":L`, `"weRunData\ud800":L`,
		`"\u0077eRunData":L`, `":weRunData":L`, `"^#1":["weRunData",L]`, `"<<":{"weRunData":L}`, `"\u003c\u003c":{"phone":L}`, `"weRunData.data":L`, `"weRunData[0]":L`,
		`"phone.data":"FORGED"`, `"__proto__":{"phone":L}`, `"userInfo":L`, `"USERINFO":L`, `"user\u0130nfo":L`, `"user\u0131nfo":L`, `"u\u017ferInfo":L`,
		`"userInfo.openId":"FORGED"`, `":userInfo":L`, `"^#2":["userInfo",L]`, `"<<":{"userInfo":L}`, `"user_info":L`, `"constructor":{"prototype":{"phone":L}}`,
		`"phone":"FORGED"`, `"phone":["FORGED"]`, `"phone":{"cloudID":"FORGED","data":"FORGED"}`, `"cloudid_list":[{"key_name":"phone","cloud_id":"FORGED"}]`,
		`"cloudid_list":[{"key_name":"userInfo","cloud_id":"` + cloudID + `"}]`, `"phone":{"encryptedData":"FORGED","iv":"FORGED"}`, `"phone":null,"PHONE":L`, `"phone":1,"phone":L`,
	} {
		member = strings.ReplaceAll(member, "L", lie)
		for _, body := range []string{"{" + member + "}", `{"weRunData":"` + cloudID + `",` + member + "}", "{" + member + `,"userInfo":1}`, "[{" + member + "}]"} {
			all = append(all, request{sentence: body, header: typeLine("application/json"), body: body})
		}
	}
	return all
}

// cloudEvents: the parts of a CloudEvent, of which SDKs choose one.
func cloudEvents() (all []request) {
	envelope := func(rest string) string {
		return `{"specversion":"1.0","id":"1","type":"t","source":"/s","datacontenttype":"application/json",` + rest + `}`
	}
	inBase64 := `"data_base64":"` + base64.StdEncoding.EncodeToString([]byte(asJSON)) + `"`
	asString := `"data":"` + strings.ReplaceAll(asJSON, `"`, `\"`) + `"`
	ce := []string{"ce-specversion: 1.0", "ce-id: 1", "ce-type: t", "ce-source: /s"}
	for name, body := range map[string]string{
		"data": envelope(`"data":` + asJSON), "data beside data_base64": envelope(`"data":{},` + inBase64), "data_base64": envelope(inBase64),
		"data_base64 first": envelope(inBase64 + `,"data":{}`), "data that is text": envelope(asString), "data in other letters": envelope(`"Data":` + asJSON),
		"data twice": envelope(`"data":{},"data":` + asJSON), "a batch": "[" + envelope(`"data":`+asJSON) + "]", "members beside": envelope(`"data":{},` + asJSON[1:len(asJSON)-1]),
		"another type within": strings.Replace(envelope(asString), `"datacontenttype":"application/json"`, `"datacontenttype":"text/plain"`, 1),
		"no envelope":         asJSON,
	} {
		for _, mediaType := range []string{
			"application/cloudevents+json", "application/cloudevents+json; charset=utf-8", "application/cloudevents-batch+json", "application/cloudevents", "application/cloudevents+xml",
			"application/json", noType, "application/x-www-form-urlencoded",
		} {
			all = append(all,
				request{sentence: name + " as " + mediaType, header: typeLine(mediaType), body: body},
				request{sentence: name + " as " + mediaType + ", with ce-*", header: append(typeLine(mediaType), ce...), body: body})
		}
	}
	for _, lines := range [][]string{
		{"ce_specversion: 1.0", "ce_id: 1", "ce_type: t", "ce_source: /s"},
		{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Type: t", "Ce-Source: /s", "Ce-Datacontenttype: application/x-www-form-urlencoded"},
		{"ce-id: 1"},
	} {
		all = append(all, request{sentence: fmt.Sprint(lines), header: append(typeLine("application/json"), lines...), body: asJSON})
	}
	// The events of Google's own services, which its framework turns into CloudEvents.
	for _, body := range []string{
		`{"context":{"eventId":"1","timestamp":"2020-01-01T00:00:00Z","eventType":"t","resource":{"service":"s","name":"n"}},"data":` + asJSON + `}`,
		`{"message":{"data":"` + base64.StdEncoding.EncodeToString([]byte(asJSON)) + `","messageId":"1"},"subscription":"projects/p/subscriptions/s"}`,
	} {
		all = append(all, request{sentence: "an event of Google's: " + body, header: typeLine("application/json"), body: body})
	}
	return all
}
