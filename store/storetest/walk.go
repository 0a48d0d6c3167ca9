package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/store"
)

// Walk does steps random things to a store and to its model and compares them
// all along. Among them the store is closed and opened, its process is killed,
// the power fails, and its index is lost or damaged. After a power failure the
// store must be as the model was at some moment since the last Sync, of which
// nothing may be missing that came before. The seed decides everything.
func Walk(t *testing.T, seed uint64, steps int) {
	w := &walk{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), top: t.TempDir(),
		model: NewMemory(0), blocks: map[string][]byte{},
	}
	t.Logf("seed %d", seed)
	w.dir = filepath.Join(w.top, "store-0")
	w.open()
	w.durable()
	for w.step = 1; w.step <= steps; w.step++ {
		w.one()
		if w.step%8 == 0 || w.step == steps {
			w.must("compare", w.compare(w.model))
		}
	}
	ok(t, w.s.Close())
}

type walk struct {
	t    *testing.T
	r    *rand.Rand
	step int
	top  string
	dir  string
	gen  int

	s     *store.Store
	model *Memory
	// past are the states that a power failure may leave, oldest first.
	past []*Memory
	// sure is the last pack and its length after the last Sync.
	sure     string
	sureSize int64

	cids   []cid.Cid
	leaves []cid.Cid
	blocks map[string][]byte
	paths  []string
}

func (w *walk) open() {
	s, err := store.Open(w.dir, store.Config{PackBytes: 16 << 10, ReserveBytes: -1, OpenFiles: 2})
	w.must("open", err)
	w.s = s
}

func (w *walk) must(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("step %d: %s: %v", w.step, what, err)
	}
}

// same checks that store and model gave the same kind of answer.
func (w *walk) same(what string, got, want error) {
	w.t.Helper()
	if !errors.Is(kind(got), kind(want)) {
		w.t.Fatalf("step %d: %s: %v, want %v", w.step, what, got, want)
	}
}

func kind(err error) error {
	for _, k := range []error{store.ErrNotFound, store.ErrChanged, store.ErrMissing, store.ErrIncomplete} {
		if errors.Is(err, k) {
			return k
		}
	}
	if err != nil {
		return errors.New(err.Error())
	}
	return nil
}

// did says that the model has changed by one record of the log.
func (w *walk) did() { w.past = append(w.past, w.model.Clone()) }

// durable says that everything so far must last.
func (w *walk) durable() {
	w.past = []*Memory{w.model.Clone()}
	w.sure, w.sureSize = w.lastPack(w.dir)
}

func (w *walk) lastPack(dir string) (name string, size int64) {
	all, err := filepath.Glob(filepath.Join(dir, "packs", "*.pack"))
	w.must("list packs", err)
	name = slices.Max(all)
	st, err := os.Stat(name)
	w.must("stat pack", err)
	return filepath.Base(name), st.Size()
}

func (w *walk) one() {
	for _, x := range []struct {
		weight int
		do     func()
	}{
		{20, w.put},
		{12, w.putNode},
		{15, w.importFile},
		{6, w.spoilFile},
		{5, w.dropFile},
		{10, w.addRoot},
		{8, w.removeRoot},
		{5, w.pin},
		{5, w.unpin},
		{8, w.sync},
		{6, w.gc},
		{3, w.reopen},
		{3, w.kill},
		{6, w.powerFails},
		{2, w.loseIndex},
	} {
		if w.r.IntN(114) < x.weight {
			x.do()
			return
		}
	}
	w.put()
}

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
	c := w.any()
	w.must("pin", w.s.Pin(c, "p"))
	w.must("pin", w.model.Pin(c, "p"))
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

// fork copies the store's folder, as a process that is killed leaves it, and
// goes on with the copy.
func (w *walk) fork(change func(dir string)) {
	w.gen++
	dir := filepath.Join(w.top, fmt.Sprintf("store-%d", w.gen))
	w.must("copy", copyDir(w.dir, dir))
	w.must("close the one left behind", w.s.Close())
	w.must("remove it", os.RemoveAll(w.dir))
	change(dir)
	w.dir = dir
	w.open()
}

// copyDir copies a folder. Files that go away meanwhile, as an index's do, are
// left out.
func copyDir(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		rel, rerr := filepath.Rel(from, path)
		if err = errors.Join(err, rerr); err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}

func (w *walk) kill() {
	w.fork(w.maybeHurtIndex)
	w.must("killed", w.compare(w.model))
	w.durable()
}

