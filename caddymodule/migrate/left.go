package migrate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
)

// leftToDo is what somebody has to do, in order.
func (r *Report) leftToDo() []string {
	var left []string
	if !r.hasAppID() {
		left = append(left, "there is no AppID in project.config.json: write yours into the Caddyfile")
	}
	if len(r.Functions) == 0 {
		left = append(left, fmt.Sprintf("no function is in %s: build the functions, or check them out, first", r.folder))
	}
	needs, old := map[string][]string{}, []string{}
	for _, f := range r.Functions {
		if version := f.dependencies[source.SDKModule]; tooOld(version) {
			old = append(old, fmt.Sprintf("%s (%s)", f.Name, version))
		}
		switch f.Verdict {
		case DoesNotLoad:
			left = append(left, fmt.Sprintf("%s does not load: %s", f.Name, strings.Join(f.Problems, "; ")))
		case Needs:
			for _, need := range f.Needs {
				needs[need.What] = append(needs[need.What], f.Name)
			}
		}
	}
	if len(old) > 0 {
		left = append(left, fmt.Sprintf("%s: versions of wx-server-sdk that speak to Tencent's host alone: write ~3.0.4 into package.json (what --out writes has it)", strings.Join(old, ", ")))
	}
	for _, f := range r.Functions {
		if f.unread != "" {
			left = append(left, f.unread)
		}
		left = append(left, f.wrongTimers()...)
	}
	for _, what := range slices.Sorted(maps.Keys(needs)) {
		left = append(left, fmt.Sprintf("%s: used by %s; %s", what, list(needs[what], 5), adviceFor(what)))
	}
	left = append(left, r.missingFunctions()...)
	for _, use := range r.Client.Uses {
		if advice := clientAdvice[use.Member]; advice != "" {
			left = append(left, fmt.Sprintf("wx.cloud.%s (used %s, first at %s): %s", use.Member, times(use.Count), use.Places[0], advice))
		}
	}
	return left
}

// wrongTimers are timers that have no translation for systemd, or none that is certain.
func (f *Function) wrongTimers() []string {
	var wrong []string
	for _, trigger := range f.Triggers {
		if trigger.Type == "" {
			wrong = append(wrong, fmt.Sprintf("the trigger %s of %s has no type, which is \"timer\" for a timer; write it, and run this again", trigger.Name, f.Name))
			continue
		}
		if trigger.Type != "timer" {
			wrong = append(wrong, fmt.Sprintf("the trigger %s of %s is of type %q, which only the cloud has", trigger.Name, f.Name, trigger.Type))
			continue
		}
		if _, err := onCalendar(trigger.Config); err != nil {
			wrong = append(wrong, fmt.Sprintf("the timer %s of %s: %v; write its systemd unit by hand", trigger.Name, f.Name, err))
		} else if days := weekdayNumbers(trigger.Config); days != "" {
			wrong = append(wrong, fmt.Sprintf("the timer %s of %s gives weekdays as numbers, which Tencent's documents count from Sunday as 0, and older ones from Monday: its systemd unit says %s; see whether that is what you mean", trigger.Name, f.Name, days))
		}
	}
	return wrong
}

// hasAppID reports whether the project has an AppID of its own: not that of devtools' visitors, and nothing that an AppID cannot be.
func (r *Report) hasAppID() bool {
	return r.AppID != "touristappid" && appID.MatchString(r.AppID)
}

var appID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func adviceFor(what string) string {
	switch what {
	case "the database":
		return "it answers only inside Tencent's cloud: leave the function there, and let the client go on calling it there, until its data is in a database of your own"
	case "storage":
		return "files stay in Tencent's cloud: leave the function there until they are in a store of your own"
	}
	switch {
	case what == fromWorkingDirectory:
		return "here all functions share one: name the file by path.join(__dirname, …)"
	case what == clientOnly:
		return "in a function it fails, as it did in the cloud: use wx-server-sdk there"
	case strings.HasPrefix(what, "cloud.cloudPay"):
		return "the gateway does not serve it: call the API of WeChat Pay yourself"
	case slices.Contains(slices.Collect(maps.Values(cloudSDKs)), what):
		return "outside the cloud it needs the keys of the environment: secretId and secretKey"
	case strings.HasPrefix(what, "cloud.openapi."):
		return "see docs/reference.md on openapi and relay"
	}
	return "the gateway does not serve it"
}

// list writes names, at most so many of them.
func list(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// missingFunctions says which functions are called by name that the project does not have.
func (r *Report) missingFunctions() []string {
	callers := map[string][]string{}
	add := func(caller string, names []string) {
		for _, name := range names {
			if !slices.ContainsFunc(r.Functions, func(f *Function) bool { return f.Name == name }) {
				callers[name] = append(callers[name], caller)
			}
		}
	}
	for _, use := range r.Client.Uses {
		add("the mini program", use.Names)
	}
	for _, f := range r.Functions {
		add(f.Name, f.Calls)
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(callers)) {
		missing = append(missing, fmt.Sprintf("the function %s is called by %s, and this project has none of that name", name, list(callers[name], 5)))
	}
	return missing
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
