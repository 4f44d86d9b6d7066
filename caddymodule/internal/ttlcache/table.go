package ttlcache

// place is where a table has a value, 0 that it has none.
type place int32

// table is a hash table in two slices. A value stays in its place until it is removed, so that others can refer to it by its place.
// There are at least twice as many chains as values, so that most keys that are missing are found missing without a look at any value.
type table[K comparable, V any] struct {
	hash   func(K) uint64
	max    int          // values at most
	chains []place      // by hash: the first of each chain. Their number is a power of two
	nodes  []node[K, V] // nil, or the first is never used
	unused place        // the first node that was given up; next leads from each of them to the next
	length int
}

type node[K comparable, V any] struct {
	key   K
	next  place // in the chain
	value V
}

// chain returns where the chain of a hash begins.
func (t *table[K, V]) chain(hash uint64) *place { return &t.chains[hash&uint64(len(t.chains)-1)] }

// find returns the place of a key with this hash.
func (t *table[K, V]) find(hash uint64, key K) place {
	if t.length == 0 {
		return 0
	}
	at := *t.chain(hash)
	for at != 0 && t.nodes[at].key != key {
		at = t.nodes[at].next
	}
	return at
}

// at returns the value in a place, until the next one is added.
func (t *table[K, V]) at(at place) *V { return &t.nodes[at].value }

// add adds a value for a key with this hash, which is not there.
func (t *table[K, V]) add(hash uint64, key K, value V) place {
	if 2*t.length >= len(t.chains) {
		t.grow()
	}
	at, chain := t.newPlace(), t.chain(hash)
	t.nodes[at] = node[K, V]{key: key, next: *chain, value: value}
	*chain = at
	t.length++
	return at
}

// newPlace returns a place for a value.
func (t *table[K, V]) newPlace() place {
	if at := t.unused; at != 0 {
		t.unused = t.nodes[at].next
		return at
	}
	n := max(1, len(t.nodes))
	if n >= cap(t.nodes) { // append would not mind max
		nodes := make([]node[K, V], n, min(n+n/2+minPlaces/8, t.max+1))
		copy(nodes, t.nodes)
		t.nodes = nodes
	}
	t.nodes = t.nodes[:n+1]
	return place(n)
}

// grow doubles the number of chains. There were never more values than there are now, so that no node is unused.
func (t *table[K, V]) grow() {
	t.chains = make([]place, max(minPlaces/8, 2*len(t.chains)))
	for at := range t.nodes[min(1, len(t.nodes)):] {
		one := &t.nodes[at+1]
		chain := t.chain(t.hash(one.key))
		one.next, *chain = *chain, place(at+1)
	}
}

// remove removes the value in a place, and keeps no reference to it.
func (t *table[K, V]) remove(at place) {
	before := t.chain(t.hash(t.nodes[at].key))
	for *before != at {
		before = &t.nodes[*before].next
	}
	*before = t.nodes[at].next
	t.nodes[at] = node[K, V]{next: t.unused}
	t.unused = at
	t.length--
}
