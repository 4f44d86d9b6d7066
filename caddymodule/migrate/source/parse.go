package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
	"unsafe"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"
)

// parsed is the syntax of a file, and which of its lines a place in the parsed text came from.
type parsed struct {
	*js.AST
	text  []byte
	lines func(offset int) int
}

// parseFile parses JavaScript as it is. What has types, or is newer than the parser, goes through esbuild first, whose source
// map leads back to the lines of the file.
func parseFile(name string, text []byte) (*parsed, error) {
	name, text = script(name, text)
	if !IsTypeScript(name) && path.Ext(name) != ".jsx" {
		if ast, own, err := parseJS(text); err == nil {
			return &parsed{ast, own, lineCounter(own)}, nil
		}
	}
	return parseByESBuild(name, text)
}

func parseJS(text []byte) (*js.AST, []byte, error) {
	input := parse.NewInputBytes(bytes.Clone(text)) // it writes a zero behind the text
	own := input.Bytes()
	ast, err := js.Parse(input, js.Options{WhileToFor: false})
	return ast, own, err
}

func parseByESBuild(name string, text []byte) (*parsed, error) {
	result := api.Transform(string(text), api.TransformOptions{
		Loader: loaderOf(name), Target: api.ES2020, Sourcemap: api.SourceMapExternal, Sourcefile: name,
		JSX: api.JSXTransform, LogLevel: api.LogLevelSilent, Supported: map[string]bool{"top-level-await": true},
		// Types alone decide which imports are of types; without the other files all that are never used look so.
		TsconfigRaw: `{"compilerOptions":{"verbatimModuleSyntax":true}}`,
	})
	if len(result.Errors) > 0 {
		first := result.Errors[0]
		if first.Location != nil {
			return nil, fmt.Errorf("line %d: %s", first.Location.Line, strings.ToLower(first.Text[:1])+first.Text[1:])
		}
		return nil, errors.New(first.Text)
	}
	ast, own, err := parseJS(result.Code)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be parsed: %w", firstLine(err))
	}
	lines, err := mappedLines(own, result.Map)
	if err != nil {
		return nil, err
	}
	return &parsed{ast, own, lines}, nil
}

// Compile makes JavaScript of TypeScript, as CommonJS for Node.js. It checks no types. Nil is for what has a syntax error.
func Compile(name string, text []byte) []byte {
	return compile(name, text, api.FormatCommonJS, api.ES2020)
}

// CompileModule is Compile to an ES module.
func CompileModule(name string, text []byte) []byte {
	return compile(name, text, api.FormatESModule, api.ES2022) // which has await outside of functions
}

func compile(name string, text []byte, format api.Format, target api.Target) []byte {
	result := api.Transform(string(text), api.TransformOptions{
		Loader: loaderOf(name), Target: target, Format: format, Platform: api.PlatformNode, Sourcefile: name, LogLevel: api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return nil
	}
	return result.Code
}

func firstLine(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(text)
}

func loaderOf(name string) api.Loader {
	switch path.Ext(name) {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	case ".tsx":
		return api.LoaderTSX
	}
	return api.LoaderJSX // which is JavaScript with more in it
}

// line returns the line of the file on which a piece of its text stands.
func (p *parsed) line(piece []byte) int {
	if len(piece) == 0 {
		return 0
	}
	start, at := uintptr(unsafe.Pointer(unsafe.SliceData(p.text))), uintptr(unsafe.Pointer(unsafe.SliceData(piece)))
	if at < start || at >= start+uintptr(len(p.text)) {
		return 0
	}
	return p.lines(int(at - start))
}

// lineCounter returns a function that turns offsets into lines, from 1.
func lineCounter(text []byte) func(int) int {
	var starts []int
	for i, c := range text {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return func(offset int) int { return sort.SearchInts(starts, offset+1) + 1 }
}

// mappedLines turns offsets in what esbuild wrote into lines of what it read, by its source map (revision 3: base64 VLQ, of
// each segment the fields column, source, line and column of the source, each as a difference to the one before).
func mappedLines(text, sourceMap []byte) (func(int) int, error) {
	var m struct {
		Mappings string `json:"mappings"`
	}
	if err := json.Unmarshal(sourceMap, &m); err != nil {
		return nil, err
	}
	var first []int // by line of text: the line of the source that its first segment names; 0: none
	line := 0
	for generated := range strings.SplitSeq(m.Mappings, ";") {
		found := 0
		for segment := range strings.SplitSeq(generated, ",") {
			fields := decodeVLQ(segment)
			if len(fields) < 4 {
				continue
			}
			if line += fields[2]; found == 0 {
				found = line + 1
			}
		}
		first = append(first, found)
	}
	lineOf := lineCounter(text)
	return func(offset int) int {
		for at := min(lineOf(offset), len(first)) - 1; at >= 0; at-- {
			if first[at] > 0 {
				return first[at]
			}
		}
		return 0
	}, nil
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func decodeVLQ(segment string) []int {
	var fields []int
	value, shift := 0, 0
	for _, c := range []byte(segment) {
		digit := strings.IndexByte(base64Digits, c)
		if digit < 0 {
			return nil
		}
		value |= digit & 31 << shift
		if shift += 5; digit&32 != 0 {
			continue
		}
		if value&1 != 0 {
			fields = append(fields, -(value >> 1))
		} else {
			fields = append(fields, value>>1)
		}
		value, shift = 0, 0
	}
	return fields
}
