package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/sessionkey"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// resolve returns the value that is to stand in the place of each declaration; nil for one that stays as it is.
func (h *Handler) resolve(r *http.Request, c *call, found *event.Event) ([][]byte, error) {
	if len(found.Declarations) == 0 {
		return nil, nil
	}
	c.addDeclared(found)
	if err := c.checkCaller(r, found.Declarations); err != nil {
		return nil, err
	}
	ids, guesses := make([]string, 0, len(found.Declarations)), make([]bool, 0, len(found.Declarations))
	for _, d := range found.Declarations {
		if d.ID != "" {
			ids, guesses = append(ids, d.ID), append(guesses, d.Kind == event.Guess)
		}
	}
	start := time.Now()
	result, err := h.exchange(r.Context(), c.caller, ids, guesses)
	c.record.Timing.Exchange = time.Since(start)
	if err != nil {
		return nil, h.resolveError(r, c, err)
	}
	if c.record.Timing.Wait = result.Waited; result.Cached < len(ids) {
		c.record.Timing.WeChat = c.record.Timing.Exchange - result.Waited
	}
	c.cached, c.failure = result.Cached, result.Err
	if result.Err != nil && h.OnError == reject {
		return nil, upstreamError(result.Err)
	}
	return c.assign(found.Declarations, result), nil
}

// checkCaller returns an error if open data is declared, but nobody is logged in whose it could be, or whose session could decrypt
// it.
func (c *call) checkCaller(r *http.Request, declarations []event.Declaration) error {
	for _, d := range declarations {
		if d.ID == "" && d.EncryptedData == "" {
			continue // that becomes an error object, for every caller
		}
		if c.caller.openid == "" {
			return caddyhttp.Error(http.StatusUnauthorized, fmt.Errorf("the member %s holds open data to be resolved, but nobody is logged in: log in, and send what proves it with the call", event.QuoteName(d.Name)))
		}
		if d.EncryptedData == "" {
			continue
		}
		var ok bool
		if c.sessionKey, ok = sessionkey.Of(r.Context(), c.appID(), c.caller.openid); !ok {
			c.member(d.Name).Reason = invocation.NoKey
			return caddyhttp.Error(http.StatusUnauthorized, fmt.Errorf("the member %s is encrypted, and the session has no session_key to decrypt it with: log in again; if that does not help, the operator must add session_key to wechat_login", event.QuoteName(d.Name)))
		}
	}
	return nil
}

// exchange has CloudIDs exchanged, in a span of Caddy's trace where one is recorded.
func (h *Handler) exchange(ctx context.Context, c caller, ids []string, guesses []bool) (opendata.Result, error) {
	if len(ids) == 0 {
		return opendata.Result{}, nil
	}
	request := trace.SpanFromContext(ctx)
	if !request.IsRecording() {
		return c.account.Resolve(ctx, c.openid, ids, guesses)
	}
	tracer := request.TracerProvider().Tracer("github.com/caddy-cloudid/caddy-cloudid")
	ctx, span := tracer.Start(ctx, "cloudid exchange", trace.WithAttributes(
		attribute.String("cloudid.appid", c.account.AppID()),
		attribute.Int("cloudid.found", len(ids))))
	defer span.End()
	result, err := c.account.Resolve(ctx, c.openid, ids, guesses)
	span.SetAttributes(attribute.Int("cloudid.cached", result.Cached))
	if failure := errors.Join(err, result.Err); failure != nil {
		span.SetStatus(codes.Error, failure.Error())
	}
	return result, err
}

// resolveError gives an error of exchanging nothing at all its status.
func (h *Handler) resolveError(r *http.Request, c *call, err error) error {
	if limit, ok := errors.AsType[*opendata.LimitError](err); ok {
		httpbody.SetRetryAfter(c.response.Header(), limit.RetryAfter())
		return caddyhttp.Error(http.StatusTooManyRequests, limit)
	}
	if r.Context().Err() != nil {
		return httpbody.ContextError(r.Context().Err())
	}
	h.logger.Error("open data could not be asked for", zap.Error(err))
	return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("open data cannot be asked for at the moment; try again later"))
}

// upstreamError is what a client sees where `on_error reject` is set.
func upstreamError(err error) error {
	if wechat.IsTimeout(err) {
		return caddyhttp.Error(http.StatusGatewayTimeout, errors.New("WeChat did not respond in time; try again later"))
	}
	return caddyhttp.Error(http.StatusBadGateway, errors.New("WeChat could not be asked for the open data of this call; try again later"))
}

// assign chooses what stands in the place of each declaration, and takes note of it.
func (c *call) assign(declarations []event.Declaration, result opendata.Result) [][]byte {
	values := make([][]byte, len(declarations))
	next := 0 // results are one for one with the declarations that have an id
	for i, d := range declarations {
		member := c.member(d.Name)
		var data wechat.OpenData
		switch {
		case d.ID != "":
			data = result.OpenData[next]
			origin := result.Origins[next]
			member.Cached, member.Shared = origin == opendata.Cached, origin == opendata.Coalesced
			next++
			if origin == opendata.Limited {
				member.Result, member.Reason = invocation.Kept, invocation.OverLimit
				continue
			}
		case d.EncryptedData != "":
			data = wechat.DecryptOpenData(c.sessionKey, d.EncryptedData, d.IV, c.appID(), time.Now())
		default:
			data = wechat.OpenDataError("", wechat.CodeInvalidCloudID)
			if member.Reason == 0 {
				member.Reason = invocation.CannotBe
			}
		}
		c.metrics().IDs.With(data.MetricLabel()).Inc()
		switch {
		case data.Code == 0:
			member.Result = invocation.OpenData
		case d.Kind == event.Guess && data.Code == wechat.CodeInvalidCloudID:
			member.Result, member.Reason = invocation.Kept, invocation.NotCloudID
			continue // it was no CloudID, and nobody said that it was one
		default:
			member.Result, member.Code = invocation.Failed, data.Code
		}
		values[i] = data.JSON
	}
	return values
}

// addDeclared enters declarations into the record.
func (c *call) addDeclared(found *event.Event) {
	c.record.Members = make([]invocation.Member, len(found.Declarations))
	for i, d := range found.Declarations {
		name := strings.Clone(d.Name) // else who keeps the record would keep CloudIDs and encrypted data as well, which are in the same memory
		c.record.Members[i] = invocation.Member{Name: name, Declared: invocation.DeclaredAs(string(d.Kind))}
	}
}

// member returns the entry of a declared member in the record.
func (c *call) member(name string) *invocation.Member {
	for i := range c.record.Members {
		if m := &c.record.Members[i]; m.Name == name {
			return m
		}
	}
	return nil
}
