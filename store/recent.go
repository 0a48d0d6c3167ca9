package store

import "sync"

// recentPlaces is how many blocks a store remembers the place of: more than the
// pieces of all turns that a server writes at a time.
const recentPlaces = 1024

// recent remembers where blocks were that were looked up last: whoever asks for
// the size of a block is about to read it, perhaps in several pieces. What it
// says may be out of date, like anything that was looked up a moment ago; but
// nothing is in it that was dropped.
type recent struct {
	mu    sync.Mutex
	drops uint64 // how often something was dropped
	known map[string]found
	order []string // a ring of the keys of known
	next  int      // in order: the oldest
}

// found is a place of a block, and the file it is in unless it is owned.
type found struct {
	hash string
	at   place
	file fileBody
}

// before is to be called before a lookup whose result goes to note.
func (r *recent) before() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drops
}

// note remembers a place, unless something was dropped since before.
func (r *recent) note(before uint64, f found) {
	hash := f.hash
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drops != before {
		return
	}
	if r.known == nil {
		r.known = make(map[string]found)
	}
	if _, ok := r.known[hash]; !ok {
		if len(r.order) < recentPlaces {
			r.order = append(r.order, hash)
		} else {
			delete(r.known, r.order[r.next])
			r.order[r.next] = hash
			r.next = (r.next + 1) % recentPlaces
		}
	}
	r.known[hash] = f
}

// get returns what is remembered of a block.
func (r *recent) get(hash string) (found, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.known[hash]
	return f, ok
}

// dropped forgets everything: something that may be in it is gone.
func (r *recent) dropped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drops++
	clear(r.known)
	r.order, r.next = r.order[:0], 0
}
