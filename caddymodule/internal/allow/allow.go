// Package allow decides by the address of a connection who may reach what is not meant for clients. It never looks at a
// header: a client could write any address into one.
package allow

import (
	"errors"
	"fmt"
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

// Parse reads ranges such as 192.168.0.0/16, single addresses, and the word private_ranges, as Caddy's remote_ip has it.
func Parse(texts []string) (Ranges, error) {
	var ranges Ranges
	for _, text := range texts {
		parsed, err := parseRange(text)
		if err != nil {
			return nil, fmt.Errorf("%q %w", text, err)
		}
		ranges = append(ranges, parsed...)
	}
	return ranges, nil
}

// parseRange reads what may be written for one range; the word private_ranges is several. Its errors are those of a placeholder.Check.
func parseRange(text string) (Ranges, error) {
	if text == "private_ranges" {
		return Parse(Private())
	}
	prefix, err := parseOne(text)
	return Ranges{prefix}, err
}

func parseOne(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New("is no address and no range of addresses; write one as in 192.168.0.0/16")
	}
	return prefix.Masked(), nil
}

// Load is Parse for the option of a config, in which placeholders such as {env.OFFICE} are replaced. Without texts, fallback is
// loaded.
func Load(option string, texts, fallback []string) (Ranges, error) {
	if len(texts) == 0 {
		texts = fallback
	}
	var ranges Ranges
	err := placeholder.ResolveAll(option, texts, func(text string) error {
		parsed, err := parseRange(text)
		ranges = append(ranges, parsed...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ranges, nil
}

// Check returns the error that Parse would have for one text of a Caddyfile. Load checks what has placeholders.
func Check(text string) error {
	check := placeholder.Check(func(text string) error {
		_, err := parseRange(text)
		return err
	})
	return check.CheckWord(text)
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
