package check

import "fmt"

// authorization is how requests reach an authenticator that reads the field Authorization.
type authorization struct {
	place string
	there bool   // a request that reached it still had the field, for it
	taken string // what had the field before
}

// authorization notes whether a request that reaches an authenticator still has the field Authorization for it, and returns the state
// behind it.
func (w *walker) authorization(h *handler, st state) state {
	_, ours := h.Providers["wechat"]
	_, basic := h.Providers["http_basic"]
	if len(h.Providers) != 1 || !ours && !basic {
		return st
	}
	reads := "basic_auth"
	if ours {
		reads = "wechat_session"
	}
	use := w.report.authorized[h]
	if use == nil {
		use = new(authorization)
		w.report.authorized[h] = use
	}
	if st.authorization == "" || basic && st.authorization == reads { // basic_auth leaves it where it is
		use.there = true
	} else {
		use.place, use.taken = w.describe(st, h), st.authorization
	}
	st.authorization = reads
	return st
}

// authorizations reports the authenticators for which no request has the field Authorization.
func (r *report) authorizations() {
	for h, use := range r.authorized {
		if use.there {
			continue
		}
		found := Finding{
			Kind: "authorization", Place: use.place, directive: h.words(),
			Problem: fmt.Sprintf("%s reads the field Authorization, which %s in front of it has read and taken: every call is rejected with 401", h.words(), use.taken),
			Fix:     "keep one of the two, or give them matchers that do not overlap; testers may be let in by a remote_ip matcher",
		}
		if use.taken == "request_header" {
			found.Problem = fmt.Sprintf("%s reads the field Authorization, which request_header in front of it removes: every call is rejected with 401", h.words())
			found.Fix = "delete that request_header: wechat_session itself removes the field before the functions get it"
		}
		r.add(found)
	}
}
