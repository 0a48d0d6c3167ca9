package dag

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/hamt"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

const (
	// nodeLinks is how many children a node of a file has at most.
	nodeLinks = 1024
	// folderBytes is the largest block that lists a folder; a longer list
	// becomes a hash array mapped trie.
	folderBytes = 256 << 10
	// shardWidth is the fan-out of that trie.
	shardWidth = 256
)

// emitFunc takes a finished internal node. The bytes are fresh: whoever gets
// them owns them.
type emitFunc func(c cid.Cid, data []byte) error

// child is a node as its parent sees it.
type child struct {
	name  string // in its folder; empty inside a file
	cid   cid.Cid
	size  uint64 // bytes of the file below it; unused in folders
	tsize uint64 // bytes of all blocks below and including it, repeated ones counted again
}

// encodeFile makes the internal node of a file with the given children, in order.
func encodeFile(children []child, emit emitFunc) (child, error) {
	fsn := unixfs.NewFSNode(unixfs.TFile)
	links := make([]*ipld.Link, len(children))
	backing := make([]ipld.Link, len(children))
	for i, c := range children {
		fsn.AddBlockSize(c.size)
		backing[i] = ipld.Link{Size: c.tsize, Cid: c.cid}
		links[i] = &backing[i]
	}
	data, err := fsn.GetBytes()
	if err != nil {
		return child{}, err
	}
	n, err := encodeNode(data, links, emit)
	n.size = fsn.FileSize()
	return n, err
}

// encodeSymlink makes the node of a symbolic link to target.
func encodeSymlink(target string, emit emitFunc) (child, error) {
	data, err := unixfs.SymlinkData(target)
	if err != nil {
		return child{}, err
	}
	return encodeNode(data, nil, emit)
}

// encodeFolder makes the nodes of a folder with the given entries, which have
// distinct names and come in any order: one node, or a trie of them if that
// one would be longer than folderBytes.
func encodeFolder(ctx context.Context, entries []child, emit emitFunc) (child, error) {
	atLeast := 0
	for i := range entries {
		atLeast += len(entries[i].name) + entries[i].cid.ByteLen()
	}
	if atLeast > folderBytes {
		return encodeTrie(ctx, entries, emit)
	}
	links := make([]*ipld.Link, len(entries))
	for i, e := range entries {
		links[i] = &ipld.Link{Name: e.name, Size: e.tsize, Cid: e.cid}
	}
	var block []byte
	n, err := encodeNode(unixfs.FolderPBData(), links, func(_ cid.Cid, data []byte) error {
		block = data
		return nil
	})
	if err != nil {
		return child{}, err
	}
	if len(block) > folderBytes {
		return encodeTrie(ctx, entries, emit)
	}
	return n, emit(n.cid, block)
}

// encodeTrie makes the nodes of a folder that is spread over several blocks.
func encodeTrie(ctx context.Context, entries []child, emit emitFunc) (child, error) {
	shard, err := hamt.NewShard(&nodeCapture{emit: emit}, shardWidth)
	if err != nil {
		return child{}, err
	}
	shard.SetCidBuilder(nodePrefix)
	for _, e := range entries {
		if err := shard.SetLink(ctx, e.name, &ipld.Link{Size: e.tsize, Cid: e.cid}); err != nil {
			return child{}, err
		}
	}
	n, err := shard.Node()
	if err != nil {
		return child{}, err
	}
	size, err := n.Size()
	return child{cid: n.Cid(), tsize: size}, err
}

// encodeNode makes one dag-pb node and emits it.
func encodeNode(data []byte, links []*ipld.Link, emit emitFunc) (child, error) {
	n := merkledag.NodeWithData(data)
	if err := n.SetCidBuilder(nodePrefix); err != nil {
		return child{}, err
	}
	if err := n.SetLinks(links); err != nil {
		return child{}, err
	}
	block, err := n.EncodeProtobuf(false)
	if err != nil {
		return child{}, fmt.Errorf("encode a node of %d links: %w", len(links), err)
	}
	size, err := n.Size()
	if err != nil {
		return child{}, err
	}
	return child{cid: n.Cid(), tsize: size}, emit(n.Cid(), block)
}

// nodeCapture is the DAG service that boxo's trie writes its nodes to. It only
// passes them on.
type nodeCapture struct {
	emit emitFunc
	last cid.Cid // the trie adds most nodes twice in a row
}

var errWriteOnly = errors.New("dag: a trie under construction was read")

func (s *nodeCapture) Add(_ context.Context, n ipld.Node) error {
	if n.Cid().Equals(s.last) {
		return nil
	}
	s.last = n.Cid()
	return s.emit(s.last, n.RawData())
}

func (s *nodeCapture) AddMany(ctx context.Context, ns []ipld.Node) error {
	for _, n := range ns {
		if err := s.Add(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *nodeCapture) Get(context.Context, cid.Cid) (ipld.Node, error) { return nil, errWriteOnly }

func (s *nodeCapture) GetMany(context.Context, []cid.Cid) <-chan *ipld.NodeOption {
	out := make(chan *ipld.NodeOption, 1)
	out <- &ipld.NodeOption{Err: errWriteOnly}
	close(out)
	return out
}

func (s *nodeCapture) Remove(context.Context, cid.Cid) error       { return errWriteOnly }
func (s *nodeCapture) RemoveMany(context.Context, []cid.Cid) error { return errWriteOnly }
