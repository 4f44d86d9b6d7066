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

	// Unattended is for the functions that a function calls which no user called, such as a timer's. It speaks of nobody.
	Unattended Kind = "unattended"
)

// ErrInvalid is what Verify returns for whatever is no token of this kind and account, signed with one of the keys,
// before its end. Which of these it was is not for those who send it.
var ErrInvalid = errors.New("the token is invalid or has ended")

// maxToken is the length in bytes of the longest token that is looked at.
const maxToken = 4096

// A client sends its token with every call, and to verify it takes more than all else that the gateway does for a call without
// CloudIDs. So the latest tokens that were signed with a key are remembered, by their hashes, so that none can be taken from
// memory.
const (
	cacheEntries = 10_000
	cacheTTL     = time.Minute
)

// User is who a token speaks of.
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
	cache  *ttlcache.Cache[[sha256.Size]byte, parsedToken]
}

// parsedToken is what a token says that was signed with one of the keys.
type parsedToken struct {
	user User
	ends time.Time
}

// claims are a token's content. The account is the issuer, the kind the audience.
type claims struct {
	jwt.Claims
	UnionID string `json:"unionid,omitempty"`
	Depth   int    `json:"depth,omitempty"`
}

// NewKeys returns the keys of the account appid. The first secret signs, all verify; each kind of token and each account
// has keys of its own, derived from the secrets, so that equal secrets do not make tokens interchangeable.
func NewKeys(appid string, secrets []string) (*Keys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("no key to sign with")
	}
	k := &Keys{appid: appid, kinds: make(map[Kind]kindKeys)}
	for _, kind := range []Kind{Session, Invocation, Unattended} {
		var derived [][]byte
		for _, secret := range secrets {
			mac := hmac.New(sha256.New, []byte(secret))
			fmt.Fprintf(mac, "caddy-cloudid %s token of %s", kind, appid)
			derived = append(derived, mac.Sum(nil))
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: derived[0]}, nil)
		if err != nil {
			return nil, err
		}
		k.kinds[kind] = kindKeys{signer, derived, ttlcache.New[[sha256.Size]byte, parsedToken](cacheTTL, cacheEntries)}
	}
	return k, nil
}

// Sign returns a token for user that ends after ttl.
func (k *Keys) Sign(kind Kind, user User, ttl time.Duration) (string, error) {
	now := time.Now()
	return jwt.Signed(k.kinds[kind].signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer:   k.appid,
			Audience: jwt.Audience{string(kind)},
			Subject:  user.OpenID,
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(ttl)),
		},
		UnionID: user.UnionID,
		Depth:   user.Depth,
	}).Serialize()
}

// Verify returns whom a token of this kind speaks of, or ErrInvalid.
func (k *Keys) Verify(kind Kind, token string) (User, error) {
	if len(token) > maxToken {
		return User{}, ErrInvalid
	}
	remembered, hash := k.kinds[kind].cache, sha256.Sum256([]byte(token))
	found, ok := remembered.Get(hash)
	if !ok {
		if found, ok = k.verify(kind, token); !ok {
			return User{}, ErrInvalid
		}
		remembered.Add(hash, found)
	}
	if !time.Now().Before(found.ends) { // a token may end while it is remembered
		return User{}, ErrInvalid
	}
	return found.user, nil
}

// verify reports whether a token is of this kind and account and was signed with one of the keys, and what it says.
func (k *Keys) verify(kind Kind, token string) (parsedToken, bool) {
	if !canonical(token) {
		return parsedToken{}, false
	}
	// The algorithm is ours, whatever the token says of itself.
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return parsedToken{}, false
	}
	for _, key := range k.kinds[kind].keys {
		var c claims
		if parsed.Claims(key, &c) != nil {
			continue
		}
		if c.Issuer != k.appid || !c.Audience.Contains(string(kind)) || c.Subject == "" || c.Expiry == nil {
			return parsedToken{}, false
		}
		return parsedToken{User{OpenID: c.Subject, UnionID: c.UnionID, Depth: c.Depth}, c.Expiry.Time()}, true
	}
	return parsedToken{}, false
}

// canonical reports whether each part of a token is the one spelling that its bytes have. The JOSE library would also take
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
