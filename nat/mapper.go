package nat

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	ma "github.com/multiformats/go-multiaddr"
)

// Mapper knows what the router forwards to a host. The zero value, for a host
// without port mapping, knows of nothing. It is safe for concurrent use.
type Mapper struct {
	mu      sync.Mutex
	network network.Network
	manager basichost.NATManager
}

// manage is the constructor that libp2p calls.
func (m *Mapper) manage(n network.Network) basichost.NATManager {
	mgr := newRoaming(func() basichost.NATManager { return basichost.NewNATManager(n) }, interfaceMark)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.network, m.manager = n, mgr
	return mgr
}

// Found reports whether a router that maps ports has been found.
func (m *Mapper) Found() bool {
	_, mgr := m.get()
	return mgr != nil && mgr.HasDiscoveredNAT()
}

// Mapped lists the router's addresses that lead here.
func (m *Mapper) Mapped() []ma.Multiaddr {
	n, mgr := m.get()
	if mgr == nil {
		return nil
	}
	var mapped []ma.Multiaddr
	for _, l := range n.ListenAddresses() {
		if a := mgr.GetMapping(l); a != nil {
			mapped = append(mapped, a)
		}
	}
	return ma.Unique(mapped)
}

func (m *Mapper) get() (network.Network, basichost.NATManager) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.network, m.manager
}

// Times of the search for a router.
const (
	// roamCheck is how often the interfaces are looked at.
	roamCheck = 15 * time.Second
	// roamRetry is how long after a search that found nothing the next one
	// starts.
	roamRetry = 10 * time.Minute
)

// roaming is a NAT manager for a machine that is carried about. libp2p's own
// looks for a router once, when the host starts; this one starts another when
// the machine has other addresses than before, and now and then while none has
// found anything.
type roaming struct {
	search func() basichost.NATManager
	mark   func() string

	mu      sync.Mutex
	current basichost.NATManager // nil while one is being replaced

	stop chan struct{}
	once sync.Once
	done sync.WaitGroup
}

func newRoaming(search func() basichost.NATManager, mark func() string) *roaming {
	r := &roaming{search: search, mark: mark, stop: make(chan struct{})}
	seen := mark()
	r.current = search()
	r.done.Go(func() { r.run(seen) })
	return r
}

func (r *roaming) run(seen string) {
	check := time.NewTicker(roamCheck)
	defer check.Stop()
	started := time.Now()
	for {
		select {
		case <-r.stop:
			return
		case now := <-check.C:
			mark := r.mark()
			if mark == seen && (r.HasDiscoveredNAT() || now.Sub(started) < roamRetry) {
				continue
			}
			seen, started = mark, now
			// The old one first: it takes its mappings away, and they could be the
			// new one's.
			_ = r.swap(nil).Close() // says nothing that could be acted on
			r.swap(r.search())
		}
	}
}

// swap replaces the current manager and returns the one before.
func (r *roaming) swap(next basichost.NATManager) (before basichost.NATManager) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, r.current = r.current, next
	return before
}

// GetMapping implements basichost.NATManager.
func (r *roaming) GetMapping(a ma.Multiaddr) ma.Multiaddr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		return nil
	}
	return r.current.GetMapping(a)
}

// HasDiscoveredNAT implements basichost.NATManager.
func (r *roaming) HasDiscoveredNAT() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current != nil && r.current.HasDiscoveredNAT()
}

// Close takes the mappings away and waits for the search to end.
func (r *roaming) Close() error {
	r.once.Do(func() { close(r.stop) })
	r.done.Wait()
	if last := r.swap(nil); last != nil {
		return last.Close()
	}
	return nil
}

// interfaceMark is a text that differs whenever this machine's addresses do.
func interfaceMark() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err.Error()
	}
	names := make([]string, 0, len(addrs))
	for _, a := range addrs {
		names = append(names, fmt.Sprint(a))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
