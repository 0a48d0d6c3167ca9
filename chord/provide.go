package chord

import (
	"slices"

	"ringswap/overlay"
	"ringswap/overlay/publish"
	"ringswap/overlay/scope"
)

// published is a key that this node provides.
type published = publish.Key[holding]

// holding is what is known of the holders of a key's record.
type holding struct {
	// keeper says that this node is one of them: as of the last announcement, or
	// because another keeper thinks so.
	keeper bool
}

// announce begins an announcement and calls then at its end.
func (m *Machine) announce(pub *published, then func(overlay.Result, error)) *delivery {
	return m.deliver(pub.Key, m.provideRequest(pub.Key), func(res overlay.Result, err error) {
		if pub.Holders = res.Stored; err != nil {
			pub.Holders = 0
		}
		pub.Note.keeper = slices.ContainsFunc(res.Path.Closest, func(c overlay.Contact) bool { return c.Peer == m.self.Peer })
		m.records.publisher.Ended(pub, pub.Holders == 0)
		then(res, err)
	})
}

// provideRequest makes the message for a node that is to keep the key's record.
func (m *Machine) provideRequest(key overlay.Key) func(to *overlay.Contact) Message {
	return func(to *overlay.Contact) Message {
		me := *m.self
		me.Addrs = scope.Within(me.Addrs, scope.Audience(me.Addrs, to))
		return &AddProviderRequest{Key: key.Preimage(), Provider: &me}
	}
}

// startProvide begins a Provide.
func (m *Machine) startProvide(id overlay.OpID, q overlay.Provide) error {
	if err := keyError(q.Key); err != nil {
		return err
	}
	pub := m.records.publisher.Begin(q.Key)
	op := &recordOp{canceled: func() { m.records.publisher.Abandoned(pub) }}
	m.ops.Add(id, op)
	op.delivery = m.announce(pub, func(res overlay.Result, err error) { m.ops.Finish(id, res, err) })
	return nil
}
