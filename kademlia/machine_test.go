package kademlia

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/limit"
	"ringswap/overlay/record"
)

// rig is a machine in the hands of a test, which plays everyone else.
type rig struct {
	t       testing.TB
	m       *Machine
	now     time.Time
	sent    []overlay.Send // not answered yet
	replies map[overlay.ReqID]overlay.Reply
	done    map[overlay.OpID]overlay.Done
	found   []overlay.Contact
	changed int
	lastIn  overlay.ReqID
}

func newRig(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	cfg := Config{Self: *at("0", 0, "/ip4/10.0.0.1/tcp/1"), Server: true, Rand: rand.New(rand.NewPCG(1, 1))}
	cfg.Self.Peer = "self"
	if change != nil {
		change(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{
		t: t, m: m, now: time.Unix(1_800_000_000, 0),
		replies: make(map[overlay.ReqID]overlay.Reply), done: make(map[overlay.OpID]overlay.Done),
	}
}

func (r *rig) step(ev overlay.Event) {
	r.t.Helper()
	for _, eff := range r.m.Step(r.now, ev) {
		switch eff := eff.(type) {
		case overlay.Send:
			r.sent = append(r.sent, eff)
		case overlay.Reply:
			if _, twice := r.replies[eff.Req]; twice {
				r.t.Fatalf("two replies to %d", eff.Req)
			}
			r.replies[eff.Req] = eff
		case overlay.Done:
			if _, twice := r.done[eff.Op]; twice {
				r.t.Fatalf("operation %d ended twice", eff.Op)
			}
			r.done[eff.Op] = eff
		case overlay.Found:
			r.found = append(r.found, eff.Provider)
		case overlay.Changed:
			r.changed++
		}
	}
	if err := r.m.CheckInvariants(); err != nil {
		r.t.Fatal(err)
	}
}

// wait lets time pass, with a tick at every deadline. Requests stay unanswered.
func (r *rig) wait(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for {
		at := r.m.Deadline()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(r.now) {
			r.now = at
		}
		r.step(overlay.Tick{})
	}
	r.now = end
}

// take removes and returns the requests that wait for an answer and match.
func (r *rig) take(match func(overlay.Send) bool) (out []overlay.Send) {
	var rest []overlay.Send
	for _, s := range r.sent {
		if match(s) {
			out = append(out, s)
		} else {
			rest = append(rest, s)
		}
	}
	r.sent = rest
	return out
}

func to(c *overlay.Contact) func(overlay.Send) bool {
	return func(s overlay.Send) bool { return s.To.ID == c.ID }
}

func everything(overlay.Send) bool { return true }

// answerAll answers every open request, and those that follow, with the given
// contacts as the closest, except those to dead ones, which fail.
func (r *rig) answerAll(closer []*overlay.Contact, dead ...*overlay.Contact) {
	r.t.Helper()
	for len(r.sent) > 0 {
		for _, s := range r.take(everything) {
			if s.OneWay {
				continue
			}
			req := s.Msg.(*Message)
			ans := overlay.Answer{Req: s.Req, Msg: &Message{Type: req.Type, Key: req.Key, Record: req.Record, Closer: closer}}
			if slices.ContainsFunc(dead, func(c *overlay.Contact) bool { return c.ID == s.To.ID }) {
				ans = overlay.Answer{Req: s.Req, Err: overlay.ErrTimeout}
			}
			r.step(ans)
		}
	}
}

// request lets someone ask the machine and returns the reply.
func (r *rig) request(from *overlay.Contact, server bool, remote string, msg *Message) overlay.Reply {
	r.t.Helper()
	r.lastIn++
	ev := overlay.Inbound{Req: r.lastIn, From: from, Server: server, Msg: msg}
	if remote != "" {
		ev.Remote = ma.StringCast(remote)
	}
	r.step(ev)
	reply, ok := r.replies[r.lastIn]
	if !ok {
		r.t.Fatalf("no reply to a %s", msg.Type)
	}
	return reply
}

const lan = "/ip4/10.0.0.9/tcp/9"

// friend is the n-th node at a place, with an address in the LAN.
func friend(bits string, n int) *overlay.Contact {
	return at(bits, n, fmt.Sprintf("/ip4/10.%d.%d.%d/tcp/1", len(bits), n>>8&255, n&255))
}

func TestNewcomerIsCheckedFirst(t *testing.T) {
	r := newRig(t, nil)
	c := friend("1", 1)
	r.request(c, true, lan, &Message{Type: FindNode, Key: []byte("x")})
	if r.m.table.size != 0 {
		t.Fatal("a newcomer came into the table before it was checked")
	}
	checks := r.take(to(c))
	if len(checks) != 1 || checks[0].Msg.(*Message).Type != FindNode {
		t.Fatalf("the newcomer was asked %v", checks)
	}
	r.request(c, true, lan, &Message{Type: FindNode, Key: []byte("y")})
	if len(r.sent) > 0 {
		t.Error("it was asked again while being checked")
	}
	r.step(overlay.Answer{Req: checks[0].Req, Err: overlay.ErrTimeout})
	if r.m.table.size != 0 {
		t.Error("a newcomer that did not answer came into the table")
	}
	r.request(c, true, lan, &Message{Type: FindNode, Key: []byte("z")})
	if len(r.sent) > 0 {
		t.Error("it was asked again right after it failed")
	}
	r.wait(3 * time.Minute)
	r.step(overlay.Seen{Contact: *c})
	r.answerAll(nil)
	if r.m.table.find(c.ID) == nil || r.changed == 0 {
		t.Error("a newcomer that answered is not in the table")
	}
}

// TestInventedNodes: a peer that invents neighbours takes up half of the checks
// at most.
func TestInventedNodes(t *testing.T) {
	r := newRig(t, nil)
	liar := friend("1", 1)
	r.m.table.seen(stampOf(r.now), liar)
	n := 0
	for range 200 {
		r.m.checks.ping(liar)
		var list []*overlay.Contact
		for range 20 {
			n++
			list = append(list, friend("0000", n))
		}
		r.sent = nil
		r.step(overlay.Answer{Req: r.m.requests.last, Msg: &Message{Type: FindNode, Closer: list}})
	}
	if r.m.checks.busy != 8 {
		t.Errorf("%d checks for hearsay, want half of 16", r.m.checks.busy)
	}
	newcomer := friend("1", 2)
	r.step(overlay.Seen{Contact: *newcomer})
	if len(r.take(to(newcomer))) != 1 {
		t.Error("a real newcomer is not checked")
	}
}

func TestClientsStayOut(t *testing.T) {
	r := newRig(t, nil)
	reply := r.request(friend("1", 1), false, lan, &Message{Type: FindNode, Key: []byte("x")})
	if reply.Err != nil || len(r.sent) > 0 {
		t.Errorf("a client was answered with %v and asked %v", reply.Err, r.sent)
	}
	r.step(overlay.SelfChanged{Server: false})
	if reply := r.request(friend("1", 2), true, lan, &Message{Type: FindNode, Key: []byte("x")}); !errors.Is(reply.Err, overlay.ErrRefused) {
		t.Errorf("as a client it answered %+v", reply)
	}
}

// TestOldestIsPingedBeforeEviction: the rule that most implementations miss.
func TestOldestIsPingedBeforeEviction(t *testing.T) {
	r := newRig(t, func(c *Config) { c.K, c.Table.BucketSize, c.Table.PingAfter = 4, 4, 5*time.Minute })
	for i := range 4 {
		r.m.table.seen(stampOf(r.now), friend("1", i))
		r.m.table.seen(stampOf(r.now), friend("01", i))
	}
	oldest, newcomer := friend("1", 0), friend("1", 9)
	r.step(overlay.Seen{Contact: *newcomer})
	if len(r.sent) > 0 {
		t.Fatal("the oldest was pinged though it was there a moment ago")
	}
	r.wait(6 * time.Minute)
	r.take(everything)
	r.step(overlay.Seen{Contact: *newcomer})
	pings := r.take(to(oldest))
	if len(pings) != 1 {
		t.Fatalf("the oldest got %d pings", len(pings))
	}
	r.step(overlay.Seen{Contact: *friend("1", 10)})
	if len(r.take(to(oldest))) > 0 {
		t.Error("two pings at a time to one bucket")
	}
	r.step(overlay.Answer{Req: pings[0].Req, Msg: &Message{Type: FindNode}})
	if r.m.table.find(oldest.ID) == nil || r.m.table.find(newcomer.ID) != nil {
		t.Fatal("a contact that answered was evicted")
	}
	r.step(overlay.Seen{Contact: *newcomer}) // most recent spare again
	second := r.take(to(friend("1", 1)))
	if len(second) != 1 {
		t.Fatalf("the next oldest got %d pings", len(second))
	}
	r.step(overlay.Answer{Req: second[0].Req, Err: overlay.ErrTimeout})
	if r.m.table.find(friend("1", 1).ID) != nil || r.m.table.find(newcomer.ID) == nil {
		t.Error("the silent contact was not replaced by the newcomer")
	}
	if len(r.take(to(newcomer))) != 1 {
		t.Error("a spare that came into the table is to be pinged")
	}
}

func TestGoneIsForgotten(t *testing.T) {
	r := newRig(t, nil)
	c := contact(5, "/ip4/10.0.0.5/tcp/1")
	r.step(overlay.Seen{Contact: *c})
	r.answerAll(nil)
	if r.m.table.find(c.ID) == nil {
		t.Fatal("not in the table")
	}
	r.step(overlay.Gone{Peer: c.Peer})
	if r.m.table.find(c.ID) != nil {
		t.Error("a peer that stopped answering is still in the table")
	}
}

func TestPublicOnly(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Table.PublicOnly = true })
	r.step(overlay.Seen{Contact: *friend("1", 1)})
	if len(r.sent) > 0 {
		t.Error("a node without a public address was considered")
	}
	r.step(overlay.Seen{Contact: *at("1", 2, "/ip4/8.8.8.8/tcp/1")})
	if len(r.sent) != 1 {
		t.Error("a public node was not considered")
	}
}

