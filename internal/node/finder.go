package node

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/transfer/swap"
)

// Where a provider was heard of.
const (
	sourceSelf    = "self"
	sourceLink    = "link"
	sourceLAN     = "lan"
	sourceOverlay = "overlay"
	sourceSwarm   = "swarm"
)

// find names peers that may have root, from every source at once, until ctx
// ends: first those that a link named, then the nodes of the local network as
// they come, and what the overlay finds, again and again: often while starving
// says that nobody can deliver, and seldom otherwise. found is called by several
// goroutines; both functions must be quick.
func (n *Node) find(ctx context.Context, root cid.Cid, named []peer.AddrInfo, starving func() bool, found func(p peer.AddrInfo, source string)) {
	for _, p := range named {
		found(p, sourceLink)
	}
	var searches sync.WaitGroup
	defer searches.Wait()
	searches.Go(func() { n.neighbours.follow(ctx, func(p peer.AddrInfo) { found(p, sourceLAN) }) })
	var pace searchPace
	for {
		var err error
		for p, e := range n.net.driver.Providers(ctx, root) {
			if e != nil {
				err = e
			} else if p.ID != n.net.host.ID() {
				found(p, sourceOverlay)
			}
		}
		if err != nil && !errors.Is(err, overlay.ErrNoPeers) && ctx.Err() == nil {
			n.log.Info("a search for providers failed", "cid", root, "err", err)
		}
		for begin := time.Now(); ; {
			left := pace.wait(err == nil, starving()) - time.Since(begin)
			if left <= 0 {
				break
			}
			if !pause(ctx, min(left, searchLook)) {
				return
			}
		}
		pace.searched()
	}
}

// The overlay is asked again while a transfer runs, every time after twice as
// long. If nobody can deliver, at first soon: a node that has just started is
// about to know somebody. If somebody delivers, for the sake of more of them, and
// of those who come later.
const (
	searchUnknown   = 250 * time.Millisecond // nobody was known to ask
	searchStarving  = time.Second
	searchHungry    = 30 * time.Second // the longest while nobody delivers
	searchServed    = 2 * time.Second
	searchSatisfied = 10 * time.Minute // the longest while somebody does
	// searchLook is how often it is looked whether that has changed.
	searchLook = time.Second
)

// searchPace says when to search again.
type searchPace struct {
	starving bool
	rounds   int // searches since starving last changed
}

// searched says that a search has ended.
func (p *searchPace) searched() { p.rounds++ }

// wait is the time from the last search to the next one, as things are now; known
// says that somebody could be asked.
func (p *searchPace) wait(known, starving bool) time.Duration {
	if starving != p.starving {
		p.starving, p.rounds = starving, 0
	}
	first, most := searchServed, searchSatisfied
	if starving {
		first, most = searchStarving, searchHungry
		if !known {
			first = searchUnknown
		}
	}
	if p.rounds > 10 {
		return most
	}
	return min(first<<p.rounds, most)
}

// Providers implements [Service]: one round of every source.
func (n *Node) Providers(ctx context.Context, text string) iter.Seq2[Provider, error] {
	return func(yield func(Provider, error) bool) {
		ref, err := parseRef(text)
		if err != nil {
			yield(Provider{}, err)
			return
		}
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		any := false
		give := func(p peer.AddrInfo, source string) bool {
			any = true
			return yield(Provider{ID: p.ID.String(), Addrs: texts(p.Addrs), Source: source}, nil)
		}
		if n.shares(ref.root) && !give(peer.AddrInfo{ID: n.net.host.ID(), Addrs: n.net.host.Addrs()}, sourceSelf) {
			return
		}
		for _, p := range ref.named {
			if !give(p, sourceLink) {
				return
			}
		}
		for p, e := range n.lanHolders(ctx, ref.root) {
			if e != nil {
				n.log.Info("the local network cannot be asked", "cid", ref.root, "err", e)
			} else if !give(p, sourceLAN) {
				return
			}
		}
		for p, e := range n.net.driver.Providers(ctx, ref.root) {
			switch {
			case e != nil:
				err = e
			case p.ID == n.net.host.ID():
			case !give(p, sourceOverlay):
				return
			}
		}
		switch {
		case any:
		case errors.Is(err, overlay.ErrNoPeers):
			yield(Provider{}, n.noPeers(ctx, "cannot look for providers of %s", ref.root))
		case err == nil || errors.Is(err, overlay.ErrNotFound):
			yield(Provider{}, notFound(ref.root, "the responsible nodes know of none"))
		default:
			yield(Provider{}, failure(KindFailed, err, "peer status", "the search for providers of %s failed", ref.root))
		}
	}
}

