package project

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
)

// unmarshal reads JSON as devtools and people write it: with a byte order mark, comments and commas before a closing bracket, if
// it is none without them.
func unmarshal(text []byte, into any) error {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	err := json.Unmarshal(text, into)
	if err != nil {
		if again := json.Unmarshal(plain(text), into); again == nil || !json.Valid(text) {
			err = again
		}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s is of type %s, which is wrong there", cmp.Or(wrong.Field, "the whole"), wrong.Value)
	}
	return err
}

// Strict returns the JSON that other programs read of what unmarshal reads. Text that is no JSON stays as it is.
func Strict(text []byte) []byte {
	without := bytes.TrimPrefix(text, []byte("\uFEFF"))
	switch {
	case len(bytes.TrimSpace(without)) == 0:
		return []byte("{}\n")
	case json.Valid(without):
		return without
	case json.Valid(plain(without)):
		return plain(without)
	}
	return text
}

// plain replaces comments, and commas before a closing bracket, by spaces.
func plain(text []byte) []byte {
	out := bytes.Clone(text)
	comma := -1 // where the last comma is, if only space came behind it
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '"':
			comma = -1
			i = stringEnd(out, i)
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			i = blankComment(out, i)
		case c == ',':
			comma = i
		case (c == '}' || c == ']') && comma >= 0:
			out[comma] = ' '
			comma = -1
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			comma = -1
		}
	}
	return out
}

// stringEnd returns where the string ends that begins at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// blankComment overwrites the comment that begins at i, and returns its last place. Line ends stay.
func blankComment(text []byte, i int) int {
	end := len(text)
	if text[i+1] == '/' {
		if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
			end = i + n
		}
	} else if n := bytes.Index(text[i+2:], []byte("*/")); n >= 0 {
		end = i + 2 + n + 2
	}
	for ; i < end; i++ {
		if text[i] != '\n' {
			text[i] = ' '
		}
	}
	return end - 1
}
