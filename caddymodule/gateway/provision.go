package gateway

import (
	"errors"
	"mime"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// Defaults of the handler.
const (
	defaultOpenID  = "{http.auth.user.id}"
	defaultUnionID = "{http.auth.user.unionid}"
	defaultMaxIDs  = 5
	defaultMaxSize = 1 << 20

	largestMaxSize = 1 << 40
	largestMaxIDs  = 10000
)

// The values of Handler.OnError.
const (
	embed  = "embed"
	reject = "reject"
)

// ruleSet is what to look for in events: in a body that is the event or holds it where `event` says, and in a CloudEvent in
// structured mode.
type ruleSet struct{ body, envelope event.Rules }

// Provision sets the defaults and finds the account.
func (h *Handler) Provision(ctx caddy.Context) (err error) {
	h.logger = ctx.Logger()
	h.setDefaults()
	written := slices.Clone(h.Fields)
	if err := h.resolveBounds(); err != nil {
		return err
	}
	if err := h.resolvePlaceholders(); err != nil {
		return err
	}
	if err := h.makeRules(written); err != nil {
		return err
	}
	h.guarded = h.Fields != nil || h.UserInfo
	h.account, err = account.NewRef(ctx, h.Account)
	return err
}

func (h *Handler) setDefaults() {
	if h.OpenID == "" {
		h.OpenID = defaultOpenID
	}
	if h.UnionID == "" {
		h.UnionID = defaultUnionID
	}
	if h.OnError == "" {
		h.OnError = embed
	}
	if h.Event == nil {
		h.Event = new(EventLocation)
	}
}

func (h *Handler) resolveBounds() (err error) {
	if h.maxIDs, err = h.MaxIDs.Resolve("max_ids", defaultMaxIDs, 1, largestMaxIDs); err != nil {
		return err
	}
	h.maxSize, err = h.MaxSize.Resolve("max_size", defaultMaxSize, largestMaxSize)
	return err
}

// resolvePlaceholders replaces the placeholders that are known when the config is loaded.
func (h *Handler) resolvePlaceholders() (err error) {
	if err := placeholder.ResolveAll("fields", h.Fields); err != nil {
		return err
	}
	if err := placeholder.ResolveAll("pass", h.Pass, checkMediaType); err != nil {
		return err
	}
	for i, pattern := range h.Pass {
		h.Pass[i] = strings.ToLower(pattern)
	}
	if h.Event.Pointer, err = placeholder.ResolveLoaded("event", h.Event.Pointer, checkPointer); err != nil {
		return err
	}
	if h.OnError, err = placeholder.ResolveLoaded("on_error", h.OnError, checkOnError); err != nil {
		return err
	}
	if h.OpenID, err = placeholder.Known("openid", h.OpenID, checkBraces); err != nil {
		return err
	}
	if h.UnionID, err = placeholder.Known("unionid", h.UnionID, checkBraces); err != nil {
		return err
	}
	if !placeholder.PerRequest(h.OpenID) {
		h.logger.Warn("the openid of cloudid holds no placeholder, so everybody acts as the same user",
			zap.String("advice", "write a placeholder that an authenticator sets, such as "+defaultOpenID+", the default"))
	}
	return nil
}

func checkOnError(word string) error {
	if word != embed && word != reject {
		return errors.New("is neither embed nor reject")
	}
	return nil
}

// checkBraces returns an error for what is meant as a placeholder. As a text, it would be everybody's id.
func checkBraces(text string) error {
	if strings.HasPrefix(strings.TrimLeft(text, "{"), "http.") && !placeholder.PerRequest(text) {
		return errors.New("is the name of a placeholder without both of its braces; write them around it")
	}
	return nil
}

func checkPointer(text string) error {
	_, err := event.ParsePointer(text)
	return err
}

// checkMediaType returns an error unless a pattern is a media type, or all of a kind as in image/*.
func checkMediaType(pattern string) error {
	kind, subtype, _ := strings.Cut(pattern, "/")
	sample := pattern
	if subtype == "*" {
		sample = kind + "/x"
	}
	name, params, err := mime.ParseMediaType(sample)
	if err != nil || kind == "" || kind == "*" || subtype == "" || len(params) > 0 || strings.Contains(name, "*") {
		return errors.New("is no media type; write one as in multipart/form-data, or all of a kind as in image/*")
	}
	if httpbody.AnyJSON.Match(name) {
		return errors.New("is JSON, which is always read as the event")
	}
	return nil
}

// makeRules compiles what to look for. written are the fields with their placeholders.
func (h *Handler) makeRules(written []string) error {
	if h.Event.CloudEvents && (h.Event.Pointer != "" || h.Event.Text) {
		return errors.New("event: cloudevents says where the event is, so it takes neither a pointer nor text")
	}
	pointer, err := event.ParsePointer(h.Event.Pointer)
	if err != nil {
		return err // was checked before
	}
	rules := event.Rules{
		Pointer:         pointer,
		IsString:        h.Event.Text,
		Fields:          h.Fields,
		Written:         written,
		Guess:           !h.NoGuess,
		EncryptedData:   h.EncryptedData,
		MaxDeclarations: h.maxIDs,
		ReplaceUserInfo: h.UserInfo,
	}
	h.known = ruleSet{rules, rules}
	h.known.envelope.CloudEvent = true
	for _, rules := range []*event.Rules{&h.known.body, &h.known.envelope} {
		if err := rules.Compile(); err != nil {
			return err
		}
	}
	h.anonymous = h.known
	h.anonymous.body.Guess, h.anonymous.envelope.Guess = false, false
	return nil
}
