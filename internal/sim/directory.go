package sim

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// A node's peer ID has the shape and length of an Ed25519 one, so that messages
// are as long as real ones: an identity multihash of a protobuf with 32 bytes of
// key. The key holds the run's salt, the node's number and a nonce.
const (
	peerBytes  = 38
	peerNumber = 6 + 8  // offset of the number, four bytes
	peerNonce  = 6 + 12 // offset of the nonce, eight bytes
)

var peerPrefix = [6]byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}

// putPeer writes the bytes of a peer ID.
func putPeer(b []byte, salt uint64, number uint32, nonce uint64) {
	copy(b, peerPrefix[:])
	binary.BigEndian.PutUint64(b[6:], salt)
	binary.BigEndian.PutUint32(b[peerNumber:], number)
	binary.BigEndian.PutUint64(b[peerNonce:], nonce)
}

// numberOf is the number in a peer ID, if it is one of this run.
func numberOf(p peer.ID, salt uint64) (number uint32, ok bool) {
	if len(p) != peerBytes {
		return 0, false
	}
	return uint32(bits(p, peerNumber, 4)), bits(p, len(peerPrefix), 8) == salt
}

// bits are n bytes of a peer ID as a number, without copying it.
func bits(p peer.ID, from, n int) (v uint64) {
	for i := range n {
		v = v<<8 | uint64(p[from+i])
	}
	return v
}

// block is memory with the peer IDs of consecutive nodes. Most of those that nodes
// pass on lie in one: where, says which, without looking at it.
type block struct {
	first uint32
	bytes []byte
}

// makeBlock makes n peer IDs, numbered from first on.
func makeBlock(salt uint64, first uint32, n int) block {
	b := block{first: first, bytes: make([]byte, n*peerBytes)}
	for i := range n {
		putPeer(b.bytes[i*peerBytes:], salt, first+uint32(i), 0)
	}
	return b
}

// peer is the peer ID of a node in the block.
func (b *block) peer(number uint32) peer.ID {
	at := int(number-b.first) * peerBytes
	// The block is never written to again.
	return peer.ID(unsafe.String(&b.bytes[at], peerBytes))
}

// has reports whether a node's peer ID is in the block.
func (b *block) has(number uint32) bool {
	return number >= b.first && int(number-b.first)*peerBytes < len(b.bytes)
}

// number is that of a peer ID that lies in the block.
func (b *block) number(p peer.ID) (number uint32, ok bool) {
	at := uintptr(unsafe.Pointer(unsafe.StringData(string(p)))) - uintptr(unsafe.Pointer(unsafe.SliceData(b.bytes)))
	if at >= uintptr(len(b.bytes)) || at%peerBytes != 0 || len(p) != peerBytes {
		return 0, false
	}
	return b.first + uint32(at/peerBytes), true
}

// Directory knows who stands where: contacts in the order of their IDs. It is
// the oracle of every experiment, and what large networks are built from.
type Directory struct {
	list []*overlay.Contact
	head []uint64 // the first 64 bits of each ID, for searching
}

// place is where a numbered node stands.
type place struct {
	head   uint64 // of its ID
	number uint32
}

// byPlace are the numbers of peers in the order of their IDs, by all that matters
// of these: it is cheaper to sort than the contacts themselves.
func byPlace(peers block) []place {
	out := make([]place, len(peers.bytes)/peerBytes)
	parallel(len(out), func(from, to int) {
		for i := from; i < to; i++ {
			number := peers.first + uint32(i)
			out[i] = place{head: headOf(overlay.PeerPlace(peers.peer(number))), number: number}
		}
	})
	slices.SortFunc(out, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.head, b.head), cmp.Compare(a.number, b.number))
	})
	return out
}

// newDirectory sorts the contacts, if they are not sorted yet; it takes ownership
// of the list.
func newDirectory(list []*overlay.Contact) *Directory {
	order := func(a, b *overlay.Contact) int { return a.ID.Compare(b.ID) }
	if !slices.IsSortedFunc(list, order) {
		slices.SortFunc(list, order)
	}
	d := &Directory{list: list, head: make([]uint64, len(list))}
	for i, c := range list {
		d.head[i] = headOf(c.ID)
	}
	return d
}

