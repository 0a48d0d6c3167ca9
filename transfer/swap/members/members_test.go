package members

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

var epoch = time.Unix(1_000_000, 0)

// id is a peer ID that is easy to read: an identity multihash.
func id(i int) peer.ID {
	text := fmt.Sprintf("node %d", i)
	return peer.ID(append([]byte{0, byte(len(text))}, text...))
}

func addr(format string, args ...any) ma.Multiaddr {
	return ma.StringCast(fmt.Sprintf(format, args...))
}

func info(i int, addrs ...string) peer.AddrInfo {
	p := peer.AddrInfo{ID: id(i)}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, addr("%s", a))
	}
	return p
}

func newMembers(t *testing.T, cfg Config) *Members {
	t.Helper()
	cfg.Self, cfg.Rand = id(0), rand.New(rand.NewPCG(1, 2))
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// at is a member at a host of 9.9.0.0/16 that listens there at one port.
func at(i int, more ...string) Member {
	m := Member{ID: id(i), Remote: addr("/ip4/9.9.%d.1/tcp/50000", i)}
	m.Claimed = append(m.Claimed, addr("/ip4/9.9.%d.1/tcp/4001", i))
	for _, a := range more {
		m.Claimed = append(m.Claimed, addr("%s", a))
	}
	return m
}

func names(infos []peer.AddrInfo) (out []peer.ID) {
	for _, i := range infos {
		out = append(out, i.ID)
	}
	slices.Sort(out)
	return out
}

func TestConfig(t *testing.T) {
	for _, bad := range []Config{
		{},
		{Self: id(0)},
		{Self: id(0), Rand: rand.New(rand.NewPCG(1, 1)), Every: -1},
		{Self: id(0), Rand: rand.New(rand.NewPCG(1, 1)), MaxTold: -1},
	} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// Everyone is told of everyone else once, and again after long; and of a newcomer when
// the time has come.
func TestTell(t *testing.T) {
	m := newMembers(t, Config{})
	for i := 1; i <= 3; i++ {
		m.Join(epoch, at(i))
	}
	for i := 1; i <= 3; i++ {
		if got := m.Tell(epoch, id(i)); len(got) != 2 || slices.Contains(names(got), id(i)) {
			t.Errorf("%s is told of %v", id(i), names(got))
		}
		if again := m.Tell(epoch.Add(14*time.Minute), id(i)); len(again) > 0 {
			t.Errorf("%s is told again of %v", id(i), names(again))
		}
		if again := m.Tell(epoch.Add(15*time.Minute), id(i)); len(again) != 2 {
			t.Errorf("%s is told later of %v", id(i), names(again))
		}
	}
	if got := m.Tell(epoch, id(9)); got != nil {
		t.Errorf("a stranger is told of %v", names(got))
	}
	now := epoch.Add(15*time.Minute + time.Second)
	m.Join(now, at(4))
	if got := m.Tell(now, id(4)); len(got) != 3 {
		t.Errorf("the newcomer is told of %v", names(got))
	}
	if got := m.Tell(now, id(1)); len(got) != 0 {
		t.Errorf("told a second after the last time: %v", names(got))
	}
	now = now.Add(14 * time.Second)
	if got := m.Tell(now, id(1)); !slices.Equal(names(got), []peer.ID{id(4)}) {
		t.Errorf("told later of %v, want the newcomer", names(got))
	}
	m.Leave(id(4))
	m.Join(now, at(4))
	if got := m.Tell(now.Add(time.Minute), id(1)); !slices.Equal(names(got), []peer.ID{id(4)}) {
		t.Errorf("after it came back: told of %v", names(got))
	}
}

// What a node claims is passed on only as far as it was met there, and only to
// those who can use it.
func TestTellOnlyWhatIsProven(t *testing.T) {
	m := newMembers(t, Config{})
	m.Join(epoch, at(1, "/ip4/8.8.8.8/udp/53/quic-v1", "/ip4/10.0.0.1/tcp/1", "/dns4/victim.example/tcp/443"))
	m.Join(epoch, Member{ID: id(2), Remote: addr("/ip4/192.168.1.7/tcp/1"), Claimed: []ma.Multiaddr{addr("/ip4/192.168.1.7/tcp/4001")}})
	m.Join(epoch, Member{ID: id(3), Remote: addr("/ip4/127.0.0.1/tcp/1"), Claimed: []ma.Multiaddr{addr("/ip4/127.0.0.1/tcp/4001")}})
	told := make(map[peer.ID][]string)
	for _, to := range m.Here() {
		for _, p := range m.Tell(epoch, to) {
			told[to] = append(told[to], fmt.Sprint(p.Addrs))
		}
		slices.Sort(told[to])
	}
	one, two := "[/ip4/9.9.1.1/tcp/4001]", "[/ip4/192.168.1.7/tcp/4001]"
	for who, want := range map[peer.ID][]string{id(1): nil, id(2): {one}, id(3): {two, one}} {
		if !slices.Equal(told[who], want) {
			t.Errorf("%s is told of %v, want %v", who, told[who], want)
		}
	}
}

func TestSeedsNeedNoSeeds(t *testing.T) {
	m := newMembers(t, Config{})
	for i := 1; i <= 3; i++ {
		n := at(i)
		n.Complete = i > 1
		m.Join(epoch, n)
	}
	for _, to := range m.Here()[1:] {
		if got := m.Tell(epoch, to); !slices.Equal(names(got), []peer.ID{id(1)}) {
			t.Errorf("seed %s is told of %v", to, names(got))
		}
	}
}

// A node through a relay is named by that way, and by no other.
func TestRelayed(t *testing.T) {
	m := newMembers(t, Config{})
	relay := "/ip4/7.7.7.7/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"
	m.Join(epoch, Member{ID: id(1), Remote: addr("%s", relay), Claimed: []ma.Multiaddr{addr("%s", relay), addr("/ip4/7.7.7.7/tcp/22")}})
	m.Join(epoch, at(2))
	if got := m.Tell(epoch, id(2)); len(got) != 1 || fmt.Sprint(got[0].Addrs) != "["+relay+"]" {
		t.Errorf("told %v", got)
	}
}

func TestHeard(t *testing.T) {
	m := newMembers(t, Config{})
	public := info(10, "/ip4/1.1.1.1/tcp/1")
	if _, err := m.Heard(epoch, id(1), []peer.AddrInfo{public}); !errors.Is(err, ErrNotMet) {
		t.Errorf("a stranger's word: %v", err)
	}
	m.Join(epoch, at(1))
	m.Join(epoch, at(2))
	n, err := m.Heard(epoch, id(1), []peer.AddrInfo{
		public,
		public,                           // twice
		info(0, "/ip4/1.1.1.1/tcp/2"),    // this node
		info(1, "/ip4/1.1.1.1/tcp/3"),    // itself
		info(2, "/ip4/1.1.1.1/tcp/4"),    // who is here
		info(11, "/ip4/10.0.0.1/tcp/22"), // in a network where it is not
		info(12, "/ip4/127.0.0.1/tcp/5001"),
		info(13), // nowhere
		{ID: "", Addrs: public.Addrs},
	})
	if n != 1 || err != nil {
		t.Errorf("%d taken, %v; want 1", n, err)
	}
	if _, err := m.Heard(epoch.Add(time.Second), id(1), nil); !errors.Is(err, ErrTooOften) {
		t.Errorf("a second message at once: %v", err)
	}
	if _, err := m.Heard(epoch, id(2), make([]peer.AddrInfo, 33)); !errors.Is(err, ErrTooMany) {
		t.Errorf("33 names: %v", err)
	}
	if got := m.Try(epoch, 5); len(got) != 1 || got[0].ID != id(10) {
		t.Errorf("to be tried: %v", got)
	}
	if got := m.Try(epoch.Add(59*time.Second), 5); len(got) != 0 {
		t.Errorf("to be tried again: %v", got)
	}
	later := epoch.Add(11 * time.Minute)
	if n, err := m.Heard(later, id(1), []peer.AddrInfo{public}); n != 1 || err != nil {
		t.Errorf("named again later: %d, %v", n, err)
	}
}

// Many names that lead into one net make this node knock there a few times only.
func TestOneNetIsNotFlooded(t *testing.T) {
	m := newMembers(t, Config{})
	tried := 0
	for i := range 100 {
		now := epoch.Add(time.Duration(i) * time.Second)
		m.Join(now, at(i%200+1))
		var named []peer.AddrInfo
		for j := range 16 {
			named = append(named, info(1000+16*i+j, fmt.Sprintf("/ip4/5.5.5.%d/tcp/%d", j, 80+i)))
		}
		if _, err := m.Heard(now, id(i%200+1), named); err != nil {
			t.Fatal(err)
		}
		for _, p := range m.Try(now, 8) {
			tried++
			m.Failed(now, p.ID)
		}
	}
	if tried > 4*3 {
		t.Errorf("%d attempts at nodes of one net within 100 s, want three at each of 4", tried)
	}
}

// Who names nodes that are not there is not listened to any more; who names some
// that are there is.
func TestLiarsAreIgnored(t *testing.T) {
	m := newMembers(t, Config{})
	m.Join(epoch, at(1))
	m.Join(epoch, at(2))
	now := epoch
	untrue := make(map[peer.ID]bool)
	for round := range 10 {
		now = now.Add(time.Minute)
		lies := []peer.AddrInfo{info(100+round, fmt.Sprintf("/ip4/20.0.%d.1/tcp/1", round))}
		untrue[lies[0].ID] = true
		truth := []peer.AddrInfo{info(200+round, fmt.Sprintf("/ip4/30.0.%d.1/tcp/1", round))}
		_, liar := m.Heard(now, id(1), lies)
		if _, err := m.Heard(now, id(2), truth); err != nil {
			t.Fatal(err)
		}
		if want := round >= 8; errors.Is(liar, ErrDistrusted) != want {
			t.Errorf("round %d: %v", round, liar)
		}
		for _, p := range m.Try(now, 8) {
			if untrue[p.ID] {
				m.Failed(now, p.ID)
				m.Failed(now, p.ID) // said twice, counted once
			} else {
				m.Join(now, Member{ID: p.ID, Remote: p.Addrs[0]})
			}
		}
	}
	m.Leave(id(1))
	m.Join(now, at(1))
	if _, err := m.Heard(now.Add(time.Hour), id(1), nil); !errors.Is(err, ErrDistrusted) {
		t.Errorf("after coming back: %v", err)
	}
}

// A crowd says and does anything; whatever it is, the bounds hold, nobody is told
// of what was not met, and nobody is told twice of the same.
func TestAnything(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 7))
		cfg := Config{Self: id(0), Rand: rand.New(rand.NewPCG(seed, 8)), MaxNamed: 20 + rng.IntN(60), MaxNamers: 5 + rng.IntN(20)}
		m, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := &crowd{t: t, seed: seed, rng: rng, m: m, here: make(map[peer.ID]Member), told: make(map[[2]peer.ID]time.Time), now: epoch}
		for range 1000 {
			w.step()
		}
	}
}

