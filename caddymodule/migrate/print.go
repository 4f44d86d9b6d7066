package migrate

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	appid := r.AppID
	if appid == "" {
		appid = "no AppID"
	}
	count := fmt.Sprintf("%d functions", len(r.Functions))
	if len(r.Functions) == 1 {
		count = "1 function"
	}
	fmt.Fprintf(w, "%s: %s\n\n", appid, count)
	width := 0
	for _, f := range r.Functions {
		width = max(width, len(f.Name))
	}
	for _, f := range r.Functions {
		f.print(w, width)
	}
	r.Client.print(w)
	r.printLeft(w)
}

func (f *Function) print(w io.Writer, width int) {
	fmt.Fprintf(w, "  %-*s  %s", width, f.Name, f.Verdict)
	if uses := f.uses(); len(uses) > 0 {
		fmt.Fprintf(w, "  (uses %s)", strings.Join(uses, ", "))
	}
	fmt.Fprintln(w)
	line := func(format string, args ...any) {
		fmt.Fprintf(w, "  %*s    %s\n", width, "", fmt.Sprintf(format, args...))
	}
	for _, problem := range f.Problems {
		line("%s", problem)
	}
	for _, need := range f.Needs {
		line("%s  %s", need.Place, need.What)
	}
	for _, unknown := range f.Unknown {
		line("%s", unknown)
	}
	for _, note := range f.Notes {
		line("%s", note)
	}
	if len(f.Env) > 0 {
		line("reads the environment variables %s", list(f.Env, 8))
	}
	for _, trigger := range f.Triggers {
		line("timer %s: %s", trigger.Name, trigger.Config)
	}
}

// uses are what a function uses that the gateway serves.
func (f *Function) uses() []string {
	var uses []string
	if f.Identity {
		uses = append(uses, "who the user is")
	}
	if f.OpenData {
		uses = append(uses, "getOpenData")
	}
	if f.VoIPSign {
		uses = append(uses, "getVoIPSign")
	}
	for _, name := range f.OpenAPI {
		uses = append(uses, "openapi."+name)
	}
	if len(f.Calls) > 0 || f.CallsOther {
		called := "callFunction"
		if len(f.Calls) > 0 {
			called += " " + strings.Join(f.Calls, " ")
		}
		uses = append(uses, called)
	}
	return uses
}

func (c *Client) print(w io.Writer) {
	fmt.Fprintln(w, "\nThe mini program uses of wx.cloud:")
	if len(c.Uses) == 0 {
		fmt.Fprintln(w, "  nothing")
	}
	for _, use := range c.Uses {
		fmt.Fprintf(w, "  %-16s %4d  %s", use.Member, use.Count, strings.Join(use.Places, " "))
		if use.Count > len(use.Places) {
			fmt.Fprint(w, " …")
		}
		fmt.Fprintln(w)
	}
}

func (r *Report) printLeft(w io.Writer) {
	if r.Complete() {
		fmt.Fprintln(w, "\nNothing is left to do: all of it runs.")
	} else {
		fmt.Fprintln(w, "\nLeft to do:")
	}
	for i, text := range r.Left {
		fmt.Fprintf(w, "  %d. %s\n", i+1, text)
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintln(w, "\nNot looked at:")
	}
	for _, text := range r.Skipped {
		fmt.Fprintf(w, "  %s\n", text)
	}
}
