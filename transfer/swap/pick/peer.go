package pick

import (
	"math"
	"slices"
	"time"

	"ringswap/transfer/swap/bitset"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// depth is how long a peer's queue of requests should last beyond two round
	// trips: long enough that a busy moment here never leaves it idle.
	depth = 250 * time.Millisecond
	// meterTau is the memory of a rate measurement.
	meterTau = time.Second
	// idleTau is how soon a peer that is asked nothing is forgiven its slowness.
	idleTau = 2 * time.Second
	// maxGap is the longest silence that counts as serving: after a longer one it
	// was somebody else's turn.
	maxGap = 250 * time.Millisecond
	// priorRate is what a stranger is taken for, in bytes a second, and
	// priorWeight for how long it would have had to be measured to count as much.
	priorRate   = 2 << 20
	priorWeight = 20 * time.Millisecond
	// denyTime is how long a peer is not asked again for what it refused.
	denyTime = 10 * time.Second
	// stealEvery is how often peers without work look for some to take over.
	stealEvery = 100 * time.Millisecond
)

// meter is an average of a rate that forgets with meterTau, over the time in
// which there was something to wait for.
type meter struct {
	acc  float64 // bytes, decayed
	norm float64 // seconds, decayed
	last time.Time
}

func newMeter(now time.Time) meter {
	w := priorWeight.Seconds()
	return meter{acc: priorRate * w, norm: w, last: now}
}

// at is the meter's state at a time, given that it was running since last.
func (m meter) at(now time.Time) meter {
	dt := now.Sub(m.last).Seconds()
	if dt <= 0 {
		return m
	}
	tau := meterTau.Seconds()
	e := math.Exp(-dt / tau)
	return meter{acc: m.acc * e, norm: m.norm*e + tau*(1-e), last: now}
}

// rate is in bytes a second.
func (m meter) rate(now time.Time) float64 {
	m = m.at(now)
	return m.acc / m.norm
}

// since is the meter with at most the time from then on still to be counted.
func (m meter) since(then time.Time) meter {
	if m.last.Before(then) {
		m.last = then
	}
	return m
}

// mean is the rate over the time that was counted, in bytes a second.
func (m meter) mean() float64 { return m.acc / m.norm }

// pickPeer is a peer whose stream is open.
type pickPeer struct {
	id       peer.ID
	complete bool
	have     *bitset.Set // nil if complete, or if nothing is known yet
	reqs     []*pickReq  // oldest first, with the lost ones
	asked    int         // bytes still to come for reqs
	meter    meter       // bytes over the time in which something was asked
	pace     meter       // the same over the time in which it served
	rtt      time.Duration
	heard    time.Time // the last sign of life while something was asked
	got      int64     // bytes that came on this stream
	paused   time.Time // nothing is asked before
	refusals int       // in a row
	denied   []Key
	undeny   time.Time // when denied ends; zero if empty
	dry      bool      // has nothing of what is still to be started
	steal    time.Time // when to look again for work to take over
	gave     time.Time // when it last gave something, or was first asked again
	busy     bool      // it said that others come first
	full     bool      // it had maxRequests, and has not answered many yet
	held     bool      // it lets this one wait: only the standing request is asked of it
	mutely   bool      // it has given nothing so far, though it was asked and waited for
}

// AddPeer lets a peer in whose stream has opened; rtt is how long it took to
// answer. Nothing is asked of it until [Picker.SetState].
func (k *Picker) AddPeer(now time.Time, id peer.ID, rtt time.Duration) {
	if k.byID[id] != nil {
		return
	}
	p := &pickPeer{id: id, meter: newMeter(now), pace: newMeter(now), rtt: rtt, heard: now, have: bitset.New(0)}
	k.byID[id] = p
	k.peers = append(k.peers, p)
	k.partials++
}

// RemovePeer forgets a peer; what came of its answers is kept unless it lied.
// Actions about it that are not yet taken with Next are still returned.
func (k *Picker) RemovePeer(id peer.ID, liar bool) {
	p := k.byID[id]
	if p == nil {
		return
	}
	for _, r := range p.reqs {
		k.lose(p, r)
	}
	if liar {
		k.distrust(p)
	}
	k.setHave(p, false, bitset.New(0))
	k.endTrials(p)
	if !p.complete {
		k.partials--
	}
	delete(k.byID, id)
	k.peers = slices.DeleteFunc(k.peers, func(o *pickPeer) bool { return o == p })
}

// SetState replaces what a peer has: every block, or the chunks in have and all
// blocks above chunks. have belongs to the picker from now on, must not be nil,
// and has the size of the DAG's number of chunks.
func (k *Picker) SetState(id peer.ID, complete bool, have *bitset.Set) {
	if p := k.byID[id]; p != nil {
		p.paused = time.Time{}
		k.setHave(p, complete, have)
		k.endTrials(p)
	}
}

func (k *Picker) setHave(p *pickPeer, complete bool, have *bitset.Set) {
	if !p.complete {
		k.partials--
		for i := p.have.Next(0); i >= 0 && i < len(k.rarity); i = p.have.Next(i + 1) {
			k.rarity[i]--
		}
	}
	p.complete, p.have = complete, have
	if !complete {
		k.partials++
		for i := have.Next(0); i >= 0 && i < len(k.rarity); i = have.Next(i + 1) {
			k.rarity[i]++
		}
	}
	p.dry, p.denied, p.undeny = false, nil, time.Time{}
}

// AddHave adds n chunks, from first on, to what a partial peer has. What it is
// told of a complete peer, and chunks beyond the last, are ignored.
func (k *Picker) AddHave(id peer.ID, first, n int) {
	p := k.byID[id]
	if p == nil || p.complete {
		return
	}
	for i := first; i < first+n; i++ {
		if p.have.Add(i) && i < len(k.rarity) {
			k.rarity[i]++
		}
	}
	p.dry = false
}

