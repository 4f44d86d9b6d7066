// Package placeholder resolves the placeholders of values that are known when a config is loaded, such as {env.WECHAT_SECRET} and
// {file./run/secrets/wechat}. What is unknown or empty there is an error that names it, since Caddy itself would put nothing
// in its place.
package placeholder

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
)

// Check returns why a value is not allowed, and what is, in words that follow the value in a sentence and do not repeat it: "is no
// number from 1 to 10".
type Check func(value string) error

// Resolve replaces all placeholders of a value and removes white space and a byte order mark around it. All must be known when
// the config is loaded. The value must pass the checks. setting names it in errors, which show it as it is written: who wrote the name
// of another variable may have written that of a secret.
func Resolve(setting, text string, checks ...Check) (string, error) {
	value, err := resolve(setting, text, func(key string) (string, error) {
		return "", fmt.Errorf("{%s} is not known when the config is loaded; use {env.*} or {file.*}", key)
	})
	return checked(setting, strconv.Quote(text), value, err, checks)
}

// ResolveAll replaces each value by what Resolve returns for it.
func ResolveAll(setting string, texts []string, checks ...Check) error {
	for i := range texts {
		value, err := Resolve(setting, texts[i], checks...)
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

// ResolveLoaded is Resolve for a value whose braces may be its own: it is left alone, but for the checks, unless it has a placeholder
// as WaitsForLoad says.
func ResolveLoaded(setting, text string, checks ...Check) (string, error) {
	if !WaitsForLoad(text) {
		return checked(setting, strconv.Quote(text), text, nil, checks)
	}
	return Resolve(setting, text, checks...)
}

// Secret is Resolve for a value that no error may show, not even a part of it that stands in braces. If it does not pass the checks,
// the error names the {env.*} and {file.*} in it.
func Secret(setting, text string, checks ...Check) (string, error) {
	value, err := resolve(setting, text, func(string) (string, error) {
		return "", errors.New("a placeholder in the value is unknown; use {env.*} or {file.*}, and write \\{ for a brace")
	})
	return checked(setting, allude(text), value, err, checks)
}

// Known replaces the placeholders that are known when the config is loaded, and leaves those of requests as they are. Checks and errors
// are as with Resolve.
func Known(setting, text string, checks ...Check) (string, error) {
	value, err := resolve(setting, text, func(key string) (string, error) { return "{" + key + "}", nil })
	return checked(setting, strconv.Quote(text), value, err, checks)
}

// CheckWord returns what is wrong with a value of a Caddyfile, for options that are resolved with Resolve. One with a placeholder is
// known only when the config is loaded.
func (c Check) CheckWord(text string) error {
	if hasPlaceholder(text) {
		return nil
	}
	return c.word(text)
}

// CheckLoadedWord is CheckWord for options that are resolved with ResolveLoaded.
func (c Check) CheckLoadedWord(text string) error {
	if WaitsForLoad(text) {
		return nil
	}
	return c.word(text)
}

func hasPlaceholder(text string) bool { return strings.Contains(text, "{") }

// CheckSecretWord is CheckWord for options that are resolved with Secret: its errors do not show the value.
func (c Check) CheckSecretWord(text string) error {
	if hasPlaceholder(text) {
		return nil
	}
	if err := c(trim(text)); err != nil {
		return fmt.Errorf("the value %w", err)
	}
	return nil
}

func (c Check) word(text string) error {
	if err := c(text); err != nil {
		return fmt.Errorf("%s %w", strconv.Quote(text), err)
	}
	return nil
}

// checked returns a value that was resolved, or what is wrong with it. subject stands for the value in the error.
func checked(setting, subject, value string, err error, checks []Check) (string, error) {
	if err != nil {
		return "", err
	}
	for _, check := range checks {
		if err := check(value); err != nil {
			return "", fmt.Errorf("%s: %s %w", setting, subject, err)
		}
	}
	return value, nil
}

var loadedPlaceholder = regexp.MustCompile(`\{(?:env|file)\.[^{}]*\}`)

// allude names a value by its placeholders alone.
func allude(text string) string {
	if names := loadedPlaceholder.FindAllString(text, -1); names != nil {
		return "the value of " + strings.Join(names, " and ")
	}
	return "the value"
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
		return "", fmt.Errorf("%s: %s is empty; write it, or a placeholder such as {env.NAME} or {file./path}", setting, allude(text))
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
