package dag

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/hamt"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"google.golang.org/protobuf/encoding/protowire"
)

var (
	// ErrMalformed is returned for content that matches its CID but makes no
	// sense: sizes that contradict each other, names that are none, broken nodes.
	ErrMalformed = errors.New("malformed content")
	// ErrTooLarge is returned for content beyond the Limits.
	ErrTooLarge = errors.New("content exceeds the limits")
)

const (
	maxNodeLinks   = 1 << 16 // links of one node; a full folder block has fewer than 2^13
	maxFileBytes   = 1 << 60 // so that a sum of sizes, checked at every step, never overflows an int64
	maxTargetBytes = 4 << 10 // of a symbolic link; PATH_MAX on Linux
	maxNameBytes   = 1 << 10 // of a folder's entry
	maxShardWidth  = 1 << 10
	hamtMurmur3    = hamt.HashMurmur3
)

// form is what a node is, as it says itself.
type form uint8

const (
	formFile form = iota + 1 // also raw blocks, which are all data
	formFolder
	formShard // of a folder that is a trie
	formSymlink
)

// node is a decoded block.
type node struct {
	form   form
	size   uint64 // of a file: its bytes, data included
	data   []byte // of a file: what comes before its children
	links  []link
	target string // of a symbolic link

	// What is left of the block and its data once it is decoded.
	block   int    // bytes of the whole block
	payload int    // bytes of data
	raw     []byte // the block, if it has data and was kept
}

// link is a node's reference to another.
type link struct {
	name  string // in a folder; empty in a trie for a further shard of the same folder
	cid   cid.Cid
	size  uint64 // in a file: bytes of it below the link
	tsize uint64 // bytes of all blocks below; a mere claim
}

// decode parses a block that has been verified against its CID.
func decode(c cid.Cid, block []byte) (*node, error) {
	if len(block) > MaxBlockBytes {
		return nil, fmt.Errorf("%s: a block of %d bytes: %w", c, len(block), ErrTooLarge)
	}
	if c.Prefix().Codec == cid.Raw {
		return &node{form: formFile, block: len(block), size: uint64(len(block)), data: block}, nil
	}
	n, err := decodeNode(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	n.block = len(block)
	return n, nil
}

func decodeNode(block []byte) (*node, error) {
	if err := countLinks(block); err != nil {
		return nil, err
	}
	pb, err := merkledag.DecodeProtobuf(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	fsn, err := unixfs.FSNodeFromBytes(pb.Data())
	if err != nil {
		return nil, fmt.Errorf("%w: not UnixFS: %w", ErrMalformed, err)
	}
	links := pb.Links()
	for _, l := range links {
		if err := CheckCid(l.Cid); err != nil {
			return nil, err
		}
	}
	switch fsn.Type() {
	case unixfs.TFile, unixfs.TRaw:
		return fileNode(fsn, links)
	case unixfs.TDirectory:
		return folderNode(links)
	case unixfs.THAMTShard:
		return shardNode(fsn, links)
	case unixfs.TSymlink:
		return symlinkNode(fsn, links)
	}
	return nil, fmt.Errorf("UnixFS type %s: %w", fsn.Type(), ErrUnsupported)
}

// countLinks bounds the links of a node before anything is allocated for them.
func countLinks(block []byte) error {
	links := 0
	for len(block) > 0 {
		num, typ, n := protowire.ConsumeTag(block)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
		}
		m := protowire.ConsumeFieldValue(num, typ, block[n:])
		if m < 0 {
			return fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(m))
		}
		if num == 2 {
			links++
		}
		block = block[n+m:]
	}
	if links > maxNodeLinks {
		return fmt.Errorf("a node of %d links: %w", links, ErrTooLarge)
	}
	return nil
}

// fileNode checks that the sizes of a file's node add up.
func fileNode(fsn *unixfs.FSNode, links []*ipld.Link) (*node, error) {
	sizes := fsn.BlockSizes()
	if len(sizes) != len(links) {
		return nil, fmt.Errorf("%w: %d sizes for %d links", ErrMalformed, len(sizes), len(links))
	}
	n := &node{form: formFile, size: fsn.FileSize(), data: fsn.Data(), links: make([]link, len(links))}
	sum := uint64(len(n.data))
	for i, l := range links {
		if sizes[i] > maxFileBytes {
			return nil, fmt.Errorf("a file of %d bytes: %w", sizes[i], ErrTooLarge)
		}
		if sum += sizes[i]; sum > maxFileBytes {
			return nil, fmt.Errorf("a file of %d bytes: %w", sum, ErrTooLarge)
		}
		n.links[i] = link{cid: l.Cid, size: sizes[i], tsize: l.Size}
	}
	if sum != n.size {
		return nil, fmt.Errorf("%w: a file of %d bytes whose parts have %d", ErrMalformed, n.size, sum)
	}
	return n, nil
}

