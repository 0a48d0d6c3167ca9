package transfer

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/dag"
)

// TestInside gets parts of a folder: what is fetched is theirs alone, and what the
// sink is told is what sharing the part by itself would have told it.
func TestInside(t *testing.T) {
	r := seeded(t)
	src := t.TempDir()
	tree := filepath.Join(src, "tree")
	common := randomBytes(r, dag.ChunkBytes)
	own := randomBytes(r, 2*dag.ChunkBytes+7)
	writeFile(t, filepath.Join(tree, "a", "first"), common)
	writeFile(t, filepath.Join(tree, "b", "deep", "mixed"), slices.Concat(own, common)[:3*dag.ChunkBytes])
	// own's chunks and then one that the whole has before them: out of order there.
	writeFile(t, filepath.Join(tree, "b", "deep", "back"), slices.Concat(own[:dag.ChunkBytes], common, own[dag.ChunkBytes:]))
	writeFile(t, filepath.Join(tree, "b", "small"), []byte("small"))
	writeFile(t, filepath.Join(tree, "c"), randomBytes(r, 4*dag.ChunkBytes))
	mem, res := share(t, tree)
	whole, err := dag.Build(t.Context(), res.Root, &swarm{memory: mem}, dag.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, inside := range []string{"a", "a/first", "b/deep", "b/deep/back", "b/small", "c"} {
		t.Run(inside, func(t *testing.T) {
			alone, want := share(t, filepath.Join(tree, filepath.FromSlash(inside)))
			sw, sink := &swarm{memory: mem, workers: 3}, newMemory()
			out := filepath.Join(t.TempDir(), "out")
			around := make(map[cid.Cid]bool)
			var of Whole
			var target *Target
			var arrived []int
			var mu sync.Mutex
			got, err := Get(t.Context(), GetConfig{
				Root: res.Root, Inside: inside, Out: out, Sink: sink,
				Around:  func(_ context.Context, c cid.Cid, _ []byte) error { around[c] = true; return nil },
				Opened:  func(x *Target, w Whole) { target, of = x, w },
				Arrived: func(i int) { mu.Lock(); defer mu.Unlock(); arrived = append(arrived, i) },
			}, sw)
			if err != nil {
				t.Fatal(err)
			}
			if of.Chunks != len(whole.Chunks) || of.Size != whole.Size || len(arrived) != len(target.Manifest().Chunks) {
				t.Errorf("a part of %d chunks and %d bytes, want %d and %d; %d arrived", of.Chunks, of.Size, len(whole.Chunks), whole.Size, len(arrived))
			}
			for _, i := range arrived {
				if want := target.Manifest().Chunks[i].Cid; whole.Chunks[of.Index(i)].Cid != want {
					t.Errorf("chunk %d counts as %d of the whole, which is another", i, of.Index(i))
				}
			}
			for c := range mem.nodes {
				if !around[c] && c.Prefix().Codec == cid.DagProtobuf {
					t.Errorf("nobody was told of %s, which is a node of the whole", c)
				}
			}
			sameTree(t, filepath.Join(tree, filepath.FromSlash(inside)), out)
			if !got.Manifest.Root.Equals(want.Root) || sw.bytes > want.Size {
				t.Errorf("root %s, want %s; %d bytes fetched of %d", got.Manifest.Root, want.Root, sw.bytes, want.Size)
			}
			for c := range sink.nodes {
				if !alone.nodes[c] {
					t.Errorf("the sink was told of %s, which is not a part of it", c)
				}
			}
			if got.Manifest.Entries[0].Kind != dag.File {
				return
			}
			var b bytes.Buffer
			if err := Cat(t.Context(), CatConfig{Root: res.Root, Inside: inside, Length: -1}, &b, sw); err != nil {
				t.Fatal(err)
			}
			if int64(b.Len()) != want.Size {
				t.Errorf("cat wrote %d bytes of %d", b.Len(), want.Size)
			}
			writeFile(t, out, b.Bytes())
			sameTree(t, filepath.Join(tree, filepath.FromSlash(inside)), out)
		})
	}
	for _, inside := range []string{"d", "c/x", "b/deep/", "B", "b//deep"} {
		_, err := Get(t.Context(), GetConfig{Root: res.Root, Inside: inside, Out: filepath.Join(t.TempDir(), "out")}, &swarm{memory: mem})
		if !errors.Is(err, ErrNoEntry) {
			t.Errorf("%q: %v", inside, err)
		}
	}
}
