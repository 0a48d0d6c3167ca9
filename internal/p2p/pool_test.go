package p2p

import (
	"testing"
	"time"
)

func TestIdleStreamsExpire(t *testing.T) {
	a, b := newHost(t), newHost(t)
	client := newTransport(t, a, TransportConfig{IdleTimeout: 30 * time.Millisecond})
	newTransport(t, b, TransportConfig{}).Serve(echo)
	if _, err := client.Call(within(t, 10*time.Second), contactOf(b), []byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		client.pool.mu.Lock()
		defer client.pool.mu.Unlock()
		return client.pool.idle == 0 && len(client.pool.peers) == 0 && client.pool.sweep == nil
	}, "the idle stream stayed")
	eventually(t, func() bool { return protocolStreams(b) == 0 }, "the server kept the stream")
}

// The pool holds no more than it may, whoever is called.
func TestIdleStreamsAreBounded(t *testing.T) {
	a := newHost(t)
	client := newTransport(t, a, TransportConfig{IdleStreams: 3})
	for range 6 {
		b := newHost(t)
		newTransport(t, b, TransportConfig{}).Serve(echo)
		if _, err := client.Call(within(t, 10*time.Second), contactOf(b), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	client.pool.mu.Lock()
	defer client.pool.mu.Unlock()
	if client.pool.idle != 3 || len(client.pool.peers) != 3 {
		t.Errorf("%d idle streams to %d peers, want 3", client.pool.idle, len(client.pool.peers))
	}
}

// protocolStreams counts the open streams of the test's protocol.
func protocolStreams(h *Host) (n int) {
	for _, c := range h.Network().Conns() {
		for _, s := range c.GetStreams() {
			if s.Protocol() == testProtocol {
				n++
			}
		}
	}
	return n
}
