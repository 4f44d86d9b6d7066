package wechat

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// item is one of a response's data_list: the raw values of its members, "" where there is none.
type item struct{ cloudID, json string }

// matchItems finds each id's item: the first that names it, else the one in its position if that names nothing.
func matchItems(list gjson.Result, ids []string) []OpenData {
	named, nameless := make([]item, len(ids)), make([]item, len(ids))
	position := 0
	list.ForEach(func(_, value gjson.Result) bool {
		one := readItem(value.Raw)
		name := gjson.Parse(one.cloudID).String()
		if name == "" && position < len(ids) {
			nameless[position] = one
		}
		for i, id := range ids {
			if name != "" && name == id && named[i].cloudID == "" {
				named[i] = one
			}
		}
		position++
		return true
	})
	found := make([]OpenData, len(ids))
	for i, id := range ids {
		one := named[i]
		if one.cloudID == "" {
			one = nameless[i]
		}
		data, err := one.read(id)
		if err != nil {
			data = OpenDataError(id, CodeSystemError)
		}
		found[i] = data
	}
	return found
}

// readItem finds an item's members. gjson would also make a copy of json without escapes.
func readItem(raw string) (one item) {
	if raw[0] != '{' {
		return item{}
	}
	text := unsafe.Slice(unsafe.StringData(raw), len(raw)) // only read
	_ = jsonscan.Walk(text, func(m jsonscan.Member) {      // of valid JSON
		switch nameOf(text[m.NameStart:m.NameEnd]) {
		case "cloud_id":
			setFirst(&one.cloudID, raw[m.ValueStart:m.ValueEnd])
		case "json":
			setFirst(&one.json, raw[m.ValueStart:m.ValueEnd])
		}
	})
	return one
}

func setFirst(member *string, value string) {
	if *member == "" {
		*member = value
	}
}

var errUnusable = errors.New("missing, empty, or not about this id")

// read reads an item's json: on the wire a string that holds an object, in WeChat's document the object itself.
func (one item) read(id string) (OpenData, error) {
	text := one.text()
	object, err := readObject(text)
	if err != nil {
		if text = mend(text); len(text) == 0 {
			return OpenData{}, errUnusable
		}
		if object, err = readObject(text); err != nil {
			return OpenData{}, err
		}
	}
	named := gjson.ParseBytes(object.cloudID)
	if object.cloudID != nil && named.String() != id {
		return OpenData{}, errUnusable
	}
	if code := int(gjson.ParseBytes(object.errCode).Int()); code != 0 {
		if object.cloudID == nil {
			return OpenDataError(id, code), nil
		}
		return OpenData{Code: code, JSON: bytes.TrimSpace(text)}, nil
	}
	if object.data == nil || string(object.data) == "null" {
		return OpenData{}, errUnusable
	}
	if object.cloudID == nil {
		text = append(gjson.AppendJSONString([]byte(`{"cloudID":`), id), `,"data":`...)
		text = append(append(text, object.data...), '}')
	}
	return OpenData{JSON: bytes.TrimSpace(text)}, nil
}

// text returns an item's json in memory of its own: what is cached must not keep the whole response.
func (one item) text() []byte {
	if one.json != "" && one.json[0] == '"' {
		return unquote(one.json)
	}
	return []byte(one.json)
}

// object is what counts of an item's json: raw values, nil where there is none.
type object struct{ cloudID, errCode, data []byte }

// readObject checks that text is one JSON object, in which none of the members that count stands twice: readers of the
// function's may take another than the one that was looked at here.
func readObject(text []byte) (o object, err error) {
	twice := false
	isObject := false
	err = jsonscan.Walk(text, func(m jsonscan.Member) {
		isObject = true
		var member *[]byte
		switch name := text[m.NameStart:m.NameEnd]; nameOf(name) {
		case "cloudID":
			member = &o.cloudID
		case "errCode":
			member = &o.errCode
		case "data":
			member = &o.data
		default:
			return
		}
		twice = twice || *member != nil
		*member = text[m.ValueStart:m.ValueEnd]
	})
	if err != nil {
		return object{}, err
	}
	if !isObject || twice {
		return object{}, errUnusable
	}
	return o, nil
}

// nameOf returns a member's name without quotes and escapes.
func nameOf(raw []byte) string {
	if bytes.IndexByte(raw, '\\') >= 0 {
		return string(unquote(string(raw)))
	}
	return unsafe.String(&raw[0], len(raw))[1 : len(raw)-1]
}

// unquote returns what a valid JSON string stands for, in UTF-8. Half of a surrogate pair becomes U+FFFD.
func unquote(raw string) []byte {
	raw = raw[1 : len(raw)-1]
	text := make([]byte, 0, len(raw))
	for pos := 0; pos < len(raw); {
		plain := pos
		for plain < len(raw) && raw[plain] != '\\' {
			plain++
		}
		text = append(text, raw[pos:plain]...)
		if plain == len(raw) {
			break
		}
		pos = plain + 2
		switch c := raw[plain+1]; c {
		case 'b':
			text = append(text, '\b')
		case 'f':
			text = append(text, '\f')
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'u':
			r := hex4(raw[pos:])
			pos += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(raw)-pos >= 6 && raw[pos] == '\\' && raw[pos+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(raw[pos+2:]))
				}
				if r = pair; pair != utf8.RuneError {
					pos += 6
				}
			}
			text = utf8.AppendRune(text, r)
		default: // a quote, a slash or a backslash
			text = append(text, c)
		}
	}
	return text
}

// hex4 returns the value of four hexadecimal digits.
func hex4(digits string) (r rune) {
	for _, c := range []byte(digits[:4]) {
		if c > '9' {
			c += 9 // A is 0x41, a is 0x61
		}
		r = r<<4 | rune(c&0xF)
	}
	return r
}
