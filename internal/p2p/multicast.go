package p2p

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/zeroconf/v2"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// mdnsDomain is where multicast DNS names live (RFC 6762 section 3).
const mdnsDomain = "local"

// errNoMulticast: no interface can be used for multicast DNS.
var errNoMulticast = errors.New("no network interface takes multicast")

// multicast announces the node and listens for others, on whatever interfaces
// there are at the time.
type multicast struct {
	d       *Discovery
	heard   chan<- peer.AddrInfo
	service string
	// instance names this run on the link. It says nothing about the machine.
	instance string
}

func newMulticast(d *Discovery, heard chan<- peer.AddrInfo) *multicast {
	return &multicast{
		d:        d,
		heard:    heard,
		service:  serviceName(d.host.NetworkName()),
		instance: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()),
	}
}

// run lives through changes of the interfaces: a laptop joins another Wi-Fi.
func (m *multicast) run(ctx context.Context) {
	warned := false
	for ctx.Err() == nil {
		ifaces, mark := multicastInterfaces()
		session, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			defer close(ended)
			ended <- m.session(session, ifaces)
		}()
		err := m.awaitChange(ctx, mark, ended)
		cancel()
		for range ended { // its end
		}
		if err != nil && !warned && ctx.Err() == nil {
			warned = true
			m.d.cfg.Log.Warn("nodes on the local network will not be found by themselves", "err", err)
		}
	}
}

// awaitChange returns when the interfaces differ from mark, or ctx ends. If the
// session ended before, it returns the reason, and a Rescan after that at the
// latest.
func (m *multicast) awaitChange(ctx context.Context, mark string, ended <-chan error) (failed error) {
	check := time.NewTicker(m.d.cfg.Check)
	defer check.Stop()
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return failed
		case failed = <-ended:
			ended = nil
			t := time.NewTimer(m.d.cfg.Rescan)
			defer t.Stop()
			retry = t.C
		case <-retry:
			return failed
		case <-check.C:
			if _, now := multicastInterfaces(); now != mark {
				return failed
			}
		}
	}
}

// session works on the given interfaces until ctx ends. It returns an error at
// once if nothing can be heard on any of them.
func (m *multicast) session(ctx context.Context, ifaces []net.Interface) error {
	if len(ifaces) == 0 {
		return errNoMulticast
	}
	server, err := m.announce(ifaces)
	if err != nil {
		return err
	}
	if server != nil {
		defer server.Shutdown()
	}
	for ctx.Err() == nil {
		if err := m.browse(ctx, ifaces); err != nil {
			return err
		}
	}
	return nil
}

// announce answers others' questions from now on. A node that does not listen
// has nothing to say and gets a nil server.
func (m *multicast) announce(ifaces []net.Interface) (*zeroconf.Server, error) {
	h := m.d.host
	addrs := listenAddrsOn(ifaces, h.Network().ListenAddresses())
	txt := announcement(h.ID(), addrs)
	if len(txt) == 0 {
		return nil, nil
	}
	ips, port := hostRecords(addrs)
	return zeroconf.RegisterProxy(m.instance, m.service, mdnsDomain, port, m.instance, ips, txt, ifaces)
}

// listenAddrsOn resolves the wildcards among the listening addresses to the
// addresses of the interfaces. libp2p can do that too, but remembers interfaces
// for a minute, and this is called right after they changed.
func listenAddrsOn(ifaces []net.Interface, listening []ma.Multiaddr) []ma.Multiaddr {
	var own []ma.Multiaddr
	for _, i := range ifaces {
		addrs, _ := i.Addrs() // none, if it has just gone
		for _, a := range addrs {
			if m, err := manet.FromNetAddr(a); err == nil {
				own = append(own, m)
			}
		}
	}
	var out []ma.Multiaddr
	for _, l := range listening {
		if resolved, err := manet.ResolveUnspecifiedAddress(l, own); err == nil {
			out = append(out, resolved...)
		}
	}
	return out
}

// hostRecords are one address of each IP version and a port: DNS-SD wants A,
// AAAA and SRV records, though only the TXT strings are used here.
func hostRecords(addrs []ma.Multiaddr) (ips []string, port int) {
	var v4, v6 net.IP
	port = DefaultPort
	for _, a := range addrs {
		ip, err := manet.ToIP(a)
		switch {
		case err != nil:
		case ip.To4() != nil && (v4 == nil || v4.IsLoopback()):
			v4 = ip
		case ip.To4() == nil && (v6 == nil || v6.IsLoopback()):
			v6 = ip
		}
		if na, err := manet.ToNetAddr(a); err == nil {
			if tcp, ok := na.(*net.TCPAddr); ok {
				port = tcp.Port
			}
		}
	}
	for _, ip := range []net.IP{v4, v6} {
		if ip != nil {
			ips = append(ips, ip.String())
		}
	}
	return ips, port
}

// browse asks who is there, more and more rarely, for Rescan. Asking afresh
// after that finds those whose first answer came to nothing: within one browse
// an answer is reported once. IPv4 and IPv6 are asked separately, so that a
// system without the one still hears the other; an error means neither works.
func (m *multicast) browse(ctx context.Context, ifaces []net.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, m.d.cfg.Rescan)
	defer cancel()
	var wg sync.WaitGroup
	var errs [2]error
	for i, version := range []zeroconf.IPType{zeroconf.IPv4, zeroconf.IPv6} {
		wg.Go(func() {
			errs[i] = m.browseOne(ctx, zeroconf.SelectIfaces(ifaces), zeroconf.SelectIPTraffic(version))
		})
	}
	wg.Wait()
	if errs[0] != nil && errs[1] != nil {
		return errors.Join(errs[0], errs[1])
	}
	return nil
}

func (m *multicast) browseOne(ctx context.Context, opts ...zeroconf.ClientOption) error {
	entries := make(chan *zeroconf.ServiceEntry, 16)
	ended := make(chan error, 1)
	go func() { ended <- zeroconf.Browse(ctx, m.service, mdnsDomain, entries, opts...) }()
	for {
		select {
		case err := <-ended:
			return err
		case e, open := <-entries:
			if !open {
				entries = nil
				continue
			}
			info, ok := parseAnnouncement(e.Text)
			if !ok {
				continue
			}
			select {
			case m.heard <- info:
			case <-ctx.Done():
			}
		}
	}
}

// multicastInterfaces lists the interfaces to use, and a mark that differs
// whenever they or their addresses do. Where nothing but the loopback is up, it
// is used although some systems do not call it able to multicast: nodes on one
// machine then still find each other.
func multicastInterfaces() ([]net.Interface, string) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, "error: " + err.Error()
	}
	up := slices.DeleteFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagUp == 0 })
	usable := slices.DeleteFunc(slices.Clone(up), func(i net.Interface) bool {
		return i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0
	})
	if len(usable) == 0 {
		usable = slices.DeleteFunc(up, func(i net.Interface) bool { return i.Flags&net.FlagLoopback == 0 })
	}
	var mark strings.Builder
	for _, i := range usable {
		addrs, _ := i.Addrs() // none, if it has just gone
		fmt.Fprintln(&mark, i.Index, i.Name, i.Flags, addrs)
	}
	return usable, mark.String()
}