// crowd drives a Members at random and knows what must hold.
type crowd struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	m    *Members
	here map[peer.ID]Member
	told map[[2]peer.ID]time.Time
	now  time.Time
}

func (w *crowd) anyAddr() string {
	switch w.rng.IntN(6) {
	case 0:
		return fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 1+w.rng.IntN(9))
	case 1:
		return fmt.Sprintf("/ip4/10.0.%d.1/tcp/1", w.rng.IntN(4))
	case 2:
		return fmt.Sprintf("/ip6/2a00:%d::%d/udp/1/quic-v1", w.rng.IntN(4), 1+w.rng.IntN(9))
	}
	return fmt.Sprintf("/ip4/50.%d.%d.%d/tcp/1", w.rng.IntN(2), w.rng.IntN(9), w.rng.IntN(4))
}

func (w *crowd) step() {
	w.now = w.now.Add(time.Duration(w.rng.IntN(5000)) * time.Millisecond)
	who := id(w.rng.IntN(60))
	switch w.rng.IntN(6) {
	case 0:
		n := Member{ID: who, Remote: addr("%s", w.anyAddr()), Complete: w.rng.IntN(3) == 0}
		for range w.rng.IntN(4) {
			n.Claimed = append(n.Claimed, addr("%s", w.anyAddr()))
		}
		n.Claimed = append(n.Claimed, n.Remote)
		w.m.Join(w.now, n)
		if who != id(0) {
			w.here[who] = n
		}
	case 1:
		w.m.Leave(who)
		delete(w.here, who)
		for pair := range w.told {
			if pair[0] == who || pair[1] == who {
				delete(w.told, pair)
			}
		}
	case 2, 3:
		var named []peer.AddrInfo
		for range w.rng.IntN(18) {
			named = append(named, info(w.rng.IntN(300), w.anyAddr(), w.anyAddr()))
		}
		_, _ = w.m.Heard(w.now, who, named)
	case 4:
		for _, p := range w.m.Try(w.now, w.rng.IntN(4)) {
			if _, here := w.here[p.ID]; here || p.ID == id(0) || len(p.Addrs) == 0 || len(p.Addrs) > MaxAddrs {
				w.t.Fatalf("seed %d: %v is to be tried", w.seed, p)
			}
			if w.rng.IntN(2) == 0 {
				w.m.Failed(w.now, p.ID)
			}
		}
	case 5:
		w.look(who, w.m.Tell(w.now, who))
	}
	w.bounds()
}

