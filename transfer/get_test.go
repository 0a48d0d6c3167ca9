package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	chunker "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"

	"ringswap/transfer/dag"
)

func TestGet(t *testing.T) {
	r := seeded(t)
	src := t.TempDir()
	makeTree(t, r, filepath.Join(src, "tree"))
	for name, size := range map[string]int{"none": 0, "one": 1, "chunk": dag.ChunkBytes, "more": 5*dag.ChunkBytes + 3} {
		writeFile(t, filepath.Join(src, name), randomBytes(r, size))
	}
	for _, name := range []string{"tree", "none", "one", "chunk", "more"} {
		t.Run(name, func(t *testing.T) {
			mem, res := share(t, filepath.Join(src, name))
			out := t.TempDir()
			sink := newMemory()
			sw := &swarm{memory: mem, workers: 4}
			var opened *Target
			var arrived atomic.Int64
			var last GetProgress
			cfg := GetConfig{
				Root: res.Root, Out: out, Name: name, Sink: sink,
				Opened: func(tgt *Target, _ Whole) { opened = tgt },
				Arrived: func(i int) {
					arrived.Add(1)
					readBack(t, opened, mem, i)
				},
				Progress: func(p GetProgress) {
					if p.Phase < last.Phase || p.Phase == last.Phase && p.Bytes < last.Bytes {
						t.Errorf("%+v after %+v", p, last)
					}
					last = p
				},
			}
			got, err := Get(t.Context(), cfg, sw)
			if err != nil {
				t.Fatal(err)
			}
			if got.Path != filepath.Join(out, name) || got.Resumed != 0 || !got.Shareable {
				t.Errorf("got %+v", got)
			}
			sameTree(t, filepath.Join(src, name), got.Path)
			noTraces(t, out, name)
			if last.Bytes != res.Size || last.Total != res.Size || last.Phase != PhaseSyncing {
				t.Errorf("last progress %+v of %d bytes", last, res.Size)
			}
			if int(arrived.Load()) != len(got.Manifest.Chunks) {
				t.Errorf("%d chunks arrived of %d", arrived.Load(), len(got.Manifest.Chunks))
			}
			// What the sink was told is what sharing the result would have told it.
			again, _ := share(t, got.Path)
			if !maps.Equal(sink.nodes, again.nodes) || len(sink.blocks) != len(again.blocks) {
				t.Errorf("the sink was told %d nodes and %d blocks, not %d and %d", len(sink.nodes), len(sink.blocks), len(again.nodes), len(again.blocks))
			}
			for p, refs := range again.files {
				if !slices.Equal(refs, sink.files[p]) {
					t.Errorf("%s: reported %v, not %v", p, sink.files[p], refs)
				}
			}
			if len(sink.files) != len(again.files) {
				t.Errorf("%d files were reported, not %d", len(sink.files), len(again.files))
			}
			// A second get has nothing to do.
			sw.bytes = 0
			sink = newMemory()
			cfg.Sink, last = sink, GetProgress{}
			got, err = Get(t.Context(), cfg, sw)
			if err != nil || sw.bytes != 0 || got.Resumed != res.Size || len(sink.files) != len(again.files) {
				t.Errorf("the second time: %+v, %d bytes fetched (%v)", got, sw.bytes, err)
			}
			noTraces(t, out, name)
		})
	}
}

// readBack reads a chunk out of a target in odd ways.
func readBack(t testing.TB, tgt *Target, mem *memory, i int) {
	t.Helper()
	block := mem.blocks[tgt.Manifest().Chunks[i].Cid]
	if !tgt.Has(i) {
		t.Errorf("chunk %d arrived but is not there", i)
	}
	buf := make([]byte, len(block))
	if n, err := tgt.ReadAt(i, buf, 0); n != len(block) || err != nil || !bytes.Equal(buf, block) {
		t.Errorf("chunk %d: read %d of %d bytes (%v)", i, n, len(block), err)
	}
	if len(block) > 2 {
		part := make([]byte, 2)
		if _, err := tgt.ReadAt(i, part, int64(len(block)-2)); err != nil || !bytes.Equal(part, block[len(block)-2:]) {
			t.Errorf("chunk %d: the end reads %x (%v)", i, part, err)
		}
		if n, err := tgt.ReadAt(i, part, int64(len(block)-1)); n != 1 || err == nil {
			t.Errorf("chunk %d: read %d bytes beyond its end (%v)", i, n, err)
		}
	}
}

