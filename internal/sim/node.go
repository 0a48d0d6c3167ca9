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

	world *World
	// machine is nil while a node of a populated world sleeps (lazy.go).
	machine overlay.Machine
	state   state
	// used is set by every step, for the one who looks for machines to put away.
	used bool
	// side is the part of a cut network that the node is in.
	side uint8
	// life counts the node's starts; what belongs to an earlier one is void.
	life uint32
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
	n.world.wake(n)
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
func (w *World) step(n *Node, ev overlay.Event) {
	w.wake(n)
	n.used = true
	w.Steps++
	w.depth++
	effects := n.machine.Step(w.time(), ev)
	w.note(uint64(n.Number)<<8|uint64(len(effects)&0xff), uint64(w.now))
	for _, eff := range effects {
		w.perform(n, eff)
	}
	w.arm(n)
	w.check(n)
	w.depth--
	w.tell()
}

// check calls the owner's check after something happened to a node.
func (w *World) check(n *Node) {
	if w.After != nil && w.err == nil {
		if err := w.After(n); err != nil {
			w.fail(n, err)
		}
	}
}

func (w *World) perform(n *Node, eff overlay.Effect) {
	switch eff := eff.(type) {
	case overlay.Send:
		w.send(n, &eff)
	case overlay.Reply:
		w.reply(n, &eff)
	case overlay.Found:
		if op := w.ops[eff.Op]; op != nil {
			op.found = append(op.found, eff.Provider)
		}
	case overlay.Done:
		w.finish(n, eff)
	}
}

// arm queues a tick for the machine's deadline unless an earlier one is queued.
// A tick that turns out to come too early is queued again when it comes, so a
// deadline that is moved back and forth costs nothing.
func (w *World) arm(n *Node) {
	if n.state != running {
		return
	}
	due := n.machine.Deadline()
	if due.IsZero() {
		return
	}
	at := max(int64(due.Sub(epoch)), w.now+int64(minTick))
	if n.tick != 0 && n.tick <= at {
		return
	}
	n.tick = at
	n.ticks++
	w.queue.Push(at, event{kind: evTick, arg: n.Number, gen: n.ticks})
}

// ticked runs a queued tick.
func (w *World) ticked(n *Node) {
	n.tick = 0
	if n.state != running || n.machine == nil {
		return
	}
	due := n.machine.Deadline()
	if due.IsZero() {
		return
	}
	if int64(due.Sub(epoch)) > w.now {
		w.arm(n)
		return
	}
	w.step(n, overlay.Tick{})
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
	// Took is the time from start to end.
	Took time.Duration
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
	w.ops[id] = &operation{node: n, start: w.now, then: then}
	n.ops = append(n.ops, id)
	n.busy++
	w.step(n, overlay.Start{Op: id, Query: q})
	return id
}

// finish ends an operation.
func (w *World) finish(n *Node, done overlay.Done) {
	op := w.ops[done.Op]
	if op == nil {
		return
	}
	delete(w.ops, done.Op)
	for i, id := range n.ops {
		if id == done.Op {
			n.ops = append(n.ops[:i], n.ops[i+1:]...)
			break
		}
	}
	n.busy--
	w.ended(op, Outcome{Done: done})
}

// ended has the owner told of an outcome once no step is being performed.
func (w *World) ended(op *operation, o Outcome) {
	if op.then != nil {
		o.Took, o.Found = time.Duration(w.now-op.start), op.found
		w.endings = append(w.endings, func() { op.then(o) })
	}
}

// tell calls those that wait for an outcome.
func (w *World) tell() {
	for w.depth == 0 && len(w.endings) > 0 {
		f := w.endings[0]
		w.endings = w.endings[1:]
		if len(w.endings) == 0 {
			w.endings = nil
		}
		f()
	}
}

// abandon ends all operations of a node that has stopped.
func (w *World) abandon(n *Node) {
	ops := n.ops
	n.ops = nil
	for _, id := range ops {
		op := w.ops[id]
		delete(w.ops, id)
		w.ended(op, Outcome{Done: overlay.Done{Op: id, Err: overlay.ErrClosed}, Died: true})
	}
	w.tell()
}
