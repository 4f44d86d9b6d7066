package wechat

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// responseOf is a network on which every call is answered with this body.
type responseOf []byte

func (a responseOf) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ContentLength: int64(len(a)), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(string(a))),
	}, nil
}

// FuzzGetOpenData holds whatever is sent as a response against what the response's reader promises: it never panics, every
// item is one JSON object about the id asked for, and only what holds data counts as open data.
func FuzzGetOpenData(f *testing.F) {
	files, err := filepath.Glob("testdata/responses/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds: ", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := strings.Cut(string(content), "\n\n")
		f.Add([]byte(body))
	}
	ids := []string{"27_a", "39_b", "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g", "27_a"}
	f.Fuzz(func(t *testing.T, body []byte) {
		client, err := New("http://wechat", func(Call) {})
		if err != nil {
			t.Fatal(err)
		}
		client.transport, client.http.Transport = netHTTPTransport{client.http, client.endpoint}, responseOf(body)
		responses, err := client.GetOpenData(context.Background(), "token", "openid", ids)
		if err != nil {
			if len(responses) != 0 || MetricLabel(err) == "" {
				t.Fatalf("%d items with the error %v, labelled %q", len(responses), err, MetricLabel(err))
			}
			return
		}
		if len(responses) != len(ids) {
			t.Fatalf("%d items for %d ids", len(responses), len(ids))
		}
		for i, response := range responses {
			checkResponse(t, ids[i], response)
		}
	})
}

// checkResponse reads a response with encoding/json, which is not what the client reads it with. Names that differ in nothing
// but case are one to it, and duplicates are the last one: about such responses it is asked less.
func checkResponse(t *testing.T, id string, response OpenData) {
	t.Helper()
	if !json.Valid(response.JSON) {
		t.Fatalf("no JSON: %s", response.JSON)
	}
	names := map[string]int{}
	decoder := json.NewDecoder(strings.NewReader(string(response.JSON)))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("no object: %s", response.JSON)
	}
	members := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		names[name.(string)]++
		members[name.(string)] = value
	}
	data, hasData := members["data"]
	switch {
	case response.Code == 0 && !hasData:
		t.Fatalf("open data without data: %s", response.JSON)
	case response.Code == 0 && names["data"] == 1 && string(data) == "null":
		t.Fatalf("open data that is null: %s", response.JSON)
	case response.Code != 0 && members["errCode"] == nil:
		t.Fatalf("code %d without an errCode: %s", response.Code, response.JSON)
	}
	var named string
	if names["cloudID"] == 1 && json.Unmarshal(members["cloudID"], &named) == nil && named != id && members["cloudID"][0] == '"' {
		t.Fatalf("about %q, not %q: %s", named, id, response.JSON)
	}
	if members["cloudID"] == nil {
		t.Fatalf("it does not name its id: %s", response.JSON)
	}
}
