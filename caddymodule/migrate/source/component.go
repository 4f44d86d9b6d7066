package source

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	scripts    = regexp.MustCompile(`(?is)<script\b([^>]*)>(.*?)</script\s*>`)
	typeScript = regexp.MustCompile(`(?i)\blang\s*=\s*["']?(ts|tsx|typescript)\b`)
)

// script returns what the scripts of a component of uni-app, mpvue or WePY say, on the same lines, and a name with the ending
// of their language. Other files are returned as they are.
func script(name string, text []byte) (string, []byte) {
	if !slices.Contains([]string{".vue", ".nvue", ".uvue", ".wpy"}, path.Ext(name)) {
		return name, text
	}
	base, out, ext := strings.TrimSuffix(name, path.Ext(name)), new(bytes.Buffer), ".js"
	end := 0
	for _, at := range scripts.FindAllSubmatchIndex(text, -1) {
		if typeScript.Match(text[at[2]:at[3]]) {
			ext = ".ts"
		}
		out.Write(bytes.Repeat([]byte{'\n'}, bytes.Count(text[end:at[4]], []byte{'\n'})))
		out.Write(text[at[4]:at[5]])
		end = at[5]
	}
	return base + ext, out.Bytes()
}
