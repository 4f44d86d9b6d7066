package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// cluster is three gateways with the same config, and what they stand between.
type cluster struct {
	wechat *sandbox.Server
	nodes  []*node
	began  sync.Map // the numbers of the events that the function was called with
}

// node is one gateway. Nobody but WeChat's sandbox and the function knows of all of them.
type node struct {
	*caddyProcess
	url, api string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{wechat: sandbox.New()}
	wechat := httptest.NewServer(c.wechat)
	t.Cleanup(wechat.Close)
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.began.Store(r.URL.Query().Get("number"), true)
		echo(w, r)
	}))
	t.Cleanup(function.Close)
	for i := range 3 {
		n := &node{url: "http://" + freeport.Addr(t), api: "http://" + freeport.Addr(t)}
		caddyfile := fmt.Sprintf(`{
	admin off
	persist_config off
	cloudid {
		account %s {
			secret shared-by-all-nodes
			endpoint %s
		}
	}
}
%s {
	bind 127.0.0.1
	header Node %s
	wechat_login /login
	handle /fn {
		wechat_session
		cloudid
		reverse_proxy %s
	}
}
%s {
	bind 127.0.0.1
	cloudid_api
}
`, appid, wechat.URL, n.url, n.url, function.Listener.Addr(), n.api)
		n.caddyProcess = startCaddy(t, fmt.Sprintf("node %d", i+1), caddyfile, n.url)
		c.nodes = append(c.nodes, n)
	}
	return c
}

// balancers are two sites of a fourth Caddy. Both try another node where nothing answers; only careful also sends a request
// again that a node may have begun to work on.
func (c *cluster) startBalancers(t *testing.T) (plain, careful string) {
	t.Helper()
	plain, careful = "http://"+freeport.Addr(t), "http://"+freeport.Addr(t)
	var nodes strings.Builder
	for _, n := range c.nodes {
		nodes.WriteString(" " + strings.TrimPrefix(n.url, "http://"))
	}
	startCaddy(t, "balancer", fmt.Sprintf(`{
	admin off
	persist_config off
}
%s {
	bind 127.0.0.1
	reverse_proxy %s {
		lb_policy round_robin
		lb_retries 5
		fail_duration 1s
		transport http {
			keepalive off
		}
	}
}
%s {
	bind 127.0.0.1
	reverse_proxy %s {
		lb_policy round_robin
		lb_retries 5
		lb_retry_match {
			method POST
		}
		fail_duration 1s
		request_buffers 64KiB
	}
}
`, plain, nodes.String(), careful, nodes.String()), plain)
	return plain, careful
}

// logIn returns a session token that a gateway made for alice.
func logIn(t *testing.T, wechat *sandbox.Server, url string) string {
	t.Helper()
	code, err := wechat.MintCode(sandbox.Login{OpenID: alice})
	if err != nil {
		t.Fatal(err)
	}
	status, response := post(t, url+"/login", `{"code":"`+code+`"}`)
	var session struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(response), &session); err != nil || session.Token == "" {
		t.Fatalf("login: %d %s", status, response)
	}
	return session.Token
}

// What one node signs, all know: sessions, and the tokens that functions are given.
func TestTokensCountOnAllNodes(t *testing.T) {
	c := startCluster(t)
	for i, maker := range c.nodes {
		session := logIn(t, c.wechat, maker.url)
		for j, other := range c.nodes {
			res, err := callEcho(http.DefaultClient, other.url+"/fn", session, 1)
			if err != nil {
				t.Errorf("a session of node %d on node %d: %v", i+1, j+1, err)
				continue
			}
			for k, third := range c.nodes {
				token := res.Header.Get("Invocation-Token")
				status, response := post(t, third.api+"/getOpenData?cloudbase_access_token="+token, `{"list":["`+steps+`"]}`)
				if want := `{"list":[` + stepsData + `],"errCode":0,"errMsg":"getOpenData:ok"}`; response != want {
					t.Errorf("an invocation token of node %d on node %d: %d %s", j+1, k+1, status, response)
				}
			}
		}
	}
	if calls := c.wechat.Calls(); calls.StableToken != len(c.nodes) || calls.GetOpenData != len(c.nodes) {
		t.Errorf("the nodes fetched %d tokens and asked %d times for one CloudID, each should once", calls.StableToken, calls.GetOpenData)
	}
}

// A node may die or restart at any moment. Only requests that a killed node was working on may fail, or that a restarting
// one had not yet begun to work on; and with retries not even those.
func TestNodesComeAndGo(t *testing.T) {
	const meanwhile = 200
	c := startCluster(t)
	plain, careful := c.startBalancers(t)
	session := logIn(t, c.wechat, c.nodes[0].url)
	var lines []*traffic
	for _, way := range []struct{ name, url string }{{"plain", plain}, {"retrying", careful}} {
		lines = append(lines, drive(t, way.name, 4, func(number int64) error {
			_, err := callEcho(http.DefaultClient, fmt.Sprintf("%s/fn?number=%s-%d", way.url, way.name, number), session, number)
			return err
		}))
	}
	goOn := func() {
		t.Helper()
		for _, d := range lines {
			d.more(t, meanwhile)
		}
	}

	goOn()
	death := during(c.nodes[0].Kill)
	goOn()
	c.nodes[0].caddyProcess = c.nodes[0].again(t, c.nodes[0].url)
	c.takesPart(t, plain, session, c.nodes[0])
	goOn()
	restart := during(c.nodes[1].Stop)
	goOn()
	c.nodes[1].caddyProcess = c.nodes[1].again(t, c.nodes[1].url)
	c.takesPart(t, plain, session, c.nodes[1])
	goOn()

	for _, d := range lines {
		d.stop()
	}
	lines[0].allFine(t, func(r failedRequest) bool {
		_, began := c.began.Load(fmt.Sprintf("plain-%d", r.number))
		// When a listener is closed, connections that it had not accepted yet are reset.
		return r.during(death) || r.during(restart) && !began
	})
	lines[1].allFine(t, nil)
	if calls := c.wechat.Calls(); calls.StableToken > len(c.nodes)+2 {
		t.Errorf("%d tokens were fetched by three nodes and two that came back", calls.StableToken)
	}
}

// takesPart waits until a node responds through the balancer.
func (c *cluster) takesPart(t *testing.T, balancer, session string, n *node) {
	t.Helper()
	soon(t, n.Name+" takes part", func() bool {
		res, err := callEcho(http.DefaultClient, balancer+"/fn", session, 1)
		return err == nil && res.Header.Get("Node") == n.url
	})
}
