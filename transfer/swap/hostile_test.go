package swap_test

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"
	"golang.org/x/sync/errgroup"

	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
)

// child is a link of a hostile node, with what the node claims of it.
type child struct {
	cid  cid.Cid
	size uint64
}

// fileNode puts a node of a file into src that claims to have so many bytes.
func fileNode(t *testing.T, src *swaptest.Source, claims uint64, children ...child) cid.Cid {
	t.Helper()
	fsn := unixfs.NewFSNode(unixfs.TFile)
	n := &merkledag.ProtoNode{}
	for _, c := range children {
		fsn.AddBlockSize(c.size)
		if err := n.AddRawLink("", &ipld.Link{Cid: c.cid, Size: min(c.size, 1<<40) + 1000}); err != nil {
			t.Fatal(err)
		}
	}
	fsn.UpdateFilesize(int64(claims) - int64(fsn.FileSize()))
	data, err := fsn.GetBytes()
	if err != nil {
		t.Fatal(err)
	}
	n.SetData(data)
	block := n.RawData()
	src.Put(block)
	return cid.NewCidV1(cid.DagProtobuf, swaptest.RawCid(block).Hash())
}

// TestHostileManifests asks a holder for DAGs that nobody could keep: each is
// refused at a bounded cost, while an honest transfer goes on in the same process
// from the same holder.
func TestHostileManifests(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(41, 40, 256<<10)
	src := swaptest.Seed(f)
	leaf := f.Chunks[0]
	chain := func(levels int) cid.Cid {
		c := leaf.Cid
		for range levels {
			c = fileNode(t, src, uint64(leaf.Size), child{c, uint64(leaf.Size)})
		}
		return c
	}
	wide := func(levels int) cid.Cid { // 64^levels chunks out of a few nodes
		c, size := leaf.Cid, uint64(leaf.Size)
		for range levels {
			c = fileNode(t, src, 64*size, slices.Repeat([]child{{c, size}}, 64)...)
			size *= 64
		}
		return c
	}
	inner := chain(1)
	identity, err := mh.Sum([]byte{0x0a, 0x02, 0x08, 0x02}, mh.IDENTITY, -1)
	if err != nil {
		t.Fatal(err)
	}
	roots := map[string]struct {
		root cid.Cid
		want error
	}{
		"2^63 bytes":               {fileNode(t, src, 1<<63, child{leaf.Cid, 1 << 63}), dag.ErrTooLarge},
		"2^63 bytes in halves":     {fileNode(t, src, 1<<63, child{inner, 1 << 62}, child{inner, 1 << 62}), dag.ErrTooLarge},
		"more than its child":      {fileNode(t, src, 1<<40, child{inner, 1 << 40}), dag.ErrMalformed},
		"2000 levels":              {chain(2000), dag.ErrTooLarge},
		"64^6 chunks":              {wide(6), dag.ErrTooLarge},
		"a child that is its name": {fileNode(t, src, 50, child{cid.NewCidV1(cid.DagProtobuf, identity), 50}), dag.ErrMalformed},
	}
	h, _ := swaptest.Serve(t, src, swap.ServerConfig{})
	ctx := swaptest.Context(t, time.Minute)
	var grp errgroup.Group
	honest := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{})
	honest.AddPeer(swaptest.Info(h), "test")
	grp.Go(func() error {
		for range 5 {
			if err := honest.FetchChunks(ctx, swap.ChunkFetch{Chunks: f.Chunks, Deliver: func(int, []byte) error { return nil }}); err != nil {
				return err
			}
		}
		return nil
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, c := range roots {
		src.Hold(c.root, swap.CompleteHolding(0))
		s := session(t, swaptest.Host(t), c.root, swap.SessionConfig{})
		s.AddPeer(swaptest.Info(h), "test")
		if m, err := dag.Build(ctx, c.root, s, dag.Limits{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
		if st := s.State(); st.Received > 4<<20 {
			t.Errorf("%s: %d bytes were fetched", name, st.Received)
		}
	}
	if err := grp.Wait(); err != nil {
		t.Errorf("the honest transfer: %v", err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+64<<20 {
		t.Errorf("the heap grew from %d to %d MiB", before.HeapAlloc>>20, after.HeapAlloc>>20)
	}
}
