package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// secure is the address of a gateway that speaks TLS, whose site has the lines of certificate.
const (
	secure      = "https://127.0.0.1"
	certificate = "tls $DIR/cert.pem $DIR/key.pem\n"
)

func writeCertificate(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryProtocol sends the same over each version of HTTP.
func TestEveryProtocol(t *testing.T) {
	t.Parallel()
	const small = "max_size 10000B"
	t.Run("HTTP/1.1", func(t *testing.T) {
		everyProtocol(start(t, setup{cloudid: small, global: lenient}), "HTTP/1.1")
	})
	t.Run("HTTP/2", func(t *testing.T) {
		everyProtocol(start(t, setup{cloudid: small, global: lenient, address: secure, site: certificate + "$CLOUDID\nreverse_proxy $UPSTREAM"}), "HTTP/2.0")
	})
	t.Run("HTTP/2 without TLS", func(t *testing.T) {
		g := start(t, setup{cloudid: small, global: strings.TrimSuffix(lenient, "}") + "protocols h1 h2c\n}"})
		transport := g.client.Transport.(*http.Transport)
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		everyProtocol(g, "HTTP/2.0")
	})
	t.Run("HTTP/3", func(t *testing.T) {
		// Another Caddy is the client: Go's standard library has none.
		front := freeport.Addr(t)
		g := start(t, setup{
			cloudid: small,
			global:  lenient,
			address: secure,
			site:    certificate + "$CLOUDID\nreverse_proxy $UPSTREAM",
			sites:   "http://" + front + " {\nreverse_proxy $GATEWAY {\nheader_up Host 127.0.0.1\ntransport http {\nversions 3\ntls_insecure_skip_verify\n}\n}\n}",
		})
		g.url = "http://" + front
		everyProtocol(g, "HTTP/3.0")
	})
}

func everyProtocol(g *testGateway, proto string) {
	t := g.t.(*testing.T)
	sized := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	t.Run("an event", func(t *testing.T) {
		for _, chunked := range []bool{false, true} {
			got := g.in(t).do(call{body: example, chunked: chunked}).forwarded(resolved)
			got.has(t, "Content-Length", strconv.Itoa(len(resolved)))
			got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)
			if via := got.header["Via"]; via[len(via)-1] != strings.TrimPrefix(proto, "HTTP/")+" Caddy" {
				t.Errorf("it came by another protocol than %s: %q", proto, via)
			}
		}
	})
	t.Run("bodies that are none", func(t *testing.T) {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := g.in(t).do(call{method: method}).forwarded("")
			got.has(t, "X-WX-OPENID", user)
			if got.length > 0 || len(got.encoding) > 0 {
				t.Errorf("%s: announced are %d bytes, transfer encoding %q", method, got.length, got.encoding)
			}
		}
		g.in(t).do(call{chunked: true}).forwarded("")
	})
	t.Run("other types", func(t *testing.T) {
		for _, chunked := range []bool{false, true} {
			g.in(t).do(call{kind: "text/plain", body: sized(3 << 20), chunked: chunked}).forwarded(sized(3 << 20))
			g.in(t).do(call{kind: "-", body: "x" + example, chunked: chunked}).forwarded("x" + example)
		}
	})
	t.Run("rejections", func(t *testing.T) {
		for _, chunked := range []bool{false, true} {
			g.in(t).do(call{body: sized(10001), chunked: chunked}).rejected(413)
			g.in(t).do(call{body: `{"a":`, chunked: chunked}).rejected(400)
			g.in(t).do(call{kind: "-", body: `{"a":`, chunked: chunked}).rejected(400)
			g.in(t).do(call{kind: "application/json; charset=utf-16", body: `{}`, chunked: chunked}).rejected(415)
		}
		req := call{body: example}.request(t.Context(), g.url)
		req.Header["Content-Type"] = []string{"application/json", "text/plain"}
		res, err := g.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		g.in(t).read(res).rejected(400)
	})
	t.Run("forged headers and trailers", func(t *testing.T) {
		for _, c := range []call{
			{body: example, chunked: true},
			{kind: "text/plain", body: example, chunked: true},
			{body: example},
			{kind: "text/plain", body: example}, // HTTP/1.1 then has no trailers
		} {
			req := c.request(t.Context(), g.url)
			req.Trailer = make(http.Header)
			for _, name := range forged {
				req.Header[strings.ToLower(name)] = []string{"forged"}
				req.Trailer[http.CanonicalHeaderKey(name)] = []string{"forged"}
			}
			res, err := g.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			r := g.in(t).read(res)
			if r.got == nil {
				t.Fatalf("status %d: %s", r.status, r.body)
			}
			wantNothingForged(t, r.got)
			r.got.has(t, "X-WX-OPENID", user)
			if len(r.got.trailer) != 0 {
				t.Errorf("trailers came through: %v", r.got.trailer)
			}
		}
	})
}

