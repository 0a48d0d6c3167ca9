package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"

	"ringswap/transfer/dag"
)

// claimed is the manifest of a file of n chunks with made-up hashes: a target
// does not hash what it is given.
func claimed(b *testing.B, n int) *dag.Manifest {
	b.Helper()
	mem := newMemory()
	fsn := unixfs.NewFSNode(unixfs.TFile)
	nd := new(merkledag.ProtoNode)
	for i := range n {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		c := cid.NewCidV1(cid.Raw, must(mh.Encode(sum[:], mh.SHA2_256)))
		fsn.AddBlockSize(dag.ChunkBytes)
		if err := nd.AddRawLink("", &ipld.Link{Cid: c, Size: dag.ChunkBytes}); err != nil {
			b.Fatal(err)
		}
	}
	nd.SetData(must(fsn.GetBytes()))
	return mustBuild(b, mem, put(mem, nd))
}

// writeAll writes n chunks from two goroutines.
func writeAll(b *testing.B, n int, write func(i int, p []byte) error) {
	b.Helper()
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			p := make([]byte, dag.ChunkBytes)
			for i := range p {
				p[i] = byte(i * 7)
			}
			for i := w; i < n; i += 2 {
				if err := write(i, p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkTarget writes 1 GiB through a Target and, to compare, with nothing
// but WriteAt, without and with a sync at the end. Point TMPDIR at a memory file
// system to leave the disk out.
func BenchmarkTarget(b *testing.B) {
	const n = 1024
	m := claimed(b, n)
	bare := func(b *testing.B, sync bool) {
		b.SetBytes(n * dag.ChunkBytes)
		b.ReportAllocs()
		for b.Loop() {
			f, err := os.Create(filepath.Join(b.TempDir(), "f"))
			if err != nil {
				b.Fatal(err)
			}
			writeAll(b, n, func(i int, p []byte) error {
				_, err := f.WriteAt(p, int64(i)*dag.ChunkBytes)
				return err
			})
			if sync {
				err = f.Sync()
			}
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
			os.Remove(f.Name())
		}
	}
	b.Run("bare", func(b *testing.B) { bare(b, false) })
	b.Run("baresync", func(b *testing.B) { bare(b, true) })
	b.Run("target", func(b *testing.B) {
		b.SetBytes(n * dag.ChunkBytes)
		b.ReportAllocs()
		for b.Loop() {
			out := filepath.Join(b.TempDir(), "f")
			tgt, err := OpenTarget(b.Context(), m, TargetConfig{Path: out})
			if err != nil {
				b.Fatal(err)
			}
			writeAll(b, n, tgt.Write)
			if err := tgt.Finish(b.Context()); err != nil {
				b.Fatal(err)
			}
			tgt.Close()
			os.Remove(out)
		}
	})
}

// BenchmarkGetSmall gets a folder of 10,000 files of 4 KiB out of memory.
func BenchmarkGetSmall(b *testing.B) {
	src := filepath.Join(b.TempDir(), "src")
	buf := make([]byte, 4096)
	for i := range 10000 {
		copy(buf, fmt.Sprint(i))
		writeFile(b, filepath.Join(src, fmt.Sprintf("file-%05d", i)), buf)
	}
	mem, res := share(b, src)
	b.ReportAllocs()
	for b.Loop() {
		out := filepath.Join(b.TempDir(), "out")
		if _, err := Get(b.Context(), GetConfig{Root: res.Root, Out: out}, &swarm{memory: mem, workers: 2}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		os.RemoveAll(out)
		b.StartTimer()
	}
}
