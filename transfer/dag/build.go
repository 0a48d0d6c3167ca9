package dag

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ipfs/go-cid"
)

// Build fetches the nodes below root, level by level and each once, and makes
// the manifest. Chunks are not fetched, with one exception: what is only known
// to be a chunk when it is there, like the root of a small file.
//
// It reads the DAGs of any UnixFS profile: other chunk sizes and layouts,
// chunks that are wrapped in dag-pb nodes, data in internal nodes, blocks in
// CIDs. What a node claims about its children is checked against them, or
// against the chunk's size when it arrives.
//
// Errors are ErrMalformed, ErrTooLarge and ErrUnsupported for content that
// cannot be accepted, or the source's own.
func Build(ctx context.Context, root cid.Cid, blocks Blocks, limits Limits) (*Manifest, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	if err := CheckCid(root); err != nil {
		return nil, err
	}
	f := &fetcher{blocks: blocks, limits: limits.withDefaults(), nodes: make(map[cid.Cid]*node)}
	err := f.breadth(ctx, root, func(n *node, l *link) bool { return !n.isChunk(l) })
	if err != nil {
		return nil, err
	}
	b := &builder{
		fetcher: f,
		index:   make(map[cid.Cid]uint32),
		m:       &Manifest{Root: root, known: make(map[int][]byte)},
	}
	if err := b.entry(root, "", -1, 0); err != nil {
		return nil, err
	}
	b.m.index()
	return b.m, nil
}

// maxWrapping is the most that a dag-pb node adds to the data of a chunk.
// An internal node with one child adds more to what is below it.
const maxWrapping = 48

// isChunk reports whether a link of n must lead to a chunk, judged by what n
// says about it. If n lies, the chunk turns out to be none when it arrives.
func (n *node) isChunk(l *link) bool {
	raw := l.cid.Prefix().Codec == cid.Raw
	switch n.form {
	case formFile:
		return raw || (l.tsize > l.size && l.tsize-l.size <= maxWrapping && l.tsize <= MaxBlockBytes)
	case formFolder, formShard:
		return raw && l.name != "" && l.tsize > 0
	}
	return false
}

// chunkSize is the size of the block behind a link that isChunk, and the bytes
// of a file in it.
func (n *node) chunkSize(l *link) (block, payload uint64) {
	switch {
	case n.form != formFile:
		return l.tsize, l.tsize
	case l.cid.Prefix().Codec == cid.Raw:
		return l.size, l.size
	}
	return l.tsize, l.size
}

// builder unfolds fetched nodes into a manifest, depth first. Nodes that occur
// several times are unfolded as often, so everything is counted on the way.
type builder struct {
	*fetcher
	m        *Manifest
	index    map[cid.Cid]uint32 // chunks so far
	unfolded int                // links so far
}

// descend counts the links of a node that is about to be unfolded, so that few
// nodes that refer to each other very often do not keep us busy for ever.
func (b *builder) descend(n *node, depth int) error {
	if depth == b.limits.Levels {
		return fmt.Errorf("more than %d levels: %w", depth, ErrTooLarge)
	}
	if b.unfolded += len(n.links); b.unfolded > b.limits.Links {
		return fmt.Errorf("more than %d links: %w", b.limits.Links, ErrTooLarge)
	}
	return nil
}

// where names an entry in errors.
func (b *builder) where(entry int) string {
	if entry == 0 {
		return b.m.Root.String()
	}
	return strconv.Quote(b.m.Path(entry))
}

// entry unfolds the file, folder or symbolic link at c.
func (b *builder) entry(c cid.Cid, name string, parent, depth int) error {
	n := b.nodes[c]
	self, err := b.newEntry(c, name, parent)
	if err != nil {
		return err
	}
	switch n.form {
	case formFile:
		b.m.Entries[self].Size = int64(n.size)
		err = b.file(self, func() error { return b.inFile(c, self, 0, depth) })
	case formFolder, formShard:
		b.m.Entries[self].Kind = Folder
		names := make(map[string]struct{}, len(n.links))
		err = b.folder(n, self, depth, names)
	case formSymlink:
		b.m.Entries[self].Kind = Symlink
		b.m.Entries[self].Target = n.target
	}
	return err
}

func (b *builder) newEntry(c cid.Cid, name string, parent int) (int, error) {
	if len(b.m.Entries) == b.limits.Entries {
		return 0, fmt.Errorf("more than %d entries: %w", b.limits.Entries, ErrTooLarge)
	}
	b.m.Entries = append(b.m.Entries, Entry{Parent: parent, Name: name, Cid: c, Kind: File})
	return len(b.m.Entries) - 1, nil
}

