package gateway_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/gateway"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const (
	appid  = "wx3d289323f5900f8e"
	secret = "made-up-secret-5c1a"
	user   = "o-made-up-user-77"

	// The CloudIDs of WeChat's documentation, and what the sandbox says of them.
	steps = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"
	group = "39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ"
	phone = "46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc"

	stepsData = `{"cloudID":"` + steps + `","data":{"stepInfoList":[{"timestamp":1571673600,"step":9103}],` +
		`"watermark":{"appid":"` + appid + `","timestamp":1574338655}}}`
	groupData = `{"cloudID":"` + group + `","data":{"openGId":"tGDAqZ5LmSk1Xv0bTn7uWc4RyEoJ"}}`
	phoneData = `{"cloudID":"` + phone + `","data":{"phoneNumber":"13580006666","purePhoneNumber":"13580006666",` +
		`"countryCode":"86","watermark":{"appid":"` + appid + `","timestamp":1574338655}}}`

	// Of a CloudID's look, but WeChat does not know it.
	unknownID = "12_abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456"

	// The event of WeChat's own example, and what becomes of it.
	example  = `{"weRunData":"` + steps + `","obj":{"shareInfo":"` + group + `"},"n":1.10}`
	resolved = `{"weRunData":` + stepsData + `,"obj":{"shareInfo":"` + group + `"},"n":1.10}`
)

// setup is what a test changes of the usual configuration. In its texts $UPSTREAM, $WECHAT, $DIR, $GATEWAY (all four what
// they say) and $CLOUDID (the directive with the lines of cloudid) are replaced.
type setup struct {
	global  string // global options
	account string // options of the account
	cloudid string // options of the directive
	site    string // the gateway's site; default: the directive and a reverse_proxy
	errors  string // the site's handle_errors; default: the message alone
	sites   string // more sites
	address string // the gateway's address without its port; default: http://127.0.0.1
	level   string // of the log; default: INFO

	endpoint string // of the account; default: the sandbox

	upstream http.Handler // what the function does; default: it responds "ok"
}

// testGateway is a Caddy with the plugin, between a stand-in for WeChat and one for the function.
type testGateway struct {
	t        testing.TB
	addr     string
	url      string
	dir      string
	caddy    *caddyrig.Instance
	log      caddyrig.Log
	config   string // the Caddyfile
	metrics  string // the URL of Caddy's metrics
	sandbox  string // the URL of the stand-in for WeChat
	wechat   *sandbox.Server
	upstream *upstream
	client   *http.Client
}

// start runs Caddy until the test ends.
func start(t testing.TB, s setup) *testGateway {
	t.Helper()
	g := &testGateway{t: t, dir: t.TempDir(), wechat: sandbox.New(), addr: freeport.Addr(t)}
	g.log = caddyrig.Log(filepath.Join(g.dir, "log.json"))
	wechat := httptest.NewServer(g.wechat)
	t.Cleanup(wechat.Close)
	g.sandbox = wechat.URL
	if s.endpoint == "" {
		s.endpoint = g.sandbox
	}
	g.upstream = newUpstream(t, s.upstream)
	if s.site == "" {
		s.site = "$CLOUDID\nreverse_proxy $UPSTREAM"
	}
	if s.errors == "" {
		s.errors = `respond "{err.message}"`
	}
	if s.address == "" {
		s.address = "http://127.0.0.1"
	}
	if s.level == "" {
		s.level = "INFO"
	}
	if !strings.Contains(s.cloudid, "openid ") && !strings.Contains(s.cloudid, "trust_headers") {
		s.cloudid = "openid " + user + "\n" + s.cloudid
	}
	_, port, _ := net.SplitHostPort(g.addr)
	g.url = s.address + ":" + port
	g.metrics = "http://" + freeport.Addr(t)
	g.config = strings.NewReplacer(
		"$CLOUDID", "cloudid {\n"+s.cloudid+"\n}",
		"$UPSTREAM", g.upstream.addr,
		"$WECHAT", g.sandbox,
		"$DIR", g.dir,
		"$GATEWAY", g.url,
	).Replace(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	grace_period 1s
	default_bind 127.0.0.1
	log default {
		output file $DIR/log.json
		format json
		level %s
	}
	%s
	cloudid {
		account %s {
			secret %s
			endpoint %s
			%s
		}
	}
}
%s {
	%s
	handle_errors {
		%s
	}
}
%s {
	metrics
}
%s
`, s.level, s.global, appid, secret, s.endpoint, s.account, g.url, s.site, s.errors, g.metrics, s.sites))
	if s.address == secure {
		writeCertificate(t, g.dir)
	}
	g.caddy = caddyrig.Start(t, g.config)
	g.client = &http.Client{Transport: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 100, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // made for this test
	}}
	t.Cleanup(g.client.CloseIdleConnections)
	return g
}

// in is the same gateway for a subtest.
func (g *testGateway) in(t testing.TB) *testGateway {
	other := *g
	other.t = t
	return &other
}

// logLines returns the log's lines that contain a text.
func (g *testGateway) logLines(containing string) []string {
	g.t.Helper()
	return g.log.Lines(g.t, containing)
}

// metric returns the value of one of the metrics, as text/plain shows it: name{label="value"}. One not shown yet is 0.
func (g *testGateway) metric(name string) float64 {
	g.t.Helper()
	res, err := http.Get(g.metrics)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				g.t.Fatal(err)
			}
			return value
		}
	}
	return 0
}

// received is a request as the function found it.
type received struct {
	method   string
	uri      string
	proto    string
	header   http.Header
	trailer  http.Header
	encoding []string // of the transfer
	length   int64    // as announced; -1: not announced
	body     string
	err      error // of reading the body
}

// upstream plays the function: it keeps what it is sent.
type upstream struct {
	addr string

	mu   sync.Mutex
	seen []*received
}

func newUpstream(t testing.TB, then http.Handler) *upstream {
	u := new(upstream)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if then != nil {
			then.ServeHTTP(w, r)
			return
		}
		u.keep(r)
		_, _ = io.WriteString(w, "ok")
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	u.addr = srv.Listener.Addr().String()
	return u
}

func (u *upstream) keep(r *http.Request) {
	got := &received{
		method: r.Method, uri: r.RequestURI, proto: r.Proto, header: r.Header.Clone(),
		encoding: r.TransferEncoding, length: r.ContentLength,
	}
	body, err := io.ReadAll(r.Body)
	got.body, got.err, got.trailer = string(body), err, r.Trailer.Clone()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, got)
}

// take returns what came since the last take; nil if nothing did.
func (u *upstream) take() *received {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		return nil
	}
	last := u.seen[len(u.seen)-1]
	u.seen = nil
	return last
}

// fault makes the next calls of WeChat fail.
func (g *testGateway) fault(f sandbox.Fault) {
	g.t.Helper()
	if err := g.wechat.Fault(f); err != nil {
		g.t.Fatal(err)
	}
}

// mint makes a CloudID of a user.
func (g *testGateway) mint(d sandbox.OpenData) string {
	g.t.Helper()
	id, err := g.wechat.MintCloudID(d)
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}
