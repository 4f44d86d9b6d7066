package papers

import (
	"strings"
	"testing"
)

// The README is read in one go.
func TestREADMELength(t *testing.T) {
	for _, name := range []string{"README.md"} {
		if lines := strings.Count(read(t, name), "\n"); lines > 250 {
			t.Errorf("%s has %d lines; 250 at most", name, lines)
		}
	}
}
