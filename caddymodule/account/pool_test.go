package account

import (
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// What the pool has is shared by equal settings, and closed when nobody refers to it any more.
func TestThePool(t *testing.T) {
	t.Parallel()
	pool, opened, closed := caddy.NewUsagePool(), 0, 0
	get := func(refs *poolRefs, kind string, settings ...any) int {
		return load(refs, kind, settings, func() *pooled[int] {
			opened++
			return &pooled[int]{opened, func() { closed++ }}
		})
	}
	one, other := &poolRefs{pool: pool}, &poolRefs{pool: pool}
	for _, test := range []struct {
		sentence string
		refs     *poolRefs
		kind     string
		settings []any
		want     int
	}{
		{"the first", one, "a", []any{"s", limitBounds{CloudIDs: 1}}, 1},
		{"an equal one", other, "a", []any{"s", limitBounds{CloudIDs: 1}}, 1},
		{"another kind", other, "b", []any{"s", limitBounds{CloudIDs: 1}}, 2},
		{"another text", other, "a", []any{"t", limitBounds{CloudIDs: 1}}, 3},
		{"another number", other, "a", []any{"s", limitBounds{CloudIDs: 2}}, 4},
		{"texts that are one when they are joined", other, "a", []any{"s\", \"t", 0}, 5},
		{"the same, in two", other, "a", []any{"s", "t", 0}, 6},
		{"bytes that are no text", other, "a", []any{"\xfe"}, 7},
		{"other ones", other, "a", []any{"\xff"}, 8},
	} {
		if got := get(test.refs, test.kind, test.settings...); got != test.want {
			t.Errorf("%s: %d, want %d", test.sentence, got, test.want)
		}
	}
	if other.release(); closed != 7 {
		t.Errorf("%d were closed, want all but the one that is still in use", closed)
	}
	if one.release(); closed != 8 {
		t.Errorf("%d were closed at the end", closed)
	}
	one.release()
	if closed != 8 {
		t.Error("one was closed twice")
	}
}
