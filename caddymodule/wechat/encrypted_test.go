package wechat

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// The vector of WeChat's own demo.
const (
	demoAppID      = "wx4f4bc4dec97d474b"
	demoSessionKey = "tiihtNczf5v6AKRyjwEUhQ=="
	demoIV         = "r7BXXKkLb8qrSNn05n0qiA=="
	demoEncrypted  = "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
)

// demoTime is the time in the vector's watermark.
var demoTime = time.Unix(1477314187, 0)

// encrypt is what WeChat does before it gives open data to a client.
func encrypt(t testing.TB, plaintext string) string {
	t.Helper()
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	return encryptBlocks(t, plaintext+strings.Repeat(string(rune(padding)), padding))
}

// encryptBlocks is encrypt with a padding of the caller's.
func encryptBlocks(t testing.TB, blocks string) string {
	t.Helper()
	key, _ := base64.StdEncoding.DecodeString(demoSessionKey)
	iv, _ := base64.StdEncoding.DecodeString(demoIV)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(blocks)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(text)
}

func decryptDemo(encrypted string) OpenData {
	return DecryptOpenData(demoSessionKey, encrypted, demoIV, demoAppID, demoTime)
}

func TestTheVectorOfWeChat(t *testing.T) {
	got := decryptDemo(demoEncrypted)
	if got.Code != 0 || !gjson.ValidBytes(got.JSON) {
		t.Fatalf("%d %s", got.Code, got.JSON)
	}
	object := gjson.ParseBytes(got.JSON)
	for path, want := range map[string]string{
		"cloudID":        "",
		"data.openId":    "oGZUI0egBJY1zhBYw2KhdUfwVJJE",
		"data.nickName":  "Band",
		"data.city":      "Guangzhou",
		"data.unionId":   "ocMvos6NjeKLIBqg5Mr9QjxrP1FA",
		"data.watermark": `{"timestamp":1477314187,"appid":"wx4f4bc4dec97d474b"}`,
	} {
		if value := object.Get(path).String(); value != want {
			t.Errorf("%s is %q, want %q", path, value, want)
		}
	}
	if n := len(object.Map()); n != 2 {
		t.Errorf("%d members: %s", n, got.JSON)
	}
}

