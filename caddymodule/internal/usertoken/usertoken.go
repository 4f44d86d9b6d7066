// Package usertoken signs and verifies the tokens that say who a user is: session tokens, which clients send, and
// invocation tokens, which functions send. They are JSON Web Tokens (RFC 7519, HS256) that hold all there is to know, so
// nodes with the same key share nothing else.
package usertoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/ttlcache"
)

// Kind tells tokens apart: one of a kind is never accepted as another.
type Kind string

// The kinds of tokens.
const (
	Session    Kind = "session"
	Invocation Kind = "invocation"

	// Unattended is for a function that is called by one that no user called, such as a timer's. It names no user.
	Unattended Kind = "unattended"
)

// Invalid is the error of a token that does not count. Its value is a word for logs and metrics, not for those who sent the
// token.
type Invalid string

// Why a token does not count.
const (
	Malformed Invalid = "malformed" // it is none of our tokens at all
	Account   Invalid = "account"   // it says that it was issued for another account
	Purpose   Invalid = "purpose"   // it says that it is a token of another kind
	Signature Invalid = "signature" // it was signed with none of the keys
	Expired   Invalid = "expired"
)

// Error implements error.
func (i Invalid) Error() string { return "the token is invalid: " + string(i) }

var errKind = errors.New("there is no such kind of token")

// maxToken is the length in bytes of the longest token that is signed or verified.
const maxToken = 4096

// A client sends its token with every call, and verifying it takes longer than everything else that the gateway does for a call
// without CloudIDs: 12 µs, and 0.4 µs for one that is cached. The cache has the hashes of tokens instead of the tokens.
const (
	cacheEntries = 10_000
	cacheTTL     = time.Minute
)

// User is the user whom a token names.
type User struct {
	OpenID  string
	UnionID string // may be empty

	// How many calls of one function by another lie between the user and the function that has this token.
	Depth int
}

// Keys signs and verifies for one account.
type Keys struct {
	appid string
	kinds map[Kind]kindKeys
}

type kindKeys struct {
	signer jose.Signer
	keys   [][]byte // the first is the signer's
	boxes  [][]byte // one for one with keys: what encrypts the session_key
	cache  *ttlcache.Cache[[sha256.Size]byte, parsedToken]
}

// parsedToken is what a token says that was signed with one of the keys.
type parsedToken struct {
	user       User
	sessionKey string
	expires    time.Time
}

// claims are a token's content. The account is the issuer, the kind the audience.
type claims struct {
	jwt.Claims
	UnionID    string `json:"unionid,omitempty"`
	Depth      int    `json:"depth,omitempty"`
	SessionKey string `json:"session_key,omitempty"` // a JWE
}

// NewKeys returns the keys of the account appid. The first secret signs and encrypts, all verify and decrypt; each kind of token and
// each account has keys of its own, derived from the secrets, so that equal secrets do not make tokens interchangeable.
func NewKeys(appid string, secrets []string) (*Keys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("no key to sign with")
	}
	k := &Keys{appid: appid, kinds: make(map[Kind]kindKeys)}
	for _, kind := range []Kind{Session, Invocation, Unattended} {
		var kk kindKeys
		for _, secret := range secrets {
			kk.keys = append(kk.keys, derive(secret, "%s token of %s", kind, appid))
			kk.boxes = append(kk.boxes, derive(secret, "session_key in a %s token of %s", kind, appid))
		}
		var err error
		if kk.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: kk.keys[0]}, nil); err != nil {
			return nil, err
		}
		kk.cache = ttlcache.New[[sha256.Size]byte, parsedToken](cacheTTL, cacheEntries)
		k.kinds[kind] = kk
	}
	return k, nil
}

// derive returns a key of 32 bytes for one purpose.
func derive(secret, purpose string, args ...any) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "caddy-cloudid "+purpose, args...)
	return mac.Sum(nil)
}

// Sign returns a token for user that expires after ttl, at the next full second, since tokens count in seconds: it is good for the
// whole of ttl.
func (k *Keys) Sign(kind Kind, user User, ttl time.Duration) (string, error) {
	return k.sign(kind, user, "", ttl)
}

