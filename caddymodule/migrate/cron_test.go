package migrate

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestCron(t *testing.T) {
	analyze, _ := exec.LookPath("systemd-analyze") // without it, systemd does not read them
	for _, c := range []struct{ config, want string }{
		{"0 0 2 1 * * *", "*-*-01 02:00:00"},
		{"*/5 * * * * * *", "*-*-* *:*:00/5"},
		{" 0  30 9\t* * MON-FRI * ", "Mon..Fri *-*-* 09:30:00"},
		{"0 0 0 * * 0 *", "Sun *-*-* 00:00:00"},
		{"0 15,45 8-20/2 * * * 2027", "2027-*-* 08..20/2:15,45:00"},
		{"0 0 2 ? * * *", "*-*-* 02:00:00"},
		{"59 59 23 31 12 ? 2099", "2099-12-31 23:59:59"},
		{"0 0/20 9-17 * * * *", "*-*-* 09..17:00/20:00"},
		{"0 0-59 0-23 1-31 1-12 0-6 *", "*-*-* *:*:00"},
		{"0 0 1 1-31/2 */3 * 2027-2030", "2027..2030-01/3-01/2 01:00:00"},
		{"0 0 1 * JAN,mar-May * *", "*-01,03..05-* 01:00:00"},

		// Weekdays are one day each, and go round.
		{"0 0 1 * * 1-7 *", "*-*-* 01:00:00"},
		{"0 0 1 * * FRI-MON *", "Mon,Fri..Sun *-*-* 01:00:00"},
		{"0 0 1 * * SUN,TUE,wed *", "Tue..Wed,Sun *-*-* 01:00:00"},
		{"0 0 1 * * MON-FRI/2 *", "Mon,Wed,Fri *-*-* 01:00:00"},
		{"0 0 1 * * */3 *", "Wed,Sat..Sun *-*-* 01:00:00"},
		{"0 0 1 * * 7 *", "Sun *-*-* 01:00:00"},

		// Day or weekday: either is enough.
		{"0 0 1 1,15 * MON *", "*-*-01,15 01:00:00 | Mon *-*-* 01:00:00"},
		{"0 0 0 1 1 0 1970", "1970-01-01 00:00:00 | Sun 1970-01-* 00:00:00"},
	} {
		got, err := onCalendar(c.config)
		want := strings.Split(strings.ReplaceAll(c.want, " |", " Asia/Shanghai|")+" Asia/Shanghai", "| ")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", c.config, got, err, want)
		}
		for _, calendar := range got {
			if analyze == "" {
				continue
			}
			if output, err := exec.Command(analyze, "calendar", calendar).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", c.config, calendar, err, output)
			}
		}
	}
	for _, config := range []string{
		"", "0 2 * * *", "60 * * * * * *", "a * * * * * *", "0 0 2 L * * *", "0 */0 * * * * *", "0 */90 * * * * *", "0 */-5 * * * * *", "0 0 0 * * */7 *", "0 0 1 * * MON#2 *",
		"0 60 * * * * *", "0 0 24 * * * *", "0 0 0 0 * * *", "0 0 0 32 * * *", "0 0 0 * 0 * *", "0 0 0 * 13 * *", "0 0 0 * * 8 *", "0 0 0 * * * 1969", "0 0 0 * * * 2100",
		"0 0 22-2 * * * *", "0 0 0 31-1 * * *", "0 0 0 * NOV-FEB * *", "0 0 0 * * * 2027-2026", "0 0 0 1, * * *", "0 0 0 - * * *", "0 0 0 * * MON-X *",
	} {
		if got, err := onCalendar(config); err == nil {
			t.Errorf("%q: %q", config, got)
		}
	}
}

func TestWeekdaysAsNumbers(t *testing.T) {
	for config, want := range map[string]string{
		"0 0 1 * * 1 *": "Mon", "0 0 1 * * 0-2 *": "Mon..Tue,Sun", "0 0 1 * * MON,6 *": "Mon,Sat",
		"0 0 1 * * MON *": "", "0 0 1 * * */2 *": "", "0 0 1 * * 0-6 *": "", "0 0 1 * * * *": "", "0 0 1 * * 9 *": "", "0 0 1": "",
	} {
		if got := weekdayNumbers(config); got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
}