func TestEncryptedOpenData(t *testing.T) {
	const mark = `"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":1477314187}`
	at := func(seconds int) string {
		return fmt.Sprintf(`{"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":%d}}`, demoTime.Unix()+int64(seconds))
	}
	for _, test := range []struct {
		sentence, plaintext string
		code                int
	}{
		{"the shortest", `{` + mark + `}`, 0},
		{"every byte stays as it is", " {\n\"n\" : 1.10, \"n\":\"\\u6b65数\", " + mark + "\t}\r\n ", 0},
		{"a watermark with more in it", `{"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":1477314187,"more":[1]},"a":{}}`, 0},
		{"a watermark whose name is escaped", `{"w\u0061termark":{"appid":"wx4f4bc4dec97d474b","timestamp":1477314187}}`, 0},
		{"two equal ones", `{` + mark + `,` + mark + `}`, 0},
		{"as old as allowed", at(-300), 0},
		{"too old", at(-301), CodeExpiredCloudID},
		{"as far ahead as clocks may differ", at(300), 0},
		{"too far ahead", at(301), CodeExpiredCloudID},
		{"of the beginning", at(-int(demoTime.Unix())), CodeExpiredCloudID},
		{"of another app", strings.Replace(at(0), "4b", "4c", 1), CodeUserMismatch},
		{"of another app, and too old", strings.Replace(at(-301), "4b", "4c", 1), CodeUserMismatch},
		{"of no app", strings.Replace(at(0), demoAppID, "", 1), CodeUserMismatch},
		{"of two apps, ours first", `{"watermark":{"appid":"wx4f4bc4dec97d474b","appid":"wx0","timestamp":1477314187}}`, CodeUserMismatch},
		{"of two apps, ours last", `{"watermark":{"appid":"wx0","appid":"wx4f4bc4dec97d474b","timestamp":1477314187}}`, CodeUserMismatch},
		{"of two apps, one name escaped", `{"watermark":{"appid":"wx4f4bc4dec97d474b","\u0061ppid":"wx0","timestamp":1477314187}}`, CodeUserMismatch},
		{"two watermarks, ours first", `{` + mark + `,"watermark":{"appid":"wx0","timestamp":1477314187}}`, CodeUserMismatch},
		{"two watermarks, ours last", `{"watermark":{"appid":"wx0","timestamp":1477314187},` + mark + `}`, CodeUserMismatch},
		{"two times, the old one first", `{"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":1,"timestamp":1477314187}}`, CodeExpiredCloudID},
		{"two times, the old one last", `{"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":1477314187,"timestamp":1}}`, CodeExpiredCloudID},
		{"no watermark", `{"openGId":"G"}`, CodeInvalidCloudID},
		{"one that is nested", `{"data":{` + mark + `}}`, CodeInvalidCloudID},
		{"one that is no object", `{"watermark":"wx4f4bc4dec97d474b"}`, CodeInvalidCloudID},
		{"one that is an array", `{"watermark":[{"appid":"wx4f4bc4dec97d474b","timestamp":1477314187}]}`, CodeInvalidCloudID},
		{"one of two is no object", `{` + mark + `,"watermark":null}`, CodeInvalidCloudID},
		{"no AppID", `{"watermark":{"timestamp":1477314187}}`, CodeInvalidCloudID},
		{"an AppID that is no string", `{"watermark":{"appid":1,"timestamp":1477314187}}`, CodeInvalidCloudID},
		{"beside one that is", `{"watermark":{"appid":1,"appid":"wx4f4bc4dec97d474b","appid":"wx4f4bc4dec97d474b","timestamp":1477314187}}`, CodeInvalidCloudID},
		{"no time", `{"watermark":{"appid":"wx4f4bc4dec97d474b"}}`, CodeInvalidCloudID},
		{"a time that is no number", `{"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":"1477314187"}}`, CodeInvalidCloudID},
		{"nothing", ``, CodeInvalidCloudID},
		{"an array", `[{` + mark + `}]`, CodeInvalidCloudID},
		{"a string", `"watermark"`, CodeInvalidCloudID},
		{"an object that is cut", `{` + mark, CodeInvalidCloudID},
		{"an object and more", `{` + mark + `}x`, CodeInvalidCloudID},
		{"no UTF-8", `{"a":"` + "\xff" + `",` + mark + `}`, CodeInvalidCloudID},
		{"half a character, escaped, is JSON", `{"a":"\ud83d",` + mark + `}`, 0},
		{"a byte order mark", "\uFEFF{" + mark + `}`, CodeInvalidCloudID},
		{"a control character", "{\"a\":\"\x01\"," + mark + `}`, CodeInvalidCloudID},
		{"nested too deeply", `{"a":` + strings.Repeat("[", 513) + strings.Repeat("]", 513) + "," + mark + "}", CodeInvalidCloudID},
	} {
		got := decryptDemo(encrypt(t, test.plaintext))
		want := `{"cloudID":"","data":` + test.plaintext + `}`
		if test.code != 0 {
			want = string(OpenDataError("", test.code).JSON)
		}
		if got.Code != test.code || string(got.JSON) != want {
			t.Errorf("%s: %d %s, want %d %s", test.sentence, got.Code, got.JSON, test.code, want)
		}
	}
}

