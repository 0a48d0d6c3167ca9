package node

import (
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/swap"
)

// What a peer is shown to give is what came from it, whatever it could give.
func TestFlowsOfPeers(t *testing.T) {
	f := newFlows()
	root := testCid(t)
	alice, bob := pair{root, "alice"}, pair{root, "bob"}
	now := f.at
	sample := func(received, sent map[pair]int64) {
		now = now.Add(2 * time.Second)
		var all swap.Totals
		for _, n := range received {
			all.Received += n
		}
		for _, n := range sent {
			all.Sent += n
		}
		f.sample(now, map[cid.Cid]swap.Totals{root: all}, sent, received)
	}
	check := func(who pair, in, out float64) {
		t.Helper()
		if i, o := f.ofPeer(who.root, who.peer); i != in || o != out {
			t.Errorf("%s: %v bytes a second from it and %v to it, want %v and %v", who.peer, i, o, in, out)
		}
	}
	sample(map[pair]int64{alice: 1000}, map[pair]int64{bob: 500})
	check(alice, 500, 0)
	check(bob, 0, 250)
	sample(map[pair]int64{alice: 3000, bob: 10}, map[pair]int64{bob: 100}) // on a new stream
	check(alice, 1000, 0)
	check(bob, 5, 50)
	if in, out := f.rates(root); in != 1005 || out != 50 {
		t.Errorf("all: %v in, %v out, want 1005 and 50", in, out)
	}
	sample(nil, nil)
	check(alice, 0, 0)
	check(bob, 0, 0)
}
