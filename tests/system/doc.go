// Package system tests the gateway as a whole, in one process with what it speaks to: faults of a network between it and
// WeChat, and what is left when it goes. It is a module of its own, since a proxy that injects faults brings dependencies
// that the plugin does not have.
package system
