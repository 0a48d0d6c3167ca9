package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/blockhash"
	"ringswap/transfer"
	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
)

// defaultWait is how long a provider is looked for.
const defaultWait = time.Minute

// fetch is everything that a download runs on: a session that is fed providers,
// and the store for what is here already.
type fetch struct {
	storeBlocks
	*download
	node     *Node
	ref      ref
	cancel   context.CancelFunc
	search   sync.WaitGroup
	announce func() // that a part of it is here; again it does nothing
	at       atomic.Pointer[transfer.GetProgress]
}

// startFetch opens a session for a ref and looks for providers from now on. The
// caller closes it.
func (n *Node) startFetch(ctx context.Context, ref ref, wait time.Duration) (*fetch, error) {
	if wait == 0 {
		wait = defaultWait
	}
	down := []*swap.Throttle{n.down, n.steering.throttle(ref.root)}
	session, err := swap.NewSession(n.net.host, ref.root, swap.SessionConfig{
		Network: n.cfg.Network, NoProviders: wait, Down: down, Ledger: n.meter.Ledger, Gossip: n.gossip,
		InOrder: ref.order,
	})
	if err != nil {
		return nil, usageOr(err, "cannot fetch %s", ref.root)
	}
	f := &fetch{
		storeBlocks: storeBlocks{n.store, session}, download: n.transfers.begin(ctx, ref.root, session),
		node: n, ref: ref,
	}
	f.announce = sync.OnceFunc(f.announcePartial)
	ctx, f.cancel = context.WithCancel(ctx)
	f.search.Go(func() { n.gossip.follow(ctx, ref.root, session) })
	f.search.Go(func() {
		n.find(ctx, ref.root, ref.named, f.starving, func(p peer.AddrInfo, source string) { session.AddPeer(p, source) })
	})
	return f, nil
}

// starving reports whether more peers are needed to go on at all.
func (f *fetch) starving() bool {
	s := f.storeBlocks.session.State()
	return s.Connected == 0 || !s.Starving.IsZero()
}

func (f *fetch) close() {
	f.cancel()
	f.search.Wait()
	_ = f.storeBlocks.session.Close()
	f.node.transfers.end(f.download)
}

// failed explains the end of a fetch.
func (f *fetch) failed(err error) error {
	root := f.ref.root
	switch {
	case errors.Is(err, swap.ErrNoProviders):
		for _, p := range f.storeBlocks.session.Peers() {
			if p.Status == swap.PeerBanned {
				return failure(KindDamaged, err, "peer providers "+root.String(), "%s: a provider sent wrong data (%s) and no other was found", root, p.Reason)
			}
		}
		return f.notFound()
	case errors.Is(err, transfer.ErrNoEntry):
		return failure(KindNotFound, err, "peer ls "+root.String(), "there is no %s", f.ref.text())
	case errors.Is(err, dag.ErrMalformed), errors.Is(err, transfer.ErrUnsafe):
		return failure(KindDamaged, err, "peer ls "+root.String(), "%s cannot be put on this disk", root)
	case errors.Is(err, transfer.ErrExists):
		return failure(KindFailed, err, "the same command with --force, which replaces what is there, or with another -o PATH", "%s is not written", root)
	case errors.Is(err, transfer.ErrInUse):
		return failure(KindFailed, err, "peer transfers, to see what fetches it, and peer cancel "+root.String(), "%s is not written", root)
	case errors.Is(err, context.Canceled):
		return failure(KindInterrupted, err, "the same command again resumes it", "the transfer of %s was interrupted", root)
	}
	return storeFailure(err, "the transfer of %s failed", root)
}

// notFound says how far the search came: to nobody, to strangers, or to peers of
// which none has it now.
func (f *fetch) notFound() error {
	root, peers := f.ref.root, f.storeBlocks.session.Peers()
	if len(peers) > 0 {
		why := fmt.Sprintf("%d named, none of them has it now", len(peers))
		if r := peers[0].Reason; r != "" {
			why += " (" + r + ")"
		}
		return notFound(root, why)
	}
	if why, try := f.node.onlyStrangers(context.Background()); why != "" {
		return &Error{Kind: KindNotFound, What: "no provider of " + root.String() + " was found", Why: why, Try: try, Err: swap.ErrNoProviders}
	}
	if len(f.node.net.host.Network().Peers()) == 0 {
		return notFound(root, "this node is connected to nobody")
	}
	return notFound(root, "nobody who was asked knows of one")
}

// usageOr makes an error about the user's CID a usage error.
func usageOr(err error, what string, args ...any) error {
	if errors.Is(err, blockhash.ErrUntrusted) || errors.Is(err, dag.ErrMalformed) {
		return failure(KindUsage, err, "", what, args...)
	}
	return failure(KindFailed, err, "", what, args...)
}
