//go:build !linux

package transport_test

import "testing"

// deaf returns an address at which connections are neither accepted nor rejected; here one of those that belong to documentation.
func deaf(*testing.T) string { return "192.0.2.1:9" }
