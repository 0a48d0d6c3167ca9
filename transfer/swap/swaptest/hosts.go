package swaptest

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
)

// Host is a libp2p host, on loopback TCP unless opts say otherwise. It is closed
// with the test.
func Host(t testing.TB, opts ...libp2p.Option) host.Host {
	t.Helper()
	if len(opts) == 0 {
		opts = append(opts, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	}
	opts = append(opts, libp2p.DisableRelay(), libp2p.DisableMetrics())
	h, err := libp2p.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// Info is where h is reached.
func Info(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

// Serve serves src on a host of its own.
func Serve(t testing.TB, src swap.Source, cfg swap.ServerConfig) (host.Host, *swap.Server) {
	t.Helper()
	h := Host(t)
	cfg.Network = Network
	srv, err := swap.NewServer(h, src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return h, srv
}

// Context ends after d, which is how long the test may take.
func Context(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// Leaks fails the test if goroutines of package swap are left when it is over.
// It is called before anything is started, so that it looks after all else is
// closed. A goroutine that has told its owner it is done may still be at its
// last instruction, so it looks again for a while: one that leaks stays.
func Leaks(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		limit := time.Now().Add(5 * time.Second)
		left := goroutines("ringswap/transfer/swap.")
		for len(left) > 0 && time.Now().Before(limit) {
			time.Sleep(time.Millisecond)
			left = goroutines("ringswap/transfer/swap.")
		}
		for _, g := range left {
			t.Errorf("a goroutine is left:\n%s", g)
		}
	})
}

// goroutines are the stacks of those that have the text in them.
func goroutines(text string) (found []string) {
	buf := make([]byte, 4<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, text) {
			found = append(found, g)
		}
	}
	return found
}