// powerFails spoils what no Sync has covered: the end of the last pack is
// missing, or a piece of it was never written, or is something else.
func (w *walk) powerFails() {
	what := ""
	w.fork(func(dir string) {
		name, size := w.lastPack(dir)
		from := int64(64)
		if name == w.sure {
			from = w.sureSize
		}
		at := from + w.r.Int64N(size-from+1)
		path := filepath.Join(dir, "packs", name)
		what = fmt.Sprintf("%s at %d of %d, durable %d", name, at, size, from)
		if w.r.IntN(2) == 0 {
			w.must("cut", os.Truncate(path, at))
		} else {
			hole := make([]byte, min(size-at, 1+w.r.Int64N(600)))
			if w.r.IntN(2) == 0 {
				for i := range hole {
					hole[i] = byte(w.r.Uint32())
				}
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			w.must("open pack", err)
			_, err = f.WriteAt(hole, at)
			w.must("write pack", errors.Join(err, f.Close()))
		}
		w.maybeHurtIndex(dir)
	})
	var all []error
	for i := len(w.past) - 1; i >= 0; i-- {
		err := w.compare(w.past[i])
		if err == nil {
			w.model = w.past[i].Clone()
			w.durable()
			return
		}
		all = append(all, err)
	}
	w.t.Fatalf("step %d: after the power failed (%s) the store is none of %d states it may be in: %v", w.step, what, len(w.past), errors.Join(all...))
}

func (w *walk) loseIndex() {
	w.must("close", w.s.Close())
	w.hurtIndex(w.dir)
	w.open()
	w.durable()
	w.must("without index", w.compare(w.model))
}

func (w *walk) maybeHurtIndex(dir string) {
	if w.r.IntN(3) == 0 {
		w.hurtIndex(dir)
	}
}

// hurtIndex deletes the index, or some of its files, or flips bytes in them.
func (w *walk) hurtIndex(dir string) {
	all, err := filepath.Glob(filepath.Join(dir, "index.*"))
	w.must("list indexes", err)
	if w.r.IntN(2) == 0 {
		for _, x := range all {
			w.must("remove index", os.RemoveAll(x))
		}
		return
	}
	for _, x := range all {
		w.must("walk index", filepath.WalkDir(x, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || w.r.IntN(3) > 0 {
				return err
			}
			if w.r.IntN(2) == 0 {
				return os.Remove(path)
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) == 0 {
				return err
			}
			b[w.r.IntN(len(b))] ^= 1 << w.r.IntN(8)
			return os.WriteFile(path, b, 0o600)
		}))
	}
}

// compare says how the store differs from a model.
func (w *walk) compare(m *Memory) error {
	for _, c := range w.cids {
		got, err := w.s.Get(context.Background(), c)
		want, werr := m.Get(context.Background(), c)
		if !errors.Is(kind(err), kind(werr)) || !bytes.Equal(got, want) {
			return fmt.Errorf("block %s: %d bytes, %w; want %d bytes, %w", c, len(got), orNone(err), len(want), orNone(werr))
		}
		has, err := w.s.Has(c)
		whas, _ := m.Has(c)
		if has != whas || err != nil {
			return fmt.Errorf("block %s: has %v, %w; want %v", c, has, orNone(err), whas)
		}
	}
	if err := w.comparePlaces(m); err != nil {
		return err
	}
	if err := w.compareNames(m); err != nil {
		return err
	}
	u, err := w.s.Usage()
	if err != nil || u.Owned != m.used() {
		return fmt.Errorf("owns %d bytes, %w; want %d", u.Owned, orNone(err), m.used())
	}
	return nil
}

// orNone is err, or an error that says that there is none.
func orNone(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// comparePlaces tells states apart that show no difference yet.
func (w *walk) comparePlaces(m *Memory) error {
	for _, c := range w.cids {
		got, err := w.s.Locations(c)
		if err != nil {
			return err
		}
		want, _ := m.Locations(c)
		for i := range got {
			if got[i].Owned {
				got[i].Path, got[i].Offset = "", 0
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("block %s is at %v, want %v", c, got, want)
		}
	}
	return nil
}

func (w *walk) compareNames(m *Memory) error {
	ctx := context.Background()
	describe := func(s Store) (all []string) {
		for _, r := range collect(w.t, s.Roots(ctx)) {
			all = append(all, fmt.Sprint("root ", r.Cid, r.Name, r.Size, r.Added.UnixNano(), r.Pinned))
		}
		for _, p := range collect(w.t, s.Pins(ctx)) {
			all = append(all, fmt.Sprint("pin ", p.Cid, p.Name))
		}
		for _, f := range collect(w.t, s.Files(ctx)) {
			all = append(all, fmt.Sprint("file ", f))
		}
		return all
	}
	got, want := describe(Wrap(w.s)), describe(m)
	if !slices.Equal(got, want) {
		return fmt.Errorf("names are\n%q, want\n%q", got, want)
	}
	return nil
}
