package command

import (
	"errors"
	"io"
	"testing"

	"github.com/spf13/cobra"
)

// fullDisk fails once room bytes are written.
type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("no space left on device")

// Who writes what a command prints into a file learns that it is not whole.
func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	none := serve(t, 200, `{"accounts":[]}`)
	well := serve(t, 200, `{"accounts":[{"appid":"wx1"}]}`)
	failed := serve(t, 200, `{"accounts":[{"appid":"wx1","last_failure":{"time":"2026-01-01T00:00:00Z","error":"made up","advice":"none"}}]}`)
	for _, test := range []struct {
		sentence string
		command  func() *cobra.Command
		args     []string
	}{
		{"a code", explainCommand, []string{"40164"}},
		{"all codes", explainCommand, nil},
		{"the preload", preloadCommand, nil},
		{"the status of no accounts", statusCommand, []string{"--address", none}},
		{"the status of one that is well", statusCommand, []string{"--address", well}},
		{"the status of one that failed", statusCommand, []string{"--address", failed}},
		{"the status in JSON", statusCommand, []string{"--address", failed, "--json"}},
	} {
		whole, err := execute(t, test.command(), test.args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, room := range []int{0, len(whole) / 2, len(whole) - 1} {
			command := test.command()
			command.SetOut(&fullDisk{room})
			command.SetErr(io.Discard)
			command.SetArgs(append([]string{}, test.args...))
			if err := command.ExecuteContext(t.Context()); !errors.Is(err, errFull) {
				t.Errorf("%s, of which %d bytes can be written: %v", test.sentence, room, err)
			}
		}
	}
}
