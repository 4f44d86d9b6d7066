package wechat

import (
	"bytes"
	"errors"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// item is one of a response's data_list; what it does not have is nil.
type item struct {
	cloudID []byte // as it is written
	json    []byte // the JSON that is in the string, or that the value is
}

// matchItems finds each id's item in a data_list: the first that names it, else the one in its position if that names nothing.
func matchItems(list []byte, ids []string) []OpenData {
	var few [2 * usualIDs]item // so that nothing is allocated for them
	named := append(few[:0], make([]item, 2*len(ids))...)
	nameless := named[len(ids):]
	position := 0
	visitElements(list, func(pos int) int {
		one, end := readItem(list, pos)
		name := textOf(one.cloudID)
		if len(name) == 0 && position < len(ids) {
			nameless[position] = one
		}
		for i, id := range ids {
			if len(name) > 0 && string(name) == id && named[i].cloudID == nil {
				named[i] = one
			}
		}
		position++
		return end
	})
	found := make([]OpenData, len(ids))
	for i, id := range ids {
		one := named[i]
		if one.cloudID == nil {
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

// readItem reads the item at text[pos], and returns the position behind it. On the wire json is a string that holds an object, in
// WeChat's document the object itself. It is unquoted where it stands, since nobody reads the text of a response twice.
func readItem(text []byte, pos int) (one item, end int) {
	end = visitMembers(text, pos, func(name []byte, pos int) (end int) {
		if one.json == nil && text[pos] == '"' && isString(name, "json") {
			one.json, end = unquoteInPlace(text, pos)
			return end
		}
		end = skipValue(text, pos)
		switch string(textOf(name)) {
		case "cloud_id":
			setFirst(&one.cloudID, text[pos:end])
		case "json":
			setFirst(&one.json, text[pos:end])
		}
		return end
	})
	return one, end
}

func setFirst(member *[]byte, value []byte) {
	if *member == nil {
		*member = value
	}
}

var errUnusable = errors.New("missing, empty, or not about this id")

// read reads an item's json.
func (one item) read(id string) (OpenData, error) {
	text := one.json
	object, err := readObject(text)
	if err != nil {
		if text = mend(text); len(text) == 0 {
			return OpenData{}, errUnusable
		}
		if object, err = readObject(text); err != nil {
			return OpenData{}, err
		}
	}
	if object.cloudID != nil && string(textOf(object.cloudID)) != id {
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
		switch string(textOf(text[m.NameStart:m.NameEnd])) {
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
