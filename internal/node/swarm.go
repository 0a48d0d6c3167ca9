package node

import (
	"cmp"
	"context"
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/internal/steer"
	"ringswap/transfer/swap"
)

// SwarmRequest asks for what goes on around one CID.
type SwarmRequest struct {
	Ref string `json:"ref"` // CID or link
	// Cells is the number of parts that the map of chunks has at most; 0 is no map,
	// and maxCells the most.
	Cells int `json:"cells,omitempty"`
}

// Swarm is what goes on around one CID at this node.
type Swarm struct {
	Cid  string `json:"cid"`
	Name string `json:"name,omitempty"`
	// State is that of a [Transfer]; empty for what is fetched in passing.
	State   string      `json:"state,omitempty"`
	Chunks  int         `json:"chunks"` // 0 while unknown
	Have    int         `json:"have"`
	RateIn  float64     `json:"rate_in"` // bytes a second, over the last few seconds
	RateOut float64     `json:"rate_out"`
	Peers   []SwarmPeer `json:"peers"`
	Map     []MapCell   `json:"map,omitempty"`
}

// MapCell is a run of chunks.
type MapCell struct {
	First  int `json:"first"`  // its first chunk
	Chunks int `json:"chunks"` // how many there are in it
	Have   int `json:"have"`   // of them, here
	Coming int `json:"coming"` // being fetched
	// Peers is how many connected peers have the rarest of those that are missing;
	// 0 if nothing is missing.
	Peers int `json:"peers"`
}

// SwarmPeer is one peer of a swarm.
type SwarmPeer struct {
	ID     string `json:"id"`
	Source string `json:"source,omitempty"` // who named it first: link, lan, overlay, swarm
	// State is queued, dialing, connected, waiting (lost, and tried again), failed or
	// banned; served for one that only takes.
	State    string  `json:"state"`
	Path     string  `json:"path"` // direct or relay
	Received int64   `json:"received"`
	Sent     int64   `json:"sent"`
	RateIn   float64 `json:"rate_in"` // bytes a second
	RateOut  float64 `json:"rate_out"`
	RTT      float64 `json:"rtt_ms"`
	Deficit  int64   `json:"deficit"` // bytes sent minus those received and those that others vouch for
	Vouched  int64   `json:"vouched"` // the latter
	Chunks   int     `json:"chunks"`  // that it has
	Wants    int     `json:"wants"`   // requests of it that are not answered yet
	// Chokes is why it lets this node wait, Choked why this node lets it wait; empty
	// if they do not.
	Chokes string `json:"chokes,omitempty"`
	Choked string `json:"choked,omitempty"`
	Why    string `json:"why,omitempty"` // it is banned, or was lost
}

// maxCells bounds the map of chunks.
const maxCells = 4096

// Swarm implements [Service].
func (n *Node) Swarm(_ context.Context, req SwarmRequest) (Swarm, error) {
	ref, err := parseRef(req.Ref)
	if err != nil {
		return Swarm{}, err
	}
	root := ref.root
	s := Swarm{Cid: root.String(), Peers: []SwarmPeer{}}
	s.RateIn, s.RateOut = n.flows.rates(root)
	holding := n.transfers.holding(root)
	if holding != nil {
		s.Have, s.Chunks = holding.Count()
		s.State = "seeding"
	}
	if kept, err := n.store.Root(root); err == nil {
		s.Name = kept.Name
		if s.Chunks == 0 { // complete: nobody needed to count
			s.Have, s.Chunks = int(kept.Chunks), int(kept.Chunks)
		}
	}
	s.State = n.stateOf(root, s.State)
	for _, t := range n.tasksOf([]cid.Cid{root}) {
		s.Name, s.State = t.Name, t.State
	}
	s.Peers = n.swarmPeers(root, s.Chunks)
	if len(s.Peers) == 0 && s.Chunks == 0 && s.State == "" && !n.shares(root) {
		return s, &Error{Kind: KindNotFound, What: "nothing goes on around " + s.Cid + " at this node", Try: "peer get " + s.Cid}
	}
	if req.Cells > 0 && s.Chunks > 0 {
		s.Map = n.chunkMap(root, holding, s, min(req.Cells, maxCells))
	}
	return s, nil
}