// wrapped is a DAG as CIDv0 has it: every chunk inside a node.
func wrapped(t testing.TB, mem *memory, data []byte) cid.Cid {
	t.Helper()
	p := helpers.DagBuilderParams{
		Maxlinks: 174, Dagserv: dagService{mem: mem},
		CidBuilder: cid.Prefix{Version: 0, Codec: cid.DagProtobuf, MhType: mh.SHA2_256, MhLength: -1},
	}
	db, err := p.New(chunker.NewSizeSplitter(bytes.NewReader(data), 256<<10))
	if err != nil {
		t.Fatal(err)
	}
	nd, err := balanced.Layout(db)
	if err != nil {
		t.Fatal(err)
	}
	return nd.Cid()
}

type dagService struct {
	ipld.DAGService
	mem *memory
}

func (d dagService) Add(_ context.Context, n ipld.Node) error {
	d.mem.blocks[n.Cid()] = n.RawData()
	return nil
}

func TestGetWrappedChunks(t *testing.T) {
	r := seeded(t)
	for _, size := range []int{1, 1000, 256 << 10, 3<<20 + 17} {
		mem, data := newMemory(), randomBytes(r, size)
		root := wrapped(t, mem, data)
		out := filepath.Join(t.TempDir(), "file")
		var opened *Target
		sw := &swarm{memory: mem, workers: 3}
		// Interrupted first: what is there is found again.
		stop := 3
		sw.before = func(i int) error {
			if stop--; stop < 0 {
				return context.Canceled
			}
			return nil
		}
		sw.workers = 1
		cfg := GetConfig{Root: root, Out: out, Opened: func(tgt *Target, _ Whole) { opened = tgt }, Arrived: func(i int) { readBack(t, opened, mem, i) }}
		_, err := Get(t.Context(), cfg, sw)
		if size > 1<<20 && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		sw.before = nil
		os.WriteFile(out+stateEnding, []byte("garbage"), 0o644) // so that everything is hashed
		got, err := Get(t.Context(), cfg, sw)
		if err != nil {
			t.Fatal(err)
		}
		if have, err := os.ReadFile(out); err != nil || !bytes.Equal(have, data) {
			t.Errorf("%d bytes: other content (%v)", size, err)
		}
		if got.Shareable {
			t.Error("wrapped chunks are shareable by reference")
		}
		if size > 1<<20 && got.Resumed != 3*256<<10 && got.Resumed != 2*256<<10+17 { // the last one is short
			t.Errorf("%d bytes resumed", got.Resumed)
		}
	}
}

func TestOutputPath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, "file", nil)
	os.Mkdir("folder", 0o755)
	for _, c := range []struct{ out, name, want string }{
		{"", "n", "n"},
		{"other", "n", "other"},
		{"folder", "n", "folder/n"},
		{"folder/", "n", "folder/n"},
		{"file", "n", "file"},
		{"folder/x", "n", "folder/x"},
		{".", "n", "n"},
	} {
		got, err := OutputPath(c.out, c.name)
		if want := filepath.Join(dir, c.want); err != nil || got != want {
			t.Errorf("%q: %s, not %s (%v)", c.out, got, want, err)
		}
	}
	if got, err := OutputPath("none/", "n"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestGetIntoItself(t *testing.T) {
	src := filepath.Join(t.TempDir(), "tree")
	makeTree(t, seeded(t), src)
	mem, res := share(t, src)
	out := filepath.Join(t.TempDir(), "out")
	sw := &swarm{memory: mem}
	for range 2 { // the second time, out is a folder that is the content
		got, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out}, sw)
		if err != nil || got.Path != out {
			t.Fatal(got.Path, err)
		}
	}
	got, err := Get(t.Context(), GetConfig{Root: res.Root, Out: filepath.Dir(out)}, sw)
	if err != nil || got.Path != filepath.Join(filepath.Dir(out), res.Root.String()) {
		t.Errorf("without a name: %s (%v)", got.Path, err)
	}
}

