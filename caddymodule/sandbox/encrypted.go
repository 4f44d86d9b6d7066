package sandbox

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// Encrypted is open data as clients get it that get no CloudID, and beside it.
//
// Source: WeChat's document of signature verification and decryption: AES-128-CBC with PKCS#7 padding, all in base64.
type Encrypted struct {
	Data string `json:"encryptedData"`
	IV   string `json:"iv"`
}

// Encrypt encrypts the open data of a user with the session_key of their last login. TTL has no meaning here: the watermark of the
// data has the time of this call.
func (s *Server) Encrypt(d OpenData) (Encrypted, error) {
	if err := d.check(); err != nil {
		return Encrypted{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	appid, ok := s.latest[d.OpenID]
	if !ok {
		return Encrypted{}, errors.New("this user has not logged in, so there is no session_key: mint a login code with /sandbox/code and exchange it first")
	}
	key, err := base64.StdEncoding.DecodeString(s.sessionKey(user{appid, d.OpenID}))
	if err != nil || len(key) != aes.BlockSize {
		return Encrypted{}, fmt.Errorf("the session_key of this user is not the base64 of %d bytes", aes.BlockSize)
	}
	return s.encryptFor(encryptedFor{d, appid, key})
}

// encryptedFor is what open data was encrypted from. It is kept, so that there can be more like it.
type encryptedFor struct {
	OpenData
	appid string
	key   []byte
}

// EncryptLike encrypts again what e was encrypted from, with the same session_key. The watermark has the time of this call, unless the
// data was given as a whole.
func (s *Server) EncryptLike(e Encrypted) (Encrypted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.issued[e]
	if !ok {
		return Encrypted{}, errors.New("like is nothing that the sandbox has encrypted since its start or the last reset")
	}
	return s.encryptFor(known)
}

func (s *Server) encryptFor(f encryptedFor) (Encrypted, error) {
	data := f.Data
	if data == nil {
		data = mustJSON(kinds[f.Kind](f.OpenID, s.unionIDs[f.OpenID], watermark{f.appid, s.Now().Unix()}))
	}
	encrypted, err := encryptWith(f.key, data)
	if err == nil {
		s.issued[encrypted] = f
	}
	return encrypted, err
}

func encryptWith(key, data []byte) (Encrypted, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return Encrypted{}, err
	}
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv) // never fails, says its documentation
	padding := aes.BlockSize - len(data)%aes.BlockSize
	padded := append(bytes.Clone(data), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	return Encrypted{base64.StdEncoding.EncodeToString(padded), base64.StdEncoding.EncodeToString(iv)}, nil
}
