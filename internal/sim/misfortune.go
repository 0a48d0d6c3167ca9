package sim

import (
	"fmt"
	"slices"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
)

// assumption is what failures are judged by now.
func (r *ringSoak) assumption() chord.Assumption {
	a := chord.Assumption{RingMonitor: r.k, Doubted: func(id overlay.ID) bool { return r.w.Now() < r.doubted[id] }}
	for i := range r.w.shards {
		for k := range r.w.shards[i].letters {
			if p, ok := r.pending(&r.w.shards[i].letters[k]); ok {
				a.Pending = append(a.Pending, p)
			}
		}
	}
	return a
}

// pending is the list that an answer brings to its asker, if it does.
func (r *ringSoak) pending(l *letter) (p chord.Pending, ok bool) {
	msg, ok := l.msg.(*chord.NeighboursAnswer)
	if !ok || l.phase != returned || l.from.state != running || l.from.life != l.life {
		return p, false
	}
	p = chord.Pending{Asker: l.from.Contact.ID, From: l.to.Contact.ID}
	for _, c := range msg.Successors {
		if c.ID != p.Asker {
			p.List = append(p.List, c.ID)
		}
	}
	switch {
	case len(p.List) > 0:
	case r.member[l.from]: // nothing new
		return p, false
	default: // a newcomer at a node that is alone
		p.List = append(p.List, p.From)
	}
	return p, true
}

// misfortune is one of the things that happen to a ring.
func (r *ringSoak) misfortune() {
	n := r.w.honest(r.rng)
	crowd := r.w.Live().Len()
	switch p := r.rng.IntN(100); {
	case n == nil || p < 16 && crowd < 2*r.cfg.Nodes || crowd < r.cfg.Nodes/2:
		r.enter(r.insider())
	case p < 24:
		r.stop(n, true)
	case p < 38:
		r.stop(n, false)
	case p < 48:
		r.restart(r.insider())
	case p < 56:
		r.suspect(n)
	case p < 59:
		n.Slow(time.Duration(r.rng.Int64N(int64(400 * time.Millisecond))))
	case p < 62:
		n.Slow(0)
	case p < 65:
		r.loss = r.rng.Float64() / 3
	case p < 70:
		r.loss = 0
	case p < 78:
		r.forge(n)
	default:
		r.ask(n)
	}
}

// key is one of a few that are asked for.
func (r *ringSoak) key() overlay.Key {
	return overlay.RawKey(fmt.Appendf(nil, "key %d", r.rng.IntN(20)))
}

// ask starts a query.
func (r *ringSoak) ask(n *Node) {
	r.res.Lookups++
	key := r.key()
	switch r.rng.IntN(4) {
	case 0:
		r.w.Start(n, overlay.Provide{Key: key}, nil)
	case 1:
		r.w.Start(n, overlay.FindProviders{Key: key}, nil)
	default:
		r.w.Start(n, overlay.FindClosest{Key: key}, nil)
	}
}

// forge sends a node something that somebody outside of the ring made up.
func (r *ringSoak) forge(n *Node) {
	r.res.Forged++
	stranger := overlay.NewContact(peerWith(r.w.salt+1, uint32(r.rng.IntN(1000)), 0))
	other := stranger
	if x := r.insider(); x != nil {
		other = *x.Contact
	}
	in := overlay.Inbound{Req: ^overlay.ReqID(0), From: &stranger, Server: true}
	switch r.rng.IntN(9) {
	case 0:
		in.Msg = &chord.NotifyRequest{} // what a predecessor says
	case 1:
		in.Msg, in.From = &chord.NotifyRequest{}, &overlay.Contact{ID: other.ID, Peer: stranger.Peer} // from another one's place
	case 2:
		in.Msg, in.Server = &chord.NotifyRequest{}, false
	case 3:
		in.Msg = &chord.LeaveRequest{Predecessor: &other, Successors: []*overlay.Contact{&stranger, &other}}
	case 4:
		in.Msg = &chord.FindRequest{Key: []byte("x"), N: 1 << 20}
	case 5:
		in.Msg = &chord.NeighboursAnswer{Version: 1, Successors: []*overlay.Contact{&stranger}}
	case 6:
		in.Msg = &chord.Unknown{Number: 99}
	case 7:
		in.Msg = &chord.HandOverRequest{Providers: []chord.ProviderRecord{{Key: other.ID, Provider: &stranger}}}
	case 8:
		in.Msg, in.From = &chord.NotifyRequest{}, n.Contact // from the node itself
	}
	r.w.step(n, in)
}

// stop lets a node leave or fail if the theorem allows it.
func (r *ringSoak) stop(n *Node, leave bool) {
	if r.leaving[n] || r.wayIn(n) || r.member[n] && !r.assumption().MayFail(n.Contact.ID) {
		r.res.Spared++
		return
	}
	if leave {
		r.leaving[n] = true
		r.res.Leaves++
		r.w.Leave(n, linger)
		return
	}
	r.res.Kills++
	r.w.Kill(n)
}

// wayIn reports whether somebody is on his way into the ring through a node: a
// join begins at a member.
func (r *ringSoak) wayIn(via *Node) bool {
	used := false
	for n, v := range r.ways {
		if !n.Alive() || r.member[n] || !n.Server {
			delete(r.ways, n)
		} else if v == via {
			used = true
		}
	}
	return used
}

// restart lets somebody come back, more often than not one who just stopped.
func (r *ringSoak) restart(via *Node) {
	n := r.w.nodes[r.rng.IntN(len(r.w.nodes))]
	if len(r.stopped) > 0 && r.rng.IntN(3) > 0 {
		n = r.stopped[len(r.stopped)-1]
	}
	if n.Alive() || via == nil {
		return
	}
	r.stopped = slices.DeleteFunc(r.stopped, func(x *Node) bool { return x == n })
	r.comeBack(n, via)
	r.ways[n] = via
	r.doubted[n.Contact.ID] = r.w.Now() + patience + doubtFor
}

// suspect has a member believe that one of its neighbours has failed.
func (r *ringSoak) suspect(n *Node) {
	m, ok := n.Machine().(*chord.Machine)
	if !ok || !r.member[n] || r.leaving[n] {
		return
	}
	v := m.State()
	who := v.Predecessor
	if i := r.rng.IntN(len(v.Successors) + 1); i < len(v.Successors) {
		who = v.Successors[i]
	}
	i := r.w.live.Find(who)
	if i < 0 || !r.assumption().MaySuspect(v.Self, who) {
		return
	}
	r.res.Suspicions++
	r.doubted[who] = max(r.doubted[who], r.w.Now()+doubtFor)
	r.w.step(n, overlay.Gone{Peer: r.w.live.list[i].Peer})
}
