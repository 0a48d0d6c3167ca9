package chord_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// desk is one machine, whose neighbours the test plays.
type desk struct {
	*chord.Machine
	t    *testing.T
	now  time.Time
	sent []overlay.Send // not answered yet
}

// standing is a contact at a place of the test's choice.
func standing(place int) *overlay.Contact {
	c := overlaytest.Contact(1000 + place)
	c.ID = at(place)
	return &c
}

func contacts(places ...int) (out []*overlay.Contact) {
	for _, p := range places {
		out = append(out, standing(p))
	}
	return out
}

// newDesk is a machine at place 10 with lists of three.
func newDesk(t *testing.T, succ ...int) *desk {
	cfg := chord.Config{Self: *standing(10), Server: true, Rand: rand.New(rand.NewPCG(1, 1))}
	cfg.Ring.Successors, cfg.Ring.Checks, cfg.Ring.SelfLookup = 3, -1, -1
	cfg.Ring.AnyID, cfg.Ring.Addressless = true, true
	cfg.Fingers.Refresh, cfg.Records.Sync = -1, -1
	m, err := chord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{Machine: m, t: t, now: time.Unix(1_000_000, 0)}
	if len(succ) > 0 {
		m.Preload(d.now, chord.Table{Predecessor: standing(5), Successors: contacts(succ...)})
	}
	return d
}

func (d *desk) step(ev overlay.Event) {
	d.t.Helper()
	for _, eff := range d.Step(d.now, ev) {
		if s, ok := eff.(overlay.Send); ok {
			d.sent = append(d.sent, s)
		}
	}
	if err := d.CheckInvariants(); err != nil {
		d.t.Fatal(err)
	}
}

// reading lets time pass until the machine asks the node at a place for its
// neighbours, and returns that request.
func (d *desk) reading(place int) overlay.Send {
	d.t.Helper()
	for range 50 {
		for _, s := range d.sent {
			if _, ok := s.Msg.(*chord.NeighboursRequest); ok && s.To.ID == at(place) {
				return s
			}
		}
		d.now = d.Deadline()
		d.step(overlay.Tick{})
	}
	d.t.Fatalf("the node at %d is not asked for its neighbours", place)
	return overlay.Send{}
}

// answer ends a request.
func (d *desk) answer(s overlay.Send, msg chord.Message, err error) {
	d.t.Helper()
	d.sent = slices.DeleteFunc(d.sent, func(x overlay.Send) bool { return x.Req == s.Req })
	d.now = d.now.Add(20 * time.Millisecond)
	a := overlay.Answer{Req: s.Req, Err: err}
	if err == nil {
		a.Msg = msg
	}
	d.step(a)
}

func (d *desk) successors(places ...int) {
	d.t.Helper()
	var want []overlay.ID
	for _, p := range places {
		want = append(want, at(p))
	}
	if got := d.State().Successors; !slices.Equal(got, want) {
		d.t.Errorf("the successors are %v, want %v", got, places)
	}
}

// TestAnswerToAnEarlierList: an answer that leaves the list out, since we said that
// we had it, is of no use once ours has changed meanwhile, and does no harm.
func TestAnswerToAnEarlierList(t *testing.T) {
	d := newDesk(t, 20, 30, 40)
	d.answer(d.reading(20), &chord.NeighboursAnswer{Version: 7, Predecessor: standing(10), Successors: contacts(30, 40, 50)}, nil)
	s := d.reading(20)
	if known := s.Msg.(*chord.NeighboursRequest).Known; known != 7 {
		t.Fatalf("asked with version %d", known)
	}
	d.step(overlay.Inbound{Req: 1, From: standing(40), Server: true, Msg: &chord.LeaveRequest{}})
	d.answer(s, &chord.NeighboursAnswer{Version: 7, Predecessor: standing(10)}, nil)
	d.successors(20, 30)
	s = d.reading(20)
	if known := s.Msg.(*chord.NeighboursRequest).Known; known != 0 {
		t.Errorf("the list is not read anew, but asked for with version %d", known)
	}
	d.answer(s, &chord.NeighboursAnswer{Version: 9, Predecessor: standing(10), Successors: contacts(30, 50, 60)}, nil)
	d.successors(20, 30, 50)
}

// TestSuccessorOutsideTheRing: a first successor that has been started again, and
// is not in the ring yet, does not make us forget the others.
func TestSuccessorOutsideTheRing(t *testing.T) {
	d := newDesk(t, 20, 30, 40)
	d.answer(d.reading(20), &chord.NeighboursAnswer{Version: 1}, nil)
	d.successors(30, 40)
	d.answer(d.reading(30), &chord.NeighboursAnswer{Version: 3, Predecessor: standing(20), Successors: contacts(40, 50)}, nil)
	d.successors(30, 40, 50)
	d.answer(d.reading(20), &chord.NeighboursAnswer{Version: 5, Successors: contacts(30, 40, 50)}, nil)
	d.successors(20, 30, 40)
}

