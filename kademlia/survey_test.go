package kademlia

import (
	"testing"

	"ringswap/overlay"
)

// surveyor is a machine with four neighbours, the nearest subtree, and an empty
// bucket at depth 0 that wants two contacts.
func surveyor(t *testing.T) *rig {
	r := newRig(t, func(c *Config) { c.K = 4 })
	for i := range 6 {
		r.m.table.seen(stampOf(r.now), friend("01", i))
	}
	if near := r.m.table.nearDepth(); near != 1 {
		t.Fatalf("the nearest subtree begins at depth %d", near)
	}
	r.step(overlay.Tick{}) // it must be told the time first
	r.m.after(0, func() { r.m.upkeep.survey(0) })
	r.step(overlay.Tick{})
	return r
}

// source takes the one request that asks a neighbour for contacts at depth 0.
func source(t *testing.T, r *rig) overlay.Send {
	t.Helper()
	asked := r.take(everything)
	if len(asked) != 1 {
		t.Fatalf("%d requests, want one for contacts", len(asked))
	}
	key := overlay.RawKey(asked[0].Msg.(*Message).Key).ID()
	if d := key.CommonPrefixLen(r.m.self.ID); d != 0 {
		t.Fatalf("asked for a key at depth %d", d)
	}
	if d := asked[0].To.ID.CommonPrefixLen(r.m.self.ID); d != 1 {
		t.Fatalf("asked somebody at depth %d", d)
	}
	return asked[0]
}

func far(n int) (list []*overlay.Contact) {
	for i := range n {
		list = append(list, friend("1", i))
	}
	return list
}

// TestSurvey: of those that one neighbour names as many are asked as the bucket
// lacks, others in the place of those that fail, and nobody more.
func TestSurvey(t *testing.T) {
	r := surveyor(t)
	named := append(far(8), friend("01", 7), r.m.self) // the last two are of no use
	r.step(overlay.Answer{Req: source(t, r).Req, Msg: &Message{Type: FindNode, Closer: named}})
	asked := r.take(everything)
	if len(asked) != 2 {
		t.Fatalf("%d requests, want as many as the bucket lacks", len(asked))
	}
	r.step(overlay.Answer{Req: asked[0].Req, Err: overlay.ErrTimeout})
	more := r.take(everything)
	if len(more) != 1 || more[0].To.ID == asked[0].To.ID || more[0].To.ID == asked[1].To.ID {
		t.Fatalf("in the place of one that failed %d others were asked", len(more))
	}
	for _, s := range []overlay.Send{asked[1], more[0]} {
		if s.To.ID.CommonPrefixLen(r.m.self.ID) != 0 {
			t.Fatal("somebody outside the bucket's range was asked")
		}
		r.step(overlay.Answer{Req: s.Req, Msg: &Message{Type: FindNode}})
	}
	if n := r.m.table.buckets[0].answering(); n != 2 || len(r.sent) > 0 {
		t.Errorf("%d contacts, and %d requests more", n, len(r.sent))
	}
	idle(t, r)
}

// TestSurveyInVain: neighbours that know nobody there, or are silent, are asked
// no more than three times.
func TestSurveyInVain(t *testing.T) {
	r := surveyor(t)
	r.step(overlay.Answer{Req: source(t, r).Req, Msg: &Message{Type: FindNode}})
	r.step(overlay.Answer{Req: source(t, r).Req, Err: overlay.ErrTimeout})
	r.step(overlay.Answer{Req: source(t, r).Req, Msg: &Message{Type: FindNode, Closer: far(1)}})
	last := r.take(everything)
	if len(last) != 1 || last[0].To.ID != far(1)[0].ID {
		t.Fatalf("%d requests, want one to the only node that was named", len(last))
	}
	r.step(overlay.Answer{Req: last[0].Req, Err: overlay.ErrTimeout})
	if len(r.sent) > 0 {
		t.Error("it went on")
	}
	idle(t, r)
}

// idle fails if a task in the background has not ended.
func idle(t *testing.T, r *rig) {
	t.Helper()
	held := 0
	for range r.m.cfg.Limits.Background {
		r.m.background.Do(func(func()) { held++ })
	}
	if held != r.m.cfg.Limits.Background {
		t.Errorf("%d of %d places in the background are free", held, r.m.cfg.Limits.Background)
	}
}
