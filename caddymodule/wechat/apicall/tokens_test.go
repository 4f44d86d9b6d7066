package apicall_test

import (
	"context"
	"strconv"
	"sync"
)

// fakeTokens hands out t1, and the next one after each rejection.
type fakeTokens struct {
	mu       sync.Mutex
	n        int
	rejected []string
	err      error
}

func (f *fakeTokens) Token(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return "t" + strconv.Itoa(f.n+1), f.err
}

func (f *fakeTokens) Rejected(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rejected = append(f.rejected, token)
	f.n++
}
