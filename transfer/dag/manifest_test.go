package dag

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	chunker "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	"github.com/ipfs/boxo/ipld/unixfs/importer/trickle"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"
	"golang.org/x/sync/errgroup"
)

// memBlocks is a block source in memory. It counts what it is asked for, and
// answers in another order.
type memBlocks struct {
	ipld.DAGService
	m     map[cid.Cid][]byte
	calls int
	asked map[cid.Cid]int
}

func newMemBlocks() *memBlocks {
	return &memBlocks{m: map[cid.Cid][]byte{}, asked: map[cid.Cid]int{}}
}

func (s *memBlocks) Add(_ context.Context, n ipld.Node) error {
	s.m[n.Cid()] = n.RawData()
	return nil
}

func (s *memBlocks) Get(_ context.Context, c cid.Cid) (ipld.Node, error) {
	b, err := blocks.NewBlockWithCid(s.m[c], c)
	if err != nil {
		return nil, err
	}
	return merkledag.DecodeProtobufBlock(b)
}

// put adds a block under its own CID.
func (s *memBlocks) put(p cid.Prefix, data []byte) cid.Cid {
	c, err := p.Sum(data)
	if err != nil {
		panic(err)
	}
	s.m[c] = data
	return c
}

func (s *memBlocks) Blocks(ctx context.Context, cids []cid.Cid, each func(int, []byte) error) error {
	s.calls++
	for i := range cids {
		s.asked[cids[i]]++
	}
	grp, ctx := errgroup.WithContext(ctx)
	grp.SetLimit(4)
	for i := range slices.Backward(cids) {
		grp.Go(func() error {
			data, ok := s.m[cids[i]]
			if !ok || ctx.Err() != nil {
				return fmt.Errorf("no block %s", cids[i])
			}
			scratch := slices.Clone(data)
			err := each(i, scratch)
			for j := range scratch {
				scratch[j] = 0xEE // it was only valid during the call
			}
			return err
		})
	}
	return grp.Wait()
}

// checkManifest verifies what a manifest promises about itself.
func checkManifest(t testing.TB, m *Manifest) {
	t.Helper()
	var size int64
	seen := map[int]bool{}
	order := -1
	for i, e := range m.Entries {
		if i == 0 {
			if e.Parent != -1 || e.Name != "" || !e.Cid.Equals(m.Root) {
				t.Fatalf("root entry %+v", e)
			}
		} else if e.Parent < 0 || e.Parent >= i || m.Entries[e.Parent].Kind != Folder || checkName(e.Name) != nil {
			t.Fatalf("entry %d: %+v", i, e)
		}
		if e.Kind != File {
			if e.Size != 0 || e.first != e.last {
				t.Fatalf("a %s with bytes: %+v", e.Kind, e)
			}
			continue
		}
		var end int64
		for c, off := range m.FileChunks(i) {
			if off != end || m.PayloadSize(c) <= 0 || m.PayloadSize(c) > m.Chunks[c].Size || m.Chunks[c].Size > MaxBlockBytes {
				t.Fatalf("%s: chunk %d at %d after %d, payload %d of %d", m.Path(i), c, off, end, m.PayloadSize(c), m.Chunks[c].Size)
			}
			end += int64(m.PayloadSize(c))
			if !seen[c] {
				if c != order+1 {
					t.Fatalf("chunk %d came first after %d", c, order)
				}
				order = c
			}
			seen[c] = true
		}
		if end != e.Size {
			t.Fatalf("%s: chunks of %d bytes for a file of %d", m.Path(i), end, e.Size)
		}
		size += e.Size
	}
	if size != m.Size || len(seen) != len(m.Chunks) {
		t.Fatalf("%d bytes in %d chunks; it says %d in %d", size, len(seen), m.Size, len(m.Chunks))
	}
	unique := map[cid.Cid]bool{}
	extents := 0
	for i, c := range m.Chunks {
		if unique[c.Cid] {
			t.Fatalf("chunk %s twice", c.Cid)
		}
		unique[c.Cid] = true
		for x := range m.Extents(i) {
			extents++
			if e := m.Entries[x.Entry]; e.Kind != File || x.Offset+int64(m.PayloadSize(i)) > e.Size {
				t.Fatalf("chunk %d belongs at %d of %+v", i, x.Offset, e)
			}
		}
	}
	if extents != len(m.places) {
		t.Fatalf("%d extents, %d places", extents, len(m.places))
	}
	m.Digest()
}

