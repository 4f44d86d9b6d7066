package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	isID := func(id string) bool {
		parsed, err := uuid.Parse(id)
		return err == nil && len(id) == 36 && parsed.Version() == 4 && parsed.Variant() == uuid.RFC4122
	}
	response := func(header, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set("X-Request-Id", header)
			}
			_, _ = io.WriteString(w, body)
		})
	}
	for name, c := range map[string]struct {
		setup setup
		call  call
		want  string // "": one of ours
	}{
		"a response of the function":          {setup{upstream: response("", "ok")}, call{body: example}, ""},
		"one without a body":                  {setup{upstream: response("", "")}, call{body: example}, ""},
		"one that the function named":         {setup{upstream: response("its own", "ok")}, call{body: example}, "its own"},
		"a body that was not read":            {setup{upstream: response("", "ok")}, call{kind: "text/plain", body: "x"}, ""},
		"no body":                             {setup{upstream: response("", "ok")}, call{method: "GET"}, ""},
		"a rejection":                         {setup{}, call{body: `{`}, ""},
		"a function that cannot be reached":   {setup{site: "$CLOUDID\nreverse_proxy 127.0.0.1:1"}, call{body: `{}`}, ""},
		"a response of another handler":       {setup{site: "$CLOUDID\nrespond hello"}, call{body: `{}`}, ""},
		"a file":                              {setup{site: "$CLOUDID\nfile_server {\nroot $DIR\n}"}, call{method: "GET", path: "/log.json"}, ""},
		"a response that is compressed":       {setup{site: "encode\n$CLOUDID\nreverse_proxy $UPSTREAM"}, call{body: example}, ""},
		"behind another cloudid":              {setup{site: "route {\n$CLOUDID\n$CLOUDID\nreverse_proxy $UPSTREAM\n}"}, call{body: example}, ""},
		"a response that is streamed":         {setup{upstream: streamed()}, call{body: `{}`}, ""},
		"a response that is streamed at once": {setup{upstream: streamed(), site: "$CLOUDID\nreverse_proxy $UPSTREAM {\nflush_interval -1\n}"}, call{body: `{}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, c.setup)
			r := g.do(c.call)
			ids := r.header.Values("X-Request-Id")
			if len(ids) != 1 || c.want != "" && ids[0] != c.want || c.want == "" && !isID(ids[0]) {
				t.Errorf("status %d, the ids are %q", r.status, ids)
			}
			if another := g.do(c.call).header.Get("X-Request-Id"); c.want == "" && another == ids[0] {
				t.Error("two requests have the same id")
			}
		})
	}
}

// streamed sends its header first, and a body in pieces.
func streamed() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		for range 3 {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "piece")
		}
	})
}

// The id is {http.request.uuid} for everybody, whoever asks for it first.
func TestTheRequestIDIsCaddys(t *testing.T) {
	t.Parallel()
	const (
		before = "header X-Before {http.request.uuid}\n"
		behind = "respond {http.request.uuid}\n"
	)
	for sentence, site := range map[string]string{
		"asked for behind cloudid":                        "route {\n$CLOUDID\n" + behind + "}",
		"asked for before":                                "route {\n" + before + "$CLOUDID\n" + behind + "}",
		"behind two of them":                              "route {\n$CLOUDID\n$CLOUDID\n" + behind + "}",
		"with an access log":                              "log\nroute {\n$CLOUDID\n" + behind + "}",
		"with an access log, asked for before":            "log\nroute {\n" + before + "$CLOUDID\n" + behind + "}",
		"in an error page":                                "route {\n$CLOUDID\nerror 500\n}\nhandle_errors {\n" + behind + "}",
		"with an access log of which this request is not": "log\nlog_skip\nroute {\n$CLOUDID\n" + behind + "}",
	} {
		t.Run(sentence, func(t *testing.T) {
			g := start(t, setup{site: site})
			r := g.do(call{body: `{}`})
			id := r.header.Get("X-Request-Id")
			if id == "" || r.body != id {
				t.Errorf("status %d, the placeholder is %q, the header %q", r.status, r.body, id)
			}
			if was := r.header.Get("X-Before"); strings.Contains(site, before) && was != id {
				t.Errorf("the placeholder was %q before, the header is %q", was, id)
			}
			if logged := `"uuid":"` + id; strings.HasPrefix(site, "log\nroute") {
				probe.Eventually(t, "the access log has the id", func() bool { return strings.Contains(g.log.Text(t), logged) })
			}
		})
	}
}
