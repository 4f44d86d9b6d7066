package wechat_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// vector is one file of testdata/answers; its README has the format.
type vector struct {
	name    string
	ids     []string
	answers []string // "code json"
	fails   string   // the label of the error, "" for none
	body    string
}

func TestVectors(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) < 80 {
		t.Errorf("only %d vectors were found", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) { v.check(t) })
	}
}

func (v *vector) check(t *testing.T) {
	t.Helper()
	got, err := answering(t, v.body).GetOpenData(within(t), "token", "openid", v.ids)
	if v.fails != "" {
		if err == nil {
			t.Fatalf("got %d answers, want the error %s", len(got), v.fails)
		}
		if code := wechat.Code(err); code != 0 && strconv.Itoa(code) == v.fails {
			return
		}
		if label := wechat.MetricLabel(err); label != v.fails {
			t.Errorf("got %v (%s), want the error %s", err, label, v.fails)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, answer := range got {
		lines = append(lines, strconv.Itoa(answer.Code)+" "+string(answer.JSON))
	}
	if !slices.Equal(lines, v.answers) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(v.answers, "\n"))
	}
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/answers/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, parseVector(t, strings.TrimSuffix(filepath.Base(file), ".txt"), string(content)))
	}
	return vectors
}

func parseVector(t testing.TB, name, content string) vector {
	t.Helper()
	head, body, found := strings.Cut(content, "\n\n")
	if !found {
		t.Fatalf("%s: no empty line", name)
	}
	v := vector{name: name, body: bytesIn(t, strings.TrimSuffix(body, "\n"))}
	lines := strings.Split(head, "\n")
	if !strings.HasSuffix(lines[0], ".") {
		t.Errorf("%s: the first line is no sentence", name)
	}
	for _, line := range lines[1:] {
		keyword, value, _ := strings.Cut(line, ": ")
		switch keyword {
		case "asks":
			v.ids = strings.Fields(value)
		case "answer":
			id, answer, _ := strings.Cut(value, " ")
			if n := len(v.answers); n >= len(v.ids) || v.ids[n] != id {
				t.Fatalf("%s: an answer for %s, which was not asked for there", name, id)
			}
			v.answers = append(v.answers, answer)
		case "fails":
			v.fails = value
		default:
			t.Fatalf("%s: unknown line %q", name, line)
		}
	}
	if v.fails == "" && len(v.answers) != len(v.ids) {
		t.Fatalf("%s: %d answers for %d ids", name, len(v.answers), len(v.ids))
	}
	return v
}

// bytesIn replaces `hexadecimal digits*count` by the bytes they stand for.
func bytesIn(t testing.TB, text string) string {
	t.Helper()
	parts := strings.Split(text, "`")
	for i := 1; i < len(parts); i += 2 {
		digits, count, repeated := strings.Cut(parts[i], "*")
		decoded, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		n := 1
		if repeated {
			if n, err = strconv.Atoi(count); err != nil {
				t.Fatal(err)
			}
		}
		parts[i] = strings.Repeat(string(decoded), n)
	}
	return strings.Join(parts, "")
}

func TestAWatermarkNamesTheAppThatOpenDataWasMadeOutFor(t *testing.T) {
	for _, test := range []struct{ sentence, json, want string }{
		{"it stands in the data", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx1","timestamp":1}}}`, "wx1"},
		{"data without one says nothing", `{"cloudID":"27_a","data":{"openGId":"g"}}`, ""},
		{"one beside the data is not it", `{"cloudID":"27_a","watermark":{"appid":"wx1"},"data":{}}`, ""},
		{"an error has none", `{"cloudID":"27_a","errCode":-601006}`, ""},
	} {
		if got := (wechat.OpenData{JSON: []byte(test.json)}).Watermark(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.sentence, got, test.want)
		}
	}
}

func TestAnErrorObjectHasTheShapeThatFunctionsKnow(t *testing.T) {
	for id, want := range map[string]string{
		"27_a":           `{"cloudID":"27_a","errCode":-601008,"errMsg":"server-side request timedout"}`,
		"quote\" \\ \n<": `{"cloudID":"quote\" \\ \n\u003c","errCode":-601008,"errMsg":"server-side request timedout"}`,
	} {
		if got := wechat.OpenDataError(id, wechat.CodeTimeout); string(got.JSON) != want || got.Code != wechat.CodeTimeout {
			t.Errorf("got %d %s, want %s", got.Code, got.JSON, want)
		}
	}
}
