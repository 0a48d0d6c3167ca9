package swaptest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
)

// Network is the NAME of the network in all tests.
const Network = "swaptest"

// RawCid is the CID of data as a raw block.
func RawCid(data []byte) cid.Cid {
	sum := sha256.Sum256(data)
	h, err := mh.Encode(sum[:], mh.SHA2_256)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, h)
}

// Content is random bytes in chunks under a made-up root.
type Content struct {
	Root   cid.Cid
	Chunks []dag.Chunk
	Data   [][]byte // of each chunk
}

// NewContent makes content of that many chunks of size bytes, the last one of
// about a third of that. The same arguments make the same content.
func NewContent(seed uint64, chunks, size int) *Content {
	c := &Content{Root: RawCid(fmt.Append(nil, "root", seed, chunks, size))}
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(chunks), byte(size >> 8)})
	for i := range chunks {
		n := size
		if i == chunks-1 {
			n = size/3 + 1
		}
		b := make([]byte, n)
		_, _ = rng.Read(b)
		c.Data = append(c.Data, b)
		c.Chunks = append(c.Chunks, dag.Chunk{Cid: RawCid(b), Size: n})
	}
	return c
}

// Bytes is the size of all chunks.
func (c *Content) Bytes() int64 {
	n := int64(0)
	for _, b := range c.Data {
		n += int64(len(b))
	}
	return n
}

// Source serves blocks from memory. It is safe for concurrent use.
type Source struct {
	mu     sync.Mutex
	blocks map[cid.Cid][]byte
	swarms map[cid.Cid]*swap.Holding
	fail   map[cid.Cid]error
}

// NewSource makes an empty source.
func NewSource() *Source {
	return &Source{
		blocks: make(map[cid.Cid][]byte), swarms: make(map[cid.Cid]*swap.Holding),
		fail: make(map[cid.Cid]error),
	}
}

// Seed makes a source that holds all of c.
func Seed(c *Content) *Source {
	s := NewSource()
	for _, b := range c.Data {
		s.Put(b)
	}
	s.Hold(c.Root, swap.CompleteHolding(len(c.Chunks)).WithSize(c.Bytes()))
	return s
}

// Put adds a block.
func (s *Source) Put(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[RawCid(data)] = data
}

// Hold says what is here of a root.
func (s *Source) Hold(root cid.Cid, h *swap.Holding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swarms[root] = h
}

// Fail makes reads of a block fail with err; nil heals it.
func (s *Source) Fail(c cid.Cid, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[c] = err
}

func (s *Source) get(c cid.Cid) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail[c]; err != nil {
		return nil, err
	}
	b, ok := s.blocks[cid.NewCidV1(cid.Raw, c.Hash())] // by hash, whatever the codec
	if !ok {
		return nil, swap.ErrNotHave
	}
	return b, nil
}

// Size is swap.Source's.
func (s *Source) Size(_ context.Context, c cid.Cid) (int, error) {
	b, err := s.get(c)
	return len(b), err
}

// ReadAt is swap.Source's.
func (s *Source) ReadAt(_ context.Context, c cid.Cid, p []byte, off int64) (int, error) {
	b, err := s.get(c)
	if err != nil {
		return 0, err
	}
	return bytes.NewReader(b).ReadAt(p, off)
}

// Swarm is swap.Source's.
func (s *Source) Swarm(root cid.Cid) *swap.Holding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swarms[root]
}
