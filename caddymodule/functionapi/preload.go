package functionapi

import _ "embed"

//go:embed preload.cjs
var preload string

// Preload returns the text of a CommonJS module that Node.js loads before a function, so that the unmodified wx-server-sdk
// asks this gateway and keeps parallel calls apart.
func Preload() string { return preload }
