package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

func length(body string) string { return strconv.Itoa(len(body)) }

// TestOtherTypesAreStreamed sends a second part only after the function has seen the first.
func TestOtherTypesAreStreamed(t *testing.T) {
	t.Parallel()
	first := make(chan string)
	g := start(t, setup{upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := make([]byte, 100)
		n, _ := r.Body.Read(part)
		first <- string(part[:n])
		rest, _ := io.ReadAll(r.Body)
		_, _ = w.Write(rest)
	})})
	for _, kind := range []string{
		"application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", "application/octet-stream",
		"application/grpc", "application/x-ndjson", "-",
	} {
		t.Run(kind, func(t *testing.T) {
			reader, writer := io.Pipe()
			req := call{kind: kind}.request(t.Context(), g.url)
			req.Body, req.ContentLength = reader, -1
			go func() { _, _ = io.WriteString(writer, "first") }()
			response := make(chan string, 1)
			go func() {
				res, err := g.client.Do(req)
				if err != nil {
					response <- err.Error()
					return
				}
				defer res.Body.Close()
				body, _ := io.ReadAll(res.Body)
				response <- string(body)
			}()
			select {
			case got := <-first:
				if got != "first" {
					t.Errorf("the function saw %q first", got)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the function saw nothing before the end of the body")
			}
			_, _ = io.WriteString(writer, ", second")
			writer.Close()
			if got := <-response; got != ", second" {
				t.Errorf("the rest is %q", got)
			}
		})
	}
}

func TestIncrementalJSONIsRejected(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	with := func(value, kind, body string) call {
		return call{kind: kind, header: map[string]string{"Incremental": value}, body: body}
	}
	g.check([]verdict{
		{"a JSON event cannot be forwarded as it comes", with("?1", "application/json", example), 501, ""},
		{"nor can one without a Content-Type", with("?1", "-", example), 501, ""},
		{"other bodies can", with("?1", "text/plain", "text"), 200, ""},
		{"?0 asks for nothing", with("?0", "application/json", example), 200, resolved},
	})
}

func TestADamagedBodyIsNotForwarded(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	const head = "POST /fn HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json\n"

	// halfClose sends bytes, then the end of all sending.
	halfClose := func(t *testing.T, message string) reply {
		t.Helper()
		g := g.in(t)
		g.upstream.take()
		conn := g.dial()
		_, _ = io.WriteString(conn, strings.ReplaceAll(message, "\n", "\r\n"))
		if tcp, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = tcp.CloseWrite()
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("response: %v", err)
		}
		return g.read(res)
	}
	t.Run("fewer bytes than promised", func(t *testing.T) {
		halfClose(t, head+"Content-Length: 100\n\n"+example[:50]).rejected(400)
	})
	t.Run("fewer bytes than promised, though they are valid JSON", func(t *testing.T) {
		halfClose(t, head+"Content-Length: 100\n\n"+`{"a":1}`).rejected(400)
	})
	t.Run("fewer bytes than promised, without a Content-Type", func(t *testing.T) {
		halfClose(t, "POST /fn HTTP/1.1\nHost: 127.0.0.1\nContent-Length: 100\n\n"+`{"a":1}`).rejected(400)
	})
	t.Run("no last chunk", func(t *testing.T) {
		halfClose(t, head+"Transfer-Encoding: chunked\n\n7\n"+`{"a":1}`+"\n").rejected(400)
	})
	t.Run("no length of a chunk", func(t *testing.T) {
		halfClose(t, head+"Transfer-Encoding: chunked\n\nxyz\n"+`{"a":1}`+"\n").rejected(400)
	})
}

func TestAStalledUploadEnds(t *testing.T) {
	t.Parallel()
	g := start(t, setup{global: "servers {\ntimeouts {\nread_body 300ms\n}\n}"})
	for name, head := range map[string]string{
		"JSON":                  "Content-Type: application/json\nContent-Length: 100",
		"without a length":      "Content-Type: application/json\nTransfer-Encoding: chunked",
		"without a type":        "Content-Length: 100",
		"nothing, and no type":  "Content-Length: 99",
		"gzip":                  "Content-Type: application/json\nContent-Encoding: gzip\nContent-Length: 100",
		"gzip without a length": "Content-Type: application/json\nContent-Encoding: gzip\nTransfer-Encoding: chunked",
	} {
		t.Run(name, func(t *testing.T) {
			part := `{"a":`
			switch {
			case strings.Contains(head, "gzip"):
				part = zipped(example)[:5]
			case strings.HasSuffix(head, "99"):
				part = ""
			}
			if strings.HasSuffix(head, "chunked") {
				part = "5\r\n" + part
			}
			g.in(t).raw("POST /fn HTTP/1.1\nHost: 127.0.0.1\n"+head, part).rejected(408)
		})
	}
}

func TestAClientThatWentAwayCostsNoCallOfTheFunction(t *testing.T) {
	t.Parallel()
	g := start(t, setup{site: "log\n$CLOUDID\nreverse_proxy $UPSTREAM"})
	g.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 300 * time.Millisecond})
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		probe.Eventually(t, "WeChat is asked", func() bool { return g.wechat.Calls().GetOpenData == 1 })
		leave()
	}()
	const abandoned = `caddy_cloudid_invocations_total{appid="` + appid + `",outcome="canceled"}`
	_, err := g.client.Do(call{body: example}.request(ctx, g.url))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("call: %v", err)
	}
	probe.Eventually(t, "the request is counted as abandoned", func() bool {
		return g.metric(abandoned) == 1
	})
	probe.Eventually(t, "the access log has it as 499", func() bool { return len(g.logLines(`"status":499`)) == 1 })
	if g.upstream.take() != nil {
		t.Error("the function was called")
	}
	// The response that nobody waited for is not wasted.
	g.post(example).forwarded(resolved)
	if calls := g.wechat.Calls().GetOpenData; calls != 1 {
		t.Errorf("WeChat was asked %d times", calls)
	}
}
