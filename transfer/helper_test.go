package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"ringswap/transfer/dag"
)

// memory is a source of blocks, and the sink that fills it.
type memory struct {
	mu     sync.Mutex
	blocks map[cid.Cid][]byte
	nodes  map[cid.Cid]bool
	files  map[string][]dag.Ref
}

func newMemory() *memory {
	return &memory{blocks: map[cid.Cid][]byte{}, nodes: map[cid.Cid]bool{}, files: map[string][]dag.Ref{}}
}

func (s *memory) Node(_ context.Context, c cid.Cid, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[c] = data
	s.nodes[c] = true
	return dag.Verify(c, data)
}

func (s *memory) File(_ context.Context, path string, _ fs.FileInfo) (dag.FileSink, error) {
	return &memoryFile{s: s, path: path}, nil
}

type memoryFile struct {
	s    *memory
	path string
	refs []dag.Ref
}

func (f *memoryFile) Chunks(_ context.Context, refs []dag.Ref) error {
	f.refs = append(f.refs, refs...)
	return nil
}

func (f *memoryFile) Close(err error) error {
	if err != nil {
		return nil
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.s.files[f.path] = f.refs
	for _, r := range f.refs {
		block := data[r.Offset:][:r.Size]
		if err := dag.Verify(r.Cid, block); err != nil {
			return fmt.Errorf("%s at %d: %w", f.path, r.Offset, err)
		}
		f.s.blocks[r.Cid] = block
	}
	return nil
}

func share(t testing.TB, path string) (*memory, dag.Result) {
	t.Helper()
	mem := newMemory()
	for s, err := range Share(t.Context(), []string{path}, mem, dag.ImportConfig{}) {
		if err != nil {
			t.Fatal(err)
		}
		return mem, s.Result
	}
	panic("nothing shared")
}

// swarm is a Fetcher out of memory. It delivers from several goroutines, in a
// random order, out of buffers that it overwrites.
type swarm struct {
	*memory
	workers int
	before  func(i int) error // called before chunk i is delivered

	fetched sync.Map // chunks delivered
	bytes   int64
}

func (s *swarm) Blocks(_ context.Context, cids []cid.Cid, each func(int, []byte) error) error {
	for i, c := range cids {
		block, ok := s.blocks[c]
		if !ok {
			return fmt.Errorf("nobody has %s", c)
		}
		if err := each(i, slices.Clone(block)); err != nil {
			return err
		}
	}
	return nil
}

func (s *swarm) FetchChunks(ctx context.Context, req ChunkRequest) error {
	var todo []int
	for i := range req.Chunks {
		if req.Missing(i) {
			todo = append(todo, i)
		}
	}
	grp, ctx := errgroup.WithContext(ctx)
	grp.SetLimit(max(1, s.workers))
	if req.Order == InOrder {
		grp.SetLimit(1)
	} else {
		rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	}
	for _, i := range todo {
		grp.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			block, ok := s.blocks[req.Chunks[i].Cid]
			if !ok {
				return fmt.Errorf("nobody has %s", req.Chunks[i].Cid)
			}
			if s.before != nil {
				if err := s.before(i); err != nil {
					return err
				}
			}
			buf := slices.Clone(block)
			err := req.Deliver(i, buf)
			clear(buf)
			if _, again := s.fetched.LoadOrStore(i, true); !again || req.Order == InOrder {
				s.mu.Lock()
				s.bytes += int64(len(buf))
				s.mu.Unlock()
			}
			return err
		})
	}
	return grp.Wait()
}

func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomBytes(r *rand.Rand, n int) []byte {
	var key [32]byte
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// makeTree fills a folder with a bit of everything.
func makeTree(t testing.TB, r *rand.Rand, dir string) {
	t.Helper()
	big := randomBytes(r, 3*dag.ChunkBytes+7)
	writeFile(t, filepath.Join(dir, "big"), big)
	writeFile(t, filepath.Join(dir, "sub/big again"), big)
	writeFile(t, filepath.Join(dir, "sub/zeros"), make([]byte, 2*dag.ChunkBytes+100))
	writeFile(t, filepath.Join(dir, "déjà vu"), []byte("accents"))
	writeFile(t, filepath.Join(dir, "empty"), nil)
	writeFile(t, filepath.Join(dir, "a/b/c/d/leaf"), []byte("x"))
	for i := range 40 {
		writeFile(t, filepath.Join(dir, "many", fmt.Sprint(i)), randomBytes(r, r.IntN(5000)))
	}
	if err := os.MkdirAll(filepath.Join(dir, "hollow/inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		return // symbolic links need a privilege there
	}
	for name, target := range map[string]string{
		"to file": "big", "to dir": "a/b", "a/b/up": "../../many/3", "dangling": "no/where", "a/root": "..",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// sameTree compares two paths, to the last byte.
func sameTree(t testing.TB, a, b string) {
	t.Helper()
	read := func(root string) map[string]string {
		out := map[string]string{}
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, p)
			switch {
			case d.IsDir():
				out[rel] = "dir"
			case d.Type() == fs.ModeSymlink:
				target, err := os.Readlink(p)
				out[rel] = "-> " + target
				return err
			default:
				data, err := os.ReadFile(p)
				out[rel] = string(data)
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	x, y := read(a), read(b)
	if !maps.Equal(x, y) {
		for p := range x {
			if x[p] != y[p] {
				t.Errorf("%s differs: %d and %d bytes", p, len(x[p]), len(y[p]))
			}
		}
		t.Fatalf("%s has %d entries, %s has %d", a, len(x), b, len(y))
	}
}

// noTraces checks that nothing but the named entries is in a folder.
func noTraces(t testing.TB, dir string, names ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !slices.Contains(names, e.Name()) {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func mustBuild(t testing.TB, mem *memory, root cid.Cid) *dag.Manifest {
	t.Helper()
	m, err := dag.Build(t.Context(), root, &swarm{memory: mem}, dag.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustOpen(t testing.TB, m *dag.Manifest, cfg TargetConfig) *Target {
	t.Helper()
	tgt, err := OpenTarget(t.Context(), m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tgt
}

// fill writes the chunks that want names.
func fill(t testing.TB, tgt *Target, mem *memory, want func(i int) bool) {
	t.Helper()
	for i, c := range tgt.Manifest().Chunks {
		if !want(i) {
			continue
		}
		buf := bytes.Clone(mem.blocks[c.Cid])
		if err := tgt.Write(i, buf); err != nil {
			t.Fatal(err)
		}
		clear(buf)
	}
}

func all(int) bool { return true }

// child is what a child process has for a test: errors end it.
type child struct{ testing.TB }

func (child) Helper()                  {}
func (child) Context() context.Context { return context.Background() }
func (child) Fatal(args ...any)        { fmt.Fprintln(os.Stderr, args...); os.Exit(1) }
