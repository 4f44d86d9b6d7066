package transport_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestMethodsAndBodies(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		t.Run(method, func(t *testing.T) {
			bothTransports(t, setup{}, echo, func(s *side) {
				c := s.dial()
				for _, body := range []string{"", "x", strings.Repeat("body ", 1000), strings.Repeat("large ", 40_000)} {
					c.say(fmt.Sprintf("%s /p?q=%%20 HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body))
					c.wantResponse(http.StatusOK, method+" /p?q=%20 "+body)
				}
				s.wantAccepted(1)
				larger := strings.Repeat("larger ", 100_000) // which http1 hands over
				c.say(fmt.Sprintf("%s /p HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n%s", method, len(larger), larger))
				c.wantResponse(http.StatusOK, method+" /p "+larger)
			})
		})
	}
}

// What goes to the upstream is the same, byte for byte.
func TestTheRequestOnTheWire(t *testing.T) {
	t.Parallel()
	for sentence, request := range map[string]string{
		"a GET":                 get("/a%20b?c=d&e"),
		"a GET with fields":     "GET / HTTP/1.1\r\nHost: site:80\r\nz: 1\r\nA: 2\r\nA: 3\r\nCookie: a=b\r\nUser-Agent: \r\nX-Ümlaut: x\r\n\r\n",
		"a GET of an old kind":  "GET / HTTP/1.0\r\n\r\n",
		"a POST":                post("body"),
		"a POST without body":   "POST / HTTP/1.1\r\nHost: site\r\nUser-Agent: me\r\nContent-Length: 0\r\n\r\n",
		"an encoding asked for": "GET / HTTP/1.1\r\nHost: site\r\nAccept-Encoding: br\r\n\r\n",
		"a range asked for":     "GET / HTTP/1.1\r\nHost: site\r\nRange: bytes=0-1\r\n\r\n",
		"hop by hop":            "GET / HTTP/1.1\r\nHost: site\r\nConnection: X\r\nX: 1\r\nTE: trailers\r\nKeep-Alive: 1\r\n\r\n",
		"a DELETE with a body":  "DELETE / HTTP/1.1\r\nHost: site\r\nContent-Length: 4\r\n\r\nbody",
		"an absolute URL":       "GET http://site/path HTTP/1.1\r\nHost: site\r\n\r\n",
		"two slashes":           get("//a//b"),
		"the server itself":     "OPTIONS * HTTP/1.1\r\nHost: site\r\n\r\n",
		"a body in chunks":      "POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
	} {
		t.Run(sentence, func(t *testing.T) {
			var seen []string
			for _, name := range []string{"http", "http1"} {
				received := make(chan string, 1)
				s := start(t, name, setup{}, func(c *rawserver.Conn) {
					var text bytes.Buffer
					req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c.Conn, &text)))
					if err == nil {
						_, err = io.Copy(io.Discard, req.Body)
					}
					if err != nil {
						t.Error(err)
					}
					received <- text.String()
					c.Say(okResponse)
				})
				status := s.dial().say(request).response(http.MethodGet).StatusCode
				select {
				case got := <-received:
					got = strings.NewReplacer(s.address, "caddy", s.upstream.Address, "upstream").Replace(got)
					seen = append(seen, fmt.Sprint(status, " ", got))
				default:
					seen = append(seen, fmt.Sprint("no request, but ", status))
				}
			}
			if seen[0] != seen[1] {
				t.Errorf("with transport http it is\n%q, with http1\n%q", seen[0], seen[1])
			}
		})
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	runBehaviours(t, []behaviour{
		{"a HEAD has no body, and the connection is used again", setup{}, rawserver.SayEach("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), func(s *side) {
			c := s.dial()
			for range 2 {
				if res := c.say("HEAD / HTTP/1.1\r\nHost: site\r\n\r\n").response(http.MethodHead); res.ContentLength != 100 {
					s.t.Errorf("the length is %d", res.ContentLength)
				}
			}
			s.wantAccepted(1)
		}},
		{"204 and 304 have none", setup{}, func(c *rawserver.Conn) {
			for _, status := range []string{"204 No Content", "304 Not Modified", "204 No Content", "304 Not Modified"} {
				c.Request()
				c.Say("HTTP/1.1 " + status + "\r\nX: 1\r\n\r\n")
			}
		}, func(s *side) {
			c := s.dial()
			for _, status := range []int{204, 304, 204, 304} {
				if res := c.say(get("/")).wantResponse(status, ""); res.Header.Get("X") != "1" {
					s.t.Errorf("the header is %v", res.Header)
				}
			}
			s.wantAccepted(1)
		}},
		{"103 goes to the client", setup{}, rawserver.SayEach("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okResponse), func(s *side) {
			c := s.dial().say(get("/"))
			if res := c.response("GET"); res.StatusCode != http.StatusEarlyHints || res.Header.Get("Link") != "</a>" {
				s.t.Errorf("got %d with %v", res.StatusCode, res.Header)
			}
			if res := c.wantResponse(http.StatusOK, "ok"); res.Header.Get("Link") != "" {
				s.t.Error("the hint is in the final response, too")
			}
		}},
		{"chunks are streamed as they come", setup{}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range 3 {
				<-next
				c.Say("5\r\nevent\r\n")
			}
			c.Say("0\r\n\r\n")
		}, streamed(next)},
		{"with flush_interval -1 so is a body of known length", setup{proxy: "flush_interval -1"}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n")
			for range 3 {
				<-next
				c.Say("event")
			}
		}, streamed(next)},
		{"a body that ends with the connection", setup{}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\n\r\nuntil the end")
			_ = c.Close()
		}, func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusOK, "until the end")
			s.dial().say(get("/")).wantResponse(http.StatusOK, "until the end")
			s.wantAccepted(2)
		}},
		{"trailers, announced or not", setup{}, rawserver.SayEach("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\nB: 2\r\n\r\n"), func(s *side) {
			res := s.dial().say(get("/")).wantResponse(http.StatusOK, "ok")
			if got := fmt.Sprint(res.Trailer); got != "map[A:[1] B:[2]]" {
				s.t.Errorf("the trailers are %s", got)
			}
		}},
		{"a body that breaks off is no complete response", setup{}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			_ = c.Close()
		}, func(s *side) {
			res := s.dial().say(get("/")).response("GET")
			if text, err := io.ReadAll(res.Body); err == nil || string(text) != "half" {
				s.t.Errorf("got %q, %v", text, err)
			}
		}},
		{"what is no HTTP is a 502", setup{}, rawserver.SayEach("bye\r\n\r\n"), func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusBadGateway, "")
		}},
		{"a connection that ends is a 502", setup{}, func(c *rawserver.Conn) { c.Request(); _ = c.Close() }, func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusBadGateway, "")
			s.wantAccepted(1)
		}},
		{"max_response_header", setup{transport: "max_response_header 1000"}, rawserver.SayEach("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2000) + "\r\nContent-Length: 2\r\n\r\nok"), func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusBadGateway, "")
		}},
		{"buffers", setup{transport: "read_buffer 100\nwrite_buffer 100"}, nil, func(s *side) {
			body := strings.Repeat("x", 10_000)
			s.dial().say(post(body)).wantResponse(http.StatusOK, "POST / "+body)
		}},
		{"compression is asked for, and undone, where the client does not ask", setup{}, compressed, func(s *side) {
			res := s.dial().say(get("/")).wantResponse(http.StatusOK, "gzip: plain")
			if res.Header.Get("Content-Encoding") != "" {
				s.t.Errorf("the header is %v", res.Header)
			}
		}},
		{"compression off", setup{transport: "compression off"}, compressed, func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusOK, ": plain")
		}},
	})
}

