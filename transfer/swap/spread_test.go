package swap_test

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"golang.org/x/sync/errgroup"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
	"ringswap/transfer/swap/wire"
)

// TestSpreadNamesOthersToEach: the first peer is told of everything, two more of
// two chunks each, all different; who takes its chunks, or wants none of them, is
// told of more, until everything was sent twice.
func TestSpreadNamesOthersToEach(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(31, 16, 64<<10)
	src := swaptest.Seed(f)
	src.Hold(f.Root, swap.CompleteHolding(0).WithSize(f.Bytes()).Spread(len(f.Chunks)))
	h, _ := swaptest.Serve(t, src, swap.ServerConfig{})
	to := swaptest.Info(h)
	first := swaptest.Dial(t, swaptest.Host(t), to)
	if s := first.Hello(f.Root); s.Status != wire.StatusComplete {
		t.Fatalf("the only peer is told %+v", s)
	}
	named := make(map[uint64]int)
	known := func(c *swaptest.Conn, n int) (chunks []uint64) {
		for len(chunks) < n {
			typ, body := nextFrame(t, c)
			m, err := wire.ParseHave(body)
			if err != nil || typ != wire.TypeHave {
				t.Fatalf("frame of type %d: %v", typ, err)
			}
			for _, run := range m.Runs {
				for i := range run.Count {
					chunks = append(chunks, run.First+i)
				}
			}
		}
		return chunks
	}
	second, third := swaptest.Dial(t, swaptest.Host(t), to), swaptest.Dial(t, swaptest.Host(t), to)
	for _, c := range []*swaptest.Conn{second, third} {
		if s := c.Hello(f.Root); s.Status != wire.StatusPartial || int(s.Chunks) != len(f.Chunks) {
			t.Fatalf("a further peer is told %+v", s)
		}
		for _, i := range known(c, 2) {
			named[i]++
		}
	}
	if len(named) != 4 {
		t.Errorf("two peers were told of the same: %v", named)
	}
	// Who reads in order is told everything.
	reader := swaptest.Dial(t, swaptest.Host(t), to)
	reader.Send(wire.Hello{Version: wire.Version, Features: wire.FeatureOrder, Root: f.Root})
	if s := reader.State(); s.Status != wire.StatusComplete || s.Features&wire.FeatureOrder == 0 {
		t.Errorf("a reader in order is told %+v", s)
	}
	// It asks for nothing: in time it knows everything.
	known(third, len(f.Chunks)-2)
	// Twice as much as there is goes to the first: then the second is told all.
	for round := range uint64(2) {
		for i, c := range f.Chunks {
			id := round*100 + uint64(i)
			first.Send(wire.Want{ID: id, Cid: c.Cid})
			first.Answers(1)
		}
	}
	for {
		typ, body := nextFrame(t, second)
		if typ == wire.TypeHave {
			continue
		}
		if s, err := wire.ParseState(body); typ != wire.TypeState || err != nil || s.Status != wire.StatusComplete {
			t.Errorf("in the end a peer is told %d, %+v (%v)", typ, s, err)
		}
		return
	}
}

// nextFrame reads a frame; the body is valid until the next one.
func nextFrame(t *testing.T, c *swaptest.Conn) (wire.Type, []byte) {
	t.Helper()
	h, err := c.R.Next()
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.R.Body(h)
	if err != nil {
		t.Fatal(err)
	}
	return h.Type, body
}

// TestSpreadReachesEveryone has five sessions fetch at once from a slow seed and
// from each other.
func TestSpreadReachesEveryone(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(32, 24, 256<<10)
	src := swaptest.Seed(f)
	src.Hold(f.Root, swap.CompleteHolding(0).WithSize(f.Bytes()).Spread(len(f.Chunks)))
	seed, srv := swaptest.Serve(t, src, swap.ServerConfig{Up: 8 << 20})
	ctx := swaptest.Context(t, time.Minute)
	var grp errgroup.Group
	type node struct {
		host host.Host
		s    *swap.Session
		have *swap.Holding
		own  *swaptest.Source
	}
	var nodes []node
	for range 5 {
		n := node{have: swap.NewHolding(len(f.Chunks)).WithSize(f.Bytes()), own: swaptest.NewSource()}
		n.own.Hold(f.Root, n.have)
		h, _ := swaptest.Serve(t, n.own, swap.ServerConfig{})
		n.host, n.s = h, session(t, h, f.Root, swap.SessionConfig{})
		for _, o := range nodes {
			n.s.AddPeer(swaptest.Info(o.host), "test")
			o.s.AddPeer(swaptest.Info(h), "test")
		}
		n.s.AddPeer(swaptest.Info(seed), "test")
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		grp.Go(func() error {
			return n.s.FetchChunks(ctx, swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(i int, data []byte) error {
				n.own.Put(append([]byte(nil), data...))
				n.have.Add(i)
				return nil
			}})
		})
	}
	if err := grp.Wait(); err != nil {
		t.Fatal(err)
	}
	var sent int64
	for _, u := range srv.Uploads() {
		sent += u.Sent
	}
	t.Logf("the seed sent %.2f times the content to five peers", float64(sent)/float64(f.Bytes()))
}
