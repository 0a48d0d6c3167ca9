package chord

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/operation"
	"ringswap/overlay/publish"
	"ringswap/overlay/record"
	"ringswap/overlay/scope"
)

// records is what this node keeps for others, and what it provides itself.
type records struct {
	m          *Machine
	providers  *record.Providers
	values     *record.Values
	publisher  publish.Publisher[holding]
	background operation.Background // the publisher's
	keeper     keeper
}

func newRecords(m *Machine) records {
	r := &m.cfg.Records
	limits := record.ProviderLimits{Keys: r.MaxKeys, PerKey: r.MaxProviders, PerPeer: r.MaxPerPeer}
	return records{
		m:         m,
		providers: record.NewProviders(limits, m.nearer, m.cfg.Rand),
		values:    record.NewValues(r.MaxValues, r.Validator, m.nearer, m.cfg.Rand, nil),
		publisher: publish.Publisher[holding]{
			Clock: &m.clock, Rand: m.cfg.Rand, Every: r.Reprovide, Background: &m.records.background,
			Announce: func(pub *published, done func()) { m.announce(pub, func(overlay.Result, error) { done() }) },
		},
		background: operation.Background{Limit: m.cfg.Limits.Background},
		keeper:     keeper{m: m},
	}
}

// nearer reports whether key a is nearer before this node than key b, and so
// more likely its own to keep.
func (m *Machine) nearer(a, b overlay.ID) bool {
	return m.self.ID.Sub(a).Compare(m.self.ID.Sub(b)) < 0
}

// responsible reports whether this node may well be one of the nodes that keep
// the key. It knows its own range for certain; of the Copies-1 ranges before that
// it knows how long they are likely to be, from its successors' distances. The
// tolerance is wide, so that no record is lost while nodes come and go: among N
// nodes it accepts about 4*Copies+12 of N keys.
func (r *records) responsible(key overlay.ID) bool {
	ring := &r.m.ring
	self := r.m.self.ID
	n := len(ring.succ)
	if ring.pred == nil || n == 0 || upTo(ring.pred.ID, key, self) {
		return true
	}
	gap := fraction(ring.succ[n-1].ID.Sub(self)) / float64(n)
	return fraction(self.Sub(key)) <= gap*float64(4*r.m.cfg.Copies+12)
}

// fraction is a distance as a part of the whole ring.
func fraction(d overlay.ID) float64 {
	return float64(binary.BigEndian.Uint64(d[:8])) / (1 << 64)
}

// near reports whether a node is close enough to have been given records for
// this one: it is among the successors, or not far before.
func (r *records) near(id overlay.ID) bool {
	for _, c := range r.m.ring.succ {
		if c.ID == id {
			return true
		}
	}
	return r.responsible(id)
}

// moved says that this node's neighbours are others now.
func (r *records) moved() {
	r.keeper.moved()
	if len(r.m.ring.succ) > 0 {
		r.publisher.Resume()
	}
}

// sweep drops what has expired.
func (r *records) sweep() {
	r.providers.Expire(r.m.now)
	r.values.Expire(r.m.now)
}

// check returns an error that says which promise about the records is broken.
func (r *records) check() error {
	if err := r.providers.Check(); err != nil {
		return fmt.Errorf("chord: provider records: %w", err)
	}
	if err := r.values.Check(); err != nil {
		return fmt.Errorf("chord: values: %w", err)
	}
	if err := r.publisher.Check(); err != nil && !r.m.closed {
		return fmt.Errorf("chord: keys provided: %w", err)
	}
	return nil
}

// serve answers a request about records; false if msg is none. sender has the
// addresses that others at its place can use.
func (r *records) serve(sender *overlay.Contact, server bool, msg Message, reach scope.Scope) (Message, bool, error) {
	var answer Message
	var err error
	switch msg := msg.(type) {
	case *AddProviderRequest:
		answer, err = &AddProviderAnswer{}, r.addProvider(sender, msg, reach)
	case *GetProvidersRequest:
		answer = &GetProvidersAnswer{Providers: r.known(overlay.Place(msg.Key), reach)}
	case *PutValueRequest:
		answer, err = &PutValueAnswer{}, r.putValue(msg.Value)
	case *GetValueRequest:
		answer = &GetValueAnswer{Value: r.recordOf(overlay.Place(msg.Key))}
	case *SyncRequest:
		answer, err = r.compare(sender, server, msg)
	case *HandOverRequest:
		answer, err = r.takeOver(sender, server, msg)
	default:
		return nil, false, nil
	}
	return answer, true, err
}

