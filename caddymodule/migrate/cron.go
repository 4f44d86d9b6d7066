package migrate

import (
	"fmt"
	"strconv"
	"strings"
)

// onCalendar translates a timer of the cloud, whose seven fields are second, minute, hour, day, month, weekday and year, to lines
// OnCalendar of systemd. The cloud counts in China's time. Where day and weekday are given, either is enough.
//
// Source: Tencent's documents of timers ("定时触发器", those of WeChat and of SCF); systemd.time(7).
func onCalendar(config string) ([]string, error) {
	fields := strings.Fields(config)
	if len(fields) != 7 {
		return nil, fmt.Errorf("%q has %d fields instead of seven", config, len(fields))
	}
	var out [7]string
	for i, field := range fields {
		translated, err := calendarFields[i].translate(field)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", config, err)
		}
		out[i] = translated
	}
	at := func(weekday, day string) string {
		return strings.TrimPrefix(fmt.Sprintf("%s %s-%s-%s %s:%s:%s Asia/Shanghai", weekday, out[6], out[4], day, out[2], out[1], out[0]), "* ")
	}
	day, weekday := out[3], out[5]
	if day != "*" && weekday != "*" {
		return []string{at("*", day), at(weekday, "*")}, nil
	}
	return []string{at(weekday, day)}, nil
}

// calendarField is what a field may hold.
type calendarField struct {
	low, high int
	names     []string // of the values from low on
}

var (
	months   = strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	weekdays = strings.Fields("Sun Mon Tue Wed Thu Fri Sat") // as systemd calls them

	calendarFields = [7]calendarField{{0, 59, nil}, {0, 59, nil}, {0, 23, nil}, {1, 31, nil}, {1, 12, months}, {0, 6, weekdays}, {1970, 2099, nil}}
)

func (f calendarField) isWeekday() bool { return f.high == 6 }

// translate translates one field: numbers, names, ranges, lists, and steps.
func (f calendarField) translate(field string) (string, error) {
	var parts []string
	var days [7]bool
	for text := range strings.SplitSeq(field, ",") {
		part, err := f.read(text)
		if err != nil {
			return "", err
		}
		for day := part.first; f.isWeekday() && day <= part.last; day += part.step {
			days[day%7] = true
		}
		parts = append(parts, part.spelled(f))
	}
	if f.isWeekday() {
		return spellWeekdays(days), nil
	}
	return strings.Join(parts, ","), nil
}

// calendarPart is one of the list that a field is.
type calendarPart struct {
	first, last int
	step        int
}

// read reads a value, a range, or all; with a step or none.
func (f calendarField) read(text string) (part calendarPart, err error) {
	part.step = 1
	values, step, stepped := strings.Cut(text, "/")
	if stepped {
		if part.step, err = strconv.Atoi(step); err != nil || part.step < 1 || part.step > f.high-f.low {
			return part, fmt.Errorf("%q is no step", text)
		}
	}
	from, to, ranged := strings.Cut(values, "-")
	if values == "*" || values == "?" {
		part.first, part.last = f.low, f.high
		return part, nil
	}
	if part.first, err = f.value(from); err != nil {
		return part, err
	}
	switch part.last = part.first; {
	case ranged:
		part.last, err = f.value(to)
	case stepped:
		part.last = f.high
	}
	if err == nil && part.last < part.first {
		if part.last += 7; !f.isWeekday() {
			err = fmt.Errorf("%q ends before it begins", values)
		}
	}
	return part, err
}

func (f calendarField) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(name, text) {
			return f.low + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	switch {
	case f.isWeekday() && n == 7:
		return 0, nil
	case err != nil || n < f.low || n > f.high:
		return 0, fmt.Errorf("%q is no value from %d to %d", text, f.low, f.high)
	}
	return n, nil
}

// spelled writes a part as systemd does: it counts steps from a value on.
func (p calendarPart) spelled(f calendarField) string {
	all := p.first == f.low && p.last == f.high
	switch {
	case all && p.step == 1:
		return "*"
	case p.first == p.last:
		return fmt.Sprintf("%02d", p.first)
	case p.step == 1:
		return fmt.Sprintf("%02d..%02d", p.first, p.last)
	case p.last == f.high:
		return fmt.Sprintf("%02d/%d", p.first, p.step)
	}
	return fmt.Sprintf("%02d..%02d/%d", p.first, p.last, p.step)
}

// spellWeekdays names days, from Monday on.
func spellWeekdays(days [7]bool) string {
	if days == [7]bool{true, true, true, true, true, true, true} {
		return "*"
	}
	var names []string
	for i := 1; i <= 7; i++ {
		first := i
		for ; i <= 7 && days[i%7]; i++ {
		}
		switch last := i - 1; {
		case last == first:
			names = append(names, weekdays[first%7])
		case last > first:
			names = append(names, weekdays[first%7]+".."+weekdays[last%7])
		}
	}
	return strings.Join(names, ",")
}

// weekdayNumbers returns the names of the weekdays that a timer gives as numbers: Tencent's documents of SCF, and those of WeChat since
// 2021, count from Sunday as 0, older ones from Monday.
func weekdayNumbers(config string) string {
	fields := strings.Fields(config)
	if len(fields) != 7 || !strings.ContainsAny(strings.Split(fields[5], "/")[0], "01234567") {
		return ""
	}
	translated, err := calendarFields[5].translate(fields[5])
	if err != nil || translated == "*" {
		return ""
	}
	return translated
}
