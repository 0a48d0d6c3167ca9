package chord

import "ringswap/overlay"

// delivery brings a record to the nodes responsible for its key.
type delivery struct {
	m       *Machine
	lookup  *lookup
	make    func(to *overlay.Contact) Message
	res     overlay.Result
	waiting int
	ended   bool
	then    func(overlay.Result, error)
}

// deliver looks up the nodes responsible for key and sends each what msg makes
// for it. This node itself, if it is one of them, counts as stored. then is called
// once at the end, unless it is stopped before.
func (m *Machine) deliver(key overlay.Key, msg func(*overlay.Contact) Message, then func(overlay.Result, error)) *delivery {
	d := &delivery{m: m, make: msg, then: then}
	d.lookup = m.find(FindRequest{Key: key.Preimage(), N: m.cfg.Copies}, d, nil, false)
	return d
}

// over implements goal.
func (d *delivery) over(l *lookup) {
	m := d.m
	d.res.Path = l.trace()
	if err := l.verdict(); err != nil {
		d.end(err)
		return
	}
	for i := range d.res.Path.Closest {
		c := &d.res.Path.Closest[i]
		if c.Peer == m.self.Peer {
			d.res.Stored++
			continue
		}
		d.waiting++
		m.ask(c, d.make(c), func(_ Message, err error) {
			if d.waiting--; err == nil {
				d.res.Stored++
			}
			d.settle()
		})
	}
	d.settle()
}

func (d *delivery) settle() {
	switch {
	case d.waiting > 0 || d.ended:
	case d.res.Stored == 0:
		d.end(overlay.ErrRefused)
	default:
		d.end(nil)
	}
}

func (d *delivery) end(err error) {
	if !d.ended {
		d.ended = true
		d.then(d.res, err)
	}
}

// recordOp is a running Provide or PutValue.
type recordOp struct {
	delivery *delivery
	canceled func()
}

// Stop implements [operation.Operation].
func (op *recordOp) Stop() overlay.Result {
	d := op.delivery
	if d == nil {
		return overlay.Result{}
	}
	if d.ended = true; !d.lookup.ended {
		d.lookup.stop()
		d.res.Path = d.lookup.trace()
	}
	if op.canceled != nil {
		op.canceled()
	}
	return d.res
}
