package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ringswap/overlay"
)

// maxLookup is the longest that a lookup may take in virtual time.
const maxLookup = time.Hour

// Lookup runs one query for the nodes responsible for a key to its end.
func (w *World) Lookup(asker *Node, key overlay.Key) (Outcome, error) {
	return w.Query(asker, overlay.FindClosest{Key: key})
}

// Query runs a query to its end.
func (w *World) Query(asker *Node, q overlay.Query) (Outcome, error) {
	var out Outcome
	ended := false
	w.Start(asker, q, func(o Outcome) { out, ended = o, true })
	ok, err := w.RunUntil(func() bool { return ended }, maxLookup)
	if err == nil && !ok {
		err = fmt.Errorf("sim: seed %d: a query of %s did not end within %v", w.settings.Seed, asker, maxLookup)
	}
	return out, err
}

// randomKey makes a key that nobody chose.
func randomKey(rng *rand.Rand) overlay.Key {
	var pre [16]byte
	for i := range 2 {
		v := rng.Uint64()
		for j := range 8 {
			pre[8*i+j] = byte(v >> (8 * j))
		}
	}
	return overlay.RawKey(pre[:])
}

// judged is what one lookup came to.
type judged struct {
	right    bool // the first responsible node was found
	hops     int  // nodes on the chain up to it, itself included; 0 if the asker is it
	requests int
	timeouts int // requests to nodes that did not answer
	answered int // requests that were answered
	dead     int // nodes that were asked, did not answer, and do not run
	took     time.Duration
}

// judge compares a lookup with the truth: the node that is responsible now. It is
// for networks in which nobody joins or leaves meanwhile; see [membership].
func (w *World) judge(asker *Node, key overlay.ID, o *Outcome) judged {
	return w.judgeBy(asker, o, func(owner overlay.ID) bool {
		truth := w.settings.Overlay.Responsible(w.live, key, 1)
		return len(truth) > 0 && owner == truth[0].ID
	})
}

// judgeBy is judge with a truth of the caller's.
func (w *World) judgeBy(asker *Node, o *Outcome, right func(owner overlay.ID) bool) judged {
	p := &o.Result.Path
	j := judged{requests: len(p.Steps), took: o.Took}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Err == nil {
			j.answered++
			continue
		}
		if errors.Is(s.Err, overlay.ErrTimeout) {
			j.timeouts++
		}
		again := slices.ContainsFunc(p.Steps[:i], func(o overlay.Step) bool { return o.To.ID == s.To.ID })
		if n := w.nodeOf(&s.To); !again && (n == nil || !n.Alive()) {
			j.dead++
		}
	}
	if errors.Is(o.Err, overlay.ErrNoPeers) && w.live.Len() == 1 {
		j.right = true // whoever is alone is responsible, and asks nobody
		return j
	}
	j.right = o.Err == nil && len(p.Closest) > 0 && right(p.Closest[0].ID)
	if len(p.Closest) > 0 && p.Closest[0].ID != asker.Contact.ID {
		j.hops = p.Hops + 1
	}
	return j
}
