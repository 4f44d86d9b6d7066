package session

import "testing"

// A call waits in the queue as long as one request waits for it.
func TestALoginIsQueuedAsLongAsSomebodyWaits(t *testing.T) {
	e := newExchanger()
	hash, other := codeHash{1}, codeHash{2}
	queue, leaveFirst := e.wait(hash)
	same, leaveSecond := e.wait(hash)
	another, leaveAnother := e.wait(other)
	if queue != same || queue == another || len(e.waiting) != 2 {
		t.Errorf("there are %d queues for two codes", len(e.waiting))
	}
	leaveAnother()
	leaveFirst()
	if queue.Err() != nil || another.Err() == nil || len(e.waiting) != 1 {
		t.Errorf("one of two left: %v; the only one left: %v; %d queues", queue.Err(), another.Err(), len(e.waiting))
	}
	leaveSecond()
	if queue.Err() == nil || len(e.waiting) != 0 {
		t.Errorf("both left: %v, %d queues", queue.Err(), len(e.waiting))
	}
	again, leave := e.wait(hash)
	defer leave()
	if again.Err() != nil {
		t.Error("who comes later finds a queue that has ended")
	}
}
