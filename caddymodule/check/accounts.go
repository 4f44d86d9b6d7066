package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// byHost has handlers by the host for which requests reach them, and by the account that they name.
type byHost map[string]map[string]met

// met is a handler that a request reached.
type met struct {
	handler *handler
	place   string
}

// note adds a handler; account is "" where only a request tells.
func (b byHost) note(st state, account string, h *handler) {
	host := st.request.host
	if b[host] == nil {
		b[host] = map[string]met{}
	}
	b[host][account] = met{h, strings.Join(slices.Compact(slices.Clone(st.place)), " > ") + " > " + h.words()}
}

// words is what a Caddyfile calls the handler.
func (h *handler) words() string {
	if _, ours := h.sessionAccount(); ours {
		return "wechat_session"
	}
	if h.Handler == "authentication" {
		return "basic_auth"
	}
	return h.directive()
}

// accounts compares the account of a cloudid with that of the wechat_session in front of it.
func (w *walker) accounts(h *handler, st state, place string) {
	account := w.report.config.accountNamed(h.Account)
	if st.session == "" || account == "" || !h.needsSession() {
		return
	}
	if h.Decrypts {
		w.decrypts.note(st, account, h)
	}
	if st.session != account {
		w.report.add(Finding{
			Kind: "accounts", Place: place, directive: "account", argument: account,
			Problem: fmt.Sprintf("wechat_session lets in users of %s, and cloudid serves those of %s: every call is rejected with 403", st.session, account),
			Fix:     "name the same account in wechat_login, wechat_session and cloudid, or write account {http.auth.user.appid} in cloudid",
		})
	}
}

// logIns compares what the logins of each host issue with what its sessions and its encrypted_data need. A host without a login, or
// with one whose account a request tells, has its logins elsewhere.
func (w *walker) logIns() {
	for _, host := range slices.Sorted(maps.Keys(w.logins)) {
		logins := w.logins[host]
		if _, perRequest := logins[""]; perRequest {
			continue
		}
		for account, session := range w.sessions[host] {
			if _, issued := logins[account]; account != "" && !issued {
				w.report.add(Finding{
					Kind: "accounts", Place: session.place, directive: "account", argument: account,
					Problem: fmt.Sprintf("wechat_session asks for session tokens of %s, and wechat_login of this site issues those of %s: every call is rejected with 401", account, strings.Join(slices.Sorted(maps.Keys(logins)), ", ")),
					Fix:     "name the same account in wechat_login, wechat_session and cloudid",
				})
			}
		}
		for account, gateway := range w.decrypts[host] {
			if login, issued := logins[account]; issued && !login.handler.SessionKey {
				w.report.add(Finding{
					Kind: "session-key", Place: gateway.place, directive: "encrypted_data",
					Problem: "encrypted_data is decrypted with the session_key, which wechat_login of this site does not put into its tokens: every such call is rejected with 401",
					Fix:     "add session_key to the block of wechat_login; clients log in again by themselves",
				})
			}
		}
	}
}
