package sim

// kind says what an event is.
type kind uint8

const (
	evDeliver kind = iota // a request reaches its receiver; arg: exchange
	evAnswer              // an answer, or the lack of one, reaches the asker; arg: exchange
	evTick                // a machine's deadline; arg: node
	evAct                 // the owner's own event; arg: index of its function
)

// event is one entry of the heap. It is a small value without pointers: a run
// has hundreds of millions of them, and the garbage collector need not look.
type event struct {
	at   int64  // virtual nanoseconds
	seq  uint64 // first queued, first run: ties never depend on chance
	arg  uint32
	gen  uint32 // of what arg names; an event of an older generation is void
	kind kind
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// eventHeap is a heap with four children a node, which is shallower than a
// binary one and keeps siblings in the same cache lines.
type eventHeap struct {
	list []event
	seq  uint64
}

const arity = 4

func (h *eventHeap) len() int { return len(h.list) }

// push queues an event; its seq is set here.
func (h *eventHeap) push(e event) {
	h.seq++
	e.seq = h.seq
	h.list = append(h.list, e)
	i := len(h.list) - 1
	for i > 0 {
		up := (i - 1) / arity
		if !e.before(&h.list[up]) {
			break
		}
		h.list[i] = h.list[up]
		i = up
	}
	h.list[i] = e
}

// pop takes out the earliest event. The heap must not be empty.
func (h *eventHeap) pop() event {
	top := h.list[0]
	last := len(h.list) - 1
	e := h.list[last]
	h.list = h.list[:last]
	if last == 0 {
		return top
	}
	i := 0
	for {
		first := arity*i + 1
		if first >= last {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, last); c++ {
			if h.list[c].before(&h.list[least]) {
				least = c
			}
		}
		if !h.list[least].before(&e) {
			break
		}
		h.list[i] = h.list[least]
		i = least
	}
	h.list[i] = e
	return top
}
