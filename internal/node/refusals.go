package node

import (
	"context"
	"errors"
	"sync"

	"ringswap/overlay"
)

// Reasons for which the transport ends a stream, beside those of the overlays.
const (
	reasonFraming = "broken framing"
	reasonSlow    = "too slow"
	reasonStreams = "too many streams"
)

// strictCodec is an overlay's codec that counts what it cannot read, so that a
// user can see who bothers a node, and how. It is used by many goroutines.
type strictCodec struct {
	overlay.Codec
	reason func(error) error // one of the overlay's own; nil if it is none

	mu      sync.Mutex
	refused map[string]uint64
}

func newStrictCodec(o routing) *strictCodec {
	return &strictCodec{Codec: o.codec(), reason: o.reason, refused: make(map[string]uint64)}
}

// Decode implements [overlay.Codec].
func (c *strictCodec) Decode(b []byte) (overlay.Message, error) {
	msg, err := c.Codec.Decode(b)
	if err != nil {
		why := c.reason(err)
		if why == nil {
			why = overlay.ErrBadMessage
		}
		c.mu.Lock()
		c.refused[why.Error()]++
		c.mu.Unlock()
	}
	return msg, err
}

// add adds what was counted.
func (c *strictCodec) add(to map[string]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for why, n := range c.refused {
		to[why] += n
	}
}

// refusals counts the messages of others that this node did not accept, by the
// reason: what broke the framing, what could not be read, what the overlay
// refused, and what was said of members of a swarm. It is nil if there were none.
func (n *Node) refusals(ctx context.Context) (map[string]uint64, error) {
	all := make(map[string]uint64)
	err := n.net.inspect(ctx, func(o routing) {
		for why, count := range o.refused() {
			all[why] += count
		}
	})
	if err != nil {
		return nil, failure(KindFailed, err, "", "the overlay does not answer")
	}
	n.net.codec.add(all)
	n.gossip.add(all)
	c := n.net.transport.Counters()
	all[reasonFraming] += c.Garbage
	all[reasonSlow] += c.TooSlow
	all[reasonStreams] += c.Busy
	for why, count := range all {
		if count == 0 {
			delete(all, why)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// oneOf is the reason among these that err is for, nil if it is none.
func oneOf(reasons []error, err error) error {
	for _, r := range reasons {
		if errors.Is(err, r) {
			return r
		}
	}
	return nil
}
