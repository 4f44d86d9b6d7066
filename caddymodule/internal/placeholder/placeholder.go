// Package placeholder resolves the placeholders of values that are known when a config is loaded, such as {env.WECHAT_SECRET} and
// {file./run/secrets/wechat}. What is unknown or empty there is an error that names it, since Caddy itself would go on with
// nothing.
package placeholder

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
)

// Resolve replaces all placeholders of a value and removes white space and a byte order mark around it. All must be known when
// the config is loaded. setting names the value in errors.
func Resolve(setting, text string) (string, error) {
	return resolve(setting, text, func(key string) (string, error) {
		return "", fmt.Errorf("{%s} is not known when the config is loaded; use {env.*} or {file.*}", key)
	})
}

// ResolveAll replaces each value by what Resolve returns for it.
func ResolveAll(setting string, texts []string) error {
	for i := range texts {
		value, err := Resolve(setting, texts[i])
		if err != nil {
			return err
		}
		texts[i] = value
	}
	return nil
}

// WaitsForLoad reports whether a value has a placeholder that is known when the config is loaded, so that a Caddyfile does not say yet
// what the value is.
func WaitsForLoad(text string) bool {
	return strings.Contains(text, "{env.") || strings.Contains(text, "{file.")
}

// ResolveLoaded is Resolve for a value whose braces may be its own: it is left alone unless it has a placeholder as WaitsForLoad says.
func ResolveLoaded(setting, text string) (string, error) {
	if !WaitsForLoad(text) {
		return text, nil
	}
	return Resolve(setting, text)
}

// Secret is Resolve for a value that no error may show, not even a part of it that stands in braces.
func Secret(setting, text string) (string, error) {
	return resolve(setting, text, func(string) (string, error) {
		return "", errors.New("a placeholder in the value is unknown; use {env.*} or {file.*}, and write \\{ for a brace")
	})
}

// Known replaces the placeholders that are known when the config is loaded, and leaves those of requests as they are.
func Known(setting, text string) (string, error) {
	return resolve(setting, text, func(key string) (string, error) { return "{" + key + "}", nil })
}

// PerRequest reports whether a value, as Known returns it, still has placeholders, which each request replaces.
func PerRequest(text string) bool {
	_, err := caddy.NewEmptyReplacer().ReplaceOrErr(text, false, true)
	return err != nil
}

func resolve(setting, text string, unknown func(key string) (string, error)) (string, error) {
	value, err := caddy.NewReplacer().ReplaceFunc(text, func(key string, found any) (any, error) {
		if found == nil && !strings.HasPrefix(key, "file.") { // nil is also what Caddy has for a file that cannot be read
			return unknown(key)
		}
		if value := caddy.ToString(found); value != "" {
			return value, nil
		}
		return nil, emptyError(key)
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	if value = trim(value); value == "" {
		return "", fmt.Errorf("%s: the value is empty; write it, or a placeholder such as {env.NAME} or {file./path}", setting)
	}
	return value, nil
}

func emptyError(key string) error {
	switch {
	case strings.HasPrefix(key, "env."):
		return fmt.Errorf("{%s} is empty; set this environment variable for Caddy", key)
	case strings.HasPrefix(key, "file."):
		return fmt.Errorf("{%s} is empty; the file must be there, readable for Caddy, and not empty", key)
	default:
		return fmt.Errorf("{%s} is empty", key)
	}
}

func trim(value string) string {
	const byteOrderMark = '\uFEFF'
	return strings.TrimFunc(value, func(c rune) bool { return unicode.IsSpace(c) || c == byteOrderMark })
}