// contents puts the files of a manifest together, by path.
func contents(t testing.TB, m *Manifest, src *memBlocks) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	bufs := make([][]byte, len(m.Entries))
	for i, e := range m.Entries {
		if e.Kind == File {
			bufs[i] = make([]byte, e.Size)
			out[m.Path(i)] = bufs[i]
		}
	}
	for i, c := range m.Chunks {
		block, ok := m.Known(i)
		if !ok {
			block = src.m[c.Cid]
		}
		if len(block) != c.Size || Verify(c.Cid, block) != nil {
			t.Fatalf("chunk %s: %d bytes, not %d", c.Cid, len(block), c.Size)
		}
		payload, err := Payload(c.Cid, m.PayloadSize(i), block)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Enclose(c.Cid, payload); err == nil && !bytes.Equal(again, block) {
			t.Fatal("another block around the payload")
		}
		for x := range m.Extents(i) {
			copy(bufs[x.Entry][x.Offset:], payload)
		}
	}
	return out
}

func importTo(t testing.TB, path string, cfg ImportConfig) (*memBlocks, Result) {
	t.Helper()
	sink := newMemSink(t)
	res, err := Import(t.Context(), path, sink, cfg)
	if err != nil {
		t.Fatal(err)
	}
	src := newMemBlocks()
	maps.Copy(src.m, sink.blocks)
	for p, refs := range sink.files {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range refs {
			src.m[r.Cid] = data[r.Offset:][:r.Size]
		}
	}
	return src, res
}

func TestManifestOfImport(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the tree has names that Windows refuses")
	}
	dir := t.TempDir()
	makeTree(t, seeded(t), dir)
	for i := range 1300 { // a trie, with such names
		writeFile(t, filepath.Join(dir, "many", fmt.Sprintf("%0200d", i)), fmt.Append(nil, i%1000))
	}
	src, res := importTo(t, dir, ImportConfig{Hidden: true})
	m, err := Build(t.Context(), res.Root, src, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	checkManifest(t, m)
	if m.Size != res.Size || int64(len(m.Entries)) != res.Files+res.Folders+res.Symlinks {
		t.Errorf("%d bytes in %d entries, imported %+v", m.Size, len(m.Entries), res)
	}
	for c, n := range src.asked {
		if n != 1 || c.Prefix().Codec == cid.Raw {
			t.Errorf("%s was fetched %d times", c, n)
		}
	}
	if src.calls > 8 {
		t.Errorf("%d round trips", src.calls)
	}
	got := contents(t, m, src)
	for i, e := range m.Entries {
		p := filepath.Join(dir, filepath.FromSlash(m.Path(i)))
		switch e.Kind {
		case File:
			want, err := os.ReadFile(p)
			if err != nil || !bytes.Equal(got[m.Path(i)], want) {
				t.Errorf("%s differs (%v)", p, err)
			}
		case Symlink:
			if want, err := os.Readlink(p); err != nil || want != e.Target {
				t.Errorf("%s points to %q, not %q (%v)", p, e.Target, want, err)
			}
		case Folder:
			if info, err := os.Lstat(p); err != nil || !info.IsDir() {
				t.Errorf("%s is no folder (%v)", p, err)
			}
		}
	}
	again, err := Build(t.Context(), res.Root, src, Limits{})
	if err != nil || again.Digest() != m.Digest() {
		t.Errorf("another digest the second time (%v)", err)
	}
}

