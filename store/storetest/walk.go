package storetest

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

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