func TestWhatCannotBeDecrypted(t *testing.T) {
	good, err := base64.StdEncoding.DecodeString(demoEncrypted)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	otherKey := encode(bytes.Repeat([]byte{7}, 16))
	plaintext := `{"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":1477314187}}` // 67 bytes: 13 of padding
	for _, test := range []struct{ sentence, sessionKey, encrypted, iv string }{
		{"another session's key", otherKey, demoEncrypted, demoIV},
		{"no key", "", demoEncrypted, demoIV},
		{"a key that is too short", encode(make([]byte, 15)), demoEncrypted, demoIV},
		{"a key of AES-256", encode(make([]byte, 32)), demoEncrypted, demoIV},
		{"a key that is no base64", "!", demoEncrypted, demoIV},
		{"another IV", demoSessionKey, demoEncrypted, encode(bytes.Repeat([]byte{7}, 16))},
		{"no IV", demoSessionKey, demoEncrypted, ""},
		{"an IV that is too short", demoSessionKey, demoEncrypted, encode(make([]byte, 15))},
		{"an IV that is too long", demoSessionKey, demoEncrypted, encode(make([]byte, 17))},
		{"an IV that is no base64", demoSessionKey, demoEncrypted, "!"},
		{"nothing", demoSessionKey, "", demoIV},
		{"no base64", demoSessionKey, "!" + demoEncrypted[1:], demoIV},
		{"a byte less", demoSessionKey, encode(good[:len(good)-1]), demoIV},
		{"a block less", demoSessionKey, encode(good[:len(good)-16]), demoIV},
		{"the first block alone", demoSessionKey, encode(good[:16]), demoIV},
		{"without the first block", demoSessionKey, encode(good[16:]), demoIV},
		{"a byte altered in the middle", demoSessionKey, encode(altered(good, 100)), demoIV},
		{"a byte altered in the last block", demoSessionKey, encode(altered(good, len(good)-1)), demoIV},
		{"no padding", demoSessionKey, encryptBlocks(t, plaintext+strings.Repeat(" ", 13)), demoIV},
		{"a padding of 0", demoSessionKey, encryptBlocks(t, plaintext+strings.Repeat("\x00", 13)), demoIV},
		{"a padding longer than a block", demoSessionKey, encryptBlocks(t, plaintext+strings.Repeat("\x11", 13)), demoIV},
		{"a padding that says less than there is", demoSessionKey, encryptBlocks(t, plaintext+strings.Repeat(" ", 9)+"\x04\x04\x04\x05"), demoIV},
		{"a padding with another byte in it", demoSessionKey, encryptBlocks(t, plaintext+"\x0c"+strings.Repeat("\x0d", 12)), demoIV},
		{"megabytes", demoSessionKey, encrypt(t, `{"a":"`+strings.Repeat("a", 4<<20)+`",`+plaintext[1:]), demoIV},
	} {
		got := DecryptOpenData(test.sessionKey, test.encrypted, test.iv, demoAppID, demoTime)
		if got.Code != CodeInvalidCloudID || string(got.JSON) != `{"cloudID":"","errCode":-601005,"errMsg":"invalid cloudID"}` {
			t.Errorf("%s: %d %s", test.sentence, got.Code, got.JSON)
		}
	}
	// The same plaintext with its own padding, and a padding that counts white space of JSON, are right.
	for _, padding := range []string{strings.Repeat("\x0d", 13), strings.Repeat(" ", 9) + "\x04\x04\x04\x04", strings.Repeat(" ", 13) + strings.Repeat("\x10", 16)} {
		if got := decryptDemo(encryptBlocks(t, plaintext+padding)); got.Code != 0 {
			t.Errorf("padding %q: %d", padding, got.Code)
		}
	}
}

func altered(text []byte, at int) []byte {
	text = bytes.Clone(text)
	text[at] ^= 1
	return text
}

func TestPadding(t *testing.T) {
	for last := range 256 {
		for i := range 16 {
			wrong := i - 1 // the place of a byte that is no padding; -1: there is none
			block := bytes.Repeat([]byte{byte(last)}, 16)
			if wrong >= 0 {
				block[wrong] ^= 0x80
			}
			want := 0
			if last >= 1 && last <= 16 && wrong < 16-last {
				want = 1
			}
			if length, right := paddingOf(block); length != last || right != want {
				t.Errorf("% x: %d, %d", block, length, right)
			}
		}
	}
}

// Whatever a client sends, the function finds JSON, and open data only if WeChat's watermark is on it.
func FuzzDecryptOpenData(f *testing.F) {
	f.Add(demoSessionKey, demoEncrypted, demoIV)
	f.Add(demoSessionKey, encrypt(f, `{"watermark":{"appid":"wx4f4bc4dec97d474b","timestamp":1477314187}}`), demoIV)
	f.Add(demoSessionKey, encrypt(f, `{"watermark":{"appid":1,"appid":"a"}}`), demoIV)
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, key, encrypted, iv string) {
		got := DecryptOpenData(key, encrypted, iv, demoAppID, demoTime)
		object := gjson.ParseBytes(got.JSON)
		if !gjson.ValidBytes(got.JSON) || object.Get("cloudID").Raw != `""` || len(object.Map()) != 2 && got.Code == 0 {
			t.Fatalf("%d %s", got.Code, got.JSON)
		}
		if (got.Code == 0) != (object.Get("data.watermark.appid").String() == demoAppID) {
			t.Errorf("%d %s", got.Code, got.JSON)
		}
	})
}

// It needs a thousandth of the time that a call to WeChat takes.
func BenchmarkDecryptOpenData(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if decryptDemo(demoEncrypted).Code != 0 {
			b.Fatal("not decrypted")
		}
	}
}