// profiles are the ways in which others make DAGs.
func profiles(r *rand.Rand) map[string]func(ds ipld.DAGService, data []byte) (ipld.Node, error) {
	v0 := cid.Prefix{Version: 0, Codec: cid.DagProtobuf, MhType: mh.SHA2_256, MhLength: -1}
	blake := cid.Prefix{Version: 1, Codec: cid.DagProtobuf, MhType: mh.BLAKE3, MhLength: 32}
	build := func(p helpers.DagBuilderParams, chunk int64, lay func(*helpers.DagBuilderHelper) (ipld.Node, error)) func(ipld.DAGService, []byte) (ipld.Node, error) {
		return func(ds ipld.DAGService, data []byte) (ipld.Node, error) {
			p := p
			p.Dagserv = ds
			db, err := p.New(chunker.NewSizeSplitter(bytes.NewReader(data), chunk))
			if err != nil {
				return nil, err
			}
			return lay(db)
		}
	}
	return map[string]func(ipld.DAGService, []byte) (ipld.Node, error){
		"v0":         build(helpers.DagBuilderParams{Maxlinks: 174, CidBuilder: v0}, 256<<10, balanced.Layout),
		"v0 tiny":    build(helpers.DagBuilderParams{Maxlinks: 3, CidBuilder: v0}, 1+r.Int64N(5000), balanced.Layout),
		"v1 wrapped": build(helpers.DagBuilderParams{Maxlinks: 1024, CidBuilder: nodePrefix}, 1<<20, balanced.Layout),
		"trickle":    build(helpers.DagBuilderParams{Maxlinks: 5, CidBuilder: nodePrefix, RawLeaves: true}, 10000, trickle.Layout),
		"trickle v0": build(helpers.DagBuilderParams{Maxlinks: 5, CidBuilder: v0}, 10000, trickle.Layout),
		"blake3":     build(helpers.DagBuilderParams{Maxlinks: 174, CidBuilder: blake, RawLeaves: true}, 1<<18, balanced.Layout),
		"two levels": build(helpers.DagBuilderParams{Maxlinks: 4, CidBuilder: nodePrefix, RawLeaves: true}, 3000, balanced.Layout),
	}
}

func TestOtherProfiles(t *testing.T) {
	r := seeded(t)
	for name, make := range profiles(r) {
		for _, size := range []int{0, 1, 300, 10000, 100001, 1 << 20, 1<<20 + 5} {
			src := newMemBlocks()
			data := randomBytes(r, size)
			root, err := make(src, data)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Build(t.Context(), root.Cid(), src, Limits{})
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, size, err)
			}
			checkManifest(t, m)
			if got := contents(t, m, src)[""]; !bytes.Equal(got, data) {
				t.Errorf("%s, %d bytes: other content", name, size)
			}
			// Inside a folder, where the file may be wrapped alone.
			dir, err := uio.NewDirectory(src, uio.WithCidBuilder(nodePrefix))
			if err != nil {
				t.Fatal(err)
			}
			if err := dir.AddChild(t.Context(), "it", root); err != nil {
				t.Fatal(err)
			}
			nd, _ := dir.GetNode()
			src.Add(t.Context(), nd)
			if m, err = Build(t.Context(), nd.Cid(), src, Limits{}); err != nil {
				t.Fatalf("%s, %d bytes in a folder: %v", name, size, err)
			}
			checkManifest(t, m)
			if got := contents(t, m, src)["it"]; !bytes.Equal(got, data) {
				t.Errorf("%s, %d bytes in a folder: other content", name, size)
			}
		}
	}
}