func folderNode(links []*ipld.Link) (*node, error) {
	n := &node{form: formFolder, links: make([]link, len(links))}
	for i, l := range links {
		if err := checkName(l.Name); err != nil {
			return nil, err
		}
		n.links[i] = link{name: l.Name, cid: l.Cid, tsize: l.Size}
	}
	return n, nil
}

// shardNode reads one node of a trie. The links of entries carry their slot's
// number in front of the name, links to further shards the number alone.
func shardNode(fsn *unixfs.FSNode, links []*ipld.Link) (*node, error) {
	width := fsn.Fanout()
	switch {
	case fsn.HashType() != hamtMurmur3:
		return nil, fmt.Errorf("a trie by hash 0x%x: %w", fsn.HashType(), ErrUnsupported)
	case width < 8 || width > maxShardWidth || bits.OnesCount64(width) != 1:
		return nil, fmt.Errorf("%w: a trie %d wide", ErrMalformed, width)
	}
	slots, err := usedSlots(fsn.Data(), int(width))
	if err != nil {
		return nil, err
	}
	if len(slots) != len(links) {
		return nil, fmt.Errorf("%w: %d links in %d slots of a trie", ErrMalformed, len(links), len(slots))
	}
	digits := len(strconv.FormatUint(width-1, 16))
	n := &node{form: formShard, links: make([]link, len(links))}
	for i, l := range links {
		if want := fmt.Sprintf("%0*X", digits, slots[i]); !strings.HasPrefix(l.Name, want) {
			return nil, fmt.Errorf("%w: slot %s of a trie is called %q", ErrMalformed, want, l.Name)
		}
		name := l.Name[digits:]
		if name != "" {
			if err := checkName(name); err != nil {
				return nil, err
			}
		}
		n.links[i] = link{name: name, cid: l.Cid, tsize: l.Size}
	}
	return n, nil
}

// usedSlots lists the bits that are set in a trie's bitfield, which is a number
// in big-endian order without leading zeros.
func usedSlots(field []byte, width int) ([]int, error) {
	if len(field) > width/8 {
		return nil, fmt.Errorf("%w: %d bytes of slots in a trie %d wide", ErrMalformed, len(field), width)
	}
	var slots []int
	for i := range field {
		b := field[len(field)-1-i]
		for ; b != 0; b &= b - 1 {
			slots = append(slots, 8*i+bits.TrailingZeros8(b))
		}
	}
	return slots, nil
}

func symlinkNode(fsn *unixfs.FSNode, links []*ipld.Link) (*node, error) {
	target := string(fsn.Data())
	switch {
	case len(links) > 0:
		return nil, fmt.Errorf("%w: a symbolic link with %d children", ErrMalformed, len(links))
	case target == "" || strings.ContainsRune(target, 0):
		return nil, fmt.Errorf("%w: a symbolic link to %q", ErrMalformed, target)
	case len(target) > maxTargetBytes:
		return nil, fmt.Errorf("a symbolic link to a path of %d bytes: %w", len(target), ErrTooLarge)
	}
	return &node{form: formSymlink, target: target}, nil
}

// checkName refuses what cannot be the name of one entry of one folder on any
// system.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: an entry called %q", ErrMalformed, name)
	}
	if len(name) > maxNameBytes {
		return fmt.Errorf("a name of %d bytes: %w", len(name), ErrTooLarge)
	}
	return nil
}

// Payload returns the part of a file that a chunk's block carries: all of a
// raw block, the data of a dag-pb node. It must be size bytes. The result
// shares memory with block.
func Payload(c cid.Cid, size int, block []byte) ([]byte, error) {
	data := block
	if c.Prefix().Codec != cid.Raw {
		n, err := decode(c, block)
		if err != nil {
			return nil, err
		}
		if n.form != formFile {
			return nil, fmt.Errorf("%s: %w: part of a file, but no file", c, ErrMalformed)
		}
		data = n.data
	}
	if len(data) != size {
		return nil, fmt.Errorf("%s: %w: %d bytes of a file, not the %d its parent says", c, ErrMalformed, len(data), size)
	}
	return data, nil
}

// Enclose is the inverse of Payload: the block whose part of a file is
// payload. It fails with ErrHashMismatch if payload does not belong to c, or if
// c names a node in another encoding than the usual ones.
func Enclose(c cid.Cid, payload []byte) ([]byte, error) {
	if c.Prefix().Codec == cid.Raw {
		return payload, Verify(c, payload)
	}
	for _, data := range [][]byte{unixfs.FilePBData(payload, uint64(len(payload))), unixfs.WrapData(payload)} {
		block, err := merkledag.NodeWithData(data).Marshal()
		if err == nil && Verify(c, block) == nil {
			return block, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", c, ErrHashMismatch)
}
