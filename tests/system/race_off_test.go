//go:build !race

package system

// raceDetector tells tests whether the race detector watches.
const raceDetector = false
