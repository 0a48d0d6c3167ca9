package nat

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// VerdictChanged is what a [Watcher] emits on its host's event bus: once when
// it starts, and whenever the state or its addresses change. A new subscriber
// gets the last one at once.
type VerdictChanged struct {
	Verdict Verdict
	// PublicPeers says whether nodes at public addresses are connected.
	PublicPeers bool
}

// Watcher collects a host's observations and judges them again whenever one
// changes. Its owner closes it before the host.
type Watcher struct {
	host    host.Host
	mapper  *Mapper
	emitter event.Emitter
	sub     event.Subscription
	done    sync.WaitGroup

	mu   sync.Mutex
	seen Observations
	last VerdictChanged
}

// NewWatcher starts to watch h. m may be the zero Mapper.
func NewWatcher(h host.Host, m *Mapper) (*Watcher, error) {
	w := &Watcher{host: h, mapper: m}
	var err error
	if w.emitter, err = h.EventBus().Emitter(new(VerdictChanged), eventbus.Stateful); err != nil {
		return nil, fmt.Errorf("nat: %w", err)
	}
	w.sub, err = h.EventBus().Subscribe([]any{
		new(event.EvtLocalAddressesUpdated),
		new(event.EvtHostReachableAddrsChanged),
		new(event.EvtLocalReachabilityChanged),
		new(event.EvtAutoRelayAddrsUpdated),
		new(event.EvtPeerConnectednessChanged),
	}, eventbus.Name("reachability"), eventbus.BufSize(64))
	if err != nil {
		_ = w.emitter.Close()
		return nil, fmt.Errorf("nat: %w", err)
	}
	w.observe(nil)
	w.done.Go(w.loop)
	return w, nil
}

// Close ends the watcher and waits for it.
func (w *Watcher) Close() error {
	err := w.sub.Close()
	w.done.Wait()
	return errors.Join(err, w.emitter.Close())
}

// Verdict judges the present observations.
func (w *Watcher) Verdict() Verdict { return Judge(w.Observations()) }

// Observations returns what is known now.
func (w *Watcher) Observations() Observations {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current()
}

// loop ends when the subscription does.
func (w *Watcher) loop() {
	for ev := range w.sub.Out() {
		w.observe(ev)
	}
}

// observe takes an event in, judges, and tells the bus if something changed.
func (w *Watcher) observe(ev any) {
	w.mu.Lock()
	first := w.last.Verdict.State == ""
	switch ev := ev.(type) {
	case event.EvtHostReachableAddrsChanged:
		w.seen.Reachable, w.seen.Unreachable, w.seen.Untested = ev.Reachable, ev.Unreachable, ev.Unknown
	case event.EvtLocalReachabilityChanged:
		w.seen.Ambient = ev.Reachability
	case event.EvtAutoRelayAddrsUpdated:
		w.seen.Relays = ev.RelayAddrs
	}
	o := w.current()
	now := VerdictChanged{Verdict: Judge(o), PublicPeers: o.PublicPeers > 0}
	same := !first && now.PublicPeers == w.last.PublicPeers && now.Verdict.State == w.last.Verdict.State &&
		slices.EqualFunc(now.Verdict.Addrs, w.last.Verdict.Addrs, ma.Multiaddr.Equal)
	w.last = now
	w.mu.Unlock()
	if !same {
		_ = w.emitter.Emit(now) // fails only once the bus is closed
	}
}

// current completes what events told with what the host can be asked.
func (w *Watcher) current() Observations {
	o := w.seen
	o.Listening, _ = w.host.Network().InterfaceListenAddresses() // none, if the interfaces cannot be listed
	o.RouterFound, o.Mapped = w.mapper.Found(), w.mapper.Mapped()
	for _, c := range w.host.Network().Conns() {
		if !c.Stat().Limited && manet.IsPublicAddr(c.RemoteMultiaddr()) {
			o.PublicPeers++
		}
	}
	return o
}
