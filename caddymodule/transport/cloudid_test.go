package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/gateway"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

const (
	appid = "wx3d289323f5900f8e"

	// A CloudID of WeChat's documentation, and what the sandbox says of it.
	steps     = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"
	stepsData = `{"cloudID":"` + steps + `","data":{"stepInfoList":[{"timestamp":1571673600,"step":9103}],` +
		`"watermark":{"appid":"` + appid + `","timestamp":1574338655}}}`
)

// eventSizes are of bodies that leave joined to their head, beside it, and in more pieces than one.
var eventSizes = []int{0, 100_000, 900_000}

// event returns an event with as many bytes of text and with open data declared, or without, and what a function receives.
func event(size int, declared bool) (sent, received string) {
	text := strings.Repeat("0123456789", size/10)
	if !declared {
		sent = fmt.Sprintf(`{"text":"%s"}`, text)
		return sent, sent
	}
	return fmt.Sprintf(`{"steps":"%s","text":"%s"}`, steps, text), fmt.Sprintf(`{"steps":%s,"text":"%s"}`, stepsData, text)
}

// eachEvent calls try with events of all kinds.
func eachEvent(try func(sent, received string)) {
	for _, size := range eventSizes {
		try(event(size, false))
		try(event(size, true))
	}
}

func postEvent(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: site\r\nContent-Type: application/json\r\nX-Sent: yes\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// account makes a sandbox, and returns the global options of an account of it.
func account(t *testing.T) string {
	t.Helper()
	wechat := httptest.NewServer(sandbox.New())
	t.Cleanup(wechat.Close)
	return fmt.Sprintf("cloudid {\naccount %s {\nsecret made-up-secret\nendpoint %s\nlimit off\n}\n}\n", appid, wechat.URL)
}

// Behind `cloudid`, which has read the body and rewritten it, all is as with `transport http`, too.
func TestBehindCloudID(t *testing.T) {
	t.Parallel()
	const cloudid = "cloudid {\nopenid o-made-up-user\n}\n"
	global := account(t)
	const mended = "respond \"{http.request.header.X-Sent} {http.request.body}\" 203"
	table := []behaviour{
		{"events of all kinds on one connection", setup{site: cloudid}, nil, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, received string) {
				c.say(postEvent(sent)).wantResponse(http.StatusOK, "POST / "+received)
			})
			s.wantAccepted(1)
		}},
		{"an upstream that is not there leaves the event to the next", setup{site: cloudid, to: "127.0.0.1:1 $UPSTREAM", proxy: "lb_policy first\nlb_retries 2\nfail_duration 10s"}, nil, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, received string) {
				c.say(postEvent(sent)).wantResponse(http.StatusOK, "POST / "+received)
			})
		}},
		{"an upstream that hangs up before it has read is asked again", setup{site: cloudid, proxy: "lb_retries 10\nlb_retry_match method POST"}, twoOfThree(func(c *rawserver.Conn) { c.Head() }), eventsArrive},
		{"one that hangs up when it has read is, too", setup{site: cloudid, proxy: "lb_retries 10\nlb_retry_match method POST"}, twoOfThree(func(c *rawserver.Conn) { c.Request() }), eventsArrive},
		{"one whose status is tried again is sent all of it again", setup{site: cloudid, proxy: "lb_retries 10\nlb_retry_match expression `{rp.status_code} == 503`"}, twoOfThree(func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
		}), eventsArrive},
		{"without retries an upstream that hangs up is a 502", setup{site: cloudid}, func(c *rawserver.Conn) { c.Head(); _ = c.Close() }, func(s *side) {
			eachEvent(func(sent, _ string) { s.dial().say(postEvent(sent)).wantResponse(http.StatusBadGateway, "") })
			s.upstream.WantOpen(s.t, 0)
		}},
		{"an error route sends the event elsewhere", setup{site: cloudid + "handle_errors {\nreverse_proxy $UPSTREAM {\ntransport $TRANSPORT\n}\n}", to: "127.0.0.1:1"}, nil, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, received string) {
				if res := c.say(postEvent(sent)).response("POST"); res.StatusCode != http.StatusOK || bodyOf(res) != "POST / "+received {
					s.t.Errorf("the response is %d", res.StatusCode)
				}
			})
		}},
		{"handle_response sees the request's header and body", setup{site: cloudid, proxy: "@bad status 500\nhandle_response @bad {\n" + mended + "\n}"}, rawserver.SayEach("HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nbad"), seesRequest},
		{"intercept does", setup{site: cloudid + "intercept {\n@bad status 500\nhandle_response @bad {\n" + mended + "\n}\n}"}, rawserver.SayEach("HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n"), seesRequest},
		{"an error route does", setup{site: cloudid + "handle_errors {\n" + mended + "\n}"}, func(c *rawserver.Conn) { c.Head(); _ = c.Close() }, seesRequest},
		{"header_up and header_down do", setup{site: cloudid, proxy: "header_up X-Up {http.request.header.X-Sent}\nheader_down X-Down {http.request.header.X-Sent}"}, func(c *rawserver.Conn) {
			for req := c.Request(); req != nil; req = c.Request() {
				c.Say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + req.Header.Get("X-Up"))
			}
		}, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, _ string) {
				if res := c.say(postEvent(sent)).wantResponse(http.StatusOK, "yes"); res.Header.Get("X-Down") != "yes" {
					s.t.Errorf("the response's header is %v", res.Header)
				}
			})
		}},
		{"forward_auth before, whose header is copied", setup{site: "forward_auth $UPSTREAM {\nuri /auth\ncopy_headers X-User\ntransport $TRANSPORT\n}\n" + cloudid}, authenticate, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, received string) {
				c.say(postEvent(sent)).wantResponse(http.StatusOK, "user "+received)
			})
		}},
		{"forward_auth behind is not sent the event", setup{site: "route {\n" + cloudid + "forward_auth $UPSTREAM {\nuri /auth\ncopy_headers X-User\ntransport $TRANSPORT\n}\n}"}, authenticate, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, received string) {
				c.say(postEvent(sent)).wantResponse(http.StatusOK, "user "+received)
			})
		}},
		{"request_buffers of all and of a part", setup{site: cloudid, proxy: "request_buffers 200KiB"}, nil, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, received string) {
				c.say(postEvent(sent)).wantResponse(http.StatusOK, "POST / "+received)
			})
		}},
		{"an early response while the event is being sent", setup{site: cloudid}, func(c *rawserver.Conn) {
			for req := c.Head(); req != nil; req = c.Head() {
				c.Say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
				time.Sleep(100 * time.Millisecond)
				_, _ = io.Copy(io.Discard, req.Body)
			}
		}, func(s *side) {
			eachEvent(func(sent, _ string) {
				s.dial().say(postEvent(sent)).wantResponse(http.StatusRequestEntityTooLarge, "big")
			})
		}},
		{"an upstream that reads slowly gets all of it", setup{site: cloudid}, func(c *rawserver.Conn) {
			for req := c.Head(); req != nil; req = c.Head() {
				var text strings.Builder
				for {
					n, err := io.CopyN(&text, req.Body, 64<<10)
					if err != nil || n == 0 {
						break
					}
					time.Sleep(2 * time.Millisecond)
				}
				c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", text.Len(), text.String()))
			}
		}, func(s *side) {
			c := s.dial()
			eachEvent(func(sent, received string) { c.say(postEvent(sent)).wantResponse(http.StatusOK, received) })
			s.wantAccepted(1)
		}},
		{"a client that leaves while the event is being sent", setup{site: cloudid}, func(c *rawserver.Conn) { c.Head(); time.Sleep(100 * time.Millisecond) }, clientLeaves},
		{"a client that leaves while it waits", setup{site: cloudid}, func(c *rawserver.Conn) { c.Request() }, clientLeaves},
	}
	for i := range table {
		table[i].setup.global = global
	}
	runBehaviours(t, table)
}

