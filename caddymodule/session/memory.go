package session

import (
	"sync"
	"time"
)

const (
	// codeLife is how long a code can be used: WeChat's document of wx.login says five minutes.
	codeLife = 5 * time.Minute

	// maxLost bounds the codes remembered, a few megabytes. Beyond it the oldest are forgotten, and WeChat has to say by
	// itself that they are used up.
	maxLost = 1 << 16
)

// memory remembers codes for as long as they might still be good. Its zero value is empty.
type unansweredCodes struct {
	mu    sync.Mutex
	known map[codeHash]bool
	queue []unansweredCode // the oldest first
}

type unansweredCode struct {
	hash codeHash
	ends time.Time
}

func (m *unansweredCodes) has(hash codeHash) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	return m.known[hash]
}

func (m *unansweredCodes) add(hash codeHash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	if m.known == nil {
		m.known = make(map[codeHash]bool)
	}
	if len(m.queue) == maxLost {
		m.dropOldest()
	}
	m.known[hash] = true
	m.queue = append(m.queue, unansweredCode{hash, time.Now().Add(codeLife)})
}

// forget drops what has ended. m.mu is held.
func (m *unansweredCodes) forget() {
	now := time.Now()
	for len(m.queue) > 0 && !now.Before(m.queue[0].ends) {
		m.dropOldest()
	}
}

func (m *unansweredCodes) dropOldest() {
	delete(m.known, m.queue[0].hash)
	m.queue = m.queue[1:]
}
