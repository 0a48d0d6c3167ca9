package chord

import (
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/limit"
	"ringswap/overlay/operation"
)

// Machine is one Chord node without a network. See [overlay.Machine] for what it
// owes its owner and what its owner owes it. Its other methods show its state and
// may only be called between steps.
type Machine struct {
	// First what every step needs, so that it is together in memory.
	self   *overlay.Contact
	server bool
	closed bool
	begun  bool
	now    time.Time // of the running step; never goes back
	out    []overlay.Effect

	clock    alarm.Clock
	requests requests
	limiter  limit.Peers
	ring     ring
	index    index
	cfg      Config
	fingers  fingers
	deaths   mortality
	memory   memory
	refused  refusals
	records  records
	ops      operation.Table
	observed float64 // see spacing

	forwarder  forwarder
	recursions map[uint64]*recursion // of this node's own lookups, by query
}

var _ overlay.Machine = (*Machine)(nil)

// New makes a machine that knows nobody. It takes ownership of cfg.Rand.
func New(cfg Config) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	self := cfg.Self
	m := &Machine{cfg: cfg, self: &self, server: cfg.Server}
	if !cfg.Ring.AnyID && self.ID != overlay.PeerPlace(self.Peer) {
		return nil, bad(ErrForged, "Self is not at the hash of its peer ID")
	}
	m.index.self = self.ID
	m.limiter = limit.Peers{PerSecond: cfg.Limits.PerPeer, Burst: cfg.Limits.Burst}
	m.ring.m, m.fingers.m, m.memory.m = m, m, m
	m.ops = operation.Table{Limit: cfg.Limits.Operations, Emit: m.emit}
	m.records, m.forwarder = newRecords(m), newForwarder(m)
	return m, nil
}

// Step implements [overlay.Machine].
func (m *Machine) Step(now time.Time, ev overlay.Event) []overlay.Effect {
	m.now = m.clock.Advance(now)
	m.out = nil
	if !m.begun && !m.closed {
		m.begun = true
		m.ring.start()
		m.fingers.start()
		m.records.keeper.start()
	}
	switch ev := ev.(type) {
	case overlay.Start:
		m.start(ev)
	case overlay.Cancel:
		m.ops.Interrupt(ev.Op, overlay.ErrCanceled)
	case overlay.Inbound:
		m.serve(&ev)
	case overlay.Answer:
		m.answered(&ev)
	case overlay.Tick:
		m.clock.Ring()
	case overlay.Join:
		m.ring.join(ev.Seeds)
	case overlay.Leave:
		m.leave()
	case overlay.Seen:
		c := ev.Contact
		m.memory.meet(&c)
	case overlay.Gone:
		m.ring.lost(overlay.PeerPlace(ev.Peer))
	case overlay.SelfChanged:
		m.changeSelf(ev)
	}
	out := m.out
	m.out = nil
	return out
}

// Deadline implements [overlay.Machine].
func (m *Machine) Deadline() time.Time { return m.clock.Next() }

func (m *Machine) emit(e overlay.Effect) { m.out = append(m.out, e) }

// after sets an alarm.
func (m *Machine) after(d time.Duration, ring func()) *alarm.Alarm {
	return m.clock.After(d, ring)
}

// jitter is a random time between half of d and one and a half of it.
func (m *Machine) jitter(d time.Duration) time.Duration {
	return alarm.Jitter(m.cfg.Rand, d)
}

// isSelf reports whether a contact is this node, or claims its place. IDs are at
// hand and the bytes of peers are not; where IDs are hashes they tell as much.
func (m *Machine) isSelf(c *overlay.Contact) bool {
	return c.ID == m.self.ID || m.cfg.Ring.AnyID && c.Peer == m.self.Peer
}

// admit returns why c cannot be one of this node's contacts, or nil.
func (m *Machine) admit(c *overlay.Contact) error {
	switch {
	case c == nil || c.Peer == "":
		return bad(ErrForged, "a contact without a peer ID")
	case m.isSelf(c):
		return bad(ErrForged, "a contact in this node's place")
	case len(c.Addrs) == 0 && !m.cfg.Ring.Addressless:
		return bad(ErrUnreachable, "a contact without an address")
	case !m.cfg.Ring.AnyID && c.ID != overlay.PeerPlace(c.Peer):
		return bad(ErrForged, "a contact that is not at the hash of its peer ID")
	}
	return nil
}

func (m *Machine) changeSelf(ev overlay.SelfChanged) {
	if m.closed {
		return
	}
	m.self = &overlay.Contact{ID: m.self.ID, Peer: m.self.Peer, Addrs: append([]ma.Multiaddr(nil), ev.Addrs...)}
	was := m.server
	m.server, m.ring.moved = ev.Server, true
	switch {
	case was && !m.server:
		m.ring.farewell()
		m.ring.reset()
	case !was && m.server:
		m.ring.enter()
	}
}

// leave says good-bye and ends everything.
func (m *Machine) leave() {
	if m.closed {
		return
	}
	m.records.bequeath()
	m.ring.farewell()
	m.closed = true
	m.ops.Close()
	m.records.background.Close()
	m.clock.Close()
}
