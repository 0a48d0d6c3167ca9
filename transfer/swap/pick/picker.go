package pick

import (
	"math/rand/v2"
	"slices"
	"time"

	"ringswap/transfer/swap/bitset"
	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Key names a block within a session: the index within a job. Jobs count from
// 1, so that the zero Key names none.
type Key struct {
	Job   int
	Index int
}

// Kind is what a Picker wants done.
type Kind int

// The kinds of actions, and which fields of an [Action] each of them has.
const (
	Request Kind = iota // ask Peer for N bytes of Key at Off, and call that Req; N is 0 for a whole block
	Cancel              // tell Peer that the answer to Req is no longer wanted
	Keep                // keep the first N bytes that came for Req as the part of Key at Off
	Discard             // throw away the part of Key at Off; Off -1: every part
	Ban                 // never again use Peer: Reason
	Drop                // end the stream to Peer: Reason; it may come back
)

// Action is one thing that a Picker wants done. Actions are done in their order.
type Action struct {
	Kind   Kind
	Peer   peer.ID
	Req    uint64
	Key    Key
	Off, N int // bytes
	Reason string
}

// Order is the order in which the blocks of a job are asked for.
type Order int

const (
	// Rarest asks first for what the fewest peers have, and begins anywhere.
	Rarest Order = iota
	// Sequential asks and delivers in the order of the chunks.
	Sequential
)

// Sizes of what is asked at a time, in bytes.
const (
	minRange = 16 << 10
	maxRange = wire.MaxRange
	// minKeep is the least that is kept of a segment whose peer went away, so
	// that a peer that dies often cannot shred a block.
	minKeep = 16 << 10
	// minCost is what the smallest block counts as, which bounds their number.
	minCost = 8 << 10
	// maxRequests bounds the unanswered requests to one peer; a server takes 512.
	maxRequests = 256
	// refill is how many of them are made together once there were maxRequests: a
	// folder of small files would otherwise take a packet for each.
	refill = 64
)

// Config is what a Picker goes by. Every field must be set.
type Config struct {
	Budget int           // bytes of blocks that are active at a time, at most
	Stall  time.Duration // silence after which a peer with requests is dropped
	Rand   *rand.Rand    // the picker's own
}

// Picker decides what a session asks of whom. [New] makes one. It is used by one
// goroutine at a time.
type Picker struct {
	cfg    Config
	peers  []*pickPeer // in the order of joining
	byID   map[peer.ID]*pickPeer
	jobs   []*pickJob   // urgent ones first, else in the order of coming
	active []*pickBlock // in the order of activation
	bytes  int          // what the active blocks cost
	turn   int          // which peer is asked first
	reqs   uint64       // the last request's number
	look   time.Time    // when peers without work look for some to take over
	jobIDs int
	acts   []Action

	rarity   []uint16  // for each chunk, how many partial peers have it
	partials int       // peers that are not complete
	trials   int       // active blocks on trial
	settled  bool      // a chunk was verified
	began    time.Time // when the first request was made
	nodeSize int       // typical size of a block whose size is not known beforehand
}

// New makes a picker without peers and without work.
func New(cfg Config) *Picker {
	return &Picker{cfg: cfg, byID: make(map[peer.ID]*pickPeer), nodeSize: 32 << 10}
}

// pickJob is a set of blocks that somebody waits for.
type pickJob struct {
	id     int
	sizes  []int // of each block, in bytes; 0 if not known beforehand
	todo   *bitset.Set
	order  Order
	chunks bool // indexes are the swarm's chunk indexes; otherwise internal nodes
	cursor int
	// started counts the blocks that were made active.
	started int
}

// pickBlock is an active block.
type pickBlock struct {
	key    Key
	job    *pickJob
	size   int // 0 while unknown
	cost   int
	segs   []segment // ascending, covering [0, size)
	trial  *trial    // nil unless a copy that several peers gave was bad
	full   bool      // every byte has come; the shell verifies
	orphan bool      // a peer that worked on it went away
}

type segState int

const (
	segFree segState = iota
	segAsked
	segDone
)

// segment is a run of a block's bytes. peer is who gave it or is to give it;
// of a free segment, who had it last.
type segment struct {
	off, n int
	state  segState
	peer   *pickPeer
	req    *pickReq
}

// pickReq is a request that has not been answered to its end.
type pickReq struct {
	id   uint64
	blk  *pickBlock
	off  int
	n    int // 0 for a whole block of unknown size
	cost int // n, or a guess
	got  int
	lost bool // somebody else was asked since; the answer is not wanted
	sent time.Time

	standing bool // made to a peer that is held: see adopt; blk is nil
	key      Key
	job      *pickJob
}

func (r *pickReq) left() int { return max(r.cost-r.got, 0) }

// AddJob starts work on the blocks of todo, which the picker owns from now on,
// and returns the job's number. sizes are those of all blocks of the job, in
// bytes, 0 where not known beforehand; it is read for as long as the job lasts.
// chunks says that indexes count the chunks of the DAG; otherwise the blocks are
// inner ones, which everybody has who has any chunk.
func (k *Picker) AddJob(sizes []int, todo *bitset.Set, order Order, chunks bool) int {
	k.jobIDs++
	j := &pickJob{id: k.jobIDs, sizes: sizes, todo: todo, order: order, chunks: chunks}
	if chunks && order == Rarest && len(sizes) > 0 {
		j.cursor = k.cfg.Rand.IntN(len(sizes))
	}
	at := len(k.jobs)
	if !chunks {
		at = slices.IndexFunc(k.jobs, func(o *pickJob) bool { return o.chunks })
		if at < 0 {
			at = len(k.jobs)
		}
	}
	k.jobs = slices.Insert(k.jobs, at, j)
	if chunks {
		k.countRarity(len(sizes))
	}
	for _, p := range k.peers {
		p.dry = false
	}
	return j.id
}

// EndJob forgets a job, done or not. The owner throws away its parts.
func (k *Picker) EndJob(id int) {
	i := slices.IndexFunc(k.jobs, func(j *pickJob) bool { return j.id == id })
	if i < 0 {
		return
	}
	k.dropStanding(k.jobs[i])
	k.jobs = slices.Delete(k.jobs, i, i+1)
	for _, b := range slices.Clone(k.active) {
		if b.key.Job == id {
			k.abandon(b)
			k.deactivate(b)
		}
	}
}

// abandon cancels the requests for b.
func (k *Picker) abandon(b *pickBlock) {
	for _, s := range b.segs {
		if s.state == segAsked {
			k.cancel(s.peer, s.req)
		}
	}
}

func (k *Picker) cancel(p *pickPeer, r *pickReq) {
	r.lost = true
	k.acts = append(k.acts, Action{Kind: Cancel, Peer: p.id, Req: r.id})
}

func (k *Picker) deactivate(b *pickBlock) {
	k.active = slices.DeleteFunc(k.active, func(o *pickBlock) bool { return o == b })
	k.bytes -= b.cost
	if b.trial != nil {
		k.trials--
	}
}

// activate makes block i of j active.
func (k *Picker) activate(j *pickJob, i int) *pickBlock {
	b := &pickBlock{key: Key{Job: j.id, Index: i}, job: j, size: j.sizes[i]}
	b.cost = k.costOf(b.size)
	b.segs = []segment{{n: b.size}}
	j.todo.Remove(i)
	j.started++
	k.active = append(k.active, b)
	k.bytes += b.cost
	return b
}

func (k *Picker) costOf(size int) int {
	if size == 0 {
		return k.nodeSize
	}
	return max(size, minCost)
}

// room reports whether a further block of that size may become active.
func (k *Picker) room(size int) bool {
	return len(k.active) == 0 || k.bytes+k.costOf(size) <= k.cfg.Budget
}

func (k *Picker) block(key Key) *pickBlock {
	for _, b := range k.active {
		if b.key == key {
			return b
		}
	}
	return nil
}

// Next returns what is to be done now; the slice is the caller's. allow bounds
// the bytes asked for; used is how many of them were.
func (k *Picker) Next(now time.Time, allow int) (acts []Action, used int) {
	k.expire(now)
	k.dropSilent(now)
	k.holdMute(now)
	k.endIdle(now)
	for idle := 0; idle < len(k.peers); k.turn++ {
		n := k.ask(now, k.peers[k.turn%len(k.peers)], allow-used)
		if n == 0 {
			idle++
			continue
		}
		idle, used = 0, used+n
	}
	acts, k.acts = k.acts, nil
	return acts, used
}

// ask makes one request to p, if p can take one, and returns its cost.
func (k *Picker) ask(now time.Time, p *pickPeer, allow int) int {
	if !p.wantsMore(now) || allow < minRange {
		return 0
	}
	if p.held {
		return k.stand(now, p, allow)
	}
	b, i := k.choose(now, p)
	if b == nil {
		return 0
	}
	n := min(b.segs[i].n, p.rangeBytes(now), allow)
	if rest := b.segs[i].n - n; rest > 0 && rest < minRange && b.segs[i].n <= min(maxRange, allow) {
		n = b.segs[i].n // no crumbs
	}
	// A block of unknown size may turn out to be more than was allowed.
	return min(k.request(now, p, b, i, n), allow)
}

// request asks p for the first n bytes of segment i, which is free.
func (k *Picker) request(now time.Time, p *pickPeer, b *pickBlock, i, n int) int {
	s := b.segs[i]
	if k.began.IsZero() {
		k.began = now
	}
	k.reqs++
	r := &pickReq{id: k.reqs, blk: b, key: b.key, job: b.job, off: s.off, n: n, cost: n, sent: now}
	if b.size == 0 {
		r.cost = k.nodeSize
	}
	if n < s.n {
		b.segs = slices.Insert(b.segs, i+1, segment{off: s.off + n, n: s.n - n, peer: p})
	}
	b.segs[i] = segment{off: s.off, n: n, state: segAsked, peer: p, req: r}
	if b.trial != nil {
		b.trial.alone = p
	}
	if !slices.ContainsFunc(b.segs, func(s segment) bool { return s.state == segFree }) {
		b.orphan = false
	}
	p.add(now, r)
	k.acts = append(k.acts, Action{Kind: Request, Peer: p.id, Req: r.id, Key: b.key, Off: r.off, N: n})
	return r.cost
}

// Deadline is when Next has to be called again though nothing has happened; the
// zero time means never.
func (k *Picker) Deadline(now time.Time) time.Time {
	d := k.trialDeadline(now)
	for _, p := range k.peers {
		d = earlier(d, p.deadline(now, k.cfg.Stall))
	}
	return d
}

// earlier returns the earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
