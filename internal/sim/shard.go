package sim

import (
	"fmt"
	"math"
	"math/rand/v2"

	"ringswap/internal/sim/agenda"
	"ringswap/overlay"
)

// shardCount is the number of parts that the nodes of a world are put into, by
// their numbers. It is the same however many cores there are.
const shardCount = 16

// shard is a part of a network with all that belongs to its nodes: their events,
// the messages on their way to them, and what happened to them. While shards run on
// their own, nobody touches what is another one's, except to read what does not
// change meanwhile: who there is, and which side of a cut he is on.
//
// Its events have a total order: by time, and by a key that whoever caused them
// gave them, from its own number and a count of its own. So nothing depends on the
// order in which shards run.
type shard struct {
	w       *World
	index   int
	now     int64
	queue   agenda.Agenda[event]
	letters []letter
	free    []uint32
	// owed are the requests that were not answered at once, by their numbers at the
	// receiver; serving is the one that is being handed over, or nobody.
	owed    map[overlay.ReqID]uint32
	serving uint32
	ops     map[overlay.OpID]*operation

	events, messages, bytes, digest uint64

	source rand.PCG
	rng    *rand.Rand // of source: what happens to one message
	stream uint64
	out    *outbox // of the worker that runs the shard while it is on its own

	_ [64]byte // the next one's may be written to by another core
}

// nobody is no letter.
const nobody = math.MaxUint32

func (s *shard) init(w *World, index int) {
	s.w, s.index, s.serving = w, index, nobody
	s.owed, s.ops = make(map[overlay.ReqID]uint32), make(map[overlay.OpID]*operation)
	s.digest = mix(w.settings.Seed, uint64(index))
	s.rng, s.stream = rand.New(&s.source), mix(w.settings.Seed, streamNetwork)
}

// shard is that of the node with a number.
func (w *World) shard(number uint32) *shard { return &w.shards[number%shardCount] }

// kind says what an event is.
type kind uint8

const (
	evLetter kind = iota // a message, or the lack of one, arrives; arg: letter
	evOwed               // an answer would come too late from now on; arg: letter
	evTick               // a machine's deadline; arg: node
)

// event is something that is about to happen. It is a small value without pointers.
type event struct {
	arg  uint32
	gen  uint32 // of what arg names; an event of an older generation is void
	kind kind
}

// one runs the next event.
func (s *shard) one() {
	at, e := s.queue.Pop()
	s.now = at
	switch e.kind {
	case evLetter:
		s.events++
		s.receive(e.arg)
	case evOwed:
		if s.letters[e.arg].gen == e.gen {
			s.events++
			s.giveUp(e.arg)
		}
	case evTick:
		if n := s.w.nodes[e.arg]; n.ticks == e.gen {
			s.events++
			s.ticked(n)
		}
	}
}

// head is when the next event comes.
func (s *shard) head() int64 {
	if s.queue.Len() == 0 {
		return math.MaxInt64
	}
	return s.queue.Next()
}

// note takes an occurrence at a node into the digest.
func (s *shard) note(n *Node, what uint64) {
	h := (s.digest ^ (uint64(n.Number)<<8 | what)) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h = (h ^ uint64(s.now)) * 0xbf58476d1ce4e5b9
	s.digest = h ^ h>>29
}

// What is noted beside the number of effects of a step.
const (
	noteCame    = 0xf1
	noteStopped = 0xf2
)

// post puts a letter on its way to a shard.
func (s *shard) post(to *shard, at int64, key uint64, l *letter) {
	if !s.w.apart || s == to {
		to.take(at, key, l)
		return
	}
	if at < s.out.until {
		panic(fmt.Sprintf("sim: a message came sooner than %T.Least says", s.w.settings.Latency))
	}
	s.out.put(to.index, at, key, l)
}

// take enters a letter that arrives at a time.
func (s *shard) take(at int64, key uint64, l *letter) {
	var i uint32
	if last := len(s.free) - 1; last >= 0 {
		i = s.free[last]
		s.free = s.free[:last]
	} else {
		i = uint32(len(s.letters))
		s.letters = append(s.letters, letter{})
	}
	gen := s.letters[i].gen
	s.letters[i] = *l
	s.letters[i].gen = gen
	s.queue.PushKey(at, key, event{kind: evLetter, arg: i, gen: gen})
}

// drop forgets a letter; what still names it is void.
func (s *shard) drop(i uint32) {
	s.letters[i] = letter{gen: s.letters[i].gen + 1}
	s.free = append(s.free, i)
}
