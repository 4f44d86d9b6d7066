package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

// witness is the sandbox, and what it was heard to say: for each openid and CloudID its response, which never changes since
// time stands still.
type witness struct {
	*sandbox.Server
	url string

	mu   sync.Mutex
	said map[userID]json.RawMessage
}

type userID struct{ openid, id string }

func startWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{Server: sandbox.New(), said: map[userID]json.RawMessage{}}
	now := time.Now()
	w.Now = func() time.Time { return now }
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/getopendata") {
		w.Server.ServeHTTP(out, r)
		return
	}
	response := httptest.NewRecorder()
	w.Server.ServeHTTP(response, r)
	w.listen(r.URL.Query().Get("openid"), response.Body.Bytes())
	for name, values := range response.Header() {
		out.Header()[name] = values
	}
	_, _ = out.Write(response.Body.Bytes())
}

func (w *witness) listen(openid string, response []byte) {
	var list struct {
		Items []struct {
			ID   string `json:"cloud_id"`
			JSON string `json:"json"`
		} `json:"data_list"`
	}
	if json.Unmarshal(response, &list) != nil {
		return
	}
	for _, item := range list.Items {
		w.hear(userID{openid, item.ID}, json.RawMessage(item.JSON))
	}
}

func (w *witness) hear(about userID, response json.RawMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[about] = response
}

// confirms reports whether a value is what WeChat said about a CloudID of a user.
func (w *witness) confirms(openid, id string, value []byte) bool {
	w.mu.Lock()
	said := w.said[userID{openid, id}]
	w.mu.Unlock()
	return said != nil && sameJSON(said, value)
}
