package pick

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/internal/sim/agenda"
	"ringswap/transfer/swap/bitset"
	"ringswap/transfer/swap/wire"
)

// simPeer is a provider in virtual time: it answers its requests one after the
// other, in pieces, at its rate.
type simPeer struct {
	id    peer.ID
	rate  float64 // bytes a second
	delay time.Duration
	// chunks it has; nil for all
	have  []int
	learn time.Duration // gains its other chunks one by one, so far apart
	// misbehaviour
	lies    int           // of so many bytes it sends, one is wrong; 0: none; 1: all
	quits   float64       // share of its answers in which it closes the stream; it returns
	mute    int           // says nothing more after so many bytes; 0: never; -1: answers nothing but Cancel
	refuses float64       // share of requests that it refuses
	leaves  time.Duration // closes the stream then, 0: never
	returns time.Duration // and opens it again so much later, 0: never
	deaf    bool          // does not heed Cancel
	chokes  time.Duration // serves and chokes in turn, for so long each; 0: serves

	choked bool

	open  bool
	epoch int // of the stream
	queue []*simReq
	busy  bool
	sent  int
}

type simReq struct {
	id       uint64
	key      Key
	off, n   int
	sent     int
	canceled bool
	bad      bool
	peer     *simPeer
	epoch    int
}

// simJob is a fetch.
type simJob struct {
	id    int
	sizes []int
	order Order
	done  []int        // the blocks that were delivered, in that order
	times []int        // how often each was
	ready map[int]bool // verified, in Sequential order not yet delivered
	ended bool
}

// simPart is what the shell holds of a block.
type simPart struct {
	off, n int
	from   peer.ID
	bad    bool
}

// sim drives a picker as a session would, in virtual time.
type sim struct {
	t      *testing.T
	k      *Picker
	rng    *rand.Rand
	now    time.Time
	start  time.Time
	events agenda.Agenda[func()] // in nanoseconds from the start
	peers  map[peer.ID]*simPeer
	reqs   map[uint64]*simReq
	parts  map[Key][]simPart
	bad    map[Key][]simPart
	fails  map[Key]int // copies of each block that were bad
	jobs   map[int]*simJob
	chunks int // of the DAG
	banned map[peer.ID]string
	first  map[peer.ID]Key // asked of each peer
	drops  int
	asked  int // bytes asked for
	allow  func(time.Time) int
	trace  uint64
	tick   time.Time
}

func newSim(t *testing.T, seed uint64, budget int) *sim {
	s := &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1e9, 0),
		peers: make(map[peer.ID]*simPeer), reqs: make(map[uint64]*simReq),
		parts: make(map[Key][]simPart), bad: make(map[Key][]simPart), fails: make(map[Key]int),
		banned: make(map[peer.ID]string), first: make(map[peer.ID]Key),
		jobs: make(map[int]*simJob),
	}
	s.start = s.now
	s.k = New(Config{Budget: budget, Stall: 20 * time.Second, Rand: rand.New(rand.NewPCG(seed, 9))})
	return s
}

func (s *sim) at(d time.Duration, f func()) {
	s.events.Push(int64(s.now.Add(d).Sub(s.start)), f)
}

// fetch starts a job; the sizes of nodes are not known to the picker.
func (s *sim) fetch(sizes []int, order Order, nodes bool) *simJob {
	todo := bitset.New(len(sizes))
	known := slices.Clone(sizes)
	for i := range sizes {
		todo.Add(i)
		if nodes {
			known[i] = 0
		}
	}
	if !nodes {
		s.chunks = len(sizes)
	}
	j := &simJob{sizes: sizes, order: order, times: make([]int, len(sizes)), ready: make(map[int]bool)}
	j.id = s.k.AddJob(known, todo, order, !nodes)
	s.jobs[j.id] = j
	s.pump()
	return j
}

// stop ends a job early.
func (s *sim) stop(j *simJob) {
	if j.ended {
		return
	}
	j.ended = true
	s.k.EndJob(j.id)
	for key := range s.parts {
		if key.Job == j.id {
			delete(s.parts, key)
		}
	}
	s.pump()
}

func (s *sim) join(p *simPeer) {
	s.peers[p.id] = p
	s.at(p.delay, func() { s.connect(p) })
	if p.leaves > 0 {
		s.at(p.leaves, func() { s.part(p) })
	}
}

