package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/nat"
)

// Host is a libp2p host set up as this package decides, with what the rest of
// the house needs beside it. Its owner closes it.
type Host struct {
	host.Host

	network   string
	log       *slog.Logger
	bandwidth *metrics.BandwidthCounter
	mapper    *nat.Mapper
	reach     *nat.Watcher
	work      running // housekeeping

	close sync.Once
	err   error
}

// New starts a host. It does not wait for anything outside the process: port
// mapping, reachability and peers come later. ctx bounds the start alone.
func New(ctx context.Context, cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	h := &Host{
		network:   cfg.Network,
		log:       cfg.Log,
		bandwidth: metrics.NewBandwidthCounter(),
		mapper:    new(nat.Mapper),
	}
	opts, err := h.options(cfg)
	if err != nil {
		return nil, err
	}
	if h.Host, err = libp2p.New(opts...); err != nil {
		return nil, fmt.Errorf("start the libp2p host: %w", err)
	}
	if err := listen(h.Network(), cfg); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	if h.reach, err = nat.NewWatcher(h.Host, h.mapper); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	if ctx, done, ok := h.work.start(context.Background()); ok {
		go func() { defer done(); h.trimTraffic(ctx) }()
	}
	return h, nil
}

// Per-peer traffic counts are kept for trafficKept after a peer's last byte.
const (
	trafficKept = time.Hour
	trafficTrim = 10 * time.Minute
)

// trimTraffic forgets the counts of peers that have gone, which libp2p would
// keep for ever.
func (h *Host) trimTraffic(ctx context.Context) {
	tick := time.NewTicker(trafficTrim)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.bandwidth.TrimIdle(now.Add(-trafficKept))
		}
	}
}

// Close ends every connection and waits for what the host runs.
func (h *Host) Close() error {
	h.close.Do(func() {
		h.work.close()
		if h.reach != nil {
			h.err = h.reach.Close()
		}
		h.err = errors.Join(h.err, h.Host.Close())
	})
	return h.err
}

// NetworkName is the name of the network the host belongs to.
func (h *Host) NetworkName() string { return h.network }

// Protocol is the ID of a protocol of this host's network; see [ProtocolID].
func (h *Host) Protocol(suffix string) protocol.ID { return ProtocolID(h.network, suffix) }

// Reachability tells from where this host can be reached, and how it knows.
// Changes are announced on the event bus as nat.VerdictChanged.
func (h *Host) Reachability() (nat.Verdict, nat.Observations) {
	o := h.reach.Observations()
	return nat.Judge(o), o
}

// options translates cfg for libp2p. TLS comes before Noise because AES-GCM
// runs in hardware: over loopback, with both ends busy, TLS moves an eighth to a
// third more bytes than Noise's ChaCha20-Poly1305 (560 against 497 MB/s when the
// machine is free).
func (h *Host) options(cfg Config) ([]libp2p.Option, error) {
	limits, err := cfg.Limits.resourceManager(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("p2p: resource limits: %w", err)
	}
	conns, err := cfg.Limits.connManager()
	if err != nil {
		return nil, fmt.Errorf("p2p: connection limits: %w", err)
	}
	opts := []libp2p.Option{
		libp2p.Identity(cfg.Identity),
		libp2p.UserAgent(cfg.UserAgent),
		libp2p.ProtocolVersion(string(ProtocolID(cfg.Network, "1"))),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(libp2ptls.ID, newBatchedTLS),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, muxer(cfg.Limits)),
		libp2p.NoListenAddrs, // New opens them itself, see listen
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
		libp2p.BandwidthReporter(h.bandwidth),
		libp2p.WithDialTimeout(cfg.DialTimeout),
		libp2p.SwarmOpts(swarm.WithDialRanker(rankDials)),
		libp2p.AddrsFactory(announce(cfg.Announce)),
		// With TCP tried first, a network that swallows UDP costs nothing that a
		// detector could save, and a detector that has not seen a hundred UDP
		// dials yet would refuse to answer others' AutoNAT requests.
		libp2p.UDPBlackHoleSuccessCounter(nil),
	}
	if cfg.Metrics != nil {
		opts = append(opts, libp2p.PrometheusRegisterer(cfg.Metrics))
	} else {
		opts = append(opts, libp2p.DisableMetrics())
	}
	return append(opts, cfg.NAT.Options(h.mapper)...), nil
}

// muxer is yamux with the configured window. Its streams start at 256 KiB and
// grow to the window only while the reader keeps up. Frames stay at 64 KiB, so
// that a short message waits for little: on loopback, frames of 256 KiB and a
// first window of 4 MiB moved 1 GiB no faster (1.6 to 1.7 s, each).
func muxer(l Limits) *yamux.Transport {
	t := *yamux.DefaultTransport
	t.MaxStreamWindowSize = l.StreamWindow
	return &t
}

// announce adds addresses to those that libp2p found.
func announce(extra []ma.Multiaddr) func([]ma.Multiaddr) []ma.Multiaddr {
	return func(found []ma.Multiaddr) []ma.Multiaddr {
		all := make([]ma.Multiaddr, 0, len(found)+len(extra))
		all = append(all, found...)
		return ma.Unique(append(all, extra...))
	}
}
