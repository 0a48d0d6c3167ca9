// Package publish keeps a node's promise to go on saying what it provides. A
// record of an overlay expires, so that what is gone is forgotten; therefore
// every key is announced again in time, in its own turn, and what nobody took is
// tried again before long. How a record is brought to the nodes responsible for
// it is the overlay's own affair.
//
// Start reading at [Publisher].
package publish

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/idmap"
	"ringswap/overlay/operation"
)

// Publisher has every key that this node provides announced again within Every,
// in the background. The keys' turns are spread evenly over that time by their
// place in the keyspace, like a sweep over it, whenever they were first provided
// (see [Turn]). All exported fields must be set.
//
// N is what the overlay itself remembers of a key's last announcement.
type Publisher[N any] struct {
	Clock      *alarm.Clock
	Rand       *rand.Rand // its owner's
	Every      time.Duration
	Background *operation.Background
	// Announce announces a key and calls done once, at the end.
	Announce func(k *Key[N], done func())

	keys idmap.Map[*Key[N]]
	// origin shifts this node's sweep against everyone else's; 0 until chosen.
	origin time.Duration
}

// Key is one that this node provides.
type Key[N any] struct {
	overlay.Key
	// Holders is the number of nodes that have the record, as far as the overlay
	// knows; 0: nobody was ever told, or nobody took it.
	Holders int
	Note    N

	alarm  *alarm.Alarm
	busy   bool // an announcement is running or waiting to
	failed int  // announcements in a row that failed
}

const (
	// resumeAfter is how soon after this node met somebody it announces what
	// nobody holds.
	resumeAfter = 2 * time.Second
	// retryFirst and retryLast are how soon an announcement that failed is tried
	// again, the first time and in the long run.
	retryFirst, retryLast = time.Minute, time.Hour
)

// Get returns the key at that place, or nil if it is not provided.
func (p *Publisher[N]) Get(id overlay.ID) *Key[N] {
	k, _ := p.keys.Get(id)
	return k
}

// All are the keys, in an order that depends on nothing but what was done to the
// publisher. None may be added or removed meanwhile.
func (p *Publisher[N]) All() iter.Seq[*Key[N]] {
	return func(yield func(*Key[N]) bool) {
		for _, k := range p.keys.All() {
			if !yield(k) {
				return
			}
		}
	}
}

// Len is the number of keys.
func (p *Publisher[N]) Len() int { return p.keys.Len() }

// Begin makes key one that is provided, if it is not. The caller announces it at
// once, and calls Ended or Abandoned.
func (p *Publisher[N]) Begin(key overlay.Key) *Key[N] {
	k := p.Get(key.ID())
	if k == nil {
		k = &Key[N]{Key: key}
		p.keys.Put(key.ID(), k)
	}
	k.busy = true
	return k
}

// Remove ends the announcements of a key. Its records expire.
func (p *Publisher[N]) Remove(key overlay.Key) {
	if k := p.Get(key.ID()); k != nil {
		p.Clock.Stop(k.alarm)
		p.keys.Remove(key.ID())
	}
}

// Provides reports whether k is still to be announced.
func (p *Publisher[N]) Provides(k *Key[N]) bool { return p.Get(k.ID()) == k }

// Ended says that an announcement of k has ended, and sets the time of the next:
// the key's turn, or an earlier attempt if this one failed.
func (p *Publisher[N]) Ended(k *Key[N], failed bool) {
	k.busy = false
	if !p.Provides(k) {
		return
	}
	if p.origin == 0 {
		p.origin = 1 + time.Duration(p.Rand.Int64N(int64(p.Every)))
	}
	wait := Turn(p.Clock.Now(), k.ID(), p.Every, p.origin)
	if !failed {
		k.failed = 0
	} else {
		wait = min(wait, alarm.Jitter(p.Rand, min(retryFirst<<min(k.failed, 10), retryLast)))
		k.failed++
	}
	p.set(k, wait)
}

// Abandoned says that an announcement of k was given up. The key is provided all
// the same, and announced before long.
func (p *Publisher[N]) Abandoned(k *Key[N]) {
	if k.busy = false; p.Provides(k) {
		p.set(k, alarm.Jitter(p.Rand, retryFirst))
	}
}

// Resume brings forward the announcements of what nobody holds: this node was
// alone, and now there is somebody.
func (p *Publisher[N]) Resume() {
	soon := p.Clock.Now().Add(resumeAfter)
	for _, k := range p.keys.All() {
		if k.Holders == 0 && !k.busy && (!k.alarm.Pending() || k.alarm.At().After(soon)) {
			p.set(k, resumeAfter)
		}
	}
}

// Check returns an error that names a key that would never be announced again.
func (p *Publisher[N]) Check() error {
	for _, k := range p.keys.All() {
		if !k.busy && !k.alarm.Pending() {
			return fmt.Errorf("the turn of %s never comes", k.ID().Short())
		}
	}
	return p.keys.Check()
}

// Busy reports whether an announcement of k is running or waiting to.
func (k *Key[N]) Busy() bool { return k.busy }

func (p *Publisher[N]) set(k *Key[N], wait time.Duration) {
	p.Clock.Stop(k.alarm)
	k.alarm = p.Clock.After(wait, func() { p.queue(k) })
}

// queue announces a key when it is its turn in the background.
func (p *Publisher[N]) queue(k *Key[N]) {
	if k.busy {
		return
	}
	k.busy = true
	p.Background.Do(func(done func()) {
		if !p.Provides(k) {
			k.busy = false
			done()
			return
		}
		p.Announce(k, done)
	})
}
