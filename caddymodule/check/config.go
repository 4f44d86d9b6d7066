package check

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// The parts of Caddy's JSON that a check looks at.
type (
	config struct {
		Admin struct {
			Disabled bool   `json:"disabled"`
			Listen   string `json:"listen"`
		} `json:"admin"`
		Apps struct {
			HTTP struct {
				Servers map[string]*server `json:"servers"`
			} `json:"http"`
			CloudID struct {
				Accounts map[string]struct {
					Endpoint string `json:"endpoint"`
				} `json:"accounts"`
			} `json:"cloudid"`
		} `json:"apps"`
	}

	server struct {
		Listen      []string          `json:"listen"`
		Routes      []*route          `json:"routes"`
		Errors      *errorRoutes      `json:"errors"`
		NamedRoutes map[string]*route `json:"named_routes"`

		TrustedProxies struct {
			Ranges []string `json:"ranges"`
		} `json:"trusted_proxies"`

		parts map[string]*server // see forHost
	}

	errorRoutes struct {
		Routes []*route `json:"routes"`
	}

	route struct {
		Group    string       `json:"group"`
		Match    []matcherSet `json:"match"`
		Handle   []*handler   `json:"handle"`
		Terminal bool         `json:"terminal"`
	}

	matcherSet map[string]json.RawMessage
)

// handler is one handler of a route, of whatever module.
type handler struct {
	Handler string       `json:"handler"`
	Routes  []*route     `json:"routes"` // of subroute
	Errors  *errorRoutes `json:"errors"`
	Name    string       `json:"name"` // of invoke

	// rewrite
	URI         string `json:"uri"`
	Method      string `json:"method"`
	StripPrefix string `json:"strip_path_prefix"`
	StripSuffix string `json:"strip_path_suffix"`

	// headers
	Request json.RawMessage `json:"request"`

	// map
	Destinations []string `json:"destinations"`

	// authentication
	Providers map[string]json.RawMessage `json:"providers"`

	// file_server
	PassThru bool `json:"pass_thru"`

	// reverse_proxy
	Upstreams []struct {
		Dial string `json:"dial"`
	} `json:"upstreams"`
	DynamicUpstreams json.RawMessage `json:"dynamic_upstreams"`
	Rewrite          struct {
		Method string `json:"method"`
	} `json:"rewrite"`
	Headers struct {
		Request struct {
			Set map[string][]string `json:"set"`
		} `json:"request"`
	} `json:"headers"`
	HandleResponse []struct {
		Routes []*route `json:"routes"`
	} `json:"handle_response"`
	Transport struct {
		Protocol string `json:"protocol"`
	} `json:"transport"`

	// cloudid and its relatives
	Account      string   `json:"account"`
	OpenID       string   `json:"openid"`
	Fields       []string `json:"fields"`
	NoGuess      bool     `json:"no_guess"`
	Pass         []string `json:"pass"`
	UserInfo     bool     `json:"user_info"`
	TrustHeaders bool     `json:"trust_headers"`
	Allow        []string `json:"allow"`
	Trust        []string `json:"trust"`
	Capture      bool     `json:"capture"`
	SessionKey   bool     `json:"session_key"`    // of wechat_login
	Decrypts     bool     `json:"encrypted_data"` // of cloudid

	keys    map[string]json.RawMessage // all of it
	reached bool
}

// UnmarshalJSON reads what fits, and leaves a member of another shape (another module may use the same name) at its zero
// value.
func (h *handler) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &h.keys); err != nil {
		return err
	}
	type plain handler
	for name, raw := range h.keys {
		member, err := json.Marshal(map[string]json.RawMessage{name: raw})
		if err != nil {
			return err
		}
		_ = json.Unmarshal(member, (*plain)(h))
	}
	return nil
}

// sessionAccount returns the account whose sessions an authentication handler lets in; ok is false if it is not wechat_session.
func (h *handler) sessionAccount() (name string, ok bool) {
	raw, ok := h.Providers["wechat"]
	var session struct {
		Account string `json:"account"`
	}
	return session.Account, ok && json.Unmarshal(raw, &session) == nil
}

// accountNamed returns the AppID that an option account means; "" where only a request tells.
func (c *config) accountNamed(name string) string {
	if name == "" && len(c.Apps.CloudID.Accounts) == 1 {
		for only := range c.Apps.CloudID.Accounts {
			return loaded(only)
		}
	}
	if name = loaded(name); strings.Contains(name, "{") {
		return ""
	}
	return name
}

// needsSession reports whether the caller of a cloudid comes from what an authenticator sets.
func (h *handler) needsSession() bool {
	return !h.TrustHeaders && strings.HasPrefix(h.openid(), "{http.auth.")
}

func (h *handler) openid() string {
	return loaded(cmp.Or(h.OpenID, defaultOpenID))
}

const defaultOpenID = "{http.auth.user.id}"

// loaded returns a text as the directives see it: with what its placeholders stand for, as far as that is known when a config is loaded.
func loaded(text string) string {
	if known, err := placeholder.Known("", text); err == nil {
		return known
	}
	return text
}

// directive is the word by which a Caddyfile calls the handler.
func (h *handler) directive() string {
	if h.Handler == "reverse_proxy" && h.Transport.Protocol == "fastcgi" {
		return "php_fastcgi"
	}
	return h.Handler
}

func (h *handler) firstDial() string {
	if len(h.Upstreams) == 0 {
		return ""
	}
	return h.Upstreams[0].Dial
}