func streamed(next chan<- struct{}) func(*side) {
	return func(s *side) {
		c := s.dial().say(get("/"))
		res := c.response("GET")
		for range 3 {
			next <- struct{}{}
			if n, err := io.ReadFull(res.Body, make([]byte, 5)); n != 5 || err != nil {
				s.t.Fatalf("got %d bytes, %v", n, err)
			}
		}
		if rest, err := io.ReadAll(res.Body); len(rest) != 0 || err != nil {
			s.t.Errorf("then %q, %v", rest, err)
		}
	}
}

// compressed responds with the encoding that it was asked for, in that.
func compressed(c *rawserver.Conn) {
	for req := c.Request(); req != nil; req = c.Request() {
		encoding := req.Header.Get("Accept-Encoding")
		text, field := encoding+": plain", ""
		if encoding == "gzip" {
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			_, _ = io.WriteString(w, text)
			_ = w.Close()
			text, field = zipped.String(), "Content-Encoding: gzip\r\n"
		}
		c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", field, len(text), text))
	}
}

func TestRequestsThatNeedMore(t *testing.T) {
	t.Parallel()
	runBehaviours(t, []behaviour{
		{"a WebSocket", setup{}, func(c *rawserver.Conn) {
			req := c.Head()
			c.Say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + req.Header.Get("Upgrade") + "\r\nConnection: Upgrade\r\n\r\n")
			_, _ = io.CopyN(c, c.Reader, 5)
		}, func(s *side) {
			c := s.dial().say("GET / HTTP/1.1\r\nHost: site\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			if res := c.response("GET"); res.StatusCode != http.StatusSwitchingProtocols {
				s.t.Fatalf("got %d", res.StatusCode)
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(c.say("hello").reader, got); err != nil || string(got) != "hello" {
				s.t.Errorf("got %q, %v", got, err)
			}
		}},
		{"chunks and trailers", setup{}, func(c *rawserver.Conn) {
			req := c.Request()
			body := rawserver.Body(req)
			text := fmt.Sprint(req.TransferEncoding, body, req.Trailer)
			c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
		}, func(s *side) {
			s.dial().say("POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n4\r\nbody\r\n0\r\nT: 1\r\n\r\n").
				wantResponse(http.StatusOK, "[chunked]bodymap[T:[1]]")
		}},
		{"Expect: 100-continue", setup{transport: "expect_continue_timeout 5s"}, func(c *rawserver.Conn) {
			req := c.Head()
			c.Say("HTTP/1.1 100 Continue\r\n\r\n")
			body, _ := io.ReadAll(req.Body)
			c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		}, func(s *side) {
			c := s.dial().say("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
			if res := c.response("POST"); res.StatusCode != http.StatusContinue {
				s.t.Errorf("got %d", res.StatusCode)
			}
			// Caddy's server may say so too, besides the upstream: a client takes any number of them (RFC 9110, 15.2).
			res := c.say("body").response("POST")
			for res.StatusCode == http.StatusContinue {
				res = c.response("POST")
			}
			if got, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || string(got) != "body" {
				s.t.Errorf("the response is %d %.200q, %v", res.StatusCode, got, err)
			}
		}},
		{"an early response to a large upload", setup{}, refuse, func(s *side) {
			c := s.dial()
			go func() { _, _ = io.WriteString(c.Conn, post(strings.Repeat("x", 1<<24))) }()
			c.wantResponse(http.StatusRequestEntityTooLarge, "big")
		}},
		{"an upload is streamed as it comes", setup{}, func(c *rawserver.Conn) {
			req := c.Head()
			for range 3 {
				_, _ = io.CopyN(io.Discard, req.Body, 4)
				c.Say("HTTP/1.1 103 Early Hints\r\n\r\n")
			}
			c.Say(okResponse)
		}, func(s *side) {
			c := s.dial().say("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 12\r\n\r\n")
			for range 3 {
				if res := c.say("body").response("POST"); res.StatusCode != http.StatusEarlyHints {
					s.t.Fatalf("got %d", res.StatusCode)
				}
			}
			c.wantResponse(http.StatusOK, "ok")
		}},
		{"a field that would be two lines is no request", setup{proxy: "header_up X {query.x}"}, nil, func(s *side) {
			s.dial().say(get("/?x=a%0d%0aEvil:%201")).wantResponse(http.StatusBadGateway, "")
			s.dial().say(get("/?x=a")).wantResponse(http.StatusOK, "GET /?x=a ")
		}},
		{"request_buffers", setup{proxy: "request_buffers 4KiB"}, func(c *rawserver.Conn) {
			for req := c.Request(); req != nil; req = c.Request() {
				body := rawserver.Body(req)
				text := fmt.Sprint(req.ContentLength, len(body))
				c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
			}
		}, func(s *side) {
			c := s.dial()
			c.say(post("body")).wantResponse(http.StatusOK, "4 4")
			c.say(post(strings.Repeat("x", 100_000))).wantResponse(http.StatusOK, "100000 100000")
		}},
		{"response_buffers", setup{proxy: "response_buffers 4KiB"}, nil, func(s *side) {
			c := s.dial()
			for _, size := range []int{10, 100_000} {
				body := strings.Repeat("x", size)
				c.say(post(body)).wantResponse(http.StatusOK, "POST / "+body)
			}
			s.wantAccepted(1)
		}},
		{"handle_response", setup{proxy: "@bad status 500\nhandle_response @bad {\nrespond \"mended\" 203\n}\n@copied status 202\nhandle_response @copied {\ncopy_response 201\n}"}, func(c *rawserver.Conn) {
			for _, status := range []string{"500", "202", "200"} {
				c.Request()
				c.Say("HTTP/1.1 " + status + " X\r\nContent-Length: 2\r\n\r\nok")
			}
		}, func(s *side) {
			s.dial().say(get("/")).wantResponse(203, "mended")
		}},
		{"copy_response", setup{proxy: "@copied status 202\nhandle_response @copied {\ncopy_response 201\n}"}, rawserver.SayEach("HTTP/1.1 202 X\r\nContent-Length: 2\r\n\r\nok"), func(s *side) {
			c := s.dial()
			c.say(get("/")).wantResponse(201, "ok")
			c.say(get("/")).wantResponse(201, "ok")
			s.wantAccepted(1)
		}},
		{"a rewritten method sends no body", setup{proxy: "method GET\nrewrite /other"}, nil, func(s *side) {
			s.dial().say(post("body")).wantResponse(http.StatusOK, "GET /other ")
		}},
		{"forward_auth in front reads no body", setup{site: "forward_auth $UPSTREAM {\nuri /auth\n}"}, nil, func(s *side) {
			c := s.dial()
			c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
			c.say(post(strings.Repeat("x", 100_000))).wantResponse(http.StatusOK, "POST / "+strings.Repeat("x", 100_000))
		}},
	})
}

// refuse responds to a request before it was read, and reads no more for a while.
func refuse(c *rawserver.Conn) {
	if c.Head() == nil {
		return
	}
	c.Say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
	time.Sleep(200 * time.Millisecond)
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	runBehaviours(t, []behaviour{
		{"a Unix socket", setup{listen: listenUnix}, nil, func(s *side) {
			c := s.dial()
			c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
			c.say(get("/")).wantResponse(http.StatusOK, "GET / ")
			s.wantAccepted(1)
		}},
		{"a Unix socket that takes one connection, with requests of all kinds", setup{transport: "max_conns_per_host 1", listen: listenUnix}, nil, func(s *side) {
			c := s.dial()
			for range 2 {
				c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
				c.say("POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n").wantResponse(http.StatusOK, "POST / body")
			}
			s.upstream.WantOpenBetween(s.t, 0, 1)
		}},
		{"IPv6", setup{listen: func(t testing.TB) net.Listener {
			return rawserver.Listen(t, "tcp", "[::1]:0")
		}}, nil, func(s *side) {
			s.dial().say(post("body")).wantResponse(http.StatusOK, "POST / body")
		}},
		{"local_address", setup{transport: "local_address 127.0.0.9"}, func(c *rawserver.Conn) {
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			c.Request()
			c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(host), host))
		}, func(s *side) { s.dial().say(get("/")).wantResponse(http.StatusOK, "127.0.0.9") }},
		{"a name, and resolvers", setup{transport: "resolvers 127.0.0.1:1\ndial_timeout 500ms", to: "no-such-name.example:80"}, nil, func(s *side) {
			if status := s.dial().say(get("/")).response("GET").StatusCode; status != http.StatusBadGateway && status != http.StatusGatewayTimeout {
				s.t.Errorf("got %d", status)
			}
		}},
		{"nobody listens: 502", setup{to: "127.0.0.1:1"}, nil, func(s *side) { s.dial().say(get("/")).wantResponse(http.StatusBadGateway, "") }},
		{"PROXY protocol, which says of each connection whose it is", setup{transport: "proxy_protocol v1"}, func(c *rawserver.Conn) {
			line, _ := c.Reader.ReadString('\n')
			for c.Request() != nil {
				c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(line), line))
			}
		}, func(s *side) {
			for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
				c := s.dialBy(net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}})
				c.say(get("/")).wantResponse(http.StatusOK, "PROXY TCP4 "+from+" 0.0.0.0 0 0\r\n")
			}
		}},
		{"TLS", setup{to: "https://$UPSTREAM", transport: "tls_insecure_skip_verify", listen: func(t testing.TB) net.Listener {
			return tls.NewListener(rawserver.ListenTCP(t), upstreamTLS(t))
		}}, nil, func(s *side) {
			c := s.dial()
			c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
			c.say(get("/")).wantResponse(http.StatusOK, "GET / ")
			s.wantAccepted(1)
		}},
		{"a forward proxy", setup{transport: "network_proxy url http://$UPSTREAM", to: "site.example:8080"}, echo, func(s *side) {
			s.dial().say(get("/path")).wantResponse(http.StatusOK, "GET http://site/path ")
		}},
	})
}

func listenUnix(t testing.TB) net.Listener {
	return rawserver.Listen(t, "unix", filepath.Join(t.TempDir(), "socket"))
}

// upstreamTLS is what an upstream needs to speak HTTP/1.1 over TLS.
func upstreamTLS(t testing.TB) *tls.Config {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	return &tls.Config{Certificates: s.TLS.Certificates}
}
