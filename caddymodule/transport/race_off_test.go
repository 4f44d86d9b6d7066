//go:build !race

package transport_test

// raceDetector tells tests whether the race detector watches.
const raceDetector = false
