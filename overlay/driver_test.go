package overlay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

// echo is a small machine that uses every part of the contract: FindClosest
// asks the peer named in seeds once, FindProviders yields every peer that
// answers, Provide tells all of them without an answer.
type echo struct {
	seeds   []Contact
	req     ReqID
	running map[ReqID]OpID
	ticks   int
	due     time.Time
	told    []uint64
	left    bool
	hold    []ReqID // inbound requests to be answered at the next tick
}

type number uint64

type numberCodec struct{}

func (numberCodec) Encode(m Message) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(m.(number))), nil
}

func (numberCodec) Decode(b []byte) (Message, error) {
	if len(b) != 8 {
		return nil, fmt.Errorf("%w: %d bytes", ErrBadMessage, len(b))
	}
	return number(binary.BigEndian.Uint64(b)), nil
}

const (
	ask     = number(1) // answered at once with ask+1
	askLate = number(10)
	askBad  = number(20)
	tell    = number(30)
)

func (e *echo) Deadline() time.Time { return e.due }

func (e *echo) Step(now time.Time, ev Event) (out []Effect) {
	if e.running == nil {
		e.running = make(map[ReqID]OpID)
	}
	switch ev := ev.(type) {
	case Join:
		e.seeds = append(e.seeds, ev.Seeds...)
		out = append(out, Changed{})
	case Start:
		out = e.start(ev)
	case Cancel:
		for req, op := range e.running {
			if op == ev.Op {
				delete(e.running, req)
			}
		}
		out = append(out, Done{Op: ev.Op, Err: ErrCanceled})
	case Answer:
		if op, ok := e.running[ev.Req]; ok {
			delete(e.running, ev.Req)
			res := Result{}
			if n, ok := ev.Msg.(number); ok {
				res.Stored = int(n)
				out = append(out, Found{Op: op, Provider: e.seeds[0]})
			}
			out = append(out, Done{Op: op, Result: res, Err: ev.Err})
		}
	case Inbound:
		switch n := ev.Msg.(number); n {
		case ask:
			out = append(out, Reply{Req: ev.Req, Msg: n + 1})
		case askLate:
			e.hold = append(e.hold, ev.Req)
			e.due = now.Add(time.Second)
		case tell:
			e.told = append(e.told, uint64(n))
			out = append(out, Reply{Req: ev.Req})
		default:
			out = append(out, Reply{Req: ev.Req, Err: ErrRefused})
		}
	case Tick:
		e.ticks++
		e.due = time.Time{}
		for _, req := range e.hold {
			out = append(out, Reply{Req: req, Msg: askLate + 1})
		}
		e.hold = nil
	case Leave:
		e.left = true
		for _, s := range e.seeds {
			e.req++
			out = append(out, Send{Req: e.req, To: &s, Msg: tell, OneWay: true})
		}
	}
	return out
}

func (e *echo) start(ev Start) []Effect {
	msg := ask
	switch q := ev.Query.(type) {
	case FindProviders:
	case FindClosest:
		msg = number(q.N)
	case Provide:
		e.req++
		return []Effect{
			Send{Req: e.req, To: &e.seeds[0], Msg: tell, OneWay: true},
			Done{Op: ev.Op, Result: Result{Stored: 1}},
		}
	}
	e.req++
	e.running[e.req] = ev.Op
	return []Effect{Send{Req: e.req, To: &e.seeds[0], Msg: msg, Timeout: 5 * time.Second}}
}

// memory is a Transport between drivers of one test.
type memory struct {
	self  Contact
	mu    *sync.Mutex
	peers map[ID]*memory
	h     Handler
}

func (m *memory) Serve(h Handler) { m.h = h }

func (m *memory) Call(ctx context.Context, to Contact, msg []byte) ([]byte, error) {
	m.mu.Lock()
	p := m.peers[to.ID]
	m.mu.Unlock()
	if p == nil {
		<-ctx.Done() // nobody there: silence
		return nil, ctx.Err()
	}
	return p.h(ctx, Request{From: m.self, Server: true, Msg: slices.Clone(msg)})
}

func (m *memory) Send(ctx context.Context, to Contact, msg []byte) error {
	_, err := m.Call(ctx, to, msg)
	return err
}

type testNode struct {
	*Driver
	machine *echo
	contact Contact
	changed int
}

