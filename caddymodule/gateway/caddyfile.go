package gateway

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/directive"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("cloudid", parseCaddyfile)
	// After body limits, authentication and header clean-up, before handle and route.
	httpcaddyfile.RegisterDirectiveOrder("cloudid", httpcaddyfile.After, "request_header")
}

func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	if err := h.UnmarshalCaddyfile(helper.Dispenser); err != nil {
		return nil, err
	}
	return h, account.CheckNamed(helper, h.Account, "{http.auth.user.appid}")
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	cloudid [<matcher>] {
//		account  <appid>
//		openid   <placeholder>
//		unionid  <placeholder>
//		event    <json pointer> [string]
//		event    cloudevents
//		fields   <name>...
//		pass     <media type>...
//		encrypted_data
//		guess    off
//		max_ids  <n>
//		max_size <size>
//		on_error embed|reject
//		user_info
//		extended_context
//		trust_headers
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.Parse(d, directive.Options{
		"account":          directive.String(&h.Account, "account <appid>"),
		"openid":           directive.String(&h.OpenID, "openid <placeholder>"),
		"unionid":          directive.String(&h.UnionID, "unionid <placeholder>"),
		"event":            directive.Args(h.readEventLocation),
		"fields":           h.readFields,
		"pass":             directive.Strings(&h.Pass, "pass <media type>...", placeholder.Check(checkMediaType).CheckWord),
		"encrypted_data":   directive.Flag(&h.EncryptedData),
		"guess":            directive.Args(h.readGuess),
		"max_ids":          directive.Int(&h.MaxIDs, 1, largestMaxIDs, "max_ids <n>"),
		"max_size":         directive.Size(&h.MaxSize, largestMaxSize, "max_size <size>"),
		"on_error":         directive.Args(h.readOnError),
		"user_info":        directive.Flag(&h.UserInfo),
		"extended_context": directive.Flag(&h.ExtendedContext),
		"trust_headers":    directive.Flag(&h.TrustHeaders),
	})
}

const eventSyntax = "event <json pointer> [string], or event cloudevents"

func (h *Handler) readEventLocation(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return directive.WrongArguments(eventSyntax)
	}
	if args[0] == "cloudevents" {
		if len(args) > 1 {
			return directive.WrongArguments(eventSyntax)
		}
		h.Event = &EventLocation{CloudEvents: true}
		return nil
	}
	if err := placeholder.Check(checkPointer).CheckLoadedWord(args[0]); err != nil {
		return fmt.Errorf("%w; the syntax is: %s", err, eventSyntax)
	}
	if len(args) == 2 && args[1] != "string" {
		return fmt.Errorf("%q is unknown; behind the pointer only the word string is allowed", args[1])
	}
	h.Event = &EventLocation{Pointer: args[0], Text: len(args) == 2}
	return nil
}

// readFields reads names. A comma is an error unless the name is quoted: names are separated by spaces, and one with a comma
// in it would not be the member that was meant.
func (h *Handler) readFields(d *caddyfile.Dispenser) error {
	for d.NextArg() {
		name := d.Val()
		if strings.Contains(name, ",") && !d.Token().Quoted() {
			return d.Errf("fields: %q has a comma; separate names by spaces, and quote one that really has a comma", name)
		}
		h.Fields = append(h.Fields, name)
	}
	if len(h.Fields) == 0 {
		return d.Errf("fields: %v", directive.WrongArguments("fields <name>..."))
	}
	if strings.Contains(strings.Join(h.Fields, ""), "{") {
		return nil // checked when the config is loaded
	}
	rules := event.Rules{Fields: h.Fields}
	if err := rules.Compile(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (h *Handler) readGuess(args []string) error {
	if len(args) != 1 {
		return directive.WrongArguments("guess off")
	}
	if args[0] != "off" {
		return fmt.Errorf("%q is unknown; only off is allowed, as guessing is on without this line", args[0])
	}
	h.NoGuess = true
	return nil
}

func (h *Handler) readOnError(args []string) error {
	if len(args) != 1 || args[0] == "" {
		return directive.WrongArguments("on_error embed|reject")
	}
	h.OnError = args[0]
	return placeholder.Check(checkOnError).CheckLoadedWord(args[0])
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
