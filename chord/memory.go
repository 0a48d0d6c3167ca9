package chord

import (
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

// memory is of nodes that fell silent. Most are dead; after a partition, they
// are the way back to the other half.
type memory struct {
	m      *Machine
	list   []absent
	heads  []uint64      // of the IDs in list, which is searched at every answer
	alarm  *alarm.Alarm  // the next probe
	probed time.Time     // when the last one was made
	pause  time.Duration // the least time between two
	met    time.Time     // the last look through a node that came by itself
	latest time.Time     // when a node was last found silent
}

// absent is a node that fell silent.
type absent struct {
	c     *overlay.Contact
	since time.Time
	last  time.Time // that it was found silent
	tries int
	due   time.Time // not probed before
}

// justLostFor is how long a node that did not answer is left out of lists that
// other nodes name.
const justLostFor = 20 * time.Second

// remember keeps a node at the cost of the one that has been silent longest.
func (y *memory) remember(c *overlay.Contact) {
	m := y.m
	limit := m.cfg.Ring.Remember
	y.latest = m.now
	if i := y.at(c.ID); i >= 0 {
		y.list[i].last = m.now
		return
	}
	if limit < 0 {
		return
	}
	if len(y.list) >= limit {
		y.delete(0)
	}
	y.heads = append(y.heads, head(c.ID))
	y.list = append(y.list, absent{c: c, since: m.now, last: m.now, due: m.now.Add(m.jitter(m.cfg.Ring.Probe))})
	y.pause = y.pause * 7 / 8
	y.rearm()
}

// rearm sets the alarm to when the next node is due, but leaves time between two
// probes: the less the more nodes fell silent lately, as in a partition, and the more
// the longer probes were in vain. It takes one probe of one node to begin a merger.
func (y *memory) rearm() {
	m := y.m
	if m.cfg.Ring.Stabilize < 0 || len(y.list) == 0 {
		return
	}
	next := slices.MinFunc(y.list, func(a, b absent) int { return a.due.Compare(b.due) }).due
	shortest, company := m.cfg.Ring.Probe/2, m.company()
	if y.pause == 0 {
		y.pause = shortest * company
	}
	y.pause = max(min(y.pause, 10*shortest*company), shortest)
	if least := y.probed.Add(y.pause); next.Before(least) {
		next = least
	}
	if !y.alarm.Pending() || y.alarm.At().After(next) {
		m.clock.Stop(y.alarm)
		y.alarm = m.clock.Set(next, y.probe)
	}
}

// company is how many times as seldom as alone this node need look for other rings,
// since others do so too: it takes one look of one node in the whole ring to begin a
// merger.
func (m *Machine) company() time.Duration {
	const few, most = 32, 16
	spacing := m.spacing()
	if spacing == 0 {
		return 1
	}
	return time.Duration(min(max(1/(few*spacing), 1), most))
}

func (y *memory) at(id overlay.ID) int {
	h := head(id)
	for i := range y.heads {
		if y.heads[i] == h && y.list[i].c.ID == id {
			return i
		}
	}
	return -1
}

func (y *memory) delete(i int) {
	y.list, y.heads = slices.Delete(y.list, i, i+1), slices.Delete(y.heads, i, i+1)
}

// forget is told of everyone who answers.
func (y *memory) forget(id overlay.ID) {
	if len(y.list) == 0 {
		return
	}
	if i := y.at(id); i >= 0 {
		y.delete(i)
	}
}

// justLost reports whether a node did not answer a moment ago.
func (y *memory) justLost(id overlay.ID) bool {
	if len(y.list) == 0 || y.m.now.Sub(y.latest) >= justLostFor {
		return false
	}
	i := y.at(id)
	return i >= 0 && y.m.now.Sub(y.list[i].last) < justLostFor
}

func (y *memory) contacts() []*overlay.Contact {
	out := make([]*overlay.Contact, len(y.list))
	for i := range y.list {
		out[i] = y.list[i].c
	}
	return out
}

// probe asks one remembered node, drawn at random among those that are due. Each
// that stays silent is probed half as often the next time, after the first few.
func (y *memory) probe() {
	m := y.m
	defer y.rearm()
	for i := len(y.list) - 1; i >= 0; i-- {
		if m.now.Sub(y.list[i].since) > m.cfg.Ring.RememberFor {
			y.delete(i)
		}
	}
	var due []int
	for i := range y.list {
		if !m.now.Before(y.list[i].due) {
			due = append(due, i)
		}
	}
	if len(due) == 0 {
		return
	}
	y.probed, y.pause = m.now, y.pause*3/2
	a := &y.list[due[m.cfg.Rand.IntN(len(due))]]
	a.tries++
	const patient = 8 // probes at the shortest interval
	a.due = m.now.Add(m.cfg.Ring.Probe << min(max(0, a.tries-patient), 10))
	c := a.c
	m.ask(c, &PingRequest{}, func(_ Message, err error) {
		if err == nil {
			m.ring.compare(c, nil)
		}
	})
}

// meet is told of a node that the transport, or a request of its own, shows to
// be alive. At intervals, one that we do not know shows us its ring.
func (y *memory) meet(c *overlay.Contact) {
	m := y.m
	if m.closed || m.admit(c) != nil || m.index.find(c.ID) != nil {
		return
	}
	if len(m.ring.succ) == 0 && m.server || len(m.index.list) == 0 {
		m.ring.join([]overlay.Contact{*c})
		return
	}
	if !m.server || m.cfg.Ring.Remember < 0 || m.now.Sub(y.met) < m.cfg.Ring.Probe {
		return
	}
	y.met = m.now
	m.ring.compare(c, nil)
}
