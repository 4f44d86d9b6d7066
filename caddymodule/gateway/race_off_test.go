//go:build !race

package gateway_test

const h2Upstream = true