// TestAnswersFitTheAsker: addresses by the asker's place, never the asker
// itself, never a silent contact.
func TestAnswersFitTheAsker(t *testing.T) {
	r := newRig(t, nil)
	now := stampOf(r.now)
	local := at("1", 1, "/ip4/127.0.0.1/tcp/1")
	private := at("1", 2, "/ip4/10.0.0.2/tcp/1")
	public := at("1", 3, "/ip4/8.8.8.8/tcp/1", "/ip4/10.0.0.3/tcp/1")
	bare := at("1", 4)
	silent := at("1", 5, "/ip4/8.8.4.4/tcp/1")
	for _, c := range []*overlay.Contact{local, private, public, bare, silent} {
		r.m.table.seen(now, c)
	}
	r.m.table.failed(now, silent.ID)
	asker := at("1", 6, "/ip4/9.9.9.9/tcp/1")
	r.m.table.seen(now, asker)
	for remote, want := range map[string]int{"/ip4/127.0.0.1/tcp/9": 3, "/ip4/10.9.9.9/tcp/9": 2, "/ip4/9.9.9.9/tcp/9": 1, "": 1} {
		reply := r.request(asker, false, remote, &Message{Type: FindNode, Key: []byte("key")})
		list := reply.Msg.(*Message).Closer
		if len(list) != want {
			t.Errorf("an asker at %q got %d contacts, want %d", remote, len(list), want)
		}
		for _, c := range list {
			if len(c.Addrs) == 0 || c.ID == asker.ID || c.ID == silent.ID {
				t.Errorf("an asker at %q got %v", remote, c)
			}
			if remote == "" && len(c.Addrs) != 1 {
				t.Errorf("an asker at an unknown place got %v", c.Addrs)
			}
		}
	}
	reply := r.request(asker, false, lan, &Message{Type: FindNode, Key: []byte(r.m.self.Peer)})
	if list := reply.Msg.(*Message).Closer; len(list) == 0 || list[0].Peer != r.m.self.Peer {
		t.Error("who looks for this node itself is to find it")
	}
}