// countRarity starts to count for a DAG of n chunks.
func (k *Picker) countRarity(n int) {
	if len(k.rarity) == n {
		return
	}
	k.rarity = make([]uint16, n)
	for _, p := range k.peers {
		if p.complete {
			continue
		}
		for i := p.have.Next(0); i >= 0 && i < n; i = p.have.Next(i + 1) {
			k.rarity[i]++
		}
	}
}

// has reports whether p may be asked for block i of j.
func (p *pickPeer) has(j *pickJob, i int) bool {
	if len(p.denied) > 0 && slices.Contains(p.denied, Key{Job: j.id, Index: i}) {
		return false
	}
	if !j.chunks {
		// Whoever has any chunk knows the DAG above it.
		return p.complete || p.have.Count() > 0
	}
	// Indexes mean the same only to those who count the same chunks.
	return p.complete || (p.have.Size() == len(j.sizes) && p.have.Has(i))
}

// useful reports whether p has said that it has anything at all.
func (p *pickPeer) useful() bool { return p.complete || p.have.Count() > 0 }

func (p *pickPeer) rate(now time.Time) float64 {
	if len(p.reqs) == 0 {
		return p.rested(now).rate(now)
	}
	return p.meter.rate(now)
}

// rested is the meter of a peer that was asked nothing since its last entry: that
// it once had to be waited for is forgotten bit by bit, and what it is capable of
// counts more and more. A holder that served others for a while must not be
// passed over for ever.
func (p *pickPeer) rested(now time.Time) meter {
	m := p.meter
	idle := now.Sub(m.last).Seconds()
	if idle <= 0 {
		return m
	}
	e := math.Exp(-idle / idleTau.Seconds())
	w := (1 - e) * priorWeight.Seconds()
	return meter{acc: m.acc*e + p.pace.mean()*w, norm: m.norm*e + w, last: now}
}

// target is how many bytes should be asked for at a time: enough that a holder
// that comes to serve this peer after others need not stop for want of requests.
func (p *pickPeer) target(now time.Time) int {
	t := max(p.rate(now), p.pace.mean()) * (2*p.rtt + depth).Seconds()
	return max(int(min(t, 1<<30)), 2*minRange)
}

// rangeBytes is how much one request asks for: little from a slow peer, so that
// little has to be asked again when it goes away; at least two make its queue.
func (p *pickPeer) rangeBytes(now time.Time) int {
	n := p.target(now) / 2
	n -= n % minRange
	return min(max(n, minRange), maxRange)
}

func (p *pickPeer) wantsMore(now time.Time) bool {
	if len(p.reqs) >= maxRequests {
		p.full = true
	} else if len(p.reqs) <= maxRequests-refill {
		p.full = false
	}
	if !p.useful() || p.full || now.Before(p.paused) {
		return false
	}
	if p.held {
		return len(p.reqs) == 0
	}
	return p.asked < p.target(now)
}

func (p *pickPeer) add(now time.Time, r *pickReq) {
	if len(p.reqs) == 0 {
		p.meter, p.heard = p.rested(now), now
	}
	if !p.owes() {
		p.gave = now
	}
	p.reqs = append(p.reqs, r)
	p.asked += r.cost
}

// end takes an answered request off the queue. The time until now counts even if
// it brought nothing: a peer that never answers must not look like a stranger
// again each time that its requests are taken back.
func (p *pickPeer) end(now time.Time, r *pickReq) {
	p.meter = p.meter.at(now)
	p.asked -= r.left()
	p.reqs = slices.DeleteFunc(p.reqs, func(o *pickReq) bool { return o == r })
}

func (p *pickPeer) find(id uint64) *pickReq {
	for _, r := range p.reqs {
		if r.id == id {
			return r
		}
	}
	return nil
}

// patience is how long p may be silent. One that has shown what it can do has
// less of it, one that said that this one has to wait more: it is not dead, and
// nothing waits for it.
func (p *pickPeer) patience(stall time.Duration) time.Duration {
	switch {
	case p.busy:
		return 6 * stall
	case p.got >= 1<<20:
		return max(stall/4, 8*p.rtt)
	}
	return stall
}

func (p *pickPeer) deadline(now time.Time, stall time.Duration) time.Time {
	d := p.undeny
	if len(p.reqs) > 0 {
		d = earlier(d, p.heard.Add(p.patience(stall)))
	}
	d = earlier(d, p.mute())
	if p.paused.After(now) {
		d = earlier(d, p.paused)
	} else if p.steal.After(now) {
		d = earlier(d, p.steal)
	}
	return d
}

// deny keeps a block from being asked of p for a while.
func (p *pickPeer) deny(now time.Time, key Key) {
	p.denied = append(p.denied, key)
	if p.undeny.IsZero() {
		p.undeny = now.Add(denyTime)
	}
}

// PeerState is what a Picker knows of a peer.
type PeerState struct {
	RTT   time.Duration // the shortest time to an answer
	Rate  float64       // bytes a second, lately, while something was asked; 0 before the first byte
	Asked int           // bytes asked for and still to come
	Have  int           // chunks it has, if it is not complete
}

// Peer returns what is known of a peer; ok is false if it is not there.
func (k *Picker) Peer(now time.Time, id peer.ID) (st PeerState, ok bool) {
	p := k.byID[id]
	if p == nil {
		return PeerState{}, false
	}
	st = PeerState{RTT: p.rtt, Asked: p.asked, Have: p.have.Count()}
	if p.got > 0 {
		st.Rate = p.rate(now)
	}
	return st, true
}