func TestExists(t *testing.T) {
	r := seeded(t)
	src := t.TempDir()
	writeFile(t, filepath.Join(src, "file"), randomBytes(r, 2*dag.ChunkBytes))
	makeTree(t, r, filepath.Join(src, "tree"))
	for _, name := range []string{"file", "tree"} {
		mem, res := share(t, filepath.Join(src, name))
		for there, put := range map[string]func(p string){
			"file":   func(p string) { writeFile(t, p, []byte("mine")) },
			"folder": func(p string) { writeFile(t, filepath.Join(p, "x"), []byte("mine")) },
			"link": func(p string) {
				writeFile(t, p+"-elsewhere", []byte("mine"))
				if err := os.Symlink(p+"-elsewhere", p); err != nil {
					t.Skip(err)
				}
			},
			"almost": func(p string) {
				if err := os.CopyFS(p, os.DirFS(filepath.Join(src, "tree"))); err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(p, "big"), []byte("mine"))
			},
		} {
			t.Run(name+" over "+there, func(t *testing.T) {
				dir := t.TempDir()
				p := filepath.Join(dir, "out")
				put(p)
				before := t.TempDir()
				os.CopyFS(before, os.DirFS(dir))
				m := mustBuild(t, mem, res.Root)
				if _, err := OpenTarget(t.Context(), m, TargetConfig{Path: p}); !errors.Is(err, ErrExists) {
					t.Fatalf("got %v", err)
				}
				if there != "link" {
					sameTree(t, before, dir)
				}
				tgt := mustOpen(t, m, TargetConfig{Path: p, Force: true})
				fill(t, tgt, mem, all)
				if err := tgt.Finish(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := tgt.Close(); err != nil {
					t.Fatal(err)
				}
				sameTree(t, filepath.Join(src, name), p)
				noTraces(t, dir, "out", "out-elsewhere")
				if there == "link" {
					if data, err := os.ReadFile(p + "-elsewhere"); string(data) != "mine" {
						t.Errorf("written through a link: %v", err)
					}
				}
			})
		}
	}
}

// TestAppears puts something in the way while the get is running.
func TestAppears(t *testing.T) {
	r := seeded(t)
	src := filepath.Join(t.TempDir(), "f")
	writeFile(t, src, randomBytes(r, 3*dag.ChunkBytes))
	mem, res := share(t, src)
	m := mustBuild(t, mem, res.Root)
	p := filepath.Join(t.TempDir(), "out")
	tgt := mustOpen(t, m, TargetConfig{Path: p})
	fill(t, tgt, mem, all)
	writeFile(t, p, []byte("mine"))
	if err := tgt.Finish(t.Context()); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	if err := tgt.Close(); err != nil {
		t.Error(err)
	}
	if data, _ := os.ReadFile(p); string(data) != "mine" {
		t.Error("it was replaced")
	}
	os.Remove(p)
	tgt = mustOpen(t, m, TargetConfig{Path: p})
	defer tgt.Close()
	if !tgt.Complete() {
		t.Error("the part was lost")
	}
	if err := tgt.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameTree(t, src, p)
}

