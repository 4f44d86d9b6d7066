// Package migrate is the command `caddy cloudid migrate`: it reads a mini program made with cloud development, says what of it
// works behind the gateway and what is left to do, and writes a folder that runs.
//
// It brings a parser of JavaScript and TypeScript, some 7 MB of a binary, so the plugin does without it: only a Caddy whose
// main package imports this one, as caddymodule/cmd/caddy does, has the command.
package migrate
