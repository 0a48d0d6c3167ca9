package swap

import (
	"math/bits"
	"slices"
	"sync"

	"ringswap/transfer/swap/pick"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// part is a run of a block's bytes that has come. It owns its buffer.
type part struct {
	off  int
	data []byte
	from peer.ID
}

// inbox is what has come and is not yet delivered. The session's lock guards it.
type inbox struct {
	arrivals map[pick.Key]*arrival // of the active blocks
	full     []*arrival            // those that are complete, for the workers
	work     *sync.Cond            // full has something, or the session closes
	buffers  bufferPool
	claims   int // in the evidence of all arrivals
}

// arrival is what has come of an active block.
type arrival struct {
	key   pick.Key
	job   *job
	cid   cid.Cid
	parts []part
	busy  bool // a worker reads the parts
	bad   evidence
}

// put adds a part; its buffer belongs to the arrival from now on.
func (v *arrival) put(p part) { v.parts = append(v.parts, p) }

// keep adds a copy of data as the part at off.
func (v *arrival) keep(off int, data []byte, pool *bufferPool, from peer.ID) {
	b := pool.get(len(data))
	copy(b, data)
	v.put(part{off: off, data: b, from: from})
}

// discard throws away the part at off, or all of them if off is -1.
func (v *arrival) discard(off int, pool *bufferPool) {
	v.parts = slices.DeleteFunc(v.parts, func(p part) bool {
		if off >= 0 && p.off != off {
			return false
		}
		pool.put(p.data)
		return true
	})
}

// join returns the whole block in one buffer, which is then the only part.
func (v *arrival) join(pool *bufferPool) []byte {
	if len(v.parts) == 1 {
		return v.parts[0].data
	}
	size := 0
	for _, p := range v.parts {
		size += len(p.data)
	}
	return pool.get(size)
}

// fill copies the parts into b, which is as long as all of them.
func (v *arrival) fill(b []byte) {
	for _, p := range v.parts {
		copy(b[p.off:], p.data)
	}
}

// only returns who gave all the parts, and how many bytes; 0 if several did.
func (v *arrival) only() (id peer.ID, n int) {
	for i, p := range v.parts {
		if i > 0 && p.from != id {
			return "", 0
		}
		id = p.from
		n += len(p.data)
	}
	return id, n
}

// bufferPool keeps idle buffers of sizes that are powers of two, so that a buffer
// is less than twice as long as what it is for. It is used with its owner's lock
// held. The number of buffers that are in use is bounded by the owner.
type bufferPool struct {
	idle  [bufferSizes][][]byte
	bytes int // in idle
}

const (
	tinyBuffer  = 16 << 10 // is not kept
	bufferSizes = 6        // 32 KiB to 1 MiB
	largeBuffer = tinyBuffer << bufferSizes
	maxIdle     = 16 << 20 // bytes
)

// sizeOf is the index of the size for n bytes, which are more than tinyBuffer.
func sizeOf(n int) int { return bits.Len(uint(n-1)/tinyBuffer) - 1 }

// get returns a buffer of n bytes, of undefined content.
func (p *bufferPool) get(n int) []byte {
	if n <= tinyBuffer || n > largeBuffer {
		return make([]byte, n) // short-lived small ones are the collector's trade
	}
	i := sizeOf(n)
	free := &p.idle[i]
	if last := len(*free) - 1; last >= 0 {
		b := (*free)[last]
		*free = (*free)[:last]
		p.bytes -= cap(b)
		return b[:n]
	}
	return make([]byte, n, tinyBuffer<<(i+1))
}

// put takes back a buffer that get returned.
func (p *bufferPool) put(b []byte) {
	n := cap(b)
	if n <= tinyBuffer || n > largeBuffer || n&(n-1) != 0 || p.bytes+n > maxIdle {
		return
	}
	p.idle[sizeOf(n)] = append(p.idle[sizeOf(n)], b[:n])
	p.bytes += n
}
