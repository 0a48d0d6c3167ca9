package sim

import (
	"time"

	"ringswap/overlay"
)

// Malice is what a dishonest node does to those who ask it.
type Malice uint8

// What dishonest nodes do. All of them keep up their own tables as honest ones
// do, so that they stay in those of others.
const (
	// Drop never answers.
	Drop Malice = iota + 1
	// Deceive answers every request with accomplices only: those of them that
	// would be nearest to the key.
	Deceive
)

// Evil is what a group of dishonest nodes has in common.
type Evil struct {
	Malice Malice
	// Accomplices are all nodes of the group.
	Accomplices *Directory
}

// Corrupt turns a random share of the nodes of a world into one group of
// dishonest ones. It is meant for a populated world before its first event, and
// returns how many there are.
func (w *World) Corrupt(p float64, m Malice) (int, error) {
	if err := share("Malicious", p); err != nil {
		return 0, err
	}
	rng := newRand(w.settings.Seed, streamEvil)
	evil := &Evil{Malice: m}
	var group []*overlay.Contact
	for _, c := range w.live.list {
		if rng.Float64() < p {
			n := w.nodeOf(c)
			n.Evil = evil
			group = append(group, c)
			if n.machine != nil {
				n.machine = w.corrupted(n, n.machine)
			}
		}
	}
	evil.Accomplices = newDirectory(group)
	return len(group), nil
}

// Eclipse adds n accomplices whose places are nearer to the key than any other
// node's: what an attacker gets who makes peer IDs until they fit. They have to
// join by themselves.
func (w *World) Eclipse(key overlay.ID, n int, m Malice) []*Node {
	evil := &Evil{Malice: m}
	d := w.settings.Overlay
	var out []*Node
	var group []*overlay.Contact
	for range n {
		number, nonce := uint32(len(w.nodes)), uint64(1)
		for ; ; nonce++ {
			c := overlay.NewContact(peerWith(w.salt, number, nonce))
			honest := d.Responsible(w.live, key, 1)
			if len(honest) == 0 || d.Responsible(newDirectory([]*overlay.Contact{honest[0], &c}), key, 1)[0] == &c {
				break
			}
		}
		node := w.add(true, nonce, evil)
		out = append(out, node)
		group = append(group, node.Contact)
	}
	evil.Accomplices = newDirectory(group)
	return out
}

// liar is a machine that does to others what its node's Evil says.
type liar struct {
	overlay.Machine
	node *Node
}

// corrupted wraps the machine of a dishonest node.
func (w *World) corrupted(n *Node, m overlay.Machine) overlay.Machine {
	if n.Evil == nil {
		return m
	}
	return &liar{Machine: m, node: n}
}

// Step implements [overlay.Machine], except for its promise to reply.
func (l *liar) Step(now time.Time, ev overlay.Event) []overlay.Effect {
	in, ok := ev.(overlay.Inbound)
	if !ok {
		return l.Machine.Step(now, ev)
	}
	evil := l.node.Evil
	if evil.Malice == Drop {
		return nil
	}
	effects := l.Machine.Step(now, ev) // which learns of the asker
	if evil.Accomplices == nil {
		return effects
	}
	lie := l.node.shard.w.settings.Overlay.Lie(in.Msg, l.node.Contact, evil.Accomplices)
	if lie == nil {
		return effects
	}
	for i, eff := range effects {
		if r, ok := eff.(overlay.Reply); ok && r.Req == in.Req && r.Err == nil && r.Msg != nil {
			effects[i] = overlay.Reply{Req: r.Req, Msg: lie}
		}
	}
	return effects
}
