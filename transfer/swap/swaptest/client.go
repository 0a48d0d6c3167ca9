package swaptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/wire"
)

// Fetcher is what the suite [Client] needs of a requester.
type Fetcher interface {
	AddPeer(info peer.AddrInfo, source string) bool
	Blocks(ctx context.Context, cids []cid.Cid, each func(i int, data []byte) error) error
	FetchChunks(ctx context.Context, f swap.ChunkFetch) error
	Peers() []swap.PeerStats
	Close() error
}

type startClient = func(t testing.TB, h host.Host, root cid.Cid) Fetcher

// Client is the suite for requesters. start makes one on h that gives a silent
// peer up after a few seconds and tries a lost one again within a second.
func Client(t *testing.T, start func(t testing.TB, h host.Host, root cid.Cid) Fetcher) {
	for name, f := range map[string]func(t *testing.T, start startClient){
		"one provider":    clientOne,
		"three providers": clientThree,
		"nodes":           clientNodes,
		"partial holders": clientPartial,
		"dies midway":     clientDies,
		"comes back":      clientComesBack,
		"liar":            clientLiar,
		"two half liars":  clientHalfLiars,
		"bad company":     clientBadCompany,
		"one byte":        clientDrip,
		"stalls":          clientStalls,
		"deliver fails":   clientDeliverFails,
		"given up":        clientGivenUp,
	} {
		t.Run(name, func(t *testing.T) {
			Leaks(t)
			f(t, start)
		})
	}
}

