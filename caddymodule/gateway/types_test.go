package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// What is promised of an event holds for every way in which a function could come by one.
func TestWhatIsNotReadAsTheEventIsRejected(t *testing.T) {
	t.Parallel()
	const form = "weRunData[data]=FORGED&userInfo[openId]=FORGED"
	for name, cloudid := range map[string]string{"fields": "fields weRunData", "user_info": "user_info"} {
		t.Run(name, func(t *testing.T) {
			g := start(t, setup{cloudid: cloudid})
			var verdicts []verdict
			for _, kind := range []string{
				"application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", "application/csp-report",
				"application/octet-stream", "text/x-json", "application/x-json", "application/jsonrequest", "application/json-seq",
				"application/x-ndjson", "application/grpc+json", "application/grpc-web+json", "application/connect+json",
				"application/cloudevents", "application/cloudevents+json", "application/cloudevents-batch+json", "application/xml",
				"application/yaml", "application/msgpack", "x", "nonsense;;", "image/png", "*/*",
			} {
				for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS", "QUERY"} {
					for _, chunked := range []bool{false, true} {
						verdicts = append(verdicts, verdict{method + " " + kind, call{method: method, kind: kind, body: form, chunked: chunked}, 415, ""})
					}
				}
			}
			coded := func(coding, body string) call {
				return call{kind: "-", header: map[string]string{"Content-Encoding": coding}, body: body}
			}
			verdicts = append(verdicts, []verdict{
				{"a form without a type", call{kind: "-", body: form}, 415, ""},
				{"a form without a type, without a length", call{kind: "-", body: form, chunked: true}, 415, ""},
				{"a form of an empty type", call{kind: "-", header: map[string]string{"Content-Type": ""}, body: form}, 415, ""},
				{"a form with an Upgrade", call{kind: "text/plain", header: map[string]string{"Upgrade": "x"}, body: form}, 415, ""},
				{"a form in gzip without a type", coded("gzip", zipped(form)), 415, ""},
				{"plain JSON that is called gzip", coded("gzip", example), 400, ""},
				{"plain JSON that is called deflate", coded("deflate", example), 415, ""},
				{"plain JSON that is called br", coded("br", example), 415, ""},
				{"gzip with a long header", coded("gzip", longHeader(example)), 200, "event"},
				{"gzip that begins with many empty blocks", coded("gzip", emptyBlocks(example)), 200, "event"},
				{"JSON with a CloudEvents header", call{header: map[string]string{"ce-id": "1"}, body: example}, 415, ""},
				{"a CloudEvents header alone", call{method: "GET", header: map[string]string{"Ce-Specversion": "1.0"}}, 415, ""},
				{"no body of another type", call{kind: "text/plain", method: "GET"}, 200, ""},
				{"no body, whose length is not announced", call{kind: "text/plain", method: "DELETE", chunked: true}, 200, ""},
				{"the event", call{body: example}, 200, "event"},
				{"the event by GET", call{method: "GET", body: example}, 200, "event"},
				{"the event with an Upgrade", call{header: map[string]string{"Upgrade": "x"}, body: example}, 200, "event"},
				{"the event without a type", call{kind: "-", body: example}, 200, "event"},
				{"the event called identity", coded("identity", example), 200, "event"},
			}...)
			for i := range verdicts {
				if verdicts[i].body == "event" {
					verdicts[i].body = resolved
					if name == "user_info" {
						verdicts[i].body = strings.TrimSuffix(resolved, "}") + `,"userInfo":{"appId":"` + appid + `","openId":"` + user + `"}}`
					}
				}
			}
			g.check(verdicts)
		})
	}
}

func TestPass(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "fields weRunData\npass multipart/form-data image/* Text/CSV"})
	g.check([]verdict{
		{"a type that is named", call{kind: "multipart/form-data; boundary=b", body: "--b--"}, 200, ""},
		{"in another letter case", call{kind: "Multipart/Form-Data; boundary=b", body: "--b--"}, 200, ""},
		{"one that is named in another letter case", call{kind: "text/csv", body: "a,b"}, 200, ""},
		{"all of a kind", call{kind: "image/png", body: "x"}, 200, ""},
		{"larger than max_size, which is for events", call{kind: "image/png", body: strings.Repeat("x", 3<<20), chunked: true}, 200, ""},
		{"another type", call{kind: "text/plain", body: "x"}, 415, ""},
		{"another that begins like one", call{kind: "multipart/form-data-x", body: "x"}, 415, ""},
		{"another kind that begins like one", call{kind: "images/png", body: "x"}, 415, ""},
		{"two types in one", call{kind: "image/png, text/plain", body: "x"}, 415, ""},
		{"no type", call{kind: "-", body: "x"}, 415, ""},
		{"JSON of a kind that passes is the event", call{kind: "image/x+json", body: example}, 200, resolved},
		{"the event", call{body: example}, 200, resolved},
	})
	t.Run("two fields", func(t *testing.T) {
		g.in(t).raw("POST /fn HTTP/1.1\nHost: 127.0.0.1\nContent-Type: image/png\nContent-Type: image/png\nContent-Length: 1", "x").rejected(400)
	})
}

