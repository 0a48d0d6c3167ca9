package dag

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
)

// Manifest is what a root CID stands for: the files, folders and links, the
// chunks they are made of, and where each chunk goes. It is immutable.
type Manifest struct {
	Root cid.Cid
	// Size is the number of bytes of all files.
	Size int64
	// Entries lists everything in the order of the DAG, a folder before what is
	// in it. Entry 0 is the root.
	Entries []Entry
	// Chunks lists every chunk once, in the order of first occurrence in the
	// DAG.
	Chunks []Chunk

	places   []place32 // every occurrence of a chunk, in the order of the DAG
	byChunk  []uint32  // places sorted by chunk; nil if no chunk occurs twice
	start    []uint32  // chunk i owns byChunk[start[i]:start[i+1]]
	payloads []uint32  // bytes of a file in each chunk; nil if that is its size everywhere
	known    map[int][]byte
}

// Entry is a file, folder or symbolic link of a Manifest.
type Entry struct {
	Parent int    // index of the folder it is in; -1 for the root
	Name   string // plain: not empty, "." or "..", without slash and NUL; empty for the root
	Kind   Kind
	Cid    cid.Cid
	Size   int64  // of a file, in bytes
	Target string // of a symbolic link, as it stands in the DAG: it may point anywhere

	first, last uint32 // of a file: its places
}

// Extent is a place where a chunk's payload belongs.
type Extent struct {
	Entry  int
	Offset int64 // in the file, in bytes
}

// place32 is an occurrence of a chunk.
type place32 struct {
	chunk, entry uint32
	offset       int64
}

// Path is the entry's path below the root, with slashes; empty for the root
// itself. It is as trustworthy as its names.
func (m *Manifest) Path(entry int) string {
	var names []string
	for i := entry; m.Entries[i].Parent >= 0; i = m.Entries[i].Parent {
		names = append(names, m.Entries[i].Name)
	}
	slices.Reverse(names)
	return strings.Join(names, "/")
}

// Find returns the entry at a path below the root, with slashes, as Path writes
// it; ok is false if there is none.
func (m *Manifest) Find(path string) (entry int, ok bool) {
	for name := range strings.SplitSeq(path, "/") {
		entry, ok = m.child(entry, name)
		if !ok {
			return 0, false
		}
	}
	return entry, ok
}

// child finds an entry of a folder. Entries come behind the folder they are in.
func (m *Manifest) child(folder int, name string) (int, bool) {
	for i := folder + 1; i < len(m.Entries); i++ {
		if e := &m.Entries[i]; e.Parent == folder && e.Name == name {
			return i, true
		}
	}
	return 0, false
}

// PayloadSize is the number of bytes that a chunk adds to each file it is in:
// its size, unless it is wrapped in a dag-pb node (see Payload).
func (m *Manifest) PayloadSize(chunk int) int {
	if m.payloads == nil {
		return m.Chunks[chunk].Size
	}
	return int(m.payloads[chunk])
}

// Extents are the places where a chunk belongs: one or more.
func (m *Manifest) Extents(chunk int) iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		if m.byChunk == nil {
			p := m.places[chunk]
			yield(Extent{int(p.entry), p.offset})
			return
		}
		for _, i := range m.byChunk[m.start[chunk]:m.start[chunk+1]] {
			p := m.places[i]
			if !yield(Extent{int(p.entry), p.offset}) {
				return
			}
		}
	}
}

// FileChunks are the chunks of a file in order, each with its offset in the
// file. Chunks without payload are left out, so an empty file has none.
func (m *Manifest) FileChunks(entry int) iter.Seq2[int, int64] {
	e := m.Entries[entry]
	return func(yield func(int, int64) bool) {
		for _, p := range m.places[e.first:e.last] {
			if !yield(int(p.chunk), p.offset) {
				return
			}
		}
	}
}

// Known returns the block of a chunk that need not be fetched: it came along
// with the nodes, or the CID itself holds it. The bytes must not be changed.
func (m *Manifest) Known(chunk int) ([]byte, bool) {
	if block, ok := m.known[chunk]; ok {
		return block, true
	}
	return Inline(m.Chunks[chunk].Cid)
}

// Digest identifies the manifest: two of the same root differ in it if they
// were unfolded differently. It is computed anew each time.
func (m *Manifest) Digest() [sha256.Size]byte {
	h := sha256.New()
	var b [24]byte
	var key []byte
	for i, c := range m.Chunks {
		key = binary.BigEndian.AppendUint64(key[:0], uint64(c.Size))
		key = binary.BigEndian.AppendUint64(key, uint64(m.PayloadSize(i)))
		key = append(key, c.Cid.KeyString()...)
		h.Write(key)
	}
	for _, p := range m.places {
		binary.BigEndian.PutUint32(b[:], p.chunk)
		binary.BigEndian.PutUint32(b[4:], p.entry)
		binary.BigEndian.PutUint64(b[8:], uint64(p.offset))
		h.Write(b[:16])
	}
	for _, e := range m.Entries {
		binary.BigEndian.PutUint64(b[:], uint64(e.Parent))
		binary.BigEndian.PutUint64(b[8:], uint64(e.Size))
		binary.BigEndian.PutUint32(b[16:], uint32(len(e.Name)))
		binary.BigEndian.PutUint32(b[20:], uint32(len(e.Target))<<2|uint32(e.Kind))
		h.Write(b[:24])
		h.Write([]byte(e.Name))
		h.Write([]byte(e.Target))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// index groups the places by chunk, if any chunk has more than one.
func (m *Manifest) index() {
	if len(m.places) == len(m.Chunks) {
		return
	}
	m.start = make([]uint32, len(m.Chunks)+1)
	for _, p := range m.places {
		m.start[p.chunk+1]++
	}
	for i := range m.Chunks {
		m.start[i+1] += m.start[i]
	}
	next := slices.Clone(m.start)
	m.byChunk = make([]uint32, len(m.places))
	for i, p := range m.places {
		m.byChunk[next[p.chunk]] = uint32(i)
		next[p.chunk]++
	}
}

// Plain reports whether every chunk's block is nothing but bytes of files.
func (m *Manifest) Plain() bool { return m.payloads == nil }

// Refs are the chunks of a file as Import reports them: batches of at most
// 1024, in a slice that is reused. It fails with ErrUnsupported if a chunk's
// block is more than bytes of the file, so that the file cannot stand for it.
func (m *Manifest) Refs(entry int) (iter.Seq[[]Ref], error) {
	for i := range m.FileChunks(entry) {
		if m.PayloadSize(i) != m.Chunks[i].Size {
			return nil, fmt.Errorf("%s: %w", m.Chunks[i].Cid, ErrUnsupported)
		}
	}
	return func(yield func([]Ref) bool) {
		batch := make([]Ref, 0, min(nodeLinks, int(m.Entries[entry].last-m.Entries[entry].first)+1))
		for i, off := range m.FileChunks(entry) {
			batch = append(batch, Ref{Chunk: m.Chunks[i], Offset: off})
			if len(batch) == nodeLinks {
				if !yield(batch) {
					return
				}
				batch = batch[:0]
			}
		}
		if e := m.Entries[entry]; e.Size == 0 && e.Cid.Equals(emptyLeaf) {
			batch = append(batch, Ref{Chunk: Chunk{Cid: e.Cid}})
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}, nil
}