// pair runs two drivers that know each other and a third contact that does not
// exist, and stops them at the end of the test.
func pair(t *testing.T, f func(ctx context.Context, a, b *testNode)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var mu sync.Mutex
		peers := make(map[ID]*memory)
		nodes := make([]*testNode, 2)
		var running sync.WaitGroup
		for i := range nodes {
			n := &testNode{machine: &echo{}, contact: NewContact(testPeer(i))}
			tr := &memory{self: n.contact, mu: &mu, peers: peers}
			peers[n.contact.ID] = tr
			d, err := NewDriver(DriverConfig{
				Machine: n.machine, Codec: numberCodec{}, Transport: tr,
				OnChanged: func() { n.changed++ },
			})
			if err != nil {
				t.Fatal(err)
			}
			n.Driver, nodes[i] = d, n
			running.Go(func() {
				if err := d.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		for i, n := range nodes {
			if err := n.Notify(ctx, Join{Seeds: []Contact{nodes[1-i].contact}}); err != nil {
				t.Fatal(err)
			}
		}
		f(ctx, nodes[0], nodes[1])
		stop()
		running.Wait()
		if !nodes[0].machine.left {
			t.Error("the machine was not told to leave")
		}
		if _, err := nodes[0].Closest(t.Context(), RawKey([]byte("x")), 1); !errors.Is(err, ErrClosed) {
			t.Errorf("after Run: %v, want ErrClosed", err)
		}
	})
}

// aim makes c the only peer that the node's machine knows.
func (n *testNode) aim(ctx context.Context, t *testing.T, c Contact) {
	t.Helper()
	if err := n.Inspect(ctx, func(m Machine) { m.(*echo).seeds = []Contact{c} }); err != nil {
		t.Fatal(err)
	}
}

func testPeer(i int) peer.ID { return peer.ID([]byte{0, 1, byte(i)}) }

func testCid(t *testing.T) cid.Cid {
	mh, err := multihash.Sum([]byte("x"), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

func TestDriverCarriesRequestsAndAnswers(t *testing.T) {
	pair(t, func(ctx context.Context, a, b *testNode) {
		synctest.Wait()
		if a.changed != 1 {
			t.Errorf("Changed was passed on %d times, want 1", a.changed)
		}
		for _, n := range []number{ask, askLate} {
			if _, err := a.Closest(ctx, RawKey([]byte("k")), int(n)); err != nil {
				t.Errorf("request %d: %v", n, err)
			}
		}
		synctest.Wait()
		if b.machine.ticks != 1 {
			t.Errorf("%d ticks, want the one that answered late", b.machine.ticks)
		}
		if _, err := a.Closest(ctx, RawKey([]byte("k")), int(askBad)); !errors.Is(err, ErrRefused) {
			t.Errorf("a refused request ended with %v", err)
		}
		found := 0
		for p, err := range a.Providers(ctx, testCid(t)) {
			if err != nil || p.ID != b.contact.Peer {
				t.Errorf("providers yielded %v, %v", p, err)
			}
			found++
		}
		if found != 1 {
			t.Errorf("%d providers, want 1", found)
		}
	})
}

func TestDriverTimesOut(t *testing.T) {
	pair(t, func(ctx context.Context, a, _ *testNode) {
		a.aim(ctx, t, NewContact(testPeer(9)))
		begin := time.Now()
		_, err := a.Closest(ctx, RawKey([]byte("k")), int(ask))
		if !errors.Is(err, ErrTimeout) || time.Since(begin) != 5*time.Second {
			t.Errorf("silence ended with %v after %v, want ErrTimeout after 5s", err, time.Since(begin))
		}
	})
}

func TestDriverCancels(t *testing.T) {
	pair(t, func(ctx context.Context, a, _ *testNode) {
		a.aim(ctx, t, NewContact(testPeer(9)))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := a.Closest(short, RawKey([]byte("k")), int(ask)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a cancelled lookup ended with %v", err)
		}
		for _, err := range a.Providers(short, testCid(t)) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a cancelled search ended with %v", err)
			}
		}
		synctest.Wait()
		running := -1
		if err := a.Inspect(ctx, func(m Machine) { running = len(m.(*echo).running) }); err != nil || running != 0 {
			t.Errorf("%d operations still run at the machine, %v", running, err)
		}
	})
}

func TestDriverOneWayAndGoodbye(t *testing.T) {
	var b *testNode
	pair(t, func(ctx context.Context, a, other *testNode) {
		b = other
		if n, err := a.Provide(ctx, testCid(t)); n != 1 || err != nil {
			t.Errorf("provide: %d, %v", n, err)
		}
		synctest.Wait()
		if len(b.machine.told) != 1 {
			t.Errorf("%d one-way messages arrived, want 1", len(b.machine.told))
		}
	})
}

func TestDriverRefusesGarbageAndFloods(t *testing.T) {
	pair(t, func(ctx context.Context, a, b *testNode) {
		tr := b.cfg.Transport.(*memory)
		if _, err := tr.h(ctx, Request{From: a.contact, Msg: []byte("garbage")}); !errors.Is(err, ErrBadMessage) {
			t.Errorf("garbage was answered with %v", err)
		}
		late, err := numberCodec{}.Encode(askLate)
		if err != nil {
			t.Fatal(err)
		}
		const extra = 7
		refused := make(chan error, 256+extra)
		for range 256 + extra {
			go func() {
				_, err := tr.h(ctx, Request{From: a.contact, Msg: late})
				refused <- err
			}()
		}
		n := 0
		for range 256 + extra {
			if errors.Is(<-refused, ErrRefused) {
				n++
			}
		}
		if n != extra {
			t.Errorf("%d requests of a flood were refused, want %d", n, extra)
		}
	})
}

func TestDriverConfig(t *testing.T) {
	good := DriverConfig{Machine: &echo{}, Codec: numberCodec{}, Transport: &memory{}}
	for _, bad := range []func(*DriverConfig){
		func(c *DriverConfig) { c.Machine = nil },
		func(c *DriverConfig) { c.Codec = nil },
		func(c *DriverConfig) { c.Transport = nil },
		func(c *DriverConfig) { c.MaxInbound = -1 },
		func(c *DriverConfig) { c.LeaveTimeout = -1 },
	} {
		c := good
		bad(&c)
		if _, err := NewDriver(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
