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

// answerOf is a network on which every call is answered with this body.
type answerOf []byte

func (a answerOf) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ContentLength: int64(len(a)), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(string(a))),
	}, nil
}

// FuzzGetOpenData holds whatever is sent as an answer against what the answer's reader promises: it never panics, every
// item is one JSON object about the id asked for, and only what holds data counts as open data.
func FuzzGetOpenData(f *testing.F) {
	files, err := filepath.Glob("testdata/answers/*.txt")
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
		client.transport, client.http.Transport = netHTTPTransport{client.http, client.endpoint}, answerOf(body)
		answers, err := client.GetOpenData(context.Background(), "token", "openid", ids)
		if err != nil {
			if len(answers) != 0 || MetricLabel(err) == "" {
				t.Fatalf("%d answers with the error %v, labelled %q", len(answers), err, MetricLabel(err))
			}
			return
		}
		if len(answers) != len(ids) {
			t.Fatalf("%d answers for %d ids", len(answers), len(ids))
		}
		for i, answer := range answers {
			checkAnswer(t, ids[i], answer)
		}
	})
}

// checkAnswer reads an answer with encoding/json, which is not what the client reads it with. Names that differ in nothing
// but case are one to it, and duplicates are the last one: about such answers it is asked less.
func checkAnswer(t *testing.T, id string, answer OpenData) {
	t.Helper()
	if !json.Valid(answer.JSON) {
		t.Fatalf("no JSON: %s", answer.JSON)
	}
	names := map[string]int{}
	decoder := json.NewDecoder(strings.NewReader(string(answer.JSON)))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("no object: %s", answer.JSON)
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
	case answer.Code == 0 && !hasData:
		t.Fatalf("open data without data: %s", answer.JSON)
	case answer.Code == 0 && names["data"] == 1 && string(data) == "null":
		t.Fatalf("open data that is null: %s", answer.JSON)
	case answer.Code != 0 && members["errCode"] == nil:
		t.Fatalf("code %d without an errCode: %s", answer.Code, answer.JSON)
	}
	var named string
	if names["cloudID"] == 1 && json.Unmarshal(members["cloudID"], &named) == nil && named != id && members["cloudID"][0] == '"' {
		t.Fatalf("about %q, not %q: %s", named, id, answer.JSON)
	}
	if members["cloudID"] == nil {
		t.Fatalf("it does not name its id: %s", answer.JSON)
	}
}
