package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("cloudid", parseCaddyfile)
	// After body limits, authentication and header clean-up, before handle and route.
	httpcaddyfile.RegisterDirectiveOrder("cloudid", httpcaddyfile.After, "request_header")
}

func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	cloudid [<matcher>] {
//		account  <appid>
//		openid   <placeholder>
//		unionid  <placeholder>
//		event    <json pointer> [string]
//		fields   <name>...
//		guess    off
//		max_ids  <n>
//		max_size <size>
//		on_error embed|reject
//		user_info
//		extended_context
//		trust_headers
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("cloudid takes no arguments, only a block; unexpected is %q", d.Val())
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice in cloudid", option)
		}
		seen[option] = true
		read, known := options[option]
		if !known {
			return d.Errf("unknown option %q in cloudid; allowed are: account, openid, unionid, event, fields, guess, max_ids, max_size, on_error, user_info, extended_context, trust_headers", option)
		}
		if err := read(h, d.RemainingArgs()); err != nil {
			return d.Errf("%s: %v", option, err)
		}
	}
	return nil
}

var options = map[string]func(h *Handler, args []string) error{
	"account":          func(h *Handler, args []string) error { return word(args, "account <appid>", &h.Account) },
	"openid":           func(h *Handler, args []string) error { return word(args, "openid <placeholder>", &h.OpenID) },
	"unionid":          func(h *Handler, args []string) error { return word(args, "unionid <placeholder>", &h.UnionID) },
	"event":            (*Handler).readPlace,
	"fields":           (*Handler).readFields,
	"guess":            (*Handler).readGuess,
	"max_ids":          (*Handler).readMaxIDs,
	"max_size":         (*Handler).readMaxSize,
	"on_error":         (*Handler).readOnError,
	"user_info":        func(h *Handler, args []string) error { return flag(args, "user_info", &h.UserInfo) },
	"extended_context": func(h *Handler, args []string) error { return flag(args, "extended_context", &h.ExtendedContext) },
	"trust_headers":    func(h *Handler, args []string) error { return flag(args, "trust_headers", &h.TrustHeaders) },
}

func wrongArguments(syntax string) error {
	return fmt.Errorf("wrong number of arguments; the syntax is: %s", syntax)
}

func word(args []string, syntax string, to *string) error {
	if len(args) != 1 || args[0] == "" {
		return wrongArguments(syntax)
	}
	*to = args[0]
	return nil
}

func flag(args []string, syntax string, to *bool) error {
	if len(args) != 0 {
		return wrongArguments(syntax)
	}
	*to = true
	return nil
}

func (h *Handler) readPlace(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return wrongArguments("event <json pointer> [string]")
	}
	if _, err := event.ParsePointer(args[0]); err != nil {
		return err
	}
	if len(args) == 2 && args[1] != "string" {
		return fmt.Errorf("%q is unknown; behind the pointer only the word string is allowed", args[1])
	}
	h.Event = &EventLocation{Pointer: args[0], Text: len(args) == 2}
	return nil
}

func (h *Handler) readFields(args []string) error {
	if len(args) == 0 {
		return wrongArguments("fields <name>...")
	}
	h.Fields = args
	rules := event.Rules{Fields: args}
	if err := rules.Compile(); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "fields: ")) // the caller says that
	}
	return nil
}

func (h *Handler) readGuess(args []string) error {
	var text string
	if err := word(args, "guess off", &text); err != nil {
		return err
	}
	if text != "off" {
		return fmt.Errorf("%q is unknown; only off is allowed, as guessing is on without this line", text)
	}
	h.NoGuess = true
	return nil
}

func (h *Handler) readMaxIDs(args []string) error {
	var text string
	if err := word(args, "max_ids <n>", &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return fmt.Errorf("%q is no number above 0", text)
	}
	h.MaxIDs = n
	return nil
}

func (h *Handler) readMaxSize(args []string) error {
	var text string
	if err := word(args, "max_size <size>", &text); err != nil {
		return err
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size == 0 || size > maxSizeLimit {
		return fmt.Errorf("%q is no size above 0 and up to 1TiB, such as 1MiB or 500KB", text)
	}
	h.MaxSize = int64(size)
	return nil
}

func (h *Handler) readOnError(args []string) error {
	if err := word(args, "on_error embed|reject", &h.OnError); err != nil {
		return err
	}
	if h.OnError != Embed && h.OnError != Reject {
		return fmt.Errorf("%q is neither embed nor reject", h.OnError)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
