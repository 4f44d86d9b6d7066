package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// secureWeChat is a WeChat behind TLS, with a certificate that nobody knows but who is told.
type secureWeChat struct {
	url         string
	certificate string       // the file
	connections atomic.Int32 // opened so far
}

func startSecureWeChat(t *testing.T) *secureWeChat {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"api.weixin.qq.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	w := &secureWeChat{certificate: filepath.Join(t.TempDir(), "wechat.pem")}
	if err := os.WriteFile(w.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sandbox.New())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// startProxy runs a proxy that connects to one address, whatever is asked for, and counts who asks for what.
func startProxy(t *testing.T, address, expected string) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != expected {
			http.Error(w, "not here", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, "gone", http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		asked.Add(1)
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here) }()
		_, _ = io.Copy(here, there)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, asked
}

// startWithEndpoint runs a gateway that asks an endpoint, in an environment. What its function gets is what it responds with.
func startWithEndpoint(t *testing.T, endpoint string, env ...string) (gateway *caddyProcess, url string) {
	t.Helper()
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	t.Cleanup(function.Close)
	url = "http://" + freeport.Addr(t)
	return startCaddy(t, "gateway", fmt.Sprintf(`{
	admin off
	persist_config off
	cloudid {
		account %s {
			secret made-up
			endpoint %s
			cache off
		}
	}
}
%s {
	bind 127.0.0.1
	cloudid {
		openid %s
	}
	reverse_proxy %s
}
`, appid, endpoint, url, alice, strings.TrimPrefix(function.URL, "http://")), url, env...), url
}

// WeChat itself is only there by TLS. Whom the gateway speaks to must be who it means, and it must do with few handshakes.
func TestWeChatByTLS(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere Go does not take the certificates it trusts from SSL_CERT_FILE")
	}
	const event, answered, failed = `{"weRunData":"` + steps + `"}`, `{"weRunData":` + stepsData + `}`, `"errCode":-601003`

	t.Run("one connection serves the token and many events", func(t *testing.T) {
		wechat := startSecureWeChat(t)
		_, url := startWithEndpoint(t, wechat.url, "SSL_CERT_FILE="+wechat.certificate)
		for range 20 {
			if status, got := post(t, url, event); status != http.StatusOK || got != answered {
				t.Fatalf("status %d, %d bytes", status, len(got))
			}
		}
		if n := wechat.connections.Load(); n != 1 {
			t.Errorf("%d connections were opened", n)
		}
	})

	t.Run("somebody with another certificate is told nothing", func(t *testing.T) {
		wechat := startSecureWeChat(t)
		gateway, url := startWithEndpoint(t, wechat.url, "SSL_CERT_FILE="+startSecureWeChat(t).certificate)
		if _, got := post(t, url, event); !strings.Contains(got, failed) {
			t.Errorf("%d bytes, without the error", len(got))
		}
		wantLogged(t, gateway, "certificate")
	})

	t.Run("a server without TLS is named as what it is", func(t *testing.T) {
		plain := httptest.NewServer(sandbox.New())
		defer plain.Close()
		gateway, url := startWithEndpoint(t, strings.Replace(plain.URL, "http:", "https:", 1))
		if _, got := post(t, url, event); !strings.Contains(got, failed) {
			t.Errorf("%d bytes, without the error", len(got))
		}
		wantLogged(t, gateway, "the server speaks http, not https")
	})

	t.Run("a proxy is in between where the environment says so", func(t *testing.T) {
		wechat := startSecureWeChat(t)
		proxy, asked := startProxy(t, strings.TrimPrefix(wechat.url, "https://"), "api.weixin.qq.com:443")
		_, url := startWithEndpoint(t, "https://api.weixin.qq.com", "SSL_CERT_FILE="+wechat.certificate, "HTTPS_PROXY="+proxy)
		for range 5 {
			if status, got := post(t, url, event); status != http.StatusOK || got != answered {
				t.Fatalf("status %d, %d bytes", status, len(got))
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("the proxy was asked for %d connections", n)
		}
	})
}

func wantLogged(t *testing.T, p *caddyProcess, words string) {
	t.Helper()
	soon(t, "the log says "+words, func() bool { return strings.Contains(p.Output.String(), words) })
}
