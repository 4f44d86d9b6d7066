package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// exchange has CloudIDs exchanged, in a span of Caddy's trace where one is recorded.
func (h *Handler) exchange(ctx context.Context, who caller, ids []string) (opendata.Result, error) {
	if len(ids) == 0 {
		return opendata.Result{}, nil
	}
	request := trace.SpanFromContext(ctx)
	if !request.IsRecording() {
		return who.account.Resolve(ctx, who.openid, ids)
	}
	tracer := request.TracerProvider().Tracer("github.com/caddy-cloudid/caddy-cloudid")
	ctx, span := tracer.Start(ctx, "cloudid exchange", trace.WithAttributes(
		attribute.String("cloudid.appid", who.account.AppID()),
		attribute.Int("cloudid.found", len(ids))))
	defer span.End()
	result, err := who.account.Resolve(ctx, who.openid, ids)
	span.SetAttributes(attribute.Int("cloudid.cached", result.Cached))
	if failure := errors.Join(err, result.Err); failure != nil {
		span.SetStatus(codes.Error, failure.Error())
	}
	return result, err
}

// upstreamError is what a client sees where `on_error reject` is set.
func upstreamError(err error) error {
	if wechat.IsTimeout(err) {
		return caddyhttp.Error(http.StatusGatewayTimeout, errors.New("WeChat did not answer in time; try again later"))
	}
	return caddyhttp.Error(http.StatusBadGateway, errors.New("WeChat could not be asked for the open data of this call; try again later"))
}

// outcome is what became of one invocation. It answers the placeholders {http.cloudid.*}.
type outcome struct {
	found, resolved, failed, cached int

	keys       []string // the members that hold open data WeChat really gave
	duration   time.Duration
	err        error
	addedBytes int
}

// assign chooses what stands in the place of each declaration, and takes note of it.
func (o *outcome) assign(declarations []event.Declaration, answers []wechat.OpenData) [][]byte {
	placed := make([][]byte, len(declarations))
	next := 0 // answers are one for one with the declarations that have an id
	for i, d := range declarations {
		var answer wechat.OpenData
		if d.ID != "" {
			answer = answers[next]
			next++
		} else {
			answer = wechat.OpenDataError(d.ID, wechat.CodeInvalidCloudID)
		}
		metrics.IDs.WithLabelValues(answer.MetricLabel()).Inc()
		switch {
		case answer.Code == 0:
			o.resolved++
			o.keys = append(o.keys, d.Name)
		case d.Guess && answer.Code == wechat.CodeInvalidCloudID:
			continue // it was no CloudID, and nobody said that it was one
		default:
			o.failed++
		}
		placed[i] = answer.JSON
	}
	return placed
}

// The outcomes of invocations, as the metric names them.
var (
	outcomeUntouched     = metrics.Invocations.WithLabelValues("untouched") // no CloudID, or none after all
	outcomeResolved      = metrics.Invocations.WithLabelValues("resolved")  // every CloudID became open data
	outcomePartial       = metrics.Invocations.WithLabelValues("partial")   // some did, in place of the others stand errors
	outcomeFailed        = metrics.Invocations.WithLabelValues("failed")    // none did
	outcomeRejected      = metrics.Invocations.WithLabelValues("refused")   // 4xx: the client's fault
	outcomeUpstreamError = metrics.Invocations.WithLabelValues("rejected")  // 5xx: on_error reject
	outcomeCanceled      = metrics.Invocations.WithLabelValues("abandoned") // the client went away
)

// recordForwarded counts an invocation that is handed on.
func (o *outcome) recordForwarded() {
	if o.addedBytes > 0 {
		metrics.AddedBytes.Add(float64(o.addedBytes))
	}
	switch {
	case o.resolved+o.failed == 0:
		outcomeUntouched.Inc()
	case o.failed == 0:
		outcomeResolved.Inc()
	case o.resolved > 0:
		outcomePartial.Inc()
	default:
		outcomeFailed.Inc()
	}
}

// recordRejected counts an invocation that is not handed on.
func (o *outcome) recordRejected(err error) {
	if o.err == nil {
		o.err = err
	}
	status := http.StatusInternalServerError
	if answer, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		status = answer.StatusCode
	}
	switch {
	case status == statusClientClosedRequest:
		outcomeCanceled.Inc()
	case status < http.StatusInternalServerError:
		outcomeRejected.Inc()
	default:
		outcomeUpstreamError.Inc()
	}
}

// placeholder answers {http.cloudid.*}.
func (o *outcome) placeholder(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, "http.cloudid.")
	if !ours {
		return nil, false
	}
	switch name {
	case "found":
		return o.found, true
	case "resolved":
		return o.resolved, true
	case "failed":
		return o.failed, true
	case "cached":
		return o.cached, true
	case "keys":
		return strings.Join(o.keys, ","), true
	case "duration_ms":
		return float64(o.duration.Microseconds()) / 1000, true
	case "error":
		return o.errorText(), true
	}
	return nil, false
}

// errorText is the cause, without the identifier and the place in the code that Caddy's error type adds.
func (o *outcome) errorText() string {
	if o.err == nil {
		return ""
	}
	if answer, ok := errors.AsType[caddyhttp.HandlerError](o.err); ok && answer.Err != nil {
		return answer.Err.Error()
	}
	return o.err.Error()
}
