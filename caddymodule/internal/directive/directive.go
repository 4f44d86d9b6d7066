// Package directive reads the blocks of Caddyfile directives and options: it rejects what is unknown, given twice, or has the
// wrong number of arguments, in the same words everywhere.
package directive

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// Options are what a block may hold, by name.
type Options map[string]Option

// Option reads one option of a block. The dispenser is on the option's name, which must be left with all that belongs to it read.
// Its errors name the option and the place in the Caddyfile; those of Args do.
type Option func(d *caddyfile.Dispenser) error

// Parse reads a directive that takes nothing but a matcher, which is gone already, and a block: `<name> { <option>... }`. The
// dispenser is before the directive's name.
func Parse(d *caddyfile.Dispenser, options Options) error {
	d.Next()
	name := d.Val()
	if d.NextArg() {
		return d.Errf("%s takes no arguments behind the matcher, only a block: %s { … }, not %q", name, name, d.Val())
	}
	return Block(d, name, options)
}

// Block reads the block that follows, if there is one. In errors it is called by name.
func Block(d *caddyfile.Dispenser, name string, options Options) error {
	given := make(map[string]bool)
	last := name
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		read, known := options[option]
		switch {
		case option == "{":
			return d.Errf("%s takes no block", last)
		case !known:
			return d.Errf("unknown option%s in %s; allowed: %s", Quote(option), name, strings.Join(slices.Sorted(maps.Keys(options)), ", "))
		case given[option]:
			return d.Errf("%s is given twice in %s; keep one of them", option, name)
		}
		given[option], last = true, option
		if err := read(d); err != nil {
			return err
		}
	}
	return nil
}

// Quote repeats a word behind a space, for an error, if it can be meant as a name. In a name's place may stand a secret: of a word
// that cannot be a name it says only that it is none.
func Quote(word string) string {
	const longest, names = 20, "abcdefghijklmnopqrstuvwxyz_"
	if word == "" || len(word) > longest || strings.Trim(word, names) != "" {
		return " (a word that is no name)"
	}
	return fmt.Sprintf(" %q", word)
}

// Args makes an option of a function that takes the option's arguments. Its errors are whole clauses without the option's name
// and place, which are added.
func Args(read func(args []string) error) Option {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if err := read(d.RemainingArgs()); err != nil {
			return d.WrapErr(fmt.Errorf("%s: %w", name, err))
		}
		return nil
	}
}

// WrongArguments is the error for a wrong number of arguments. It does not repeat them, since one may be a secret.
func WrongArguments(syntax string) error {
	return fmt.Errorf("wrong number of arguments; the syntax is: %s", syntax)
}

var errEmpty = errors.New("an argument is empty")

// String reads exactly one argument that is not empty and passes the checks. Errors of this function do not repeat it.
func String(to *string, syntax string, checks ...func(string) error) Option {
	return Args(func(args []string) error {
		if len(args) != 1 {
			return WrongArguments(syntax)
		}
		if args[0] == "" {
			return fmt.Errorf("%w; the syntax is: %s", errEmpty, syntax)
		}
		*to = args[0]
		for _, check := range checks {
			if err := check(args[0]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Strings reads one argument or more, none of which is empty and each of which passes the check. Errors of this function do not repeat
// arguments.
func Strings(to *[]string, syntax string, check func(string) error) Option {
	return Args(func(args []string) error {
		if len(args) == 0 {
			return WrongArguments(syntax)
		}
		for _, arg := range args {
			if arg == "" {
				return fmt.Errorf("%w; the syntax is: %s", errEmpty, syntax)
			}
			if err := check(arg); err != nil {
				return err
			}
		}
		*to = args
		return nil
	})
}

// Flag reads an option without arguments.
func Flag(to *bool) Option {
	return Args(func(args []string) error {
		if len(args) != 0 {
			return errors.New("no arguments are allowed")
		}
		*to = true
		return nil
	})
}

// Int reads a number from smallest to largest, or a placeholder that stands for it.
func Int(to *placeholder.Number, smallest, largest int, syntax string) Option {
	return one(syntax, func(arg string) error {
		*to = placeholder.Number(arg)
		return to.Check(smallest, largest)
	})
}

// Duration reads a duration of at least shortest, such as 3s, 1m or 1d, or a placeholder that stands for it. A number without a unit is
// an error.
func Duration(to *placeholder.Duration, shortest time.Duration, syntax string) Option {
	return one(syntax, func(arg string) error {
		*to = placeholder.Duration(arg)
		return to.Check(shortest)
	})
}

// Size reads a number of bytes from 1 to largest, such as 1MiB or 500KB, or a placeholder that stands for it.
func Size(to *placeholder.Size, largest int64, syntax string) Option {
	return one(syntax, func(arg string) error {
		*to = placeholder.Size(arg)
		return to.Check(largest)
	})
}

func one(syntax string, read func(arg string) error) Option {
	return Args(func(args []string) error {
		if len(args) != 1 {
			return WrongArguments(syntax)
		}
		return read(args[0])
	})
}