func TestBadRequests(t *testing.T) {
	r := newRig(t, nil)
	asker := friend("1", 1)
	long := make([]byte, MaxProviderKey+1)
	for name, msg := range map[string]*Message{
		"find nothing":            {Type: FindNode},
		"get nothing":             {Type: GetValue},
		"providers of nothing":    {Type: GetProviders},
		"providers of a long key": {Type: GetProviders, Key: long},
		"provide a long key":      {Type: AddProvider, Key: long, Providers: []*overlay.Contact{asker}},
		"provide without a key":   {Type: AddProvider, Providers: []*overlay.Contact{asker}},
		"provide for another":     {Type: AddProvider, Key: []byte("k"), Providers: []*overlay.Contact{friend("1", 2)}},
		"provide for nobody":      {Type: AddProvider, Key: []byte("k")},
		"put without a record":    {Type: PutValue, Key: []byte("k")},
		"put another key":         {Type: PutValue, Key: []byte("k"), Record: &Record{Key: []byte("j"), Value: []byte("v")}},
		"put what nobody knows":   {Type: PutValue, Key: []byte("k"), Record: &Record{Key: []byte("k"), Value: []byte("v")}},
		"unknown type":            {Type: 9, Key: []byte("k")},
	} {
		if reply := r.request(asker, false, lan, msg); reply.Err == nil {
			t.Errorf("%s: answered with %+v", name, reply.Msg)
		}
	}
	r.lastIn++
	r.step(overlay.Inbound{Req: r.lastIn, From: asker, Msg: "no message at all"})
	if r.replies[r.lastIn].Err == nil {
		t.Error("a message of a foreign type was answered")
	}
	if r.m.providers.Len()+r.m.values.Len() > 0 {
		t.Error("a bad request left something behind")
	}
}

