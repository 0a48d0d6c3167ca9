package sim

import (
	"testing"
	"time"

	"ringswap/overlay"
)

// TestMembershipAgainstEveryMoment: the answer of membership.responsible is that
// of looking at the members of every moment.
func TestMembershipAgainstEveryMoment(t *testing.T) {
	for seed := range uint64(20) {
		rng := newRand(seed)
		w, err := New(Settings{Overlay: stillChord(nil), Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Populate(12, false); err != nil {
			t.Fatal(err)
		}
		m := newMembership(w)
		const end = 40
		for i, n := range w.nodes {
			s := spell{rng.Int64N(end), 0}
			if s.to = s.from + rng.Int64N(end/2); rng.IntN(3) == 0 {
				s.to = never
			}
			if m.spells[i] = s; rng.IntN(4) == 0 {
				m.spells[i] = spell{}
				m.ever.remove(n.Contact.ID)
			}
		}
		w.now = end
		for range 200 {
			key, start := randomKey(rng).ID(), rng.Int64N(end+1)
			want := make(map[overlay.ID]bool)
			for at := 2 * start; at <= 2*end; at++ { // twice as fine as the changes
				for _, c := range m.ever.Successors(key, m.ever.Len()) {
					s := m.spells[w.nodeOf(c).Number]
					if 2*s.from <= at && (s.to == never || at <= 2*s.to) {
						want[c.ID] = true
					}
					// At the very moment of a change either is right.
					if 2*s.from < at && (s.to == never || at < 2*s.to) {
						break
					}
				}
			}
			for i, n := range w.nodes {
				if got := m.responsible(n.Contact.ID, key, start, end); got != want[n.Contact.ID] {
					t.Errorf("seed %d, from %d: %s of %v is taken for responsible: %v", seed, start, n, m.spells[i], got)
				}
			}
		}
	}
}

// TestMembershipFollowsTheNodes: a node belongs to the ring once it has joined,
// not when it starts, and no longer when it has said good-bye.
func TestMembershipFollowsTheNodes(t *testing.T) {
	w, err := New(Settings{Overlay: Chord{}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Populate(20, true); err != nil {
		t.Fatal(err)
	}
	c := &churn{cfg: ChurnConfig{Rate: 1}, w: w, rng: newRand(1), who: newMembership(w)}
	c.join()
	n := w.nodes[20]
	key := n.Contact.ID
	if w.Live().Find(key) < 0 || c.who.now.Find(key) >= 0 {
		t.Fatal("a node that only runs is a member")
	}
	begin := w.now
	run(t, w, time.Minute)
	old := c.who.ever.Successors(key, 2)[1].ID
	if c.who.now.Find(key) < 0 || !c.who.responsible(key, key, w.now, w.now) || c.who.responsible(old, key, w.now, w.now) {
		t.Fatal("a node that joined is no member")
	}
	if !c.who.responsible(old, key, begin, w.now) {
		t.Error("while a node joined, the old owner's answer is wrong")
	}
	c.depart(n)
	if w.Live().Find(key) < 0 || c.who.now.Find(key) >= 0 || c.who.random(c.rng) == nil {
		t.Error("a node that only lingers is a member")
	}
	run(t, w, time.Minute)
	if c.who.responsible(key, key, w.now, w.now) || !c.who.responsible(old, key, w.now, w.now) {
		t.Error("a node that left is responsible")
	}
}
