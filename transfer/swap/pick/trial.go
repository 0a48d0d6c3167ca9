package pick

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A block of which a copy did not match its CID, and that several peers gave, goes
// on trial: one peer alone has to give all of the next copy. Whatever comes of that
// is certain. If the copy is right, its owner compares it with what each peer gave of the
// bad ones; if it is wrong, that one peer lied, is banned, and the next one's turn has
// come. So no more copies are bad than there are liars, and nobody is blamed who
// gave what is right. The first on trial is who gave the most: that is kept, and only
// the other ranges are fetched again.
//
// A liar would rather not finish. Whoever is asked, and does not, comes after all who
// were asked less often, and takes nothing over from them.

const (
	// trialWait is how long the block may lie with a peer that is asked for none of
	// it, and how long those that did not finish wait for one that had no turn yet.
	trialWait = 3 * time.Second
	// maxTried bounds what is remembered of trials of one block.
	maxTried = 256
)

// trial is how a block comes from one peer alone.
type trial struct {
	alone *pickPeer // gives all of it; nil if nobody was asked yet
	// idle is since when nobody is asked for any of it; zero while somebody is, or
	// before Next has looked.
	idle  time.Time
	tried map[peer.ID]int // how often who was asked did not finish
}

// try puts a block on trial of which a copy from several peers was bad.
func (k *Picker) try(b *pickBlock) {
	if b.trial == nil {
		b.trial = &trial{tried: make(map[peer.ID]int)}
		k.trials++
	}
	alone := k.mainGiver(b)
	if b.trial.alone = alone; alone == nil {
		k.restart(b)
		return
	}
	var segs []segment
	for _, s := range b.segs {
		if s.peer == alone {
			segs = append(segs, s)
			continue
		}
		k.acts = append(k.acts, Action{Kind: Discard, Key: b.key, Off: s.off})
		if n := len(segs); n > 0 && segs[n-1].state == segFree {
			segs[n-1].n += s.n
			continue
		}
		segs = append(segs, segment{off: s.off, n: s.n, peer: alone})
	}
	b.segs, b.full, b.orphan = segs, false, true
}

// mainGiver is who gave the most of a full block, of those that can go on; nil if
// none can.
func (k *Picker) mainGiver(b *pickBlock) (best *pickPeer) {
	gave, most := make(map[*pickPeer]int), 0
	for _, s := range b.segs {
		p := s.peer
		if p == nil || p.held || k.byID[p.id] != p || !p.has(b.job, b.key.Index) {
			continue
		}
		if gave[p] += s.n; gave[p] > most {
			best, most = p, gave[p]
		}
	}
	return best
}

// mayTry reports whether p may be asked for bytes of b, which it has and which is on
// trial.
func (k *Picker) mayTry(now time.Time, p *pickPeer, b *pickBlock) bool {
	t := b.trial
	if t.alone != nil {
		return t.alone == p
	}
	if t.tried[p.id] == 0 || !t.idle.IsZero() && now.Sub(t.idle) >= trialWait {
		return true
	}
	return !slices.ContainsFunc(k.peers, func(o *pickPeer) bool {
		return t.tried[o.id] < t.tried[p.id] && !o.held && o.has(b.job, b.key.Index)
	})
}

// endTrial takes b from the peer that was to give all of it.
func (k *Picker) endTrial(b *pickBlock) {
	t := b.trial
	if t.alone != nil {
		if len(t.tried) >= maxTried {
			clear(t.tried)
		}
		t.tried[t.alone.id]++
	}
	t.alone, t.idle = nil, time.Time{}
	k.restart(b)
}

// endTrials ends those of p that it cannot go on with.
func (k *Picker) endTrials(p *pickPeer) {
	if k.trials == 0 {
		return
	}
	for _, b := range k.active {
		if t := b.trial; t != nil && t.alone == p && !b.full && (p.held || !p.has(b.job, b.key.Index)) {
			k.endTrial(b)
		}
	}
}

// endIdle ends the trials of those that are asked for none of it, since they are busy
// with something else or pretend to be.
func (k *Picker) endIdle(now time.Time) {
	if k.trials == 0 {
		return
	}
	for _, b := range k.active {
		t := b.trial
		switch {
		case t == nil || b.full:
		case b.asked():
			t.idle = time.Time{}
		case t.idle.IsZero():
			t.idle = now
		case t.alone != nil && now.Sub(t.idle) >= trialWait:
			k.endTrial(b)
			t.idle = now
		}
	}
}

// trialDeadline is when a trial has to be looked at; zero if none has to.
func (k *Picker) trialDeadline(now time.Time) (d time.Time) {
	if k.trials == 0 {
		return d
	}
	for _, b := range k.active {
		if t := b.trial; t != nil && !b.full && !t.idle.IsZero() && !b.asked() {
			if at := t.idle.Add(trialWait); at.After(now) {
				d = earlier(d, at)
			}
		}
	}
	return d
}

// asked reports whether somebody is asked for any of b.
func (b *pickBlock) asked() bool {
	return slices.ContainsFunc(b.segs, func(s segment) bool { return s.state == segAsked })
}
