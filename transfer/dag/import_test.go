package dag

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	chunker "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/ipld/merkledag"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"golang.org/x/crypto/chacha20"
)

// keystream is a file of the published test vectors: the ChaCha20 keystream
// under the hash of a seed. It reads at any offset and needs no disk.
type keystream struct {
	key  [32]byte
	size int64
}

func newKeystream(seed string, size int64) *keystream {
	return &keystream{key: sha256.Sum256([]byte(seed)), size: size}
}

func (k *keystream) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), k.size-off))
	c, err := chacha20.NewUnauthenticatedCipher(k.key[:], make([]byte, chacha20.NonceSize))
	if err != nil {
		return 0, err
	}
	c.SetCounter(uint32(off / 64))
	skip := make([]byte, off%64)
	c.XORKeyStream(skip, skip)
	clear(p[:n])
	c.XORKeyStream(p[:n], p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// rootOf hashes a reader chunk by chunk through the same layout as Import, on
// all cores.
func rootOf(t testing.TB, r io.ReaderAt, size int64) cid.Cid {
	t.Helper()
	digests := make([][sha256.Size]byte, chunksIn(size))
	var wg sync.WaitGroup
	workers := int64(runtime.GOMAXPROCS(0))
	for w := range workers {
		wg.Go(func() {
			h := newHasher()
			for i := w; i < int64(len(digests)); i += workers {
				d, err := h.section(r, i*ChunkBytes, int(min(ChunkBytes, size-i*ChunkBytes)))
				if err != nil {
					t.Error(err)
				}
				digests[i] = d
			}
		})
	}
	wg.Wait()
	l := layout{width: nodeLinks, emit: func(cid.Cid, []byte) error { return nil }}
	for i := range digests {
		n := uint64(min(ChunkBytes, size-int64(i)*ChunkBytes))
		if err := l.add(child{cid: leafCid(&digests[i]), size: n, tsize: n}); err != nil {
			t.Fatal(err)
		}
	}
	root, err := l.root()
	if err != nil {
		t.Fatal(err)
	}
	return root.cid
}

// oracleFile is what boxo's own balanced builder makes of the bytes.
func oracleFile(t testing.TB, ds ipld.DAGService, r io.Reader) ipld.Node {
	t.Helper()
	params := helpers.DagBuilderParams{Maxlinks: nodeLinks, RawLeaves: true, CidBuilder: nodePrefix, Dagserv: ds}
	db, err := params.New(chunker.NewSizeSplitter(r, ChunkBytes))
	if err != nil {
		t.Fatal(err)
	}
	nd, err := balanced.Layout(db)
	if err != nil {
		t.Fatal(err)
	}
	return nd
}

// oracleTree is what boxo's file and directory builders make of a path, in the
// way Kubo's `add -r` does.
func oracleTree(t testing.TB, ds ipld.DAGService, path string, hidden bool) ipld.Node {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case info.Mode().IsRegular():
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return oracleFile(t, ds, f)
	case info.IsDir():
		dir, err := uio.NewDirectory(ds, uio.WithCidBuilder(nodePrefix), uio.WithMaxHAMTFanout(256),
			uio.WithSizeEstimationMode(uio.SizeEstimationBlock))
		if err != nil {
			t.Fatal(err)
		}
		dir.SetHAMTShardingSize(256 << 10)
		list, err := os.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if !hidden && strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if err := dir.AddChild(t.Context(), e.Name(), oracleTree(t, ds, filepath.Join(path, e.Name()), hidden)); err != nil {
				t.Fatal(err)
			}
		}
		nd, err := dir.GetNode()
		if err != nil {
			t.Fatal(err)
		}
		if err := ds.Add(t.Context(), nd); err != nil {
			t.Fatal(err)
		}
		return nd
	}
	target, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := unixfs.SymlinkData(target)
	if err != nil {
		t.Fatal(err)
	}
	nd := merkledag.NodeWithData(data)
	if err := nd.SetCidBuilder(nodePrefix); err != nil {
		t.Fatal(err)
	}
	return nd
}

// memSink keeps everything an import tells, and checks the contract on the way.
type memSink struct {
	t      testing.TB
	mu     sync.Mutex // never waited for: calls come one at a time
	blocks map[cid.Cid][]byte
	files  map[string][]Ref
	last   cid.Cid
	failed int
}

func newMemSink(t testing.TB) *memSink {
	return &memSink{t: t, blocks: map[cid.Cid][]byte{}, files: map[string][]Ref{}}
}