func headOf(id overlay.ID) uint64 { return binary.BigEndian.Uint64(id[:8]) }

// Len is the number of contacts.
func (d *Directory) Len() int { return len(d.list) }

// At is the i-th contact in the order of IDs.
func (d *Directory) At(i int) *overlay.Contact { return d.list[i] }

// Search is the index of the first contact at or after id, Len if there is none.
// IDs are spread evenly, so a guess from id's value is nearly right.
func (d *Directory) Search(id overlay.ID) int {
	h := headOf(id)
	lo, hi := 0, len(d.head) // head[lo-1] < h <= head[hi]
	guess := scale(h, hi)
	for step := 8; lo < hi; step *= 2 { // bracket the place from the guess outward
		if guess < hi && d.head[guess] < h {
			lo = guess + 1
			if guess+step >= hi || d.head[guess+step] >= h {
				hi = min(hi, guess+step)
				break
			}
			guess += step
		} else {
			hi = min(hi, guess)
			if guess-step < lo || d.head[guess-step] < h {
				lo = max(lo, guess-step)
				break
			}
			guess -= step
		}
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if d.head[mid] < h {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for lo < len(d.list) && d.head[lo] == h && d.list[lo].ID.Compare(id) < 0 {
		lo++
	}
	return lo
}

// scale is n*h/2^64.
func scale(h uint64, n int) int { return int((h >> 32) * uint64(n) >> 32) }

// Find is the index of the contact with exactly this ID, or -1.
func (d *Directory) Find(id overlay.ID) int {
	if i := d.Search(id); i < len(d.list) && d.list[i].ID == id {
		return i
	}
	return -1
}

// clone is a directory of its own with the same contacts.
func (d *Directory) clone() *Directory {
	return &Directory{list: slices.Clone(d.list), head: slices.Clone(d.head)}
}

// insert adds a contact.
func (d *Directory) insert(c *overlay.Contact) {
	i := d.Search(c.ID)
	d.list = slices.Insert(d.list, i, c)
	d.head = slices.Insert(d.head, i, headOf(c.ID))
}

// remove takes out the contact with this ID if it is there.
func (d *Directory) remove(id overlay.ID) {
	if i := d.Find(id); i >= 0 {
		d.list = slices.Delete(d.list, i, i+1)
		d.head = slices.Delete(d.head, i, i+1)
	}
}

// Successors are the n first contacts at or after id along the ring.
func (d *Directory) Successors(id overlay.ID, n int) []*overlay.Contact {
	n = min(n, len(d.list))
	out := make([]*overlay.Contact, 0, n)
	for i := d.Search(id); len(out) < n; i++ {
		out = append(out, d.list[i%len(d.list)])
	}
	return out
}

// half is the index in [lo, hi) of the first contact whose bit at depth is 1,
// if all of them share the bits before.
func (d *Directory) half(lo, hi, depth int) int {
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if d.list[mid].ID.Bit(depth) == 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Nearest are the n contacts nearest to key by XOR, nearest first.
func (d *Directory) Nearest(key overlay.ID, n int) []*overlay.Contact {
	n = min(n, len(d.list))
	lo, hi := 0, len(d.list)
	for depth := 0; depth < 8*overlay.IDBytes; depth++ { // the smallest subtree around key with n contacts
		mid := d.half(lo, hi, depth)
		a, b := lo, mid
		if key.Bit(depth) == 1 {
			a, b = mid, hi
		}
		if b-a < n {
			break
		}
		lo, hi = a, b
	}
	out := slices.Clone(d.list[lo:hi])
	slices.SortFunc(out, func(a, b *overlay.Contact) int {
		switch {
		case a == b:
			return 0
		case key.Closer(a.ID, b.ID):
			return -1
		}
		return 1
	})
	return out[:n]
}

// peerWith makes one peer ID.
func peerWith(salt uint64, number uint32, nonce uint64) peer.ID {
	var b [peerBytes]byte
	putPeer(b[:], salt, number, nonce)
	return peer.ID(b[:])
}
