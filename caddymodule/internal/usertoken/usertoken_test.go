package usertoken

import (
	"encoding/base64"
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

func TestVerifyRefuses(t *testing.T) {
	k := keys(t, "wx1", "secret")
	good := sign(t, k, Session, time.Minute)
	header, rest, _ := strings.Cut(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	for _, test := range []struct{ name, token string }{
		{"nothing", ""},
		{"a token that has ended", sign(t, k, Session, 0)},
		{"one of another kind", sign(t, k, Invocation, time.Minute)},
		{"one of another account with the same key", sign(t, keys(t, "wx2", "secret"), Session, time.Minute)},
		{"one signed with another key", sign(t, keys(t, "wx1", "other"), Session, time.Minute)},
		{"one that names no algorithm", encode([]byte(`{"alg":"none"}`)) + "." + strings.SplitN(rest, ".", 2)[0] + "."},
		{"one that names another algorithm", encode([]byte(`{"alg":"HS512"}`)) + "." + rest},
		{"one without its signature", header + "." + strings.SplitN(rest, ".", 2)[0]},
		{"one with space in it", good[:10] + "\n" + good[10:]},
		{"one with something behind it", good + "."},
		{"far too much", strings.Repeat("a", 1<<20)},
	} {
		if got, err := k.Verify(Session, test.token); err == nil {
			t.Errorf("%s was accepted as %v", test.name, got)
		}
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
			if _, ok := k.verify(Session, token); !ok {
				b.Fatal("refused")
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