func TestAStalledUploadEndsOverHTTP2Too(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		address: secure,
		global:  "servers {\ntimeouts {\nread_body 300ms\n}\n}",
		site:    certificate + "$CLOUDID\nreverse_proxy $UPSTREAM",
	})
	reader, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = io.WriteString(writer, `{"a":`) }()
	req := call{}.request(t.Context(), g.url)
	req.Body, req.ContentLength = reader, -1
	res, err := g.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	g.read(res).rejected(408)
}

func TestAClientThatGoesAwayDuringAnUploadOverHTTP2(t *testing.T) {
	t.Parallel()
	g := start(t, setup{address: secure, site: certificate + "$CLOUDID\nreverse_proxy $UPSTREAM"})
	const abandoned = `caddy_cloudid_invocations_total{appid="` + appid + `",outcome="canceled"}`
	reader, writer := io.Pipe()
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(writer, `{"a":`)
		leave()
	}()
	req := call{}.request(ctx, g.url)
	req.Body, req.ContentLength = reader, -1
	if _, err := g.client.Do(req); err == nil {
		t.Fatal("a response came")
	}
	probe.Eventually(t, "it is counted as abandoned", func() bool { return g.metric(abandoned) == 1 })
	if g.upstream.take() != nil {
		t.Error("the function was called")
	}
}

// TestAmongOtherHandlers sends the example through sites as operators write them. No directive needs an order line.
func TestAmongOtherHandlers(t *testing.T) {
	t.Parallel()
	const proxy = "\nreverse_proxy $UPSTREAM\n"
	for name, site := range map[string]string{
		"encode":                        "encode\n$CLOUDID" + proxy,
		"handle around it":              "handle /fn* {\n$CLOUDID" + proxy + "}",
		"handle behind it":              "$CLOUDID\nhandle /fn* {" + proxy + "}",
		"route":                         "route {\n$CLOUDID" + proxy + "}",
		"route behind it":               "$CLOUDID\nroute {" + proxy + "}",
		"handle_path":                   "handle_path /fn/* {\n$CLOUDID" + proxy + "}",
		"tracing":                       "tracing {\nspan test\n}\n$CLOUDID" + proxy,
		"request_body":                  "request_body {\nmax_size 1MB\n}\n$CLOUDID" + proxy,
		"an access log":                 "log\n$CLOUDID" + proxy,
		"everything":                    "log\ntracing\nencode\nrequest_body {\nmax_size 1MB\n}\n$CLOUDID\nhandle /fn* {" + proxy + "}",
		"a function that speaks HTTP/2": "$CLOUDID\nreverse_proxy h2c://$UPSTREAM",
		"written last":                  "reverse_proxy $UPSTREAM\n$CLOUDID",
		"request buffers":               "$CLOUDID\nreverse_proxy $UPSTREAM {\nrequest_buffers 4KB\n}",
		"request_header in front":       "request_header -X-Unwanted\n$CLOUDID" + proxy,
		"headers removed behind it":     "$CLOUDID\nreverse_proxy $UPSTREAM {\nheader_up -X-Unwanted\n}",
		"an authenticator in front":     "basic_auth {\n" + user + " $2a$04$a72o.MaJLdSwtap2H1.xXenCYhx6tFusR.0U0qYaY.JhXjxFc37kq\n}\n$CLOUDID" + proxy,
		"a placeholder for the body":    "$CLOUDID\nreverse_proxy $UPSTREAM {\nheader_up X-Body {http.request.body}\n}",
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{site: site}
			c := call{path: "/fn/x", body: example}
			if strings.Contains(site, "basic_auth") {
				s.cloudid = "openid {http.auth.user.id}"
				c.header = map[string]string{"Authorization": "Basic " + basic(user, "made-up")}
			}
			g := start(t, s)
			for _, c.chunked = range []bool{false, true} {
				got := g.do(c).forwarded(resolved)
				got.has(t, "X-WX-OPENID", user)
				got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)
				if got.length != int64(len(resolved)) {
					t.Errorf("announced are %d bytes", got.length)
				}
			}
			c.body, c.chunked = `{"a":`, false
			g.do(c).rejected(400)
		})
	}
}