func (s *sim) connect(p *simPeer) {
	if s.banned[p.id] != "" {
		return
	}
	p.open, p.queue, p.busy = true, nil, false
	p.epoch++
	s.k.AddPeer(s.now, p.id, 2*p.delay)
	if p.have == nil {
		s.k.SetState(p.id, true, bitset.New(0))
	} else {
		have := bitset.New(s.chunks)
		for _, i := range p.have {
			have.Add(i)
		}
		s.k.SetState(p.id, false, have)
	}
	if p.learn > 0 {
		s.learn(p, p.epoch)
	}
	if p.chokes > 0 {
		s.choke(p, p.epoch)
	}
	s.pump()
}

// choke lets a peer choke and, after a while, serve again.
func (s *sim) choke(p *simPeer, epoch int) {
	if !p.open || p.epoch != epoch {
		return
	}
	if p.busy { // a block that comes after it would end it
		s.at(time.Millisecond, func() { s.choke(p, epoch) })
		return
	}
	p.choked = !p.choked
	choked := p.choked
	s.at(p.delay, func() {
		switch {
		case !p.open || p.epoch != epoch:
			return
		case choked:
			s.k.Choked(p.id)
		default:
			s.k.Unchoked(s.now, p.id)
		}
		s.pump()
	})
	s.serve(p)
	s.at(p.chokes, func() { s.choke(p, epoch) })
}

func (s *sim) learn(p *simPeer, epoch int) {
	s.at(p.learn, func() {
		if !p.open || p.epoch != epoch || len(p.have) == s.chunks {
			return
		}
		i := s.rng.IntN(s.chunks)
		for slices.Contains(p.have, i) {
			i = (i + 1) % s.chunks
		}
		p.have = append(p.have, i)
		s.k.AddHave(p.id, i, 1)
		s.pump()
		s.learn(p, epoch)
	})
}

// part is the end of a stream, from the peer's side.
func (s *sim) part(p *simPeer) {
	if !p.open {
		return
	}
	s.shut(p)
	s.k.RemovePeer(p.id, false)
	s.pump()
	if p.returns > 0 {
		s.at(p.returns, func() { s.connect(p) })
	}
}

func (s *sim) shut(p *simPeer) {
	p.open = false
	p.epoch++
	for _, r := range p.queue {
		r.canceled = true
	}
	p.queue = nil
}

func (s *sim) pump() {
	allow := int(^uint(0) >> 1)
	if s.allow != nil {
		allow = s.allow(s.now)
	}
	acts, used := s.k.Next(s.now, allow)
	if used > allow {
		s.t.Fatalf("used %d of %d", used, allow)
	}
	for _, a := range acts {
		s.note(a)
		s.perform(a)
	}
	s.check()
	if d := s.k.Deadline(s.now); !d.IsZero() && (s.tick.IsZero() || d.Before(s.tick) || !s.tick.After(s.now)) {
		if !d.After(s.now) {
			s.t.Fatalf("deadline %v is not after now", d.Sub(s.now))
		}
		s.tick = d
		s.at(d.Sub(s.now), s.pump)
	}
}

func (s *sim) note(a Action) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %v %+v", s.trace, s.now.Sub(s.start), a)
	s.trace = h.Sum64()
}

func (s *sim) perform(a Action) {
	p := s.peers[a.Peer]
	switch a.Kind {
	case Request:
		if !p.open {
			s.t.Fatalf("asked %s, which is away", a.Peer)
		}
		n := a.N
		if n == 0 {
			n = s.jobs[a.Key.Job].sizes[a.Key.Index]
		}
		s.asked += n
		if _, ok := s.first[p.id]; !ok {
			s.first[p.id] = a.Key
		}
		r := &simReq{id: a.Req, key: a.Key, off: a.Off, n: n, peer: p, epoch: p.epoch}
		s.reqs[a.Req] = r
		s.at(p.delay, func() {
			if p.open && p.epoch == r.epoch {
				p.queue = append(p.queue, r)
				s.serve(p)
			}
		})
	case Cancel:
		r := s.reqs[a.Req]
		s.at(p.delay, func() {
			r.canceled = r.canceled || !p.deaf
			s.serve(p)
		})
	case Keep:
		r := s.reqs[a.Req]
		if s.jobs[a.Key.Job].ended {
			return
		}
		if a.N > r.sent+1<<30 || a.Off != r.off {
			s.t.Fatalf("kept %+v of %+v", a, r)
		}
		s.put(a.Key, simPart{off: a.Off, n: a.N, from: a.Peer, bad: r.bad})
	case Discard:
		s.parts[a.Key] = slices.DeleteFunc(s.parts[a.Key], func(p simPart) bool { return a.Off < 0 || p.off == a.Off })
	case Ban:
		if p.lies == 0 {
			s.t.Fatalf("%s banned for nothing: %s", a.Peer, a.Reason)
		}
		s.banned[a.Peer] = a.Reason
		s.shut(p)
	case Drop:
		s.drops++
		s.shut(p)
		if p.returns > 0 {
			s.at(p.returns, func() { s.connect(p) })
		}
	}
}

