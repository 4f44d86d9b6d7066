package opendata

// Waiting returns how many requests wait for the exchanges under way, each counted for each exchange.
func (r *Resolver) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, n := make(map[*exchange]bool), 0
	for _, e := range r.inflight {
		if !seen[e] {
			seen[e] = true
			n += e.waiting
		}
	}
	return n
}

// Exchanges returns how many exchanges can be joined.
func (r *Resolver) Exchanges() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := make(map[*exchange]bool)
	for _, e := range r.inflight {
		seen[e] = true
	}
	return len(seen)
}