// stateOf is the state of what is here whole, which is otherwise served.
func (n *Node) stateOf(root cid.Cid, otherwise string) string {
	var r steer.Root
	n.steering.look(func(p *steer.Plan) { r = p.Root(root) })
	switch {
	case r.Paused:
		return string(steer.Paused)
	case r.Rested:
		return "resting"
	}
	return otherwise
}

// swarmPeers are the peers that this node fetches from or serves.
func (n *Node) swarmPeers(root cid.Cid, chunks int) []SwarmPeer {
	peers := make(map[peer.ID]*SwarmPeer)
	for _, d := range n.transfers.of(root) {
		for _, p := range d.session.Peers() {
			if known := peers[p.ID]; known == nil || p.Status == swap.PeerConnected {
				sp := swarmPeer(p, chunks)
				sp.RateIn, _ = n.flows.ofPeer(root, p.ID)
				peers[p.ID] = &sp
			}
		}
	}
	for _, u := range n.server.Uploads() {
		if u.Root != root {
			continue
		}
		sp := peers[u.Peer]
		if sp == nil {
			sp = &SwarmPeer{ID: u.Peer.String(), Path: "direct", State: "served"}
			for _, c := range n.net.host.Network().ConnsToPeer(u.Peer) {
				sp.Path = route(c.Stat().Limited)
			}
			stand(sp, u.Standing)
			peers[u.Peer] = sp
		}
		sp.Wants += u.Wants
		if u.Choked {
			sp.Choked = u.Reason.String()
		}
		_, sp.RateOut = n.flows.ofPeer(root, u.Peer)
	}
	out := make([]SwarmPeer, 0, len(peers))
	for _, p := range peers {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b SwarmPeer) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func swarmPeer(p swap.PeerStats, chunks int) SwarmPeer {
	sp := SwarmPeer{
		ID: p.ID.String(), State: p.Status.String(), Path: route(p.Relayed), Why: p.Reason,
		RTT: ms(p.RTT), Chunks: p.Chunks,
	}
	stand(&sp, p.Standing)
	if p.Complete {
		sp.Chunks = chunks
	}
	if p.Choke != nil {
		sp.Chokes = p.Choke.Reason.String()
	}
	if len(p.Sources) > 0 {
		sp.Source = p.Sources[0]
	}
	return sp
}

// stand fills in how a peer stands with this node.
func stand(sp *SwarmPeer, s swap.Standing) {
	sp.Sent, sp.Received, sp.Vouched, sp.Deficit = s.Sent, s.Received, s.Vouched, s.Deficit()
}

// chunkMap divides the chunks into cells as even as can be.
func (n *Node) chunkMap(root cid.Cid, holding *swap.Holding, s Swarm, cells int) []MapCell {
	cells = min(cells, s.Chunks)
	out := make([]MapCell, cells)
	for i := range out {
		first := i * s.Chunks / cells
		out[i] = MapCell{First: first, Chunks: (i+1)*s.Chunks/cells - first, Peers: -1}
	}
	// The cell of chunk c is the last that begins at or before it.
	cell := func(c int) *MapCell { return &out[((c+1)*cells-1)/s.Chunks] }
	have := make([]bool, s.Chunks)
	if s.Have == s.Chunks {
		for i := range have {
			have[i] = true
		}
	} else if holding != nil {
		holding.Each(func(c int) {
			if c < len(have) {
				have[c] = true
			}
		})
	}
	peers := make([]uint16, s.Chunks)
	if running := n.transfers.of(root); len(running) > 0 {
		var active []int
		peers, active = running[0].session.Availability(s.Chunks)
		for _, c := range active {
			if !have[c] {
				cell(c).Coming++
			}
		}
	}
	for c, here := range have {
		if p := cell(c); here {
			p.Have++
		} else if p.Peers < 0 || int(peers[c]) < p.Peers {
			p.Peers = int(peers[c])
		}
	}
	for i := range out {
		out[i].Peers = max(out[i].Peers, 0)
	}
	return out
}
