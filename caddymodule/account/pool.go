package account

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/headroom"
)

// processPool has what must outlive a config reload: the accounts of a reloaded config find their metrics, connections, tokens,
// breakers and open data here. It belongs to the package since Caddy makes the modules of each config from nothing, so that a config
// has no other way to what the one before it had. Tests of this package have pools of their own.
var processPool = caddy.NewUsagePool()

// poolKey is the key of a value in a pool. Each value is keyed by the settings that shape it and by no others, so that a changed
// timeout costs nothing else.
type poolKey struct {
	kind string
	hash [sha256.Size]byte // of the settings, which may be secrets
}

// pooled is a value in a pool.
type pooled[T any] struct {
	value T
	close func() // nil: there is nothing to close
}

// Destruct implements caddy.Destructor.
func (p *pooled[T]) Destruct() error {
	if p.close != nil {
		p.close()
	}
	return nil
}

// poolRefs are one holder's references to values in a pool.
type poolRefs struct {
	pool *caddy.UsagePool
	keys []poolKey
}

// load returns the value that the pool has for some settings, which are texts, numbers, and structs of them, or a new one. It stays
// there until refs are released.
func load[T any](refs *poolRefs, kind string, settings []any, open func() *pooled[T]) T {
	key := poolKey{kind, sha256.Sum256(fmt.Appendf(nil, "%#v", settings))}
	value, _, _ := refs.pool.LoadOrNew(key, func() (caddy.Destructor, error) { return open(), nil })
	refs.keys = append(refs.keys, key)
	return value.(*pooled[T]).value
}

// release ends the references, the last first.
func (r *poolRefs) release() {
	for _, key := range slices.Backward(r.keys) {
		_, _ = r.pool.Delete(key)
	}
	r.keys = nil
}

// headroomSize is in bytes. With twice as much a small request would cost 1 % less, and the process take 12 MB more.
const headroomSize = 8 << 20

// newHeadroom lets the garbage collector run less often while any config has accounts.
func newHeadroom() *pooled[headroom.Headroom] {
	return &pooled[headroom.Headroom]{value: headroom.New(headroomSize)}
}