// twoOfThree fails two of three connections, and responds to one request on each of the others.
func twoOfThree(fail func(*rawserver.Conn)) func(*rawserver.Conn) {
	return func(c *rawserver.Conn) {
		defer c.Close()
		if c.Number%3 != 0 {
			fail(c)
			return
		}
		body := rawserver.Body(c.Request())
		c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
}

func eventsArrive(s *side) {
	c := s.dial()
	eachEvent(func(sent, received string) { c.say(postEvent(sent)).wantResponse(http.StatusOK, received) })
	s.upstream.WantOpen(s.t, 0)
}

func seesRequest(s *side) {
	eachEvent(func(sent, received string) {
		s.dial().say(postEvent(sent)).wantResponse(http.StatusNonAuthoritativeInfo, "yes "+received)
	})
}

// authenticate responds to /auth, where no body may come, with a user, and else with the user that it is told and the body.
func authenticate(c *rawserver.Conn) {
	for req := c.Request(); req != nil; req = c.Request() {
		body := rawserver.Body(req)
		text := req.Header.Get("X-User") + " " + body
		if req.URL.Path == "/auth" && (req.Method != http.MethodGet || body != "" || req.Header.Get("X-Sent") != "yes") {
			c.Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nX-User: user\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
	}
}

func clientLeaves(s *side) {
	eachEvent(func(sent, _ string) {
		c := s.dial().say(postEvent(sent))
		probe.Eventually(s.t, "the request is there", func() bool { return s.upstream.Open.Load() == 1 })
		time.Sleep(20 * time.Millisecond)
		_ = c.Close()
		s.upstream.WantOpen(s.t, 0)
	})
}

func bodyOf(res *http.Response) string {
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

// The access log has the request's header, and what of the request was asked for, whatever became of the copy that was sent.
func TestTheAccessLogBehindCloudID(t *testing.T) {
	t.Parallel()
	const cloudid = "cloudid {\nopenid o-made-up-user\n}\n"
	const appended = "log_append <body {http.request.body}\nlog_append sent {http.request.header.X-Sent}\nlog_append upstream {http.reverse_proxy.upstream.hostport}\n"
	global := account(t)
	for _, level := range []string{"INFO", "DEBUG"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			logged := make(map[string][]map[string]any)
			path := filepath.Join(t.TempDir(), "log")
			bothTransports(t, setup{
				global: global + "log debug {\noutput file " + path + ".default\nlevel " + level + "\ninclude http.handlers.reverse_proxy\n}",
				site:   "log {\noutput file " + path + ".$TRANSPORT\nformat json\n}\n" + appended + cloudid,
			}, echo, func(s *side) {
				c := s.dial()
				var bodies []string
				eachEvent(func(sent, received string) {
					c.say(postEvent(sent)).wantResponse(http.StatusOK, "POST / "+received)
					bodies = append(bodies, sent)
				})
				var lines []map[string]any
				probe.Eventually(s.t, "all requests are logged", func() bool {
					text, _ := os.ReadFile(path + "." + s.name)
					lines = nil
					for line := range strings.Lines(string(text)) {
						var fields map[string]any
						if json.Unmarshal([]byte(line), &fields) == nil {
							lines = append(lines, fields)
						}
					}
					return len(lines) == len(bodies)
				})
				for i, line := range lines {
					request, _ := line["request"].(map[string]any)
					header, _ := request["headers"].(map[string]any)
					if line["body"] != bodies[i] || line["sent"] != "yes" || !reflect.DeepEqual(header["X-Sent"], []any{"yes"}) || line["upstream"] != s.upstream.Address {
						s.t.Errorf("request %d is logged as %.300s", i, fmt.Sprint(line))
					}
					responseHeader, _ := line["resp_headers"].(map[string]any)
					for _, field := range []string{"Date", "X-Request-Id"} {
						delete(responseHeader, field)
					}
					for _, field := range []string{"ts", "duration", "uuid", "upstream"} {
						delete(line, field)
					}
					delete(request, "remote_port")
				}
				logged[s.name] = lines
			})
			if !reflect.DeepEqual(logged["http"], logged["http1"]) {
				t.Errorf("with transport http\n%.300s\nwith transport http1\n%.300s", fmt.Sprint(logged["http"]), fmt.Sprint(logged["http1"]))
			}
		})
	}
}

// certificate writes a certificate of 127.0.0.1, and returns the line of a site that has it.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	server.Close()
	made := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: made.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "tls " + filepath.Join(dir, "cert.pem") + " " + filepath.Join(dir, "key.pem") + "\n"
}

