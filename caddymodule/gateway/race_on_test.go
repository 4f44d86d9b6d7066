//go:build race

package gateway_test

// h2Upstream leaves out HTTP/2 to the function where the race detector watches: Caddy's reverse_proxy reads and closes the
// body it wraps ours in (bodyNopCloserIfNotRead, v2.11.9) without a lock there, which the detector reports as ours.
const h2Upstream = false
