package swap_test

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
	"ringswap/transfer/swap/wire"
)

func TestServerConforms(t *testing.T) {
	swaptest.Server(t, func(t testing.TB, src swap.Source) peer.AddrInfo {
		h, _ := swaptest.Serve(t, src, swap.ServerConfig{
			HelloTimeout: time.Second, WriteTimeout: 2 * time.Second, Patience: 500 * time.Millisecond,
		})
		return swaptest.Info(h)
	})
}

func TestSessionConforms(t *testing.T) {
	swaptest.Client(t, func(t testing.TB, h host.Host, root cid.Cid) swaptest.Fetcher {
		return session(t, h, root, swap.SessionConfig{
			Stall: 3 * time.Second, DialTimeout: 3 * time.Second, Backoff: 100 * time.Millisecond,
		})
	})
}

func session(t testing.TB, h host.Host, root cid.Cid, cfg swap.SessionConfig) *swap.Session {
	t.Helper()
	cfg.Network = swaptest.Network
	s, err := swap.NewSession(h, root, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func quicHost(t testing.TB) host.Host {
	return swaptest.Host(t, libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"), libp2p.Transport(quic.NewTransport))
}

// TestOverQUIC moves data and throws out a peer that takes none, over the other
// transport, whose streams have deadlines and windows of their own.
func TestOverQUIC(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(1, 24, 1<<20)
	h := quicHost(t)
	srv, err := swap.NewServer(h, swaptest.Seed(f), swap.ServerConfig{
		Network: swaptest.Network, WriteTimeout: 2 * time.Second, Patience: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	s := session(t, quicHost(t), f.Root, swap.SessionConfig{})
	s.AddPeer(swaptest.Info(h), "test")
	swaptest.Collect(swaptest.Context(t, time.Minute), t, s, f, swap.Rarest)

	slow := swaptest.Dial(t, quicHost(t), swaptest.Info(h))
	slow.Hello(f.Root)
	for i := range uint64(200) {
		slow.Send(wire.Want{ID: i, Cid: f.Chunks[i%23].Cid, Length: 1 << 20})
	}
	slow.ThrownOut()
}

func TestLimitsWhileRunning(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(2, 8, 1<<20)
	h, srv := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Up: swap.None})
	down := swap.NewThrottle(1 << 20)
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{Down: []*swap.Throttle{down, swap.NewThrottle(0)}})
	s.AddPeer(swaptest.Info(h), "test")

	// Nobody is served: the peer has nothing to give.
	var mu sync.Mutex
	var times []time.Time
	done := make(chan error, 1)
	ctx := swaptest.Context(t, time.Minute)
	go func() {
		done <- s.FetchChunks(ctx, swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(int, []byte) error {
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Now())
			return nil
		}})
	}()
	until(t, func() bool { st := s.State(); return st.Connected == 1 && !st.Starving.IsZero() })
	if st := s.State(); st.Received != 0 {
		t.Errorf("%+v", st)
	}
	// Served again, but slowly; and then at once.
	began := time.Now()
	if err := srv.SetLimit(swap.Unlimited); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(times) == 3 })
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("three chunks, of 2.3 MiB at least, at 1 MiB/s took %v", took)
	}
	down.Set(1 << 10) // by which the rest would take an hour, and ctx ends sooner
	down.Set(swap.Unlimited)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := srv.SetLimit(-7); err == nil {
		t.Error("a negative limit")
	}
	if up := srv.Uploads(); len(up) != 1 || up[0].Sent != f.Bytes() || !up[0].Root.Equals(f.Root) {
		t.Errorf("%+v", up)
	}
}

// until waits for something that another goroutine brings about.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestNobodyIsLeft(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(3, 8, 256<<10)
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{
		NoProviders: 500 * time.Millisecond, Backoff: 10 * time.Millisecond, MaxAttempts: 3,
	})
	gone := swaptest.Host(t)
	_ = gone.Close()
	s.AddPeer(peer.AddrInfo{ID: gone.ID(), Addrs: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/1")}}, "test")
	err := s.FetchChunks(swaptest.Context(t, time.Minute), swap.ChunkFetch{Chunks: f.Chunks})
	if !errors.Is(err, swap.ErrNoProviders) {
		t.Errorf("%v", err)
	}
	until(t, func() bool { p := s.Peers(); return len(p) == 1 && p[0].Status == swap.PeerFailed && p[0].Reason != "" })
}

// TestManyPeers offers far more peers than a session uses at a time, most of
// them dead.
func TestManyPeers(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(4, 20, 64<<10)
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{MaxPeers: 4, Backoff: 10 * time.Millisecond})
	for range 25 {
		key, _, err := crypto.GenerateEd25519Key(nil)
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		s.AddPeer(peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/1")}}, "dead")
	}
	h, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{})
	if !s.AddPeer(swaptest.Info(h), "alive") || s.AddPeer(swaptest.Info(h), "again") {
		t.Error("AddPeer says who is new")
	}
	swaptest.Collect(swaptest.Context(t, time.Minute), t, s, f, swap.Rarest)
	for range 100 { // and no more than the bound is remembered
		key, _, _ := crypto.GenerateEd25519Key(nil)
		id, _ := peer.IDFromPrivateKey(key)
		s.AddPeer(peer.AddrInfo{ID: id}, "dead")
	}
	if n := len(s.Peers()); n > 9*4 {
		t.Errorf("%d peers remembered", n)
	}
}

