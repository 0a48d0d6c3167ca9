package swap_test

import (
	"bytes"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/swaptest"
	"ringswap/transfer/swap/wire"
)

// patient is the rule that is used, but for a seed that never believes that
// contributors want nothing more: what others get then depends on no clock.
func patient(b *fair.Book) fair.Choker {
	return fair.NewCredit(b, fair.CreditConfig{Hold: 24 * time.Hour})
}

// vouch is a vouch of by for another, just now.
func vouch(t testing.TB, by host.Host, root cid.Cid, about peer.ID, n int64, change ...func(*wire.Vouch)) wire.Vouch {
	t.Helper()
	v := wire.Vouch{Root: root, By: by.ID(), For: about, Bytes: uint64(n), At: uint64(time.Now().UnixMilli())}
	for _, f := range change {
		f(&v)
	}
	v, err := v.Sign(by.Peerstore().PrivKey(by.ID()))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// askAll asks for every chunk.
func askAll(c *swaptest.Conn, f *swaptest.Content) {
	var b []byte
	for i, chunk := range f.Chunks {
		b = wire.Want{ID: uint64(i), Cid: chunk.Cid}.Append(b)
	}
	c.Write(b)
}

// TestGiversBeatTakers has a seed with a slow line, one peer of which another says
// that it gives, and takers. The takers ask first, and get no more than the gift of
// a stranger until the giver has everything.
func TestGiversBeatTakers(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(31, 16, 1<<20)
	ledger := swap.NewLedger(0)
	seed, srv := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Ledger: ledger, Up: 8 << 20, Choker: patient})
	to := swaptest.Info(seed)

	voucher, giver := swaptest.Host(t), swaptest.Host(t)
	v := swaptest.Dial(t, voucher, to)
	v.Hello(f.Root)
	v.Send(wire.Want{ID: 1, Cid: f.Chunks[0].Cid})
	v.Answers(1) // who has had a chunk of this seed may say who gave it more

	g := swaptest.Dial(t, giver, to)
	_ = g.S.SetDeadline(time.Now().Add(time.Minute))
	g.Offer(f.Root)
	g.Send(vouch(t, voucher, f.Root, giver.ID(), 1<<20))
	g.Send(wire.Want{ID: 1, Cid: f.Chunks[0].Cid, Length: 1}) // the vouch is taken in when it is answered
	g.Answers(1)

	takers := make([]host.Host, 4)
	for i := range takers {
		takers[i] = swaptest.Host(t)
		c := swaptest.Dial(t, takers[i], to)
		_ = c.S.SetDeadline(time.Now().Add(time.Minute))
		c.Offer(f.Root)
		askAll(c, f)
		go func() {
			for {
				h, err := c.R.Next()
				if err != nil {
					return
				}
				if err := c.R.Discard(h.Len); err != nil {
					return
				}
			}
		}()
	}
	askAll(g, f)
	for i, a := range g.Answers(len(f.Chunks)) {
		if !bytes.Equal(a.Data, f.Data[i]) {
			t.Fatalf("chunk %d: refused %v (%s)", i, a.Refused, a.Reason)
		}
	}
	for i, h := range takers {
		if sent := ledger.Account(h.ID()).Sent; sent > 1<<20+256<<10 {
			t.Errorf("taker %d got %d bytes before the giver was done", i, sent)
		}
	}
	if st := ledger.Standing(f.Root, giver.ID()); st.Vouched != 1<<20 || st.Sent < f.Bytes() {
		t.Errorf("the giver's standing: %+v", st)
	}
	eventually(t, "all takers are told to give first", func() bool {
		waiting := 0
		for _, u := range srv.Uploads() {
			if u.Choked && u.Reason == wire.ChokeCredit {
				waiting++
			}
		}
		return waiting == len(takers)
	})
}

