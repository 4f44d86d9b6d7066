package functionapi

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// What wx-server-sdk sent, recorded.
const (
	recordedOpenData = "0802222b0a174170694765744f70656e446174614279436c6f756449641210120732375f676f6f6412056261645f31"
	recordedVoIPSign = "0802221d0a0b417069566f69705369676e120e1202673118df80daee0522026e31"
	recordedOpenAPI  = "0800122d0a0e0a066f70656e69641204226f31220a1b0a0c636c6f756469645f6c697374120b5b2232375f676f6f64225d"
	recordedResponse = "0a080a065349472d67313000"
)

func decodeHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordedMessages(t *testing.T) {
	data, err := decodeCommAPIData(decodeHex(t, recordedOpenData))
	if err != nil || data.svrkit.apiName != "ApiGetOpenDataByCloudId" {
		t.Fatalf("getOpenData: %+v, %v", data, err)
	}
	openData, err := decodeOpenDataReq(data.svrkit.reqData)
	if err != nil || !slices.Equal(openData.cloudIDs, []string{"27_good", "bad_1"}) {
		t.Errorf("getOpenData: %+v, %v", openData, err)
	}

	data, err = decodeCommAPIData(decodeHex(t, recordedVoIPSign))
	if err != nil || data.svrkit.apiName != "ApiVoipSign" {
		t.Fatalf("getVoIPSign: %+v, %v", data, err)
	}
	sign, err := decodeVoIPSignReq(data.svrkit.reqData)
	if err != nil || sign != (voIPSignReq{groupID: "g1", nonce: "n1", timestamp: 1574338655}) {
		t.Errorf("getVoIPSign: %+v, %v", sign, err)
	}

	data, err = decodeCommAPIData(decodeHex(t, recordedOpenAPI))
	want := []keyValuePair{{key: "openid", value: []byte(`"o1"`)}, {key: "cloudid_list", value: []byte(`["27_good"]`)}}
	if err != nil || !reflect.DeepEqual(data.pairs, want) {
		t.Errorf("openapi: %+v, %v", data, err)
	}

	if response := encodeCommOpenAPIResp(encodeVoIPSignResp("SIG-g1"), ""); !bytes.Equal(response, decodeHex(t, recordedResponse)) {
		t.Errorf("the response to getVoIPSign is %x, want %s", response, recordedResponse)
	}
}

func TestResponsesAreNeverEmpty(t *testing.T) {
	if response := encodeCommOpenAPIResp(encodeOpenDataResp(nil, nil), ""); len(response) == 0 {
		t.Error("no responses are no bytes")
	}
	response := encodeCommOpenAPIResp(encodeOpenDataResp([]string{"i"}, []wechat.OpenData{{JSON: []byte("{}")}}), "application/json")
	if want := "0a090a070a01691202" + "7b7d" + "1210" + hex.EncodeToString([]byte("application/json")) + "3000"; hex.EncodeToString(response) != want {
		t.Errorf("the response is %x, want %s", response, want)
	}
}

func TestForeignFieldsArePassedOver(t *testing.T) {
	// A varint, eight bytes, bytes, a group and four bytes, all of numbers that are not ours; then ours, with another type.
	foreign := "f80101" + "f9010102030405060708" + "fa010178" + "fb01fc01" + "fd0101020304" + "1005" + "2005" + "3005"
	data, err := decodeCommAPIData(decodeHex(t, foreign+recordedVoIPSign+foreign))
	if err != nil || data.svrkit.apiName != "ApiVoipSign" {
		t.Errorf("%+v, %v", data, err)
	}
}

func TestBrokenMessages(t *testing.T) {
	for name, message := range map[string]string{
		"a message that breaks off":       recordedOpenData[:len(recordedOpenData)-2],
		"a pair that breaks off":          "1206" + "0a041205" + "2278",
		"a name that breaks off":          "2203" + "0a0578",
		"a length beyond the end":         "2205" + "0a",
		"a field of number 0":             "0001",
		"an end of a group without begin": "fc01",
		"a varint without end":            "08ffffffffffffffffffff",
	} {
		if _, err := decodeCommAPIData(decodeHex(t, message)); err == nil {
			t.Errorf("%s is taken for a message", name)
		}
	}
	for _, message := range []string{"12", "120578", "1801ff"} { // a field's content, or its end, is missing
		if req, err := decodeOpenDataReq(decodeHex(t, message)); err == nil || len(req.cloudIDs) > 0 {
			t.Errorf("%s is taken for a list: %+v", message, req)
		}
		if req, err := decodeVoIPSignReq(decodeHex(t, message)); err == nil || req != (voIPSignReq{}) {
			t.Errorf("%s is taken for what is to be signed: %+v", message, req)
		}
		if data, err := decodeSvrkit(decodeHex(t, message)); err == nil || data.reqData != nil {
			t.Errorf("%s is taken for a service's: %+v", message, data)
		}
		if pair, err := decodePair(decodeHex(t, message)); err == nil || pair.value != nil {
			t.Errorf("%s is taken for an argument: %+v", message, pair)
		}
	}
}

// Of what is counted, as much as is allowed is allowed.
func TestMessagesAsLargeAsTheyMayBe(t *testing.T) {
	var ids, pairs []byte
	for i := range maxList + 1 {
		req, err := decodeOpenDataReq(ids)
		if err != nil || len(req.cloudIDs) != i {
			t.Fatalf("%d CloudIDs are %d: %v", i, len(req.cloudIDs), err)
		}
		ids = appendBytes(ids, 2, []byte("id"))
	}
	if _, err := decodeOpenDataReq(ids); err == nil {
		t.Error("more than a hundred CloudIDs are read")
	}
	for i := range maxArguments + 1 {
		got, err := decodePairs(pairs)
		if err != nil || len(got) != i {
			t.Fatalf("%d arguments are %d: %v", i, len(got), err)
		}
		pairs = appendBytes(pairs, 1, appendBytes(nil, 1, []byte("name")))
	}
	if _, err := decodePairs(pairs); err != errTooMany {
		t.Errorf("more than a hundred arguments: %v", err)
	}
}

func FuzzMessages(f *testing.F) {
	for _, recorded := range []string{recordedOpenData, recordedVoIPSign, recordedOpenAPI, recordedResponse} {
		f.Add(decodeHex(f, recorded))
	}
	f.Fuzz(func(_ *testing.T, message []byte) {
		// Whatever comes, nothing panics, and nothing is larger than what it was read from.
		data, _ := decodeCommAPIData(message)
		size := len(data.appid) + len(data.svrkit.apiName) + len(data.svrkit.reqData)
		for _, pair := range data.pairs {
			size += len(pair.key) + len(pair.value)
		}
		if size > len(message) {
			panic("more came out than went in")
		}
		_, _ = decodeOpenDataReq(message)
		_, _ = decodeVoIPSignReq(message)
		_, _ = arguments(data.pairs)
	})
}
