package swarm

// event is one entry of the heap: what is to be done when.
type event struct {
	at  int64  // virtual nanoseconds
	seq uint64 // first queued, first run: ties never depend on chance
	do  func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// eventHeap is a binary heap of events.
type eventHeap struct {
	list []event
	seq  uint64
}

// push queues an event; its seq is set here.
func (h *eventHeap) push(e event) {
	h.seq++
	e.seq = h.seq
	h.list = append(h.list, e)
	i := len(h.list) - 1
	for i > 0 {
		up := (i - 1) / 2
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
	h.list[last] = event{}
	h.list = h.list[:last]
	i := 0
	for last > 0 {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && h.list[c+1].before(&h.list[c]) {
			c++
		}
		if !h.list[c].before(&e) {
			break
		}
		h.list[i] = h.list[c]
		i = c
	}
	if last > 0 {
		h.list[i] = e
	}
	return top
}
