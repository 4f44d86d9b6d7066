// Package responses reads the files that hold what servers say at their worst.
package responses

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Response is what a server says, of a file: sentences and expectations behind #, then what is said, as quoted strings.
//
//	# method: of the request; default GET
//	# then: open (the default), or close: what the server does afterwards
//	# want: the status and the quoted body, and "error" if the body does not end; or just "error"
//	# reused: whether the connection serves a second request
//	# net/http: its verdict, where it is another one, which must be less strict
type Response struct {
	Name     string // of the file, without its ending
	Method   string
	Closes   bool // the server closes the connection
	Want     string
	Reused   bool
	NetHTTP  string // the verdict of net/http; Want where it is no other
	Stricter bool   // than net/http
	Text     string
}

// Read returns the responses of a folder.
func Read(t testing.TB, folder string) []Response {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no responses in %s: %v", folder, err)
	}
	var all []Response
	for _, path := range paths {
		all = append(all, read(t, path))
	}
	return all
}

func read(t testing.TB, path string) Response {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fields := map[string]string{"method": "GET"}
	r := Response{Name: strings.TrimSuffix(filepath.Base(path), ".txt")}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if comment, ok := strings.CutPrefix(lines.Text(), "# "); ok {
			if name, value, ok := strings.Cut(comment, ": "); ok {
				fields[name] = value
			}
			continue
		}
		text, err := strconv.Unquote(lines.Text())
		if err != nil {
			t.Fatalf("%s: %q: %v", path, lines.Text(), err)
		}
		r.Text += text
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	r.Method, r.Want = fields["method"], fields["want"]
	r.Closes, r.Reused = fields["then"] == "close", fields["reused"] == "yes"
	r.NetHTTP, r.Stricter = fields["net/http"], fields["net/http"] != ""
	if !r.Stricter {
		r.NetHTTP = r.Want
	}
	return r
}
