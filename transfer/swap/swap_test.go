package swap_test

import (
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
)

func TestServerConforms(t *testing.T) {
	swaptest.Server(t, func(t testing.TB, src swap.Source) peer.AddrInfo {
		h, _ := swaptest.Serve(t, src, swap.ServerConfig{
			HelloTimeout: time.Second, WriteTimeout: 2 * time.Second, Patience: 500 * time.Millisecond,
		})
		return swaptest.Info(h)
	})
}

func TestSessionConforms(t *testing.T) {
	swaptest.Client(t, func(t testing.TB, h host.Host, root cid.Cid) swaptest.Fetcher {
		return session(t, h, root, swap.SessionConfig{
			Stall: 3 * time.Second, DialTimeout: 3 * time.Second, Backoff: 100 * time.Millisecond,
		})
	})
}

func session(t testing.TB, h host.Host, root cid.Cid, cfg swap.SessionConfig) *swap.Session {
	t.Helper()
	cfg.Network = swaptest.Network
	s, err := swap.NewSession(h, root, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