// With HTTP/2 and HTTP/3 in front, bodies reach the upstream from the client, from a handler that holds them and from `cloudid`;
// trailers reach the client, and that it has left reaches the upstream.
func TestProtocolsInFront(t *testing.T) {
	t.Parallel()
	global, tlsLine := account(t), certificate(t)
	for _, body := range []string{"", "held_body\n", "cloudid {\nopenid o-made-up-user\n}\n"} {
		for _, protocol := range []string{"HTTP/2.0", "HTTP/3.0"} {
			t.Run(protocol+" "+body, func(t *testing.T) {
				t.Parallel()
				arrived := make(chan struct{}, 1)
				secure, front := freeport.Addr(t), freeport.Addr(t)
				_, port, _ := strings.Cut(secure, ":")
				_, frontPort, _ := strings.Cut(front, ":")
				bothTransports(t, setup{
					global: global,
					site:   "header X-Protocol {http.request.proto}\n" + body,
					sites: "https://127.0.0.1:" + port + " {\n" + tlsLine + "import site\n}\n" +
						// Go's standard library has no client of HTTP/3; this one is Caddy's.
						"http://127.0.0.1:" + frontPort + " {\nreverse_proxy https://" + secure + " {\nheader_up Host 127.0.0.1\ntransport http {\nversions 3\ntls_insecure_skip_verify\ncompression off\n}\n}\n}\n",
				}, speaksOfAll(arrived), func(s *side) {
					url := "https://" + secure
					if protocol == "HTTP/3.0" {
						url = "http://" + front
					}
					transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true} //nolint:gosec // the test made the certificate itself
					defer transport.CloseIdleConnections()
					s.speak(transport, url, protocol, strings.HasPrefix(body, "cloudid"), arrived)
				})
			})
		}
	}
}