// dials names the upstreams of a proxy, this machine by one name.
func (h *handler) dials() []string {
	var dials []string
	for _, u := range h.Upstreams {
		dials = append(dials, dialed(u.Dial))
	}
	var byName struct{ Source, Name, Port string }
	switch {
	case json.Unmarshal(h.DynamicUpstreams, &byName) == nil && byName.Source == "a" && byName.Name != "":
		dials = append(dials, dialed(byName.Name+":"+byName.Port))
	case len(h.DynamicUpstreams) > 0:
		dials = append(dials, string(h.DynamicUpstreams))
	}
	return dials
}

// hostSent returns the host that a proxy sends for a request to one.
func (h *handler) hostSent(host string) string {
	set := h.Headers.Request.Set["Host"]
	switch {
	case len(set) != 1:
		return host
	case strings.Contains(set[0], "http.reverse_proxy.upstream.host"):
		set = []string{h.firstDial()}
	case strings.Contains(set[0], "{"):
		return host
	}
	name, _, _ := strings.Cut(set[0], ":")
	return name
}

// listening returns the server of the config that listens at an address as dialed writes it; nil if none does.
func (c *config) listening(dial string) *server {
	for _, s := range c.servers() {
		if slices.ContainsFunc(s.Listen, func(address string) bool { return dialed(address) == dial }) {
			return s
		}
	}
	return nil
}

// servers returns the HTTP servers by their names.
func (c *config) servers() (list []*server) {
	for _, name := range slices.Sorted(maps.Keys(c.Apps.HTTP.Servers)) {
		list = append(list, c.Apps.HTTP.Servers[name])
	}
	return list
}

// dialed returns an address as all its spellings are written here.
func dialed(address string) string {
	a, err := caddy.ParseNetworkAddress(loaded(address))
	if err != nil || a.StartPort == 0 && !a.IsUnixNetwork() { // such as a placeholder
		return address
	}
	if a.IsUnixNetwork() {
		path, _, _ := strings.Cut(a.Host, "|") // where one listens, the mode of the file is behind it
		return "unix/" + path
	}
	if ip, err := netip.ParseAddr(a.Host); a.Host == "" || isLoopback(a.Host) || err == nil && ip.IsUnspecified() {
		a.Host = "127.0.0.1"
	}
	return strings.ToLower(a.JoinHostPort(0))
}

// SpeaksToSandbox reports whether the accounts of an adapted config ask its own sandbox, so that no WeChat is there before it runs.
func SpeaksToSandbox(adapted []byte) bool {
	var c config
	return json.Unmarshal(adapted, &c) == nil && c.speaksToSandbox()
}

// speaksToSandbox reports whether the accounts of the config ask its own sandbox, and so not WeChat. An endpoint on this machine
// alone may be a relay to WeChat.
func (c *config) speaksToSandbox() bool {
	sandbox := false
	for _, server := range c.Apps.HTTP.Servers {
		newWalker(nil, server).handlersNamed("cloudid_sandbox", func(*handler, []string) { sandbox = true })
	}
	if !sandbox {
		return false
	}
	for _, account := range c.Apps.CloudID.Accounts {
		u, err := url.Parse(loaded(account.Endpoint))
		if err != nil || !isLoopback(u.Hostname()) {
			return false
		}
	}
	return len(c.Apps.CloudID.Accounts) > 0
}

func (s *server) listen() string { return strings.Join(s.Listen, ", ") }

// knowsProxies reports whether X-Forwarded-For counts only from addresses that somebody has named, so that a client cannot choose its client_ip.
func (s *server) knowsProxies() bool {
	return len(s.TrustedProxies.Ranges) == 0 || areNamed(s.TrustedProxies.Ranges)
}

// isPrivate reports whether only this machine or its private network reaches a server.
func (s *server) isPrivate() bool { return s.every(isPrivate) }

// isLocal reports whether only this machine reaches a server.
func (s *server) isLocal() bool { return s.every(isLoopback) }

func (s *server) every(good func(host string) bool) bool {
	for _, listen := range s.Listen {
		address, err := caddy.ParseNetworkAddress(listen)
		if err != nil || !address.IsUnixNetwork() && !good(address.Host) {
			return false
		}
	}
	return len(s.Listen) > 0
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func isPrivate(host string) bool {
	ip, err := netip.ParseAddr(host)
	return isLoopback(host) || err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast() || sharedByCarriers.Contains(ip))
}

// sharedByCarriers are addresses that the Internet does not route: providers and private networks over it, such as Tailscale, use them.
var sharedByCarriers = netip.MustParsePrefix("100.64.0.0/10")

// isPrivateRange reports whether a CIDR, or a name of Caddy's for several, holds no public address.
func isPrivateRange(text string) bool {
	text = loaded(text)
	if text == "private_ranges" {
		return true
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return isPrivate(text)
	}
	for _, private := range []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"} {
		p := netip.MustParsePrefix(private)
		if p.Bits() <= prefix.Bits() && p.Contains(prefix.Addr()) {
			return true
		}
	}
	return false
}

// areNamed reports whether addresses are those of networks that somebody has named: private ones, or at most 65536 public ones in each.
func areNamed(ranges []string) bool {
	return len(ranges) > 0 && !slices.ContainsFunc(ranges, func(text string) bool {
		if isPrivateRange(text) {
			return false
		}
		text = loaded(text)
		if _, err := netip.ParseAddr(text); err == nil {
			return false
		}
		prefix, err := netip.ParsePrefix(text)
		return err != nil || prefix.Addr().BitLen()-prefix.Bits() > 16 && (prefix.Addr().Is4() || prefix.Bits() < 48)
	})
}
