package record_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
	"ringswap/overlay/record"
)

var epoch = time.Unix(1_000_000, 0)

func contact(n int) *overlay.Contact {
	c := overlaytest.Contact(n)
	return &c
}

func bare(n int) *overlay.Contact {
	c := overlay.NewContact(overlaytest.PeerID(n))
	return &c
}

// nearZero is the measure of a node at 0 by XOR.
func nearZero(a, b overlay.ID) bool { return a.Compare(b) < 0 }

func newProviders(l record.ProviderLimits) *record.Providers {
	return record.NewProviders(l, nearZero, rand.New(rand.NewPCG(1, 1)))
}

func TestProviders(t *testing.T) {
	tab := newProviders(record.ProviderLimits{Keys: 10, PerKey: 3, PerPeer: 8})
	key := overlay.ID{1}
	add := func(c *overlay.Contact, hours int) {
		t.Helper()
		if err := tab.Add(key, c, epoch.Add(time.Duration(hours)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := tab.Check(); err != nil {
			t.Fatal(err)
		}
	}
	want := func(now time.Time, peers ...int) {
		t.Helper()
		got := tab.Get(now, key)
		if !slices.EqualFunc(got, peers, func(p record.Provider, n int) bool { return p.Contact.Peer == overlaytest.PeerID(n) }) {
			t.Errorf("%d providers, want %v", len(got), peers)
		}
	}
	add(contact(1), 4)
	add(contact(2), 2) // a shorter life is in its place, whenever it came
	add(contact(3), 3)
	want(epoch, 1, 3, 2)
	want(epoch.Add(2*time.Hour), 1, 3)
	add(bare(2), 5) // renewed, and no address is no reason to forget one
	want(epoch, 2, 1, 3)
	if p := tab.Get(epoch, key)[0]; len(p.Contact.Addrs) == 0 {
		t.Error("a record without addresses took the place of one that had them")
	}
	add(contact(2), 1) // an older message never shortens a life
	want(epoch, 2, 1, 3)
	if err := tab.Add(key, contact(4), epoch.Add(time.Hour)); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("a full key took what expires before all others: %v", err)
	}
	add(contact(4), 6) // the one that expires first makes room
	want(epoch, 4, 2, 1)
	tab.Expire(epoch.Add(5 * time.Hour))
	want(epoch, 4)
	if tab.Len() != 1 || tab.Records() != 1 || tab.OfPeer(overlaytest.PeerID(2)) != 0 {
		t.Errorf("%d keys, %d records after most expired", tab.Len(), tab.Records())
	}
	if tab.Drop(key); tab.Len()+tab.Records()+tab.OfPeer(overlaytest.PeerID(4)) != 0 {
		t.Error("dropping the last key leaves something behind")
	}
}

func TestProviderLimits(t *testing.T) {
	tab := newProviders(record.ProviderLimits{Keys: 10, PerKey: 3, PerPeer: 4})
	refused := 0
	for i := range 30 {
		if err := tab.Add(overlay.ID{byte(i)}, contact(1), epoch); err != nil {
			refused++
		}
	}
	if refused != 26 || tab.OfPeer(overlaytest.PeerID(1)) != 4 {
		t.Errorf("one provider has %d records, %d were refused", tab.OfPeer(overlaytest.PeerID(1)), refused)
	}
	for i := range 300 {
		_ = tab.Add(overlay.RawKey(fmt.Append(nil, i)).ID(), contact(2+i), epoch)
	}
	if tab.Len() > 10 {
		t.Errorf("%d keys", tab.Len())
	}
	if err := tab.Check(); err != nil {
		t.Error(err)
	}
}

// TestFloodKeepsOwnKeys: keys from all over the keyspace do not push out those
// near this node.
func TestFloodKeepsOwnKeys(t *testing.T) {
	tab := newProviders(record.ProviderLimits{Keys: 64, PerKey: 4, PerPeer: 1 << 20})
	for i := range 16 { // keys near this node
		if err := tab.Add(overlay.ID{0: 0, 1: byte(i)}, contact(1), epoch); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10_000 {
		id := overlay.RawKey(fmt.Append(nil, i)).ID()
		id[0] |= 0x80
		_ = tab.Add(id, contact(2), epoch)
	}
	kept := 0
	for i := range 16 {
		kept += len(tab.Get(epoch.Add(-1), overlay.ID{0: 0, 1: byte(i)}))
	}
	if kept != 16 {
		t.Errorf("%d of 16 keys of our own survived a flood", kept)
	}
	if err := tab.Check(); err != nil {
		t.Error(err)
	}
}

// greater accepts every value that is not "bad" and prefers the greater.
type greater struct{}

func (greater) Validate(_, v []byte) error {
	if string(v) == "bad" {
		return overlay.ErrRefused
	}
	return nil
}
func (greater) Better(_, a, b []byte) bool { return slices.Compare(a, b) > 0 }

func TestValues(t *testing.T) {
	var gone []overlay.ID
	tab := record.NewValues(2, greater{}, nearZero, rand.New(rand.NewPCG(1, 1)), func(id overlay.ID) { gone = append(gone, id) })
	key := overlay.RawKey([]byte("k"))
	put := func(value string, age, life time.Duration) error {
		err := tab.Put(epoch, key, []byte(value), epoch.Add(-age), life)
		if check := tab.Check(); check != nil {
			t.Fatal(check)
		}
		return err
	}
	for _, x := range []struct {
		value     string
		age, life time.Duration
		ok        bool
		left      time.Duration // until it expires
	}{
		{"bad", 0, time.Hour, false, 0},
		{"m", 2 * time.Hour, time.Hour, false, 0}, // it has expired
		{"m", 20 * time.Minute, time.Hour, true, 40 * time.Minute},
		{"a", 0, time.Hour, false, 40 * time.Minute},                    // worse
		{"m", 30 * time.Minute, time.Hour, true, 40 * time.Minute},      // older: nothing is lost
		{"m", -time.Hour, time.Hour, true, time.Hour},                   // the future is now
		{"z", 50 * time.Minute, time.Hour, true, 10 * time.Minute},      // better, and its own time
		{"z", 50 * time.Minute, 2 * time.Hour, true, 70 * time.Minute},  // nearer to the key now
		{"m", 50 * time.Minute, 2 * time.Hour, false, 70 * time.Minute}, // it was here once
	} {
		if err := put(x.value, x.age, x.life); (err == nil) != x.ok {
			t.Errorf("%q, %v old: %v", x.value, x.age, err)
		}
		if v := tab.Get(epoch, key.ID()); x.left > 0 && (v == nil || v.Expires.Sub(epoch) != x.left) {
			t.Errorf("after %q, %v old, the value is %+v; want %v left", x.value, x.age, v, x.left)
		}
	}
	if v := tab.Get(epoch.Add(70*time.Minute), key.ID()); v != nil {
		t.Error("got a value that has expired")
	}
	tab.Expire(epoch.Add(70 * time.Minute))
	if tab.Len() != 0 || !slices.Equal(gone, []overlay.ID{key.ID()}) {
		t.Errorf("%d values after all expired; told of %d", tab.Len(), len(gone))
	}
}

// TestValuesMakeRoom: a full table keeps what is near, and says what it drops.
func TestValuesMakeRoom(t *testing.T) {
	left := make(map[overlay.ID]bool)
	tab := record.NewValues(20, greater{}, nearZero, rand.New(rand.NewPCG(1, 1)), func(id overlay.ID) { delete(left, id) })
	var keys []overlay.Key
	for i := range 400 {
		key := overlay.RawKey(fmt.Append(nil, i))
		keys = append(keys, key)
		left[key.ID()] = true
		if err := tab.Put(epoch, key, []byte("v"), epoch, time.Hour); err != nil {
			delete(left, key.ID())
		}
	}
	if tab.Len() != 20 || len(left) != 20 {
		t.Fatalf("%d values, %d by what was told", tab.Len(), len(left))
	}
	slices.SortFunc(keys, func(a, b overlay.Key) int { return a.ID().Compare(b.ID()) })
	kept := 0
	for v := range tab.All() {
		if i := slices.Index(keys, v.Key); i < 40 {
			kept++
		}
	}
	if kept < 18 {
		t.Errorf("only %d of 20 values are among the 40 nearest of 400", kept)
	}
}

// TestSnapshot: what is saved comes back with its remaining time, and nothing
// that a peer could not have given.
func TestSnapshot(t *testing.T) {
	limits := record.ProviderLimits{Keys: 100, PerKey: 3, PerPeer: 100}
	tab, values := newProviders(limits), record.NewValues(10, greater{}, nearZero, nil, nil)
	for i := 1; i <= 3; i++ {
		if err := tab.Add(overlay.ID{9}, contact(i), epoch.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := values.Put(epoch, overlay.RawKey([]byte("k")), []byte("v"), epoch, 90*time.Minute); err != nil {
		t.Fatal(err)
	}
	now := epoch.Add(time.Hour) // the first record has expired
	s := record.Save(now, tab, values)
	if len(s.Providers) != 2 || len(s.Values) != 1 || string(s.Values[0].Key) != "k" {
		t.Fatalf("saved %+v", s)
	}
	slices.Reverse(s.Providers)
	s.Providers = append(
		s.Providers,
		record.SavedProvider{Key: overlay.ID{1}, Provider: *contact(9), Expires: now.Add(1000 * time.Hour)},
		record.SavedProvider{Key: overlay.ID{2}, Expires: now.Add(time.Hour)},
		record.SavedProvider{Key: overlay.ID{3}, Provider: *contact(7), Expires: now.Add(time.Hour)},
		record.SavedProvider{Key: overlay.ID{4}, Provider: *contact(8), Expires: now},
	)
	again := newProviders(limits)
	if got := again.Restore(now, s.Providers, overlaytest.PeerID(7), 48*time.Hour); got != 3 {
		t.Errorf("%d records taken, want 3", got)
	}
	if err := again.Check(); err != nil {
		t.Error(err)
	}
	if got := again.Get(now, overlay.ID{9}); len(got) != 2 || got[0].Contact.Peer != overlaytest.PeerID(3) {
		t.Errorf("%d providers", len(got))
	}
	if got := again.Get(now.Add(48*time.Hour), overlay.ID{1}); len(got) != 0 {
		t.Error("a record in a snapshot outlives the longest life")
	}
}
