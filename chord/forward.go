package chord

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/limit"
	"ringswap/overlay/scope"
)

// A recursive lookup travels: each node acknowledges it at once, passes it on to
// the next, and takes another next one if that is silent. The key's successor sends
// the result straight to the asker. This file is what a node does for others;
// recursive.go is the asker's side.
//
// Nobody can prove to the second node and those after it who the asker is, so all
// that a lie can do is bounded. The first node takes the asker's identity from the
// connection. Each node passes on no more lookups for one asker than
// Limits.Forwards. A result has at most MaxForwardN contacts, and goes only to
// whoever holds the key of the named peer ID, which the transport makes sure of. A
// node that refuses results is sent no more of them for a while.

const (
	// MaxForwardN is the most responsible nodes that a recursive lookup may ask
	// for: its result is not much longer than what was asked.
	MaxForwardN = 16
	// maxForwarding is the most lookups that wait for the next node's word.
	maxForwarding = 1024
	// maxTries is the most nodes to which a lookup is passed on in vain.
	maxTries = 8
	// maxBack is how many unknown nodes may be expected between a key and a node
	// that was asked too far on; then it passes the lookup back one by one.
	maxBack = 4
	// digitCost is what a digit of distance more to go costs, in usual round trips.
	// Measured at 2^16 nodes in a 3-d space, 1 to 2.5 end lookups about as soon; the
	// less it is, the more nodes are on the way.
	digitCost = 1.25
	// scornFor is how long one that refuses results is sent none.
	scornFor = 10 * time.Minute
	// maxScorned bounds how many of them are remembered.
	maxScorned = 1024
)

// forwarder passes on the recursive lookups of others.
type forwarder struct {
	m       *Machine
	limiter limit.Peers // by asker
	running int
	// refusals are how often each asker refused a result, scorned until when those
	// are sent none that did so too often.
	refusals limit.Peers
	scorned  map[peer.ID]time.Time
}

func newForwarder(m *Machine) forwarder {
	l := &m.cfg.Limits
	return forwarder{
		m:       m,
		limiter: limit.Peers{PerSecond: l.Forwards, Burst: l.ForwardBurst},
		// A result may come when its lookup has just ended in another way.
		refusals: limit.Peers{PerSecond: 1. / 60, Burst: 5},
	}
}

// sweep forgets what need not be remembered.
func (f *forwarder) sweep() {
	now := f.m.now
	f.limiter.Sweep(now)
	f.refusals.Sweep(now)
	for p, until := range f.scorned { // each is judged alone
		if !now.Before(until) {
			delete(f.scorned, p)
		}
	}
}

// serve takes a lookup over. The reply says no more than that.
func (f *forwarder) serve(ev *overlay.Inbound, msg *ForwardRequest, reach scope.Scope) error {
	m := f.m
	if err := f.check(ev, msg); err != nil {
		return err
	}
	asker := scope.ContactWithin(msg.Asker, reach)
	if err := m.admit(asker); err != nil {
		return err
	}
	switch {
	case m.now.Before(f.scorned[asker.Peer]), f.running >= maxForwarding, !f.limiter.Allow(m.now, asker.Peer):
		return refused(ErrLimit)
	}
	f.running++
	p := &passing{f: f, asker: asker, msg: *msg, key: overlay.Place(msg.Key)}
	if m.cfg.Ring.AnyID && len(msg.Key) == overlay.IDBytes {
		p.key = overlay.ID(msg.Key)
	}
	p.plan()
	p.next()
	return nil
}

// check returns an error if the request breaks the protocol.
func (f *forwarder) check(ev *overlay.Inbound, msg *ForwardRequest) error {
	last := len(msg.Trace) - 1
	switch {
	case !ev.Server:
		return refused(ErrClient)
	case len(msg.Key) == 0 || len(msg.Key) > MaxKey || msg.N < 1 || msg.N > MaxForwardN || msg.Query == 0,
		msg.HopsLeft < 0 || msg.HopsLeft > MaxTrace || len(msg.Trace) >= MaxTrace:
		return bad(ErrBounds, "FORWARD")
	case msg.Asker == nil || msg.Asker.Peer == "" || msg.Asker.Peer == f.m.self.Peer:
		return bad(ErrForged, "a lookup of our own, or of nobody's")
	case last < 0 && msg.Asker.Peer != ev.From.Peer:
		return bad(ErrForged, "a lookup in the name of another node")
	case last >= 0 && (msg.Trace[last].Node == nil || msg.Trace[last].Node.Peer != ev.From.Peer):
		return bad(ErrForged, "a trace that does not end with the sender")
	}
	for _, h := range msg.Trace {
		switch {
		case h.Node == nil:
			return bad(ErrForged, "a trace with nobody in it")
		case h.Node.Peer == f.m.self.Peer && !msg.Owner:
			return refused(ErrBounds) // it has been here, and nothing new is known
		}
	}
	return nil
}

// route is a node that a lookup may be passed on to.
type route struct {
	c     *overlay.Contact
	owner bool // it is taken for the key's successor
}

// passing is a lookup that is being passed on.
type passing struct {
	f      *forwarder
	key    overlay.ID
	asker  *overlay.Contact
	msg    ForwardRequest // as it came
	routes []route
	tries  int
	// owner says that this node is the key's successor, if nobody on the way is.
	owner bool
}