func TestConnect(t *testing.T) {
	t.Parallel()
	for cloudid, status := range map[string]int{"fields weRunData": 501, "user_info": 501, "": 200} {
		g := start(t, setup{cloudid: cloudid})
		for _, kind := range []string{"application/json", "text/plain"} {
			r := g.raw("CONNECT /fn HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nContent-Type: "+kind+"\nContent-Length: "+length(example), example)
			if r.status != status {
				t.Errorf("%q, %s: status %d, want %d", cloudid, kind, r.status, status)
			}
		}
	}
}

// A body can be JSON and a form at once, and readers choose by type, or take a form where there is none.
func TestWhatWasReadAsJSONGoesOnAsJSON(t *testing.T) {
	t.Parallel()
	const both = `{"weRunData":"` + steps + `","x":"&weRunData[data]=FORGED&y="}`
	const want = `{"weRunData":` + stepsData + `,"x":"&weRunData[data]=FORGED&y="}`
	for _, cloudid := range []string{"", "fields weRunData"} {
		g := start(t, setup{cloudid: cloudid})
		for sent, forwarded := range map[string]string{
			"":                                       "application/json",
			"-":                                      "application/json",
			"application/json":                       "application/json",
			"application/json; charset=utf-8":        "application/json",
			"Application/JSON":                       "application/json",
			"text/json; charset=utf-8":               "text/json",
			"application/vnd.api+json; ext=a":        "application/vnd.api+json",
			`application/ld+json; x="text/plain"`:    "application/ld+json",
			"application/x-www-form-urlencoded+json": "application/json",
			"application/multipart-x+json":           "application/json",
			"application/Form+json":                  "application/json",
			"image/svg+json":                         "application/json",
			"multipart/form-data+json":               "application/json",
			"text/x+json":                            "application/json",
			`application/json; x="application/x-www-form-urlencoded"`: "application/json",
		} {
			c := call{kind: sent, body: both}
			if sent == "" {
				c = call{kind: "-", header: map[string]string{"Content-Type": ""}, body: both}
			}
			g.do(c).forwarded(want).has(t, "Content-Type", forwarded)
			c.body, c.chunked = `{"x":"&weRunData=F"}`, true // also where nothing is replaced
			g.do(c).forwarded(c.body).has(t, "Content-Type", forwarded)
		}
		if cloudid == "" {
			g.do(call{kind: "-", body: `[1]`}).forwarded(`[1]`).has(t, "Content-Type", "")
			g.do(call{kind: "text/json; a=b", body: `[1]`}).forwarded(`[1]`).has(t, "Content-Type", "text/json")
			g.do(call{kind: "application/grpc+json", body: example}).forwarded(example).has(t, "Content-Type", "application/grpc+json")
		}
	}
}

