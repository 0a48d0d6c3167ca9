package node

import (
	"context"
	"iter"
	"path"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
)

// Entries implements [Service]. Only the folders are fetched, and one node of a
// file whose size its folder does not say.
func (n *Node) Entries(ctx context.Context, text string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ref, err := parseRef(text)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		f, err := n.startFetch(ctx, ref, 0)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.close()
		type folder struct {
			path string
			item dag.Item
		}
		todo := []folder{{item: dag.Item{Cid: ref.root}}}
		for len(todo) > 0 {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			items, err := dag.List(ctx, at.item.Cid, f, dag.Limits{}, true)
			if err != nil {
				yield(Entry{}, f.failed(err))
				return
			}
			var below []folder
			for _, it := range items {
				p := path.Join(at.path, it.Name)
				if !yield(Entry{Path: p, Type: typeName(it.Kind), Cid: it.Cid.String(), Size: max(0, it.Size), Link: it.Target}, nil) {
					return
				}
				if it.Kind == dag.Folder {
					below = append(below, folder{p, it})
				}
			}
			for i := len(below) - 1; i >= 0; i-- {
				todo = append(todo, below[i])
			}
		}
	}
}

func typeName(k dag.Kind) string {
	if k == dag.Folder {
		return "dir"
	}
	return k.String()
}

// Swarm implements [Service].
func (n *Node) Swarm(_ context.Context, text string) (Swarm, error) {
	ref, err := parseRef(text)
	if err != nil {
		return Swarm{}, err
	}
	s := Swarm{Cid: ref.root.String(), Peers: []SwarmPeer{}}
	peers := make(map[peer.ID]*SwarmPeer)
	var order []peer.ID
	at := func(p peer.ID) *SwarmPeer {
		if peers[p] == nil {
			st := n.meter.Standing(ref.root, p)
			peers[p] = &SwarmPeer{ID: p.String(), Path: "direct", Sent: st.Sent, Received: st.Received, Deficit: st.Deficit(), State: "served"}
			order = append(order, p)
		}
		return peers[p]
	}
	if h := n.transfers.holding(ref.root); h != nil {
		s.Have, s.Chunks = h.Count()
	}
	if root, err := n.store.Root(ref.root); err == nil && s.Chunks == 0 { // complete: nobody needed to count
		s.Have, s.Chunks = int(root.Chunks), int(root.Chunks)
	}
	for _, d := range n.transfers.of(ref.root) {
		for _, p := range d.session.Peers() {
			*at(p.ID) = n.swarmPeer(p, s.Chunks)
		}
	}
	for _, u := range n.server.Uploads() {
		if u.Root == ref.root {
			at(u.Peer)
		}
	}
	for _, p := range order {
		s.Peers = append(s.Peers, *peers[p])
	}
	if len(s.Peers) == 0 && s.Chunks == 0 && !n.shares(ref.root) {
		return s, &Error{Kind: KindNotFound, What: "nothing goes on around " + s.Cid + " at this node", Try: "peer get " + s.Cid}
	}
	return s, nil
}

func (n *Node) swarmPeer(p swap.PeerStats, chunks int) SwarmPeer {
	sp := SwarmPeer{
		ID: p.ID.String(), State: p.Status.String(), Path: route(p.Relayed), Why: p.Reason,
		Sent: p.Standing.Sent, Received: p.Standing.Received, Deficit: p.Standing.Deficit(),
		RateIn: p.Rate, RTT: ms(p.RTT), Chunks: p.Chunks,
	}
	if p.Complete {
		sp.Chunks = chunks
	}
	if len(p.Sources) > 0 {
		sp.Source = p.Sources[0]
	}
	return sp
}