// plan finds whom to pass the lookup on to.
func (p *passing) plan() {
	m := p.f.m
	r := &m.ring
	if m.owns(p.key) {
		p.owner = true
		return
	}
	keep := func(c *overlay.Contact) bool {
		return c.Peer != p.asker.Peer && !slices.ContainsFunc(p.msg.Trace, func(h Hop) bool { return h.Node.Peer == c.Peer })
	}
	if back := r.pred; p.msg.Owner || m.isBehind(p.key) {
		p.owner = p.msg.Owner // should nobody be in between
		if back != nil && (p.owner || keep(back)) && back.Peer != p.asker.Peer {
			p.routes = append(p.routes, route{back, p.msg.Owner})
		}
		if p.owner {
			return
		}
	}
	p.routes = append(p.routes, m.routes(p.key, p.asker.Peer, keep)...)
}

// isBehind reports whether a key that is not this node's own is so close before it
// that the lookup came too far.
func (m *Machine) isBehind(key overlay.ID) bool {
	spacing := m.spacing()
	return m.ring.pred != nil && spacing > 0 && fraction(m.ring.pred.ID.Sub(key))/spacing <= maxBack
}

// routes are the nodes that this one would pass an asker's lookup on to, the best
// first. keep leaves some out of those that are not the key's successors.
func (m *Machine) routes(key overlay.ID, asker peer.ID, keep func(*overlay.Contact) bool) (list []route) {
	last := m.self.ID
	for i, s := range m.ring.succ {
		if upTo(last, key, s.ID) {
			for _, c := range m.ring.succ[i:] {
				if c.Peer == asker {
					break // it must find out by itself
				}
				list = append(list, route{c, true})
			}
			return list
		}
		last = s.ID
	}
	o := m.odds()
	if g := m.guess(key, o, keep); g != nil {
		list = append(list, route{g, false})
	}
	for _, c := range m.quickest(key, m.index.preceding(nil, key, 2*maxTries, o, keep)) {
		list = append(list, route{c, false})
	}
	return list
}

// quickest sorts nodes before a key, the nearest to it first, by how soon a lookup
// that goes through them is likely to end: by the round trip to them, and by how many
// more nodes the way from there takes. A node whose successor list probably leads
// up to the key is as good as one that is nearer.
func (m *Machine) quickest(key overlay.ID, list []*overlay.Contact) []*overlay.Contact {
	usual := m.usualTrip(list)
	if len(list) < 2 || usual == 0 {
		return list
	}
	covered := m.spacing() * float64(m.cfg.Ring.Successors) * 3 / 4
	cost := make(map[overlay.ID]float64, len(list))
	for _, c := range list {
		trip := m.roundTripTo(c)
		if trip == 0 {
			trip = usual
		}
		digits := math.Log2(max(fraction(key.Sub(c.ID)), covered, 1e-18)) / float64(m.cfg.Fingers.Bits)
		cost[c.ID] = float64(trip)/float64(usual) + digitCost*digits
	}
	slices.SortStableFunc(list, func(a, b *overlay.Contact) int { return cmp.Compare(cost[a.ID], cost[b.ID]) })
	return list
}

// usualTrip is the mean of the round trips to those of the nodes where it is
// known; 0 if there are none.
func (m *Machine) usualTrip(list []*overlay.Contact) time.Duration {
	sum, n := time.Duration(0), time.Duration(0)
	for _, c := range list {
		if trip := m.roundTripTo(c); trip > 0 {
			sum, n = sum+trip, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / n
}

// next passes the lookup on to the next best node, or ends its way here.
func (p *passing) next() {
	m := p.f.m
	for len(p.routes) > 0 && p.tries < maxTries && p.msg.HopsLeft > 0 && !m.closed {
		to := p.routes[0]
		p.routes = p.routes[1:]
		reach := scope.OfContact(to.c)
		if !m.tellable(p.asker, reach) {
			continue // it could not answer
		}
		msg := p.msg
		msg.Asker, msg.Owner = scope.ContactWithin(p.asker, reach), to.owner
		msg.HopsLeft = min(msg.HopsLeft, m.cfg.Lookup.MaxHops) - 1
		msg.Trace = append(slices.Clip(msg.Trace), Hop{Node: bare(m.self), Took: m.roundTripTo(to.c), Silent: p.tries})
		p.tries++
		m.ask(to.c, &msg, func(_ Message, err error) {
			if err != nil {
				p.next()
				return
			}
			p.f.running--
		})
		return
	}
	p.f.running--
	if !m.closed {
		p.result()
	}
}

// result tells the asker who the key's owners are, or that it must ask itself.
func (p *passing) result() {
	m := p.f.m
	msg := &ResultRequest{Query: p.msg.Query, Trace: p.msg.Trace}
	if p.owner {
		list := chain(m.self, m.ring.succ[:min(len(m.ring.succ), p.msg.N-1)])
		msg.Owners = m.within(cutBefore(p.key, list), scope.OfContact(p.asker))
	}
	m.ask(p.asker, msg, func(_ Message, err error) {
		if errors.Is(err, overlay.ErrRefused) {
			p.f.scorn(p.asker.Peer)
		}
	})
}

// scorn notes that a node refused a result.
func (f *forwarder) scorn(p peer.ID) {
	if f.refusals.Allow(f.m.now, p) || len(f.scorned) >= maxScorned {
		return
	}
	if f.scorned == nil {
		f.scorned = make(map[peer.ID]time.Time)
	}
	f.scorned[p] = f.m.now.Add(scornFor)
}

// bare is a contact without addresses.
func bare(c *overlay.Contact) *overlay.Contact { return &overlay.Contact{ID: c.ID, Peer: c.Peer} }

// roundTripTo is the latest round trip to a contact, 0 if unknown.
func (m *Machine) roundTripTo(c *overlay.Contact) time.Duration {
	if e := m.index.find(c.ID); e != nil {
		return e.roundTrip()
	}
	return 0
}
