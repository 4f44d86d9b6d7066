package gateway_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"
)

// A WebSocket goes through the handler, also in strict mode, where the bodies of such requests are read.
func TestAnUpgradeGoesThrough(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]setup{
		"":                                {},
		"in strict mode":                  {cloudid: "fields weRunData"},
		"with a guard of streamed bodies": {site: "log\ntracing\nencode\n$CLOUDID\nreverse_proxy $UPSTREAM"},
	} {
		t.Run(name, func(t *testing.T) {
			s.upstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, buffered, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"+r.Header.Get("X-WX-OPENID")+"\n")
				line, _ := buffered.ReadString('\n')
				_, _ = io.WriteString(conn, line)
			})
			g := start(t, s)
			conn := g.dial()
			_, _ = io.WriteString(conn, "GET /fn HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, X-WX-OPENID\r\nUpgrade: echo\r\nX-WX-OPENID: forged\r\n\r\n")
			responses := bufio.NewReader(conn)
			res, err := http.ReadResponse(responses, nil)
			if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("response %+v, %v", res, err)
			}
			if line, err := responses.ReadString('\n'); line != user+"\n" {
				t.Errorf("the function was told %q, %v", line, err)
			}
			_, _ = io.WriteString(conn, "hello\n")
			if line, err := responses.ReadString('\n'); line != "hello\n" {
				t.Errorf("the echo is %q, %v", line, err)
			}
		})
	}
}

// Two of them in a row, as when a site and a route in it each have one: the second has the last word.
func TestTwiceInARow(t *testing.T) {
	t.Parallel()
	const second = "cloudid {\nopenid o-second\nguess off\n}"
	g := start(t, setup{site: "route {\n$CLOUDID\n" + second + "\nreverse_proxy $UPSTREAM\n}"})
	got := g.post(example).forwarded(resolved)
	got.has(t, "X-WX-OPENID", "o-second")
	got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)
	g.want(2, 2, 1)
}
