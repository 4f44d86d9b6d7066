// Package miniprogram holds the client module, for the command that copies it.
package miniprogram

import "embed"

// Files are the module and its types.
//
//go:embed cloud.js cloud.d.ts
var Files embed.FS
