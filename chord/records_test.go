package chord_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// anyValue accepts every value but "bad" and prefers the greater.
type anyValue struct{}

func (anyValue) Validate(_, v []byte) error {
	if string(v) == "bad" {
		return overlay.ErrRefused
	}
	return nil
}
func (anyValue) Better(_, a, b []byte) bool { return slices.Compare(a, b) > 0 }

// keepers is a ring whose nodes keep records.
type keepers struct {
	*overlaytest.Network
	t    *testing.T
	last int
	cfg  func(*chord.Config)
}

const copies = 4

func newKeepers(t *testing.T, n int, seed uint64, cfg ...func(*chord.Config)) *keepers {
	t.Logf("seed %d", seed)
	k := &keepers{Network: overlaytest.NewNetwork(t, chord.Codec{}, seed), t: t}
	for _, change := range cfg {
		k.cfg = change
	}
	for range n {
		k.join()
		k.RunFor(time.Second)
	}
	k.RunFor(5 * time.Minute)
	return k
}

func (k *keepers) join() *overlaytest.Node {
	k.t.Helper()
	alive := k.Nodes()
	k.last++
	c := overlaytest.Contact(k.last)
	cfg := chord.Config{Self: c, Server: true, Copies: copies, Rand: rand.New(rand.NewPCG(uint64(k.last), k.Rand().Uint64()))}
	cfg.Records.Validator = anyValue{}
	if k.cfg != nil {
		k.cfg(&cfg)
	}
	m, err := chord.New(cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	n := k.Add(c, m, true)
	if len(alive) > 0 {
		n.Step(overlay.Join{Seeds: []overlay.Contact{alive[k.Rand().IntN(len(alive))].Contact}})
	}
	return n
}

func (k *keepers) key() overlay.Key {
	return overlay.RawKey(fmt.Appendf(nil, "key %d", k.Rand().Uint64()))
}

// owners are the living nodes by their distance after a key: the oracle.
func (k *keepers) owners(key overlay.Key) []*overlaytest.Node {
	all := k.Nodes()
	slices.SortFunc(all, func(a, b *overlaytest.Node) int { return a.ID.Sub(key.ID()).Compare(b.ID.Sub(key.ID())) })
	return all
}

// holds reports whether a node keeps a provider record, and a value, of key.
func holds(n *overlaytest.Node, key overlay.Key) (provider, value bool) {
	s := n.Machine.(*chord.Machine).Snapshot()
	for _, p := range s.Providers {
		provider = provider || p.Key == key.ID()
	}
	for _, v := range s.Values {
		value = value || overlay.RawKey(v.Key) == key
	}
	return provider, value
}

// kept fails unless each key's Copies responsible nodes have its records.
func (k *keepers) kept(keys []overlay.Key, provider *overlaytest.Node) {
	k.t.Helper()
	for _, key := range keys {
		for i, n := range k.owners(key)[:copies] {
			p, v := holds(n, key)
			if (!p && n != provider) || !v {
				k.t.Errorf("key %s: node %d after it has the provider: %v, the value: %v", key.ID().Short(), i, p, v)
			}
		}
	}
}

// TestViewCounts: a view counts the records that a snapshot would copy.
func TestViewCounts(t *testing.T) {
	k := newKeepers(t, 12, 5)
	k.fill(k.Nodes()[0], 20)
	for _, n := range k.Nodes() {
		m := n.Machine.(*chord.Machine)
		v, s := m.View(), m.Snapshot()
		keys := make(map[overlay.ID]bool)
		for _, p := range s.Providers {
			keys[p.Key] = true
		}
		if v.Keys != len(keys) || v.Records != len(s.Providers) || v.Values != len(s.Values) {
			t.Errorf("%d keys, %d records and %d values are counted of %d, %d and %d",
				v.Keys, v.Records, v.Values, len(keys), len(s.Providers), len(s.Values))
		}
	}
}

// fill stores n keys from a node.
func (k *keepers) fill(from *overlaytest.Node, n int) (keys []overlay.Key) {
	k.t.Helper()
	for range n {
		key := k.key()
		keys = append(keys, key)
		if op := from.Do(overlay.Provide{Key: key}); op.Err != nil || op.Result.Stored != copies {
			k.t.Fatalf("provide: %d copies, %v", op.Result.Stored, op.Err)
		}
		if op := from.Do(overlay.PutValue{Key: key, Value: []byte("value")}); op.Err != nil || op.Result.Stored != copies {
			k.t.Fatalf("put: %d copies, %v", op.Result.Stored, op.Err)
		}
	}
	return keys
}

// found fails unless everyone finds the provider and the value of every key.
func (k *keepers) found(keys []overlay.Key, provider *overlaytest.Node) {
	k.t.Helper()
	for _, key := range keys {
		asker := k.Nodes()[k.Rand().IntN(len(k.Nodes()))]
		op := asker.Do(overlay.FindProviders{Key: key})
		if op.Err != nil || len(op.Found) != 1 || op.Found[0].ID != provider.ID || len(op.Found[0].Addrs) == 0 {
			k.t.Errorf("key %s: %d providers, %v", key.ID().Short(), len(op.Found), op.Err)
		}
		if got := asker.Do(overlay.GetValue{Key: key}); got.Err != nil || string(got.Result.Value) != "value" {
			k.t.Errorf("key %s: value %q, %v", key.ID().Short(), got.Result.Value, got.Err)
		}
	}
}

func TestRecordsAreKept(t *testing.T) {
	k := newKeepers(t, 30, 1)
	from := k.Nodes()[0]
	keys := k.fill(from, 20)
	k.kept(keys, from)
	k.found(keys, from)
	if op := from.Do(overlay.GetValue{Key: k.key()}); !errors.Is(op.Err, overlay.ErrNotFound) {
		t.Errorf("a value that nobody stored: %v", op.Err)
	}
	k.Settled()
}

// TestRecordsSurviveFailures: Copies-1 holders of a key die at once; what was
// there is found at once, and on Copies nodes again before long. Four times over.
func TestRecordsSurviveFailures(t *testing.T) {
	k := newKeepers(t, 50, 2)
	from := k.Nodes()[0]
	keys := k.fill(from, 12)
	for round := range 4 {
		victim := keys[round]
		killed := 0
		for _, n := range k.owners(victim)[:copies] {
			if n != from && killed < copies-1 {
				k.Kill(n)
				killed++
			}
		}
		k.RunFor(2 * time.Minute)
		k.found(keys, from)
		k.kept(keys, from)
	}
}

// TestRecordsMoveToNewcomers: a node that joins has the records of its range
// within seconds, and the ring holds Copies of everything.
func TestRecordsMoveToNewcomers(t *testing.T) {
	k := newKeepers(t, 12, 3)
	from := k.Nodes()[0]
	keys := k.fill(from, 20)
	for range 24 {
		k.join()
		k.RunFor(20 * time.Second)
		k.found(keys[:4], from)
	}
	k.RunFor(30 * time.Second)
	k.kept(keys, from)
}

// TestRecordsAreLeft: nodes leave one by one and take nothing with them.
func TestRecordsAreLeft(t *testing.T) {
	k := newKeepers(t, 30, 4)
	from := k.Nodes()[0]
	keys := k.fill(from, 10)
	for _, n := range k.Nodes()[1:16] {
		n.Step(overlay.Leave{})
		k.RunFor(time.Second)
		k.Kill(n)
		k.RunFor(10 * time.Second)
		k.found(keys[:3], from)
	}
	k.RunFor(30 * time.Second)
	k.found(keys, from)
	k.kept(keys, from)
}

// TestLeaveHandsOver: the node that becomes responsible when another leaves has
// the records at once, before anybody could have noticed and repaired.
func TestLeaveHandsOver(t *testing.T) {
	k := newKeepers(t, 20, 5)
	from := k.Nodes()[0]
	for _, key := range k.fill(from, 5) {
		near := k.owners(key)
		if near[0] == from || near[copies] == from {
			continue
		}
		near[0].Step(overlay.Leave{})
		k.RunFor(100 * time.Millisecond)
		k.Kill(near[0])
		if p, v := holds(near[copies], key); !p || !v {
			t.Errorf("the next node has the provider: %v, the value: %v", p, v)
		}
		k.RunFor(time.Minute)
	}
}

// TestRecordsExpire: what is not announced again is forgotten, what is provided
// goes on being found.
func TestRecordsExpire(t *testing.T) {
	k := newKeepers(t, 12, 6, func(c *chord.Config) {
		c.Records.ProviderTTL, c.Records.ValueTTL, c.Records.Reprovide = 2*time.Hour, 2*time.Hour, 50*time.Minute
	})
	from, other := k.Nodes()[0], k.Nodes()[1]
	keys := k.fill(from, 3)
	other.Do(overlay.Provide{Key: keys[0]})
	from.Do(overlay.StopProviding{Key: keys[0]})
	k.RunFor(130 * time.Minute)
	for i, key := range keys {
		want := from.ID
		if i == 0 {
			want = other.ID
		}
		op := k.Nodes()[5].Do(overlay.FindProviders{Key: key})
		if len(op.Found) != 1 || op.Found[0].ID != want {
			t.Errorf("key %d: %d providers after their time, %v", i, len(op.Found), op.Err)
		}
		if got := k.Nodes()[5].Do(overlay.GetValue{Key: key}); !errors.Is(got.Err, overlay.ErrNotFound) {
			t.Errorf("key %d: a value outlived its time: %q, %v", i, got.Result.Value, got.Err)
		}
	}
}

// TestBestValueWins: of two values the better one is everywhere in the end, and
// an invalid one nowhere.
func TestBestValueWins(t *testing.T) {
	k := newKeepers(t, 20, 7)
	a, b, key := k.Nodes()[0], k.Nodes()[1], k.key()
	a.Do(overlay.PutValue{Key: key, Value: []byte("2")})
	b.Do(overlay.PutValue{Key: key, Value: []byte("1")})
	if op := b.Do(overlay.PutValue{Key: key, Value: []byte("bad")}); op.Err == nil {
		t.Error("stored an invalid value")
	}
	for _, n := range k.Nodes() {
		if op := n.Do(overlay.GetValue{Key: key}); string(op.Result.Value) != "2" {
			t.Errorf("got %q, %v", op.Result.Value, op.Err)
		}
	}
}

// TestHostileRecords: a record in another's name, for a key of another's range,
// from a node that is not near, and an invalid value are refused.
func TestHostileRecords(t *testing.T) {
	k := newKeepers(t, 90, 8)
	victim := k.Nodes()[3]
	liar := k.owners(overlay.PeerKey(victim.Peer))[45]
	own, far := k.key(), k.key()
	for ; k.owners(own)[0] != victim; own = k.key() {
	}
	for ; k.owners(far)[50] != victim; far = k.key() {
	}
	other := overlaytest.Contact(5000)
	next := k.owners(overlay.PeerKey(victim.Peer))[1]
	var in overlay.ReqID = 1 << 40
	ask := func(from *overlaytest.Node, m chord.Message) (r overlay.Reply) {
		in++
		for _, e := range victim.Machine.Step(k.Now(), overlay.Inbound{Req: in, From: &from.Contact, Remote: from.Addrs[0], Server: true, Msg: m}) {
			if reply, ok := e.(overlay.Reply); ok && reply.Req == in {
				r = reply
			}
		}
		return r
	}
	for name, x := range map[string]struct {
		from *overlaytest.Node
		msg  chord.Message
		why  error
	}{
		"in another's name":        {liar, &chord.AddProviderRequest{Key: own.Preimage(), Provider: &other}, chord.ErrForged},
		"for nobody":               {liar, &chord.AddProviderRequest{Key: own.Preimage()}, chord.ErrForged},
		"for a key far away":       {liar, &chord.AddProviderRequest{Key: far.Preimage(), Provider: &liar.Contact}, chord.ErrRange},
		"a value far away":         {liar, &chord.PutValueRequest{Value: &chord.ValueRecord{Key: far.Preimage(), Value: []byte("v")}}, chord.ErrRange},
		"an invalid value":         {liar, &chord.PutValueRequest{Value: &chord.ValueRecord{Key: own.Preimage(), Value: []byte("bad")}}, overlay.ErrRefused},
		"handed over from afar":    {liar, &chord.HandOverRequest{Providers: []chord.ProviderRecord{{Key: own.ID(), Provider: &other}}}, chord.ErrRange},
		"a stranger asks for keys": {liar, &chord.SyncRequest{}, chord.ErrRange},
	} {
		if r := ask(x.from, x.msg); !errors.Is(r.Err, x.why) {
			t.Errorf("%s: %+v, want %v", name, r, x.why)
		}
	}
	// A neighbour may hand over, but not for a key far away, nor what has expired.
	r := ask(next, &chord.HandOverRequest{Providers: []chord.ProviderRecord{
		{Key: own.ID(), Provider: &other},
		{Key: far.ID(), Provider: &other},
		{Key: own.ID(), Provider: &liar.Contact, Age: 100 * time.Hour},
	}})
	if a, ok := r.Msg.(*chord.HandOverAnswer); !ok || a.Taken != 1 {
		t.Errorf("a neighbour's records: %+v, want one taken", r)
	}
}

// TestRecordFlood: whatever is stored, tables keep to their limits, and nobody's
// hearsay pushes out a provider that came itself.
func TestRecordFlood(t *testing.T) {
	self := overlaytest.Contact(1)
	cfg := chord.Config{Self: self, Server: true, Rand: rand.New(rand.NewPCG(1, 1))}
	cfg.Records = chord.RecordConfig{MaxKeys: 20, MaxProviders: 3, MaxPerPeer: 5, MaxValues: 7, Validator: anyValue{}}
	cfg.Limits.PerPeer = -1
	m, err := chord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	var in overlay.ReqID
	ask := func(from overlay.Contact, msg chord.Message) {
		in++
		m.Step(now, overlay.Inbound{Req: in, From: &from, Remote: from.Addrs[0], Server: true, Msg: msg})
	}
	first := []byte("first")
	for i := range 3 {
		c := overlaytest.Contact(10 + i)
		ask(c, &chord.AddProviderRequest{Key: first, Provider: &c})
	}
	for i := range 500 {
		c := overlaytest.Contact(100 + i)
		var list []chord.ProviderRecord
		for j := range 10 {
			other := overlaytest.Contact(1000 + 10*i + j)
			list = append(list, chord.ProviderRecord{Key: overlay.RawKey(first).ID(), Provider: &other})
		}
		ask(c, &chord.HandOverRequest{Providers: list})
	}
	if got := len(m.Snapshot().Providers); got != 3 {
		t.Errorf("%d providers of the first key", got)
	}
	for _, p := range m.Snapshot().Providers {
		if p.Provider.ID == overlaytest.Contact(1000).ID {
			t.Error("hearsay pushed out a provider")
		}
	}
	per := make(map[overlay.ID]int)
	for i := range 2000 {
		c := overlaytest.Contact(100 + i%7)
		key := fmt.Appendf(nil, "flood %d", i)
		ask(c, &chord.AddProviderRequest{Key: key, Provider: &c})
		ask(c, &chord.PutValueRequest{Value: &chord.ValueRecord{Key: key, Value: []byte("v")}})
	}
	s := m.Snapshot()
	keys := make(map[overlay.ID]bool)
	for _, p := range s.Providers {
		keys[p.Key] = true
		per[p.Provider.ID]++
	}
	for id, n := range per {
		if n > 5 {
			t.Errorf("%d records of one provider %s", n, id.Short())
		}
	}
	if len(keys) > 20 || len(s.Values) > 7 {
		t.Errorf("%d keys, %d values", len(keys), len(s.Values))
	}
}

// TestRecordsRestart: records outlive a restart.
func TestRecordsRestart(t *testing.T) {
	k := newKeepers(t, 12, 9)
	from := k.Nodes()[0]
	key := k.fill(from, 1)[0]
	holder := k.owners(key)[0]
	if holder == from {
		holder = k.owners(key)[1]
	}
	s := holder.Machine.(*chord.Machine).Snapshot()
	m, err := chord.New(chord.Config{
		Self: holder.Contact, Server: true, Rand: rand.New(rand.NewPCG(1, 1)),
		Records: chord.RecordConfig{Validator: anyValue{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Restore(k.Now(), s); got != 2 {
		t.Errorf("%d records restored, want 2", got)
	}
}

// TestRecordsAfterPartition: halves that were apart for ten minutes find each
// other's records within two minutes of the healing, also what was stored
// meanwhile.
func TestRecordsAfterPartition(t *testing.T) {
	for seed := uint64(10); seed < 12; seed++ {
		k := newKeepers(t, 40, seed)
		half := make(map[overlay.ID]bool)
		for i, n := range k.Nodes() {
			half[n.ID] = i%2 == 0
		}
		from := k.Nodes()[0]
		keys := k.fill(from, 10)
		k.Lost = func(a, b *overlaytest.Node, _ overlay.Message) bool { return half[a.ID] != half[b.ID] }
		k.RunFor(5 * time.Minute)
		keys = append(keys, k.fill(from, 10)...)
		k.RunFor(5 * time.Minute)
		k.Lost = nil
		k.RunFor(2 * time.Minute)
		k.found(keys, from)
		k.kept(keys, from)
	}
}

// TestKeeperIsQuiet: a ring at rest with records spends little on comparing them,
// and a join costs no storm.
func TestKeeperIsQuiet(t *testing.T) {
	k := newKeepers(t, 30, 14)
	from := k.Nodes()[0]
	k.fill(from, 100)
	k.RunFor(time.Hour)
	synced := make(map[chord.MessageType]int)
	k.Lost = func(_, _ *overlaytest.Node, m overlay.Message) bool {
		if msg, ok := m.(chord.Message); ok {
			synced[msg.Type()]++
		}
		return false
	}
	k.RunFor(time.Hour)
	// Every 10 minutes each node compares with its Copies-1 successors and its
	// predecessor: 6*30*4 in an hour.
	if n := synced[chord.TypeSync]; n == 0 || n > 6*30*4*3/2 {
		t.Errorf("%d comparisons in an hour of rest", n)
	}
	if n := synced[chord.TypeHandOver]; n != 0 {
		t.Errorf("%d messages with records in an hour of rest", n)
	}
	clear(synced)
	k.join()
	k.RunFor(time.Minute)
	t.Logf("a join: %d comparisons, %d messages with records", synced[chord.TypeSync], synced[chord.TypeHandOver])
	if n := synced[chord.TypeHandOver]; n == 0 || n > 2*copies*2 {
		t.Errorf("%d messages with records for one newcomer", n)
	}
}
