package placeholder

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
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
	return checkWord(string(n), numberWithin(smallest, largest))
}

// Resolve returns the number, from smallest to largest, or fallback where none is written. setting names it in errors.
func (n Number) Resolve(setting string, fallback, smallest, largest int) (int, error) {
	if n == "0" && smallest > 0 { // in JSON, what is left out
		n = ""
	}
	return resolveValue(setting, string(n), fallback, numberWithin(smallest, largest))
}

// MarshalJSON writes a number where one is written, and what has placeholders as a string.
func (n Number) MarshalJSON() ([]byte, error) {
	return marshal(string(n), numberWithin(math.MinInt, math.MaxInt))
}

// UnmarshalJSON reads a number or a string.
func (n *Number) UnmarshalJSON(data []byte) error {
	return unmarshal(data, (*string)(n), func(digits string) string { return digits })
}

func numberWithin(smallest, largest int) parser[int] {
	return func(text string) (int, error) {
		value, err := strconv.Atoi(text)
		if err != nil || value < smallest || value > largest {
			return 0, fmt.Errorf("is no number from %d to %d", smallest, largest)
		}
		return value, nil
	}
}

// Check returns what is wrong with a duration of a Caddyfile. One with a placeholder is known only to Resolve.
func (d Duration) Check(shortest time.Duration) error {
	return checkWord(string(d), durationFrom(shortest))
}

// Resolve returns the duration, at least shortest, or fallback where none is written. setting names it in errors.
func (d Duration) Resolve(setting string, fallback, shortest time.Duration) (time.Duration, error) {
	value, err := resolveValue(setting, string(d), fallback, durationFrom(shortest))
	if err != nil && !hasPlaceholder(string(d)) {
		err = fmt.Errorf("%w; a number of JSON counts nanoseconds", err) // a Caddyfile was checked before
	}
	return value, err
}

// MarshalJSON writes a number of nanoseconds, and what has placeholders as a string.
func (d Duration) MarshalJSON() ([]byte, error) {
	return marshal(string(d), durationFrom(math.MinInt64))
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

func durationFrom(shortest time.Duration) parser[time.Duration] {
	return func(text string) (time.Duration, error) {
		value, err := caddy.ParseDuration(text)
		if err != nil || value < shortest {
			return 0, fmt.Errorf("is no duration of at least %s; write it with a unit, as in 3s or 1m", shortest)
		}
		return value, nil
	}
}

// Check returns what is wrong with a size of a Caddyfile. One with a placeholder is known only to Resolve.
func (s Size) Check(largest int64) error {
	return checkWord(string(s), sizeUpTo(largest))
}

// Resolve returns the size in bytes, from 1 to largest, or fallback where none is written. setting names it in errors.
func (s Size) Resolve(setting string, fallback, largest int64) (int64, error) {
	return resolveValue(setting, string(s), fallback, sizeUpTo(largest))
}

// MarshalJSON writes a number of bytes, and what has placeholders as a string.
func (s Size) MarshalJSON() ([]byte, error) {
	return marshal(string(s), sizeUpTo(math.MaxInt64))
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

func sizeUpTo(largest int64) parser[int64] {
	return func(text string) (int64, error) {
		value, err := humanize.ParseBytes(text)
		if err != nil || value == 0 || value > uint64(largest) {
			return 0, fmt.Errorf("is no size above 0 and up to %s, such as 1MiB or 500KB", humanize.IBytes(uint64(largest)))
		}
		return int64(value), nil
	}
}

// parser reads a value without placeholders. Its errors are those of a Check.
type parser[T any] func(text string) (T, error)

func checkWord[T any](text string, parse parser[T]) error {
	return Check(func(text string) error {
		_, err := parse(text)
		return err
	}).CheckWord(text)
}

// resolveValue returns what a text stands for, or fallback for an empty one.
func resolveValue[T any](setting, text string, fallback T, parse parser[T]) (T, error) {
	value := fallback
	if text == "" {
		return value, nil
	}
	_, err := Resolve(setting, text, func(text string) (err error) {
		value, err = parse(text)
		return err
	})
	return value, err
}

// marshal writes the value of a text, or the text where it has none without placeholders.
func marshal[T any](text string, parse parser[T]) ([]byte, error) {
	value, err := parse(text)
	if err != nil {
		return json.Marshal(text)
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