func (s *memSink) enter() func() {
	if !s.mu.TryLock() {
		s.t.Error("two calls of a sink at a time")
		s.mu.Lock()
	}
	return s.mu.Unlock
}

func (s *memSink) Node(_ context.Context, c cid.Cid, data []byte) error {
	defer s.enter()()
	if err := Verify(c, data); err != nil {
		s.t.Error(err)
	}
	s.blocks[c] = data
	s.last = c
	return nil
}

func (s *memSink) File(_ context.Context, path string, stat fs.FileInfo) (FileSink, error) {
	defer s.enter()()
	if _, ok := s.files[path]; ok {
		s.t.Errorf("%s came twice", path)
	}
	s.files[path] = nil
	return &memFile{s: s, path: path, stat: stat}, nil
}

type memFile struct {
	s      *memSink
	path   string
	stat   fs.FileInfo
	refs   []Ref
	closed bool
}

func (f *memFile) Chunks(_ context.Context, refs []Ref) error {
	defer f.s.enter()()
	if len(refs) == 0 || len(refs) > 1024 {
		f.s.t.Errorf("%d chunks at once", len(refs))
	}
	f.refs = append(f.refs, refs...)
	return nil
}

func (f *memFile) Close(err error) error {
	defer f.s.enter()()
	if f.closed {
		f.s.t.Errorf("%s was closed twice", f.path)
	}
	f.closed = true
	if err != nil {
		f.s.failed++
		return nil
	}
	var end int64
	for _, r := range f.refs {
		if r.Offset != end {
			f.s.t.Errorf("%s: chunk at %d, not %d", f.path, r.Offset, end)
		}
		end += int64(r.Size)
	}
	if end != f.stat.Size() {
		f.s.t.Errorf("%s: chunks of %d bytes, file of %d", f.path, end, f.stat.Size())
	}
	f.s.files[f.path] = f.refs
	return nil
}

// Blocks serves what was imported, chunks from the files they are in.
func (s *memSink) Blocks(_ context.Context, cids []cid.Cid, each func(int, []byte) error) error {
	for i, c := range cids {
		data, err := s.block(c)
		if err != nil {
			return err
		}
		if err := each(i, data); err != nil {
			return err
		}
	}
	return nil
}

func (s *memSink) block(c cid.Cid) ([]byte, error) {
	if b, ok := s.blocks[c]; ok {
		return b, nil
	}
	for path, refs := range s.files {
		for _, r := range refs {
			if r.Cid.Equals(c) {
				f, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				defer f.Close()
				b := make([]byte, r.Size)
				_, err = io.ReadFull(io.NewSectionReader(f, r.Offset, int64(r.Size)), b)
				return b, err
			}
		}
	}
	return nil, fmt.Errorf("%s: no such block", c)
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

func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	rand.NewChaCha8(key).Read(b)
	return b
}

func TestPublishedCIDs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hello")
	writeFile(t, path, []byte("hello world"))
	res, err := Import(t.Context(), path, nil, ImportConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"; res.Root.String() != want {
		t.Errorf("hello world: %s, not %s", res.Root, want)
	}
	for _, c := range []struct {
		size       int64
		seed, want string
	}{
		{1 << 20, "chunk-v1-seed", "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"},
		{1<<20 + 1, "chunk-v1-seed", "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"},
		{1 << 30, "v1-2025-seed", "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"},
	} {
		if got := rootOf(t, newKeystream(c.seed, c.size), c.size); got.String() != c.want {
			t.Errorf("%d bytes of %s: %s, not %s", c.size, c.seed, got, c.want)
		}
	}
}

