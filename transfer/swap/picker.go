package swap

import (
	"math/rand/v2"
	"slices"
	"time"

	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/peer"
)

// This file and picker_*.go are the pure core of a session: which range of
// which block is asked from which peer, who is too slow, who lied. The picker
// has no clock, lock, goroutine or buffer; [Session] is the shell that feeds it
// events and performs its actions.
//
// A block is active from its first request until it is settled: verified and
// handed over, or given up. Active blocks are what costs memory, so their sum
// is bounded; a block's bytes are cut into segments that come from whoever has
// them, and a segment whose peer goes away keeps what has come.

// blockKey names a block within a session: the index within a job.
type blockKey struct {
	job   int
	index int
}

// actionKind is what the picker wants done.
type actionKind int

const (
	actRequest actionKind = iota // ask peer for n bytes of key at off; n is 0 for a whole block
	actCancel                    // tell peer that the answer to req is no longer wanted
	actKeep                      // keep the first n bytes that came for req as the part at off
	actDiscard                   // throw away the part of key at off; off -1: every part
	actBan                       // never again use peer: reason
	actDrop                      // end the stream to peer: reason; it may come back
)

type action struct {
	kind   actionKind
	peer   peer.ID
	req    uint64
	key    blockKey
	off, n int
	reason string
}

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
)

type pickerConfig struct {
	budget int           // bytes of active blocks
	stall  time.Duration // silence after which a peer with requests is dropped
	rng    *rand.Rand
}

type picker struct {
	cfg    pickerConfig
	peers  []*pickPeer // in the order of joining
	byID   map[peer.ID]*pickPeer
	jobs   []*pickJob   // urgent ones first, else in the order of coming
	active []*pickBlock // in the order of activation
	bytes  int          // what the active blocks cost
	turn   int          // which peer is asked first
	reqs   uint64       // the last request's number
	jobIDs int
	acts   []action

	rarity   []uint16 // for each chunk, how many partial peers have it
	partials int      // peers that are not complete
	nodeSize int      // typical size of a block whose size is not known beforehand
}

func newPicker(cfg pickerConfig) *picker {
	return &picker{cfg: cfg, byID: make(map[peer.ID]*pickPeer), nodeSize: 32 << 10}
}

// pickJob is a set of blocks that somebody waits for.
type pickJob struct {
	id     int
	sizes  []int // of each block, in bytes; 0 if not known beforehand
	todo   *bitset
	order  Order
	chunks bool // indexes are the swarm's chunk indexes; otherwise internal nodes
	cursor int
}

// pickBlock is an active block.
type pickBlock struct {
	key  blockKey
	job  *pickJob
	size int // 0 while unknown
	cost int
	segs []segment // ascending, covering [0, size)
	// solo: several peers gave the bytes of a bad copy, so one alone has to
	// give all of the next one.
	solo   bool
	full   bool // every byte has come; the shell verifies
	orphan bool // a peer that worked on it went away
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
}

func (r *pickReq) left() int { return max(r.cost-r.got, 0) }

// addJob starts work on the blocks of todo, which the picker owns from now on.
func (k *picker) addJob(sizes []int, todo *bitset, order Order, chunks bool) int {
	k.jobIDs++
	j := &pickJob{id: k.jobIDs, sizes: sizes, todo: todo, order: order, chunks: chunks}
	if chunks && order == Rarest && len(sizes) > 0 {
		j.cursor = k.cfg.rng.IntN(len(sizes))
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

// endJob forgets a job, done or not. The shell throws away its parts.
func (k *picker) endJob(id int) {
	i := slices.IndexFunc(k.jobs, func(j *pickJob) bool { return j.id == id })
	if i < 0 {
		return
	}
	k.jobs = slices.Delete(k.jobs, i, i+1)
	for _, b := range slices.Clone(k.active) {
		if b.key.job == id {
			k.abandon(b)
			k.deactivate(b)
		}
	}
}

// abandon cancels the requests for b.
func (k *picker) abandon(b *pickBlock) {
	for _, s := range b.segs {
		if s.state == segAsked {
			k.cancel(s.peer, s.req)
		}
	}
}

func (k *picker) cancel(p *pickPeer, r *pickReq) {
	r.lost = true
	k.acts = append(k.acts, action{kind: actCancel, peer: p.id, req: r.id})
}

func (k *picker) deactivate(b *pickBlock) {
	k.active = slices.DeleteFunc(k.active, func(o *pickBlock) bool { return o == b })
	k.bytes -= b.cost
}

// activate makes block i of j active.
func (k *picker) activate(j *pickJob, i int) *pickBlock {
	b := &pickBlock{key: blockKey{job: j.id, index: i}, job: j, size: j.sizes[i]}
	b.cost = k.costOf(b.size)
	b.segs = []segment{{n: b.size}}
	j.todo.clear(i)
	k.active = append(k.active, b)
	k.bytes += b.cost
	return b
}

func (k *picker) costOf(size int) int {
	if size == 0 {
		return k.nodeSize
	}
	return max(size, minCost)
}

// room reports whether a further block of that size may become active.
func (k *picker) room(size int) bool {
	return len(k.active) == 0 || k.bytes+k.costOf(size) <= k.cfg.budget
}

func (k *picker) block(key blockKey) *pickBlock {
	for _, b := range k.active {
		if b.key == key {
			return b
		}
	}
	return nil
}

// next returns what is to be done now. allow bounds the bytes asked for; used
// is how many of them were.
func (k *picker) next(now time.Time, allow int) (acts []action, used int) {
	k.expire(now)
	k.dropSilent(now)
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
func (k *picker) ask(now time.Time, p *pickPeer, allow int) int {
	if !p.wantsMore(now) || allow < minRange {
		return 0
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
func (k *picker) request(now time.Time, p *pickPeer, b *pickBlock, i, n int) int {
	s := b.segs[i]
	k.reqs++
	r := &pickReq{id: k.reqs, blk: b, off: s.off, n: n, cost: n, sent: now}
	if b.size == 0 {
		r.cost = k.nodeSize
	}
	if n < s.n {
		b.segs = slices.Insert(b.segs, i+1, segment{off: s.off + n, n: s.n - n, peer: p})
	}
	b.segs[i] = segment{off: s.off, n: n, state: segAsked, peer: p, req: r}
	if !slices.ContainsFunc(b.segs, func(s segment) bool { return s.state == segFree }) {
		b.orphan = false
	}
	p.add(now, r)
	k.acts = append(k.acts, action{kind: actRequest, peer: p.id, req: r.id, key: b.key, off: r.off, n: n})
	return r.cost
}

// deadline is when next has to be called again though nothing has happened; the
// zero time means never.
func (k *picker) deadline(now time.Time) time.Time {
	var d time.Time
	for _, p := range k.peers {
		d = earlier(d, p.deadline(now, k.cfg.stall))
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