// Collect fetches all of f and compares every byte.
func Collect(ctx context.Context, t testing.TB, s Fetcher, f *Content, order swap.Order) {
	t.Helper()
	var mu sync.Mutex
	seen, last := make([]int, len(f.Chunks)), -1
	err := s.FetchChunks(ctx, swap.ChunkFetch{Chunks: f.Chunks, Order: order, Deliver: func(i int, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if order == swap.Sequential && i <= last {
			t.Errorf("chunk %d after %d", i, last)
		}
		last = i
		seen[i]++
		if !bytes.Equal(data, f.Data[i]) {
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

// stats returns what s knows of p.
func stats(s Fetcher, p peer.ID) swap.PeerStats {
	for _, st := range s.Peers() {
		if st.ID == p {
			return st
		}
	}
	return swap.PeerStats{}
}

func clientOne(t *testing.T, start startClient) {
	for _, order := range []swap.Order{swap.Rarest, swap.Sequential} {
		f := NewContent(1, 40, 1<<20)
		h, _ := Serve(t, Seed(f), swap.ServerConfig{})
		s := start(t, Host(t), f.Root)
		s.AddPeer(Info(h), "test")
		Collect(Context(t, time.Minute), t, s, f, order)
		if st := stats(s, h.ID()); st.Verified != f.Bytes() || st.Received != f.Bytes() || st.Sources[0] != "test" {
			t.Errorf("%+v", st)
		}
	}
}

func clientThree(t *testing.T, start startClient) {
	f := NewContent(2, 48, 1<<20)
	s := start(t, Host(t), f.Root)
	var hosts []host.Host
	for range 3 {
		h, _ := Serve(t, Seed(f), swap.ServerConfig{Up: 20 << 20})
		hosts = append(hosts, h)
		s.AddPeer(Info(h), "test")
	}
	Collect(Context(t, time.Minute), t, s, f, swap.Rarest)
	for _, h := range hosts {
		if st := stats(s, h.ID()); st.Verified < f.Bytes()/6 {
			t.Errorf("one of three equals gave %d of %d bytes", st.Verified, f.Bytes())
		}
	}
}

// clientNodes fetches blocks of which only the CIDs are known.
func clientNodes(t *testing.T, start startClient) {
	f := NewContent(3, 300, 5000)
	big := NewContent(4, 2, 2<<20)
	src := Seed(f)
	src.Put(big.Data[0])
	src.Put(nil)
	h, _ := Serve(t, src, swap.ServerConfig{})
	s := start(t, Host(t), f.Root)
	s.AddPeer(Info(h), "test")
	cids, want := []cid.Cid{big.Chunks[0].Cid, RawCid(nil)}, [][]byte{big.Data[0], nil}
	for i := range f.Chunks {
		cids, want = append(cids, f.Chunks[i].Cid), append(want, f.Data[i])
	}
	var mu sync.Mutex
	n := 0
	err := s.Blocks(Context(t, time.Minute), cids, func(i int, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		n++
		if !bytes.Equal(data, want[i]) {
			t.Errorf("block %d: wrong bytes", i)
		}
		return nil
	})
	if err != nil || n != len(cids) {
		t.Errorf("%d of %d blocks, %v", n, len(cids), err)
	}
}

// clientPartial has two holders with half of the chunks each, and one of them
// gains the last ones while it serves.
func clientPartial(t *testing.T, start startClient) {
	f := NewContent(5, 40, 64<<10)
	s := start(t, Host(t), f.Root)
	var holdings []*swap.Holding
	for part := range 2 {
		src, hold := NewSource(), swap.NewHolding(len(f.Chunks))
		for i, b := range f.Data {
			src.Put(b)
			if i%2 == part && i < 38 {
				hold.Add(i)
			}
		}
		src.Hold(f.Root, hold)
		holdings = append(holdings, hold)
		h, _ := Serve(t, src, swap.ServerConfig{})
		s.AddPeer(Info(h), "test")
	}
	var mu sync.Mutex
	n := 0
	err := s.FetchChunks(Context(t, time.Minute), swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(i int, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if !bytes.Equal(data, f.Data[i]) {
			t.Errorf("chunk %d: wrong bytes", i)
		}
		if n++; n == 38 {
			holdings[0].Add(39)
			holdings[1].Add(38)
		}
		return nil
	}})
	if err != nil || n != 40 {
		t.Errorf("%d chunks, %v", n, err)
	}
}

// clientDies closes one of two providers in the middle.
func clientDies(t *testing.T, start startClient) {
	f := NewContent(6, 64, 1<<20)
	s := start(t, Host(t), f.Root)
	dying, _ := Serve(t, Seed(f), swap.ServerConfig{})
	s.AddPeer(Info(dying), "test")
	lasting, _ := Serve(t, Seed(f), swap.ServerConfig{})
	var mu sync.Mutex
	n := 0
	err := s.FetchChunks(Context(t, time.Minute), swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(i int, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if !bytes.Equal(data, f.Data[i]) {
			t.Errorf("chunk %d: wrong bytes", i)
		}
		if n++; n == 10 {
			s.AddPeer(Info(lasting), "late")
			go dying.Close()
		}
		return nil
	}})
	if err != nil || n != len(f.Chunks) {
		t.Fatalf("%d chunks, %v", n, err)
	}
	// What had been verified when it died is not fetched again.
	if a, b := stats(s, dying.ID()), stats(s, lasting.ID()); a.Verified+b.Verified != f.Bytes() || b.Received > f.Bytes()-5<<20 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// clientComesBack restarts the only provider, on another port.
func clientComesBack(t *testing.T, start startClient) {
	f := NewContent(7, 30, 1<<20)
	s := start(t, Host(t), f.Root)
	h := Host(t)
	srv, err := swap.NewServer(h, Seed(f), swap.ServerConfig{Network: Network})
	if err != nil {
		t.Fatal(err)
	}
	s.AddPeer(Info(h), "test")
	var mu sync.Mutex
	n, closed := 0, make(chan error, 1)
	err = s.FetchChunks(Context(t, time.Minute), swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(int, []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n != 5 {
			return nil
		}
		go func() {
			err := srv.Close()
			again, err2 := swap.NewServer(h, Seed(f), swap.ServerConfig{Network: Network})
			if again != nil {
				t.Cleanup(func() { _ = again.Close() })
			}
			closed <- errors.Join(err, err2)
		}()
		return nil
	}})
	if err != nil || n != len(f.Chunks) {
		t.Fatalf("%d chunks, %v; %+v", n, err, s.Peers())
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func clientDrip(t *testing.T, start startClient) {
	f := NewContent(11, 10, 256<<10)
	s := start(t, Host(t), f.Root)
	drip := Host(t)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	Handle(t, drip, func(c *Conn, _ wire.Hello) error {
		if err := c.Put(wire.State{Version: wire.Version, Status: wire.StatusComplete}); err != nil {
			return err
		}
		return c.Wants(func(w wire.Want) error {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			b := append(wire.Block{ID: w.ID, Len: int(w.Length), Last: true}.AppendHead(nil), make([]byte, w.Length)...)
			for i := range b {
				if _, err := c.S.Write(b[i : i+1]); err != nil {
					return err
				}
				select {
				case <-tick.C:
				case <-stop:
					return fmt.Errorf("stopped")
				}
			}
			return nil
		})
	})
	s.AddPeer(Info(drip), "test")
	good, _ := Serve(t, Seed(f), swap.ServerConfig{Up: 1 << 20})
	s.AddPeer(Info(good), "test")
	began := time.Now()
	Collect(Context(t, time.Minute), t, s, f, swap.Rarest)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %v beside a peer of a byte a second", took)
	}
}

// clientStalls has one provider, which stops answering for good; a new one
// comes only later.
func clientStalls(t *testing.T, start startClient) {
	f := NewContent(12, 12, 256<<10)
	s := start(t, Host(t), f.Root)
	staller := Host(t)
	Handle(t, staller, func(c *Conn, _ wire.Hello) error {
		if err := c.Put(wire.State{Version: wire.Version, Status: wire.StatusComplete}); err != nil {
			return err
		}
		n := 0
		return c.Wants(func(w wire.Want) error {
			if n++; n > 3 {
				return nil
			}
			for i := range f.Chunks {
				if f.Chunks[i].Cid == w.Cid {
					return c.PutBlock(w.ID, f.Data[i][w.Offset:w.Offset+w.Length])
				}
			}
			return nil
		})
	})
	s.AddPeer(Info(staller), "test")
	time.AfterFunc(time.Second, func() {
		good, _ := Serve(t, Seed(f), swap.ServerConfig{})
		s.AddPeer(Info(good), "late")
	})
	Collect(Context(t, time.Minute), t, s, f, swap.Sequential)
}

func clientDeliverFails(t *testing.T, start startClient) {
	f := NewContent(13, 20, 256<<10)
	h, _ := Serve(t, Seed(f), swap.ServerConfig{})
	s := start(t, Host(t), f.Root)
	s.AddPeer(Info(h), "test")
	full := errors.New("the disk is full")
	for _, order := range []swap.Order{swap.Rarest, swap.Sequential} {
		err := s.FetchChunks(Context(t, time.Minute), swap.ChunkFetch{Chunks: f.Chunks, Order: order, Deliver: func(i int, _ []byte) error {
			if i%5 == 4 {
				return full
			}
			return nil
		}})
		if !errors.Is(err, full) {
			t.Errorf("%v", err)
		}
	}
	Collect(Context(t, time.Minute), t, s, f, swap.Rarest) // and the session still works
}

func clientGivenUp(t *testing.T, start startClient) {
	f := NewContent(14, 20, 1<<20)
	h, _ := Serve(t, Seed(f), swap.ServerConfig{})
	s := start(t, Host(t), f.Root)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.AddPeer(Info(h), "test")
	calls, over := 0, false
	var mu sync.Mutex
	err := s.FetchChunks(ctx, swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(int, []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if over {
			t.Error("delivered after the fetch had returned")
		}
		if calls++; calls == 3 {
			cancel()
		}
		return nil
	}})
	mu.Lock()
	over = true
	mu.Unlock()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	Collect(Context(t, time.Minute), t, s, f, swap.Rarest)
	// Close ends a fetch that waits for providers.
	lonely := start(t, Host(t), NewContent(15, 1, 10).Root)
	ended := make(chan error, 1)
	go func() { ended <- lonely.Blocks(context.Background(), []cid.Cid{f.Chunks[0].Cid}, nil) }()
	time.AfterFunc(50*time.Millisecond, func() { _ = lonely.Close() })
	if err := <-ended; !errors.Is(err, swap.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := lonely.Blocks(context.Background(), []cid.Cid{f.Chunks[0].Cid}, nil); !errors.Is(err, swap.ErrClosed) {
		t.Errorf("%v", err)
	}
}