func TestConfigs(t *testing.T) {
	h := swaptest.Host(t)
	for _, cfg := range []swap.ServerConfig{
		{}, {Network: "x", Up: -2}, {Network: "x", MaxWriting: 1000}, {Network: "x", MaxStreams: -1}, {Network: "x", WriteTimeout: -1},
	} {
		if _, err := swap.NewServer(h, swaptest.NewSource(), cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
	root := swaptest.NewContent(1, 1, 1).Root
	for _, cfg := range []swap.SessionConfig{
		{}, {Network: "x", Buffer: 1000}, {Network: "x", MaxPeers: -1}, {Network: "x", Stall: -1},
	} {
		if _, err := swap.NewSession(h, root, cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
	if _, err := swap.NewSession(h, cid.Undef, swap.SessionConfig{Network: "x"}); err == nil {
		t.Error("an undefined root is accepted")
	}
}

// TestMemoryIsBounded fetches 512 MiB through the default buffers and looks at
// the heap meanwhile, of both sides together.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 512 MiB")
	}
	swaptest.Leaks(t)
	f := swaptest.NewContent(5, 4, 1<<20) // served again and again
	h, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{})
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{})
	s.AddPeer(swaptest.Info(h), "test")
	chunks := make([]dag.Chunk, 512)
	for i := range chunks {
		chunks[i] = f.Chunks[i%3]
	}
	var mu sync.Mutex
	n, worst := 0, uint64(0)
	var m runtime.MemStats
	err := s.FetchChunks(swaptest.Context(t, time.Minute), swap.ChunkFetch{Chunks: chunks, Deliver: func(int, []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%64 == 0 {
			runtime.ReadMemStats(&m)
			worst = max(worst, m.HeapSys-m.HeapReleased)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if worst > 128<<20 {
		t.Errorf("a heap of %d MiB", worst>>20)
	}
	t.Logf("a heap of %d MiB", worst>>20)
}

// BenchmarkTransfer moves 256 MiB between two hosts in this process.
func BenchmarkTransfer(b *testing.B) {
	for name, make := range map[string]func(testing.TB) host.Host{
		"tcp": func(t testing.TB) host.Host { return swaptest.Host(t) }, "quic": quicHost,
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, make, 256, 1<<20) })
	}
	// The same over small blocks: what a folder of small files costs.
	b.Run("small", func(b *testing.B) {
		benchmark(b, func(t testing.TB) host.Host { return swaptest.Host(t) }, 10_000, 4096)
	})
}

func benchmark(b *testing.B, newHost func(testing.TB) host.Host, chunks, size int) {
	f := swaptest.NewContent(6, chunks, size)
	h := newHost(b)
	srv, err := swap.NewServer(h, swaptest.Seed(f), swap.ServerConfig{Network: swaptest.Network})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	to := newHost(b)
	b.SetBytes(f.Bytes())
	b.ReportAllocs()
	for b.Loop() {
		s := session(b, to, f.Root, swap.SessionConfig{})
		s.AddPeer(swaptest.Info(h), "bench")
		err := s.FetchChunks(b.Context(), swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(int, []byte) error { return nil }})
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}

// TestMemoryOfManyPeers fetches from many slow peers at once, each of which is
// asked for little at a time, and looks at what the session holds meanwhile.
func TestMemoryOfManyPeers(t *testing.T) {
	swaptest.Leaks(t)
	const peers, buffer = 32, 8 << 20
	f := swaptest.NewContent(9, 24, 1<<20)
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{Buffer: buffer})
	for range peers {
		h, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Up: 300_000})
		s.AddPeer(swaptest.Info(h), "test")
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	most, mostIdle, samples := 0, 0, 0
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				used, idle := s.Held()
				most, mostIdle, samples = max(most, used), max(mostIdle, idle), samples+1
			}
		}
	})
	swaptest.Collect(swaptest.Context(t, 2*time.Minute), t, s, f, swap.Rarest)
	close(done)
	wg.Wait()
	t.Logf("%d KiB in use at most, %d KiB idle, of a buffer of %d KiB; %d samples", most>>10, mostIdle>>10, buffer>>10, samples)
	// A block of which the parts come from several is joined in a buffer of its own.
	if bound := 2*buffer + 4<<20; most > bound || mostIdle > 16<<20 {
		t.Errorf("%d bytes in use, the bound is %d; %d idle", most, bound, mostIdle)
	}
}
