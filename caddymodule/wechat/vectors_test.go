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

// vector is one file of testdata/responses; its README has the format.
type vector struct {
	name    string
	ids     []string
	becomes []string // "code json"
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
	got, err := responding(t, v.body).GetOpenData(within(t), "token", "openid", v.ids)
	if v.fails != "" {
		if err == nil {
			t.Fatalf("got %d items, want the error %s", len(got), v.fails)
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
	for _, data := range got {
		lines = append(lines, strconv.Itoa(data.Code)+" "+string(data.JSON))
	}
	if !slices.Equal(lines, v.becomes) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(v.becomes, "\n"))
	}
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/responses/*.txt")
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
	lines := strings.Split(bytesIn(t, head), "\n")
	if !strings.HasSuffix(lines[0], ".") {
		t.Errorf("%s: the first line is no sentence", name)
	}
	for _, line := range lines[1:] {
		keyword, value, _ := strings.Cut(line, ": ")
		switch keyword {
		case "asks":
			v.ids = strings.Fields(value)
		case "becomes":
			id, result, _ := strings.Cut(value, " ")
			if n := len(v.becomes); n >= len(v.ids) || v.ids[n] != id {
				t.Fatalf("%s: something for %s, which was not asked for there", name, id)
			}
			v.becomes = append(v.becomes, result)
		case "fails":
			v.fails = value
		default:
			t.Fatalf("%s: unknown line %q", name, line)
		}
	}
	if v.fails == "" && len(v.becomes) != len(v.ids) {
		t.Fatalf("%s: %d items for %d ids", name, len(v.becomes), len(v.ids))
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

func TestAWatermarkNamesTheAppThatOpenDataIsFor(t *testing.T) {
	for _, test := range []struct {
		sentence, json string
		want           bool // it is for wx1
	}{
		{"it stands in the data", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx1","timestamp":1}}}`, true},
		{"and may name another app", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx2","timestamp":1}}}`, false},
		{"data without one says nothing", `{"cloudID":"27_a","data":{"openGId":"g"}}`, true},
		{"one without an appid neither", `{"cloudID":"27_a","data":{"watermark":{"timestamp":1}}}`, true},
		{"one beside the data is not it", `{"cloudID":"27_a","watermark":{"appid":"wx2"},"data":{}}`, true},
		{"an error has none", `{"cloudID":"27_a","errCode":-601006}`, true},
		{"data that is no object has none", `{"cloudID":"27_a","data":"watermark"}`, true},
		{"a watermark that is no object names nobody", `{"cloudID":"27_a","data":{"watermark":["appid"]}}`, true},
		{"two appids, the last of another", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx1","appid":"wx2"}}}`, false},
		{"two appids, the first of another", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx2","appid":"wx1"}}}`, false},
		{"two appids, both right", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx1","appid":"wx1"}}}`, true},
		{"two watermarks, the last of another", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx1"},"watermark":{"appid":"wx2"}}}`, false},
		{"two watermarks, the first of another", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx2"},"watermark":{}}}`, false},
		{"data twice, the last of another", `{"cloudID":"27_a","data":{"watermark":{"appid":"wx1"}},"data":{"watermark":{"appid":"wx2"}}}`, false},
		{"names written with escapes", `{"cloudID":"27_a","d\u0061ta":{"w\u0061termark":{"\u0061ppid":"wx2"}}}`, false},
		{"an appid written with escapes", `{"cloudID":"27_a","data":{"watermark":{"appid":"\u0077x1"}}}`, true},
		{"an appid that is empty", `{"cloudID":"27_a","data":{"watermark":{"appid":""}}}`, false},
		{"an appid that is no string", `{"cloudID":"27_a","data":{"watermark":{"appid":1}}}`, false},
		{"an appid that is null", `{"cloudID":"27_a","data":{"watermark":{"appid":null}}}`, false},
	} {
		if got := (wechat.OpenData{JSON: []byte(test.json)}).IsFor("wx1"); got != test.want {
			t.Errorf("%s: got %t", test.sentence, got)
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