// serve sends the next piece of the peer's first request.
func (s *sim) serve(p *simPeer) {
	if p.busy || len(p.queue) == 0 || p.choked && !p.queue[0].canceled || (p.mute > 0 && p.sent >= p.mute) || (p.mute < 0 && !p.queue[0].canceled) {
		return
	}
	r := p.queue[0]
	if r.canceled || s.rng.Float64() < p.refuses {
		p.queue = p.queue[1:]
		reason := wire.ReasonNotHave
		if r.canceled {
			reason = wire.ReasonCanceled
		}
		s.at(p.delay, func() {
			if p.epoch == r.epoch {
				s.k.Refused(s.now, p.id, r.id, reason)
				s.pump()
			}
		})
		s.at(time.Microsecond, func() { s.serve(p) })
		return
	}
	n := min(r.n-r.sent, 64<<10)
	if float64(n) > p.rate { // a piece a second at least
		n = max(int(p.rate), 1)
	}
	p.busy = true
	epoch := p.epoch
	s.at(time.Duration(float64(n)/p.rate*float64(time.Second)), func() {
		if p.epoch != epoch {
			return
		}
		p.busy = false
		r.sent += n
		p.sent += n
		if p.lies > 0 && s.rng.IntN(p.lies) < n {
			r.bad = true
		}
		if p.quits > 0 && s.rng.Float64() < p.quits*float64(n)/float64(r.n) {
			s.part(p)
			return
		}
		last := r.sent == r.n
		if last {
			p.queue = p.queue[1:]
		}
		s.at(p.delay, func() {
			if p.epoch == epoch {
				s.arrive(p, r, n, last)
			}
		})
		s.serve(p)
	})
}

func (s *sim) arrive(p *simPeer, r *simReq, n int, last bool) {
	s.k.Received(s.now, p.id, r.id, n)
	if !last {
		s.pump()
		return
	}
	key, full := s.k.Finished(s.now, p.id, r.id)
	if key != (Key{}) {
		s.put(key, simPart{off: r.off, n: r.n, from: p.id, bad: r.bad})
	}
	if full {
		s.at(time.Millisecond, func() { s.verify(key) })
	}
	s.pump()
}

func (s *sim) put(key Key, p simPart) {
	s.parts[key] = append(s.parts[key], p)
}

// verify checks that the parts are exactly the block, and does what the shell
// does about good and bad ones.
func (s *sim) verify(key Key) {
	if s.jobs[key.Job].ended {
		return
	}
	parts := s.parts[key]
	slices.SortFunc(parts, func(a, b simPart) int { return cmp.Compare(a.off, b.off) })
	at, bad := 0, false
	for _, p := range parts {
		if p.off != at {
			s.t.Fatalf("block %v: part at %d after %d bytes: %+v", key, p.off, at, parts)
		}
		at += p.n
		bad = bad || p.bad
	}
	if at != s.jobs[key.Job].sizes[key.Index] {
		s.t.Fatalf("block %v: %d of %d bytes", key, at, s.jobs[key.Job].sizes[key.Index])
	}
	if bad {
		s.bad[key] = append(s.bad[key], parts...)
		s.fails[key]++
		s.k.Failed(key)
		s.pump()
		return
	}
	for _, p := range s.bad[key] {
		if p.bad && s.banned[p.from] == "" {
			s.k.Ban(p.from, "found by comparison")
		}
	}
	delete(s.parts, key)
	j := s.jobs[key.Job]
	j.ready[key.Index] = true
	for i := key.Index; j.ready[i] && (j.order != Sequential || i == len(j.done)); i++ {
		delete(j.ready, i)
		j.times[i]++
		j.done = append(j.done, i)
		s.k.Settled(Key{Job: key.Job, Index: i})
	}
	if len(j.done) == len(j.sizes) {
		s.stop(j)
	}
	s.pump()
}

