package swap_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"ringswap/transfer/dag"
	"ringswap/transfer/swap"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	mh "github.com/multiformats/go-multihash"
)

const network = "swaptest"

func rawCid(data []byte) cid.Cid {
	sum := sha256.Sum256(data)
	h, err := mh.Encode(sum[:], mh.SHA2_256)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, h)
}

// file is content in chunks, with a made-up root.
type file struct {
	root   cid.Cid
	chunks []dag.Chunk
	data   [][]byte
}

func newFile(seed uint64, chunks, size int) *file {
	f := &file{root: rawCid(fmt.Append(nil, "root", seed, chunks, size))}
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	for range chunks {
		b := make([]byte, size)
		_, _ = rng.Read(b)
		f.data = append(f.data, b)
		f.chunks = append(f.chunks, dag.Chunk{Cid: rawCid(b), Size: size})
	}
	return f
}

// memSource serves blocks from memory.
type memSource struct {
	mu     sync.Mutex
	blocks map[cid.Cid][]byte
	swarms map[cid.Cid]*swap.Holding
}

func newMemSource() *memSource {
	return &memSource{blocks: make(map[cid.Cid][]byte), swarms: make(map[cid.Cid]*swap.Holding)}
}

func (m *memSource) add(f *file, chunks ...int) *swap.Holding {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := swap.NewHolding(len(f.chunks))
	for _, i := range chunks {
		m.blocks[f.chunks[i].Cid] = f.data[i]
		h.Add(i)
	}
	if len(chunks) == 0 {
		for i, c := range f.chunks {
			m.blocks[c.Cid] = f.data[i]
		}
		h = swap.CompleteHolding(len(f.chunks))
	}
	m.swarms[f.root] = h
	return h
}

func (m *memSource) Size(_ context.Context, c cid.Cid) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blocks[c]
	if !ok {
		return 0, swap.ErrNotHave
	}
	return len(b), nil
}

func (m *memSource) ReadAt(_ context.Context, c cid.Cid, p []byte, off int64) (int, error) {
	m.mu.Lock()
	b, ok := m.blocks[c]
	m.mu.Unlock()
	if !ok {
		return 0, swap.ErrNotHave
	}
	return bytes.NewReader(b).ReadAt(p, off)
}

func (m *memSource) Swarm(root cid.Cid) *swap.Holding {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.swarms[root]
}

func newHost(t testing.TB) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func info(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

func serve(t testing.TB, src swap.Source, cfg swap.ServerConfig) (host.Host, *swap.Server) {
	t.Helper()
	h := newHost(t)
	cfg.Network = network
	srv, err := swap.NewServer(h, src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return h, srv
}

func session(t testing.TB, h host.Host, root cid.Cid, cfg swap.SessionConfig) *swap.Session {
	t.Helper()
	cfg.Network = network
	s, err := swap.NewSession(h, root, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// collect fetches all chunks and compares them.
func collect(t testing.TB, ctx context.Context, s *swap.Session, f *file, order swap.Order) {
	t.Helper()
	var mu sync.Mutex
	seen := make([]int, len(f.chunks))
	last := -1
	err := s.FetchChunks(ctx, swap.ChunkFetch{Chunks: f.chunks, Order: order, Deliver: func(i int, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if order == swap.Sequential && i <= last {
			t.Errorf("chunk %d after %d", i, last)
		}
		last = i
		seen[i]++
		if !bytes.Equal(data, f.data[i]) {
			t.Errorf("chunk %d: wrong bytes", i)
		}
		return nil
	}})
	if err != nil {
		for _, p := range s.Peers() {
			t.Logf("%+v", p)
		}
		t.Fatal(err)
	}
	for i, n := range seen {
		if n != 1 {
			t.Errorf("chunk %d delivered %d times", i, n)
		}
	}
}

func ctxFor(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestOneProvider(t *testing.T) {
	for _, order := range []swap.Order{swap.Rarest, swap.Sequential} {
		f := newFile(1, 40, 1<<20)
		f.chunks[39].Size, f.data[39] = 12345, f.data[39][:12345]
		f.chunks[39].Cid = rawCid(f.data[39])
		src := newMemSource()
		src.add(f)
		h, _ := serve(t, src, swap.ServerConfig{})
		s := session(t, newHost(t), f.root, swap.SessionConfig{})
		s.AddPeer(info(h), "test")
		start := time.Now()
		collect(t, ctxFor(t, time.Minute), s, f, order)
		t.Log(time.Since(start), s.Peers())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThreeProviders(t *testing.T) {
	f := newFile(2, 64, 1<<20)
	s := session(t, newHost(t), f.root, swap.SessionConfig{})
	for range 3 {
		src := newMemSource()
		src.add(f)
		h, _ := serve(t, src, swap.ServerConfig{Up: 20 << 20})
		s.AddPeer(info(h), "test")
	}
	start := time.Now()
	collect(t, ctxFor(t, time.Minute), s, f, swap.Rarest)
	t.Log(time.Since(start))
	for _, p := range s.Peers() {
		t.Logf("%+v", p)
		if p.Verified < 10<<20 {
			t.Errorf("%s gave only %d bytes", p.ID, p.Verified)
		}
	}
}
