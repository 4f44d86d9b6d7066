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
	bounds := [7][2]int{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}, {1970, 2099}}
	for i, field := range fields {
		translated, err := calendarField(field, bounds[i][0], bounds[i][1], i == 5)
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

// weekdays are systemd's names of them; 0 and 7 are Sunday.
var weekdays = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// calendarField translates one field: numbers, names of weekdays, ranges, lists, and steps.
func calendarField(field string, low, high int, weekday bool) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(field, ",") {
		translated, err := calendarPart(part, low, high, weekday)
		if err != nil {
			return "", err
		}
		parts = append(parts, translated)
	}
	return strings.Join(parts, ","), nil
}

func calendarPart(part string, low, high int, weekday bool) (string, error) {
	values, step, stepped := strings.Cut(part, "/")
	if stepped {
		if n, err := strconv.Atoi(step); err != nil || n < 1 {
			return "", fmt.Errorf("%q is no step", part)
		}
	}
	switch values {
	case "*", "?":
		if !stepped {
			return "*", nil
		}
		values = strconv.Itoa(low) // systemd counts steps from a value
		if weekday {
			return "", fmt.Errorf("%q: steps of weekdays have no translation", part)
		}
	default:
		translated, err := calendarRange(values, low, high, weekday)
		if err != nil {
			return "", err
		}
		values = translated
	}
	if stepped {
		return values + "/" + step, nil
	}
	return values, nil
}

func calendarRange(values string, low, high int, weekday bool) (string, error) {
	first, last, ranged := strings.Cut(values, "-")
	a, err := calendarValue(first, low, high, weekday)
	if err != nil || !ranged {
		return a, err
	}
	b, err := calendarValue(last, low, high, weekday)
	return a + ".." + b, err
}

func calendarValue(text string, low, high int, weekday bool) (string, error) {
	if weekday {
		for _, name := range weekdays {
			if strings.EqualFold(name, text) {
				return name, nil
			}
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return "", fmt.Errorf("%q is no value from %d to %d", text, low, high)
	}
	if weekday {
		return weekdays[n], nil
	}
	return fmt.Sprintf("%02d", n), nil
}