func TestInlineBlocks(t *testing.T) {
	src := newMemBlocks()
	id := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.IDENTITY, MhLength: -1}
	hello := src.put(id, []byte("hello"))
	nodeID := cid.Prefix{Version: 1, Codec: cid.DagProtobuf, MhType: mh.IDENTITY, MhLength: -1}
	link := src.put(nodeID, merkledag.NodeWithData(must(unixfs.SymlinkData("hello"))).RawData())
	root := src.put(nodePrefix, folderBlock(
		&ipld.Link{Name: "file", Cid: hello, Size: 5}, &ipld.Link{Name: "link", Cid: link, Size: 20}))
	clear(src.asked)
	src.m = map[cid.Cid][]byte{root: src.m[root]} // the others cannot be fetched
	m, err := Build(t.Context(), root, src, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	checkManifest(t, m)
	if got := contents(t, m, src)["file"]; string(got) != "hello" {
		t.Errorf("got %q", got)
	}
	if m.Entries[2].Target != "hello" {
		t.Errorf("got %+v", m.Entries[2])
	}
	for _, c := range []cid.Cid{hello, emptyLeaf} {
		if m, err = Build(t.Context(), c, src, Limits{}); err != nil {
			t.Fatal(err)
		}
		checkManifest(t, m)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func folderBlock(links ...*ipld.Link) []byte {
	n := merkledag.NodeWithData(unixfs.FolderPBData())
	if err := n.SetLinks(links); err != nil {
		panic(err)
	}
	return n.RawData()
}

// fileBlock is a file's node with whatever it claims.
func fileBlock(size uint64, data []byte, sizes []uint64, links ...*ipld.Link) []byte {
	fsn := unixfs.NewFSNode(unixfs.TFile)
	fsn.SetData(data)
	for _, s := range sizes {
		fsn.AddBlockSize(s)
	}
	fsn.UpdateFilesize(int64(size - fsn.FileSize()))
	n := merkledag.NodeWithData(must(fsn.GetBytes()))
	if err := n.SetLinks(links); err != nil {
		panic(err)
	}
	return n.RawData()
}

// TestHostile builds manifests from DAGs that lie.
func TestHostile(t *testing.T) {
	src := newMemBlocks()
	rawPrefix := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA2_256, MhLength: 32}
	leaf := src.put(rawPrefix, []byte("0123456789"))
	node := func(block []byte) cid.Cid { return src.put(nodePrefix, block) }
	to := func(c cid.Cid, tsize uint64) *ipld.Link { return &ipld.Link{Cid: c, Size: tsize} }
	named := func(name string, c cid.Cid, tsize uint64) *ipld.Link {
		return &ipld.Link{Name: name, Cid: c, Size: tsize}
	}
	file := node(fileBlock(10, nil, []uint64{10}, to(leaf, 10)))
	folder := node(folderBlock(named("x", leaf, 10)))
	shard := func(bits []byte, width, hash uint64, links ...*ipld.Link) []byte {
		n := merkledag.NodeWithData(must(unixfs.HAMTShardData(bits, width, hash)))
		if err := n.SetLinks(links); err != nil {
			t.Fatal(err)
		}
		return n.RawData()
	}
	chain := func(n int) cid.Cid {
		c := leaf
		for range n {
			c = node(fileBlock(10, nil, []uint64{10}, to(c, 5000)))
		}
		return c
	}
	nested := folder
	for range 1100 {
		nested = node(folderBlock(named("d", nested, 5000)))
	}
	bomb := node(fileBlock(0, nil, nil)) // 16^1000 nodes without a byte
	for range 1000 {
		links, sizes := make([]*ipld.Link, 16), make([]uint64, 16)
		for i := range links {
			links[i] = to(bomb, 1<<20)
		}
		bomb = node(fileBlock(0, nil, sizes, links...))
	}
	big := node(fileBlock(1<<20, nil, slices.Repeat([]uint64{1 << 19}, 2), to(leaf, 1<<19), to(leaf, 1<<19)))
	size := uint64(1 << 20)
	for range 5 { // 2^16 times as much a level
		links, sizes := make([]*ipld.Link, 1<<10), make([]uint64, 1<<10)
		for i := range links {
			links[i], sizes[i] = to(big, size+1000), size
		}
		size <<= 10
		big = node(fileBlock(size, nil, sizes, links...))
		if size >= 1<<50 {
			break
		}
	}
	manyLinks := make([]*ipld.Link, maxNodeLinks+1)
	for i := range manyLinks {
		manyLinks[i] = to(must(cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.IDENTITY, MhLength: -1}.Sum(nil)), 0)
	}
	for name, c := range map[string]struct {
		root cid.Cid
		want error
	}{
		"sizes do not add up":       {node(fileBlock(11, nil, []uint64{10}, to(leaf, 10))), ErrMalformed},
		"more sizes than links":     {node(fileBlock(20, nil, []uint64{10, 10}, to(leaf, 10))), ErrMalformed},
		"no sizes":                  {node(fileBlock(0, nil, nil, to(leaf, 10))), ErrMalformed},
		"2^63 bytes":                {node(fileBlock(1<<63, nil, []uint64{1 << 63}, to(file, 1<<40))), ErrTooLarge},
		"sizes wrap around":         {node(fileBlock(10, nil, []uint64{1<<64 - 10, 20}, to(file, 9999), to(file, 9999))), ErrTooLarge},
		"child of another size":     {node(fileBlock(5000, nil, []uint64{5000}, to(file, 9999))), ErrMalformed},
		"same chunk, two sizes":     {node(fileBlock(19, nil, []uint64{10, 9}, to(leaf, 10), to(leaf, 9))), ErrMalformed},
		"chunk beyond the limit":    {node(fileBlock(MaxBlockBytes+1, nil, []uint64{MaxBlockBytes + 1}, to(leaf, 10))), ErrTooLarge},
		"folder as part of a file":  {node(fileBlock(500, nil, []uint64{500}, to(folder, 1000))), ErrMalformed},
		"10^6 levels of file":       {chain(1200), ErrTooLarge},
		"10^3 levels of folders":    {nested, ErrTooLarge},
		"nodes without bytes":       {bomb, ErrTooLarge},
		"2^60 bytes of one chunk":   {big, ErrTooLarge},
		"too many links":            {node(folderBlock(manyLinks...)), ErrTooLarge},
		"name ..":                   {node(folderBlock(named("..", leaf, 10))), ErrMalformed},
		"name .":                    {node(folderBlock(named(".", leaf, 10))), ErrMalformed},
		"no name":                   {node(folderBlock(named("", leaf, 10))), ErrMalformed},
		"name with a slash":         {node(folderBlock(named("a/b", leaf, 10))), ErrMalformed},
		"name with a zero":          {node(folderBlock(named("a\x00b", leaf, 10))), ErrMalformed},
		"endless name":              {node(folderBlock(named(strings.Repeat("x", 2000), leaf, 10))), ErrTooLarge},
		"the same name twice":       {node(folderBlock(named("x", leaf, 10), named("x", file, 99))), ErrMalformed},
		"trie of width 7":           {node(shard([]byte{1}, 7, 0x22, named("0x", leaf, 10))), ErrMalformed},
		"trie of width 2^40":        {node(shard([]byte{1}, 1<<40, 0x22, named("0x", leaf, 10))), ErrMalformed},
		"trie by another hash":      {node(shard([]byte{1}, 256, 0x12, named("00x", leaf, 10))), ErrUnsupported},
		"trie with too many bits":   {node(shard([]byte{3}, 256, 0x22, named("00x", leaf, 10))), ErrMalformed},
		"trie with too long bits":   {node(shard(make([]byte, 33), 256, 0x22)), ErrMalformed},
		"trie with a wrong slot":    {node(shard([]byte{2}, 256, 0x22, named("00x", leaf, 10))), ErrMalformed},
		"trie with a short name":    {node(shard([]byte{1}, 256, 0x22, named("0", leaf, 10))), ErrMalformed},
		"trie with a bad name":      {node(shard([]byte{1}, 256, 0x22, named("00..", leaf, 10))), ErrMalformed},
		"trie with a file as shard": {node(shard([]byte{1}, 256, 0x22, named("00", file, 10))), ErrMalformed},
		"name twice in a trie":      {node(shard([]byte{3}, 256, 0x22, named("00x", leaf, 10), named("01x", leaf, 10))), ErrMalformed},
		"link to nothing":           {node(merkledag.NodeWithData(must(unixfs.SymlinkData(""))).RawData()), ErrMalformed},
		"link to a zero":            {node(merkledag.NodeWithData(must(unixfs.SymlinkData("a\x00"))).RawData()), ErrMalformed},
		"endless link":              {node(merkledag.NodeWithData(must(unixfs.SymlinkData(strings.Repeat("a/", 4096)))).RawData()), ErrTooLarge},
		"not UnixFS":                {node(merkledag.NodeWithData([]byte("hello")).RawData()), ErrMalformed},
		"not dag-pb":                {node([]byte("hello")), ErrMalformed},
		"metadata":                  {node(merkledag.NodeWithData([]byte{8, 3}).RawData()), ErrUnsupported},
		"other codec":               {must(cid.Prefix{Version: 1, Codec: cid.DagCBOR, MhType: mh.SHA2_256, MhLength: 32}.Sum([]byte{0xa0})), ErrUnsupported},
		"other hash":                {must(cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA1, MhLength: 20}.Sum([]byte{0xa0})), ErrUnsupported},
		"cut hash":                  {must(cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA2_256, MhLength: 20}.Sum([]byte{0xa0})), ErrUnsupported},
		"other codec inside":        {node(folderBlock(named("x", must(cid.Prefix{Version: 1, Codec: cid.DagCBOR, MhType: mh.SHA2_256, MhLength: 32}.Sum([]byte{0xa0})), 1))), ErrUnsupported},
		"oversize node":             {node(make([]byte, MaxBlockBytes+1)), ErrTooLarge},
		"empty chunk by a lie":      {node(fileBlock(0, nil, []uint64{0}, to(leaf, 0))), ErrMalformed},
		"undefined":                 {cid.Undef, ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Build(t.Context(), c.root, src, Limits{})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, %v", m, err)
			}
			if _, err := List(t.Context(), c.root, src, Limits{}, true); err != nil && !errors.Is(err, c.want) {
				t.Errorf("list: %v", err)
			}
		})
	}
}

