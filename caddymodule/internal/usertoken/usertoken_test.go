package usertoken

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var user = User{OpenID: "openid-of-a-user", UnionID: "unionid-of-a-user"}

func keys(t *testing.T, appid string, secrets ...string) *Keys {
	t.Helper()
	k, err := NewKeys(appid, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t *testing.T, k *Keys, kind Kind, ttl time.Duration) string {
	t.Helper()
	token, err := k.Sign(kind, user, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenSaysWhoTheUserIsOnEveryNodeWithTheKey(t *testing.T) {
	for _, kind := range []Kind{Session, Invocation} {
		token := sign(t, keys(t, "wx1", "secret"), kind, time.Minute)
		got, err := keys(t, "wx1", "secret").Verify(kind, token)
		if err != nil || got != user {
			t.Errorf("%s: got %v, %v", kind, got, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	before, after := keys(t, "wx1", "old"), keys(t, "wx1", "new", "old")
	if _, err := after.Verify(Session, sign(t, before, Session, time.Minute)); err != nil {
		t.Error("a token signed with the old key must still count: ", err)
	}
	if _, err := before.Verify(Session, sign(t, after, Session, time.Minute)); err == nil {
		t.Error("the first key must sign")
	}
}

func TestTokensThatAreRejected(t *testing.T) {
	k := keys(t, "wx1", "secret")
	good := sign(t, k, Session, time.Minute)
	header, rest, _ := strings.Cut(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	for _, test := range []struct {
		name, token string
		want        Invalid
	}{
		{"nothing", "", Malformed},
		{"a token that has ended", sign(t, k, Session, -time.Second), Expired},
		{"one of another kind", sign(t, k, Invocation, time.Minute), Purpose},
		{"one of another account with the same key", sign(t, keys(t, "wx2", "secret"), Session, time.Minute), Account},
		{"one signed with another key", sign(t, keys(t, "wx1", "other"), Session, time.Minute), Signature},
		{"one signed with another key that has ended", sign(t, keys(t, "wx1", "other"), Session, -time.Second), Signature},
		{"one that names no algorithm", encode([]byte(`{"alg":"none"}`)) + "." + strings.SplitN(rest, ".", 2)[0] + ".", Malformed},
		{"one that names another algorithm", encode([]byte(`{"alg":"HS512"}`)) + "." + rest, Malformed},
		{"one without its signature", header + "." + strings.SplitN(rest, ".", 2)[0], Malformed},
		{"one with space in it", good[:10] + "\n" + good[10:], Malformed},
		{"one with something behind it", good + ".", Malformed},
		{"far too much", strings.Repeat("a", 1<<20), Malformed},
	} {
		if got, err := k.Verify(Session, test.token); err != test.want || got != (User{}) {
			t.Errorf("%s: %v, %v, want %s", test.name, got, err, test.want)
		}
	}
	if n := k.kinds[Session].cache.Len(); n != 1 { // the one that has ended, which was ours
		t.Errorf("%d tokens are cached; what is none of ours must not push out what is", n)
	}
}

// The keys are of one account and kind already; claims that say something else were signed by mistake, and do not count either.
func TestEveryClaimCounts(t *testing.T) {
	in := time.Now().Add(time.Minute).Unix()
	for _, test := range []struct {
		name, claims string
		want         error
	}{
		{"all of them", fmt.Sprintf(`{"iss":"wx1","aud":["session"],"sub":"o1","exp":%d}`, in), nil},
		{"another issuer", fmt.Sprintf(`{"iss":"wx2","aud":["session"],"sub":"o1","exp":%d}`, in), Account},
		{"no issuer", fmt.Sprintf(`{"aud":["session"],"sub":"o1","exp":%d}`, in), Account},
		{"another audience", fmt.Sprintf(`{"iss":"wx1","aud":["invocation"],"sub":"o1","exp":%d}`, in), Purpose},
		{"no audience", fmt.Sprintf(`{"iss":"wx1","sub":"o1","exp":%d}`, in), Purpose},
		{"an empty subject", fmt.Sprintf(`{"iss":"wx1","aud":["session"],"sub":"","exp":%d}`, in), Malformed},
		{"no subject", fmt.Sprintf(`{"iss":"wx1","aud":["session"],"exp":%d}`, in), Malformed},
		{"no end", `{"iss":"wx1","aud":["session"],"sub":"o1"}`, Malformed},
		{"an end that has come", `{"iss":"wx1","aud":["session"],"sub":"o1","exp":1}`, Expired},
		{"a session_key that is none", fmt.Sprintf(`{"iss":"wx1","aud":["session"],"sub":"o1","exp":%d,"session_key":"a.b"}`, in), nil},
	} {
		k := keys(t, "wx1", "secret")
		signed, err := k.kinds[Session].signer.Sign([]byte(test.claims))
		if err != nil {
			t.Fatal(err)
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		user, sessionKey, err := k.VerifySession(token)
		if err != test.want || (user.OpenID == "o1") != (err == nil) || sessionKey != "" {
			t.Errorf("%s: %v, %v, want %v", test.name, user, err, test.want)
		}
	}
}

func TestATokenIsVerifiedOnce(t *testing.T) {
	k := keys(t, "wx1", "secret")
	token := sign(t, k, Session, time.Minute)
	if _, err := k.Verify(Session, token); err != nil {
		t.Fatal(err)
	}
	again := testing.AllocsPerRun(100, func() { _, _ = k.Verify(Session, token) })
	if again > 2 {
		t.Errorf("a token that is cached takes %.0f allocations", again)
	}
}

func TestWhatIsNoKindOfToken(t *testing.T) {
	k := keys(t, "wx1", "secret")
	if token, err := k.Sign("login", user, time.Minute); err == nil {
		t.Errorf("signed %s", token)
	}
	if _, err := k.Verify("login", sign(t, k, Session, time.Minute)); err == nil {
		t.Error("verified")
	}
	if _, err := NewKeys("wx1", nil); err == nil {
		t.Error("keys without secrets")
	}
}

func TestATokenThatWouldNotBeVerifiedIsNotSigned(t *testing.T) {
	k := keys(t, "wx1", "secret")
	for length, want := range map[int]bool{1000: true, 4096: false} {
		token, err := k.Sign(Session, User{OpenID: strings.Repeat("o", length)}, time.Minute)
		if (err == nil) != want {
			t.Errorf("%d: %v", length, err)
		}
		if _, verify := k.Verify(Session, token); (verify == nil) != want {
			t.Errorf("%d: %v", length, verify)
		}
	}
}

func TestATokenHas4096BytesAtMost(t *testing.T) {
	k := keys(t, "wx1", "secret")
	longest := ""
	for length := 2800; ; length++ {
		token, err := k.Sign(Session, User{OpenID: strings.Repeat("o", length)}, time.Minute)
		if err != nil {
			break
		}
		longest = token
	}
	if _, err := k.Verify(Session, longest); len(longest) != 4096 || err != nil {
		t.Errorf("the longest token that is signed has %d bytes: %v", len(longest), err)
	}
	// One that is longer does not count, even if it is signed.
	claims := fmt.Sprintf(`{"iss":"wx1","aud":"session","sub":%q,"exp":%d}`, strings.Repeat("o", 2970), time.Now().Add(time.Minute).Unix())
	signed, err := k.kinds[Session].signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil || len(token) <= 4096 || len(token) > 4100 {
		t.Fatalf("%d bytes, %v", len(token), err)
	}
	if _, err := k.Verify(Session, token); err != Malformed {
		t.Errorf("one of %d bytes: %v", len(token), err)
	}
}

func TestATokenCarriesTheSessionKey(t *testing.T) {
	const sessionKey = "tiihtNczf5v6AKRyjwEUhQ=="
	k := keys(t, "wx1", "secret")
	token, err := k.SignSession(user, sessionKey, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []*Keys{k, k, keys(t, "wx1", "secret"), keys(t, "wx1", "new", "secret")} {
		got, key, err := node.VerifySession(token)
		if err != nil || got != user || key != sessionKey {
			t.Errorf("%v, %q, %v", got, key, err)
		}
	}
	if got, err := k.Verify(Session, token); err != nil || got != user {
		t.Errorf("it is a session token like any other: %v, %v", got, err)
	}
	if again, err := k.SignSession(user, sessionKey, time.Minute); err != nil || again == token {
		t.Errorf("encrypted twice, it is the same: %v", err)
	}
	for _, part := range strings.Split(token, ".") {
		plain, _ := base64.RawURLEncoding.DecodeString(part)
		if strings.Contains(string(plain), sessionKey[:8]) {
			t.Errorf("the client can read it: %s", plain)
		}
	}
	if _, key, err := keys(t, "wx1", "secret").VerifySession(sign(t, k, Session, time.Minute)); err != nil || key != "" {
		t.Errorf("a token without a session_key has %q, %v", key, err)
	}
	if _, _, err := k.VerifySession(sign(t, k, Invocation, time.Minute)); err != Purpose {
		t.Errorf("an invocation token: %v", err)
	}
}

// What was signed before there were session_keys still counts, and tokens without one look as they did.
func TestTokensAreAsTheyWere(t *testing.T) {
	k := keys(t, "wx1", "secret")
	_, rest, _ := strings.Cut(sign(t, k, Session, time.Minute), ".")
	body, _, _ := strings.Cut(rest, ".")
	plain, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	times := regexp.MustCompile(`[0-9]{10}`)
	if got := times.ReplaceAllString(string(plain), "N"); got != `{"aud":"session","exp":N,"iat":N,"iss":"wx1","sub":"openid-of-a-user","unionid":"unionid-of-a-user"}` {
		t.Errorf("the claims are %s", got)
	}
	const before = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ3eDEiLCJzdWIiOiJvcGVuaWQtb2YtYS11c2VyIiwiYXVkIjpbInNlc3Npb24iXSwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3NjQyOTUyNjYsInVuaW9uaWQiOiJ1bmlvbmlkLW9mLWEtdXNlciJ9.2dFuX_95Z3FrgVx46wPVrT3BcWnyd6e12VZn2g9csbk"
	if got, err := k.Verify(Session, before); err != nil || got != user {
		t.Errorf("a token of before: %v, %v", got, err)
	}
}

func TestEveryBitOfATokenCounts(t *testing.T) {
	k := keys(t, "wx1", "secret")
	good := sign(t, k, Session, time.Minute)
	if _, err := k.Verify(Session, good); err != nil { // from here on it is remembered
		t.Fatal(err)
	}
	for i := range len(good) * 8 {
		altered := []byte(good)
		altered[i/8] ^= 1 << (i % 8)
		if _, err := k.Verify(Session, string(altered)); err == nil {
			t.Fatalf("accepted with bit %d of byte %d (%q) altered", i%8, i/8, good[i/8])
		}
	}
}

// A token says its end in whole seconds, and the time at which it is signed is between two of them.
func TestATokenIsGoodForAllOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := keys(t, "wx1", "secret")
		for _, kind := range []Kind{Session, Invocation, Unattended} {
			for _, past := range []time.Duration{0, 1, time.Millisecond, 500 * time.Millisecond, time.Second - 1} {
				for _, ttl := range []time.Duration{time.Second, 1500 * time.Millisecond, 2 * time.Hour} {
					time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second + past)))
					token := sign(t, signer, kind, ttl)
					time.Sleep(ttl - 1)
					if _, err := keys(t, "wx1", "secret").Verify(kind, token); err != nil {
						t.Errorf("%s signed %s past the second: it ended before %s: %v", kind, past, ttl, err)
					}
					time.Sleep(time.Second)
					if _, err := keys(t, "wx1", "secret").Verify(kind, token); err != Expired {
						t.Errorf("%s signed %s past the second: a second after %s it still counts: %v", kind, past, ttl, err)
					}
				}
			}
		}
	})
}

func TestATokenThatIsRememberedEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keys(t, "wx1", "secret")
		token := sign(t, k, Session, 30*time.Second)
		for second := range 32 {
			_, err := k.Verify(Session, token)
			if valid := second < 30; valid != (err == nil) {
				t.Errorf("after %d seconds: %v", second, err)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestATokenThatIsRememberedIsStillOfOneKindAndAccount(t *testing.T) {
	k := keys(t, "wx1", "secret")
	token := sign(t, k, Session, time.Minute)
	for range 2 {
		if got, err := k.Verify(Session, token); got != user || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := k.Verify(Invocation, token); err == nil {
			t.Error("accepted as an invocation token")
		}
		if _, err := keys(t, "wx2", "secret").Verify(Session, token); err == nil {
			t.Error("accepted for another account")
		}
	}
}

func FuzzVerify(f *testing.F) {
	k, err := NewKeys("wx1", []string{"secret"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0..")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := k.Verify(Session, token); err == nil {
			t.Errorf("accepted %q, which nobody signed", token)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	k, err := NewKeys("wx1", []string{"secret"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Sign(Invocation, user, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k, err := NewKeys("wx1", []string{"secret"})
	if err != nil {
		b.Fatal(err)
	}
	token, err := k.Sign(Session, user, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("for the first time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.parse(Session, token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.Verify(Session, token); err != nil {
				b.Fatal(err)
			}
		}
	})
}