func TestLimiter(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.PerPeer, c.Limits.Burst = 10, 5 })
	asker := friend("1", 1)
	ask := func(from *overlay.Contact) error {
		return r.request(from, false, lan, &Message{Type: Ping}).Err
	}
	for i := range 5 {
		if err := ask(asker); err != nil {
			t.Fatalf("request %d of the burst: %v", i, err)
		}
	}
	if err := ask(asker); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("beyond the burst: %v", err)
	}
	if err := ask(friend("1", 2)); err != nil {
		t.Errorf("another peer: %v", err)
	}
	r.now = r.now.Add(250 * time.Millisecond) // two tokens more
	for i := range 3 {
		if err := ask(asker); (err == nil) != (i < 2) {
			t.Errorf("request %d after 250 ms: %v; two were due", i, err)
		}
	}
	for i := range 2 * limit.MaxPeers { // strangers by the thousand take bounded memory
		ask(at("1", i))
	}
	if n := r.m.limiter.Len(); n > limit.MaxPeers {
		t.Errorf("%d peers remembered", n)
	}
}

// TestProviderRecords: kept for their time, bounded, and only with addresses
// that others at the provider's place can use.
func TestProviderRecords(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Records.MaxProviders, c.Records.MaxKeys, c.Records.MaxPerPeer = 3, 10, 8 })
	key := []byte("key")
	provide := func(n int, key, remote string, addrs ...string) error {
		c := at("1", n, addrs...)
		return r.request(c, false, remote, &Message{Type: AddProvider, Key: []byte(key), Providers: []*overlay.Contact{c}}).Err
	}
	get := func(remote string) []*overlay.Contact {
		return r.request(friend("1", 99), false, remote, &Message{Type: GetProviders, Key: key}).Msg.(*Message).Providers
	}
	if err := provide(1, "key", "/ip4/9.9.9.9/tcp/1", "/ip4/9.9.9.9/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"); err != nil {
		t.Fatal(err)
	}
	if got := get("/ip4/127.0.0.1/tcp/1"); len(got) != 1 || len(got[0].Addrs) != 1 {
		t.Errorf("a public provider's private addresses were kept: %v", got)
	}
	for n := 2; n <= 4; n++ {
		r.now = r.now.Add(time.Hour)
		if err := provide(n, "key", lan, "/ip4/10.0.0.4/tcp/1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(lan); len(got) != 3 || got[0].ID != at("1", 4).ID {
		t.Errorf("%d providers, want the latest 3, the latest first", len(got))
	}
	if got := get("/ip4/9.9.9.9/tcp/1"); len(got) != 3 || len(got[0].Addrs) != 0 {
		t.Errorf("a public asker got private addresses: %v", got)
	}
	r.now = r.now.Add(46 * time.Hour)
	if err := provide(4, "key", lan, "/ip4/10.0.0.4/tcp/1"); err != nil { // renewed
		t.Fatal(err)
	}
	r.wait(3 * time.Hour)
	if got := get(lan); len(got) != 1 || got[0].ID != at("1", 4).ID {
		t.Errorf("%d providers after their time, want the one that renewed", len(got))
	}
	for i := range 30 {
		provide(4, fmt.Sprint("many ", i), lan, "/ip4/10.0.0.4/tcp/1")
	}
	if n := r.m.providers.OfPeer(at("1", 4).Peer); n > 8 {
		t.Errorf("one provider has %d records", n)
	}
	for i := range 200 {
		provide(100+i, fmt.Sprint("flood ", i), lan, "/ip4/10.0.0.4/tcp/1")
	}
	if n := r.m.providers.Len(); n > 10 {
		t.Errorf("%d keys", n)
	}
	r.wait(49 * time.Hour)
	if n := r.m.providers.Records() + r.m.providers.Len() + r.m.providers.OfPeer(at("1", 4).Peer); n != 0 {
		t.Error("expired records leave something behind")
	}
}

