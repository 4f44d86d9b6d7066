package wechat

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

const (
	// maxEncrypted is the length in bytes of the longest encryptedData, in base64, that is looked at. WeChat's have less than 10 KB.
	maxEncrypted = 256 << 10

	// encryptedLife is how far the time in a watermark may be from now. CloudIDs are valid for as long.
	encryptedLife = 5 * time.Minute
)

// DecryptOpenData decrypts the encryptedData and iv that a client got beside, or instead of, a CloudID. sessionKey is the
// session_key of the user's latest login; like the other two it is base64. The result is {"cloudID":"","data":…}, where data is
// the plaintext byte for byte, or an error object with one of these codes:
//
//   - CodeInvalidCloudID: it cannot be decrypted, is no JSON object, or has no complete watermark;
//   - CodeUserMismatch: the watermark names another AppID. Where a name stands twice, parsers differ in which they take, so all
//     must be right;
//   - CodeExpiredCloudID: the time in the watermark is more than five minutes from now.
//
// The error object says nothing more, and whatever cannot be decrypted takes the same way through this function: the scheme
// (AES-128-CBC without a MAC) would let a client that can tell a wrong padding from other faults write any open data it likes.
//
// Source: WeChat's document "signature verification and decryption of open data".
func DecryptOpenData(sessionKey, encryptedData, iv, appid string, now time.Time) OpenData {
	plaintext, ok := decryptCBC(sessionKey, encryptedData, iv)
	code := checkPlaintext(plaintext, appid, now) // also of what is not ok, since that would take a shorter time
	if !ok {
		code = CodeInvalidCloudID
	}
	if code != 0 {
		return OpenDataError("", code)
	}
	object := append([]byte(`{"cloudID":"","data":`), plaintext...)
	return OpenData{JSON: append(object, '}')}
}

// decryptCBC returns the plaintext without its padding; if that is wrong, with it.
func decryptCBC(sessionKey, encryptedData, iv string) (plaintext []byte, ok bool) {
	if len(encryptedData) > maxEncrypted {
		return nil, false
	}
	key, err := base64.StdEncoding.DecodeString(sessionKey)
	if err != nil || len(key) != 16 {
		return nil, false
	}
	start, err := base64.StdEncoding.DecodeString(iv)
	if err != nil || len(start) != aes.BlockSize {
		return nil, false
	}
	text, err := base64.StdEncoding.DecodeString(encryptedData)
	if err != nil || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, false
	}
	block, _ := aes.NewCipher(key) // which fails only for other lengths
	cipher.NewCBCDecrypter(block, start).CryptBlocks(text, text)
	padding, right := paddingOf(text[len(text)-aes.BlockSize:])
	return text[:len(text)-padding*right], right == 1
}

// paddingOf returns the length that the last block's PKCS#7 padding says, and 1 if it is right, else 0. It takes the same time for
// every block.
func paddingOf(block []byte) (length, right int) {
	last := block[len(block)-1]
	length = int(last)
	right = subtle.ConstantTimeLessOrEq(1, length) & subtle.ConstantTimeLessOrEq(length, len(block))
	for i, c := range block {
		counts := subtle.ConstantTimeLessOrEq(len(block)-i, length) // this byte is padding
		right &= subtle.ConstantTimeSelect(counts, subtle.ConstantTimeByteEq(c, last), 1)
	}
	return length, right
}

// checkPlaintext returns the code of what is wrong with open data, or 0.
func checkPlaintext(plaintext []byte, appid string, now time.Time) int {
	if jsonscan.Check(plaintext) != nil {
		return CodeInvalidCloudID
	}
	var found, incomplete, foreign, expired bool
	eachMember(plaintext, "watermark", func(watermark []byte) {
		found = true
		named, dated := false, false
		eachMember(watermark, "appid", func(raw []byte) {
			named = true
			incomplete = incomplete || raw[0] != '"'
			foreign = foreign || !isString(raw, appid)
		})
		eachMember(watermark, "timestamp", func(raw []byte) {
			value := gjson.ParseBytes(raw)
			dated = true
			incomplete = incomplete || value.Type != gjson.Number
			age := now.Sub(time.Unix(value.Int(), 0))
			expired = expired || age > encryptedLife || age < -encryptedLife
		})
		incomplete = incomplete || !named || !dated
	})
	switch {
	case !found || incomplete:
		return CodeInvalidCloudID
	case foreign:
		return CodeUserMismatch
	case expired:
		return CodeExpiredCloudID
	}
	return 0
}
