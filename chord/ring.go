package chord

import (
	"slices"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

// ring is this node's place in the ring: its predecessor and successors. The
// list may be shorter than r; the rest of it stands for Zave's artificial
// entries, which count as dead.
type ring struct {
	m        *Machine
	pred     *overlay.Contact
	predSeen time.Time // last sign of life of pred
	succ     []*overlay.Contact
	version  uint64 // of succ, as others know it
	told     uint64 // the version that the predecessor was told of
	// read is the version of the first successor's list that succ was made of.
	// It is 0 if succ is not all of that list, which then must be read again.
	read     uint64
	readFrom overlay.ID

	seeds   []*overlay.Contact // ways into the ring
	tempo   tempo              // of stabilizations
	look    *alarm.Alarm       // the next lookup of our own place
	looks   int                // such lookups since this node was displaced
	retry   *alarm.Alarm       // the next attempt to join
	backoff time.Duration
	// joining and stabilizing are set while they run, and counted so that an
	// answer to an earlier run is recognized.
	joining, stabilizing bool
	changed              bool      // what is to be followed up, since the last stabilization began
	moved                bool      // this node's addresses changed since it last told its successor
	check                int       // the next node of the list to be contacted
	checked              time.Time // when it last was
}

// start sets the first alarms.
func (r *ring) start() {
	m := r.m
	r.version = m.cfg.Rand.Uint64() | 1
	if m.cfg.Ring.Stabilize < 0 {
		return
	}
	r.tempo.pace = m.cfg.Ring.Stabilize
	r.schedule(r.tempo.pace)
	if m.cfg.Ring.SelfLookup > 0 {
		r.look = m.after(m.jitter(m.cfg.Ring.SelfLookup), r.lookAround)
	}
}

// reset forgets the ring, not the contacts.
func (r *ring) reset() {
	r.setPredecessor(nil)
	r.setSuccessors(nil)
}

// setPredecessor is the only place where pred changes.
func (r *ring) setPredecessor(c *overlay.Contact) {
	m := r.m
	r.predSeen = m.now
	if r.pred != nil && c != nil && r.pred.ID == c.ID {
		r.pred = c
		return
	}
	if r.pred == nil && c == nil {
		return
	}
	r.pred = c
	r.displaced()
	m.records.moved()
	m.emit(overlay.Changed{})
	if c != nil && len(r.succ) == 0 {
		r.soon() // alone until now: the predecessor is the successor too
	}
}

// setSuccessors is the only place where the successor list changes. It cuts the
// list to length and where it would come around to this node.
func (r *ring) setSuccessors(list []*overlay.Contact) {
	m := r.m
	list = r.fit(list)
	r.read = 0
	same := slices.EqualFunc(list, r.succ, sameContact) // or a list that was only read again would go around the ring for ever
	if same {
		return
	}
	old := r.succ
	r.succ = list
	r.enlist(old, list)
	r.version += 2
	// Far down the list a change is the others' business: this node's place, and
	// who shares its keys, is the same.
	sharing := m.cfg.Copies - 1
	near := !slices.EqualFunc(list[:min(len(list), sharing)], old[:min(len(old), sharing)], sameNode)
	if first := len(list) == 0 || len(old) == 0 || list[0].ID != old[0].ID; first {
		r.displaced()
		near = true
	}
	if near {
		m.records.moved()
		m.emit(overlay.Changed{})
	}
	if near || !slices.EqualFunc(list, old, sameNode) {
		r.stirred()
	}
}

// enlist has the index show the new successor list in the place of the old one.
// Both are in the order of the ring.
func (r *ring) enlist(old, list []*overlay.Contact) {
	x := &r.m.index
	for len(old) > 0 || len(list) > 0 {
		switch {
		case len(list) == 0, len(old) > 0 && old[0].ID.Sub(x.self).Compare(list[0].ID.Sub(x.self)) < 0:
			if e := x.find(old[0].ID); e != nil {
				if e.roles &^= successor; e.roles == 0 {
					x.remove(old[0].ID)
				}
			}
			old = old[1:]
		case len(old) > 0 && old[0] == list[0]:
			old, list = old[1:], list[1:]
		default:
			x.put(list[0]).roles |= successor
			if len(old) > 0 && old[0].ID == list[0].ID {
				old = old[1:]
			}
			list = list[1:]
		}
	}
}

// displaced notes that this node stands between others than before.
func (r *ring) displaced() { r.changed, r.looks = true, 0 }

func sameNode(a, b *overlay.Contact) bool { return a.ID == b.ID }

// sameContact reports whether two contacts say the same, whoever made them.
func sameContact(a, b *overlay.Contact) bool {
	return a == b || a.ID == b.ID && slices.EqualFunc(a.Addrs, b.Addrs, ma.Multiaddr.Equal)
}

// fit is a copy of the list as far as it goes clockwise without coming around, and
// no longer than r.
func (r *ring) fit(list []*overlay.Contact) []*overlay.Contact {
	m := r.m
	out := make([]*overlay.Contact, 0, min(len(list), m.cfg.Ring.Successors))
	var last overlay.ID
	for _, c := range list {
		d := c.ID.Sub(m.self.ID)
		if d.Compare(last) <= 0 || len(out) == m.cfg.Ring.Successors {
			break
		}
		last = d
		out = append(out, c)
	}
	return out
}

// chain is the list that begins with first and goes on with its successors.
func chain(first *overlay.Contact, rest []*overlay.Contact) []*overlay.Contact {
	list := make([]*overlay.Contact, 0, len(rest)+1)
	return append(append(list, first), rest...)
}

// roll is a list in ring order that is walked along with another one, to see which of
// that are in it: nearly all are where two lists of the same part of the ring are
// compared.
type roll struct {
	self overlay.ID // where both begin
	list []*overlay.Contact
}

// has reports whether c is in the rest of the list, and passes over those before it.
func (l *roll) has(c *overlay.Contact) bool {
	for len(l.list) > 0 {
		switch next := l.list[0]; {
		case next == c || next.ID == c.ID:
			l.list = l.list[1:]
			return true
		case next.ID.Sub(l.self).Compare(c.ID.Sub(l.self)) > 0:
			return false
		}
		l.list = l.list[1:]
	}
	return false
}

// lost takes a node that did not answer out of the ring's neighbourhood.
func (r *ring) lost(id overlay.ID) {
	m := r.m
	e := m.index.find(id)
	if r.pred != nil && r.pred.ID == id {
		m.memory.remember(r.pred)
		r.setPredecessor(nil)
	}
	if e == nil {
		return
	}
	m.memory.remember(e.c)
	inList := e.roles&successor != 0
	if inList {
		r.setSuccessors(slices.DeleteFunc(slices.Clone(r.succ), func(c *overlay.Contact) bool { return c.ID == id }))
	}
	m.index.remove(id)
	if inList {
		r.soon()
	}
	if len(r.succ) == 0 {
		r.alone()
	}
}

// alone is called when the successor list ran empty: whoever is known is a way
// back.
func (r *ring) alone() {
	if r.m.closed || !r.m.server || r.pred != nil || r.retry.Pending() || r.joining {
		return
	}
	r.retry = r.m.after(time.Second, r.enter)
}
