// Package allow decides by the address of a connection who may reach what is not meant for clients. It never looks at a
// header: a client could write any address into one.
package allow

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// Ranges are addresses that may connect.
type Ranges []netip.Prefix

// Loopback are the addresses of this machine.
func Loopback() []string { return []string{"127.0.0.0/8", "::1/128"} }

// Private are the addresses of this machine and of private networks (RFC 1918, RFC 4193, link-local ones).
func Private() []string {
	return append(Loopback(), "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
}

// Load reads ranges for an option of a config: such as 192.168.0.0/16, single addresses, and the word private_ranges, as Caddy's
// remote_ip has it. Placeholders such as {env.OFFICE} are replaced. Without texts, fallback is loaded.
func Load(option string, texts, fallback []string) (Ranges, error) {
	if len(texts) == 0 {
		texts = fallback
	}
	var ranges Ranges
	if err := placeholder.ResolveAll(option, texts, ranges.add); err != nil {
		return nil, err
	}
	return ranges, nil
}

// Check returns the error that Load would have for one text of a Caddyfile, unless it has placeholders.
func Check(text string) error { return placeholder.Check(new(Ranges).add).CheckWord(text) }

// add adds what may be written for one range; the word private_ranges is several. Its errors are those of a placeholder.Check.
func (r *Ranges) add(text string) error {
	if text == "private_ranges" {
		for _, private := range Private() {
			*r = append(*r, netip.MustParsePrefix(private))
		}
		return nil
	}
	prefix, err := parseOne(text)
	*r = append(*r, prefix)
	return err
}

func parseOne(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() { // which no address would be in: Contain looks for that of IPv4
		return netip.Prefix{}, errors.New("is no address and no range of addresses; write one as in 192.168.0.0/16")
	}
	return prefix.Masked(), nil
}

// Contain reports whether a connection from remote, as http.Request.RemoteAddr has it, may be answered. A Unix socket may
// always: the permissions of its file say who reaches it.
func (r Ranges) Contain(remote string) bool {
	if remote == "" || strings.HasPrefix(remote, "@") || strings.HasPrefix(remote, "/") {
		return true
	}
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	ip := address.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(r, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}
