package node

import (
	"path"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"ringswap/transfer/link"
)

// ref is what a user names content with.
type ref struct {
	root  cid.Cid
	path  string          // of what is meant below the root; empty: all of it
	name  string          // proposed by a link; a stranger's
	named []peer.AddrInfo // peers that a link names
	order bool            // it is read in order
}

// parseRef reads a CID or link that must be about all of the content.
func parseRef(text string) (ref, error) {
	r, err := parsePath(text)
	if err == nil && r.path != "" {
		err = usage("%q is a path inside of a CID, which this command does not take", text)
	}
	return r, err
}

// parsePath reads a CID or link that may be about a part of the content.
func parsePath(text string) (ref, error) {
	l, err := link.Parse(text)
	if err != nil {
		return ref{}, failure(KindUsage, err, "peer get CID, or the whole link in quotes", "%q names no content", text)
	}
	r := ref{root: l.Cid, path: l.Path, name: l.Name, named: l.Peers()}
	if r.path != "" { // the link's name is that of the whole
		r.name = path.Base(r.path)
	}
	return r, nil
}

// CheckRef says what is wrong with a CID or link, which may have a path behind it.
func CheckRef(text string) error {
	_, err := parsePath(text)
	return err
}

// text is how a user names it without a link's hints.
func (r ref) text() string {
	if r.path == "" {
		return r.root.String()
	}
	return r.root.String() + "/" + r.path
}

// shown is what a user is told that it is: its name, or its CID.
func (r ref) shown() string {
	if r.name == "" {
		return r.root.String()
	}
	return r.name
}

// link is what others get the root with.
func (n *Node) link(root cid.Cid, name string) string {
	return link.Link{Cid: root, Name: name, At: forOthers(n.fullAddrs())}.Fit().String()
}

// forOthers leaves out the loopback addresses, unless there is nothing else: a
// node that listens there only is for this machine.
func forOthers(addrs []ma.Multiaddr) []ma.Multiaddr {
	out := ma.FilterAddrs(addrs, func(a ma.Multiaddr) bool { return !manet.IsIPLoopback(a) })
	if len(out) == 0 {
		return addrs
	}
	return out
}