// TestRefusalIsNoDeath: who refuses a record, or to be notified, is in the ring as
// before; who refuses to show his neighbours, or says nothing, is not.
func TestRefusalIsNoDeath(t *testing.T) {
	for _, c := range []struct {
		err  error
		want []int
	}{
		{overlay.ErrRefused, []int{20, 30, 40}},
		{overlay.ErrTimeout, []int{30, 40}},
	} {
		d := newDesk(t, 20, 30, 40)
		key := at(15)
		d.step(overlay.Start{Op: 1, Query: overlay.Provide{Key: overlay.RawKey(key[:])}})
		for len(d.sent) > 0 {
			switch s := d.sent[0]; s.Msg.(type) {
			case *chord.FindRequest:
				d.answer(s, &chord.FindAnswer{Owners: contacts(20, 30)}, nil)
			case *chord.AddProviderRequest:
				if s.To.ID == at(20) {
					d.answer(s, nil, c.err)
				} else {
					d.answer(s, &chord.AddProviderAnswer{}, nil)
				}
			default:
				d.t.Fatalf("asks for %T", s.Msg)
			}
		}
		d.successors(c.want...)
	}
	d := newDesk(t, 20, 30, 40)
	d.answer(d.reading(20), &chord.NeighboursAnswer{Version: 3, Successors: contacts(30, 40, 50)}, nil)
	notified := slices.IndexFunc(d.sent, func(s overlay.Send) bool { _, ok := s.Msg.(*chord.NotifyRequest); return ok })
	if notified < 0 {
		t.Fatal("a successor without a predecessor is not notified")
	}
	d.answer(d.sent[notified], nil, overlay.ErrRefused)
	d.successors(20, 30, 40)
	d.answer(d.reading(20), nil, overlay.ErrRefused)
	d.successors(30, 40)
}

// TestTimeoutOfAnEarlierLife: a request that is never answered says nothing of a node
// that has given a sign of life since it was sent, and everything of another one.
func TestTimeoutOfAnEarlierLife(t *testing.T) {
	for _, spoke := range []bool{true, false} {
		d := newDesk(t, 20, 30, 40)
		s := d.reading(20)
		d.now = d.now.Add(2 * time.Second)
		if spoke {
			d.step(overlay.Inbound{Req: 1, From: standing(20), Server: true, Msg: &chord.PingRequest{}})
		}
		d.now = d.now.Add(2 * time.Second)
		d.answer(s, nil, overlay.ErrTimeout)
		if spoke {
			d.successors(20, 30, 40)
		} else {
			d.successors(30, 40)
		}
	}
}

// TestAskersAreLearned: a server that asks something takes a free place of the cache,
// but no other one's; a client does not.
func TestAskersAreLearned(t *testing.T) {
	d := newDesk(t, 20, 30, 40)
	before := d.Size()
	d.step(overlay.Inbound{Req: 1, From: standing(200), Server: true, Msg: &chord.PingRequest{}})
	d.step(overlay.Inbound{Req: 2, From: standing(201), Server: false, Msg: &chord.PingRequest{}})
	if got := d.Size(); got != before+1 {
		t.Errorf("%d contacts, want %d", got, before+1)
	}
	const entries = 1000 // the default
	for i := range entries + 50 {
		c := standing(200)
		c.ID[20], c.ID[21] = byte(i>>8), byte(i)+1
		d.step(overlay.Inbound{Req: overlay.ReqID(3 + i), From: c, Server: true, Msg: &chord.PingRequest{}})
	}
	if got := d.Size(); got != entries {
		t.Errorf("%d contacts, want %d", got, entries)
	}
}

// TestNotifiedOutsideTheRing: whoever is on somebody's list from an earlier life,
// and is notified before he has joined, takes over that node's list.
func TestNotifiedOutsideTheRing(t *testing.T) {
	d := newDesk(t)
	d.step(overlay.Inbound{Req: 1, From: standing(5), Server: true, Msg: &chord.NotifyRequest{}})
	if s := d.State(); s.Member || s.HasPredecessor {
		t.Errorf("in the ring by a notification alone: %+v", s)
	}
	d.answer(d.reading(5), &chord.NeighboursAnswer{Version: 3, Successors: contacts(10, 20, 30)}, nil)
	d.successors(20, 30)
	if s := d.State(); !s.Member || s.Predecessor != at(5) {
		t.Errorf("%+v", s)
	}
}

// TestNewcomerAmongStrays: of two that answer a newcomer, the nearer one has just
// been started again and is in no ring; it joins through the other. Only if
// neither is in a ring, it begins one.
func TestNewcomerAmongStrays(t *testing.T) {
	for _, c := range []struct {
		far  []*overlay.Contact // the list of the one farther away
		want []int
	}{{contacts(20, 30), []int{20, 30}}, {nil, []int{8}}} {
		d := newDesk(t)
		d.step(overlay.Join{Seeds: []overlay.Contact{*standing(5), *standing(8)}})
		key := at(10)
		in := overlay.Inbound{Req: 1, From: standing(200), Server: true, Msg: &chord.FindRequest{Key: key[:], Point: true, N: 1, Owner: true}}
		for _, eff := range d.Step(d.now, in) {
			if r, ok := eff.(overlay.Reply); ok && len(r.Msg.(*chord.FindAnswer).Owners) > 0 {
				t.Error("on its way into the ring it claims a key")
			}
		}
		for len(d.sent) > 0 && len(d.State().Successors) == 0 {
			s := d.sent[0]
			switch s.Msg.(type) {
			case *chord.FindRequest:
				d.answer(s, &chord.FindAnswer{}, nil)
			case *chord.NeighboursRequest:
				var list []*overlay.Contact
				if s.To.ID == at(5) {
					list = c.far
				}
				d.answer(s, &chord.NeighboursAnswer{Version: 1, Successors: list}, nil)
			default:
				t.Fatalf("asks for %T", s.Msg)
			}
		}
		d.successors(c.want...)
	}
}