// The placeholder showed an empty body behind tracing, which hands on a copy of the request.
func TestThePlaceholderOfTheBodyShowsTheNewOne(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "tracing\n", "log\ntracing\n"} {
		g := start(t, setup{site: before + "$CLOUDID\nrespond {http.request.body}"})
		if r := g.post(example); r.body != resolved {
			t.Errorf("behind %q the body is %q", before, r.body)
		}
		if r := g.do(call{kind: "text/plain", body: example}); r.body != example {
			t.Errorf("behind %q the body of another type is %q", before, r.body)
		}
		g = start(t, setup{site: before + "$CLOUDID\nroute {\nheader X-Body {http.request.body_base64}\nreverse_proxy $UPSTREAM\n}"})
		r := g.post(`{"a":1}`)
		r.forwarded(`{"a":1}`)
		if got := r.header.Get("X-Body"); got != "eyJhIjoxfQ==" {
			t.Errorf("behind %q the body in base64 is %q", before, got)
		}
		g = start(t, setup{site: before + "$CLOUDID\nroute {\nrequest_body {\nset \"another\"\n}\nrespond {http.request.body}\n}"})
		if r := g.post(example); r.body != "another" {
			t.Errorf("behind %q the body that another handler set is %q", before, r.body)
		}
	}
}

// log_append keeps what a placeholder holds, and makes its text when the request is over. It had the body of another request, or
// none.
func TestTheBodyInAnAccessLog(t *testing.T) {
	t.Parallel()
	for _, placeholder := range []string{"body", "body_base64"} {
		g := start(t, setup{site: "log\nroute {\n$CLOUDID\nlog_append sent {http.request." + placeholder + "}\n" + "reverse_proxy $UPSTREAM\n}"})
		for range 3 {
			g.post(example).forwarded(resolved)
			g.post(`{"another":1}`).forwarded(`{"another":1}`)
		}
		probe.Eventually(t, "the calls are in the log", func() bool { return len(g.logLines(`"handled request"`)) == 6 })
		for i, line := range g.logLines(`"handled request"`) {
			var logged struct{ Sent string }
			if err := json.Unmarshal([]byte(line), &logged); err != nil {
				t.Fatal(err)
			}
			want := []string{resolved, `{"another":1}`}[i%2]
			if placeholder == "body_base64" {
				want = base64.StdEncoding.EncodeToString([]byte(want))
			}
			if logged.Sent != want {
				t.Errorf("of call %d the log has %q for {http.request.%s}", i, logged.Sent, placeholder)
			}
		}
	}
}

func TestAMatcherLimitsIt(t *testing.T) {
	t.Parallel()
	g := start(t, setup{site: "cloudid /fn/* {\nopenid " + user + "\n}\nreverse_proxy $UPSTREAM"})
	g.do(call{path: "/fn/x", body: example}).forwarded(resolved)
	g.do(call{path: "/other", body: example}).forwarded(example).has(t, "X-WX-OPENID", "")
}

func TestFastCGI(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	u := new(upstream)
	go func() {
		_ = fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u.keep(r)
			_, _ = io.WriteString(w, "ok")
		}))
	}()
	g := start(t, setup{site: "$CLOUDID\nreverse_proxy " + listener.Addr().String() + " {\ntransport fastcgi {\nroot /\nsplit .php\n}\n}"})
	g.upstream = u
	for _, c := range []struct {
		call
		want string
	}{
		{call{body: example}, resolved},
		{call{body: example, chunked: true}, resolved},
		{call{body: `{"a":1}`, chunked: true}, `{"a":1}`},
		{call{header: map[string]string{"Content-Encoding": "gzip"}, body: zipped(example)}, resolved},
		{call{kind: "text/plain", body: example}, example},
	} {
		c.path = "/fn.php"
		got := g.do(c.call).forwarded(c.want)
		if got.length != int64(len(c.want)) {
			t.Errorf("announced are %d bytes instead of %d", got.length, len(c.want))
		}
		got.has(t, "X-WX-OPENID", user)
		wantNothingForged(t, got)
	}
	g.do(call{path: "/fn.php", body: `{"a":`}).rejected(400)
}

func basic(name, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
}
