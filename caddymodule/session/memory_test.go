package session

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"
)

func hashOf(n int) (hash codeHash) {
	binary.BigEndian.PutUint64(hash[:], uint64(n))
	return hash
}

func TestMemoryForgetsWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m unansweredCodes
		m.add(hashOf(1))
		time.Sleep(codeLife - time.Second)
		m.add(hashOf(2))
		if !m.has(hashOf(1)) || !m.has(hashOf(2)) {
			t.Error("a code is forgotten within its life")
		}
		time.Sleep(time.Second)
		if m.has(hashOf(1)) || !m.has(hashOf(2)) {
			t.Error("after five minutes the first should be forgotten, and only it")
		}
		time.Sleep(codeLife)
		m.has(hashOf(3))
		if len(m.known) != 0 || len(m.queue) != 0 {
			t.Errorf("%d codes and %d notes are left", len(m.known), len(m.queue))
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var m unansweredCodes
	for i := range maxLost + 10 {
		m.add(hashOf(i))
	}
	if len(m.known) != maxLost || len(m.queue) != maxLost {
		t.Errorf("it holds %d codes and %d notes, want %d", len(m.known), len(m.queue), maxLost)
	}
	if m.has(hashOf(9)) || !m.has(hashOf(10)) || !m.has(hashOf(maxLost+9)) {
		t.Error("not the oldest were forgotten")
	}
}
