package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

// A single bad code or token is a client's own affair. When nobody gets in any more, the log says so, once.
func TestTheLogSaysWhenNobodyGetsIn(t *testing.T) {
	user := usertoken.User{OpenID: openid}
	badCode := func(g *rig) { g.login("/a/login", "of another mini program") }
	usedCode := func(g *rig) { g.fails(errcode(40163)); badCode(g) }
	badToken := func(g *rig) {
		g.me("/a/me", "Bearer "+sign(t, usertoken.Session, user, time.Minute, appB, key))
	}
	expired := func(g *rig) {
		g.me("/a/me", "Bearer "+sign(t, usertoken.Session, user, -time.Minute, appA, key))
	}
	login := func(g *rig) { g.token("/a/login") }
	visit := func(g *rig) { g.me("/a/me", "Bearer "+sign(t, usertoken.Session, user, time.Minute, appA, key)) }
	times := func(n int, do func(*rig)) []func(*rig) {
		var list []func(*rig)
		for range n {
			list = append(list, do)
		}
		return list
	}
	join := func(lists ...[]func(*rig)) (all []func(*rig)) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	for _, c := range []struct {
		it   string
		do   []func(*rig)
		says string // "" for nothing
	}{
		{"four codes", times(4, badCode), ""},
		{"many codes", times(20, badCode), `"msg":"nobody can log in: WeChat rejects every login code","appid":"` + appA + `","errcode":"40029"`},
		{"codes, but somebody logs in between", join(times(4, badCode), times(1, login), times(4, badCode)), ""},
		{"codes that were used before", times(20, usedCode), ""},
		{"four tokens of another account", times(4, badToken), ""},
		{"many tokens of another account", times(20, badToken), `"msg":"nobody is let in: the last session tokens were all rejected","appid":"` + appA + `","reason":"account"`},
		{"tokens, but somebody is let in between", join(times(4, badToken), times(1, visit), times(4, badToken)), ""},
		{"tokens that have expired", times(20, expired), ""},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := newRig(t)
			g.run()
			for _, do := range c.do {
				do(g)
			}
			var lines []string
			for line := range strings.Lines(g.logged()) {
				if strings.Contains(line, `"level":"warn"`) && strings.Contains(line, "nobody") {
					lines = append(lines, line)
				}
			}
			switch {
			case c.says == "" && len(lines) > 0:
				t.Errorf("the log says %v", lines)
			case c.says != "" && (len(lines) != 1 || !containsAll(lines[0], strings.Split(c.says, ",")) || !strings.Contains(lines[0], `"advice":"`)):
				t.Errorf("the log says %v, want one line with %s", lines, c.says)
			}
		})
	}
}
