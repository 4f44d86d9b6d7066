package migrate

import (
	"fmt"
	"strconv"
	"strings"
)

// onCalendar translates a timer of the cloud, whose seven fields are second, minute, hour, day, month, weekday and year, to
// systemd's OnCalendar. The cloud counts in China's time.
//
// Source: WeChat's document of timers ("定时触发器"); systemd.time(7).
func onCalendar(config string) (string, error) {
	fields := strings.Fields(config)
	if len(fields) != 7 {
		return "", fmt.Errorf("%q has %d fields instead of seven", config, len(fields))
	}
	var out [7]string
	for i, field := range fields {
		translated, err := calendarFields[i].translate(field)
		if err != nil {
			return "", fmt.Errorf("%q: %w", config, err)
		}
		out[i] = translated
	}
	date := fmt.Sprintf("%s-%s-%s %s:%s:%s Asia/Shanghai", out[6], out[4], out[3], out[2], out[1], out[0])
	if out[5] == "*" {
		return date, nil
	}
	return out[5] + " " + date, nil
}

// calendarField is what one field of a timer may hold.
type calendarField struct {
	low, high int
	names     []string // systemd's, of the values from 0 on; nil: it writes numbers
}

var calendarFields = [7]calendarField{
	{0, 59, nil},
	{0, 59, nil},
	{0, 23, nil},
	{1, 31, nil},
	{1, 12, nil},
	{0, 7, []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}},
	{1970, 2099, nil},
}

// translate translates a field: numbers, names of weekdays, ranges, lists, and steps.
func (f *calendarField) translate(field string) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(field, ",") {
		translated, err := f.part(part)
		if err != nil {
			return "", err
		}
		parts = append(parts, translated)
	}
	return strings.Join(parts, ","), nil
}

// part translates one part of a list.
func (f *calendarField) part(part string) (string, error) {
	values, step, stepped := strings.Cut(part, "/")
	if !stepped {
		return f.values(values)
	}
	if n, err := strconv.Atoi(step); err != nil || n < 1 {
		return "", fmt.Errorf("%q is no step", part)
	}
	if values == "*" || values == "?" {
		if f.names != nil {
			return "", fmt.Errorf("%q: steps of weekdays have no translation", part)
		}
		return fmt.Sprintf("%d/%s", f.low, step), nil // systemd counts steps from a value
	}
	translated, err := f.values(values)
	return translated + "/" + step, err
}

// values translates a value, a range, or the sign for all.
func (f *calendarField) values(values string) (string, error) {
	if values == "*" || values == "?" {
		return "*", nil
	}
	first, last, ranged := strings.Cut(values, "-")
	a, err := f.value(first)
	if err != nil || !ranged {
		return a, err
	}
	b, err := f.value(last)
	return a + ".." + b, err
}

func (f *calendarField) value(text string) (string, error) {
	for _, name := range f.names {
		if strings.EqualFold(name, text) {
			return name, nil
		}
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < f.low || n > f.high:
		return "", fmt.Errorf("%q is no value from %d to %d", text, f.low, f.high)
	case f.names != nil:
		return f.names[n], nil
	}
	return fmt.Sprintf("%02d", n), nil
}