// SignSession returns a session token that also has the user's session_key, encrypted (RFC 7516, A256GCM), since clients must not
// see it.
func (k *Keys) SignSession(user User, sessionKey string, ttl time.Duration) (string, error) {
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: k.kinds[Session].boxes[0]}, nil)
	if err != nil {
		return "", err
	}
	box, err := encrypter.Encrypt([]byte(sessionKey))
	if err != nil {
		return "", err
	}
	encrypted, err := box.CompactSerialize()
	if err != nil {
		return "", err
	}
	return k.sign(Session, user, encrypted, ttl)
}

func (k *Keys) sign(kind Kind, user User, encryptedSessionKey string, ttl time.Duration) (string, error) {
	kk, ok := k.kinds[kind]
	if !ok {
		return "", errKind
	}
	now := time.Now()
	token, err := jwt.Signed(kk.signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer:   k.appid,
			Audience: jwt.Audience{string(kind)},
			Subject:  user.OpenID,
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(ttl + time.Second - 1)), // which is cut to the second
		},
		UnionID:    user.UnionID,
		Depth:      user.Depth,
		SessionKey: encryptedSessionKey,
	}).Serialize()
	if err == nil && len(token) > maxToken {
		return "", fmt.Errorf("the token has more than %d bytes", maxToken)
	}
	return token, err
}

// Verify returns the user whom a token of this kind names. The error is an Invalid, unless there is no such kind.
func (k *Keys) Verify(kind Kind, token string) (User, error) {
	found, err := k.verify(kind, token)
	return found.user, err
}

// VerifySession is Verify for a session token. It also returns the user's session_key, "" if the token has none.
func (k *Keys) VerifySession(token string) (user User, sessionKey string, err error) {
	found, err := k.verify(Session, token)
	return found.user, found.sessionKey, err
}

func (k *Keys) verify(kind Kind, token string) (parsedToken, error) {
	kk, ok := k.kinds[kind]
	if !ok {
		return parsedToken{}, errKind
	}
	if len(token) > maxToken {
		return parsedToken{}, Malformed
	}
	hash := sha256.Sum256([]byte(token))
	found, cached := kk.cache.Get(hash)
	if !cached {
		var err error
		if found, err = k.parse(kind, token); err != nil {
			return parsedToken{}, err
		}
		kk.cache.Add(hash, found)
	}
	if !time.Now().Before(found.expires) { // also of a cached one
		return parsedToken{}, Expired
	}
	return found, nil
}

// parse returns what a token says that is of this kind and account and was signed with one of the keys.
func (k *Keys) parse(kind Kind, token string) (parsedToken, error) {
	if !canonical(token) {
		return parsedToken{}, Malformed
	}
	// The algorithm is ours, whatever the token says of itself.
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return parsedToken{}, Malformed
	}
	kk := k.kinds[kind]
	for i, key := range kk.keys {
		var c claims
		if parsed.Claims(key, &c) != nil {
			continue
		}
		if reason := k.check(kind, &c); reason != "" {
			return parsedToken{}, reason
		}
		return parsedToken{
			user:       User{OpenID: c.Subject, UnionID: c.UnionID, Depth: c.Depth},
			sessionKey: decrypt(c.SessionKey, kk.boxes[i]),
			expires:    c.Expiry.Time(),
		}, nil
	}
	// These claims are not verified; they only tell an operator where to look.
	var c claims
	if parsed.UnsafeClaimsWithoutVerification(&c) == nil {
		if reason := k.check(kind, &c); reason != "" {
			return parsedToken{}, reason
		}
	}
	return parsedToken{}, Signature
}

// check returns why claims are not those of a token of this kind and account, or "".
func (k *Keys) check(kind Kind, c *claims) Invalid {
	switch {
	case c.Issuer != k.appid:
		return Account
	case !c.Audience.Contains(string(kind)):
		return Purpose
	case c.Subject == "" || c.Expiry == nil:
		return Malformed
	}
	return ""
}

// decrypt returns the session_key in a JWE, "" if there is none or it was encrypted with another key.
func decrypt(encrypted string, key []byte) string {
	box, err := jose.ParseEncrypted(encrypted, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return ""
	}
	sessionKey, _ := box.Decrypt(key) // nil beside an error
	return string(sessionKey)
}

// canonical reports whether each part of a token is the one spelling that its bytes have. The JOSE library would also accept
// white space, and any value of the bits that base64 leaves over at the end.
func canonical(token string) bool {
	for part := range strings.SplitSeq(token, ".") {
		if strings.ContainsAny(part, "\r\n") {
			return false
		}
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return false
		}
	}
	return true
}