// TestSnapshot: a restart keeps the records with their remaining time, and takes
// nothing from a snapshot that a peer could not have given.
func TestSnapshot(t *testing.T) {
	with := func(c *Config) { c.Records.Validator, c.Records.MaxProviders = anyValue{}, 3 }
	r := newRig(t, with)
	for n := 1; n <= 3; n++ {
		c := friend("1", n)
		r.request(c, false, lan, &Message{Type: AddProvider, Key: []byte("k"), Providers: []*overlay.Contact{c}})
		r.now = r.now.Add(10 * time.Hour)
	}
	rec := &Record{Key: []byte("v"), Value: []byte("value")}
	r.request(friend("1", 1), false, lan, &Message{Type: PutValue, Key: []byte("v"), Record: rec})
	snap := r.m.Snapshot()
	if len(snap.Providers) != 3 || len(snap.Values) != 1 {
		t.Fatalf("%d provider records, %d values", len(snap.Providers), len(snap.Values))
	}
	slices.Reverse(snap.Providers)
	snap.Providers = append(snap.Providers, record.SavedProvider{Key: overlay.ID{1}, Provider: *friend("1", 9), Expires: r.now.Add(1000 * time.Hour)},
		record.SavedProvider{Key: overlay.ID{2}}, record.SavedProvider{Key: overlay.ID{3}, Provider: *r.m.self, Expires: r.now.Add(time.Hour)})
	snap.Values = append(snap.Values, record.SavedValue{Value: []byte("no key")}, record.SavedValue{Key: []byte("old"), Value: []byte("v"), Published: r.now.Add(-100 * time.Hour)})

	again := newRig(t, with)
	again.now = r.now.Add(time.Hour)
	if got := again.m.Restore(again.now, snap); got != 5 {
		t.Errorf("%d records taken, want 5", got)
	}
	count := func() int {
		reply := again.request(friend("1", 5), false, lan, &Message{Type: GetProviders, Key: []byte("k")})
		return len(reply.Msg.(*Message).Providers)
	}
	if got := count(); got != 3 {
		t.Errorf("%d providers after the restart", got)
	}
	if v := again.m.values.Get(again.now, overlay.RawKey([]byte("v")).ID()); v == nil || string(v.Data) != "value" {
		t.Error("the value is lost")
	}
	again.wait(48*time.Hour - 30*time.Hour) // the first of them is 49 hours old
	if got := count(); got != 2 {
		t.Errorf("%d providers, want 2 whose time is not over", got)
	}
	again.wait(31 * time.Hour)
	if n := again.m.providers.Records(); n != 0 {
		t.Errorf("%d provider records outlived their time", n)
	}
}

func TestLookupsAreBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Lookup.MaxRequests, c.Lookup.MaxTime = 40, 30*time.Second })
	r.m.table.seen(stampOf(r.now), friend("1", 1))
	// Every answer names forty contacts that are nearer than all before. Half of
	// them exist and do the same.
	key := overlay.RawKey([]byte("key"))
	r.step(overlay.Start{Op: 1, Query: overlay.FindClosest{Key: key}})
	n := 0
	for r.done[1].Op == 0 {
		open := r.take(everything)
		if len(open) == 0 {
			r.wait(100 * time.Millisecond)
			continue
		}
		for _, s := range open {
			var list []*overlay.Contact
			for range 100 {
				n++
				id := key.ID()
				id[min(31, 1+n/300)] ^= byte(n)
				id[31] ^= byte(n >> 3)
				list = append(list, &overlay.Contact{ID: id, Peer: peer.ID(fmt.Sprint(n)), Addrs: friend("1", 1).Addrs})
			}
			r.step(overlay.Answer{Req: s.Req, Msg: &Message{Type: FindNode, Closer: list}})
		}
	}
	d := r.done[1]
	if got := d.Result.Path.RPCs(); got > 40 {
		t.Errorf("%d requests, limit 40", got)
	}
	if got := len(d.Result.Path.Closest); got > 20 {
		t.Errorf("%d closest", got)
	}
	// And one that never ends for want of answers ends with its time.
	r2 := newRig(t, func(c *Config) { c.Lookup.MaxTime = 5 * time.Second })
	for i := range 20 {
		r2.m.table.seen(stampOf(r2.now), friend("1", i))
	}
	r2.step(overlay.Start{Op: 1, Query: overlay.FindClosest{Key: key}})
	r2.wait(6 * time.Second)
	if err := r2.done[1].Err; !errors.Is(err, overlay.ErrTimeout) {
		t.Errorf("a lookup that nobody answers ended with %v", err)
	}
}

// TestBogusAnswers: duplicates, this node itself, contacts without addresses or
// with ones that the teller has no business to know.
func TestBogusAnswers(t *testing.T) {
	r := newRig(t, nil)
	public := at("1", 1, "/ip4/8.8.8.8/tcp/1")
	r.m.table.seen(stampOf(r.now), public)
	real := at("11", 2, "/ip4/9.9.9.9/tcp/1")
	r.step(overlay.Start{Op: 1, Query: overlay.FindClosest{Key: overlay.RawKey([]byte("key"))}})
	first := r.take(to(public))
	r.step(overlay.Answer{Req: first[0].Req, Msg: &Message{Type: FindNode, Closer: []*overlay.Contact{
		real, real, r.m.self, at("11", 3), at("11", 4, "/ip4/127.0.0.1/tcp/1"), at("11", 5, "/ip4/192.168.1.1/tcp/1"), public,
	}}})
	if len(r.sent) != 1 || r.sent[0].To.ID != real.ID {
		t.Fatalf("asked %v, want only the one that can be", r.sent)
	}
	r.step(overlay.Answer{Req: r.sent[0].Req, Msg: &Message{Type: GetProviders}}) // not what was asked
	d := r.done[1]
	if d.Op == 0 || d.Result.Path.Steps[1].Err == nil || !errors.Is(d.Result.Path.Steps[1].Err, overlay.ErrBadMessage) {
		t.Errorf("the wrong answer was taken: %+v", d)
	}
	if d.Result.Path.Steps[0].Learned != 1 {
		t.Errorf("learned %d contacts", d.Result.Path.Steps[0].Learned)
	}
}

