package dag

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ipfs/go-cid"
)

// ErrNotFile is returned where a file is needed and something else was found.
var ErrNotFile = errors.New("not a file")

// Piece is a part of a file: bytes From to To of the payload of a chunk.
type Piece struct {
	Chunk    Chunk
	Payload  int // bytes of the file in the whole chunk
	From, To int
	Block    []byte // the chunk's block if it is known already; not to be changed
}

// Bytes cuts the piece out of its chunk's block. The result shares its memory.
func (p Piece) Bytes(block []byte) ([]byte, error) {
	data, err := Payload(p.Chunk.Cid, p.Payload, block)
	if err != nil {
		return nil, err
	}
	return data[p.From:p.To], nil
}

// Span enumerates, in order, the pieces that make up length bytes of the file
// at root from offset on; a negative length means all the rest. Beyond the end
// of the file there is nothing. Nodes are fetched as the enumeration comes to
// them, only those that the range needs, and forgotten after. An error, one of
// Build's or ErrNotFile, ends the enumeration.
func Span(ctx context.Context, root cid.Cid, blocks Blocks, limits Limits, offset, length int64) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		s := &spanner{yield: yield, from: uint64(max(0, offset)), to: maxFileBytes}
		if length >= 0 {
			s.to = min(s.to, s.from+uint64(length))
		}
		err := errors.Join(limits.Validate(), CheckCid(root))
		if err == nil {
			s.fetcher = &fetcher{blocks: blocks, limits: limits.withDefaults(), nodes: make(map[cid.Cid]*node)}
			_, err = s.level(ctx, []cid.Cid{root})
		}
		if err == nil {
			if n := s.nodes[root]; n.form != formFile {
				err = fmt.Errorf("%s: %w", root, ErrNotFile)
			} else {
				err = s.node(ctx, root, n, 0, 0)
			}
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Piece{}, err)
		}
	}
}

// errStopped says that the consumer of an enumeration has enough.
var errStopped = errors.New("stopped")

type spanner struct {
	*fetcher
	yield    func(Piece, error) bool
	from, to uint64 // the wanted bytes of the file
	ahead    int    // how many nodes were fetched last
}

// maxAhead is how many nodes of a file are fetched at once while reading it in
// order: each stands for up to 1 GiB.
const maxAhead = 16

// node enumerates what is wanted of a node that begins at base.
func (s *spanner) node(ctx context.Context, c cid.Cid, n *node, base uint64, depth int) error {
	if depth == s.limits.Levels {
		return fmt.Errorf("more than %d levels: %w", depth, ErrTooLarge)
	}
	err := s.piece(link{cid: c, size: uint64(n.payload), tsize: uint64(n.block)}, uint64(n.block), base, n.raw)
	if err != nil {
		return err
	}
	base += uint64(n.payload)
	for i := range n.links {
		l := n.links[i]
		if l.size > 0 && base < s.to && base+l.size > s.from {
			if err := s.link(ctx, n, i, base, depth); err != nil {
				return err
			}
		}
		base += l.size
	}
	return nil
}

// link enumerates what is wanted behind the i-th link of n.
func (s *spanner) link(ctx context.Context, n *node, i int, base uint64, depth int) error {
	l := n.links[i]
	if n.isChunk(&l) {
		block, _ := n.chunkSize(&l)
		return s.piece(l, block, base, nil)
	}
	if _, ok := s.nodes[l.cid]; !ok {
		if err := s.fetch(ctx, n, i, base); err != nil {
			return err
		}
	}
	sub := s.nodes[l.cid]
	defer delete(s.nodes, l.cid)
	if sub.form != formFile || sub.size != l.size {
		return fmt.Errorf("%s: %w: not the %d bytes of a file that its parent says", l.cid, ErrMalformed, l.size)
	}
	return s.node(ctx, l.cid, sub, base, depth+1)
}

// fetch gets the node behind the i-th link of n and some of those that come
// next: one at first, so that the first byte comes soon, then more and more.
func (s *spanner) fetch(ctx context.Context, n *node, i int, base uint64) error {
	s.ahead = min(max(1, 2*s.ahead), maxAhead)
	var cids []cid.Cid
	for ; i < len(n.links) && len(cids) < s.ahead && base < s.to; i++ {
		l := n.links[i]
		if !n.isChunk(&l) {
			cids = append(cids, l.cid)
		}
		base += l.size
	}
	_, err := s.level(ctx, cids)
	return err
}

// piece enumerates what is wanted of one chunk.
func (s *spanner) piece(l link, block, base uint64, raw []byte) error {
	from, to := max(s.from, base), min(s.to, base+l.size)
	if from >= to {
		return nil
	}
	if block > MaxBlockBytes || l.size > block {
		return fmt.Errorf("%s: a chunk of %d bytes: %w", l.cid, block, ErrTooLarge)
	}
	p := Piece{
		Chunk:   Chunk{Cid: l.cid, Size: int(block)},
		Payload: int(l.size),
		From:    int(from - base),
		To:      int(to - base),
		Block:   raw,
	}
	if p.Block == nil {
		p.Block, _ = Inline(l.cid)
	}
	if !s.yield(p, nil) {
		return errStopped
	}
	return nil
}