// speaksOfAll responds with the body of a request in chunks, and with a trailer. Of a request for /never it only says that it is there.
func speaksOfAll(arrived chan<- struct{}) func(*rawserver.Conn) {
	return func(c *rawserver.Conn) {
		for req := c.Request(); req != nil; req = c.Request() {
			if req.URL.Path == "/never" {
				arrived <- struct{}{}
				return
			}
			body := rawserver.Body(req)
			c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n")
			if body != "" {
				c.Say(fmt.Sprintf("%x\r\n%s\r\n", len(body), body))
			}
			c.Say("0\r\nT: 1\r\n\r\n")
		}
	}
}

// speak sends events by a client's transport, of known length and not, and leaves one request alone.
func (s *side) speak(client *http.Transport, url, protocol string, resolved bool, arrived <-chan struct{}) {
	s.t.Helper()
	eachEvent(func(sent, received string) {
		if !resolved {
			received = sent
		}
		for _, length := range []int64{int64(len(sent)), -1} {
			req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, io.NopCloser(strings.NewReader(sent)))
			if err != nil {
				s.t.Fatal(err)
			}
			req.ContentLength = length
			req.Header.Set("Content-Type", "application/json")
			res, err := client.RoundTrip(req)
			if err != nil {
				s.t.Fatal(err)
			}
			if got := bodyOf(res); res.StatusCode != http.StatusOK || got != received || res.Header.Get("X-Protocol") != protocol || res.Trailer.Get("T") != "1" {
				s.t.Errorf("%d bytes, said to be %d: %d %s with %d bytes and the trailers %v", len(sent), length, res.StatusCode, res.Header.Get("X-Protocol"), len(got), res.Trailer)
			}
			_ = res.Body.Close()
		}
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/never", strings.NewReader(`{"text":"x"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	go func() { <-arrived; cancel() }()
	if _, err := client.RoundTrip(req); !errors.Is(err, context.Canceled) {
		s.t.Errorf("the request that was left alone: %v", err)
	}
	s.upstream.WantOpenBetween(s.t, 0, 1) // one that is idle, in the transport that http1 hands bodies of unknown length to
}
