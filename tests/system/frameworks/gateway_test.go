package frameworks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const openid = "o-alice"

// modes are the ways in which the gateway stands in front of each framework; "open" is no gateway at all.
var modes = map[string]string{
	"open":     ``,
	"promised": "cloudid {\n openid " + openid + "\n fields weRunData phone\n user_info\n }",
	"user":     "cloudid {\n openid " + openid + "\n user_info\n }",
	"default":  "cloudid {\n openid " + openid + "\n }",
	"events":   "cloudid {\n openid " + openid + "\n event cloudevents\n fields weRunData phone\n user_info\n }",
}

// startGateway runs Caddy in this process, in front of all frameworks in each mode, until the test ends.
func startGateway(t *testing.T, frameworks []framework) *client {
	t.Helper()
	wechat := httptest.NewServer(sandbox.New())
	t.Cleanup(wechat.Close)
	certificate, key := makeCertificate(t)
	plain, secure := freeport.Addr(t), freeport.Addr(t)
	var routes strings.Builder
	for mode, directive := range modes {
		for _, f := range frameworks {
			fmt.Fprintf(&routes, "handle /%s/%s {\n header >Keys {http.cloudid.keys}\n %s\n %s\n }\n", mode, f.name, directive, f.proxy)
		}
	}
	config := fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	grace_period 1s
	default_bind 127.0.0.1
	log {
		output discard
	}
	cloudid {
		account wx3d289323f5900f8e {
			secret made-up
			endpoint %s
			limit off
		}
	}
}
(all) {
	%s
}
http://%s {
	import all
}
https://%s {
	tls %s %s
	import all
}
`, wechat.URL, routes.String(), plain, secure, certificate, key)
	caddyrig.Load(t, config)
	c := newClient(plain, secure)
	t.Cleanup(c.close)
	return c
}

// makeCertificate returns the files of a certificate for 127.0.0.1 and its key.
func makeCertificate(t *testing.T) (certificate, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", text)
}