func TestInUse(t *testing.T) {
	src := filepath.Join(t.TempDir(), "f")
	writeFile(t, src, []byte("hello"))
	mem, res := share(t, src)
	m := mustBuild(t, mem, res.Root)
	p := filepath.Join(t.TempDir(), "out")
	tgt := mustOpen(t, m, TargetConfig{Path: p})
	if _, err := OpenTarget(t.Context(), m, TargetConfig{Path: p, Force: true}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	if err := tgt.Close(); err != nil {
		t.Error(err)
	}
	tgt = mustOpen(t, m, TargetConfig{Path: p})
	fill(t, tgt, mem, all)
	if err := tgt.Finish(t.Context()); err != nil {
		t.Error(err)
	}
	if err := tgt.Write(0, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a write after the end: %v", err)
	}
	if err := tgt.Close(); err != nil {
		t.Error(err)
	}
	noTraces(t, filepath.Dir(p), "out")
}

func TestGetErrors(t *testing.T) {
	r := seeded(t)
	src := filepath.Join(t.TempDir(), "f")
	writeFile(t, src, randomBytes(r, 4*dag.ChunkBytes))
	mem, res := share(t, src)
	out := filepath.Join(t.TempDir(), "out")
	sw := &swarm{memory: mem, workers: 1}
	lost := errors.New("lost the peers")
	stop := 2
	sw.before = func(int) error {
		if stop--; stop < 0 {
			return lost
		}
		return nil
	}
	if _, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out}, sw); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	noTraces(t, filepath.Dir(out), "out"+partEnding, "out"+stateEnding)
	if _, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out + "2"}, sw); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	noTraces(t, filepath.Dir(out), "out"+partEnding, "out"+stateEnding) // no chunk, no part
	sw.before = nil
	got, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out}, sw)
	if err != nil || got.Resumed != 2*dag.ChunkBytes {
		t.Errorf("resumed %d bytes (%v)", got.Resumed, err)
	}
	if sw.bytes != 4*dag.ChunkBytes {
		t.Errorf("%d bytes were fetched", sw.bytes)
	}
	if _, err := Get(t.Context(), GetConfig{Root: res.Root, Out: filepath.Join(t.TempDir(), "no", "folder")}, sw); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Get(ctx, GetConfig{Root: res.Root, Out: filepath.Join(t.TempDir(), "x")}, sw); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLyingSizes(t *testing.T) {
	// A folder that says its file has 4 bytes; it has 5.
	mem := newMemory()
	leaf := must(cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA2_256, MhLength: 32}.Sum([]byte("hello")))
	mem.blocks[leaf] = []byte("hello")
	root := folderOf(mem, entry{"x", leaf, 4})
	sw := &swarm{memory: mem}
	dir := t.TempDir()
	if _, err := Get(t.Context(), GetConfig{Root: root, Out: dir, Name: "n"}, sw); !errors.Is(err, dag.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestCat(t *testing.T) {
	r := seeded(t)
	a, b := randomBytes(r, dag.ChunkBytes), randomBytes(r, dag.ChunkBytes)
	data := slices.Concat(a, b, a, a, b, make([]byte, 4*dag.ChunkBytes), a[:1000])
	src := filepath.Join(t.TempDir(), "f")
	writeFile(t, src, data)
	mem, res := share(t, src)
	w0 := newMemory()
	for name, c := range map[string]struct {
		mem  *memory
		root cid.Cid
	}{"plain": {mem, res.Root}, "wrapped": {w0, wrapped(t, w0, data)}} {
		for n := range 30 {
			off, length := r.Int64N(int64(len(data))+10), r.Int64N(int64(len(data)))-10
			if n == 0 {
				off, length = 0, -1
			}
			want := data[min(off, int64(len(data))):]
			if length >= 0 {
				want = want[:min(length, int64(len(want)))]
			}
			var got bytes.Buffer
			sw := &swarm{memory: c.mem}
			err := Cat(t.Context(), CatConfig{Root: c.root, Offset: off, Length: length}, &got, sw)
			if err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: %d bytes from %d: %d bytes, not %d (%v)", name, length, off, got.Len(), len(want), err)
			}
			if sw.bytes > 5*dag.ChunkBytes { // three different chunks and the last one
				t.Errorf("%s: fetched %d bytes for a file of 4 different chunks", name, sw.bytes)
			}
		}
	}
	dir := t.TempDir()
	mem, res = share(t, dir)
	if err := Cat(t.Context(), CatConfig{Root: res.Root}, &bytes.Buffer{}, &swarm{memory: mem}); !errors.Is(err, ErrNotFile) {
		t.Errorf("a folder: %v", err)
	}
	full := errors.New("pipe is closed")
	mem, res = share(t, src)
	if err := Cat(t.Context(), CatConfig{Root: res.Root, Length: -1}, failing{full}, &swarm{memory: mem}); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestShareSeveral(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), []byte("a"))
	writeFile(t, filepath.Join(dir, "b"), []byte("b"))
	var names []string
	var last error
	for s, err := range Share(t.Context(), []string{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c"), dir}, nil, dag.ImportConfig{}) {
		names, last = append(names, s.Name), err
	}
	if strings.Join(names, " ") != "a b c" || !errors.Is(last, fs.ErrNotExist) {
		t.Errorf("%v, then %v", names, last)
	}
	t.Chdir(dir)
	for s, err := range Share(t.Context(), []string{"."}, nil, dag.ImportConfig{}) {
		if s.Name != filepath.Base(dir) || err != nil {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestManySmallFiles keeps few files open.
func TestManySmallFiles(t *testing.T) {
	src := filepath.Join(t.TempDir(), "src")
	n := 3000
	if testing.Short() {
		n = 300
	}
	for i := range n {
		writeFile(t, filepath.Join(src, fmt.Sprint(i%7), fmt.Sprint(i)), fmt.Appendf(nil, "file %d", i))
	}
	mem, res := share(t, src)
	out := filepath.Join(t.TempDir(), "out")
	var tgt *Target
	most := 0
	_, err := Get(t.Context(), GetConfig{Root: res.Root, Out: out, Opened: func(x *Target, _ Whole) { tgt = x }, Progress: func(p GetProgress) {
		if p.Phase == PhaseFetching {
			tgt.files.mu.Lock()
			most = max(most, len(tgt.files.open))
			tgt.files.mu.Unlock()
		}
	}}, &swarm{memory: mem, workers: 8})
	if err != nil {
		t.Fatal(err)
	}
	if most > maxOpen+8 || most < min(n, maxOpen)/2 {
		t.Errorf("%d files were open at a time", most)
	}
	sameTree(t, src, out)
	if runtime.GOOS == "linux" {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil || len(fds) > 50 {
			t.Errorf("%d files are still open (%v)", len(fds), err)
		}
	}
}