// TestNoSeedNoMoreThanTheGrant asks a node that still fetches, as many takers with
// many streams each. They get the gifts, are told why they wait, and get no more.
func TestNoSeedNoMoreThanTheGrant(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(32, 24, 1<<20)
	src, held := swaptest.Seed(f), swap.NewHolding(len(f.Chunks)).WithSize(f.Bytes())
	for i := range f.Chunks[1:] {
		held.Add(i)
	}
	src.Hold(f.Root, held)
	ledger := swap.NewLedger(0)
	rule := fair.CreditConfig{GiftRate: 1}
	h, _ := swaptest.Serve(t, src, swap.ServerConfig{Ledger: ledger, Choker: func(b *fair.Book) fair.Choker { return fair.NewCredit(b, rule) }})
	session(t, h, f.Root, swap.SessionConfig{Ledger: ledger}) // it still wants something
	var sum int64
	var told sync.WaitGroup
	takers := make([]peer.ID, 6)
	for i := range takers {
		host := swaptest.Host(t)
		takers[i] = host.ID()
		for range 3 {
			c := swaptest.Dial(t, host, swaptest.Info(h))
			_ = c.S.SetDeadline(time.Now().Add(time.Minute))
			if st := c.Offer(f.Root); st.Status != wire.StatusPartial {
				t.Fatalf("%+v", st)
			}
			askAll(c, f)
			told.Go(func() {
				for {
					h, err := c.R.Next()
					if err != nil {
						t.Errorf("a taker is not told that it waits: %v", err)
						return
					}
					b, err := c.R.Body(h)
					if err != nil {
						t.Error(err)
						return
					}
					if h.Type != wire.TypeChoke {
						continue
					}
					if m, err := wire.ParseChoke(b); err != nil || m.Reason == wire.ChokeCredit {
						return
					}
				}
			})
		}
	}
	told.Wait()
	for _, id := range takers {
		sum += ledger.Account(id).Sent
	}
	// 4 MiB of gifts and 2 of tastes, for all of them together.
	if sum < 64<<10 || sum > 6<<20 {
		t.Errorf("%d bytes for nothing", sum)
	}
}

// TestFalseVouches lets a peer bring everything that is not a good vouch, while an
// honest session fetches from the same server.
func TestFalseVouches(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(33, 12, 1<<20)
	ledger := swap.NewLedger(0)
	h, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Ledger: ledger})
	honest := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{})
	honest.AddPeer(swaptest.Info(h), "test")
	var done sync.WaitGroup
	done.Go(func() { swaptest.Collect(swaptest.Context(t, time.Minute), t, honest, f, swap.Rarest) })

	voucher, bringer, other := swaptest.Host(t), swaptest.Host(t), swaptest.Host(t)
	v := swaptest.Dial(t, voucher, swaptest.Info(h))
	v.Hello(f.Root)
	v.Send(wire.Want{ID: 1, Cid: f.Chunks[0].Cid})
	v.Answers(1)

	at := func(d time.Duration) func(*wire.Vouch) {
		return func(v *wire.Vouch) { v.At = uint64(time.Now().Add(d).UnixMilli()) }
	}
	good := vouch(t, voucher, f.Root, bringer.ID(), 1<<19)
	forged := good
	forged.Bytes *= 2
	forged.At += 1000
	stolen := vouch(t, bringer, f.Root, bringer.ID(), 1<<20, at(time.Second), func(v *wire.Vouch) { v.By = voucher.ID() })
	c := swaptest.Dial(t, bringer, swaptest.Info(h))
	c.Offer(f.Root)
	for _, v := range []wire.Vouch{
		good, good, good, // replayed
		forged, stolen,
		vouch(t, voucher, swaptest.RawCid([]byte("another")), bringer.ID(), 1<<20),
		vouch(t, voucher, f.Root, bringer.ID(), 1<<20, at(time.Hour)),
		vouch(t, voucher, f.Root, bringer.ID(), 1<<20, at(-time.Hour)),
		vouch(t, voucher, f.Root, bringer.ID(), 1<<62),
		vouch(t, voucher, f.Root, other.ID(), 1<<20),
		vouch(t, voucher, f.Root, h.ID(), 1<<20),                                                 // a receipt, by another than who gives it
		vouch(t, voucher, f.Root, bringer.ID(), 1<<18, at(time.Second)),                          // less than before
		vouch(t, other, f.Root, bringer.ID(), 1<<20),                                             // of somebody nobody knows
		vouch(t, voucher, f.Root, bringer.ID(), 1<<20, func(v *wire.Vouch) { v.At = 1<<63 - 1 }), // at the end of time
	} {
		c.Send(v)
	}
	c.Send(wire.Want{ID: 9, Cid: f.Chunks[1].Cid, Length: 1000}) // answered after all of them were read
	if a := c.Answers(1)[9]; !bytes.Equal(a.Data, f.Data[1][:1000]) {
		t.Errorf("after false vouches: %+v", a)
	}
	if st := ledger.Standing(f.Root, bringer.ID()); st.Vouched != 1<<19 {
		t.Errorf("%d bytes of credit, and %d are vouched for", st.Vouched, 1<<19)
	}
	counts := ledger.Vouches()
	want := map[error]int64{
		wire.ErrSignature: 2, fair.ErrVouchRoot: 1, fair.ErrVouchFuture: 2, fair.ErrVouchStale: 1,
		fair.ErrVouchBytes: 1, fair.ErrVouchStranger: 2,
	}
	if !maps.Equal(counts.Refused, want) {
		t.Errorf("refused %v, want %v", counts.Refused, want)
	}

	var flood []byte
	for range 5000 {
		flood = forged.Append(flood)
	}
	c.Write(flood)
	malformed := swaptest.Dial(t, bringer, swaptest.Info(h))
	malformed.Offer(f.Root)
	malformed.Write(wire.AppendFrame(nil, wire.TypeVouch, []byte("for me")))
	malformed.Ends()
	done.Wait()
	if n := ledger.Vouches(); n.Ignored == 0 && n.Refused[wire.ErrSignature] < 5000 {
		t.Errorf("of a flood of vouches %d were checked and %d ignored", n.Refused[wire.ErrSignature], n.Ignored)
	}
}

