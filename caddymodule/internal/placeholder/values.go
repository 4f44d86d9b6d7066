package placeholder

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/dustin/go-humanize"
)

// Number is a number of a config as it is written: its digits, or placeholders such as {env.RETRIES} that stand for them. In JSON it
// is a number, or a string. "" stands for the option's default.
type Number string

// Duration is a duration of a config as it is written, such as 3s or {env.TIMEOUT}. In JSON it is a string, or a number of
// nanoseconds. "" stands for the option's default.
type Duration string

// Size is a number of bytes of a config as it is written, such as 1MiB or {env.MAX_SIZE}. In JSON it is a number of bytes, or a
// string. "" stands for the option's default.
type Size string

// Check returns what is wrong with a number of a Caddyfile. One with a placeholder is known only to Resolve.
func (n Number) Check(smallest, largest int) error {
	return checkWord(string(n), func(text string) error { return parseNumber(text, smallest, largest, new(int)) })
}

// Resolve returns the number, from smallest to largest, or otherwise where none is written. setting names it in errors.
func (n Number) Resolve(setting string, otherwise, smallest, largest int) (int, error) {
	if n == "0" && smallest > 0 { // in JSON, what is left out
		n = ""
	}
	value := otherwise
	err := resolveText(setting, string(n), func(text string) error { return parseNumber(text, smallest, largest, &value) })
	return value, err
}

func parseNumber(text string, smallest, largest int, to *int) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < smallest || value > largest {
		return fmt.Errorf("is no number from %d to %d", smallest, largest)
	}
	*to = value
	return nil
}

// Check returns what is wrong with a duration of a Caddyfile. One with a placeholder is known only to Resolve.
func (d Duration) Check(shortest time.Duration) error {
	return checkWord(string(d), func(text string) error { return parseDuration(text, shortest, new(time.Duration)) })
}

// Resolve returns the duration, at least shortest, or otherwise where none is written. setting names it in errors.
func (d Duration) Resolve(setting string, otherwise, shortest time.Duration) (time.Duration, error) {
	value := otherwise
	err := resolveText(setting, string(d), func(text string) error { return parseDuration(text, shortest, &value) })
	if err != nil && !hasPlaceholder(string(d)) {
		err = fmt.Errorf("%w; a number of JSON counts nanoseconds", err) // a Caddyfile was checked before
	}
	return value, err
}

func parseDuration(text string, shortest time.Duration, to *time.Duration) error {
	value, err := caddy.ParseDuration(text)
	if err != nil || value < shortest {
		return fmt.Errorf("is no duration of at least %s; write it with a unit, as in 3s or 1m", shortest)
	}
	*to = value
	return nil
}

// Check returns what is wrong with a size of a Caddyfile. One with a placeholder is known only to Resolve.
func (s Size) Check(largest int64) error {
	return checkWord(string(s), func(text string) error { return parseSize(text, largest, new(int64)) })
}

// Resolve returns the size in bytes, from 1 to largest, or otherwise where none is written. setting names it in errors.
func (s Size) Resolve(setting string, otherwise, largest int64) (int64, error) {
	value := otherwise
	err := resolveText(setting, string(s), func(text string) error { return parseSize(text, largest, &value) })
	return value, err
}

func parseSize(text string, largest int64, to *int64) error {
	value, err := humanize.ParseBytes(text)
	if err != nil || value == 0 || value > uint64(largest) {
		return fmt.Errorf("is no size above 0 and up to %s, such as 1MiB or 500KB", humanize.IBytes(uint64(largest)))
	}
	*to = int64(value)
	return nil
}

func hasPlaceholder(text string) bool { return strings.Contains(text, "{") }

func checkWord(text string, check Check) error { return check.CheckWord(text) }

// resolveText is Resolve of what is written, if anything is, for a check that keeps what it reads.
func resolveText(setting, text string, check Check) error {
	if text == "" {
		return nil
	}
	_, err := Resolve(setting, text, check)
	return err
}

// MarshalJSON writes a number where one is written, and what has placeholders as a string.
func (n Number) MarshalJSON() ([]byte, error) {
	var value int
	return marshal(string(n), &value, parseNumber(string(n), math.MinInt, math.MaxInt, &value))
}

// UnmarshalJSON reads a number or a string.
func (n *Number) UnmarshalJSON(data []byte) error {
	return unmarshal(data, (*string)(n), func(digits string) string { return digits })
}

// MarshalJSON writes a number of nanoseconds, and what has placeholders as a string.
func (d Duration) MarshalJSON() ([]byte, error) {
	var value time.Duration
	return marshal(string(d), &value, parseDuration(string(d), math.MinInt64, &value))
}

// UnmarshalJSON reads a string, or a number of nanoseconds. 0 is what was left out.
func (d *Duration) UnmarshalJSON(data []byte) error {
	return unmarshal(data, (*string)(d), func(digits string) string {
		nanoseconds, err := strconv.ParseInt(digits, 10, 64)
		switch {
		case err != nil:
			return digits // without a unit, so Resolve rejects it
		case nanoseconds == 0:
			return ""
		}
		return time.Duration(nanoseconds).String()
	})
}

// MarshalJSON writes a number of bytes, and what has placeholders as a string.
func (s Size) MarshalJSON() ([]byte, error) {
	var value int64
	return marshal(string(s), &value, parseSize(string(s), math.MaxInt64, &value))
}

// UnmarshalJSON reads a string, or a number of bytes. 0 is what was left out.
func (s *Size) UnmarshalJSON(data []byte) error {
	return unmarshal(data, (*string)(s), func(digits string) string {
		if digits == "0" {
			return ""
		}
		return digits
	})
}

// marshal writes the value that a text was parsed to, or else the text.
func marshal(text string, value any, err error) ([]byte, error) {
	if err != nil {
		value = text
	}
	return json.Marshal(value)
}

// unmarshal reads a string, or a number, which number turns into text.
func unmarshal(data []byte, to *string, number func(digits string) string) error {
	var read any
	if string(data) == "null" {
		return nil
	}
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	switch value := read.(type) {
	case string:
		*to = value
	case float64:
		*to = number(string(data))
	default:
		return errors.New("a number is expected, or a string with one, which may be a placeholder such as {env.NAME}")
	}
	return nil
}
