package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/store"
)

func (w *walk) add(c cid.Cid, data []byte) cid.Cid {
	if _, known := w.blocks[c.KeyString()]; !known {
		w.blocks[c.KeyString()] = data
		w.cids = append(w.cids, c)
		if c.Type() == cid.Raw {
			w.leaves = append(w.leaves, c)
		}
	}
	return c
}

func (w *walk) leaf() cid.Cid {
	if len(w.leaves) > 0 && w.r.IntN(3) == 0 {
		return w.leaves[w.r.IntN(len(w.leaves))]
	}
	data := make([]byte, w.r.IntN(10)*w.r.IntN(200))
	for i := range data {
		data[i] = byte(w.r.Uint32())
	}
	return w.add(RawCid(data), data)
}

func (w *walk) any() cid.Cid {
	if len(w.cids) == 0 {
		return w.leaf()
	}
	return w.cids[w.r.IntN(len(w.cids))]
}

func (w *walk) putBlock(c cid.Cid) {
	data := w.blocks[c.KeyString()]
	w.must("put", w.s.Put(c, data))
	w.must("put", w.model.Put(c, data))
	w.did()
}

func (w *walk) put() { w.putBlock(w.leaf()) }

func (w *walk) putNode() {
	var links []cid.Cid
	for range w.r.IntN(4) {
		links = append(links, w.any())
	}
	c, b := Node(uint64(w.r.IntN(1000)), links...)
	w.putBlock(w.add(c, b))
}

func (w *walk) importFile() {
	path := filepath.Join(w.top, fmt.Sprintf("file-%d", w.r.IntN(12)))
	if !slices.Contains(w.paths, path) {
		w.paths = append(w.paths, path)
	}
	f, err := store.StatFile(path)
	if err != nil || w.r.IntN(2) == 0 {
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			w.must("remove", os.Remove(path))
		}
		f = writeFile(w.t, path, nil)
	}
	if f.Size > 0 { // as it is; what it holds is still known
		data, err := os.ReadFile(path)
		w.must("read", err)
		w.importAs(f, w.cut(data))
		return
	}
	var data []byte
	var refs []store.Ref
	for range 1 + w.r.IntN(6) {
		c := w.leaf()
		b := w.blocks[c.KeyString()]
		refs = append(refs, store.Ref{Cid: c, Offset: int64(len(data)), Length: len(b)})
		data = append(data, b...)
	}
	w.importAs(writeFile(w.t, path, data), refs)
}

// cut makes references of data that was not made of known blocks.
func (w *walk) cut(data []byte) (refs []store.Ref) {
	n := 1 + w.r.IntN(len(data))
	for _, r := range refsOf(data, max(n, len(data)/20+1)) {
		w.add(r.Cid, data[r.Offset:r.Offset+int64(r.Length)])
		refs = append(refs, r)
	}
	return refs
}

func (w *walk) importAs(f store.File, refs []store.Ref) {
	// These are the states after each of the records that this appends.
	if x := w.model.at(f.Path); x == nil || x.Size != f.Size || x.ModTime != f.ModTime || x.Inode != f.Inode {
		w.model.Evict(f.Path)
		w.did()
		w.must("import", w.model.Import(f, nil))
		w.did()
	}
	w.must("import", Wrap(w.s).Import(f, refs))
	w.must("import", w.model.Import(f, refs))
	w.did()
}

func (w *walk) spoilFile() {
	if len(w.paths) == 0 {
		return
	}
	path := w.paths[w.r.IntN(len(w.paths))]
	_ = os.Remove(path)
	if w.r.IntN(2) == 0 {
		writeFile(w.t, path, bytes.Repeat([]byte("spoiled "), 1+w.r.IntN(300)))
	}
}

func (w *walk) dropFile() {
	if len(w.paths) == 0 {
		return
	}
	path := w.paths[w.r.IntN(len(w.paths))]
	w.same("drop", w.s.DropFile(path), w.model.DropFile(path))
	w.did()
}

func (w *walk) addRoot() {
	r := store.Root{Cid: w.any(), Name: fmt.Sprint(w.step), Size: int64(w.step), Added: time.Unix(int64(w.step), 0)}
	w.must("add root", w.s.AddRoot(r))
	w.must("add root", w.model.AddRoot(r))
	w.did()
}

func (w *walk) removeRoot() {
	c := w.any()
	for r := range w.model.roots {
		if w.r.IntN(2) == 0 {
			c = w.model.roots[r].Cid
		}
		break
	}
	w.same("remove root", w.s.RemoveRoot(c), w.model.RemoveRoot(c))
	w.did()
}

func (w *walk) pin() {
	p := store.Pin{Cid: w.any(), Name: "p", Size: w.r.Int64()}
	w.must("pin", w.s.AddPin(p))
	w.must("pin", w.model.AddPin(p))
	w.did()
}

func (w *walk) unpin() {
	c := w.any()
	w.same("unpin", w.s.Unpin(c), w.model.Unpin(c))
	w.did()
}

func (w *walk) sync() {
	w.must("sync", w.s.Sync(context.Background()))
	w.durable()
}

// gc also interrupts a collection now and then.
func (w *walk) gc() {
	o := store.GCOptions{Links: Links, Garbage: 0.01 + 0.9*w.r.Float64(), Force: w.r.IntN(4) > 0}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left := w.r.IntN(40)
	o.Progress = func(store.GCStats) {
		if left--; left == 0 {
			cancel()
		}
	}
	_, err := w.s.GC(ctx, o)
	if errors.Is(err, context.Canceled) {
		o.Progress = nil
		_, err = w.s.GC(context.Background(), o)
	}
	_, want := w.model.GC(context.Background(), o)
	w.same("gc", err, want)
	w.sync()
}

func (w *walk) reopen() {
	w.must("close", w.s.Close())
	w.open()
	w.durable()
	w.must("reopened", w.compare(w.model))
}
