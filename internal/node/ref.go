package node

import (
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"ringswap/transfer/link"
)

// ref is what a user names content with.
type ref struct {
	root  cid.Cid
	name  string          // proposed by a link; a stranger's
	named []peer.AddrInfo // peers that a link names
}

func parseRef(text string) (ref, error) {
	l, err := link.Parse(text)
	if err != nil {
		return ref{}, failure(KindUsage, err, "peer get CID, or the whole link in quotes", "%q names no content", text)
	}
	return ref{root: l.Cid, name: l.Name, named: l.Peers()}, nil
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
