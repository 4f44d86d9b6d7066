package functionapi

import "time"

// SetFunctionTimeout changes how long a function may take until restore is called.
func SetFunctionTimeout(d time.Duration) (restore func()) {
	before := functionTimeout
	functionTimeout = d
	return func() { functionTimeout = before }
}