// addProvider keeps a provider record. Only the provider itself can give it, and
// of the addresses in it only those are kept that others at its place can use.
func (r *records) addProvider(sender *overlay.Contact, msg *AddProviderRequest, reach scope.Scope) error {
	m := r.m
	key := overlay.Place(msg.Key)
	switch {
	case msg.Provider == nil || msg.Provider.Peer != sender.Peer:
		return bad(ErrForged, "a provider record must come from the provider")
	case !r.responsible(key):
		return refused(ErrRange)
	}
	c := scope.ContactWithin(msg.Provider, reach)
	if len(c.Addrs) == 0 {
		c = sender
	}
	return r.providers.Add(key, c, m.now.Add(m.cfg.Records.ProviderTTL))
}

// known are the providers of a key, with the addresses that someone at that
// scope can use; this node among them if it is one.
func (r *records) known(key overlay.ID, reach scope.Scope) []*overlay.Contact {
	var list []*overlay.Contact
	if r.publisher.Get(key) != nil {
		list = append(list, scope.ContactWithin(r.m.self, reach))
	}
	for _, p := range r.providers.Get(r.m.now, key) {
		list = append(list, scope.ContactWithin(p.Contact, reach))
	}
	return list
}

// putValue keeps a value unless a better one is here, which is as well.
func (r *records) putValue(v *ValueRecord) error {
	key := overlay.RawKey(v.Key)
	if !r.responsible(key.ID()) {
		return refused(ErrRange)
	}
	_, err := r.keep(key, v)
	return err
}

// keep checks a value and keeps it. taken is false if a better one is here.
func (r *records) keep(key overlay.Key, v *ValueRecord) (taken bool, err error) {
	m := r.m
	if err := m.cfg.Records.Validator.Validate(v.Key, v.Value); err != nil {
		return false, err
	}
	here := r.values.Get(m.now, key.ID())
	if here != nil && !bytes.Equal(here.Data, v.Value) && !m.cfg.Records.Validator.Better(v.Key, v.Value, here.Data) {
		return false, nil
	}
	err = r.values.Put(m.now, key, v.Value, m.now.Add(-v.Age), m.cfg.Records.ValueTTL)
	return err == nil, err
}

// recordOf is the value of a key as it travels, nil if there is none.
func (r *records) recordOf(key overlay.ID) *ValueRecord {
	v := r.values.Get(r.m.now, key)
	if v == nil {
		return nil
	}
	return r.m.travelling(v)
}

// travelling is a value as it travels.
func (m *Machine) travelling(v *record.Value) *ValueRecord {
	return &ValueRecord{Key: v.Key.Preimage(), Value: v.Data, Age: m.now.Sub(v.Published)}
}

// restore takes back the records of a snapshot as if they had just come from
// their provider or publisher.
func (r *records) restore(now time.Time, s record.Snapshot) int {
	m := r.m
	taken := r.providers.Restore(now, s.Providers, m.self.Peer, m.cfg.Records.ProviderTTL)
	for _, v := range s.Values {
		if len(v.Key) == 0 || len(v.Key) > MaxKey || len(v.Value) == 0 || len(v.Value) > MaxValue {
			continue
		}
		if r.values.Put(now, overlay.RawKey(v.Key), v.Value, v.Published, m.cfg.Records.ValueTTL) == nil {
			taken++
		}
	}
	return taken
}

// Snapshot copies the records that this node keeps for others and that have not
// expired. It may be called at any time, also after Leave.
func (m *Machine) Snapshot() record.Snapshot {
	return record.Save(m.now, m.records.providers, m.records.values)
}

// Restore takes back what Snapshot gave, before the first Step. Records are
// checked as if they had just come from their provider or publisher; what does
// not pass, or has expired, is left out. It returns how many were taken.
func (m *Machine) Restore(now time.Time, s record.Snapshot) int {
	m.now = m.clock.Advance(now)
	return m.records.restore(now, s)
}
