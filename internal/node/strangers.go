package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"ringswap/overlay"
)

// protocols are what the overlays of this version speak, without the network's
// name.
var protocols = map[string]string{
	OverlayKademlia: kademliaRouting{}.protocol(),
	OverlayChord:    chordRouting{}.protocol(),
}

// strangers says that nodes are connected which are not of this overlay or
// network, and what to try: the likeliest reason why a node knows nobody. Both are
// empty if there is none of them.
func (n *Node) strangers() (why, try string) {
	for _, p := range n.net.host.Network().Peers() {
		spoken, err := n.net.host.Peerstore().GetProtocols(p)
		if err != nil {
			continue
		}
		if why, try = n.stranger(p, spoken); why != "" {
			return why, try
		}
	}
	return "", ""
}

// stranger is strangers for one node and the protocols that it names. They are its
// own words: what of them is shown has no other characters than a network's name.
func (n *Node) stranger(p peer.ID, spoken []protocol.ID) (why, try string) {
	mine := n.net.overlay.protocol()
	if slices.Contains(spoken, n.net.host.Protocol(mine)) {
		return "", ""
	}
	for _, name := range Overlays() {
		if slices.Contains(spoken, n.net.host.Protocol(protocols[name])) {
			return fmt.Sprintf("%s is connected, but its overlay is %s and this node's is %s", p, name, n.cfg.Overlay),
				fmt.Sprintf("peer run --overlay %s, or another --bootstrap", name)
		}
	}
	for _, id := range spoken {
		for _, name := range Overlays() {
			network, ok := strings.CutSuffix(strings.TrimPrefix(string(id), "/"), "/"+protocols[name])
			if ok && network != n.cfg.Network && networkName.MatchString(network) {
				return fmt.Sprintf("%s is connected, but its network is %s and this node's is %s", p, network, n.cfg.Network),
					fmt.Sprintf("peer run --network %s --overlay %s, or another --bootstrap", network, name)
			}
		}
	}
	return "", ""
}

// onlyStrangers is strangers for a node that knows nobody of its own overlay; both
// are empty if it knows somebody.
func (n *Node) onlyStrangers(ctx context.Context) (why, try string) {
	if n.entries(ctx) > 0 {
		return "", ""
	}
	return n.strangers()
}

// lookingNote is what a person is told while nobody can deliver.
func (n *Node) lookingNote(ctx context.Context) string {
	note := "looking for a provider"
	if why, try := n.onlyStrangers(ctx); why != "" {
		note += "; " + why + "; try: " + try
	}
	return note
}

// unannounced is why nobody could be told of what is shared here, and what to try;
// empty if that is not for the user to mend.
func (n *Node) unannounced(ctx context.Context) string {
	n.introduced(ctx)
	why, try := n.onlyStrangers(ctx)
	if why == "" {
		return ""
	}
	return "nobody could be told that it is shared here: " + why + "; try: " + try
}

// noPeers is the error of an operation that needs the overlay while the node knows
// nobody in it.
func (n *Node) noPeers(ctx context.Context, what string, args ...any) error {
	n.introduced(ctx)
	e := &Error{Kind: KindFailed, What: fmt.Sprintf(what, args...), Err: overlay.ErrNoPeers}
	if e.Why, e.Try = n.strangers(); e.Why == "" {
		e.Why, e.Try = overlay.ErrNoPeers.Error(), "peer run --bootstrap MULTIADDR"
	}
	return e
}

// introduced waits a moment, where there is a way in, until somebody is connected
// and has named its protocols: a node that has just begun is told the true reason,
// too.
func (n *Node) introduced(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, introduction)
	defer cancel()
	for len(n.cfg.Bootstrap) > 0 && !n.somebodySpoke() && pause(ctx, introduction/40) {
	}
}

// introduction is the longest that a failing operation waits for a name.
const introduction = 2 * time.Second

func (n *Node) somebodySpoke() bool {
	return slices.ContainsFunc(n.net.host.Network().Peers(), func(p peer.ID) bool {
		spoken, err := n.net.host.Peerstore().GetProtocols(p)
		return err == nil && len(spoken) > 0
	})
}