// look checks one message.
func (w *crowd) look(id peer.ID, members []peer.AddrInfo) {
	to, ok := w.here[id]
	if len(members) > 32 || len(members) > 0 && !ok {
		w.t.Fatalf("seed %d: %v is told to %v", w.seed, members, id)
	}
	for _, p := range members {
		of, here := w.here[p.ID]
		pair := [2]peer.ID{id, p.ID}
		at, told := w.told[pair]
		if !here || told && w.now.Sub(at) < 15*time.Minute || p.ID == id || of.Complete && to.Complete {
			w.t.Fatalf("seed %d: %s is told of %s", w.seed, id, p.ID)
		}
		w.told[pair] = w.now
		for _, a := range p.Addrs {
			x, _ := ipOf(a)
			y, _ := ipOf(of.Remote)
			if x != y {
				w.t.Fatalf("seed %d: %s was met at %s and is told of at %s", w.seed, p.ID, of.Remote, a)
			}
		}
	}
}

// bounds checks what Members may keep.
func (w *crowd) bounds() {
	by, nets := make(map[peer.ID]int), make(map[net]int)
	for _, c := range w.m.named {
		if c.tries > w.m.cfg.Attempts {
			w.t.Fatalf("seed %d: %s was tried %d times", w.seed, c.info.ID, c.tries)
		}
		if !c.blamed {
			by[c.by]++
		}
		for _, n := range c.nets {
			nets[n]++
		}
		if _, here := w.here[c.info.ID]; here {
			w.t.Fatalf("seed %d: %s is here and named", w.seed, c.info.ID)
		}
	}
	for who, n := range by {
		if n > w.m.cfg.MaxByNamer {
			w.t.Fatalf("seed %d: %s named %d", w.seed, who, n)
		}
	}
	for which, n := range nets {
		if n > w.m.cfg.MaxInNet {
			w.t.Fatalf("seed %d: %d in %s", w.seed, n, which)
		}
	}
	if here, named := w.m.Count(); here != len(w.here) || named > w.m.cfg.MaxNamed || len(w.m.namers) > w.m.cfg.MaxNamers {
		w.t.Fatalf("seed %d: %d here, %d named, %d namers", w.seed, here, named, len(w.m.namers))
	}
}
