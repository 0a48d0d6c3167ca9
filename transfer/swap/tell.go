package swap

import (
	"time"

	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// minThanks is the least time between two vouches by the same peer, and vouchStep the
// bytes by which one has to grow to be said again.
const (
	minThanks = time.Second
	vouchStep = 16 << 10
)

// told is what a peer was told on its present stream.
type told struct {
	vouches map[peer.ID]uint64 // bytes, by who vouches
	members time.Time          // when it is told of members next
}

// tell thanks the peers for what came from them, shows them what others have
// received from this node, and names members, until the session closes. It does so at
// once when everything has come: whoever gave the last of it should not lose its thanks
// because the session ends.
func (s *Session) tell() {
	defer s.wg.Done()
	key := s.host.Peerstore().PrivKey(s.host.ID())
	tick := time.NewTicker(s.cfg.thanks)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case now := <-tick.C:
			s.tellAll(now, key)
		case <-s.thank:
			s.tellAll(time.Now(), key)
		}
	}
}

func (s *Session) tellAll(now time.Time, key crypto.PrivKey) {
	s.mu.Lock()
	peers := make([]*downstream, 0, len(s.peers))
	for _, p := range s.peers {
		if p.cancel != nil && p.both != 0 {
			peers = append(peers, p)
		}
	}
	s.mu.Unlock()
	about := s.cfg.Ledger.receipts(now, s.root)
	for _, p := range peers {
		var b []byte
		if p.offers(wire.FeatureVouch) {
			if v, ok := p.receipt(now, key); ok {
				b = v.Append(b)
			}
			b = p.references(about, b)
		}
		if p.offers(wire.FeaturePeers) && p.mayName(now) {
			if members := s.cfg.Gossip.Tell(s.root, p.id); len(members) > 0 {
				b = wire.NewPeers(members).Append(b)
			}
		}
		p.send(b)
	}
}

// offers reports whether both sides named the feature.
func (p *downstream) offers(f wire.Features) bool {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.both&f != 0
}

// untold reports whether to tell the peer that by vouches for so many bytes, and
// notes that it is told.
func (p *downstream) untold(by peer.ID, bytes uint64) bool {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if bytes < p.told.vouches[by]+vouchStep {
		return false
	}
	if p.told.vouches == nil {
		p.told.vouches = make(map[peer.ID]uint64)
	}
	p.told.vouches[by] = bytes
	return true
}

// receipt vouches for what came from the peer, if that is more than it was told.
func (p *downstream) receipt(now time.Time, key crypto.PrivKey) (wire.Vouch, bool) {
	self := p.s.host.ID()
	bytes := uint64(p.s.cfg.Ledger.owed(p.s.root, p.id))
	if key == nil || !p.untold(self, bytes) {
		return wire.Vouch{}, false
	}
	v, err := wire.Vouch{Root: p.s.root, By: self, For: p.id, Bytes: bytes, At: uint64(now.UnixMilli())}.Sign(key)
	return v, err == nil
}

// references appends what others vouch for and the peer has not been shown.
func (p *downstream) references(about []wire.Vouch, b []byte) []byte {
	for _, v := range about {
		if v.By != p.id && p.untold(v.By, v.Bytes) {
			b = v.Append(b)
		}
	}
	return b
}

func (p *downstream) mayName(now time.Time) bool {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if now.Before(p.told.members) {
		return false
	}
	p.told.members = now.Add(about(gossipEvery))
	return true
}

// send queues frames, unless the stream has ended.
func (p *downstream) send(frames []byte) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if len(frames) > 0 && p.cancel != nil && len(p.outbox) < maxControl {
		p.outbox = append(p.outbox, frames...)
		signal(p.wrote)
	}
}
