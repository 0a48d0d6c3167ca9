package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// lookupTimeout bounds a lookup that a user asked for.
const lookupTimeout = time.Minute

// Lookup implements [Service].
func (n *Node) Lookup(ctx context.Context, req LookupRequest) (Lookup, error) {
	key, err := parseKey(req.Key)
	if err != nil {
		return Lookup{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	begin := time.Now()
	path, err := n.net.driver.Closest(ctx, key, 0)
	took := time.Since(begin)
	if err != nil {
		if errors.Is(err, overlay.ErrNoPeers) {
			return Lookup{}, n.noPeers(ctx, "cannot look up %s", req.Key)
		}
		return Lookup{}, failure(KindFailed, err, "peer status", "cannot look up %s", req.Key)
	}
	l := Lookup{Overlay: n.cfg.Overlay, Key: path.Key.String(), Hops: path.Hops, RPCs: path.RPCs(), MS: ms(took), Closest: []PeerAddrs{}, Recursive: path.Recursive}
	for _, c := range path.Closest {
		l.Closest = append(l.Closest, PeerAddrs{ID: c.Peer.String(), Addrs: texts(c.Addrs)})
	}
	if req.Trace {
		l.Trace = trace(n.net.overlay, path)
	}
	return l, nil
}

// trace is the course of a lookup, with distances as the overlay measures them.
// On a ring every node on the way stands before the key, except for those that
// the lookup was after, which stand behind it.
func trace(o routing, path overlay.Path) []LookupStep {
	steps := make([]LookupStep, 0, len(path.Steps))
	for _, s := range path.Steps {
		d, past := o.left(s.To.ID, path.Key), false
		if back := o.left(path.Key, s.To.ID); back != d && stopsAt(path, s.To.ID, back.Compare(d) < 0) {
			d, past = back, true
		}
		step := LookupStep{
			ID: s.To.Peer.String(), Hop: s.Hop, Via: s.Via, Learned: s.Learned,
			Distance: bitsLeft(d), Share: share(d), Past: past,
			SentMS: ms(s.Sent), MS: ms(s.Took),
		}
		if s.Err != nil {
			step.Error = s.Err.Error()
		}
		steps = append(steps, step)
	}
	return steps
}

// stopsAt reports whether a node counts as one of those that the lookup was after:
// the first of them does, the others where the way back to the key is the shorter
// one, since in a small network they are also those before it.
func stopsAt(path overlay.Path, id overlay.ID, shorter bool) bool {
	at := slices.IndexFunc(path.Closest, func(c overlay.Contact) bool { return c.ID == id })
	return at == 0 || at > 0 && shorter
}

// parseKey reads a CID, a peer ID, or any other text as a raw key. A peer ID
// that also reads as a CID of version 0 has the same multihash and so the same
// key.
func parseKey(text string) (overlay.Key, error) {
	if text == "" {
		return overlay.Key{}, usage("a lookup needs a CID, a peer ID or a key")
	}
	if c, err := cid.Decode(text); err == nil {
		return overlay.ContentKey(c), nil
	}
	if p, err := peer.Decode(text); err == nil {
		return overlay.PeerKey(p), nil
	}
	return overlay.RawKey([]byte(text)), nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func texts(addrs []ma.Multiaddr) []string {
	out := make([]string, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