// check holds the picker to what must be true after every event.
func (s *sim) check() {
	k := s.k
	bytes := 0
	for _, b := range k.active {
		bytes += b.cost
		at, free := 0, false
		for _, g := range b.segs {
			if g.off != at || g.n < 0 {
				s.t.Fatalf("block %v: segments %+v", b.key, b.segs)
			}
			at += g.n
			free = free || g.state == segFree
			if (g.state == segAsked) != (g.req != nil) {
				s.t.Fatalf("block %v: segment %+v", b.key, g)
			}
			if g.state == segAsked && (g.req.lost || !slices.Contains(g.peer.reqs, g.req) || k.byID[g.peer.id] != g.peer) {
				s.t.Fatalf("block %v: asked of nobody: %+v", b.key, g)
			}
		}
		if at != b.size {
			s.t.Fatalf("block %v: segments end at %d of %d", b.key, at, b.size)
		}
		if b.job.todo.Has(b.key.Index) {
			s.t.Fatalf("block %v is active and to be started", b.key)
		}
	}
	if bytes != k.bytes || (k.bytes > k.cfg.Budget && len(k.active) > 1) {
		s.t.Fatalf("%d bytes active, counted %d, budget %d", bytes, k.bytes, k.cfg.Budget)
	}
	rarity, partials := make([]uint16, len(k.rarity)), 0
	for _, p := range k.peers {
		left := 0
		for _, r := range p.reqs {
			left += r.left()
		}
		if left != p.asked || len(p.reqs) > maxRequests {
			s.t.Fatalf("%s: %d bytes asked, counted %d, %d requests", p.id, left, p.asked, len(p.reqs))
		}
		if !p.complete {
			partials++
			for i := p.have.Next(0); i >= 0; i = p.have.Next(i + 1) {
				rarity[i]++
			}
		}
	}
	if !slices.Equal(rarity, k.rarity) || partials != k.partials {
		s.t.Fatalf("rarity %v, counted %v; %d partial peers, counted %d", rarity, k.rarity, partials, k.partials)
	}
}

// checkLiars holds the picker to what it promises of liars, at the end of a run: of a
// block that several gave, one copy is bad, and after that one for each liar at most;
// and whoever spoiled a copy of a block that came is out.
func (s *sim) checkLiars() {
	liars := 0
	for _, p := range s.peers {
		if p.lies > 0 {
			liars++
		}
	}
	for key, n := range s.fails {
		if n > 1+liars {
			s.t.Fatalf("block %v: %d copies were bad, and there are %d liars", key, n, liars)
		}
		if j := s.jobs[key.Job]; j.times[key.Index] == 0 {
			continue
		}
		for _, p := range s.bad[key] {
			if p.bad && s.banned[p.from] == "" {
				s.t.Fatalf("block %v: %s spoiled it and is not banned", key, p.from)
			}
		}
	}
}

// running reports whether any job has not ended.
func (s *sim) running() bool {
	for _, j := range s.jobs {
		if !j.ended {
			return true
		}
	}
	return false
}

// run goes on until every job has ended, and returns how long that took.
func (s *sim) run(limit time.Duration) time.Duration {
	s.t.Helper()
	for s.running() {
		if s.events.Len() == 0 || s.now.Sub(s.start) > limit {
			for _, p := range s.k.peers {
				s.t.Logf("%s: %d requests, %d bytes asked, %.0f B/s", p.id, len(p.reqs), p.asked, p.rate(s.now))
			}
			for _, j := range s.jobs {
				s.t.Logf("job %d: %d of %d", j.id, len(j.done), len(j.sizes))
			}
			s.t.Fatalf("nothing more after %v; %d blocks active, starved %v", s.now.Sub(s.start), len(s.k.active), s.k.Starved())
		}
		at, do := s.events.Pop()
		s.now = s.start.Add(time.Duration(at))
		do()
	}
	s.checkLiars()
	for _, j := range s.jobs {
		for i, n := range j.times {
			if n > 1 || (n == 0 && len(j.done) == len(j.sizes)) {
				s.t.Fatalf("block %d delivered %d times", i, n)
			}
		}
	}
	if len(s.k.active) > 0 || s.k.bytes != 0 {
		s.t.Fatalf("%d blocks still active", len(s.k.active))
	}
	return s.now.Sub(s.start)
}
