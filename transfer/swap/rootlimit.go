package swap

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"
)

// rootLimits bound what is sent of single roots, beside the bound on everything.
// nil bounds nothing. It is safe for concurrent use.
type rootLimits struct {
	mu    sync.Mutex
	roots map[cid.Cid]*Throttle
}

// set changes the bound of a root.
func (l *rootLimits) set(root cid.Cid, r Rate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch t := l.roots[root]; {
	case r == Unlimited:
		delete(l.roots, root)
	case t != nil:
		t.Set(r)
	default:
		if l.roots == nil {
			l.roots = make(map[cid.Cid]*Throttle)
		}
		l.roots[root] = NewThrottle(r)
	}
}

func (l *rootLimits) of(root cid.Cid) *Throttle {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.roots[root]
}

// rate is the bound of a root.
func (l *rootLimits) rate(root cid.Cid) Rate {
	if t := l.of(root); t != nil {
		return t.Rate()
	}
	return Unlimited
}

// ready reports whether a turn of a root may flow now, and if not, how long that
// will take.
func (l *rootLimits) ready(now time.Time, root cid.Cid) (wait time.Duration, ok bool) {
	if t := l.of(root); t != nil {
		return t.ready(now)
	}
	return 0, true
}

// spend takes n bytes that ready allowed.
func (l *rootLimits) spend(now time.Time, root cid.Cid, n int) {
	if t := l.of(root); t != nil {
		t.spend(now, n)
	}
}

// SetRootLimit changes the bound on what is sent of a root, at once, beside the
// bound on everything: 0 is no bound, None serves nobody of it.
func (s *Server) SetRootLimit(root cid.Cid, up Rate) error {
	if err := up.validate(); err != nil {
		return err
	}
	if s.roots.rate(root) == up {
		return nil
	}
	s.roots.set(root, up)
	s.throttle.touch() // streams look at both when either changes
	s.uploads.wake()
	return nil
}

// servesNobody reports whether nobody is served of a root.
func (s *Server) servesNobody(root cid.Cid) bool {
	return s.throttle.Rate() == None || s.roots.rate(root) == None
}
