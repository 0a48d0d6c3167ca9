package nat

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
)

func newHost(t *testing.T, cfg Config, m *Mapper) host.Host {
	t.Helper()
	opts := append(cfg.Options(m), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	h, err := libp2p.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// emit sends an event as libp2p's own services would.
func emit[E any](t *testing.T, h host.Host, ev E) {
	t.Helper()
	em, err := h.EventBus().Emitter(new(E))
	if err != nil {
		t.Fatal(err)
	}
	defer em.Close()
	if err := em.Emit(ev); err != nil {
		t.Fatal(err)
	}
}

func TestWatcherFollowsTheBus(t *testing.T) {
	h := newHost(t, Config{}, new(Mapper))
	w, err := NewWatcher(h, new(Mapper))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := h.EventBus().Subscribe(new(VerdictChanged))
	if err != nil {
		t.Fatal(err)
	}
	next := func(want State) VerdictChanged {
		t.Helper()
		for {
			select {
			case ev := <-sub.Out():
				if v := ev.(VerdictChanged); v.Verdict.State == want {
					if now := w.Verdict().State; now != want {
						t.Errorf("Verdict says %s after %s was announced", now, want)
					}
					return v
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("no verdict %s; it is %+v", want, w.Verdict())
			}
		}
	}
	next(Local)
	public := addrs("/ip4/1.2.3.4/tcp/4779")
	emit(t, h, event.EvtHostReachableAddrsChanged{Unreachable: public})
	next(Private)
	emit(t, h, event.EvtAutoRelayAddrsUpdated{RelayAddrs: addrs("/ip4/9.9.9.9/tcp/1/p2p/12D3KooWSkdLxtUwzYZmQrWxKmwtYGDA4Xu4apZvNvQqPkXBKQYf/p2p-circuit")})
	next(Relayed)
	emit(t, h, event.EvtHostReachableAddrsChanged{Reachable: public})
	if v := next(Public); len(v.Verdict.Addrs) != 1 {
		t.Errorf("public at %v", v.Verdict.Addrs)
	}
	emit(t, h, event.EvtHostReachableAddrsChanged{})
	emit(t, h, event.EvtAutoRelayAddrsUpdated{})
	emit(t, h, event.EvtLocalReachabilityChanged{Reachability: network.ReachabilityPrivate})
	next(Private)
	if o := w.Observations(); len(o.Listening) != 1 || o.RouterFound || o.Ambient != network.ReachabilityPrivate {
		t.Errorf("observed %+v", o)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_ = sub.Close()
}

// Everything switched on, on a machine without a router: the host starts at
// once, works, and closes without waiting for the search.
func TestAllSwitchesOn(t *testing.T) {
	m := new(Mapper)
	cfg := DefaultConfig()
	cfg.RelayService = true
	start := time.Now()
	h := newHost(t, cfg, m)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("the start took %v: it waited for the network", d)
	}
	_ = m.Found()
	if got := m.Mapped(); len(got) != 0 {
		t.Errorf("a loopback listener is mapped to %v", got)
	}
	start = time.Now()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("closing took %v", d)
	}
}
