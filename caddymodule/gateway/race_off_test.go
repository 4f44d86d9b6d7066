//go:build !race

package gateway_test

// raceDetector tells tests whether the race detector watches, which slows them down.
const raceDetector = false