func TestPathTrace(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Server = false })
	list := []*overlay.Contact{friend("1", 1), friend("1", 2), friend("1", 3)}
	key := overlay.RawKey([]byte("key"))
	sortByDistance(key.ID(), list)
	nearest, middle, far := list[0], list[1], list[2]
	r.m.table.seen(stampOf(r.now), far)
	r.step(overlay.Start{Op: 1, Query: overlay.FindClosest{Key: key, N: 2}})
	r.now = r.now.Add(30 * time.Millisecond)
	r.step(overlay.Answer{Req: r.take(to(far))[0].Req, Msg: &Message{Type: FindNode, Closer: []*overlay.Contact{middle}}})
	r.now = r.now.Add(40 * time.Millisecond)
	r.step(overlay.Answer{Req: r.take(to(middle))[0].Req, Msg: &Message{Type: FindNode, Closer: []*overlay.Contact{nearest, far}}})
	r.now = r.now.Add(50 * time.Millisecond)
	r.step(overlay.Answer{Req: r.take(to(nearest))[0].Req, Msg: &Message{Type: FindNode, Closer: []*overlay.Contact{middle, far}}})
	p := r.done[1].Result.Path
	want := []overlay.Step{
		{To: *far, Via: -1, Hop: 1, Took: 30 * time.Millisecond, Learned: 1},
		{To: *middle, Via: 0, Hop: 2, Sent: 30 * time.Millisecond, Took: 40 * time.Millisecond, Learned: 1},
		{To: *nearest, Via: 1, Hop: 3, Sent: 70 * time.Millisecond, Took: 50 * time.Millisecond},
	}
	if !reflect.DeepEqual(p.Steps, want) {
		t.Errorf("steps %+v\nwant  %+v", p.Steps, want)
	}
	if p.Hops != 2 || len(p.Closest) != 2 || p.Closest[0].ID != nearest.ID || p.Key != key.ID() {
		t.Errorf("hops %d, closest %v", p.Hops, p.Closest)
	}
}

func TestConfigValidate(t *testing.T) {
	good := Config{Self: *friend("1", 1), Rand: rand.New(rand.NewPCG(1, 1))}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no peer":        func(c *Config) { c.Self.Peer = "" },
		"no randomness":  func(c *Config) { c.Rand = nil },
		"K":              func(c *Config) { c.K = -1 },
		"beta beyond K":  func(c *Config) { c.Lookup.Beta = 21 },
		"small buckets":  func(c *Config) { c.Table.BucketSize = 3 },
		"short refresh":  func(c *Config) { c.Table.Refresh = time.Millisecond },
		"negative time":  func(c *Config) { c.Lookup.Patience = -1 },
		"negative paths": func(c *Config) { c.Lookup.Paths = -1 },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := New(c); err == nil {
			t.Errorf("%s: New made a machine", name)
		}
	}
}

