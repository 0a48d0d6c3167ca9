package kademlia

import (
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/limit"
	"ringswap/overlay/operation"
	"ringswap/overlay/publish"
	"ringswap/overlay/record"
)

// Machine is one Kademlia node without a network. See [overlay.Machine] for
// what it owes its owner and what its owner owes it. Its other methods show its
// state and may only be called between steps.
type Machine struct {
	// First what every step needs, so that it is together in memory.
	self   *overlay.Contact
	server bool
	closed bool
	now    time.Time // of the running step; never goes back
	out    []overlay.Effect

	timers   alarm.Clock
	requests requests
	table    table
	limiter  limit.Peers
	cfg      Config
	checks   checks
	upkeep   upkeep

	ops        operation.Table
	background operation.Background
	providers  *record.Providers
	values     *valueStore
	publisher  publish.Publisher[holding]
	outbox     outbox
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
	m.table = newTable(self.ID, cfg.K, &m.cfg.Table)
	m.limiter = limit.Peers{PerSecond: cfg.Limits.PerPeer, Burst: cfg.Limits.Burst}
	r := &cfg.Records
	m.providers = record.NewProviders(record.ProviderLimits{Keys: r.MaxKeys, PerKey: r.MaxProviders, PerPeer: r.MaxPerPeer}, m.nearer, cfg.Rand)
	m.values = newValueStore(m)
	m.checks.m, m.upkeep.m = m, m
	m.ops = operation.Table{Limit: cfg.Limits.Operations, Emit: m.emit}
	m.background.Limit = cfg.Limits.Background
	m.publisher = publish.Publisher[holding]{
		Clock: &m.timers, Rand: cfg.Rand, Every: r.Reprovide, Background: &m.background,
		Announce: func(pub *published, done func()) { m.announce(pub, func(overlay.Result, error) { done() }) },
	}
	return m, nil
}

// Step implements [overlay.Machine].
func (m *Machine) Step(now time.Time, ev overlay.Event) []overlay.Effect {
	m.now = m.timers.Advance(now)
	m.out = nil
	if !m.closed {
		m.upkeep.start()
	}
	switch ev := ev.(type) {
	case overlay.Start:
		m.start(ev)
	case overlay.Cancel:
		m.ops.Interrupt(ev.Op, overlay.ErrCanceled)
	case overlay.Inbound:
		server{m}.serve(ev)
	case overlay.Answer:
		m.answered(ev)
	case overlay.Tick:
		m.timers.Ring()
	case overlay.Join:
		m.upkeep.join(ev.Seeds)
	case overlay.Leave:
		m.leave()
	case overlay.Seen:
		m.checks.meet(&ev.Contact)
	case overlay.Gone:
		m.table.drop(overlay.PeerPlace(ev.Peer))
	case overlay.SelfChanged:
		m.changeSelf(ev)
	}
	m.minded()
	out := m.out
	m.out = nil
	return out
}

// Deadline implements [overlay.Machine].
func (m *Machine) Deadline() time.Time { return m.timers.Next() }

// nearer reports whether this node is nearer to key a than to key b.
func (m *Machine) nearer(a, b overlay.ID) bool { return m.self.ID.Closer(a, b) }

func (m *Machine) emit(e overlay.Effect) { m.out = append(m.out, e) }

// after sets an alarm.
func (m *Machine) after(d time.Duration, ring func()) *alarm.Alarm {
	return m.timers.After(d, ring)
}

// jitter is a random time between half of d and one and a half of it.
func (m *Machine) jitter(d time.Duration) time.Duration {
	return alarm.Jitter(m.cfg.Rand, d)
}

// minded acts on what a step did to the table: newcomers get what they must
// have, spares that came in unproven are pinged, and the owner hears if this node's
// neighbours are others now.
func (m *Machine) minded() {
	t := &m.table
	joined, unproven, left, revived := t.joined, t.unproven, t.left, t.revived
	t.joined, t.unproven, t.left, t.revived = nil, nil, nil, false
	if m.closed {
		return
	}
	if len(joined) > 0 || revived {
		m.publisher.Resume()
	}
	for _, c := range unproven {
		m.checks.ping(c)
	}
	for _, c := range joined {
		if e := t.find(c.ID); e != nil {
			m.welcome(e.c)
			m.values.handOver(e.c)
		}
	}
	if len(joined)+len(left) > 0 && (t.near(joined) || t.near(left)) {
		m.emit(overlay.Changed{})
	}
}

func (m *Machine) changeSelf(ev overlay.SelfChanged) {
	m.self = &overlay.Contact{ID: m.self.ID, Peer: m.self.Peer, Addrs: append([]ma.Multiaddr(nil), ev.Addrs...)}
	m.server = ev.Server
}

// leave ends everything; what only this node may hold goes to whoever is next.
func (m *Machine) leave() {
	if m.closed {
		return
	}
	m.values.bequeath()
	m.closed = true
	m.ops.Close()
	m.background.Close()
	m.outbox = outbox{}
	m.timers.Close()
}