// file completes a file's entry around the unfolding of its chunks.
func (b *builder) file(self int, unfold func() error) error {
	b.m.Entries[self].first = uint32(len(b.m.places))
	err := unfold()
	b.m.Entries[self].last = uint32(len(b.m.places))
	if err != nil {
		return fmt.Errorf("%s: %w", b.where(self), err)
	}
	if b.m.Size += b.m.Entries[self].Size; b.m.Size > maxFileBytes {
		return fmt.Errorf("%d bytes: %w", uint64(b.m.Size), ErrTooLarge)
	}
	return nil
}

// folder unfolds what is in a folder, or in one shard of it.
func (b *builder) folder(n *node, self, depth int, names map[string]struct{}) error {
	if err := b.descend(n, depth); err != nil {
		return fmt.Errorf("%s: %w", b.where(self), err)
	}
	for i := range n.links {
		l := &n.links[i]
		if l.name == "" {
			shard := b.nodes[l.cid]
			if shard.form != formShard {
				return fmt.Errorf("%s: %w: a shard that is none", b.where(self), ErrMalformed)
			}
			if err := b.folder(shard, self, depth+1, names); err != nil {
				return err
			}
			continue
		}
		if _, ok := names[l.name]; ok {
			return fmt.Errorf("%s: %w: two entries called %q", b.where(self), ErrMalformed, l.name)
		}
		names[l.name] = struct{}{}
		if err := b.inFolder(n, l, self, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// inFolder unfolds one entry of a folder.
func (b *builder) inFolder(n *node, l *link, parent, depth int) error {
	if !n.isChunk(l) {
		return b.entry(l.cid, l.name, parent, depth)
	}
	self, err := b.newEntry(l.cid, l.name, parent)
	if err != nil {
		return err
	}
	block, payload := n.chunkSize(l)
	b.m.Entries[self].Size = int64(min(payload, maxFileBytes))
	return b.file(self, func() error { return b.chunk(l.cid, block, payload, self, 0, nil) })
}

// inFile unfolds a node of a file that begins at the given offset.
func (b *builder) inFile(c cid.Cid, self int, offset int64, depth int) error {
	n := b.nodes[c]
	if n.form != formFile {
		return fmt.Errorf("%s: %w: part of a file, but no file", c, ErrMalformed)
	}
	if err := b.descend(n, depth); err != nil {
		return err
	}
	if n.payload > 0 {
		if err := b.chunk(c, uint64(n.block), uint64(n.payload), self, offset, n.raw); err != nil {
			return err
		}
		offset += int64(n.payload)
	}
	for i := range n.links {
		l := &n.links[i]
		var err error
		if n.isChunk(l) {
			block, payload := n.chunkSize(l)
			err = b.chunk(l.cid, block, payload, self, offset, nil)
		} else if sub := b.nodes[l.cid]; sub.size != l.size {
			err = fmt.Errorf("%s: %w: %d bytes of a file, not the %d its parent says", l.cid, ErrMalformed, sub.size, l.size)
		} else {
			err = b.inFile(l.cid, self, offset, depth+1)
		}
		if err != nil {
			return err
		}
		offset += int64(l.size)
	}
	return nil
}

var errNotEmpty = errors.New("a chunk of no bytes under another hash")

// chunk adds an occurrence of a chunk. raw is its block, if that is known.
func (b *builder) chunk(c cid.Cid, block, payload uint64, self int, offset int64, raw []byte) error {
	switch {
	case block > MaxBlockBytes:
		return fmt.Errorf("%s: a chunk of %d bytes: %w", c, block, ErrTooLarge)
	case block == 0 && Verify(c, nil) != nil:
		return fmt.Errorf("%s: %w: %w", c, ErrMalformed, errNotEmpty)
	case payload == 0:
		return nil // nothing to write
	case len(b.m.places) == b.limits.Chunks:
		return fmt.Errorf("more than %d chunks: %w", b.limits.Chunks, ErrTooLarge)
	}
	i, ok := b.index[c]
	if !ok {
		i = uint32(len(b.m.Chunks))
		b.index[c] = i
		b.m.Chunks = append(b.m.Chunks, Chunk{Cid: c, Size: int(block)})
		b.notePayload(i, uint32(payload))
	}
	if b.m.Chunks[i].Size != int(block) || b.m.PayloadSize(int(i)) != int(payload) {
		return fmt.Errorf("%s: %w: a chunk of %d bytes in one place, of %d in another", c, ErrMalformed, b.m.Chunks[i].Size, block)
	}
	if raw != nil {
		b.m.known[int(i)] = raw
	}
	b.m.places = append(b.m.places, place32{chunk: i, entry: uint32(self), offset: offset})
	return nil
}

// notePayload records the payload of a new chunk. The list exists only if one
// differs from its block.
func (b *builder) notePayload(chunk, payload uint32) {
	if b.m.payloads == nil && int(payload) == b.m.Chunks[chunk].Size {
		return
	}
	for i := len(b.m.payloads); i < int(chunk); i++ {
		b.m.payloads = append(b.m.payloads, uint32(b.m.Chunks[i].Size))
	}
	b.m.payloads = append(b.m.payloads, payload)
}
