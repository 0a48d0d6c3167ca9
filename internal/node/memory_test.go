package node

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
	"ringswap/overlay/record"
)

var testAddr = ma.StringCast("/ip4/192.0.2.7/tcp/4001")

func count(s record.Snapshot) int { return len(s.Providers) + len(s.Values) }

func someRecords(n int) (kept record.Snapshot) {
	now := time.Unix(1_800_000_000, 0)
	for i := range n {
		kept.Providers = append(kept.Providers, record.SavedProvider{
			Key:      overlay.RawKey([]byte{byte(i)}).ID(),
			Provider: overlay.NewContact(overlaytest.PeerID(i), testAddr, testAddr),
			Expires:  now.Add(time.Duration(i) * time.Hour),
		})
		kept.Values = append(kept.Values, record.SavedValue{Key: []byte{1, byte(i)}, Value: bytes.Repeat([]byte{2}, i), Published: now})
	}
	return kept
}

func TestRecordsSurviveTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "records")
	if kept, err := loadRecords(path, "chord/n"); err != nil || count(kept) != 0 {
		t.Fatalf("no file: %d records, %v", count(kept), err)
	}
	want := someRecords(20)
	if err := saveRecords(path, "chord/n", want); err != nil {
		t.Fatal(err)
	}
	got, err := loadRecords(path, "chord/n")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, %v; want %v", got, err, want)
	}
	if kept, err := loadRecords(path, "chord/other"); err != nil || count(kept) != 0 {
		t.Errorf("another network's file: %d records, %v", count(kept), err)
	}
	if err := saveRecords(path, "chord/n", record.Snapshot{}); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
		t.Errorf("with nothing to keep there is %v", left)
	}
}

// Whichever byte is wrong or missing, the whole file is refused.
func TestDamagedRecordsAreRefused(t *testing.T) {
	var b bytes.Buffer
	if err := writeRecords(&b, "chord/n", someRecords(3)); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for i := range whole {
		if kept, err := readRecords(bytes.NewReader(whole[:i]), "chord/n"); !errors.Is(err, errRecordsDamaged) {
			t.Fatalf("cut off at byte %d: %d records, %v", i, count(kept), err)
		}
		wrong := bytes.Clone(whole)
		wrong[i] ^= 0x20
		if kept, err := readRecords(bytes.NewReader(wrong), "chord/n"); err == nil && count(kept) > 0 {
			t.Fatalf("with a wrong byte %d it gives %d records", i, count(kept))
		}
	}
	if _, err := readRecords(bytes.NewReader(append(whole, 0)), "chord/n"); !errors.Is(err, errRecordsDamaged) {
		t.Errorf("with a byte too many: %v", err)
	}
}

// The file is bounded: what does not fit is left out, and the rest is whole.
func TestRecordsAreBounded(t *testing.T) {
	kept := someRecords(4)
	for range maxRecordsFile/maxValue + 10 {
		kept.Values = append(kept.Values, record.SavedValue{Key: []byte("k"), Value: make([]byte, maxValue), Published: time.Unix(1, 0)})
	}
	var b bytes.Buffer
	if err := writeRecords(&b, "x", kept); err != nil {
		t.Fatal(err)
	}
	got, err := readRecords(&b, "x")
	if err != nil || len(got.Providers) != 4 || count(got) >= count(kept) {
		t.Errorf("%d of %d records, %v", count(got), count(kept), err)
	}
}

func FuzzReadRecords(f *testing.F) {
	for _, n := range []int{0, 1, 5} {
		var b bytes.Buffer
		if err := writeRecords(&b, "chord/n", someRecords(n)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(recordsMagic))
	f.Fuzz(func(t *testing.T, in []byte) {
		kept, err := readRecords(bytes.NewReader(in), "chord/n")
		if err != nil || count(kept) == 0 {
			return
		}
		var b bytes.Buffer
		if err := writeRecords(&b, "chord/n", kept); err != nil {
			t.Fatal(err)
		}
		if again, err := readRecords(&b, "chord/n"); err != nil || count(again) != count(kept) {
			t.Fatalf("%d records became %d, %v", count(kept), count(again), err)
		}
	})
}

func met(ids ...int) (cs []overlay.Contact) {
	for _, id := range ids {
		cs = append(cs, overlay.NewContact(overlaytest.PeerID(id), testAddr))
	}
	return cs
}

// A node that met few this time still remembers whom it met before: it may be
// the smaller part of a network that was cut in two.
func TestContactsOfEarlierRunsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	now := time.Now()
	c, err := loadContacts(path, "chord/n")
	if err != nil {
		t.Fatal(err)
	}
	c.remember(now.Add(-2*rememberFor), met(9))
	c.remember(now.Add(-time.Hour), met(1, 2, 3))
	c.remember(now, met(3, 4))
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	if c, err = loadContacts(path, "chord/n"); err != nil {
		t.Fatal(err)
	}
	var got []peer.ID
	for _, r := range c.file.Peers {
		got = append(got, r.Peer.ID)
	}
	var want []peer.ID
	for _, m := range met(3, 4, 1, 2) {
		want = append(want, m.Peer)
	}
	if !reflect.DeepEqual(got, want) || len(c.seeds()) != 4 {
		t.Errorf("remembered %v, want %v", got, want)
	}
	if c, err := loadContacts(path, "kademlia/n"); err != nil || len(c.seeds()) > 0 {
		t.Errorf("another overlay's peers: %d, %v", len(c.seeds()), err)
	}
	for i := range 1000 {
		c.remember(now.Add(time.Second), met(i))
	}
	if len(c.file.Peers) != maxRemembered || len(c.seeds()) != seedsAtOnce {
		t.Errorf("%d remembered, %d seeds", len(c.file.Peers), len(c.seeds()))
	}
}

func TestDamagedMemoryIsSaidAndLeftOut(t *testing.T) {
	cfg := Config{Repo: t.TempDir(), Network: "node-test", NoMDNS: true, Listen: loopbackAddr}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	m, _, err := openMemory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{m.records, m.contacts.path} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("neither JSON nor records"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	said := strings.Join(n.notices.all(), "\n")
	for _, path := range []string{m.records, m.contacts.path} {
		if !strings.Contains(said, path) {
			t.Errorf("nothing is said of %s: %s", path, said)
		}
	}
}
