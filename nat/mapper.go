package nat

import (
	"sync"

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
	mgr := basichost.NewNATManager(n)
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
