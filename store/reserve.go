package store

import (
	"math/rand/v2"
	"os"
	"sync"
)

// reserve is a file whose only use is to be deleted when the disk is full, so
// that garbage can be collected and the index can be written then.
type reserve struct {
	path  string
	bytes int64
	used  func() // called when it is given up

	mu   sync.Mutex
	held bool
}

// openReserve makes the file if it is not there. That it cannot be made is no
// error: the store works without.
func openReserve(path string, bytes int64, used func()) *reserve {
	r := &reserve{path: path, bytes: bytes, used: used}
	r.restore()
	return r
}

// restore makes the file anew after it was given up, if there is room.
func (r *reserve) restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bytes <= 0 || r.held {
		return
	}
	if st, err := os.Stat(r.path); err == nil && st.Size() == r.bytes {
		r.held = true
		return
	}
	if err := r.fill(); err != nil {
		_ = os.Remove(r.path) // half a reserve only takes room
		return
	}
	r.held = true
}

// fill writes bytes that no file system can make smaller.
func (r *reserve) fill() error {
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	src := rand.NewChaCha8([32]byte{})
	for n := r.bytes; n > 0 && err == nil; n -= int64(len(buf)) {
		_, _ = src.Read(buf) // never fails
		_, err = f.Write(buf[:min(n, int64(len(buf)))])
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// release gives the room up and reports whether there was any to give.
func (r *reserve) release() bool {
	r.mu.Lock()
	held := r.held
	r.held = false
	if held {
		_ = os.Remove(r.path) // if it cannot be removed, the next write says so
	}
	r.mu.Unlock()
	if held {
		r.used()
	}
	return held
}
