package chord_test

import (
	"strings"
	"testing"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// at is a place of a ring of 256 places.
func at(n int) overlay.ID { return overlay.ID{byte(n)} }

// node is a member with the given predecessor and successors; -1 is none.
func node(self, pred int, succ ...int) chord.State {
	s := chord.State{Self: at(self), R: 2, Member: true}
	if pred >= 0 {
		s.Predecessor, s.HasPredecessor = at(pred), true
	}
	for _, n := range succ {
		s.Successors = append(s.Successors, at(n))
	}
	return s
}

func TestCheckRing(t *testing.T) {
	ideal := []chord.State{node(10, 40, 20, 30), node(20, 10, 30, 40), node(30, 20, 40, 10), node(40, 30, 10, 20)}
	if err := chord.CheckRing(ideal); err != nil {
		t.Errorf("an ideal ring: %v", err)
	}
	if !chord.Ideal(ideal) || chord.CheckProgress(ideal) != nil {
		t.Error("an ideal ring is not Ideal")
	}
	for _, c := range []struct {
		name, want string
		states     []chord.State
	}{
		{"disorder", "out of order", []chord.State{node(10, 30, 30, 20), node(20, 10, 30, 10), node(30, 20, 10, 20)}},
		{"twice", "out of order", []chord.State{node(10, 20, 20, 20), node(20, 10, 10)}},
		{"around", "out of order", []chord.State{node(10, 20, 20, 10), node(20, 10, 10)}},
		{"too long", "more than 2", []chord.State{node(10, 20, 20, 30, 40), node(20, 10, 10)}},
		{"nobody lives", "no live successor", []chord.State{node(10, 20, 20), node(20, 10, 30, 40)}},
		{"two rings", "two rings", []chord.State{node(10, 20, 20), node(20, 10, 10), node(30, 40, 40), node(40, 30, 30)}},
		// The loopy ring of the published protocol: everyone agrees with his
		// neighbours, and the ring goes around twice.
		{"loopy", "goes around 2 times", []chord.State{node(10, 40, 30), node(20, 30, 40), node(30, 10, 20), node(40, 20, 10)}},
		{"principals", "principals, fewer than 3", []chord.State{
			node(10, 40, 20, 30), node(20, 10, 30, 40), node(30, 20, 40, 20), node(40, 30, 10, 30),
		}},
	} {
		err := chord.CheckRing(c.states)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCheckRingSmall(t *testing.T) {
	for _, states := range [][]chord.State{
		{},
		{node(10, -1)},
		{node(10, 20, 20), node(20, 10, 10)},
		{node(10, 20, 20, 30), node(20, 10, 30, 10), node(30, -1, 10)}, // an appendage
	} {
		if err := chord.CheckRing(states); err != nil {
			t.Errorf("%d members: %v", len(states), err)
		}
	}
}

func TestCheckProgress(t *testing.T) {
	// The loopy ring is what no rule of the protocol can mend.
	loopy := []chord.State{node(10, 40, 30, 20), node(20, 30, 40, 10), node(30, 10, 20), node(40, 20, 10, 30)}
	for i := range loopy { // lists as stabilization leaves them
		loopy[i].R = 1
		loopy[i].Successors = loopy[i].Successors[:1]
	}
	if err := chord.CheckProgress(loopy); err == nil {
		t.Error("a loopy ring is said to move")
	}
	for name, states := range map[string][]chord.State{
		"a dead successor":         {node(10, 30, 20, 30), node(30, 10, 10)},
		"a dead predecessor":       {node(10, 20, 30), node(30, 10, 10)},
		"a newcomer in between":    {node(10, 30, 30), node(30, 20, 10, 20), node(20, 10, 30, 10)},
		"a notification to be had": {node(10, -1, 30), node(30, 10, 10)},
		"a list to be taken over":  {node(10, 30, 20), node(20, 10, 30, 10), node(30, 20, 10, 20)},
	} {
		if err := chord.CheckProgress(states); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignContacts: what breaks the protocol is refused, counted and not kept.
func TestForeignContacts(t *testing.T) {
	w := newTown(t, 12, nil)
	w.grow(5)
	n := w.Nodes()[0]
	before := machine(n).State()
	liar := overlaytest.Contact(99)
	liar.ID = at(1)
	stranger := overlaytest.Contact(98)
	for i, in := range []overlay.Inbound{
		{From: &liar, Server: true, Msg: &chord.NotifyRequest{}},      // not at its hash
		{From: &stranger, Server: false, Msg: &chord.NotifyRequest{}}, // a client
		{From: &stranger, Server: true, Msg: &chord.Unknown{Number: 77}},
		{From: &stranger, Server: true, Msg: &chord.PingAnswer{}},
		{From: &stranger, Server: true, Msg: &chord.FindRequest{Key: []byte("k"), N: 1 << 20}},
		{From: &n.Contact, Server: true, Msg: &chord.PingRequest{}},
	} {
		in.Req = overlay.ReqID(1000 + i)
		effects := machine(n).Step(w.Now(), in)
		if r, ok := effects[len(effects)-1].(overlay.Reply); !ok || r.Err == nil {
			t.Errorf("request %d was not refused", i)
		}
	}
	after := machine(n).State()
	if before.Predecessor != after.Predecessor || len(before.Successors) != len(after.Successors) {
		t.Error("a refused request changed the ring")
	}
	refused := uint64(0)
	for _, k := range machine(n).View().Refused {
		refused += k
	}
	if refused != 6 {
		t.Errorf("%d refusals are counted: %v", refused, machine(n).View().Refused)
	}
}
