package sim

import (
	"time"

	"ringswap/overlay"
)

// Node is one node of a [World]. Its exported fields are for reading.
type Node struct {
	Contact *overlay.Contact
	// Number is the node's number in the order of creation, from 0.
	Number uint32
	// Server says that the node answers requests.
	Server bool
	// Evil is what the node does to those who ask it; nil for an honest one.
	Evil *Evil

	shard *shard
	// machine is nil while a node of a populated world sleeps (lazy.go).
	machine overlay.Machine
	state   state
	// used is set by every step, for the one who looks for machines to put away.
	used bool
	// side is the part of a cut network that the node is in.
	side uint8
	// life counts the node's starts; what belongs to an earlier one is void.
	life uint32
	// caused counts the events that the node caused, over all its lives.
	caused uint64
	// member says that the node was seen to have joined, in this life.
	member bool
	// busy counts what would be lost if the machine were put away.
	busy int32
	// tick is when the node's earliest queued tick comes, 0 if none is queued;
	// ticks is the generation of ticks that counts.
	tick  int64
	ticks uint32
	// slow is added to every message from the node.
	slow time.Duration
	ops  []overlay.OpID
}

// state is whether a node takes part.
type state uint8

const (
	running state = iota
	stopped       // killed or left: silent, and may start again
)

// Alive reports whether the node runs.
func (n *Node) Alive() bool { return n.state == running }

// Machine is the node's machine; of a sleeping one it is made now. nil if the
// node does not run.
func (n *Node) Machine() overlay.Machine {
	if n.state != running {
		return nil
	}
	n.shard.w.wake(n)
	return n.bare()
}

// bare is the node's machine without the lies.
func (n *Node) bare() overlay.Machine {
	if e, ok := n.machine.(*liar); ok {
		return e.Machine
	}
	return n.machine
}

// Slow adds a delay to every message that the node sends from now on.
func (n *Node) Slow(d time.Duration) { n.slow = d }

// String is the node's place, for people.
func (n *Node) String() string { return "node " + n.Contact.ID.Short() }

// step gives the node's machine an event now and performs the effects.
func (w *World) step(n *Node, ev overlay.Event) { n.shard.step(n, ev) }

// step gives the node's machine an event now and performs the effects.
func (s *shard) step(n *Node, ev overlay.Event) {
	w := s.w
	if w.apart {
		s.perform(n, ev)
		return
	}
	s.now = w.now
	w.wake(n)
	n.used = true
	w.depth++
	s.perform(n, ev)
	w.check(n)
	w.depth--
	w.tell()
}

func (s *shard) perform(n *Node, ev overlay.Event) {
	effects := n.machine.Step(timeAt(s.now), ev)
	s.note(n, uint64(len(effects)&0xff))
	for _, eff := range effects {
		switch eff := eff.(type) {
		case overlay.Send:
			s.send(n, &eff)
		case overlay.Reply:
			s.reply(n, &eff)
		case overlay.Found:
			if op := s.ops[eff.Op]; op != nil {
				op.found = append(op.found, eff.Provider)
			}
		case overlay.Done:
			s.finish(n, eff)
		}
	}
	s.arm(n)
	if s.w.OnMember != nil && !n.member && s.w.settings.Overlay.Member(n.bare()) {
		n.member = true
		news := s.news()
		news.members = append(news.members, membered{n: n, at: s.now})
	}
}

// news is where to put what the owner is to be told.
func (s *shard) news() *news {
	if s.w.apart {
		return &s.out.news
	}
	return &s.w.news
}

// fail ends the run.
func (s *shard) fail(n *Node, err error) {
	news := s.news()
	news.failed = append(news.failed, failed{n: n, at: s.now, err: err})
}

// check calls the owner's check after something happened to a node.
func (w *World) check(n *Node) {
	if w.After != nil && w.err == nil {
		if err := w.After(n); err != nil {
			w.fail(n, w.now, err)
		}
	}
}

// arm queues a tick for the machine's deadline unless an earlier one is queued.
// A tick that turns out to come too early is queued again when it comes, so a
// deadline that is moved back and forth costs nothing.
func (s *shard) arm(n *Node) {
	if n.state != running {
		return
	}
	due := n.machine.Deadline()
	if due.IsZero() {
		return
	}
	at := max(int64(due.Sub(epoch)), s.now+int64(minTick))
	if n.tick != 0 && n.tick <= at {
		return
	}
	n.tick = at
	n.ticks++
	s.queue.PushKey(at, n.key(), event{kind: evTick, arg: n.Number, gen: n.ticks})
}

// ticked runs a queued tick.
func (s *shard) ticked(n *Node) {
	n.tick = 0
	if n.state != running || n.machine == nil {
		return
	}
	due := n.machine.Deadline()
	if due.IsZero() {
		return
	}
	if int64(due.Sub(epoch)) > s.now {
		s.arm(n)
		return
	}
	s.step(n, overlay.Tick{})
}

// operation is a query that runs at a node.
type operation struct {
	node  *Node
	start int64
	found []overlay.Contact
	then  func(Outcome)
}

// Outcome is how a query ended.
type Outcome struct {
	overlay.Done
	// At is when it ended, Took the time from start to end.
	At, Took time.Duration
	// Found are the providers of a FindProviders, in the order of their coming.
	Found []overlay.Contact
	// Died says that the node was stopped before the query ended.
	Died bool
}

// Start begins a query at a running node. then, which may be nil, is called once
// with its outcome, possibly before Start returns.
func (w *World) Start(n *Node, q overlay.Query, then func(Outcome)) overlay.OpID {
	w.lastOp++
	id := w.lastOp
	if n.state != running {
		if then != nil {
			then(Outcome{Done: overlay.Done{Op: id, Err: overlay.ErrClosed}, Died: true})
		}
		return id
	}
	n.shard.ops[id] = &operation{node: n, start: w.now, then: then}
	n.ops = append(n.ops, id)
	n.busy++
	w.step(n, overlay.Start{Op: id, Query: q})
	return id
}

// ending is an outcome that the owner is to be told.
type ending struct {
	Outcome
	then func(Outcome)
}

// finish ends an operation.
func (s *shard) finish(n *Node, done overlay.Done) {
	op := s.ops[done.Op]
	if op == nil {
		return
	}
	for i, id := range n.ops {
		if id == done.Op {
			n.ops = append(n.ops[:i], n.ops[i+1:]...)
			break
		}
	}
	n.busy--
	s.ended(op, Outcome{Done: done})
}

// ended has the owner told of an outcome once no step is being performed.
func (s *shard) ended(op *operation, o Outcome) {
	delete(s.ops, o.Op)
	if op.then != nil {
		o.At, o.Took, o.Found = timeOf(s.now), timeOf(s.now-op.start), op.found
		news := s.news()
		news.endings = append(news.endings, ending{Outcome: o, then: op.then})
	}
}

// abandon ends all operations of a node that has stopped.
func (w *World) abandon(n *Node) {
	s, ops := n.shard, n.ops
	s.now, n.ops = w.now, nil
	for _, id := range ops {
		s.ended(s.ops[id], Outcome{Done: overlay.Done{Op: id, Err: overlay.ErrClosed}, Died: true})
	}
	w.tell()
}