type lazy struct{ *memBlocks }

func (lazy) Blocks(context.Context, []cid.Cid, func(int, []byte) error) error { return nil }

func TestSourceLeavesOut(t *testing.T) {
	src := newMemBlocks()
	root := src.put(nodePrefix, folderBlock())
	if _, err := Build(t.Context(), root, lazy{src}, Limits{}); err == nil {
		t.Error("no bytes")
	}
	if _, err := Build(t.Context(), root, src, Limits{Chunks: -1}); err == nil {
		t.Error("limit of -1")
	}
}

func TestLimits(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the tree has names that Windows refuses")
	}
	dir := t.TempDir()
	makeTree(t, seeded(t), dir)
	src, res := importTo(t, dir, ImportConfig{})
	for _, l := range []Limits{{Levels: 3}, {Links: 10}, {Chunks: 5}, {Entries: 10}} {
		if _, err := Build(t.Context(), res.Root, src, l); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestList(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the tree has names that Windows refuses")
	}
	dir := t.TempDir()
	makeTree(t, seeded(t), dir)
	for i := range 1300 {
		writeFile(t, filepath.Join(dir, "many", fmt.Sprintf("%0200d", i)), fmt.Append(nil, i))
	}
	src, res := importTo(t, dir, ImportConfig{})
	m, err := Build(t.Context(), res.Root, src, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for at, e := range m.Entries {
		if e.Kind == File && e.Parent != 0 {
			continue // there are many
		}
		clear(src.asked)
		items, err := List(t.Context(), e.Cid, src, Limits{}, true)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != Folder {
			if len(items) != 1 || items[0].Kind != e.Kind || items[0].Size != e.Size && e.Kind == File || items[0].Target != e.Target {
				t.Errorf("%s: %+v", m.Path(at), items)
			}
			continue
		}
		i := 0
		for _, x := range m.Entries {
			if x.Parent != at {
				continue
			}
			it := items[i]
			if it.Name != x.Name || it.Kind != x.Kind || !it.Cid.Equals(x.Cid) || it.Kind == File && it.Size != x.Size {
				t.Errorf("%s: listed %+v, not %+v", m.Path(at), it, x)
			}
			i++
		}
		if i != len(items) {
			t.Errorf("%s: %d listed, not %d", m.Path(at), len(items), i)
		}
	}
	clear(src.asked)
	items, err := List(t.Context(), res.Root, src, Limits{}, false)
	if err != nil || len(src.asked) != 1 {
		t.Errorf("%d blocks were fetched to list %d entries (%v)", len(src.asked), len(items), err)
	}
}

// TestManifestOfTebibyte unfolds a file of 2^20 chunks.
func TestManifestOfTebibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	src := newMemBlocks()
	l := layout{width: nodeLinks, emit: func(c cid.Cid, b []byte) error { src.m[c] = b; return nil }}
	for i := range 1 << 20 {
		sum := sha256.Sum256(fmt.Append(nil, i))
		if err := l.add(child{cid: leafCid(&sum), size: ChunkBytes, tsize: ChunkBytes}); err != nil {
			t.Fatal(err)
		}
	}
	root, err := l.root()
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m, err := Build(t.Context(), root.cid, src, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := (after.HeapAlloc - before.HeapAlloc) >> 20
	t.Logf("%d MiB held for %d chunks", held, len(m.Chunks))
	if m.Size != 1<<40 || len(m.Chunks) != 1<<20 || held > 150 {
		t.Errorf("%d bytes in %d chunks, %d MiB held", m.Size, len(m.Chunks), held)
	}
	runtime.KeepAlive(m)
}
