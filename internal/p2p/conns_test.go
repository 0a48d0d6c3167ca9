package p2p

import (
	"slices"
	"testing"
	"time"
)

func TestConnsTellHowTheyRun(t *testing.T) {
	for name, addr := range map[string]string{"tcp": tcpLoopback, "quic-v1": quicLoopback} {
		t.Run(name, func(t *testing.T) {
			a := newHost(t, listenOn(addr), func(c *Config) { c.UserAgent = "asker/1" })
			b := newHost(t, listenOn(addr))
			ta, tb := newTransport(t, a, TransportConfig{}), newTransport(t, b, TransportConfig{})
			tb.Serve(echo)
			msg := make([]byte, 100_000)
			for range 3 {
				if _, err := ta.Call(within(t, 10*time.Second), contactOf(b), msg); err != nil {
					t.Fatal(err)
				}
			}
			conns := a.Conns()
			if len(conns) != 1 {
				t.Fatalf("connections: %+v", conns)
			}
			c := conns[0]
			if c.Peer != b.ID() || c.Inbound || c.Relayed || c.Transport != name || time.Since(c.Opened) > time.Minute {
				t.Errorf("seen by the asker: %+v", c)
			}
			if !slices.Contains(c.Protocols, testProtocol) || c.Streams == 0 {
				t.Errorf("streams: %+v", c)
			}
			if c.Latency <= 0 || c.Latency > time.Second {
				t.Errorf("the round trip is said to be %v", c.Latency)
			}
			eventually(t, func() bool {
				there := b.Conns()
				return len(there) == 1 && there[0].Inbound && there[0].Agent == "asker/1"
			}, "the other side does not know who asks")
			// The meters are read once a second.
			eventually(t, func() bool {
				tr := a.Traffic()
				return tr.In >= 300_000 && tr.Out >= 300_000 && a.Conns()[0].Out >= 300_000
			}, "the traffic was not counted")
		})
	}
}
