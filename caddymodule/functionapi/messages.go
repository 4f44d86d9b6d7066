package functionapi

import (
	"errors"
	"fmt"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// The protobuf messages of wx-server-sdk, as far as the APIs served here use them. Names and numbers are the SDK's; what
// it may add is skipped, as protobuf wants it.

// errMessage is all that is said of bytes that are no such message.
var errMessage = errors.New("requestData is no message of wx-server-sdk")

var errTooMany = fmt.Errorf("the call has more than %d arguments", maxArguments)

// commAPIData is what the SDK sends: a call of WeChat's server API, or of a service within WeChat.
type commAPIData struct {
	pairs  []keyValuePair // the arguments of the one
	svrkit svrkitAPIData  // the other
	appid  string         // of the app whose resources are used, if it is another
}

// keyValuePair is one argument: its name and, unless it is a file, a JSON text.
type keyValuePair struct {
	key      string
	value    []byte
	filename string // of a file; "": none
}

type svrkitAPIData struct {
	apiName string
	reqData []byte
}

// openDataReq is the reqData of ApiGetOpenDataByCloudId.
type openDataReq struct {
	cloudIDs []string
	appid    string // as commAPIData's
}

// voIPSignReq is the reqData of ApiVoipSign.
type voIPSignReq struct {
	groupID   string
	timestamp uint32
	nonce     string
}

func decodeCommAPIData(message []byte) (commAPIData, error) {
	var data commAPIData
	for f, err := range fields(message) {
		switch {
		case f.is(2, protowire.BytesType):
			data.pairs, err = decodePairs(f.bytes)
		case f.is(4, protowire.BytesType):
			data.svrkit, err = decodeSvrkit(f.bytes)
		case f.is(6, protowire.BytesType):
			data.appid = string(f.bytes)
		}
		if err != nil {
			return commAPIData{}, err
		}
	}
	return data, nil
}

func decodePairs(message []byte) ([]keyValuePair, error) {
	var pairs []keyValuePair
	for f, err := range fields(message) {
		if f.is(1, protowire.BytesType) {
			var pair keyValuePair
			pair, err = decodePair(f.bytes)
			pairs = append(pairs, pair)
			if len(pairs) > maxArguments {
				return nil, errTooMany
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

func decodePair(message []byte) (keyValuePair, error) {
	var pair keyValuePair
	for f, err := range fields(message) {
		switch {
		case err != nil:
			return keyValuePair{}, err
		case f.is(1, protowire.BytesType):
			pair.key = string(f.bytes)
		case f.is(2, protowire.BytesType):
			pair.value = f.bytes
		case f.is(4, protowire.BytesType):
			pair.filename = string(f.bytes)
		}
	}
	return pair, nil
}

func decodeSvrkit(message []byte) (svrkitAPIData, error) {
	var data svrkitAPIData
	for f, err := range fields(message) {
		switch {
		case err != nil:
			return svrkitAPIData{}, err
		case f.is(1, protowire.BytesType):
			data.apiName = string(f.bytes)
		case f.is(2, protowire.BytesType):
			data.reqData = f.bytes
		}
	}
	return data, nil
}

func decodeOpenDataReq(message []byte) (openDataReq, error) {
	var req openDataReq
	for f, err := range fields(message) {
		switch {
		case err != nil:
			return openDataReq{}, err
		case f.is(2, protowire.BytesType):
			if len(req.cloudIDs) == maxList {
				return openDataReq{}, listTooLong()
			}
			req.cloudIDs = append(req.cloudIDs, string(f.bytes))
		case f.is(3, protowire.BytesType):
			req.appid = string(f.bytes)
		}
	}
	return req, nil
}

func decodeVoIPSignReq(message []byte) (voIPSignReq, error) {
	var req voIPSignReq
	for f, err := range fields(message) {
		switch {
		case err != nil:
			return voIPSignReq{}, err
		case f.is(2, protowire.BytesType):
			req.groupID = string(f.bytes)
		case f.is(3, protowire.VarintType):
			req.timestamp = uint32(f.varint) // protobuf cuts what is longer
		case f.is(4, protowire.BytesType):
			req.nonce = string(f.bytes)
		}
	}
	return req, nil
}

// encodeOpenDataResp is the respData of ApiGetOpenDataByCloudId: for each CloudID an OpDataItem.
func encodeOpenDataResp(ids []string, openData []wechat.OpenData) []byte {
	var message []byte
	for i, id := range ids {
		item := appendBytes(nil, 1, []byte(id))
		item = appendBytes(item, 2, openData[i].JSON)
		message = appendBytes(message, 1, item)
	}
	return message
}

// encodeVoIPSignResp is the respData of ApiVoipSign.
func encodeVoIPSignResp(signature string) []byte {
	return appendBytes(nil, 1, []byte(signature))
}

// encodeCommOpenAPIResp wraps a respData as the SDK wants it. It is never empty, not even around nothing: the SDK would
// take that for an empty list.
func encodeCommOpenAPIResp(respData []byte, contentType string) []byte {
	message := appendBytes(nil, 1, respData)
	if contentType != "" {
		message = appendBytes(message, 2, []byte(contentType))
	}
	message = protowire.AppendTag(message, 6, protowire.VarintType) // svrkitErrorCode
	return protowire.AppendVarint(message, 0)
}

func appendBytes(message []byte, number protowire.Number, value []byte) []byte {
	message = protowire.AppendTag(message, number, protowire.BytesType)
	return protowire.AppendBytes(message, value)
}

// field is one field of a message: a varint, or bytes, or of a kind that none of our messages has.
type field struct {
	number protowire.Number
	kind   protowire.Type
	varint uint64
	bytes  []byte
}

func (f field) is(number protowire.Number, kind protowire.Type) bool {
	return f.number == number && f.kind == kind
}

// fields goes through a message. An error is the last thing it yields.
func fields(message []byte) iter.Seq2[field, error] {
	return func(yield func(field, error) bool) {
		for len(message) > 0 {
			number, kind, length := protowire.ConsumeTag(message)
			if length < 0 {
				yield(field{}, errMessage)
				return
			}
			message = message[length:]
			f := field{number: number, kind: kind}
			switch kind {
			case protowire.VarintType:
				f.varint, length = protowire.ConsumeVarint(message)
			case protowire.BytesType:
				f.bytes, length = protowire.ConsumeBytes(message)
			default:
				length = protowire.ConsumeFieldValue(number, kind, message)
			}
			if length < 0 {
				yield(field{}, errMessage)
				return
			}
			message = message[length:]
			if !yield(f, nil) {
				return
			}
		}
	}
}