// TestThanksComeAtTheEnd fetches a file in less time than it takes until peers are
// thanked: the holder hears of all that it gave, and is shown what others say.
func TestThanksComeAtTheEnd(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(35, 8, 256<<10)
	atHolder := swap.NewLedger(0)
	holder, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Ledger: atHolder})
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{}.Thanking(time.Hour))
	s.AddPeer(swaptest.Info(holder), "test")
	swaptest.Collect(swaptest.Context(t, time.Minute), t, s, f, swap.Rarest)
	eventually(t, "the holder is thanked", func() bool { return atHolder.Vouches().Taken == 1 })
}

// swarmHost is a node that fetches and serves the same content.
type swarmHost struct {
	host.Host
	ledger  *swap.Ledger
	session *swap.Session
}

func newSwarmHost(t testing.TB, f *swaptest.Content, g swap.Gossip) *swarmHost {
	t.Helper()
	src, held := swaptest.NewSource(), swap.NewHolding(len(f.Chunks)).WithSize(f.Bytes())
	src.Hold(f.Root, held)
	n := &swarmHost{ledger: swap.NewLedger(0)}
	n.Host, _ = swaptest.Serve(t, src, swap.ServerConfig{Ledger: n.ledger, Gossip: g})
	n.session = session(t, n.Host, f.Root, swap.SessionConfig{Ledger: n.ledger, Gossip: g})
	return n
}