// lanTimeout bounds how long neighbours may take to say what they have.
const lanTimeout = 2 * time.Second

// lanHolders yields the nodes of the local network that say they have some of
// root: a neighbour is asked, since being near is not having it.
func (n *Node) lanHolders(ctx context.Context, root cid.Cid) iter.Seq2[peer.AddrInfo, error] {
	return func(yield func(peer.AddrInfo, error) bool) {
		near := n.neighbours.all()
		if len(near) == 0 {
			return
		}
		session, err := swap.NewSession(n.net.host, root, swap.SessionConfig{Network: n.cfg.Network, DialTimeout: lanTimeout})
		if err != nil {
			yield(peer.AddrInfo{}, err)
			return
		}
		defer func() { _ = session.Close() }() // always nil
		addrs := make(map[peer.ID]peer.AddrInfo, len(near))
		for _, p := range near {
			addrs[p.ID] = p
			session.AddPeer(p, sourceLAN)
		}
		ctx, cancel := context.WithTimeout(ctx, lanTimeout)
		defer cancel()
		for {
			undecided := false
			for _, p := range session.Peers() {
				if info, open := addrs[p.ID]; !open {
					continue
				} else if p.Complete || p.Chunks > 0 {
					delete(addrs, p.ID)
					if !yield(info, nil) {
						return
					}
				} else if p.Status <= swap.PeerConnected && !p.Nothing {
					undecided = true
				}
			}
			if !undecided || !pause(ctx, lanPoll) {
				return
			}
		}
	}
}

// lanPoll is how often it is looked whether neighbours have answered.
const lanPoll = 10 * time.Millisecond

func notFound(root cid.Cid, why string) error {
	return &Error{
		Kind: KindNotFound, What: "no provider of " + root.String() + " was found", Why: why,
		Try: "is the sharing peer running? Then use the whole link it printed, or see: peer providers " + root.String(),
		Err: swap.ErrNoProviders,
	}
}

// neighbours are the nodes of the local network, for those who want to hear of
// them as they come.
type neighbours struct {
	mu      sync.Mutex
	known   map[peer.ID]peer.AddrInfo
	changed chan struct{} // closed and replaced when one is added
}

func newNeighbours() *neighbours {
	return &neighbours{known: make(map[peer.ID]peer.AddrInfo), changed: make(chan struct{})}
}

// maxNeighbours bounds what the local network can make a node remember.
const maxNeighbours = 256

// add takes a neighbour that is connected now.
func (b *neighbours) add(p peer.AddrInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.known[p.ID]; !ok && len(b.known) >= maxNeighbours {
		return
	}
	b.known[p.ID] = p
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *neighbours) has(p peer.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.known[p]
	return ok
}

// all lists the neighbours.
func (b *neighbours) all() (list []peer.AddrInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.known {
		list = append(list, p)
	}
	return list
}

// follow gives every neighbour to f, now or when it comes, until ctx ends; some
// more than once.
func (b *neighbours) follow(ctx context.Context, f func(peer.AddrInfo)) {
	for {
		b.mu.Lock()
		changed := b.changed
		b.mu.Unlock()
		for _, p := range b.all() {
			f(p)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