// TestRandomEvents throws everything at a machine in a random order, and checks
// its invariants, its replies and its operations after every event.
func TestRandomEvents(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 11))
		r := newRig(t, func(c *Config) {
			c.K, c.Lookup.Beta, c.Lookup.Paths = 3+rng.IntN(5), 1+rng.IntN(3), 1+rng.IntN(3)
			c.Records = RecordConfig{MaxKeys: 6, MaxProviders: 3, MaxPerPeer: 4, MaxValues: 4, Validator: anyValue{}}
			c.Rand = rand.New(rand.NewPCG(seed, 12))
		})
		node := func() *overlay.Contact {
			n := rng.IntN(60)
			addr := fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", n)
			if n%3 == 0 {
				addr = fmt.Sprintf("/ip4/8.%d.0.%d/tcp/1", n%5, n)
			}
			return contact(n, addr)
		}
		nodes := func() (list []*overlay.Contact) {
			for range rng.IntN(12) {
				list = append(list, node())
			}
			return list
		}
		key := func() overlay.Key { return overlay.RawKey(fmt.Append(nil, "key ", rng.IntN(12))) }
		message := func(typ MessageType) *Message {
			k := key().Preimage()
			m := &Message{Type: typ, Key: k, Closer: nodes(), Providers: nodes()}
			if rng.IntN(2) == 0 {
				m.Record = &Record{Key: k, Value: []byte{byte(rng.IntN(5))}}
			}
			return m
		}
		var ops overlay.OpID
		for range 1500 {
			r.now = r.now.Add(time.Duration(rng.ExpFloat64() * float64(2*time.Second)))
			switch rng.IntN(12) {
			case 0:
				r.step(overlay.Join{Seeds: []overlay.Contact{*node()}})
			case 1:
				r.step(overlay.Seen{Contact: *node()})
			case 2:
				r.step(overlay.Gone{Peer: node().Peer})
			case 3:
				ops++
				r.step(overlay.Start{Op: ops, Query: []overlay.Query{
					overlay.FindClosest{Key: key(), N: rng.IntN(9)},
					overlay.Provide{Key: key()},
					overlay.StopProviding{Key: key()},
					overlay.FindProviders{Key: key(), Limit: rng.IntN(3)},
					overlay.PutValue{Key: key(), Value: []byte{byte(rng.IntN(5))}},
					overlay.GetValue{Key: key()},
					overlay.FindClosest{},
					nil,
				}[rng.IntN(8)]})
			case 4:
				r.step(overlay.Cancel{Op: overlay.OpID(rng.Uint64N(uint64(ops) + 2))})
			case 5:
				for _, s := range r.take(everything) { // as the owner would
					if !s.OneWay {
						r.step(overlay.Answer{Req: s.Req, Err: overlay.ErrTimeout})
					}
				}
				r.wait(time.Duration(rng.ExpFloat64() * float64(time.Minute)))
			case 6, 7:
				c := node()
				m := message(MessageType(rng.IntN(7)))
				if m.Type == AddProvider && rng.IntN(2) == 0 {
					m.Providers = []*overlay.Contact{c}
				}
				r.request(c, rng.IntN(2) == 0, []string{"", lan, "/ip4/127.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"}[rng.IntN(4)], m)
			case 8:
				if rng.IntN(20) == 0 {
					r.step(overlay.SelfChanged{Addrs: node().Addrs, Server: rng.IntN(3) > 0})
				}
			default:
				for range 3 {
					if len(r.sent) == 0 {
						break
					}
					i := rng.IntN(len(r.sent))
					s := r.sent[i]
					r.sent = slices.Delete(r.sent, i, i+1)
					if s.OneWay {
						continue
					}
					ans := overlay.Answer{Req: s.Req, Msg: message(s.Msg.(*Message).Type)}
					switch rng.IntN(6) {
					case 0:
						ans = overlay.Answer{Req: s.Req, Err: overlay.ErrTimeout}
					case 1:
						ans = overlay.Answer{Req: s.Req, Err: overlay.ErrRefused}
					case 2:
						ans.Msg = message(MessageType(rng.IntN(7)))
					}
					r.step(ans)
					if rng.IntN(10) == 0 {
						r.step(ans) // once more, which nobody wants
					}
				}
			}
		}
		r.step(overlay.Leave{})
		if len(r.done) != int(ops) {
			t.Fatalf("seed %d: %d of %d operations ended", seed, len(r.done), ops)
		}
		if at := r.m.Deadline(); !at.IsZero() {
			t.Errorf("seed %d: a deadline after leaving", seed)
		}
		for _, s := range r.take(everything) {
			r.step(overlay.Answer{Req: s.Req, Msg: message(s.Msg.(*Message).Type)})
		}
		if len(r.sent) > 0 {
			t.Errorf("seed %d: sent something after leaving", seed)
		}
	}
}

// anyValue accepts every value and prefers the greater.
type anyValue struct{}

func (anyValue) Validate(_, _ []byte) error { return nil }
func (anyValue) Better(_, a, b []byte) bool { return slices.Compare(a, b) > 0 }