// TestVouchesReachTheSeed has two peers get a file from a slow seed and from each
// other: each thanks the other, and the seed learns of both what they gave.
func TestVouchesReachTheSeed(t *testing.T) {
	f := swaptest.NewContent(34, 24, 256<<10)
	atSeed := swap.NewLedger(0)
	seed, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Ledger: atSeed, Up: 1 << 20})
	var done sync.WaitGroup
	src := [2]*swaptest.Source{}
	held := [2]*swap.Holding{}
	var nodes [2]*swarmHost
	for i := range nodes {
		src[i], held[i] = swaptest.NewSource(), swap.NewHolding(len(f.Chunks)).WithSize(f.Bytes())
		src[i].Hold(f.Root, held[i])
		n := &swarmHost{ledger: swap.NewLedger(0)}
		n.Host, _ = swaptest.Serve(t, src[i], swap.ServerConfig{Ledger: n.ledger})
		n.session = session(t, n.Host, f.Root, swap.SessionConfig{Ledger: n.ledger})
		nodes[i] = n
	}
	for i, n := range nodes {
		n.session.AddPeer(swaptest.Info(seed), "test")
		n.session.AddPeer(swaptest.Info(nodes[1-i].Host), "test")
		done.Go(func() {
			err := n.session.FetchChunks(swaptest.Context(t, time.Minute), swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(j int, data []byte) error {
				src[i].Put(bytes.Clone(data))
				held[i].Add(j)
				return nil
			}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	for i, n := range nodes {
		gave := nodes[1-i].ledger.Account(n.ID()).Received
		if gave < 64<<10 {
			t.Fatalf("node %d gave the other %d bytes", i, gave)
		}
		eventually(t, fmt.Sprintf("the seed hears of node %d", i), func() bool { return atSeed.Standing(f.Root, n.ID()).Vouched > 0 })
		if v := atSeed.Standing(f.Root, n.ID()).Vouched; v > gave {
			t.Errorf("the seed credits node %d with %d bytes, and it gave %d", i, v, gave)
		}
	}
	for by, l := range map[string]*swap.Ledger{"the seed": atSeed, "node 0": nodes[0].ledger, "node 1": nodes[1].ledger} {
		if c := l.Vouches(); c.Taken == 0 || len(c.Refused) > 0 {
			t.Errorf("%s: %+v", by, c)
		}
	}
	for _, p := range nodes[0].session.Peers() {
		if p.ID == nodes[1].ID() && (p.Standing.Sent == 0 || p.Standing.Received == 0) {
			t.Errorf("node 1 at node 0: %+v", p.Standing)
		}
	}
}

// eventually waits until f holds, for a minute.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not so after a minute: %s", what)
		}
	}
}

// gossip tells everybody the same and remembers what it hears.
type gossip struct {
	tell []peer.AddrInfo

	mu    sync.Mutex
	heard map[peer.ID][]peer.AddrInfo
}

func (g *gossip) Tell(cid.Cid, peer.ID) []peer.AddrInfo { return g.tell }

func (g *gossip) Heard(_ cid.Cid, from peer.ID, members []peer.AddrInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heard == nil {
		g.heard = make(map[peer.ID][]peer.AddrInfo)
	}
	g.heard[from] = append(g.heard[from], members...)
}

func (g *gossip) from(p peer.ID) []peer.AddrInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heard[p]
}

// TestMembersAreTold lets both sides of a stream name somebody; each hears it once.
func TestMembersAreTold(t *testing.T) {
	f := swaptest.NewContent(35, 1, 1000)
	someone := func(port int) []peer.AddrInfo {
		return []peer.AddrInfo{{ID: swaptest.Host(t).ID(), Addrs: []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", port))}}}
	}
	atSeed, atPeer := &gossip{tell: someone(1)}, &gossip{tell: someone(2)}
	seed, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Gossip: atSeed})
	n := newSwarmHost(t, f, atPeer)
	n.session.AddPeer(swaptest.Info(seed), "test")
	mute := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{}) // has not heard of gossip
	mute.AddPeer(swaptest.Info(seed), "test")
	eventually(t, "the seed hears of a member", func() bool { return len(atSeed.from(n.ID())) > 0 })
	eventually(t, "the peer hears of a member", func() bool { return len(atPeer.from(seed.ID())) > 0 })
	for _, c := range []struct{ got, want []peer.AddrInfo }{{atSeed.from(n.ID()), atPeer.tell}, {atPeer.from(seed.ID()), atSeed.tell}} {
		if len(c.got) != 1 || c.got[0].String() != c.want[0].String() {
			t.Errorf("heard %v, want %v", c.got, c.want)
		}
	}

	c := swaptest.Dial(t, swaptest.Host(t), swaptest.Info(seed))
	c.Offer(f.Root)
	var flood []byte
	for range 1000 {
		flood = wire.NewPeers(atPeer.tell).Append(flood)
	}
	c.Write(flood)
	c.Send(wire.Want{ID: 1, Cid: f.Chunks[0].Cid})
	for h, err := c.R.Next(); err == nil && h.Type != wire.TypeBlock; h, err = c.R.Next() {
		_ = c.R.Discard(h.Len)
	}
	if got := len(atSeed.from(c.S.Conn().LocalPeer())); got > 1 {
		t.Errorf("%d of a flood of frames were listened to", got)
	}
}