func TestUserInfoWithoutABody(t *testing.T) {
	t.Parallel()
	const ours = `{"userInfo":{"appId":"` + appid + `","openId":"` + user + `"}}`
	for name, cloudid := range map[string]string{"alone": "user_info", "in strict mode": "user_info\nfields weRunData"} {
		t.Run(name, func(t *testing.T) {
			g := start(t, setup{cloudid: cloudid})
			for _, method := range []string{"POST", "PUT", "PATCH"} {
				for _, kind := range []string{"-", "application/json; charset=utf-8", "text/plain"} {
					for _, chunked := range []bool{false, true} {
						got := g.in(t).do(call{method: method, kind: kind, chunked: chunked}).forwarded(ours)
						got.has(t, "Content-Type", "application/json")
						got.has(t, "Content-Length", length(ours))
					}
				}
			}
			for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS"} {
				g.in(t).do(call{method: method, kind: "-"}).forwarded("")
			}
		})
	}
	t.Run("nobody's is none", func(t *testing.T) {
		g := start(t, setup{cloudid: "user_info\nopenid {http.auth.user.id}"})
		g.post("").forwarded("")
	})
	t.Run("an event that is not the whole body is not made up", func(t *testing.T) {
		g := start(t, setup{cloudid: "user_info\nevent /data"})
		g.post("").forwarded("")
	})
}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	structured := func(body string, header ...string) call {
		c := call{kind: "application/cloudevents+json; charset=utf-8", body: body, header: make(map[string]string)}
		for _, name := range header {
			c.header[name] = "1"
		}
		return c
	}
	binary := func(kind, body string) call {
		return call{kind: kind, header: map[string]string{"ce-id": "1", "Ce-Specversion": "1.0"}, body: body}
	}
	envelope := func(data string) string {
		return `{"specversion":"1.0","id":"1","type":"t","source":"/s","data":` + data + `}`
	}
	both := []verdict{
		{"in structured mode the event is data", structured(envelope(example)), 200, envelope(resolved)},
		{"in binary mode the event is the body", binary("application/json", example), 200, resolved},
		{"in binary mode without a type too", binary("-", example), 200, resolved},
		{"both modes at once", structured(envelope(example), "ce-type"), 400, ""},
		{"a batch", call{kind: "application/cloudevents-batch+json", body: `[` + envelope(example) + `]`}, 400, ""},
		{"another format of structured mode", call{kind: "application/cloudevents+avro", body: "x"}, 400, ""},
		{"data beside data_base64", structured(`{"data":` + example + `,"data_base64":"e30="}`), 400, ""},
		{"data beside data_base64 in an escape", structured(`{"data":` + example + `,"data\u005fbase64":"e30="}`), 400, ""},
		{"data beside Data_Base64", structured(`{"data":` + example + `,"Data_Base64":"e30="}`), 400, ""},
		{"in binary mode data_base64 is a member like others", binary("application/json", `{"data_base64":"e30="}`), 200, ""},
		{"no body", call{method: "GET", kind: "-"}, 200, ""},
	}
	t.Run("in strict mode", func(t *testing.T) {
		g := start(t, setup{cloudid: "event cloudevents\nfields weRunData"})
		g.check(append(both, []verdict{
			{"what is no CloudEvent", call{body: example}, 415, ""},
			{"what is no CloudEvent, without a type", call{kind: "-", body: example}, 415, ""},
			{"data_base64 alone", structured(`{"data_base64":"e30="}`), 400, ""},
			{"a structured one without data", structured(`{"id":"1"}`), 400, ""},
			{"a binary one of another type", binary("text/plain", "x"), 415, ""},
		}...))
	})
	t.Run("with user_info", func(t *testing.T) {
		g := start(t, setup{cloudid: "event cloudevents\nuser_info"})
		const ours = `"userInfo":{"appId":"` + appid + `","openId":"` + user + `"}`
		g.check([]verdict{
			{"a structured one has it in data", structured(envelope(`{"userInfo":1}`)), 200, envelope(`{` + ours + `}`)},
			{"a binary one has it in the body", binary("application/json", `{}`), 200, `{` + ours + `}`},
			{"a binary one without a body gets one", binary("-", ``), 200, `{` + ours + `}`},
			{"data_base64 alone could hold one", structured(`{"data_base64":"e30="}`), 400, ""},
			{"what is no CloudEvent", call{body: `{}`}, 415, ""},
		})
	})
	t.Run("where nothing is promised of the event", func(t *testing.T) {
		g := start(t, setup{cloudid: "event cloudevents"})
		g.check(append(both, []verdict{
			{"what is no CloudEvent is left alone", call{body: example}, 200, ""},
			{"data_base64 alone is left alone", structured(`{"data_base64":"e30="}`), 200, ""},
		}...))
	})
	t.Run("headers in the spelling of CGI are headers of CloudEvents", func(t *testing.T) {
		g := start(t, setup{cloudid: "event cloudevents", global: "servers {\nexpected_underscore_headers Ce_*\n}"})
		g.do(structured(envelope(example), "CE_type")).rejected(400)
	})
	t.Run("the rejection names the option", func(t *testing.T) {
		g := start(t, setup{cloudid: "fields weRunData"})
		if r := g.do(structured(envelope(example))); r.status != http.StatusUnsupportedMediaType || !strings.Contains(r.body, "event cloudevents") {
			t.Errorf("status %d: %s", r.status, r.body)
		}
	})
}

// Some frameworks merge query and body.
func TestQuery(t *testing.T) {
	t.Parallel()
	forged := []string{"weRunData=F", "weRunData[data]=F", "weRunData.data=F", "a=1&weRunData%5Bdata%5D=F", "userInfo[openId]=F", "userInfo=F"}
	for cloudid, rejected := range map[string][]bool{
		"fields weRunData":            {true, true, true, true, true, true},
		"user_info":                   {false, false, false, false, true, true},
		"fields weRunData\nuser_info": {true, true, true, true, true, true},
		"":                            {false, false, false, false, false, false},
	} {
		g := start(t, setup{cloudid: cloudid})
		for i, query := range forged {
			for _, c := range []call{{body: `{"n":1}`}, {method: "GET", kind: "-"}} {
				c.path = "/fn?" + query
				if r := g.do(c); (r.status == http.StatusBadRequest) != rejected[i] {
					t.Errorf("%q, %s: status %d", cloudid, query, r.status)
				}
			}
		}
		if r := g.do(call{path: "/fn?run=weRunData&x=1", body: `{"n":1}`}); r.status != http.StatusOK {
			t.Errorf("%q: another query has status %d", cloudid, r.status)
		}
	}
}