// TestFileAgainstBoxo compares whole files with boxo's balanced builder.
func TestFileAgainstBoxo(t *testing.T) {
	r := seeded(t)
	sizes := []int{0, 1, 4095, ChunkBytes - 1, ChunkBytes, ChunkBytes + 1, 2 * ChunkBytes, 2*ChunkBytes + 1}
	for range 6 {
		sizes = append(sizes, r.IntN(12*ChunkBytes))
	}
	path := filepath.Join(t.TempDir(), "file")
	for _, size := range sizes {
		data := randomBytes(r, size)
		writeFile(t, path, data)
		want := oracleFile(t, mdtest.Mock(), bytes.NewReader(data))
		for workers := range 4 {
			sink := newMemSink(t)
			res, err := Import(t.Context(), path, sink, ImportConfig{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			tsize, _ := want.Size()
			if !res.Root.Equals(want.Cid()) || res.DAGBytes != tsize {
				t.Errorf("%d bytes: %s of %d, boxo says %s of %d", size, res.Root, res.DAGBytes, want.Cid(), tsize)
			}
			if res.Size != int64(size) || res.Files != 1 || res.Chunks != chunksIn(int64(size)) || res.Kind != File {
				t.Errorf("%d bytes: result %+v", size, res)
			}
			if size > ChunkBytes && !sink.last.Equals(res.Root) {
				t.Errorf("the root did not come last")
			}
			if len(sink.files[path]) != int(res.Chunks) {
				t.Errorf("%d chunks came, not %d", len(sink.files[path]), res.Chunks)
			}
		}
	}
}

// TestLayoutAgainstBoxo compares trees of many leaves, which take their shape
// from the number of leaves alone: so leaves are one byte here.
func TestLayoutAgainstBoxo(t *testing.T) {
	r := seeded(t)
	for _, width := range []int{2, 3, 16, nodeLinks} {
		counts := []int{1, 2, width - 1, width, width + 1, 2*width + 1, width*width - 1, width * width, width*width + 1}
		counts = append(counts, 1+r.IntN(5000))
		for _, n := range counts {
			if n > 20000 && n != width*width+1 {
				continue
			}
			if n > 20000 && testing.Short() {
				t.Logf("left out in short mode: %d leaves", n)
				continue
			}
			params := helpers.DagBuilderParams{Maxlinks: width, RawLeaves: true, CidBuilder: nodePrefix, Dagserv: discard{}}
			db, err := params.New(chunker.NewSizeSplitter(&counter{n: n}, 1))
			if err != nil {
				t.Fatal(err)
			}
			want, err := balanced.Layout(db)
			if err != nil {
				t.Fatal(err)
			}
			l := layout{width: width, emit: func(cid.Cid, []byte) error { return nil }}
			for i := range n {
				sum := sha256.Sum256([]byte{byte(i)})
				if err := l.add(child{cid: leafCid(&sum), size: 1, tsize: 1}); err != nil {
					t.Fatal(err)
				}
			}
			got, err := l.root()
			if err != nil {
				t.Fatal(err)
			}
			if !got.cid.Equals(want.Cid()) {
				t.Errorf("%d leaves, width %d: %s, boxo says %s", n, width, got.cid, want.Cid())
			}
		}
	}
}

// counter is the file whose i-th byte is i modulo 256.
type counter struct{ i, n int }

func (c *counter) Read(p []byte) (int, error) {
	if c.i == c.n {
		return 0, io.EOF
	}
	n := min(len(p), c.n-c.i)
	for j := range n {
		p[j] = byte(c.i + j)
	}
	c.i += n
	return n, nil
}

// discard is a DAG service that keeps nothing.
type discard struct{ ipld.DAGService }

func (discard) Add(context.Context, ipld.Node) error { return nil }

// makeTree fills a folder with everything a tree can hold.
func makeTree(t testing.TB, r *rand.Rand, dir string) {
	t.Helper()
	for _, name := range []string{"a", "b c", "déjà vu", "de\u0301ja\u0300 vu", "日本語", "zzz", "UPPER", "with\nnewline", "'quoted\"", "%41", "+plus+"} {
		writeFile(t, filepath.Join(dir, name), randomBytes(r, r.IntN(3000)))
	}
	writeFile(t, filepath.Join(dir, "big"), randomBytes(r, 3*ChunkBytes+7))
	writeFile(t, filepath.Join(dir, "big again"), bytes.Repeat([]byte{7}, 2*ChunkBytes))
	writeFile(t, filepath.Join(dir, "empty"), nil)
	writeFile(t, filepath.Join(dir, "deep/er/and/deeper/leaf"), []byte("x"))
	writeFile(t, filepath.Join(dir, "copy/one"), []byte("same"))
	writeFile(t, filepath.Join(dir, "copy/two"), []byte("same"))
	writeFile(t, filepath.Join(dir, ".hidden"), []byte("dot"))
	writeFile(t, filepath.Join(dir, "deep/.git/config"), []byte("dot"))
	writeFile(t, filepath.Join(dir, "..."), []byte("three dots are hidden too"))
	for _, d := range []string{"hollow", "hollow nest/inner", "only hidden"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "only hidden/.x"), nil)
	for name, target := range map[string]string{
		"to file": "a", "to dir": "deep/er", "dangling": "nowhere/at/all", "absolute": "/etc/passwd",
		"deep/up": "../../..", ".hidden link": "a", "self": "self",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTreeAgainstBoxo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the tree has names that Windows refuses")
	}
	r := seeded(t)
	dir := t.TempDir()
	makeTree(t, r, dir)
	for _, hidden := range []bool{false, true} {
		want := oracleTree(t, mdtest.Mock(), dir, hidden)
		for _, workers := range []int{1, 3, 8} {
			sink := newMemSink(t)
			res, err := Import(t.Context(), dir, sink, ImportConfig{Workers: workers, Hidden: hidden})
			if err != nil {
				t.Fatal(err)
			}
			tsize, _ := want.Size()
			if !res.Root.Equals(want.Cid()) || res.DAGBytes != tsize {
				t.Errorf("hidden %v, %d workers: %s of %d, boxo says %s of %d", hidden, workers, res.Root, res.DAGBytes, want.Cid(), tsize)
			}
			if !sink.last.Equals(res.Root) {
				t.Error("the root did not come last")
			}
			files, size, err := Measure(t.Context(), dir, ImportConfig{Hidden: hidden})
			if err != nil || files != res.Files || size != res.Size || files != int64(len(sink.files)) {
				t.Errorf("measured %d files of %d bytes (%v), imported %+v", files, size, err, res)
			}
		}
	}
	// Every entry by itself, as a root.
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		p := filepath.Join(dir, e.Name())
		res, err := Import(t.Context(), p, nil, ImportConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if want := oracleTree(t, mdtest.Mock(), p, false); !res.Root.Equals(want.Cid()) {
			t.Errorf("%s: %s, boxo says %s", e.Name(), res.Root, want.Cid())
		}
	}
	res, err := Import(t.Context(), filepath.Join(dir, "to dir"), nil, ImportConfig{FollowRoot: true})
	if want := oracleTree(t, mdtest.Mock(), filepath.Join(dir, "deep/er"), false); err != nil || !res.Root.Equals(want.Cid()) {
		t.Errorf("followed link: %s (%v), not %s", res.Root, err, want.Cid())
	}
}

// TestFolderAgainstBoxo finds the same border between one block and a trie,
// and the same trie beyond it.
func TestFolderAgainstBoxo(t *testing.T) {
	r := seeded(t)
	sum := sha256.Sum256([]byte("content"))
	leaf := merkledag.NewRawNode([]byte("content"))
	c := leafCid(&sum)
	compare := func(names []string) int {
		t.Helper()
		dir, err := uio.NewDirectory(mdtest.Mock(), uio.WithCidBuilder(nodePrefix), uio.WithMaxHAMTFanout(256),
			uio.WithSizeEstimationMode(uio.SizeEstimationBlock))
		if err != nil {
			t.Fatal(err)
		}
		dir.SetHAMTShardingSize(256 << 10)
		entries := make([]child, len(names))
		for i, name := range names {
			entries[i] = child{name: name, cid: c, tsize: 7}
			if err := dir.AddChild(t.Context(), name, leaf); err != nil {
				t.Fatal(err)
			}
		}
		want, err := dir.GetNode()
		if err != nil {
			t.Fatal(err)
		}
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		blocks := 0
		got, err := encodeFolder(t.Context(), entries, func(cid.Cid, []byte) error { blocks++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		tsize, _ := want.Size()
		if !got.cid.Equals(want.Cid()) || got.tsize != tsize {
			t.Errorf("%d names: %s of %d, boxo says %s of %d", len(names), got.cid, got.tsize, want.Cid(), tsize)
		}
		return blocks
	}
	// 42 bytes around a name of one-byte length, 44 around a longer one, 4 of the folder.
	var names []string
	total := 4
	for i := 0; total < folderBytes-400; i++ {
		name := fmt.Sprintf("%05d-%s", i, strings.Repeat("n", r.IntN(50)))
		names = append(names, name)
		total += 44 + len(name)
	}
	rest := folderBytes - total
	exact := append(slices.Clone(names), strings.Repeat("x", rest-46)) // two length bytes grow
	for _, d := range []int{-2, -1, 0} {
		if n := compare(append(exact[:len(names):len(names)], exact[len(names)][-d:])); n != 1 {
			t.Errorf("%d bytes: %d blocks", folderBytes+d, n)
		}
	}
	if n := compare(append(names[:len(names):len(names)], exact[len(names)]+"y")); n < 2 {
		t.Error("one byte more is still one block")
	}
	for _, n := range []int{9000, 3000 + r.IntN(4000)} {
		names = names[:0]
		for i := range n {
			names = append(names, fmt.Sprintf("file number %d with a name that makes a trie.txt", i))
		}
		compare(names)
	}
}

func TestFolderOf9000Files(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 9,000 files")
	}
	dir := t.TempDir()
	for i := range 9000 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%04d", i)), fmt.Appendf(nil, "file %d", i%4000))
	}
	want := oracleTree(t, mdtest.Mock(), dir, false)
	res, err := Import(t.Context(), dir, newMemSink(t), ImportConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if !res.Root.Equals(want.Cid()) || res.Files != 9000 {
		t.Errorf("%s with %d files, boxo says %s", res.Root, res.Files, want.Cid())
	}
}

// meddle calls back at the first read of each file.
type meddle struct {
	*memSink
	at func(path string)
}

func (m meddle) File(ctx context.Context, path string, stat fs.FileInfo) (FileSink, error) {
	m.at(path)
	return m.memSink.File(ctx, path, stat)
}

func TestChangedWhileReading(t *testing.T) {
	for _, size := range []int{100, 5*ChunkBytes + 1} {
		for name, change := range map[string]func(path string) error{
			"grown": func(p string) error {
				f, err := os.OpenFile(p, os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = f.WriteString("more")
					err = errors.Join(err, f.Close())
				}
				return err
			},
			"shrunk": func(p string) error { return os.Truncate(p, int64(size/2)) },
			"rewritten": func(p string) error {
				f, err := os.OpenFile(p, os.O_WRONLY, 0)
				if err == nil {
					_, err = f.WriteAt([]byte("other"), int64(size-5))
					err = errors.Join(err, f.Close())
				}
				return err
			},
			"removed": os.Remove,
			"replaced": func(p string) error {
				if err := os.Rename(p, p+".old"); err != nil {
					return err
				}
				return os.WriteFile(p, bytes.Repeat([]byte("x"), size), 0o644)
			},
		} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				if runtime.GOOS == "windows" && (name == "removed" || name == "replaced") {
					t.Skip("Windows keeps open files in place")
				}
				dir := t.TempDir()
				p := filepath.Join(dir, "f")
				writeFile(t, p, bytes.Repeat([]byte("x"), size))
				sink := newMemSink(t)
				_, err := Import(t.Context(), dir, meddle{sink, func(path string) {
					if err := change(path); err != nil {
						t.Error(err)
					}
				}}, ImportConfig{})
				if !errors.Is(err, ErrChangedWhileReading) || !strings.Contains(err.Error(), p) {
					t.Errorf("got %v", err)
				}
				if sink.failed != 1 {
					t.Errorf("%d files closed with an error", sink.failed)
				}
			})
		}
	}
}

func TestImportErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Import(t.Context(), filepath.Join(dir, "none"), nil, ImportConfig{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing path: %v", err)
	}
	if _, err := Import(t.Context(), dir, nil, ImportConfig{Workers: -1}); err == nil {
		t.Error("-1 workers")
	}
	ctx, cancel := context.WithCancel(t.Context())
	for i := range 100 {
		writeFile(t, filepath.Join(dir, fmt.Sprint(i)), []byte("x"))
	}
	sink := newMemSink(t)
	_, err := Import(ctx, dir, meddle{sink, func(path string) {
		if filepath.Base(path) == "5" {
			cancel()
		}
	}}, ImportConfig{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if len(sink.files) > 90 {
		t.Errorf("%d files were read after cancellation", len(sink.files))
	}
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Log("left out: a file without permission, which needs a user other than root")
		return
	}
	p := filepath.Join(dir, "secret")
	if err := os.WriteFile(p, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(t.Context(), dir, nil, ImportConfig{}); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), p) {
		t.Errorf("unreadable file: %v", err)
	}
}

func TestProgress(t *testing.T) {
	dir := t.TempDir()
	makeTree(t, seeded(t), dir)
	var last Progress
	res, err := Import(t.Context(), dir, nil, ImportConfig{Progress: func(p Progress) {
		if p.Bytes < last.Bytes || p.Files < last.Files {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	}})
	if err != nil || last.Bytes != res.Size || last.Files != res.Files {
		t.Errorf("last progress %+v of %+v (%v)", last, res, err)
	}
}
