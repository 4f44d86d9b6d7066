package http1

import (
	"bufio"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/responses"
)

// wantAsNetHTTP reads a response's head, and fails if it is not read as http.ReadResponse does. It reports whether it was read at all.
func wantAsNetHTTP(t *testing.T, text, method string) bool {
	t.Helper()
	req := &http.Request{Method: method}
	reader := bufio.NewReader(strings.NewReader(text))
	_, _ = reader.Peek(1)
	got := readUsual(reader, req)
	if got == nil {
		if rest, _ := io.ReadAll(reader); string(rest) != text {
			t.Errorf("a part of %q was read, and left to http.ReadResponse: %q is left", text, rest)
		}
		return false
	}
	theirs := bufio.NewReader(strings.NewReader(text))
	want, err := http.ReadResponse(theirs, req)
	if err != nil {
		t.Errorf("%q is read, by http.ReadResponse not: %v", text, err)
		return true
	}
	if want.Body == http.NoBody {
		t.Errorf("to http.ReadResponse %q has no body", text)
	}
	want.Body = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q is read as\n%+v, by http.ReadResponse as\n%+v", text, got, want)
	}
	rest, _ := io.ReadAll(reader)
	if theirs, _ := io.ReadAll(theirs); string(rest) != string(theirs) {
		t.Errorf("of %q %q is left, by http.ReadResponse %q", text, rest, theirs)
	}
	return true
}

func TestUsualHeads(t *testing.T) {
	const length = "Content-Length: 2\r\n"
	for sentence, test := range map[string]struct {
		head string
		read bool
	}{
		"of Go":                            {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 28 Nov 2026 14:35:00 GMT\r\n" + length, true},
		"of Node.js":                       {"HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\n" + length + "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", true},
		"of Python":                        {"HTTP/1.1 500 Internal Server Error\r\nserver: uvicorn\r\ncontent-length: 2\r\n", true},
		"a field of several lines":         {"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nA: b\r\nSet-Cookie: c\r\n" + length, true},
		"space around values":              {"HTTP/1.1 200 OK\r\nA:b\r\nC: \t d e\t \r\nF:\r\nContent-Length:  2 \r\n", true},
		"an odd reason":                    {"HTTP/1.1 200   ä \r\n" + length, true},
		"no reason":                        {"HTTP/1.1 200 \r\n" + length, true},
		"neither reason nor space":         {"HTTP/1.1 200\r\n" + length, false},
		"chunks":                           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", false},
		"chunks by another name":           {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + length, false},
		"no length":                        {"HTTP/1.1 200 OK\r\nA: b\r\n", false},
		"no field":                         {"HTTP/1.1 200 OK\r\n", false},
		"a length of zero":                 {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", false},
		"two lengths":                      {"HTTP/1.1 200 OK\r\n" + length + length, false},
		"two lengths, of which one is 0":   {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + length, false},
		"a length with a sign":             {"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n", false},
		"a length that is too large":       {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n", false},
		"a length that is none":            {"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n", false},
		"a wish to close":                  {"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length, false},
		"fields of the connection":         {"HTTP/1.1 200 OK\r\nConnection: keep-alive, foo\r\n" + length, false},
		"a trailer":                        {"HTTP/1.1 200 OK\r\nTrailer: a\r\n" + length, false},
		"what net/http adds to":            {"HTTP/1.1 200 OK\r\nPragma: no-cache\r\n" + length, false},
		"no body":                          {"HTTP/1.1 204 No Content\r\n" + length, false},
		"no change":                        {"HTTP/1.1 304 Not Modified\r\n" + length, false},
		"an announcement":                  {"HTTP/1.1 103 Early Hints\r\n" + length, false},
		"a status that is none":            {"HTTP/1.1 2x0 OK\r\n" + length, false},
		"a status with a sign":             {"HTTP/1.1 +20 OK\r\n" + length, false},
		"a status of four digits":          {"HTTP/1.1 2000 OK\r\n" + length, false},
		"another version":                  {"HTTP/1.0 200 OK\r\n" + length, false},
		"a field of two lines":             {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n" + length, false},
		"a field without a colon":          {"HTTP/1.1 200 OK\r\nA\r\n" + length, false},
		"a field without a name":           {"HTTP/1.1 200 OK\r\n: b\r\n" + length, false},
		"a space before a colon":           {"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n" + length, false},
		"a name that is none":              {"HTTP/1.1 200 OK\r\nA(: b\r\n" + length, false},
		"a value with a control character": {"HTTP/1.1 200 OK\r\nA: 12345678\x00\r\n" + length, false},
		"a value with a carriage return":   {"HTTP/1.1 200 OK\r\nA: b\rc\r\n" + length, false},
		"a carriage return too many":       {"HTTP/1.1 200 OK\r\nA: b\r\r\n" + length, false},
		"a value with a DEL":               {"HTTP/1.1 200 OK\r\nA: 1234\x7f678\r\n" + length, false},
		"a value with tabs":                {"HTTP/1.1 200 OK\r\nA: 1234\t678\t\t\t\t\t\t\t\t\t\ta\r\n" + length, true},
		"a line feed alone":                {"HTTP/1.1 200 OK\r\nA: bc\n" + length, false},
		"line feeds alone":                 {"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\r\n", false},
	} {
		if read := wantAsNetHTTP(t, test.head+"\r\nok and more", http.MethodPost); read != test.read {
			t.Errorf("%s: it was read: %t", sentence, read)
		}
		if wantAsNetHTTP(t, test.head+"\r\nok", http.MethodHead) {
			t.Errorf("%s was read after a HEAD", sentence)
		}
	}
	if wantAsNetHTTP(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n", http.MethodGet) {
		t.Error("a head that is not all there was read")
	}
}

func FuzzUsualHead(f *testing.F) {
	for _, r := range responses.Read(f, "testdata/responses") {
		f.Add(r.Text)
	}
	f.Add("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")
	f.Fuzz(func(t *testing.T, text string) { wantAsNetHTTP(t, text, http.MethodGet) })
}

// Whatever stands where in eight bytes, the verdict is that on each byte.
func TestIsText(t *testing.T) {
	for before := range 17 {
		for after := range 17 {
			for c := range 256 {
				text := strings.Repeat("\t", before) + string([]byte{byte(c)}) + strings.Repeat("\xff", after)
				if got, want := isText(text), c >= ' ' && c != 0x7f || c == '\t'; got != want {
					t.Fatalf("%q: %t", text, got)
				}
			}
		}
	}
}
