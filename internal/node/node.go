package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"ringswap/store"
	"ringswap/transfer/swap"
)

// Node is a running peer: the overlay, the store, the swap and the host, put
// together. It implements [Service]. Open makes one, Close ends it.
type Node struct {
	cfg     Config
	started time.Time
	log     *slog.Logger

	store      *store.Store
	net        network
	server     *swap.Server
	down       *swap.Throttle // shared by all downloads
	meter      *meter
	neighbours *neighbours
	transfers  *transfers
	steering   *steering
	flows      *flows
	gossip     *gossip
	notices    *notices

	background group
}

// group owns the goroutines that live as long as the node.
type group struct {
	ctx  context.Context // ends when Close begins
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Open starts a node and returns when it listens and answers; it waits for no
// other node. ctx bounds the start alone. The caller closes the node.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Repo, 0o700); err != nil {
		return nil, failure(KindFailed, err, "peer --repo DIR", "the repo %s cannot be made", cfg.Repo)
	}
	level := slog.LevelError
	if cfg.Verbose {
		level = slog.LevelInfo
	}
	n := &Node{
		cfg:     cfg,
		started: time.Now(),
		log:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),

		down:       swap.NewThrottle(swap.Unlimited),
		meter:      &meter{Ledger: swap.NewLedger(0)},
		neighbours: newNeighbours(),
		transfers:  newTransfers(),
		flows:      newFlows(),
		notices:    &notices{},
	}
	n.background.ctx, n.background.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx context.Context) error {
	if err := n.openStore(); err != nil {
		return err
	}
	if err := n.openNetwork(ctx); err != nil {
		return err
	}
	n.openSteering()
	if err := n.serveAll(ctx); err != nil {
		return storeFailure(err, "the repo %s cannot be read", n.cfg.Repo)
	}
	set := n.steering.settings()
	n.down.Set(swap.Rate(set.LimitDown))
	n.recallLedger()
	n.gossip = newGossip(n.net.host, n.transfers)
	server, err := swap.NewServer(n.net.host, blocks{n.store, n.transfers}, swap.ServerConfig{
		Network: n.cfg.Network, Up: upRate(set.LimitUp), Ledger: n.meter.Ledger, Gossip: n.gossip,
	})
	if err != nil {
		return err
	}
	n.server = server
	n.gossip.serves(server)
	if err := n.applyRoots(); err != nil {
		return err
	}
	n.spawn(n.keepLedger)
	n.runNetwork()
	n.spawn(n.meter.run)
	n.spawn(n.announceAll)
	n.spawn(n.steer)
	if !n.cfg.Brief {
		n.runQueue()
	}
	return nil
}

func (n *Node) openStore() error {
	s, err := store.Open(filepath.Join(n.cfg.Repo, "store"), store.Config{
		Owner:  "peer (process " + strconv.Itoa(os.Getpid()) + ")",
		Notify: func(notice store.Notice) { n.notices.add(notice.String()) },
	})
	switch {
	case errors.Is(err, store.ErrLocked):
		return failure(KindFailed, errors.Join(ErrRepoLocked, err), "peer --repo DIR", "the repo %s cannot be opened", n.cfg.Repo)
	case err != nil:
		return storeFailure(err, "the repo %s cannot be opened", n.cfg.Repo)
	}
	n.store = s
	return nil
}

// Close says good-bye to the overlay, ends every transfer so that it can be
// resumed, and leaves the repo sound. It waits for all that the node started.
func (n *Node) Close() error {
	n.background.stop()
	n.background.wg.Wait()
	if n.steering != nil {
		n.saveSteering()
	}
	var errs []error
	if n.server != nil {
		errs = append(errs, n.server.Close())
		n.memorizeLedger()
	}
	errs = append(errs, n.closeNetwork())
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}

// spawn runs f until the node closes. Its error goes to the log: what must be
// known to a caller is not for the background.
func (n *Node) spawn(f func(ctx context.Context) error) {
	n.background.wg.Go(func() {
		if err := f(n.background.ctx); err != nil && n.background.ctx.Err() == nil {
			n.log.Error("a part of the node ended", "err", err)
		}
	})
}

// Version is the version of this build, as the Go toolchain stamped it.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
